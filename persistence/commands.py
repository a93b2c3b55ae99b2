"""Commands as words instead of records, for the rooms that are in no hurry: encode, submit, decode the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine import types as t
from engine.wire import EVENT, decode_events, encode_command


class RowsAnswer(Protocol):
    """What the feed answers to one command: event rows as `EVENT.unpack` gives them."""

    @property
    def seq(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def events(self) -> Sequence[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The durable answer to one command."""

    seq: int
    time_ns: int
    events: tuple[t.Event, ...]

    def rejection(self) -> t.Rejected | None:
        return next((event for event in self.events if isinstance(event, t.Rejected)), None)


Submit = Callable[[Sequence[t.Command]], Awaitable[list[Answer]]]


def in_words(submit_records: Callable[[Sequence[bytes]], Awaitable[Sequence[RowsAnswer]]]) -> Submit:
    """The same door, for commands and events as dataclasses; answers stand in the order of their commands."""

    async def submit(commands: Sequence[t.Command]) -> list[Answer]:
        answers = await submit_records([encode_command(command) for command in commands])
        assert len(answers) == len(commands)
        return [Answer(answer.seq, answer.time_ns, _decoded(answer.events)) for answer in answers]

    return submit


def _decoded(rows: Sequence[tuple[Any, ...]]) -> tuple[t.Event, ...]:
    return tuple(event for _, event in decode_events(b"".join(EVENT.pack(*row) for row in rows)))
