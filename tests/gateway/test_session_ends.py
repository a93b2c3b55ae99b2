"""How sessions end: a stop is announced, and who floods is sent away."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from gateway.limits import LimitSettings
from tests.gateway.venue import ALICE, SYMBOL, Venue, start_venue


async def test_a_stop_is_announced_to_all(venue: Venue) -> None:
    alice, raw = await venue.trader(ALICE), await venue.connect(f"/ws/{SYMBOL.lower()}@trade")
    combined = await venue.connect(f"/stream?streams={SYMBOL.lower()}@trade")
    await alice.ask("ping")
    venue.gateway.announce_stop()
    assert (await alice.event("serverShutdown"))["E"] > 0
    assert (await raw.read())["e"] == "serverShutdown"
    assert (await combined.read())["stream"] == "!serverShutdown"
    assert (await alice.ask("ping"))["status"] == 200


async def test_who_goes_on_after_being_told_to_stop_is_sent_away(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, LimitSettings(weight_per_minute=5, refusals_per_minute=2))
        client = await venue.connect()
        statuses = [(await client.ask("ping"))["status"] for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 2 + [418]
        assert (await client.socket.receive()).type == aiohttp.WSMsgType.CLOSE
        again = await venue.connect()
        assert (await again.socket.receive()).type == aiohttp.WSMsgType.CLOSE
        await venue.gateway.stop()
