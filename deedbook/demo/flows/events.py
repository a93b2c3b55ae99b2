"""Flow 7: what happens on the chain reaches the exchange: two people freeze a wallet; every event is told once."""

from __future__ import annotations

from typing import Any, Final

from deedbook.demo.flows.sign_up import ADMINS
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.flows.visitor import Refused
from deedbook.demo.waiting import until

FROZEN: Final = "investor3"


async def play(stage: Stage) -> Told:
    told = Told("chain events")
    person = stage[FROZEN]
    await stage.bring_tokens(person, "5")
    order = {"symbol": stage.symbol, "side": "SELL", "type": "LIMIT", "price": "50", "qty": "5"}
    resting = await person.visitor.post("/marketplace/orders", order)
    await _set_frozen(stage, is_frozen=True)
    told.figures["the holder was told"] = (await person.noticed("WALLET_FROZEN"))["text"]
    ended = await _ended(stage, resting["order_id"])
    told.same("the resting order", exchange=ended["status"], expected="EXPIRED")
    await _compare(stage, told, is_frozen=True)
    told.same("an order of a frozen wallet", exchange=await _refusal(stage, order), expected="NOT_PERMITTED")
    await _set_frozen(stage, is_frozen=False)
    await person.noticed("WALLET_UNFROZEN")
    await _compare(stage, told, is_frozen=False)
    await _count(stage, told)
    return told


async def _set_frozen(stage: Stage, *, is_frozen: bool) -> None:
    instrument = await stage.pool.fetchval("SELECT instrument FROM instruments WHERE token = $1", stage.token)
    body = {"wallet": stage[FROZEN].purse.address, "instrument": instrument, "is_frozen": is_frozen}
    await stage.approve(await stage[ADMINS[0]].visitor.post("/operations/freezes", body))


async def _ended(stage: Stage, order_id: int) -> dict[str, Any]:
    async def find() -> dict[str, Any] | None:
        found: dict[str, Any] = await stage[FROZEN].visitor.get(f"/marketplace/orders/{order_id}")
        return found if found["status"] != "NEW" else None

    return await until(find, "the frozen wallet's order is gone")


async def _refusal(stage: Stage, order: dict[str, Any]) -> str:
    try:
        await stage[FROZEN].visitor.post("/marketplace/orders", order)
    except Refused as refused:
        return refused.reason
    return "taken"


async def _compare(stage: Stage, told: Told, *, is_frozen: bool) -> None:
    person = stage[FROZEN]

    async def known() -> bool:
        return await _in_database(stage) == is_frozen

    await until(known, "the freeze is a fact")
    told.same(
        "frozen" if is_frozen else "free again",
        chain=await stage.on_token("isFrozen", person.purse.address),
        database=await _in_database(stage),
        asked=is_frozen,
    )


async def _in_database(stage: Stage) -> bool:
    frozen: bool = await stage.pool.fetchval(
        "SELECT EXISTS (SELECT FROM wallet_freezes JOIN instruments USING (instrument)"
        " WHERE address = $1 AND token = $2)",
        *(stage[FROZEN].wallet, stage.token),
    )
    return frozen


async def _count(stage: Stage, told: Told) -> None:
    """Every Transfer of the token that is FINAL stands in the table, once; nothing waits, nothing is given up."""
    final = await stage.pool.fetchval("SELECT max(block) FROM chain_events WHERE state = 'FINAL'")
    rows = await stage.pool.fetchval(
        "SELECT count(*) FROM chain_events WHERE contract = $1 AND name = 'Token.Transfer' AND state = 'FINAL'"
        " AND block <= $2",
        *(stage.token, final),
    )
    told.same("Transfer events", chain=await stage.transfers_until(final), database=rows)
    letters = await stage[ADMINS[0]].visitor.get("/operations/dead-letters")
    failed = await stage[ADMINS[0]].visitor.get("/operations/jobs", state="FAILED")
    told.same("given up", dead_letters=len(letters), jobs=len(failed), expected=0)
