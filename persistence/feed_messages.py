"""What is said over the exchange's socket: a length, a kind and a body, little-endian, with engine records as they are.

Any process of ours submits and follows. A gateway joins instead: it follows, and enters commands one by one.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Final, NamedTuple

from engine.types import CommandKind
from engine.wire import COMMAND_SIZE
from persistence.sequencer import KIND_OFFSET

HEAD: Final = Struct("<IB")  # bytes of the body, kind
SUBMIT, FOLLOW, ANSWER, REFUSED, FRAME = range(1, 6)
JOIN, ENTER, ENTERED, BEAT, DISOWN, COUNTDOWN, NOTE, ASK_MEASURES, ASK_SEQ, TOLD = range(6, 16)
SUBMIT_HEAD: Final = Struct("<Q")  # nonce; then the commands
FOLLOW_BODY: Final = Struct("<Q")  # from which seq; of JOIN too
ANSWER_HEAD: Final = Struct("<QI")  # nonce, number of commands; then the stamped commands and their events
REFUSED_HEAD: Final = Struct("<Q")  # nonce; then the refusal's name
FRAME_HEAD: Final = Struct("<Q32sI")  # first seq, hash, number of commands; then the commands and their events
ENTER_HEAD: Final = Struct("<QI")  # the first's nonce, number of commands; then a byte of marks each, and the commands
OWNED, GOES_ON = 1, 2  # marks: its orders end with this gateway; the next command has its nonce, and nothing between
ENTERED_PAIR: Final = Struct("<QQ")  # seq, nonce; any number of them, before the frames that hold the seqs
BEAT_BODY: Final = Struct("<qQ")  # when it was sent, and the last durable seq then
SEQ: Final = Struct("<Q")  # TOLD what was asked for: the last durable one; or measures, as text
ORDER_ID: Final = Struct("<Q")  # any number of them that are owned no more; none: all
COUNTDOWN_BODY: Final = Struct("<IIQ")  # account, instrument (0: all), ms (0: no more)
BODY_BYTES_MAX: Final = 512 * 1024 * 1024  # a sweep of 300,000 makers is one frame
COMMANDS_MAX: Final = 4_096  # of one submission
KINDS: Final = frozenset(int(kind) for kind in CommandKind)


class Frame(NamedTuple):
    """A durable journal frame; `hash` is the chain's value after it."""

    first_seq: int
    commands: bytes
    events: bytes
    hash: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.commands) // COMMAND_SIZE - 1


def message(kind: int, *parts: bytes) -> bytes:
    return b"".join((HEAD.pack(sum(map(len, parts)), kind), *parts))


async def read_message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    length, kind = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > BODY_BYTES_MAX:
        raise ValueError(f"a message of {length} bytes")
    return kind, await reader.readexactly(length)


def frame_message(first_seq: int, frame_hash: bytes, commands: bytes | memoryview, events: bytes | memoryview) -> bytes:
    head = FRAME_HEAD.pack(first_seq, frame_hash, len(commands) // COMMAND_SIZE)
    return message(FRAME, head, bytes(commands), bytes(events))


def frame_of(body: bytes) -> Frame:
    first_seq, frame_hash, count = FRAME_HEAD.unpack_from(body)
    events_at = FRAME_HEAD.size + count * COMMAND_SIZE
    return Frame(first_seq, body[FRAME_HEAD.size : events_at], body[events_at:], frame_hash)


def records_of(body: bytes, start: int) -> list[bytes]:
    """The commands from `start` to the end. ValueError unless they are 1 to COMMANDS_MAX whole ones of known kinds."""
    count, rest = divmod(len(body) - start, COMMAND_SIZE)
    if rest or not 0 < count <= COMMANDS_MAX:
        raise ValueError("a submission is 1 to 4096 whole records")
    records = [body[at : at + COMMAND_SIZE] for at in range(start, len(body), COMMAND_SIZE)]
    if not KINDS.issuperset(record[KIND_OFFSET] for record in records):
        raise ValueError("a command of a kind that the engine does not know")  # it would be a poison
    return records
