"""The pages in a real browser, on a whole machine: a person's way to a settled trade, and every page of every role.

`PICTURES=docs/pages pytest -m slow tests/deedbook/test_browser.py` keeps a picture of each page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import ClientSession

from tests.deedbook.browsing import BROWSER_TEST, machine, ran, staged

pytestmark = BROWSER_TEST


def _visits(property_id: str, dividend_id: str) -> Mapping[str, list[str]]:
    """By reader. `browser` is the person of life.mjs."""
    account = ["start", "identity", "wallets", "security", "keys", "messages"]
    one, paid = f"#{property_id}", f"#{dividend_id}"
    run = ["approvals", "compliance", "controls", "settlement", "reserves", "live", "jobs", "people", "audit"]
    return {
        "nobody": ["/register", "/sign-in", "/reset-password", "/404"],
        "browser": [
            *["/", "/market#OAK12USDC", "/invest/properties", f"/invest/property{one}"],
            *[f"/invest/{name}" for name in ("portfolio", "funds", "activity")],
            *[f"/account/{name}" for name in account],
        ],
        "investor1": ["/invest/dividends"],
        "manager": [
            f"/office/{page}" for page in ("properties", "draft", f"property{one}", f"leases{one}", f"income{one}")
        ],
        "admin1": [
            *[f"/office/{name}" for name in run],
            "/office/dividends",
            "/office/rules#OAK12USDC",
            f"/office/dividend{paid}",
            f"/office/exit{one}",
        ],
        "tenant": ["/office/rent"],
    }


async def test_a_life_in_a_browser_and_every_page() -> None:
    async with machine() as market, ClientSession() as http:
        url = market.settings.public_url
        assert url is not None
        stage = await staged(market, http)
        life = await ran("life.mjs", url)
        (dividend, *_) = await stage["admin1"].visitor.get("/dividends")
        sessions = {name: person.visitor.token for name, person in stage.people.items()} | {"browser": life["session"]}
        visits = _visits(str(stage.property_id), dividend["dividend_id"])
        seen = await ran("pages.mjs", url, SESSIONS=json.dumps(sessions), VISITS=json.dumps(visits))
        for person in stage.people.values():
            await person.visitor.close()
        assert any("Final" in fill and "0x" in fill for fill in life["fills"])
        assert life["violations"] == []
        assert seen["visited"] == 2 * sum(map(len, visits.values()))
        assert (seen["violations"], seen["troubles"], seen["wide"]) == ([], [], [])
