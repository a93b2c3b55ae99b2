"""A call auction as a client sees it: the status, what is refused, the book without a gap, the fills of both sides."""

from __future__ import annotations

import asyncio
import time

from engine import types as t
from gateway.times import MS
from tests.gateway.test_market_data import apply, book_of, engine_book
from tests.gateway.test_users import listening, settle
from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue


async def test_both_sides_of_an_uncross_are_told_their_fills_at_the_maker_rate(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await listening(venue, BOB)
    follower = await venue.connect(f"/ws/{SYMBOL.lower()}@depth@100ms")
    _, snapshot, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL, limit=5000)
    venue.sequencer.send(t.SetPhase(1, t.Phase.OPENING_CALL))
    _, info, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbol=SYMBOL)
    assert info["symbols"][0]["status"] == "AUCTION_MATCH"
    await alice.limit("SELL", "3", "100")
    await bob.limit("BUY", "2", "104")
    refused = await bob.limit("BUY", "2", "104", timeInForce="IOC")
    assert refused["error"]["data"]["reason"] == "TYPE_NOT_IN_PHASE"
    venue.sequencer.send(t.SetPhase(1, t.Phase.CONTINUOUS))
    for trader, is_maker, ended in ((alice, True, "PARTIALLY_FILLED"), (bob, False, "FILLED")):
        [fill] = [event for event in await settle(trader) if event["e"] == "executionReport" and event["x"] == "TRADE"]
        assert (fill["L"], fill["l"], fill["X"], fill["m"]) == ("100.00", "2.00", ended, is_maker)
        assert fill["n"] == "0.200000"  # 10 basis points of 200 USDC, for either
        open_orders = (await trader.do("openOrders.status", symbol=SYMBOL))["result"]
        assert len(open_orders) == (ended == "PARTIALLY_FILLED")
    book, last_update_id = book_of(snapshot), venue.sequencer.exchange.state().instruments[0].update_id
    while (event := await follower.read())["u"] <= last_update_id:
        apply(book, event)
        if event["u"] == last_update_id:
            break
    assert book == engine_book(venue) == {"bids": {}, "asks": {"100.00": "1.00"}}


async def test_a_call_is_told_and_answered_as_it_goes(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    client = await venue.connect(f"/ws/{SYMBOL.lower()}@auction")
    _, before, _ = await venue.rest("GET", "/api/v3/auction", symbol=SYMBOL)
    state = {"symbol": SYMBOL, "status": "TRADING", "phase": "CONTINUOUS"}
    assert before == state | {"endTime": None, "indicative": None, "lastUncross": None}
    until_ms = time.time_ns() // MS + 60_000
    venue.sequencer.send(t.SetPhase(1, t.Phase.CLOSING_CALL, until_ms * MS, t.Phase.CANCEL_ONLY))
    told = await client.read()
    assert (told["e"], told["x"], told["P"], told["T"], "p" in told) == (
        "auction",
        "PHASE",
        "CLOSING_CALL",
        until_ms,
        False,
    )
    await alice.limit("SELL", "3", "100")
    await bob.limit("BUY", "2", "104")
    reading = asyncio.create_task(client.read())  # gives up by itself
    while not reading.done():
        venue.sequencer.send(t.Clock())
        await asyncio.sleep(0.01)
    told = await reading
    assert (told["x"], told["p"], told["q"], told["i"]) == ("INDICATIVE", "100.00", "2.00", "-1.00")
    _, during, _ = await venue.rest("GET", "/api/v3/auction", symbol=SYMBOL)
    crossing = {"price": "100.00", "qty": "2.00", "imbalance": "-1.00"}
    assert (during["status"], during["endTime"]) == ("AUCTION_MATCH", until_ms)
    assert during["indicative"] == crossing | {"time": told["E"]}
    venue.sequencer.send(t.SetPhase(1, t.Phase.CONTINUOUS))
    uncross, after = await client.read(), await client.read()
    assert (uncross["x"], uncross["P"], uncross["p"], uncross["q"]) == ("UNCROSS", "CLOSING_CALL", "100.00", "2.00")
    assert (after["x"], after["P"], after["T"]) == ("PHASE", "CONTINUOUS", None)
    answer = (await alice.ask("auction", symbol=SYMBOL))["result"]
    assert answer == state | {"endTime": None, "indicative": None, "lastUncross": crossing | {"time": uncross["E"]}}
