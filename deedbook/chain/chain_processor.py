"""What the chain says, from the stream into the tables; and, once it is FINAL, what follows from it, exactly once.

The tables drive the effects, not the stream: an event is FINAL in the tables, and its effect is PENDING there until it
is DONE in the transaction that wrote what it changed. A stream that loses everything loses nothing of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from persistence.database import Connection, Pool
from persistence.feed import CommandsRefused, FeedLost
from persistence.projections import DATABASE_AWAY
from persistence.streams import Message, Stream
from settlement.chain_book import ChainBook, event_of
from settlement.chain_notes import EventNote, note_of
from settlement.watched import ChainEvent, Contract, event_names

STREAM: Final = "chain-events"
STREAM_LENGTH_MAX: Final = 20_000  # messages; an observer that is far ahead of its reader tells the rest again
GROUP: Final = "backoffice"
CONSUMER: Final = "backoffice"
FAILURES_MAX: Final = 8
BACK_OFF_S: Final = 1.0  # after the first failure, then twice as long each time
LOOK_AGAIN_S: Final = 1.0
FAILURE_LENGTH_MAX: Final = 300
FAILED_MAX: Final = 200  # that an operator is shown at once
AWAY: Final = (FeedLost, CommandsRefused, *DATABASE_AWAY)  # waited out; no failure of an event
Effect = Callable[[Connection, ChainEvent], Awaitable[None]]
_log: Final = logging.getLogger(__name__)


class Effects:
    """What follows from which event. Fill it before the processor is made: an event that was FINAL before has none."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, list[Effect]] = defaultdict(list)

    def on_event(self, name: str, effect: Effect) -> None:
        """Have `effect` called with each FINAL event of this name, such as "Dividends.Paid", in the chain's order.

        It runs in one transaction with the mark that it is done, so what it writes there is written exactly once; what
        else it does may be done again after a kill. It may be called for an event after one that failed: what it
        writes of a state must be the state as of the newest event. What it raises is tried again, then an operator's.
        """
        assert name in event_names(Contract(name.partition(".")[0])), f"{name} is not watched"
        self._by_name[name].append(effect)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    async def __call__(self, connection: Connection, event: ChainEvent) -> None:
        for effect in self._by_name[event.name]:
            await effect(connection, event)


class NothingFailedError(Exception):
    """Only an event that failed can be tried again by hand."""


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """An event whose effect was given up."""

    event: ChainEvent
    failures: int
    failure: str
    recorded_at: datetime


class ChainProcessor:
    def __init__(
        self,
        pool: Pool,
        stream: Stream,
        effects: Effects,
        *,
        failures_max: int = FAILURES_MAX,
        back_off_s: float = BACK_OFF_S,
    ) -> None:
        self._pool = pool
        self._stream = stream
        self._effects = effects
        self._book = ChainBook(pool, effects.names)
        self._failures_max = failures_max
        self._back_off_s = back_off_s
        self._due = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; waits while Redis, the database or the exchange are away."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stream.consume(GROUP, CONSUMER, self._record))
            tasks.create_task(self._follow_up())

    async def _record(self, message: Message) -> None:
        """Raises for a message that is no note: it goes to the dead letters."""
        note = note_of(message.fields)
        while True:
            try:
                if not await self._book.record(note):
                    _log.info("a note of the chain does not fit and is told again: %s", type(note).__name__)
                break
            except DATABASE_AWAY as error:
                _log.warning("chain events wait for the database: %s", type(error).__name__)
                await asyncio.sleep(LOOK_AGAIN_S)
        if not isinstance(note, EventNote):  # effects wait for their whole stretch
            self._due.set()

    async def _follow_up(self) -> None:
        while True:
            self._due.clear()
            try:
                while await self.step():
                    pass
            except AWAY as error:
                _log.warning("effects of chain events wait: %s: %s", type(error).__name__, error)
            try:
                await asyncio.wait_for(self._due.wait(), LOOK_AGAIN_S)
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Carry out the oldest effect that is due; False if there is none."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT block, block_hash, log_index, transaction, contract, name, data, failures FROM chain_events"
                " WHERE effect = 'PENDING' AND try_after <= now()"
                " AND block <= (SELECT block FROM chain_blocks WHERE is_final)"  # its transaction is recorded whole
                " ORDER BY block, log_index LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
            if row is None:
                return False
            fields = dict(row)
            failures = fields.pop("failures")
            event = event_of(fields)
            try:
                async with connection.transaction():
                    await self._effects(connection, event)
            except AWAY:
                raise
            except Exception as error:
                await self._failed(connection, event, failures + 1, error)
            else:
                await _mark(connection, event, "effect = 'DONE', failures = 0, failure = ''")
            return True

    async def _failed(self, connection: Connection, event: ChainEvent, failures: int, error: Exception) -> None:
        _log.exception("%s of block %d failed, time %d", event.name, event.block, failures)
        failure = f"{type(error).__name__}: {error}"[:FAILURE_LENGTH_MAX]
        effect = "FAILED" if failures >= self._failures_max else "PENDING"
        wait_s = self._back_off_s * 2 ** (failures - 1)
        changes = "effect = $3, failures = $4, failure = $5, try_after = now() + make_interval(secs => $6)"
        await _mark(connection, event, changes, effect, failures, failure, wait_s)


async def _mark(connection: Connection, event: ChainEvent, changes: str, *values: object) -> None:
    await connection.execute(
        f"UPDATE chain_events SET {changes} WHERE block_hash = $1 AND log_index = $2",  # noqa: S608
        *(event.block_hash, event.log_index),
        *values,
    )


async def failed_events(pool: Pool, limit: int) -> list[FailedEvent]:
    """Those whose effect was given up, the oldest first."""
    rows = await pool.fetch(
        "SELECT block, block_hash, log_index, transaction, contract, name, data, failures, failure, recorded_at"
        " FROM chain_events WHERE effect = 'FAILED' ORDER BY block, log_index LIMIT $1",
        limit,
    )
    return [_failed_event(dict(row)) for row in rows]


def _failed_event(row: dict[str, Any]) -> FailedEvent:
    failures, failure, recorded_at = (row.pop(name) for name in ("failures", "failure", "recorded_at"))
    return FailedEvent(event_of(row), failures, failure, recorded_at)


async def retry_event(connection: Connection, block_hash: bytes, log_index: int) -> None:
    """Have an effect that was given up tried again. Raises NothingFailedError."""
    done = await connection.execute(
        "UPDATE chain_events SET effect = 'PENDING', failures = 0, try_after = now()"
        " WHERE block_hash = $1 AND log_index = $2 AND effect = 'FAILED'",
        *(block_hash, log_index),
    )
    if done == "UPDATE 0":
        raise NothingFailedError("there is no such failed event")
