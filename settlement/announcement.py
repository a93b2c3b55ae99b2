"""How settlement tells the exchange of a composition, and reads the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from engine import types as t
from engine.types import EventKind, Reason
from engine.wire import encode_command
from settlement.records import Attempt, BatchRow


class Answer(Protocol):
    """What the exchange answered to one command, durably; `events` are rows in slot order."""

    @property
    def seq(self) -> int: ...
    @property
    def events(self) -> Sequence[tuple[Any, ...]]: ...


Submit = Callable[[Sequence[bytes]], Awaitable[Sequence[Answer]]]


def announcement(batch: BatchRow, attempt: Attempt) -> list[bytes]:
    """The ejected trades, then the composition; the engine takes the very same again without harm."""
    commands: list[t.Command] = [
        t.EjectTrade(batch.batch_id, attempt.attempt, each.trade_id, each.reason) for each in attempt.ejected
    ]
    commands.append(
        t.ComposeBatch(
            batch_id=batch.batch_id,
            attempt=attempt.attempt,
            trade_after=batch.trade_after,
            trade_last=batch.trade_last,
            ejected_count=len(attempt.ejected),
            payload_hash=attempt.payload_hash,
        )
    )
    return [encode_command(command) for command in commands]


def refusal(answers: Sequence[Answer]) -> Reason | None:
    """The first reason why one of the commands was refused."""
    rejected = [event[2] for answer in answers for event in answer.events if event[1] == EventKind.REJECTED]
    return Reason(rejected[0]) if rejected else None
