"""What a writer promises: order, durability's bookkeeping, one writer at a time, refusal of what it does not know."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import pytest

from persistence import reserve
from persistence.frame import (
    NO_HASH,
    Frame,
    JournalDamaged,
    JournalError,
    JournalFenced,
    JournalLocked,
    JournalUnsupported,
    RecordSizes,
    checksum,
)
from persistence.journal import JournalWriter
from persistence.journal_lock import JournalLock
from persistence.journal_reader import JournalReader, frame_hash_at
from persistence.segment import SEGMENT_CRC_OFFSET, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC
from tests.persistence.journals import (
    SEGMENT_BYTES,
    SIZES,
    append,
    assert_content,
    content,
    open_small,
    read_small,
    segments,
    write_small,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_a_new_journal_is_empty_and_stands_before_seq_1(directory: Path) -> None:
    writer = open_small(directory)
    assert (writer.last_seq, writer.chain_hash, writer.disk_full) == (0, NO_HASH, False)
    writer.close()
    assert read_small(directory) == []


def test_what_was_appended_is_read_over_many_segments_and_lives(directory: Path) -> None:
    hashes = {}
    for _ in range(4):
        writer = open_small(directory)
        for number in range(10):
            frame_hash = append(writer, number % 3 + 1)
            assert frame_hash == writer.chain_hash
            hashes[writer.last_seq] = frame_hash
        writer.close()
    frames = read_small(directory)
    assert_content(frames)
    assert {frame.last_seq: frame.hash for frame in frames} == hashes
    assert len(segments(directory)) > 5


def test_a_frame_that_does_not_follow_is_our_bug_and_writes_nothing(directory: Path) -> None:
    writer = open_small(directory)
    append(writer)
    with pytest.raises(AssertionError):
        writer.append(3, *content(3, 1))
    append(writer)
    writer.close()
    assert [frame.first_seq for frame in read_small(directory)] == [1, 2]


@pytest.mark.parametrize("appended_before", [0, 1, 5])
def test_a_frame_larger_than_a_segment_gets_its_own(directory: Path, appended_before: int) -> None:
    writer = open_small(directory)
    for _ in range(appended_before):
        append(writer)
    append(writer, 200)
    for _ in range(5):
        append(writer)
    writer.close()
    frames = read_small(directory)
    assert_content(frames)
    assert frames[-1].last_seq == appended_before + 205
    assert {frame.segment for frame in frames if frame.command_count == 200} == {f"{appended_before + 1:020d}.seg"}


def test_a_reader_at_an_empty_segment_follows_the_large_one_that_replaces_it(directory: Path) -> None:
    writer = open_small(directory)
    reader = JournalReader(directory, sizes=SIZES)
    assert list(reader.read()) == []
    append(writer, 200)
    assert [frame.last_seq for frame in reader.read(until_seq=200)] == [200]
    reader.close()
    writer.close()


def test_the_directory_and_files_are_private(directory: Path) -> None:
    write_small(directory, 12)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert {"lock", "next.seg"} < set(names)
    assert set(names.values()) == {0o600}


def test_reading_begins_with_the_frame_that_holds_the_seq(directory: Path) -> None:
    frames = write_small(directory, 30)
    for seq in range(1, frames[-1].last_seq + 1):
        expected = [frame.hash for frame in frames if frame.last_seq >= seq]
        assert [frame.hash for frame in read_small(directory, seq)] == expected
        assert frame_hash_at(directory, seq, SIZES) == expected[0]


def test_a_seq_that_is_promised_and_not_there_is_damage(directory: Path) -> None:
    last_seq = write_small(directory, 5)[-1].last_seq
    with pytest.raises(JournalDamaged) as caught:
        frame_hash_at(directory, last_seq + 1, SIZES)
    assert caught.value.seq == last_seq + 1


def test_a_reader_stops_at_the_durable_seq_and_goes_on_from_there(directory: Path) -> None:
    writer = open_small(directory)
    for _ in range(20):
        append(writer)
    with JournalReader(directory, from_seq=3, sizes=SIZES) as reader:
        assert [frame.first_seq for frame in reader.read(until_seq=5)] == [3, 4, 5]
        assert list(reader.read(until_seq=5)) == []
        assert [frame.first_seq for frame in reader.read(until_seq=20)] == list(range(6, 21))
        append(writer)
        assert [frame.first_seq for frame in reader.read(until_seq=21)] == [21]
    writer.close()


def test_reading_a_live_journal_never_sees_damage(directory: Path) -> None:
    writer = open_small(directory, with_thread=True)
    done = threading.Event()

    def write() -> None:
        for number in range(400):
            append(writer, 150 if number % 50 == 0 else number % 3 + 1)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    frames: list[Frame] = []
    with JournalReader(directory, sizes=SIZES) as reader:
        while not done.is_set():
            frames += reader.read()
        frames += reader.read()
        assert reader.chain_hash == writer.chain_hash
    thread.join()
    writer.close()
    assert_content(frames)
    assert len(frames) == 400


def test_a_second_writer_is_refused_by_name(directory: Path) -> None:
    writer = open_small(directory)
    with pytest.raises(JournalLocked, match=str(directory)):
        open_small(directory)
    append(writer)
    writer.close()
    open_small(directory).close()


def test_each_writer_has_a_higher_epoch(directory: Path) -> None:
    epochs = []
    for _ in range(3):
        open_small(directory).close()
        lock = JournalLock(directory)
        epochs.append(lock.epoch)
        lock.close()
    assert epochs == [1, 2, 3]


def test_a_flipped_bit_in_the_lock_file_costs_nothing(directory: Path) -> None:
    frames = write_small(directory, 5)
    path = directory / "lock"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        writer = open_small(directory)
        assert writer.last_seq == frames[-1].last_seq
        writer.close()


STOPPED_WRITER: Final = """
import os, signal, sys
from pathlib import Path
from persistence.frame import JournalFenced
from tests.persistence.journals import append, open_small
writer = open_small(Path(sys.argv[1]))
append(writer)
os.kill(os.getpid(), signal.SIGSTOP)
try:
    append(writer)
except JournalFenced as error:
    print(error)
    sys.exit(3)
"""


def test_a_stopped_writer_that_was_replaced_writes_nothing_when_it_resumes(directory: Path) -> None:
    program = [sys.executable, "-c", STOPPED_WRITER, str(directory)]
    with subprocess.Popen(program, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as stopped:
        os.waitpid(stopped.pid, os.WUNTRACED)
        try:
            with pytest.raises(JournalLocked):
                open_small(directory)
            (directory / "lock").unlink()  # an operator's mistake: the flock alone would not help any more
            writer = open_small(directory)
            append(writer, 2)
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        output, _ = stopped.communicate()
    assert stopped.returncode == 3
    assert str(directory) in output.decode()
    append(writer)
    writer.close()
    frames = read_small(directory)
    assert_content(frames)
    assert [frame.command_count for frame in frames] == [1, 2, 1]


def test_a_writer_fenced_during_its_sync_does_not_acknowledge(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_small(directory)
    real_sync = os.fdatasync

    def sync_while_replaced(fd: int) -> None:
        (directory / "lock").unlink()
        real_sync(fd)

    monkeypatch.setattr(os, "fdatasync", sync_while_replaced)
    with pytest.raises(JournalFenced):
        append(writer)
    assert writer.last_seq == 0
    writer.close()


def test_after_a_failed_sync_nothing_more_is_taken(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_small(directory)
    append(writer)
    calls = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            append(writer)
    assert len(calls) == 1
    assert writer.last_seq == 1
    with pytest.raises(JournalError, match="takes nothing more"):
        append(writer)
    writer.close()


def test_nothing_is_taken_after_close(directory: Path) -> None:
    writer = open_small(directory)
    writer.close()
    with pytest.raises(JournalError, match="closed"):
        append(writer)


def test_an_unknown_version_is_refused_and_named(directory: Path) -> None:
    write_small(directory, 3)
    path = segments(directory)[0]
    data = bytearray(path.read_bytes())
    data[len(SEGMENT_MAGIC)] = 2
    crc = checksum(memoryview(data)[:SEGMENT_HEADER_BYTES], SEGMENT_CRC_OFFSET)
    data[SEGMENT_CRC_OFFSET : SEGMENT_CRC_OFFSET + 4] = crc.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(JournalUnsupported, match="version 2, this program knows 1"):
        open_small(directory)
    assert path.read_bytes() == data


def test_other_record_sizes_are_refused_and_named(directory: Path) -> None:
    write_small(directory, 3)
    with pytest.raises(JournalUnsupported, match="command_bytes=4, event_bytes=2"):
        JournalWriter.open(directory, SEGMENT_BYTES, RecordSizes(8, 2), with_thread=False)


def test_an_unsynced_reserve_of_an_earlier_run_is_used_again(directory: Path) -> None:
    write_small(directory, 1)
    inode = (directory / "next.seg").stat().st_ino
    writer = open_small(directory)
    assert (directory / "next.seg").stat().st_ino == inode
    while len(segments(directory)) < 2:
        append(writer)
    assert segments(directory)[1].stat().st_ino == inode
    writer.close()


def test_a_spoiled_reserve_is_made_anew(directory: Path) -> None:
    write_small(directory, 1)
    (directory / "next.seg").write_bytes(b"x" * SEGMENT_BYTES)
    writer = open_small(directory)
    for _ in range(30):
        append(writer)
    writer.close()
    assert_content(read_small(directory))


def test_who_needs_the_reserve_or_closes_does_not_wait_for_its_pauses(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "PAUSE_SECONDS", 3_600.0)
    writer = open_small(directory, with_thread=True)
    for _ in range(30):
        append(writer)
    assert len(segments(directory)) > 2
    writer.close()
    writer = open_small(directory, with_thread=True)
    append(writer)
    writer.close()
    assert_content(read_small(directory))
