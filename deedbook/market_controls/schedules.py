"""Schedules kept: each instrument that has one is brought into the phase in which it should be.

A row's `due_at` alone says when to look, so a kill or a long pause changes nothing: what was missed is not made up for,
the phase that should be now is set. Whoever sets a phase by hand takes the instrument in hand: the schedule waits until
that call's end, or until it is given back. A halt is never lifted by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.actor import Actor
from api.clock import Clock, utc_now
from api.doors import Audit
from api.problem import Problem, not_found
from deedbook.market_controls.instructions import STOPPED, STOPPED_TEXT, PhaseOf, hindrance, instrument_of, sent
from deedbook.market_controls.schedule import CLOSED, TIMED, Schedule, Slot
from deedbook.outages import AWAY
from deedbook.phase_lock import lock_phase
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection, Pool

POLL_S: Final = 1.0
_TIMES: Final = ("pre_open", "opening_call", "continuous", "closing_call", "close")
_COLUMNS: Final = tuple(column.name for column in fields(Schedule))
_log: Final = logging.getLogger(__name__)


async def schedule_of(connection: Connection, number: int) -> Schedule | None:
    row = await connection.fetchrow("SELECT * FROM schedules WHERE instrument = $1 FOR UPDATE", number)
    return None if row is None else schedule_from(row)


async def look_again(connection: Connection, number: int | None, moment: datetime | None) -> None:
    """When an instrument's schedule sets its phase next, if it has one; None: not before it is given back."""
    await connection.execute("UPDATE schedules SET due_at = $2 WHERE instrument = $1", number, moment)


def schedule_from(row: Mapping[str, Any]) -> Schedule:
    pre_open, opening_call, continuous, closing_call, close = (row[name] for name in _TIMES)
    return Schedule(
        zone=ZoneInfo(row["zone"]),
        weekdays=frozenset(row["weekdays"]),
        holidays=frozenset(row["holidays"]),
        pre_open=pre_open,
        opening_call=opening_call,
        continuous=continuous,
        closing_call=closing_call,
        close=close,
        trading=t.Phase(row["trading"]),
    )


def command_of(number: int, slot: Slot) -> t.SetPhase:
    """Calls end by themselves, with the market's clock; the closed time ends the day."""
    if slot.phase not in TIMED:
        return t.SetPhase(number, slot.phase, ends_day=int(slot.phase == CLOSED))
    return t.SetPhase(number, slot.phase, round(slot.ends_at.timestamp() * 1_000) * 10**6, slot.then)


class Schedules:
    def __init__(self, pool: Pool, submit: Submit, phase_of: PhaseOf, audit: Audit, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._submit = submit
        self._phase_of = phase_of
        self._audit = audit
        self._clock = clock
        self._troubles: dict[int, str] = {}

    # -- what people ask for; each raises Problem

    async def put(self, number: int, schedule: Schedule, actor: Actor) -> None:
        """In force at once, unless somebody has the instrument in hand."""
        await self._require_listed(number)
        values = (
            str(schedule.zone),
            sorted(schedule.weekdays),
            sorted(schedule.holidays),
            *(getattr(schedule, name) for name in _TIMES),
            int(schedule.trading),
        )
        async with self._pool.acquire() as connection, connection.transaction():
            updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
            await connection.execute(
                f"INSERT INTO schedules (instrument, {', '.join(_COLUMNS)}, due_at)"  # noqa: S608
                f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (instrument) DO UPDATE"
                f" SET {updates}, due_at = CASE WHEN schedules.due_at IS NOT NULL THEN excluded.due_at END",
                *(number, *values, self._clock()),
            )
            details = {name: str(value) for name, value in zip(_COLUMNS, values, strict=True)}
            await self._audit(connection, actor.name, "schedule set", instrument=number, details=details)

    async def remove(self, number: int, actor: Actor) -> None:
        """The instrument stays in the phase in which it is."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.execute("DELETE FROM schedules WHERE instrument = $1", number) == "DELETE 0":
                raise not_found("schedule")
            await self._audit(connection, actor.name, "schedule removed", instrument=number)

    async def give_back(self, number: int, actor: Actor) -> None:
        """What somebody took in hand follows its schedule again; what is stopped takes two people to go on."""
        instrument = await instrument_of(self._pool, number)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            if await schedule_of(connection, number) is None:
                raise not_found("schedule")
            if await self._phase_of(instrument.symbol) in STOPPED:
                raise Problem(409, "STOPPED", STOPPED_TEXT)
            await look_again(connection, number, self._clock())
            await self._audit(connection, actor.name, "given back to its schedule", instrument=number)

    # -- by itself

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except AWAY as error:
                _log.warning("schedules wait: %s: %s", type(error).__name__, error)
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Bring every instrument whose time has come into its phase; one that cannot be is tried again next time."""
        rows = await self._pool.fetch("SELECT instrument FROM schedules WHERE due_at <= $1", self._clock())
        for row in rows:
            number: int = row["instrument"]
            try:
                await self._bring(number)
                self._troubles.pop(number, None)
            except Problem as problem:
                if self._troubles.get(number) != problem.reason:
                    _log.warning("instrument %d is not as its schedule says: %s", number, problem.reason)
                self._troubles[number] = problem.reason

    async def _bring(self, number: int) -> None:
        instrument = await instrument_of(self._pool, number)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            now = self._clock()
            row = await connection.fetchrow(
                "SELECT * FROM schedules WHERE instrument = $1 AND due_at <= $2", number, now
            )
            if row is None:
                return
            phase = await self._phase_of(instrument.symbol)
            if phase == t.Phase.HALT or await hindrance(connection, number) is not None:
                return await look_again(connection, number, None)
            slot = schedule_from(row).slot_at(now)
            if not _is_there(phase, slot):
                await sent(self._submit, command_of(number, slot))
            await look_again(connection, number, slot.ends_at)

    async def _require_listed(self, number: int) -> None:
        await instrument_of(self._pool, number)
        if not await self._pool.fetchval("SELECT listed_seq FROM instruments WHERE instrument = $1", number):
            raise Problem(409, "NOT_LISTED", "The exchange does not have this instrument yet.")


def _is_there(phase: t.Phase, slot: Slot) -> bool:
    """Also where a price band has started a call: it ends by itself, and trading goes on then.

    A call brings an instrument into its closed time by itself, but no call ends the day.
    """
    if phase == t.Phase.VOLATILITY_CALL and slot.phase not in TIMED | {CLOSED, t.Phase.PRE_OPEN}:
        return True
    return phase == slot.phase and phase not in TIMED | {CLOSED}
