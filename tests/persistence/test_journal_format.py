"""docs/journal.md says byte by byte what the code writes; encoding and decoding are inverse and notice any change."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import COMMAND_SIZE, EVENT_SIZE
from persistence import frame, journal_lock, segment
from persistence.frame import Closing, Frame, RecordSizes, decode_frame, encode_closing, encode_frame
from persistence.segment import SegmentHeader, decode_segment_header

DOCUMENT = Path(__file__).parents[2] / "docs" / "journal.md"
SIZES = RecordSizes(4, 2)
RECORDS = st.integers(1, 40).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
EVENTS = st.integers(0, 40).flatmap(lambda n: st.binary(min_size=2 * n, max_size=2 * n))
HASHES = st.binary(min_size=32, max_size=32)


def documented(heading: str) -> list[tuple[int, int, str]]:
    """Offset, bytes and field of each row of the table under a heading."""
    section = DOCUMENT.read_text().partition(f"# {heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \|", section, re.MULTILINE)
    return [(int(offset), int(length), name) for offset, length, name in rows]


def laid_out(slots: tuple[tuple[str, int], ...]) -> list[tuple[int, int, str]]:
    offset, rows = 0, []
    for name, length in slots:
        rows.append((offset, length, name))
        offset += length
    return rows


@pytest.mark.parametrize(
    ("heading", "slots", "size"),
    [
        ("Segment header", segment.SEGMENT_HEADER_SLOTS, segment.SEGMENT_HEADER_BYTES),
        ("Frame", frame.FRAME_HEADER_SLOTS, frame.FRAME_HEADER_BYTES),
        ("Lock and epoch", journal_lock.LOCK_SLOTS, journal_lock.LOCK_RECORD.size),
    ],
)
def test_the_document_has_every_field_at_its_place(heading: str, slots: tuple[tuple[str, int], ...], size: int) -> None:
    assert documented(heading) == laid_out(slots)
    assert sum(length for _, length in slots) == size


def test_a_frame_has_its_fields_where_the_document_says() -> None:
    data, frame_hash = encode_frame(7, b"comm" * 3, b"ev" * 5, bytes(range(32)), SIZES)
    values = {name: bytes(data[offset : offset + length]) for offset, length, name in documented("Frame")}
    numbers = {name: int.from_bytes(value, "little") for name, value in values.items()}
    assert (values["magic"], values["previous_hash"]) == (b"DBFR", bytes(range(32)))
    assert [numbers[name] for name in ("version", "first_seq", "command_count")] == [1, 7, 3]
    assert (numbers["commands_bytes"], numbers["events_bytes"]) == (12, 10)
    assert data[64:] == b"comm" * 3 + b"ev" * 5
    assert frame_hash == sha256(data).digest()
    assert numbers["crc32"] == crc32(data[:28] + bytes(4) + data[32:])


def test_a_segment_header_has_its_fields_where_the_document_says() -> None:
    data = SegmentHeader(frame.WIRE_SIZES, 3, 5, 1 << 26, b"j" * 16, b"h" * 32).encode()
    values = {name: data[offset : offset + length] for offset, length, name in documented("Segment header")}
    numbers = {name: int.from_bytes(value, "little") for name, value in values.items()}
    assert values["magic"] == b"DEEDJRNL"
    assert (numbers["command_bytes"], numbers["event_bytes"]) == (COMMAND_SIZE, EVENT_SIZE)
    assert [numbers[name] for name in ("version", "epoch", "first_seq", "segment_bytes")] == [1, 3, 5, 1 << 26]
    assert (values["journal_id"], values["chain_hash"]) == (b"j" * 16, b"h" * 32)
    assert numbers["crc32"] == crc32(data[:20] + bytes(4) + data[24:])


@given(st.integers(1, 2**63), RECORDS, EVENTS, HASHES)
def test_decoding_gives_back_what_was_encoded(seq: int, commands: bytes, events: bytes, previous: bytes) -> None:
    data, frame_hash = encode_frame(seq, commands, events, previous, SIZES)
    decoded = decode_frame(memoryview(data), SIZES, "s", 5)
    assert isinstance(decoded, Frame)
    assert (decoded.first_seq, decoded.command_count) == (seq, len(commands) // 4)
    assert (decoded.commands.tobytes(), decoded.events.tobytes()) == (commands, events)
    assert (decoded.previous_hash, decoded.hash) == (previous, frame_hash)
    assert (decoded.offset, decoded.end) == (5, 5 + len(data))


@given(RECORDS, EVENTS, HASHES, st.data())
def test_a_changed_byte_or_length_is_no_frame(
    commands: bytes, events: bytes, previous: bytes, draw: st.DataObject
) -> None:
    data, _ = encode_frame(1, commands, events, previous, SIZES)
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    assert decode_frame(memoryview(changed), SIZES) is None
    assert decode_frame(memoryview(data)[: draw.draw(st.integers(0, len(data) - 1))], SIZES) is None
    assert decode_frame(memoryview(data + b"\0"), SIZES) is None


@given(st.binary(max_size=300))
def test_random_bytes_are_neither_frame_nor_header(data: bytes) -> None:
    assert decode_frame(memoryview(data), SIZES) is None
    assert decode_segment_header(data, SIZES, "s") is None


@given(st.integers(1, 2**63), HASHES)
def test_a_closing_mark_says_what_comes_next(seq: int, previous: bytes) -> None:
    data = encode_closing(seq, previous)
    assert len(data) == frame.FRAME_HEADER_BYTES
    assert decode_frame(memoryview(data), SIZES, "s", 9) == Closing(seq, previous, 9)
