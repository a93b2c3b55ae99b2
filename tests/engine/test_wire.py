"""The records: sizes, three definitions that must agree (Struct, numpy, docs/wire.md), and the way there and back."""

from __future__ import annotations

import re
import struct
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from engine import wire
from engine.types import CommandKind, EventKind

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire.md"
RANGES = {"Q": (0, 2**64 - 1), "q": (-(2**63), 2**63 - 1), "I": (0, 2**32 - 1), "H": (0, 2**16 - 1), "B": (0, 255)}
BYTES_EXACT = {
    "wallet": 20,
    "lost": 20,
    "fresh": 20,
    "token": 20,
    "facts_hash": 32,
    "payload_hash": 32,
    "transaction": 32,
    "dividend": 16,
}
DOCUMENTED_TYPES = {"u64": "Q", "i64": "q", "u32": "I", "u16": "H", "u8": "B", "36 bytes": "36s"}


def values_of(slots: dict[str, str], codes: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Any value that fits each field's slot; text without trailing zeros, hashes and addresses at full length."""

    def value(field: str, slot: str) -> st.SearchStrategy[int | bytes]:
        if codes[slot] != "36s":
            return st.integers(*RANGES[codes[slot]])
        if field in BYTES_EXACT:
            return st.binary(min_size=BYTES_EXACT[field], max_size=BYTES_EXACT[field])
        return st.binary(max_size=36).map(lambda text: text.rstrip(b"\0"))

    return st.fixed_dictionaries({field: value(field, slot) for field, slot in slots.items()})


COMMAND_CODES = dict(wire.COMMAND_SLOTS)
EVENT_CODES = dict(wire.EVENT_SLOTS)
ANY_COMMAND = st.sampled_from(sorted(wire.COMMANDS, key=lambda cls: cls.__name__)).flatmap(
    lambda cls: values_of(wire.COMMANDS[cls][1], COMMAND_CODES).map(lambda values: cls(**values))
)
ANY_EVENT = st.sampled_from(sorted(wire.EVENTS, key=lambda cls: cls.__name__)).flatmap(
    lambda cls: values_of(wire.EVENTS[cls][1], EVENT_CODES).map(lambda values: cls(**values))
)
SEQS = st.integers(0, 2**64 - 1)
TIMES = st.integers(-(2**63), 2**63 - 1)


def test_records_have_the_documented_sizes() -> None:
    assert (wire.COMMAND_SIZE, wire.EVENT_SIZE) == (160, 88)
    assert wire.COMMAND.format.startswith("<")  # no padding, little-endian
    assert wire.EVENT.format.startswith("<")


@pytest.mark.parametrize(
    ("record", "dtype", "slots"),
    [
        (wire.COMMAND, wire.COMMAND_DTYPE, wire.COMMAND_SLOTS),
        (wire.EVENT, wire.EVENT_DTYPE, wire.EVENT_SLOTS),
    ],
    ids=["command", "event"],
)
def test_struct_and_dtype_are_one_layout(
    record: struct.Struct, dtype: np.dtype[np.void], slots: tuple[tuple[str, str], ...]
) -> None:
    assert dtype.itemsize == record.size
    assert dtype.names == tuple(name for name, _ in slots)
    values: list[int | bytes] = []
    for i, (_, code) in enumerate(slots):
        values.append(bytes([i + 1]) * 36 if code == "36s" else RANGES[code][1] - i)
    row = np.frombuffer(record.pack(*values), dtype=dtype)[0]
    assert [value.tobytes() if isinstance(value, np.void) else int(value) for value in row] == values


@pytest.mark.parametrize(
    ("union", "table", "codes"),
    [(t.Command, wire.COMMANDS, COMMAND_CODES), (t.Event, wire.EVENTS, EVENT_CODES)],
    ids=["commands", "events"],
)
def test_every_field_of_every_record_has_its_own_slot(
    union: Any, table: dict[type, tuple[int, dict[str, str]]], codes: dict[str, str]
) -> None:
    assert set(get_args(union)) == set(table)
    for cls, (_, slots) in table.items():
        assert [field.name for field in fields(cls)] == list(slots), cls
        assert len(set(slots.values())) == len(slots), cls
        assert set(slots.values()) <= set(codes) - {"seq", "time_ns", "kind", "zero"}, cls
        for field in fields(cls):
            assert (codes[slots[field.name]] == "36s") == (field.type == "bytes"), (cls, field.name)


def test_every_kind_has_one_record() -> None:
    assert sorted(kind for kind, _ in wire.COMMANDS.values()) == sorted(CommandKind)
    assert sorted(kind for kind, _ in wire.EVENTS.values()) == sorted(EventKind)


@given(command=ANY_COMMAND, seq=SEQS, time_ns=TIMES)
def test_a_command_comes_back_as_it_went(command: t.Command, seq: int, time_ns: int) -> None:
    record = wire.encode_command(command, seq, time_ns)
    assert len(record) == wire.COMMAND_SIZE
    assert list(wire.decode_commands(record)) == [(seq, time_ns, command)]


@given(event=ANY_EVENT, seq=SEQS)
def test_an_event_comes_back_as_it_went(event: t.Event, seq: int) -> None:
    record = wire.encode_event(event, seq)
    assert len(record) == wire.EVENT_SIZE
    assert list(wire.decode_events(record)) == [(seq, event)]


@given(command=ANY_COMMAND, event=ANY_EVENT)
def test_slots_that_a_kind_does_not_name_are_zero(command: t.Command, event: t.Event) -> None:
    row = wire.COMMAND.unpack(wire.encode_command(command))
    used = set(wire.COMMANDS[type(command)][1].values()) | {"kind"}
    rest = [value for (name, _), value in zip(wire.COMMAND_SLOTS, row, strict=True) if name not in used]
    assert not any(value.strip(b"\0") if isinstance(value, bytes) else value for value in rest)
    event_row = wire.EVENT.unpack(wire.encode_event(event, 0))
    named = set(wire.EVENTS[type(event)][1].values()) | {"kind"}
    assert not any(value for (name, _), value in zip(wire.EVENT_SLOTS, event_row, strict=True) if name not in named)


@given(
    commands=st.lists(ANY_COMMAND, max_size=5),
    first_seq=st.integers(0, 2**63),
    time_ns=st.integers(0, 2**63 - 1),
)
def test_the_sequencer_stamps_consecutive_seqs_and_one_time(
    commands: list[t.Command], first_seq: int, time_ns: int
) -> None:
    batch = wire.stamped([wire.encode_command(command) for command in commands], first_seq, time_ns)
    expected = [(first_seq + i, time_ns, command) for i, command in enumerate(commands)]
    assert list(wire.decode_commands(bytes(batch))) == expected


@pytest.mark.parametrize("kind", [0, 29, 255])
def test_kinds_that_are_not_ours_are_an_error(kind: int) -> None:
    command = bytearray(wire.encode_command(t.Clock()))
    command[16] = kind
    with pytest.raises(ValueError, match=f"command kind {kind} is unknown"):
        list(wire.decode_commands(bytes(command)))
    event = bytearray(wire.encode_event(t.Applied(1, 1), 1))
    event[8] = kind
    with pytest.raises(ValueError, match=f"event kind {kind} is unknown"):
        list(wire.decode_events(bytes(event)))


def test_a_value_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(struct.error):
        wire.encode_command(t.Cancel(account=2**32, instrument=1))
    with pytest.raises(struct.error):
        wire.encode_command(t.Amend(account=1, instrument=1, qty_lots=2**63))
    with pytest.raises(AssertionError, match="client_order_id is longer than its slot"):
        wire.encode_command(t.Cancel(account=1, instrument=1, client_order_id=bytes(37)))


@pytest.mark.parametrize("part", [159, 161])
def test_part_of_a_record_is_an_error(part: int) -> None:
    with pytest.raises(struct.error):
        list(wire.decode_commands(bytes(part)))


# -- docs/wire.md


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of docs/wire.md, without its two header lines."""
    after = DOCUMENT.read_text().split(f"\n{heading}\n", 1)[1]
    lines = after[after.index("|") :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("heading", "dtype", "slots"),
    [
        ("## Commands: 160 bytes", wire.COMMAND_DTYPE, wire.COMMAND_SLOTS),
        ("## Events: 88 bytes", wire.EVENT_DTYPE, wire.EVENT_SLOTS),
    ],
    ids=["command", "event"],
)
def test_the_document_has_the_layout(
    heading: str, dtype: np.dtype[np.void], slots: tuple[tuple[str, str], ...]
) -> None:
    assert dtype.fields is not None
    rows = rows_under(heading)
    assert [(row[1], DOCUMENTED_TYPES[row[2]]) for row in rows] == list(slots)
    assert [int(row[0]) for row in rows] == [dtype.fields[name][1] for name, _ in slots]


@pytest.mark.parametrize(
    ("heading", "table"),
    [("### Slots by command", wire.COMMANDS), ("### Slots by event", wire.EVENTS)],
    ids=["commands", "events"],
)
def test_the_document_has_every_kind_and_its_slots(
    heading: str, table: dict[type, tuple[CommandKind | EventKind, dict[str, str]]]
) -> None:
    documented = {}
    for number, kind, slots in rows_under(heading):
        pairs = re.findall(r"`?(\w+)`?=`?(\w+)`?", slots)
        documented[int(number), kind] = {field: slot for slot, field in pairs}
    assert documented == {(int(kind), kind.name): slots for kind, slots in table.values()}


@pytest.mark.parametrize(
    "enum", [t.Side, t.OrderType, t.TimeInForce, t.SelfTrade, t.ListKind, t.Phase, t.TradeFlag, t.LevelCause, t.Reason]
)
def test_the_document_has_every_value(enum: Any) -> None:
    rows = rows_under(f"### {enum.__name__}")
    assert [(int(row[0]), row[1]) for row in rows] == [(value.value, value.name) for value in enum]
