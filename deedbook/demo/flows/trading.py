"""Flow 5: holders trade, one from the web and one by websocket, and the trade settles on the chain."""

from __future__ import annotations

from typing import Any, Final

from api.amounts import units, usdc_micros
from deedbook.demo.flows.person import PASSWORD, Person
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.flows.tokenizing import DECIMALS
from deedbook.demo.flows.visitor import Refused
from deedbook.demo.waiting import until

SELLER: Final = "investor1"
BUYER: Final = "investor2"
QTY: Final = "30"
PRICE: Final = "10.5"


async def play(stage: Stage) -> Told:
    told = Told("trading from the web and by websocket")
    seller, buyer = stage[SELLER], stage[BUYER]
    before = {each.name: await _held(stage, each) for each in (seller, buyer)}
    await _placed(stage, seller, {"side": "SELL", "price": PRICE, "qty": QTY})
    await _fund(stage, buyer, {"side": "BUY", "price": PRICE, "qty": QTY})
    key = await buyer.visitor.post(
        "/api-keys", {"kind": "HMAC", "permissions": ["TRADE", "READ"], "password": PASSWORD}
    )
    answer = await stage.buy_by_websocket(key, PRICE, QTY)
    told.figures["websocket order"] = {"status": answer["status"], "executed": answer["executedQty"]}
    trades = {each.name: await _settled(each) for each in (seller, buyer)}
    notice = await seller.noticed("TRADE_FINAL")
    told.figures["the seller was told"] = notice["text"]
    await _compare(stage, told, before, trades)
    return told


async def _fund(stage: Stage, person: Person, order: dict[str, Any]) -> None:
    """Ask as if to trade, sign the deposit that the refusal names, and wait until it counts."""
    try:
        placed = await person.visitor.post("/marketplace/orders", _order(stage, order) | {"time_in_force": "IOC"})
        raise AssertionError(f"an order without funds was taken: {placed}")
    except Refused as refused:
        refused.expect("INSUFFICIENT_CASH", "INSUFFICIENT_TOKENS")
        await person.sign_all(refused.problem["transactions"])
    asset = "cash" if order["side"] == "BUY" else stage.symbol

    async def credited() -> bool:
        return await stage.free_of(person, asset) > 0

    await until(credited, f"the funds of {person.name} are credited")


async def _placed(stage: Stage, person: Person, order: dict[str, Any]) -> dict[str, Any]:
    await _fund(stage, person, order)
    placed: dict[str, Any] = await person.visitor.post("/marketplace/orders", _order(stage, order))
    return placed


def _order(stage: Stage, order: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": stage.symbol, "type": "LIMIT", "time_in_force": "GTC"} | order


async def _settled(person: Person) -> dict[str, Any]:
    async def final() -> dict[str, Any] | None:
        trades = await person.visitor.get("/marketplace/trades")
        return trades[0] if trades and trades[0]["settlement"] == "FINAL" else None

    return await until(final, f"the trade of {person.name} is final")


async def _held(stage: Stage, person: Person) -> tuple[int, int]:
    """USDC micros and base units."""
    return await _cash(stage, person), await stage.tokens_of(person.purse.address)


async def _cash(stage: Stage, person: Person) -> int:
    """In the wallet and in the vault together."""
    return await stage.usdc_of(person.purse.address) + await stage.vault_of(person.purse.address)


async def _compare(
    stage: Stage, told: Told, before: dict[str, tuple[int, int]], trades: dict[str, dict[str, Any]]
) -> None:
    notional, qty = usdc_micros(QTY) * 105 // 10, units(QTY, DECIMALS)
    for name, sign in ((SELLER, 1), (BUYER, -1)):
        person = stage[name]
        fee = usdc_micros(trades[name]["fee_usdc"])
        cash = await _cash(stage, person) - before[name][0]
        told.same(f"USDC micros of {name}", chain=cash, receipt=sign * notional - fee)
        moved = await stage.tokens_of(person.purse.address) - before[name][1]
        told.same(f"base units of {name}", chain=moved, receipt=-sign * qty)
        row = await stage.pool.fetchrow(
            "SELECT level, position_lots, lot_base_units FROM balances JOIN instruments USING (instrument)"
            " WHERE account = (SELECT account FROM wallets WHERE address = $1) AND token = $2",
            *(person.wallet, stage.token),
        )
        held = await stage.tokens_of(person.purse.address)
        told.same(f"lots of {name}", chain=held // int(row["lot_base_units"]), database=row["position_lots"])
