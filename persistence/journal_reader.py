"""Read a journal from any seq, over its segments, checking every frame; tell a torn tail from damage."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

from persistence.frame import (
    FRAME_HEADER_BYTES,
    NO_HASH,
    WIRE_SIZES,
    Closing,
    Frame,
    JournalDamaged,
    RecordSizes,
)
from persistence.segment import SEGMENT_HEADER_BYTES, SegmentFile, SegmentHeader, segment_name, segment_seqs


class JournalReader:
    """A place in a journal that moves forward; the journal may be live.

    After `read` has stopped, `next_seq`, `chain_hash`, `segment` (its first seq), `offset` and `header` say where:
    there the next frame will be. `segment` is None while there is none, `header` None if the last one's is torn.
    """

    def __init__(self, directory: Path, from_seq: int = 1, sizes: RecordSizes = WIRE_SIZES) -> None:
        self._directory = directory
        self._from_seq = from_seq
        self._sizes = sizes
        self._file: SegmentFile | None = None
        self.journal_id: bytes | None = None  # of the segments read so far, and the last one's epoch
        self.epoch = 0
        self.header: SegmentHeader | None = None
        self.next_seq = 1
        self.chain_hash = NO_HASH
        self.offset = 0
        self.last_frame: Frame | None = None  # of those read, also before from_seq
        self.mark: tuple[int, int] | None = None  # first seq of the segment before this one, place of its closing mark

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def segment(self) -> int | None:
        return None if self._file is None else self._file.first_seq

    @property
    def last_seq(self) -> int:
        return self.next_seq - 1

    def read(self, until_seq: int | None = None) -> Iterator[Frame]:
        """Yield the frames not yet read that hold seqs >= from_seq and begin at or before `until_seq`.

        until_seq  a seq known to be durable; None reads what is written (of a live journal: perhaps not yet synced).
        Raises     JournalDamaged for anything before the tail that is not as written, and if `until_seq` is not there;
                   JournalUnsupported for a version or record sizes that are not ours.
        """
        while until_seq is None or self.next_seq <= until_seq:
            frame = self._next_frame()
            if frame is None:
                if until_seq is not None:
                    raise self._damage(f"seq {until_seq} is durable but the journal ends here")
                return
            self.next_seq, self.chain_hash, self.offset = frame.last_seq + 1, frame.hash, frame.end
            self.last_frame = frame
            if frame.last_seq >= self._from_seq:
                yield frame

    def _next_frame(self) -> Frame | None:
        """The frame at our place, None at the tail; walks over closing marks into the next segment."""
        if self._file is None and not self._enter_first():
            return None
        while True:
            assert self._file is not None
            if self.header is None and not self._read_header():
                return None
            record = self._file.record_at(self.offset)
            if record is None:
                if not self._pass_unclosed():
                    return None
            elif not self._chains(record):
                raise self._damage("a whole frame that does not follow the one before it")
            elif isinstance(record, Frame):
                return record
            else:
                self._file.require_zeros_from(self.offset + FRAME_HEADER_BYTES, self.next_seq)
                self._enter_next()

    def _chains(self, record: Frame | Closing) -> bool:
        seq = record.first_seq if isinstance(record, Frame) else record.next_seq
        return seq == self.next_seq and record.previous_hash == self.chain_hash

    def _enter_first(self) -> bool:
        """Open the segment that holds from_seq; False if there is none at all."""
        seqs = segment_seqs(self._directory)
        if not seqs:
            return False
        if self._from_seq < seqs[0] or (self._from_seq == 1 and seqs[0] != 1):
            raise JournalDamaged(self._from_seq, segment_name(seqs[0]), 0, "the first segment is another than expected")
        index = max(0, bisect_right(seqs, self._from_seq) - 1)
        self._file = SegmentFile(self._directory, seqs[index], self._sizes)
        self.next_seq = seqs[index]
        if (header := self._file.header) is not None and header.first_seq == self.next_seq != 1:
            self.chain_hash = header.chain_hash
        return True

    def _enter_next(self) -> None:
        """Go on in the next segment; a closing mark or its name says that it exists."""
        assert self._file is not None
        self.mark = (self._file.first_seq, self.offset)
        self._enter(self.next_seq)

    def _enter(self, first_seq: int) -> None:
        assert self._file is not None
        between = [seq for seq in segment_seqs(self._directory) if self._file.first_seq < seq < first_seq]
        if between:
            raise self._damage(f"segment {segment_name(between[0])} does not belong here")
        try:
            entered = SegmentFile(self._directory, first_seq, self._sizes)
        except FileNotFoundError:
            raise self._damage(f"segment {segment_name(first_seq)} is missing") from None
        self._file.close()
        self._file, self.header, self.offset = entered, None, 0

    def _read_header(self) -> bool:
        """Check the entered segment's header against what came before; False if it is a cut, empty tail."""
        assert self._file is not None
        header = self._file.header
        is_last = segment_seqs(self._directory)[-1] == self._file.first_seq
        if header is None:
            if is_last and self._file.record_after(-1) is None:
                return False
            raise self._damage("the segment's header is not as it was written")
        if header.first_seq != self._file.first_seq:
            raise self._damage(f"the segment is named {self._file.name} but begins with seq {header.first_seq}")
        if header.first_seq != self.next_seq or header.chain_hash != self.chain_hash:
            raise self._damage("the segment does not follow the one before it")
        if header.journal_id != (self.journal_id or header.journal_id) or header.epoch < self.epoch:
            raise self._damage("the segment is of another journal or of an older writer than the one before it")
        size_bytes = self._file.size_bytes()
        if size_bytes > header.segment_bytes or (size_bytes < header.segment_bytes and not is_last):
            raise self._damage(f"the segment has {size_bytes} bytes, its header says {header.segment_bytes}")
        self.header, self.journal_id, self.epoch = header, header.journal_id, header.epoch
        self.offset = SEGMENT_HEADER_BYTES
        return True

    def _pass_unclosed(self) -> bool:
        """There is no whole record at our place: False at the tail, True if reading can go on, else JournalDamaged.

        Only one frame is ever unsynced, so a whole record behind our place means that ours was durable once. A running
        writer may have finished it since we looked, so look again before judging.
        """
        assert self._file is not None
        if self._file.is_replaced():
            self._enter(self._file.first_seq)
            return True
        later = [seq for seq in segment_seqs(self._directory) if seq > self._file.first_seq]
        behind = self._file.record_after(self.offset)
        if self._file.record_at(self.offset) is not None:
            return True
        if behind is not None:
            raise self._damage("the frame here is not as it was written, and a whole one comes after it")
        if not later:
            return False
        if later != [self.next_seq]:
            raise self._damage(f"the frame here is not as it was written, and segment {segment_name(later[0])} follows")
        return self._pass_interrupted_switch()

    def _pass_interrupted_switch(self) -> bool:
        """The writer stopped between naming the next segment and marking this one closed: the next one is empty."""
        assert self._file is not None
        with_mark_from = self.offset + FRAME_HEADER_BYTES
        with closing(SegmentFile(self._directory, self.next_seq, self._sizes)) as following:
            header = following.header
            is_empty = header is not None and following.record_after(-1) is None
        if self._file.record_at(self.offset) is not None:
            return True
        if header is None or not is_empty or header.chain_hash != self.chain_hash:
            what = f"segment {segment_name(self.next_seq)} follows, but the closing mark here is not as it was written"
            raise self._damage(what)
        self._file.require_zeros_from(with_mark_from, self.next_seq)
        self._enter_next()
        return True

    def _damage(self, what: str) -> JournalDamaged:
        assert self._file is not None
        return JournalDamaged(self.next_seq, self._file.name, self.offset, what)


def frame_hash_at(directory: Path, seq: int, sizes: RecordSizes = WIRE_SIZES) -> bytes:
    """Return the hash of the frame that holds `seq`, which must be durable; else JournalDamaged names it."""
    with JournalReader(directory, seq, sizes) as reader:
        return next(reader.read(seq)).hash
