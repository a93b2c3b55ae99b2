"""One frame of the journal: its bytes, its checksum, its hash, and what can be wrong with a journal.

A frame carries consecutive commands and the events they caused, both as the engine's fixed-width records; the journal
looks into neither. The layout is in docs/journal.md, which a test compares with the structs below.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final, Protocol
from zlib import crc32

from engine.wire import COMMAND_SIZE, EVENT_SIZE

FRAME_VERSION: Final = 1
FRAME_MAGIC: Final = b"DBFR"
CLOSING_MAGIC: Final = b"DBCL"
FRAME_HEADER: Final = Struct("<4sHHQIIII32s")
FRAME_HEADER_SLOTS: Final = (
    ("magic", 4),
    ("version", 2),
    ("reserved", 2),
    ("first_seq", 8),
    ("command_count", 4),
    ("commands_bytes", 4),
    ("events_bytes", 4),
    ("crc32", 4),
    ("previous_hash", 32),
)
FRAME_HEADER_BYTES: Final = FRAME_HEADER.size
CRC_OFFSET: Final = 28
CRC_BYTES: Final = 4
NO_HASH: Final = bytes(32)  # the chain's value before the first frame


class DurableFrame(Protocol):
    """A frame of the journal or of the feed: stamped commands, and the events they caused."""

    @property
    def first_seq(self) -> int: ...
    @property
    def commands(self) -> bytes | memoryview: ...
    @property
    def events(self) -> bytes | memoryview: ...
    @property
    def hash(self) -> bytes: ...


class JournalError(Exception):
    """The journal cannot be used; the text says why and names the directory or segment."""


class JournalDamaged(JournalError):  # noqa: N818 - a finding, not a slip of the program
    """Something before the tail is not what was written; `seq` is the first command that cannot be trusted."""

    def __init__(self, seq: int, segment: str, offset: int, what: str) -> None:
        super().__init__(f"journal damaged at seq {seq}: {what} (segment {segment}, byte {offset})")
        self.seq = seq
        self.segment = segment
        self.offset = offset


class JournalLocked(JournalError):  # noqa: N818
    """Another process writes this journal."""


class JournalFenced(JournalError):  # noqa: N818
    """Another writer took this journal over while we were stopped; nothing of ours may be written or acknowledged."""


class JournalUnsupported(JournalError):  # noqa: N818
    """The journal is whole, but of a version or with records that this program does not know."""


@dataclass(frozen=True, slots=True)
class RecordSizes:
    """Bytes of one command and of one event."""

    command_bytes: int
    event_bytes: int


WIRE_SIZES: Final = RecordSizes(COMMAND_SIZE, EVENT_SIZE)


@dataclass(frozen=True, slots=True)
class Frame:
    """Commands first_seq .. last_seq and their events; `hash` is the chain's value after it."""

    first_seq: int
    command_count: int
    commands: memoryview
    events: memoryview
    previous_hash: bytes
    hash: bytes
    segment: str
    offset: int

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.command_count - 1

    @property
    def end(self) -> int:
        return self.offset + FRAME_HEADER_BYTES + len(self.commands) + len(self.events)


@dataclass(frozen=True, slots=True)
class Closing:
    """The mark after a segment's last frame: the next frame is the first of the segment named by `next_seq`."""

    next_seq: int
    previous_hash: bytes
    offset: int


def _encode(magic: bytes, seq: int, count: int, commands: bytes, events: bytes, previous_hash: bytes) -> bytearray:
    data = bytearray(FRAME_HEADER_BYTES)
    FRAME_HEADER.pack_into(
        data, 0, magic, FRAME_VERSION, 0, seq, count, len(commands), len(events), 0, previous_hash
    )  # the checksum is taken with its own field zero
    data += commands
    data += events
    data[CRC_OFFSET : CRC_OFFSET + CRC_BYTES] = crc32(data).to_bytes(CRC_BYTES, "little")
    return data


def encode_frame(
    first_seq: int, commands: bytes, events: bytes, previous_hash: bytes, sizes: RecordSizes = WIRE_SIZES
) -> tuple[bytearray, bytes]:
    """Return the frame's bytes and its hash: SHA-256 of all its bytes, the previous frame's hash among them."""
    count, rest = divmod(len(commands), sizes.command_bytes)
    assert first_seq >= 1
    assert count >= 1
    assert rest == 0
    assert len(events) % sizes.event_bytes == 0
    data = _encode(FRAME_MAGIC, first_seq, count, commands, events, previous_hash)
    return data, sha256(data).digest()


def encode_closing(next_seq: int, previous_hash: bytes) -> bytearray:
    """Return the closing mark's 64 bytes; it is not part of the hash chain."""
    return _encode(CLOSING_MAGIC, next_seq, 0, b"", b"", previous_hash)


def declared_bytes(header: bytes | memoryview) -> int:
    """Return the whole length that a frame's (or closing mark's) first 64 bytes claim, or 0 if they begin neither."""
    if len(header) < FRAME_HEADER_BYTES:
        return 0
    magic, _, _, _, _, commands_bytes, events_bytes, _, _ = FRAME_HEADER.unpack_from(header)
    return FRAME_HEADER_BYTES + commands_bytes + events_bytes if magic in (FRAME_MAGIC, CLOSING_MAGIC) else 0


def decode_frame(
    data: memoryview, sizes: RecordSizes = WIRE_SIZES, segment: str = "", offset: int = 0
) -> Frame | Closing | None:
    """Read the frame or closing mark that fills `data` exactly; None if its bytes are not as they were written.

    Raises JournalUnsupported when the checksum is right but the version or the shape is not ours.
    """
    if len(data) < FRAME_HEADER_BYTES or declared_bytes(data) != len(data):
        return None
    magic, version, reserved, seq, count, commands_bytes, events_bytes, crc, previous = FRAME_HEADER.unpack_from(data)
    if checksum(data, CRC_OFFSET) != crc:
        return None
    if version != FRAME_VERSION or reserved != 0:
        raise JournalUnsupported(f"segment {segment}, seq {seq}: frame version {version} is not {FRAME_VERSION}")
    if magic == CLOSING_MAGIC:
        return Closing(seq, previous, offset)
    if commands_bytes != count * sizes.command_bytes or events_bytes % sizes.event_bytes or count == 0:
        raise JournalUnsupported(f"segment {segment}, seq {seq}: records are not of {sizes}")
    events_at = FRAME_HEADER_BYTES + commands_bytes
    commands, events = data[FRAME_HEADER_BYTES:events_at], data[events_at:]
    return Frame(seq, count, commands, events, previous, sha256(data).digest(), segment, offset)


def checksum(data: memoryview, crc_offset: int) -> int:
    """CRC-32 of `data` with its own field, four bytes at `crc_offset`, taken as zero."""
    after = crc32(bytes(CRC_BYTES), crc32(data[:crc_offset]))
    return crc32(data[crc_offset + CRC_BYTES :], after)
