"""A cut tail gives a valid prefix; whatever else is not as written halts and names the seq. Exhaustive, not sampled."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.frame import FRAME_HEADER_BYTES, Frame, JournalDamaged
from persistence.segment import SEGMENT_HEADER_BYTES, segment_name
from tests.persistence.journals import (
    SEGMENT_BYTES,
    append,
    assert_content,
    open_small,
    read_small,
    segments,
    write_small,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def frames_of(frames: list[Frame], segment: str) -> list[Frame]:
    return [frame for frame in frames if frame.segment == segment]


def expected_seqs(frames: list[Frame], segment: str) -> Iterator[int]:
    """For each byte of a segment, the seq that a reader names when it is wrong: what it expects at that place."""
    own = frames_of(frames, segment)
    yield from itertools.repeat(own[0].first_seq, SEGMENT_HEADER_BYTES)
    for frame in own:
        yield from itertools.repeat(frame.first_seq, frame.end - frame.offset)
    yield from itertools.repeat(own[-1].last_seq + 1, SEGMENT_BYTES - own[-1].end)


def refused_seq(directory: Path) -> int:
    """The seq that a reader names; the writer must refuse as well, and write nothing."""
    before = {path: path.read_bytes() for path in segments(directory)}
    with pytest.raises(JournalDamaged) as caught:
        open_small(directory)
    assert str(caught.value.seq) in str(caught.value)
    assert {path: path.read_bytes() for path in segments(directory)} == before
    return caught.value.seq


def test_every_flipped_bit_before_the_tail_is_found_and_its_seq_named(directory: Path) -> None:
    frames = write_small(directory, 12)
    tail = frames[-1]
    assert len(segments(directory)) >= 3
    assert len(frames_of(frames, tail.segment)) >= 2
    found = 0
    for path in segments(directory):
        data = path.read_bytes()
        for at, seq in enumerate(expected_seqs(frames, path.name)):
            if path.name == tail.segment and at >= tail.offset:
                break
            for bit in range(8):
                flipped = data[at] ^ 1 << bit
                with path.open("r+b", buffering=0) as file:
                    file.seek(at)
                    file.write(bytes([flipped]))
                    with pytest.raises(JournalDamaged) as caught:
                        read_small(directory)
                    file.seek(at)
                    file.write(data[at : at + 1])
                assert caught.value.seq == seq, (path.name, at, bit)
                found += 1
    before_tail_bytes = SEGMENT_BYTES * (len(segments(directory)) - 1) + tail.offset
    assert found == 8 * before_tail_bytes
    assert read_small(directory) == frames


def test_every_flipped_bit_in_the_tail_gives_the_prefix_and_the_journal_goes_on(
    directory: Path, tmp_path: Path
) -> None:
    frames = write_small(directory, 12)
    tail = frames[-1]
    for at in range(tail.offset, SEGMENT_BYTES):
        copy = tmp_path / f"copy-{at}"
        shutil.copytree(directory, copy)
        data = bytearray((copy / tail.segment).read_bytes())
        data[at] ^= 1 << at % 8
        (copy / tail.segment).write_bytes(data)
        assert_goes_on_after(copy, frames[:-1] if at < tail.end else frames)


def assert_goes_on_after(directory: Path, prefix: list[Frame]) -> None:
    """Recovery keeps exactly `prefix`, and appends follow it."""
    writer = open_small(directory)
    assert writer.last_seq == (prefix[-1].last_seq if prefix else 0)
    for count in (1, 2, 3):
        append(writer, count)
    writer.close()
    recovered = read_small(directory)
    assert [frame.hash for frame in recovered[:-3]] == [frame.hash for frame in prefix]
    assert_content(recovered)


def test_cut_at_every_byte_of_the_last_segment_gives_the_prefix(directory: Path, tmp_path: Path) -> None:
    frames = write_small(directory, 12)
    last = segments(directory)[-1].name
    for length in range(SEGMENT_BYTES):
        copy = tmp_path / f"copy-{length}"
        shutil.copytree(directory, copy)
        with (copy / last).open("r+b") as file:
            file.truncate(length)
        assert_goes_on_after(copy, [frame for frame in frames if frame.segment < last or frame.end <= length])
        shutil.rmtree(copy)


def test_cut_at_every_byte_with_all_later_segments_gone(directory: Path, tmp_path: Path) -> None:
    """What is left is a valid prefix, unless a closing mark still says that a segment is missing: then it halts."""
    frames = write_small(directory, 12)
    names = [path.name for path in segments(directory)]
    for index, name in enumerate(names[:-1]):
        own_end = frames_of(frames, name)[-1].end
        for length in range(SEGMENT_BYTES):
            copy = tmp_path / f"copy-{index}-{length}"
            shutil.copytree(directory, copy)
            for later in names[index + 1 :]:
                (copy / later).unlink()
            with (copy / name).open("r+b") as file:
                file.truncate(length)
            if length >= own_end + FRAME_HEADER_BYTES:
                assert refused_seq(copy) == frames_of(frames, name)[-1].last_seq + 1
            else:
                prefix = [frame for frame in frames if frame.segment < name or frame.segment == name]
                assert_goes_on_after(copy, [frame for frame in prefix if frame.segment < name or frame.end <= length])
            shutil.rmtree(copy)


def test_a_shortened_segment_before_the_last_halts(directory: Path) -> None:
    frames = write_small(directory, 12)
    path = segments(directory)[1]
    data = path.read_bytes()
    for length in range(SEGMENT_BYTES):
        path.write_bytes(data[:length])
        with pytest.raises(JournalDamaged) as caught:
            read_small(directory)
        assert caught.value.seq == frames_of(frames, path.name)[0].first_seq


def test_a_missing_segment_halts_and_is_named(directory: Path, tmp_path: Path) -> None:
    write_small(directory, 12)
    for path in segments(directory):
        path.rename(tmp_path / "aside")
        assert refused_seq(directory) == int(path.stem)
        (tmp_path / "aside").rename(path)
    for path in segments(directory):
        path.unlink()
    assert refused_seq(directory) == 1


def test_a_doubled_segment_halts_wherever_it_stands(directory: Path) -> None:
    frames = write_small(directory, 12)
    names = {path.name for path in segments(directory)}
    last_seq = frames[-1].last_seq
    for path in segments(directory):
        for seq in range(last_seq + 3):
            double = directory / segment_name(seq)
            if double.name not in names:
                shutil.copy(path, double)
                with pytest.raises(JournalDamaged, match=double.name):
                    open_small(directory)
                double.unlink()


def test_swapped_segments_halt_at_the_first(directory: Path) -> None:
    write_small(directory, 12)
    for one, other in itertools.combinations(segments(directory), 2):
        data, other_data = one.read_bytes(), other.read_bytes()
        one.write_bytes(other_data)
        other.write_bytes(data)
        assert refused_seq(directory) == int(one.stem)
        one.write_bytes(data)
        other.write_bytes(other_data)


def test_a_segment_of_another_journal_halts(directory: Path, tmp_path: Path) -> None:
    write_small(directory, 12)
    write_small(tmp_path / "other", 12)
    for path in segments(directory):
        data = path.read_bytes()
        shutil.copy(tmp_path / "other" / path.name, path)
        refused_seq(directory)
        path.write_bytes(data)


def test_missing_doubled_and_swapped_frames_halt(directory: Path) -> None:
    frames = write_small(directory, 12)
    for path in segments(directory):
        own = frames_of(frames, path.name)
        data = path.read_bytes()
        pieces = [data[frame.offset : frame.end] for frame in own]
        rest = data[own[-1].end :]
        wrong = [pieces[:i] + pieces[i + 1 :] for i in range(len(own) - 1)]
        wrong += [pieces[: i + 1] + pieces[i:] for i in range(len(own))]
        wrong += [[*pieces[:i], pieces[i + 1], pieces[i], *pieces[i + 2 :]] for i in range(len(own) - 1)]
        for variant in wrong:
            changed = data[:SEGMENT_HEADER_BYTES] + b"".join(variant) + rest
            if not changed[SEGMENT_BYTES:].strip(b"\0"):
                path.write_bytes(changed[:SEGMENT_BYTES].ljust(SEGMENT_BYTES, b"\0"))
                refused_seq(directory)
        path.write_bytes(data)
