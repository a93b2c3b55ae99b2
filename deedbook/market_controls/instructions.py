"""What every instruction to the exchange goes through: is there such an instrument, may it trade, was it taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from api.actor import Actor
from api.problem import Problem, not_found
from compliance.audit import is_recorded_since, newest
from compliance.instruments import Instrument, instrument_by_number
from compliance.registry import FactError
from deedbook.chain.chain_effects import is_paused
from engine import types as t
from persistence.commands import Answer, Submit
from persistence.database import Connection, Pool
from persistence.jobs import JobFailed

PhaseOf = Callable[[str], Awaitable[t.Phase]]  # of a symbol, as the exchange has it; raises Problem where it is away
NS: Final = 10**9
STOPPED: Final = frozenset({t.Phase.HALT, t.Phase.CANCEL_ONLY})
_DECIDED_AT_ENTRY: Final = "decided_at_entry"
JOB_ALONE: Final = frozenset({"actor", _DECIDED_AT_ENTRY})  # what a decided job has beside its decision
STOPPED_TEXT: Final = "It is stopped: two people let it go on, POST /operations/halts/lift."


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


async def as_job(connection: Connection, payload: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """What two people decided, as the job that carries it out is told; it knows what the audit log held then."""
    return {**payload, "actor": actor.name, _DECIDED_AT_ENTRY: await newest(connection)}


async def require_standing(connection: Connection, payload: Mapping[str, Any], action: str) -> None:
    """Raises JobFailed where `action` was recorded for the same scope after two people had decided: a job may come
    late, or again after its process died, and must not undo what was done since."""
    scope = (payload["instrument"], payload.get("account"))
    if await is_recorded_since(connection, payload[_DECIDED_AT_ENTRY], action, *scope):
        raise JobFailed(f"Since this was decided the audit log has: {action}. Decide it anew.")


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
