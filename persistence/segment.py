"""One segment file of the journal: its header, its name, reading at a place, writing all of something.

A segment is allocated, written full of zeros and synced before it is used, so that an append changes no metadata (which
halves the sync) and cannot run out of space; a writer in a hurry goes without the zeros.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from persistence.frame import (
    CLOSING_MAGIC,
    CRC_BYTES,
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    Closing,
    Frame,
    JournalDamaged,
    JournalUnsupported,
    RecordSizes,
    checksum,
    declared_bytes,
    decode_frame,
)

SEGMENT_MAGIC: Final = b"DEEDJRNL"
SEGMENT_VERSION: Final = 1
SEGMENT_HEADER: Final = Struct("<8sIIIIQQQ16s32s")
SEGMENT_HEADER_SLOTS: Final = (
    ("magic", 8),
    ("version", 4),
    ("command_bytes", 4),
    ("event_bytes", 4),
    ("crc32", 4),
    ("epoch", 8),
    ("first_seq", 8),
    ("segment_bytes", 8),
    ("journal_id", 16),
    ("chain_hash", 32),
)
SEGMENT_HEADER_BYTES: Final = SEGMENT_HEADER.size
SEGMENT_CRC_OFFSET: Final = 20
SEGMENT_BYTES_DEFAULT: Final = 64 * 1024 * 1024
SEGMENT_BYTES_MIN: Final = SEGMENT_HEADER_BYTES + 2 * FRAME_HEADER_BYTES
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
ZEROS: Final = bytes(1024 * 1024)
_NAME: Final = re.compile(r"\d{20}\.seg")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """`chain_hash` is the hash of the frame before `first_seq`; `segment_bytes` is the file's whole size."""

    sizes: RecordSizes
    epoch: int
    first_seq: int
    segment_bytes: int
    journal_id: bytes
    chain_hash: bytes

    def encode(self) -> bytes:
        slots = (self.epoch, self.first_seq, self.segment_bytes, self.journal_id, self.chain_hash)
        sizes = (self.sizes.command_bytes, self.sizes.event_bytes)
        data = bytearray(SEGMENT_HEADER.pack(SEGMENT_MAGIC, SEGMENT_VERSION, *sizes, 0, *slots))
        data[SEGMENT_CRC_OFFSET : SEGMENT_CRC_OFFSET + CRC_BYTES] = crc32(data).to_bytes(CRC_BYTES, "little")
        return bytes(data)


def decode_segment_header(data: bytes, sizes: RecordSizes, segment: str) -> SegmentHeader | None:
    """Read a segment's first 96 bytes; None if they are not as they were written.

    Raises JournalUnsupported when they are, but the version or the records' sizes are not ours.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, version, command_bytes, event_bytes, crc, *slots = SEGMENT_HEADER.unpack_from(data)
    if magic != SEGMENT_MAGIC or checksum(memoryview(data)[:SEGMENT_HEADER_BYTES], SEGMENT_CRC_OFFSET) != crc:
        return None
    if version != SEGMENT_VERSION:
        raise JournalUnsupported(f"segment {segment}: version {version}, this program knows {SEGMENT_VERSION}")
    if (found := RecordSizes(command_bytes, event_bytes)) != sizes:
        raise JournalUnsupported(f"segment {segment}: records of {found}, this program has {sizes}")
    return SegmentHeader(sizes, *slots)


def segment_name(first_seq: int) -> str:
    return f"{first_seq:020d}.seg"


def segment_seqs(directory: Path) -> list[int]:
    """First seqs of the segments in use, in order, by their names."""
    return sorted(int(name[:20]) for name in os.listdir(directory) if _NAME.fullmatch(name))


class SegmentFile:
    """One segment, open for reading; it may be shorter than its header says when somebody cut it."""

    def __init__(self, directory: Path, first_seq: int, sizes: RecordSizes) -> None:
        self.name = segment_name(first_seq)
        self.first_seq = first_seq
        self._sizes = sizes
        self._path = directory / self.name
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self.header = decode_segment_header(os.pread(self._fd, SEGMENT_HEADER_BYTES, 0), sizes, self.name)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_replaced(self) -> bool:
        """True if the name leads to another file by now: an empty segment gave way to one for a large frame."""
        return not os.path.samestat(os.fstat(self._fd), self._path.stat())

    def size_bytes(self) -> int:
        return os.fstat(self._fd).st_size

    def record_at(self, offset: int) -> Frame | Closing | None:
        """The frame or closing mark that begins at `offset`, None if there is no whole one."""
        length = declared_bytes(os.pread(self._fd, FRAME_HEADER_BYTES, offset))
        if length == 0 or offset + length > self.size_bytes():
            return None
        return decode_frame(memoryview(os.pread(self._fd, length, offset)), self._sizes, self.name, offset)

    def record_after(self, offset: int) -> Frame | Closing | None:
        """The first whole frame or closing mark that begins anywhere after byte `offset`."""
        data = self.bytes_from(offset + 1)
        places = [at for magic in (FRAME_MAGIC, CLOSING_MAGIC) for at in _places(data, magic)]
        records = (self.record_at(offset + 1 + at) for at in sorted(places))
        return next((record for record in records if record is not None), None)

    def bytes_from(self, offset: int) -> bytes:
        return os.pread(self._fd, max(0, self.size_bytes() - offset), offset)

    def require_zeros_from(self, offset: int, seq: int) -> None:
        """Raise JournalDamaged(seq) if any byte from `offset` to the segment's end is not zero."""
        rest = self.bytes_from(offset)
        if (zeros := rest.count(0)) != len(rest):
            what = f"{len(rest) - zeros} bytes after the last frame are not zero"
            raise JournalDamaged(seq, self.name, offset, what)


def _places(data: bytes, magic: bytes) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(magic), data)]


def write_all(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write every byte of `data` at `offset`; a short write goes on where it stopped, an error is the caller's end."""
    view = memoryview(data)
    while len(view):
        written = os.pwrite(fd, view, offset)
        if written == 0:
            raise OSError(errno.EIO, "pwrite wrote nothing")
        view, offset = view[written:], offset + written


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
