"""A call auction as a client sees it: the status, what is refused, the book without a gap, the fills of both sides."""

from __future__ import annotations

from engine import types as t
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
