"""What the market and each instrument do now, set by people: halts, calls, and what comes after them.

One person may stop the market, and move an instrument that is not stopped; two let a stopped one go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.clock import Clock, utc_now
from api.doors import Audit, Decide, Decision, Enqueue, Executor, Notify
from api.problem import Problem
from deedbook.chain.chain_effects import tell_order_holders
from deedbook.market_controls.instructions import (
    NS,
    STOPPED,
    STOPPED_TEXT,
    PhaseOf,
    as_job,
    hindrance,
    instrument_of,
    require_standing,
    sent,
)
from deedbook.market_controls.schedule import TIMED
from deedbook.market_controls.schedules import command_of, look_again, schedule_of
from deedbook.phase_lock import lock_phase
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed

HALT_LIFT: Final = "HALT_LIFT"
HALT_LIFT_JOB: Final = "halt-lift"
_HALTED: Final = "trading halted"


class Phases:
    """`phase_of`: an instrument's own phase now; raises Problem where the exchange does not answer."""

    def __init__(
        self,
        pool: Pool,
        submit: Submit,
        phase_of: PhaseOf,
        audit: Audit,
        notify: Notify,
        enqueue: Enqueue,
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._phase_of = phase_of
        self._audit = audit
        self._notify = notify
        self._enqueue = enqueue
        self._clock = clock

    @property
    def executors(self) -> Mapping[str, Executor]:
        return {HALT_LIFT: self._lift_decided}

    def handlers(self) -> Mapping[str, Handler]:
        return {HALT_LIFT_JOB: self._lift}

    # -- what people ask for; each raises Problem

    async def halt(self, number: int | None, reason: str, actor: Actor) -> None:
        """One person halts an instrument, or the whole venue, at once."""
        symbol = "the whole venue" if number is None else (await instrument_of(self._pool, number)).symbol
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            await sent(self._submit, t.SetPhase(number or t.VENUE, t.Phase.HALT))
            await look_again(connection, number, None)
            await self._audit(connection, actor.name, _HALTED, instrument=number, details={"reason": reason})
            text = f"Trading of {symbol} is halted. Your open orders wait."
            await tell_order_holders(connection, self._notify, number, "TRADING_HALTED", text)

    async def lift(self, decide: Decide, number: int | None, call_s: int | None, actor: Actor) -> Decision:
        """Two people let trading go on; an instrument with an opening call of `call_s` seconds before."""
        if number is not None:
            await instrument_of(self._pool, number)
        elif call_s is not None:
            raise Problem(400, "NOT_OF_THE_VENUE", "A call is one instrument's.")
        async with self._pool.acquire() as connection, connection.transaction():
            if (reason := await hindrance(connection, number)) is not None:
                raise Problem(409, "STAYS_HALTED", reason)
            subject = "venue" if number is None else f"instrument {number}"
            return await decide(connection, HALT_LIFT, subject, {"instrument": number, "call_s": call_s}, actor)

    async def set_phase(
        self, number: int, phase: t.Phase, call_s: int | None, then: t.Phase | None, actor: Actor
    ) -> None:
        """One person moves an instrument that is not stopped; a call may end by itself, after `call_s`."""
        if (call_s is not None and phase not in TIMED) or (then is not None and call_s is None):
            raise Problem(400, "NO_CALL", "Only an opening, volatility or closing call ends by itself.")
        instrument = await instrument_of(self._pool, number)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            if await self._phase_of(instrument.symbol) in STOPPED:
                raise Problem(409, "STOPPED", STOPPED_TEXT)
            await self._move(connection, number, phase, call_s, then or t.Phase.CONTINUOUS)
            details = {"phase": phase.name, "call_s": call_s, "then": None if then is None else then.name}
            await self._audit(connection, actor.name, "phase set", instrument=number, details=details)

    async def set_period(self, number: int, period_s: int, actor: Actor) -> None:
        """How often an instrument's periodic call is uncrossed; 0: not by itself."""
        await instrument_of(self._pool, number)
        await sent(self._submit, t.SetAuctions(number, period_s * NS))
        async with self._pool.acquire() as connection, connection.transaction():
            details = {"period_s": period_s}
            await self._audit(connection, actor.name, "call period set", instrument=number, details=details)

    # -- what two people decided

    async def _lift_decided(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        await self._enqueue(connection, HALT_LIFT_JOB, str(approval_id), await as_job(connection, payload, actor))

    async def _lift(self, job: Job) -> None:
        number, call_s = job.payload["instrument"], job.payload["call_s"]
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            if (reason := await hindrance(connection, number)) is not None:
                raise JobFailed(reason)
            await require_standing(connection, job.payload, _HALTED)
            await self._go_on(connection, number, call_s)
            await self._audit(connection, job.payload["actor"], "halt lifted", instrument=number)
            text = "Trading goes on: the halt was lifted."
            await tell_order_holders(connection, self._notify, number, "HALT_LIFTED", text)

    async def _go_on(self, connection: Connection, number: int | None, call_s: int | None) -> None:
        """With a call, else as the schedule says, else continuously."""
        if number is not None and call_s is not None:
            return await self._move(connection, number, t.Phase.OPENING_CALL, call_s, t.Phase.CONTINUOUS)
        schedule = None if number is None else await schedule_of(connection, number)
        if number is None or schedule is None:
            await sent(self._submit, t.SetPhase(number or t.VENUE, t.Phase.CONTINUOUS))
        else:
            slot = schedule.slot_at(self._clock())
            await sent(self._submit, command_of(number, slot))
            await look_again(connection, number, slot.ends_at)

    async def _move(
        self, connection: Connection, number: int, phase: t.Phase, call_s: int | None, then: t.Phase
    ) -> None:
        """By hand: a schedule goes on after a call's end, or when the instrument is given back to it."""
        if call_s is None:
            await sent(self._submit, t.SetPhase(number, phase))
            return await look_again(connection, number, None)
        until_ms = round((self._clock() + timedelta(seconds=call_s)).timestamp() * 1_000)
        await sent(self._submit, t.SetPhase(number, phase, until_ms * 10**6, then))
        await look_again(connection, number, datetime.fromtimestamp(until_ms / 1_000, UTC))
