"""What the market and each instrument do now, set by people: halts, calls, and what comes after them.

One person may stop the market, and move an instrument that is not stopped; two let a stopped one go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.clock import Clock, utc_now
from api.doors import Audit, Decide, Decision, Enqueue, Executor, Notify
from api.problem import Problem, not_found
from compliance.instruments import Instrument, instrument_by_number
from compliance.registry import FactError
from deedbook.chain_effects import is_paused, tell_order_holders
from deedbook.phase_lock import lock_phase
from engine import types as t
from persistence.commands import Answer, Submit
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed

HALT_LIFT: Final = "HALT_LIFT"
HALT_LIFT_JOB: Final = "halt-lift"
STOPPED: Final = frozenset({t.Phase.HALT, t.Phase.CANCEL_ONLY})
TIMED: Final = frozenset({t.Phase.OPENING_CALL, t.Phase.VOLATILITY_CALL, t.Phase.CLOSING_CALL})
NS: Final = 10**9
PhaseOf = Callable[[str], Awaitable[t.Phase]]  # of a symbol, as the exchange has it


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
            await self._audit(connection, actor.name, "trading halted", instrument=number, details={"reason": reason})
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
                raise Problem(409, "STOPPED", "It is stopped: two people let it go on, POST /operations/halts/lift.")
            await sent(self._submit, self._command(number, phase, call_s, then or t.Phase.CONTINUOUS))
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
        await self._enqueue(connection, HALT_LIFT_JOB, str(approval_id), {**payload, "actor": actor.name})

    async def _lift(self, job: Job) -> None:
        number, call_s = job.payload["instrument"], job.payload["call_s"]
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_phase(connection, number)
            if (reason := await hindrance(connection, number)) is not None:
                raise JobFailed(reason)
            phase = t.Phase.CONTINUOUS if call_s is None else t.Phase.OPENING_CALL
            await sent(self._submit, self._command(number or t.VENUE, phase, call_s, t.Phase.CONTINUOUS))
            await self._audit(connection, job.payload["actor"], "halt lifted", instrument=number)
            text = "Trading goes on: the halt was lifted."
            await tell_order_holders(connection, self._notify, number, "HALT_LIFTED", text)

    def _command(self, number: int, phase: t.Phase, call_s: int | None, then: t.Phase) -> t.SetPhase:
        if call_s is None:
            return t.SetPhase(number, phase)
        return t.SetPhase(number, phase, time_ns(self._clock, call_s), then)


async def sent(submit: Submit, command: t.Command) -> Answer:
    """Raises Problem 409 with the engine's reason."""
    (answer,) = await submit([command])
    if (rejected := answer.rejection()) is not None:
        reason = t.Reason(rejected.reason).name
        raise Problem(409, reason, "The exchange does not take it; its reason is given.")
    return answer


async def instrument_of(pool: Pool, number: int) -> Instrument:
    """Raises Problem 404."""
    try:
        return await instrument_by_number(pool, number)
    except FactError:
        raise not_found("instrument") from None


async def hindrance(connection: Connection, number: int | None) -> str | None:
    """Why a halt must stay: the token is paused, or its property is being sold or is gone."""
    if number is None:
        return None
    row = await connection.fetchrow("SELECT symbol, token FROM instruments WHERE instrument = $1", number)
    if row["token"] is not None and await is_paused(connection, row["token"]):
        return f"The token of {row['symbol']} is paused on chain: unpause it first."
    state = await connection.fetchval("SELECT state FROM properties WHERE instrument = $1", number)
    if state in ("LIQUIDATING", "CLOSED"):
        return f"The property of {row['symbol']} is {state}: it is not traded any more."
    return None


def time_ns(clock: Clock, in_s: int) -> int:
    """So many seconds from now, in whole milliseconds."""
    return round((clock() + timedelta(seconds=in_s)).timestamp() * 1_000) * 10**6
