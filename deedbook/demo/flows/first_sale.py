"""Flow 3: investors buy from the issuer, cash against tokens in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from api.amounts import usdc_micros
from deedbook.demo.flows.person import Person
from deedbook.demo.flows.sign_up import MANAGER
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.flows.tokenizing import TOKEN
from deedbook.demo.flows.visitor import Refused
from deedbook.demo.waiting import until

PRICE: Final = "10"
BOUGHT: Final = {"investor1": 100, "investor2": 60, "investor3": 40}
FUNDS_USDC: Final = 5_000


async def play(stage: Stage) -> Told:
    told = Told("first sale")
    manager = stage[MANAGER]
    await _open(stage, manager)
    for name in BOUGHT:
        await stage.give_usdc(stage[name].purse.address, FUNDS_USDC * 10**6)
    before = {person.name: await stage.usdc_of(person.purse.address) for person in (manager, *_buyers(stage))}
    receipts = {person.name: await _buy(stage, person, BOUGHT[person.name]) for person in _buyers(stage)}
    await _compare(stage, told, before, receipts)
    return told


def _buyers(stage: Stage) -> list[Person]:
    return [stage[name] for name in BOUGHT]


async def _open(stage: Stage, manager: Person) -> None:
    """The issuer's approval is asked for by the refusal itself."""
    now = datetime.now(UTC).replace(microsecond=0)
    body = {
        "price": PRICE,
        "qty_max": "500",
        "per_buyer_max": "200",
        "opens_at": (now - timedelta(minutes=1)).isoformat(),
        "closes_at": (now + timedelta(days=30)).isoformat(),
    }
    path = f"/properties/{stage.property_id}/sale"
    try:
        await manager.visitor.post(path, body)
        raise AssertionError("a sale opened without the issuer's approval")
    except Refused as refused:
        refused.expect("ISSUER_APPROVAL_MISSING")
        await manager.purse.send(refused.problem["transaction"])
    await manager.visitor.post(path, body)

    async def is_open() -> bool:
        return bool((await manager.visitor.get(path))["state"] == "OPEN")

    await until(is_open, "the sale is open")


async def _buy(stage: Stage, buyer: Person, tokens: int) -> dict[str, Any]:
    """Ask, sign what the refusals ask for, and wait for the receipt."""
    body: dict[str, Any] = {
        "property_id": str(stage.property_id),
        "wallet": buyer.purse.address,
        "qty": str(tokens),
    }
    asked: dict[str, Any] | None = None
    while asked is None:
        try:
            asked = await buyer.visitor.post("/marketplace/buy", body)
        except Refused as refused:
            if refused.reason == "USDC_APPROVAL_MISSING":
                await buyer.purse.send(refused.problem["transaction"])
            else:
                refused.expect("SIGNATURE_MISSING")
                body |= {name: refused.problem[name] for name in ("nonce", "deadline")}
                body["signature"] = buyer.purse.sign_typed(refused.problem["typed_data"])
    path = f"/marketplace/purchases/{asked['purchase_id']}"

    async def final() -> dict[str, Any] | None:
        found = await buyer.visitor.get(path)
        assert found["state"] != "FAILED", found
        return found if found["state"] == "FINAL" else None

    return await until(final, f"the purchase of {buyer.name} is final")


async def _compare(stage: Stage, told: Told, before: dict[str, int], receipts: dict[str, dict[str, Any]]) -> None:
    for buyer in _buyers(stage):
        receipt = receipts[buyer.name]
        row = await stage.pool.fetchrow(
            "SELECT qty_base_units, usdc_micros FROM purchases WHERE wallet = $1 AND state = 'FINAL'", buyer.wallet
        )
        cost = before[buyer.name] - await stage.usdc_of(buyer.purse.address)
        told.same(
            f"USDC micros paid by {buyer.name}",
            chain=cost,
            database=int(row["usdc_micros"]),
            receipt=usdc_micros(receipt["usdc"]),
        )
        held = await stage.tokens_of(buyer.purse.address)
        told.same(f"base units of {buyer.name}", chain=held, database=int(row["qty_base_units"]))
    manager = stage[MANAGER]
    got = await stage.usdc_of(manager.purse.address) - before[manager.name]
    booked = await stage.pool.fetchval("SELECT sum(usdc_micros)::bigint FROM purchases WHERE state = 'FINAL'")
    told.same("USDC micros to the issuer", chain=got, database=booked)
    sold = sum(BOUGHT.values()) * TOKEN
    left = await stage.tokens_of(manager.purse.address)
    told.same("supply sold and unsold", chain=sold + left, supply=await stage.on_token("totalSupply"))
