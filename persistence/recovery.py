"""From the directory to a running engine: the last valid snapshot, then the journal, every event compared."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.engines import Engine, engine_class
from engine.wire import EVENT
from persistence import snapshots
from persistence.frame import DurableFrame, Frame
from persistence.journal_reader import JournalReader

READ_AHEAD_BYTES: Final = 1024 * 1024  # small frames go to the other thread and back together


class ReplayDiffers(Exception):  # noqa: N818 - a finding about the journal or the engine, not a slip
    """The engine's events are not those that the journal holds: another engine wrote it, or it is damaged."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"replaying seq {seq} gives other events than the journal holds; this engine may not go on")
        self.seq = seq


def recovered(journal_directory: Path, snapshot_directory: Path, kind: type[Engine] | None = None) -> Engine:
    """The engine as of the journal's last frame. Raises ReplayDiffers, JournalDamaged, JournalUnsupported."""
    exchange = restored(journal_directory, snapshot_directory, kind)
    with JournalReader(journal_directory, exchange.seq + 1) as reader, closing(_ahead(reader.read())) as frames:
        for frame in frames:
            replay(exchange, frame)
    return exchange


def _ahead(frames: Iterator[Frame]) -> Generator[Frame, None, None]:
    """The same, while a thread reads the next ones: to hash them takes longer than to apply them."""
    with ThreadPoolExecutor(1, "journal-reader") as thread:
        coming = thread.submit(_some, frames)
        while some := coming.result():
            coming = thread.submit(_some, frames)
            yield from some


def _some(frames: Iterator[Frame]) -> list[Frame]:
    some: list[Frame] = []
    size_bytes = 0
    for frame in frames:
        some.append(frame)
        size_bytes += frame.end - frame.offset
        if size_bytes >= READ_AHEAD_BYTES:
            break
    return some


def replay(exchange: Engine, frame: DurableFrame) -> None:
    """Apply a frame's commands and compare the events. Raises ReplayDiffers with the first seq that differs."""
    events = exchange.apply(frame.commands)
    if events != bytes(frame.events):  # two bytes objects are compared at once, a view of them byte by byte
        raise ReplayDiffers(_first_difference(events, frame.events, frame.first_seq))


def _first_difference(ours: bytes, theirs: bytes | memoryview, first_seq: int) -> int:
    for our_row, their_row in zip(EVENT.iter_unpack(ours), EVENT.iter_unpack(theirs), strict=False):
        if our_row != their_row:
            return int(min(our_row[0], their_row[0]))
    return first_seq


def restored(journal_directory: Path, snapshot_directory: Path, kind: type[Engine] | None = None) -> Engine:
    """The engine as of the newest snapshot that the journal agrees with, or a new one."""
    kind = kind or engine_class()
    for snapshot in snapshots.newest_first(snapshot_directory):
        if _stands_in(journal_directory, snapshot):
            try:
                return kind.restore(snapshot.image)
            except ValueError:
                continue  # of an older version: the journal has it all
    return kind()


def _stands_in(journal_directory: Path, snapshot: snapshots.Snapshot) -> bool:
    with JournalReader(journal_directory, snapshot.seq) as reader:
        frame = next(reader.read(), None)
    return frame is not None and (frame.last_seq, frame.hash) == (snapshot.seq, snapshot.frame_hash)
