"""Flow 6: the property is sold: trading ends, every token is burned, and every holder is paid."""

from __future__ import annotations

from typing import Any, Final

from api.amounts import usd_cents, usdc_micros
from deedbook.demo.flows.rent import MICROS_A_CENT
from deedbook.demo.flows.sign_up import ADMINS, INVESTORS, MANAGER
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.flows.visitor import Refused
from deedbook.demo.waiting import until

SALE_USDC: Final = "12345.678901"
COSTS_USDC: Final = "345.678899"


async def play(stage: Stage) -> Told:
    told = Told("exit")
    first = stage[ADMINS[0]]
    one = f"/properties/{stage.property_id}"
    resting = {"symbol": stage.symbol, "side": "SELL", "type": "LIMIT", "price": "99", "qty": "1"}
    await stage["investor2"].visitor.post("/marketplace/orders", resting)
    await first.visitor.post(f"{one}/liquidate")

    async def still() -> bool:
        return bool((await first.visitor.get(f"{one}/liquidation"))["state"] == "STILL")

    await until(still, "the property's market is still")
    told.figures["holders were told"] = (await stage[INVESTORS[0]].noticed("PROPERTY_LIQUIDATING"))["text"]
    await _pay_manager(stage, told)
    wallets = {name: stage[name].purse.address for name in (*INVESTORS, MANAGER)}
    before = {name: await stage.usdc_of(address) for name, address in wallets.items()}
    await stage.give_usdc(stage.treasury_address, usdc_micros(SALE_USDC) - usdc_micros(COSTS_USDC))
    await first.visitor.post(f"{one}/exit", {"sale_price_usdc": SALE_USDC, "costs_usdc": COSTS_USDC})
    await stage.approve(await _burn(stage, first.visitor))
    closed = await _closed(stage, one)
    await _compare(stage, told, closed, before)
    return told


async def _pay_manager(stage: Stage, told: Told) -> None:
    """The fee and the expenses, before the holders get what is left."""
    path, manager = f"/properties/{stage.property_id}/manager-payments", stage[MANAGER]
    account = await manager.visitor.get(path)
    wanted = {name: account[name] for name in ("management_fee_usd", "expenses_usd")}
    before = await stage.usdc_of(manager.purse.address)
    await stage.approve(await stage[ADMINS[0]].visitor.post(path, wanted))

    async def paid() -> dict[str, Any] | None:
        (payment,) = (await manager.visitor.get(path))["payments"]
        assert payment["state"] != "FAILED", payment
        return payment if payment["state"] == "PAID" else None

    payment = await until(paid, "the manager is paid")
    told.same(
        "micros of fee and expenses paid to the manager",
        chain=await stage.usdc_of(manager.purse.address) - before,
        database=sum(usd_cents(payment[name]) for name in wanted) * MICROS_A_CENT,
        owed=sum(map(usd_cents, wanted.values())) * MICROS_A_CENT,
    )
    owed = [await stage.ledger(kind, "USD") for kind in ("MANAGEMENT_FEE_PAYABLE", "EXPENSES_PAYABLE")]
    told.same("owed to the manager", ledger=sum(owed) + await stage.ledger("MANAGER_PAYABLE"), expected=0)


async def _burn(stage: Stage, visitor: Any) -> dict[str, Any]:
    async def decided() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await visitor.post(f"/tokens/burn/{stage.property_id}")
        except Refused as refused:
            refused.expect("NOT_PREPARED")
            return None
        return found

    return await until(decided, "the exit's statement is prepared")


async def _closed(stage: Stage, path: str) -> dict[str, Any]:
    async def find() -> dict[str, Any] | None:
        found = await stage[ADMINS[0]].visitor.get(path)
        statement: dict[str, Any] = await stage[ADMINS[0]].visitor.get(f"{path}/exit")
        assert statement["state"] != "FAILED", statement
        return statement if found["state"] == "CLOSED" else None

    return await until(find, "the property is closed")


async def _compare(stage: Stage, told: Told, statement: dict[str, Any], before: dict[str, int]) -> None:
    lines = {line["wallet"].lower(): usdc_micros(line["usdc"]) for line in statement["lines"]}
    pool = usdc_micros(SALE_USDC) - usdc_micros(COSTS_USDC) + usdc_micros(statement["remainder_usdc"])
    got = {name: await stage.usdc_of(stage[name].purse.address) - micros for name, micros in before.items()}
    for name, micros in got.items():
        told.same(f"payout micros of {name}", chain=micros, database=lines.get(stage[name].purse.address.lower(), 0))
    told.same(
        "payout micros",
        chain=sum(got.values()),
        database=sum(lines.values()),
        ledger=await stage.ledger("EXIT_PAID"),
        pool=pool,
    )
    told.figures["usdc_per_token"] = statement["usdc_per_token"]
    told.same("tokens left", chain=await stage.on_token("totalSupply"), expected=0)
    levels = await stage.pool.fetchval(
        "SELECT coalesce(sum(level + position_lots), 0)::bigint FROM balances"
        " WHERE instrument = (SELECT instrument FROM instruments WHERE token = $1)",
        stage.token,
    )
    told.same("lots left on the exchange", database=levels, expected=0)
    orders = await stage.pool.fetchval("SELECT count(*) FROM orders WHERE open_lots > 0")
    told.same("open orders", database=orders, expected=0)
