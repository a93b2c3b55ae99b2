"""The journal's writer: one frame a sync, each chained to the one before; recovery of what an earlier writer left.

The format is in docs/journal.md. Readers are in persistence/journal_reader.py.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Self

from persistence.frame import (
    FRAME_HEADER_BYTES,
    NO_HASH,
    WIRE_SIZES,
    JournalDamaged,
    JournalError,
    RecordSizes,
    encode_closing,
    encode_frame,
)
from persistence.journal_lock import NO_JOURNAL, JournalLock
from persistence.journal_reader import JournalReader
from persistence.reserve import OVERSIZE_NAME, RESERVE_NAME, Reserve, write_zeros
from persistence.segment import (
    SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MIN,
    SEGMENT_HEADER_BYTES,
    ZEROS,
    SegmentHeader,
    segment_name,
    segment_seqs,
    sync_directory,
    write_all,
)


class JournalWriter:
    """Append-only log of frames in DIR; `last_seq` and `chain_hash` are those of the last durable frame.

    Not for two threads at once. An OSError or JournalFenced is final: it propagates, and nothing more is taken.
    """

    def __init__(self, directory: Path, segment_bytes: int, sizes: RecordSizes, with_thread: bool) -> None:
        assert segment_bytes >= SEGMENT_BYTES_MIN
        self.directory = directory
        self.last_seq = 0
        self.chain_hash = NO_HASH
        self._segment_bytes = segment_bytes
        self._sizes = sizes
        self._fd = -1
        self._offset = 0
        self._capacity = 0
        self._why_unusable = ""
        self._lock = JournalLock(directory)
        self._reserve = Reserve(directory, segment_bytes, with_thread, lambda: self._offset)

    @classmethod
    def open(
        cls,
        directory: Path,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        sizes: RecordSizes = WIRE_SIZES,
        with_thread: bool = True,
    ) -> Self:
        """Lock DIR, read the whole journal in it, cut a torn tail, sync it, and stand after the last frame.

        with_thread  prepare reserves in a thread of its own (False: inside `append`, so that tests can count calls).
        Raises       JournalLocked, JournalDamaged, JournalUnsupported (their texts say what and where), OSError.
        """
        writer = cls(directory, segment_bytes, sizes, with_thread)
        try:
            writer._recover()
        except BaseException:
            writer.close()
            raise
        return writer

    @property
    def disk_full(self) -> bool:
        """No next segment could be prepared: take no new orders (cancels fit). Clears when there is space again."""
        return self._reserve.disk_full

    @property
    def frame_bytes_max(self) -> int:
        """Largest payload (commands and events together) that fits an ordinary segment; a larger one gets its own."""
        return self._segment_bytes - SEGMENT_HEADER_BYTES - 2 * FRAME_HEADER_BYTES

    def append(self, first_seq: int, commands: bytes, events: bytes) -> bytes:
        """Write one frame and sync it; return its hash. When this returns, commands up to `last_seq` are durable.

        commands  n >= 1 records; first_seq is the first one's and must be last_seq + 1.
        Raises    OSError, JournalFenced: final. JournalError afterwards.
        """
        if self._why_unusable:
            raise JournalError(f"the journal in {self.directory} takes nothing more: {self._why_unusable}")
        assert first_seq == self.last_seq + 1  # the reader asserts it too
        frame, frame_hash = encode_frame(first_seq, commands, events, self.chain_hash, self._sizes)
        try:
            self._write(frame)
        except BaseException as error:
            self._why_unusable = f"it failed before ({error!r})"
            raise
        self._offset += len(frame)
        self.last_seq += len(commands) // self._sizes.command_bytes
        self.chain_hash = frame_hash
        return frame_hash

    def close(self) -> None:
        """Release the lock. Everything acknowledged is durable already, so there is nothing to flush."""
        self._why_unusable = self._why_unusable or "it is closed"
        self._reserve.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.close()

    def _write(self, frame: bytearray) -> None:
        self._lock.require_held()
        self._reserve.raise_error()
        if self._offset + len(frame) + FRAME_HEADER_BYTES > self._capacity:  # the closing mark must always fit
            self._switch(len(frame))
        write_all(self._fd, frame, self._offset)
        os.fdatasync(self._fd)
        self._lock.require_held()  # a frame written after somebody took over is never acknowledged

    def _switch(self, frame_bytes: int) -> None:
        """Close the segment and go on in the next; its name is on disk before the mark that says so."""
        closed_fd, closed_at = self._fd, self._offset
        is_empty = closed_at == SEGMENT_HEADER_BYTES  # then the frame is too large for it, and its own takes its name
        needed_bytes = SEGMENT_HEADER_BYTES + frame_bytes + FRAME_HEADER_BYTES
        if needed_bytes > self._segment_bytes:
            write_zeros(self.directory, OVERSIZE_NAME, needed_bytes)
            self._begin_segment(self.directory / OVERSIZE_NAME, needed_bytes)
        else:
            self._begin_segment(self._reserve.take(), self._segment_bytes)
            self._reserve.refill()
        if is_empty:
            os.close(closed_fd)
        else:
            self._close_segment(closed_fd, closed_at)

    def _begin_segment(self, source: Path, capacity: int) -> None:
        """Give the prepared file its header, then its name: a numbered segment always has a whole header."""
        first_seq = self.last_seq + 1
        self._fd = os.open(source, os.O_RDWR | os.O_CLOEXEC)
        self._write_header(first_seq, capacity)
        source.rename(self.directory / segment_name(first_seq))
        sync_directory(self.directory)

    def _write_header(self, first_seq: int, capacity: int) -> None:
        lock = self._lock
        header = SegmentHeader(self._sizes, lock.epoch, first_seq, capacity, lock.journal_id, self.chain_hash)
        write_all(self._fd, header.encode(), 0)
        os.fdatasync(self._fd)
        self._offset, self._capacity = SEGMENT_HEADER_BYTES, capacity

    def _close_segment(self, fd: int, offset: int) -> None:
        write_all(fd, encode_closing(self.last_seq + 1, self.chain_hash), offset)
        os.fdatasync(fd)
        os.close(fd)

    def _recover(self) -> None:
        """Read all there is, from the disk where it matters, and go on behind it."""
        sync_directory(self.directory)
        for first_seq in segment_seqs(self.directory)[-2:]:  # an earlier writer may not have synced these
            _sync_and_drop_cache(self.directory / segment_name(first_seq))
        with JournalReader(self.directory, sizes=self._sizes) as reader:
            for _ in reader.read():
                pass
            self.last_seq, self.chain_hash = reader.last_seq, reader.chain_hash
            if reader.segment is None:
                self._create()
            else:
                self._continue(reader)
        (self.directory / OVERSIZE_NAME).unlink(missing_ok=True)
        self._reserve.refill()

    def _create(self) -> None:
        if self._lock.journal_id != NO_JOURNAL:
            raise JournalDamaged(1, segment_name(1), 0, "every segment is missing, but a journal was here")
        self._lock.epoch, self._lock.journal_id = 1, secrets.token_bytes(len(NO_JOURNAL))
        write_zeros(self.directory, RESERVE_NAME, self._segment_bytes)
        self._begin_segment(self.directory / RESERVE_NAME, self._segment_bytes)
        self._lock.claim(self._lock.epoch, self._lock.journal_id)  # only now: a stop before leaves no journal behind

    def _continue(self, reader: JournalReader) -> None:
        """Take the journal over, cut what stands after the last frame, and finish an interrupted switch."""
        assert reader.segment is not None
        journal_id = reader.journal_id or self._lock.journal_id
        if self._lock.journal_id not in (NO_JOURNAL, journal_id):
            raise JournalDamaged(1, segment_name(1), 0, "the segments are of another journal than the lock file")
        if journal_id == NO_JOURNAL:
            journal_id = secrets.token_bytes(len(NO_JOURNAL))
        self._lock.claim(max(self._lock.epoch, reader.epoch) + 1, journal_id)
        self._fd = os.open(self.directory / segment_name(reader.segment), os.O_RDWR | os.O_CLOEXEC)
        self._capacity = self._segment_bytes if reader.header is None else reader.header.segment_bytes
        self._cut_tail(reader.offset)
        if reader.header is None:
            self._write_header(reader.segment, self._capacity)
        self._offset = max(reader.offset, SEGMENT_HEADER_BYTES)
        if reader.mark is not None and self._offset == SEGMENT_HEADER_BYTES:
            first_seq, offset = reader.mark
            self._close_segment(os.open(self.directory / segment_name(first_seq), os.O_RDWR | os.O_CLOEXEC), offset)

    def _cut_tail(self, offset: int) -> None:
        """Zero everything from `offset` on, where it is not zero or not there, and sync."""
        for start in range(offset, self._capacity, len(ZEROS)):
            zeros = memoryview(ZEROS)[: self._capacity - start]
            if os.pread(self._fd, len(zeros), start) != zeros:
                write_all(self._fd, zeros, start)
        os.fsync(self._fd)


def _sync_and_drop_cache(path: Path) -> None:
    """Make what is read next what is on the disk.

    After a failed sync the kernel takes the pages for clean: reading would show bytes that no disk holds, and no later
    sync would write them.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
