"""The pages in a real browser, on a whole machine: a person's way to a settled trade, and every page of every role.

`PICTURES=docs/pages pytest -m slow tests/deedbook/test_browser.py` keeps a picture of each page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import ClientSession

from deedbook.pages import PAGE_SUFFIX, WEB_DIRECTORY
from tests.deedbook.browsing import BROWSER_TEST, machine, ran, staged

pytestmark = BROWSER_TEST


def _visits(property_id: str, dividend_id: str, approval_id: str) -> Mapping[str, list[str]]:
    """By reader. `browser` is the person of life.mjs."""
    account = ["start", "identity", "wallets", "security", "keys", "messages"]
    one, paid = f"#{property_id}", f"#{dividend_id}"
    run = ["approvals", "compliance", "controls", "settlement", "reserves", "live", "jobs", "people", "audit"]
    return {
        "nobody": ["/register", "/sign-in", "/reset-password", "/verify", "/404"],
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
            f"/office/approvals#{approval_id}",
            "/office/dividends",
            "/office/rules#OAK12USDC",
            f"/office/dividend{paid}",
            f"/office/exit{one}",
        ],
        "tenant": ["/office/rent"],
    }


def _pages() -> set[str]:
    names = {path.relative_to(WEB_DIRECTORY).as_posix() for path in WEB_DIRECTORY.rglob(f"*{PAGE_SUFFIX}")}
    return {"/" if name == f"index{PAGE_SUFFIX}" else f"/{name.removesuffix(PAGE_SUFFIX)}" for name in names}


async def test_a_life_in_a_browser_and_every_page() -> None:
    async with machine() as market, ClientSession() as http:
        url = market.settings.public_url
        assert url is not None
        stage = await staged(market, http)
        life = await ran("life.mjs", url)
        (dividend, *_) = await stage["admin1"].visitor.get("/dividends")
        (approval, *_) = await stage["admin1"].visitor.get("/approvals")
        sessions = {name: person.visitor.token for name, person in stage.people.items()} | {"browser": life["session"]}
        visits = _visits(str(stage.property_id), dividend["dividend_id"], approval["approval_id"])
        seen = await ran("pages.mjs", url, SESSIONS=json.dumps(sessions), VISITS=json.dumps(visits))
        for person in stage.people.values():
            await person.visitor.close()
        assert any("Final" in fill and "0x" in fill for fill in life["fills"])
        assert life["violations"] == []
        assert {path.split("#")[0] for paths in visits.values() for path in paths} == _pages()
        assert seen["visited"] == 2 * sum(map(len, visits.values()))
        assert (seen["violations"], seen["troubles"], seen["wide"]) == ([], [], [])
