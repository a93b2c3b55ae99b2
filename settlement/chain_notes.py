"""What the observer tells about the chain, note by note: what the stream carries, and what ends up in the tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from settlement.watched import ChainEvent


class EventState(StrEnum):
    MINED = "MINED"
    FINAL = "FINAL"
    REMOVED = "REMOVED"


class EventNote(msgspec.Struct, frozen=True, tag="event"):
    """One event in one state. Block hash and log index name it: told twice, it is the same."""

    state: EventState
    block: int
    block_hash: bytes
    log_index: int
    transaction: bytes
    contract: bytes
    name: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: ChainEvent, state: EventState) -> EventNote:
        return cls(
            state,
            event.block,
            event.block_hash,
            event.log_index,
            event.transaction,
            event.contract,
            event.name,
            dict(event.data),
        )

    @property
    def id(self) -> str:
        return f"{self.block_hash.hex()}-{self.log_index}"


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """Blocks `first` .. `block` are told whole: `events` notes, MINED or FINAL.

    after_hash  of block `first` - 1, which must have been recorded; empty where the observer begins
    """

    first: int
    block: int
    block_hash: bytes
    after_hash: bytes
    events: int
    is_final: bool


class Finalized(msgspec.Struct, frozen=True, tag="finalized"):
    """Everything up to this recorded block is FINAL; its `events` events since the last FINAL block are told so."""

    block: int
    block_hash: bytes
    events: int


class Rewound(msgspec.Struct, frozen=True, tag="rewound"):
    """What was recorded above this block is not on the chain any more; no hash: nothing below it was recorded."""

    block: int
    block_hash: bytes


Note = EventNote | Seen | Finalized | Rewound
_FIELD = "note"


def fields_of(note: Note) -> dict[str, bytes | str | int]:
    """A stream message's fields; events carry their id in plain sight."""
    fields: dict[str, bytes | str | int] = {_FIELD: msgspec.json.encode(note)}
    return fields | ({"id": note.id, "state": note.state} if isinstance(note, EventNote) else {})


def note_of(fields: dict[str, bytes]) -> Note:
    """Raises msgspec.DecodeError or KeyError for what is none."""
    note: Note = msgspec.json.decode(fields[_FIELD], type=Note)
    return note
