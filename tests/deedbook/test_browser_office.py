"""The office in a real browser: from a draft to a token by two admins, from rent to a dividend, and to an exit."""

from __future__ import annotations

import json

from aiohttp import ClientSession

from deedbook.demo.flows.stage import Stage
from tests.deedbook.browsing import BROWSER_TEST, machine, ran, staged

pytestmark = BROWSER_TEST
READERS = ("admin1", "admin2", "manager", "tenant", "officer")
HOLDERS = 4  # three who bought in the first sale, and the issuer
SOLD_USDC_MICROS = 12_000_000_000


async def _prepared(stage: Stage) -> dict[str, str]:
    """Somebody has asked for accreditation, and the price of the house is there; what the script is told."""
    investor = stage["investor1"].visitor
    await investor.upload("/accreditation/documents", b"%PDF-1.7\n% a letter\n%%EOF\n", name="letter.pdf")
    await investor.post("/accreditation")
    await stage.give_usdc(stage.treasury_address, SOLD_USDC_MICROS)
    return {
        "SESSIONS": json.dumps({name: stage[name].visitor.token for name in READERS}),
        "PROPERTY": str(stage.property_id),
        "TENANT": stage["tenant"].email,
        "CIRCLE_KEY": stage.circle_api_key,
    }


async def test_the_office_takes_properties_from_draft_to_exit() -> None:
    async with machine() as market, ClientSession() as http:
        url = market.settings.public_url
        assert url is not None
        stage = await staged(market, http)
        seen = await ran("office.mjs", url, **await _prepared(stage))
        for person in stage.people.values():
            await person.visitor.close()
    assert (seen["violations"], seen["troubles"], seen["refused"]) == ([], [], [])
    figures = seen["figures"]
    assert figures["market"] == "PINE8USDC"
    assert "Paid" in figures["rent"]
    assert "It closes" in figures["kill"]
    assert (figures["lines"], figures["paid"], figures["burned"]) == (HOLDERS, HOLDERS, HOLDERS)
