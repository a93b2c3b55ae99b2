"""What guards the market against mistakes: kill switches, limits and price bands.

A kill switch is put on by one person, at once. What may loosen something takes two: a switch off, limits, bands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from api.actor import Actor
from api.amounts import units, usdc_micros
from api.doors import Audit, Decide, Decision, Enqueue, Executor
from api.problem import Problem, not_found
from compliance.instruments import Instrument
from deedbook.market_controls.instructions import JOB_ALONE, NS, as_job, instrument_of, require_standing, sent
from engine import types as t
from persistence.commands import Submit
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job

KILL_RELEASE: Final = "KILL_RELEASE"
LIMITS: Final = "LIMITS"
BANDS: Final = "BANDS"
KILL_RELEASE_JOB: Final = "kill-release"
LIMITS_JOB: Final = "limits"
BANDS_JOB: Final = "bands"
_SWITCHED_ON: Final = "kill switch on"
Payload = Mapping[str, Any]


class Guards:
    def __init__(self, pool: Pool, submit: Submit, audit: Audit, enqueue: Enqueue) -> None:
        self._pool = pool
        self._submit = submit
        self._audit = audit
        self._enqueue = enqueue

    @property
    def executors(self) -> Mapping[str, Executor]:
        return {kind: partial(self._decided, each.job) for kind, each in _DECIDED.items()}

    def handlers(self) -> Mapping[str, Handler]:
        return {each.job: partial(self._carry_out, each) for each in _DECIDED.values()}

    # -- what people ask for; each raises Problem

    async def kill(self, account: int | None, number: int | None, reason: str, actor: Actor) -> int:
        """One person closes the open orders of a scope (None: of all), and has new ones refused; how many closed."""
        await self._require_scope(account, number)
        answer = await sent(self._submit, t.KillSwitch(account or 0, number or t.VENUE, 1))
        closed = sum(isinstance(event, t.Closed) for event in answer.events)
        details = {"account": account, "reason": reason, "closed_orders": closed}
        async with self._pool.acquire() as connection, connection.transaction():
            await self._audit(connection, actor.name, _SWITCHED_ON, instrument=number, details=details)
        return closed

    async def release(self, decide: Decide, account: int | None, number: int | None, actor: Actor) -> Decision:
        """Two people have new orders taken again."""
        await self._require_scope(account, number)
        return await self._decide(decide, KILL_RELEASE, {"account": account, "instrument": number}, actor)

    async def set_limits(self, decide: Decide, payload: Payload, actor: Actor) -> Decision:
        """`payload`: instrument, account, order_usdc, position_tokens, open_orders; None: every, or none."""
        await self._require_scope(payload["account"], payload["instrument"])
        await self._require_command(_limits, payload)
        return await self._decide(decide, LIMITS, payload, actor)

    async def set_bands(self, decide: Decide, payload: Payload, actor: Actor) -> Decision:
        """`payload`: instrument, reference_usdc (None: as it stands), static_bps, dynamic_bps, call_s."""
        if payload["dynamic_bps"] and not payload["call_s"]:
            raise Problem(400, "CALL_MISSING", "A dynamic band starts a call: say how long.", field="call_s")
        await self._require_command(_bands, payload)
        return await self._decide(decide, BANDS, payload, actor)

    # -- what two people decided

    async def _decided(
        self, job: str, connection: Connection, approval_id: UUID, payload: Payload, actor: Actor, /
    ) -> None:
        await self._enqueue(connection, job, str(approval_id), await as_job(connection, payload, actor))

    async def _carry_out(self, decided: _Decided, job: Job) -> None:
        payload = job.payload
        details = {name: each for name, each in payload.items() if name not in JOB_ALONE}
        async with self._pool.acquire() as connection, connection.transaction():
            if decided.undone_by is not None:
                await require_standing(connection, payload, decided.undone_by)
            await sent(self._submit, await decided.command(self._pool, payload))
            await self._audit(
                connection, payload["actor"], decided.action, instrument=payload["instrument"], details=details
            )

    async def _decide(self, decide: Decide, kind: str, payload: Payload, actor: Actor) -> Decision:
        account, number = payload.get("account"), payload["instrument"]
        scope = [f"account {account}"] if account else []
        scope.append("venue" if number is None else f"instrument {number}")
        async with self._pool.acquire() as connection, connection.transaction():
            return await decide(connection, kind, " in ".join(scope), payload, actor)

    async def _require_scope(self, account: int | None, number: int | None) -> None:
        if number is not None:
            await instrument_of(self._pool, number)
        if account is not None and not await self._pool.fetchval("SELECT 1 FROM accounts WHERE account = $1", account):
            raise not_found("account")

    async def _require_command(self, command: _CommandOf, payload: Payload) -> None:
        try:
            await command(self._pool, payload)
        except ValueError as error:
            raise Problem(400, "VALUE_MALFORMED", f"{error}.") from None


_CommandOf = Callable[[Pool, Payload], Awaitable[t.Command]]  # raises ValueError, Problem 404


class _Decided(NamedTuple):
    """What two people's decision becomes: a job, a command, and a line of the audit log.

    undone_by  what says, once it is in the audit log, that this decision counts no more
    """

    job: str
    command: _CommandOf
    action: str
    undone_by: str | None = None


async def _release(_pool: Pool, payload: Payload) -> t.Command:
    return t.KillSwitch(payload["account"] or 0, payload["instrument"] or t.VENUE, 0)


async def _limits(pool: Pool, payload: Payload) -> t.Command:
    instrument = await instrument_of(pool, payload["instrument"])
    order_micros = usdc_micros(payload["order_usdc"] or "0")
    position_lots = units(payload["position_tokens"] or "0", instrument.lot_decimals)
    if max(order_micros, position_lots) > t.INT64_MAX:
        raise ValueError("A limit is not that large")
    return t.SetLimits(
        payload["account"] or 0, instrument.instrument, order_micros, position_lots, payload["open_orders"] or 0
    )


async def _bands(pool: Pool, payload: Payload) -> t.Command:
    instrument = await instrument_of(pool, payload["instrument"])
    reference_ticks = _ticks(instrument, payload["reference_usdc"] or "0")
    bps = (payload["static_bps"], payload["dynamic_bps"])
    return t.SetBands(instrument.instrument, reference_ticks, *bps, payload["call_s"] * NS)


def _ticks(instrument: Instrument, price_usdc: str) -> int:
    """A token's price; ValueError for one between two ticks, or above the highest."""
    ticks, rest = divmod(usdc_micros(price_usdc), price_step_usdc_micros(instrument))
    if rest:
        raise ValueError(f"{price_usdc} is between two ticks")
    if ticks > instrument.price_ticks_max:
        raise ValueError(f"{price_usdc} is above the highest price")
    return ticks


def price_step_usdc_micros(instrument: Instrument) -> int:
    """What one tick is on a whole token."""
    step: int = instrument.tick_value_usdc_micros * 10**instrument.lot_decimals
    return step


_DECIDED: Final[Mapping[str, _Decided]] = {
    KILL_RELEASE: _Decided(KILL_RELEASE_JOB, _release, "kill switch off", _SWITCHED_ON),
    LIMITS: _Decided(LIMITS_JOB, _limits, "limits set"),
    BANDS: _Decided(BANDS_JOB, _bands, "price bands set"),
}
