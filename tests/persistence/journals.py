"""Small journals for tests: tiny records and segments, content that depends on the seq alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

from persistence.frame import Frame, RecordSizes
from persistence.journal import JournalWriter
from persistence.journal_reader import JournalReader

SIZES: Final = RecordSizes(4, 2)
SEGMENT_BYTES: Final = 400


def open_small(directory: Path, with_thread: bool = False) -> JournalWriter:
    return JournalWriter.open(directory, SEGMENT_BYTES, SIZES, with_thread)


def content(first_seq: int, count: int) -> tuple[bytes, bytes]:
    """Commands and events of a frame; not one byte of them is zero."""
    commands = b"".join(b"c" + bytes([seq % 250 + 1]) * 3 for seq in range(first_seq, first_seq + count))
    return commands, b"e" * (2 * (first_seq % 5))


def append(writer: JournalWriter, count: int = 1) -> bytes:
    first_seq = writer.last_seq + 1
    return writer.append(first_seq, *content(first_seq, count))


def write_small(directory: Path, frames: int) -> list[Frame]:
    """A new journal of `frames` frames, one to three commands each; what a reader finds in it."""
    writer = open_small(directory)
    for number in range(frames):
        append(writer, number % 3 + 1)
    writer.close()
    return read_small(directory)


def read_small(directory: Path, from_seq: int = 1) -> list[Frame]:
    with JournalReader(directory, from_seq, SIZES) as reader:
        return list(reader.read())


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("0*.seg"))


def assert_content(frames: list[Frame]) -> None:
    """Every frame holds what `append` wrote, and each follows the one before."""
    for earlier, later in itertools.pairwise(frames):
        assert later.first_seq == earlier.last_seq + 1
        assert later.previous_hash == earlier.hash
    for frame in frames:
        assert (frame.commands.tobytes(), frame.events.tobytes()) == content(frame.first_seq, frame.command_count)
