"""What every instruction to the exchange goes through: is there such an instrument, may it trade, was it taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from api.problem import Problem, not_found
from compliance.instruments import Instrument, instrument_by_number
from compliance.registry import FactError
from deedbook.chain_effects import is_paused
from engine import types as t
from persistence.commands import Answer, Submit
from persistence.database import Connection, Pool

PhaseOf = Callable[[str], Awaitable[t.Phase]]  # of a symbol, as the exchange has it; raises Problem where it is away
NS: Final = 10**9
STOPPED: Final = frozenset({t.Phase.HALT, t.Phase.CANCEL_ONLY})
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
