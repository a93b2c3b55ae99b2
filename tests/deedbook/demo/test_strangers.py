"""On a whole machine with a property that is sold, traded and ended: what is somebody's own, no other sees or does."""

from __future__ import annotations

from typing import Any, Final

import pytest

from deedbook.demo.flows.person import Person
from deedbook.demo.flows.play import FLOWS, PEOPLE, staged
from deedbook.demo.flows.sign_up import ADMINS, INVESTORS, MANAGER
from deedbook.demo.flows.stage import Stage
from deedbook.demo.flows.visitor import Refused
from deedbook.demo.temporary import on_a_machine
from deedbook.running import Running

STRANGER: Final = "stranger"  # an investor who has bought nothing
RIVAL: Final = "rival"  # a manager of other properties
BEFORE_TRADING: Final = 3  # flows: sign-up, tokenizing, first sale


async def refused(person: Person, method: str, path: str, reason: str, body: dict[str, Any] | None = None) -> None:
    with pytest.raises(Refused) as raised:
        await person.visitor.call(method, path, body)
    raised.value.expect(reason)


async def see_the_sale(stage: Stage) -> None:
    sale = f"/properties/{stage.property_id}/sale"
    buyer, others = stage["investor1"], (stage[STRANGER], stage[RIVAL], stage["investor2"])
    (own,) = await buyer.visitor.get("/marketplace/purchases")
    for other in others:
        listed = await other.visitor.get("/marketplace/purchases")
        assert own["purchase_id"] not in str(listed)
        assert buyer.purse.address not in str(listed)
        await refused(other, "GET", f"/marketplace/purchases/{own['purchase_id']}", "NOT_FOUND")
        shown = str(await other.visitor.get(sale))
        assert not any(stage[name].purse.address in shown for name in INVESTORS)
        body = {"property_id": str(stage.property_id), "wallet": buyer.purse.address, "qty": "1"}
        await refused(other, "POST", "/marketplace/buy", "WALLET_NOT_LINKED", body)
    terms = {"price": "1", "qty_max": "1", "per_buyer_max": "1"}
    window = {"opens_at": "2030-01-01T00:00:00Z", "closes_at": "2031-01-01T00:00:00Z"}
    await refused(stage[RIVAL], "POST", sale, "NOT_FOUND", terms | window)
    await refused(stage[RIVAL], "POST", f"{sale}/close", "NOT_FOUND")
    await refused(stage[STRANGER], "POST", f"{sale}/close", "ROLE_MISSING")
    assert (await stage[MANAGER].visitor.get(sale))["state"] == "OPEN"


async def see_the_exit(stage: Stage) -> None:
    one = f"/properties/{stage.property_id}"
    for name in (*INVESTORS, MANAGER):
        own = await stage[name].visitor.get(f"{one}/exit")
        assert {line["wallet"] for line in own["lines"]} == {stage[name].purse.address}
        await refused(stage[name], "POST", f"{one}/exit/claim", "NOTHING_OWED")
    for name in (STRANGER, RIVAL):
        await refused(stage[name], "GET", f"{one}/exit", "NOT_FOUND")
        await refused(stage[name], "POST", f"{one}/exit/claim", "NOT_FOUND")
        assert await stage[name].visitor.get("/dividends/owed") == []
        assert await stage[name].visitor.get("/dividends") == []
    await refused(stage[RIVAL], "GET", f"{one}/manager-payments", "NOT_FOUND")
    for path in (f"{one}/exit", f"{one}/liquidate", f"/tokens/burn/{stage.property_id}"):
        await refused(stage[RIVAL], "POST", path, "ROLE_MISSING", {})


@pytest.mark.slow
async def test_a_stranger_sees_nothing_of_a_sale_and_of_an_exit() -> None:
    async def play(market: Running) -> dict[str, Any]:
        async with staged(market, (*PEOPLE, STRANGER, RIVAL)) as stage:
            begins, goes_on = FLOWS[:BEFORE_TRADING], FLOWS[BEFORE_TRADING:]
            await begins[0](stage)
            rival = stage[RIVAL]
            await rival.enrol_second_factor()
            path, roles = f"/users/{rival.user_id}/roles", {"roles": ["PROPERTY_MANAGER"]}
            await stage[ADMINS[0]].visitor.call("PUT", path, roles)
            for flow in begins[1:]:
                await flow(stage)
            await see_the_sale(stage)
            for flow in goes_on:
                await flow(stage)
            await see_the_exit(stage)
        return {"is_good": True}

    assert await on_a_machine(play, lambda result: bool(result["is_good"]), None, as_json=True) == 0
