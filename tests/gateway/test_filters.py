"""The filters that an order is held against are what exchangeInfo and myFilters say, and the engine keeps to each."""

from __future__ import annotations

from typing import Any

from engine import types as t
from tests.gateway.test_orders import restarted
from tests.gateway.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Venue


def named(filters: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["filterType"]: each for each in filters}


async def of_all(venue: Venue) -> dict[str, dict[str, Any]]:
    _, info, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbol=SYMBOL)
    return named(info["symbols"][0]["filters"])


async def of(venue: Venue, account: int) -> dict[str, dict[str, Any]]:
    _, answer, _ = await venue.rest("GET", "/api/v3/myFilters", account, symbol=SYMBOL)
    assert (answer["exchangeFilters"], answer["assetFilters"]) == ([], [])
    return named(answer["symbolFilters"])


async def test_prices_stay_within_the_static_band(venue: Venue) -> None:
    assert "PERCENT_PRICE_BY_SIDE" not in await of_all(venue)
    status, unknown, _ = await venue.rest("GET", "/api/v3/referencePrice", symbol=SYMBOL)
    assert (status, unknown) == (400, {"code": -2043, "msg": "This symbol doesn't have a reference price."})
    venue.sequencer.send(t.SetBands(1, 10_010, 525, 0, 0))
    assert (await of_all(venue))["PERCENT_PRICE_BY_SIDE"] == {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "1.0525",
        "bidMultiplierDown": "0.9475",
        "askMultiplierUp": "1.0525",
        "askMultiplierDown": "0.9475",
        "avgPriceMins": 0,
    }
    alice = await venue.trader(ALICE)
    assert (await alice.do("referencePrice", symbol=SYMBOL))["error"]["code"] == -1104  # it takes no signature
    assert (await alice.ask("referencePrice", symbol=SYMBOL))["result"]["referencePrice"] == "100.10"
    # 100.10 x 1.0525 = 105.35525 and 100.10 x 0.9475 = 94.84475
    for side, within, outside in (("BUY", "94.85", "94.84"), ("SELL", "105.35", "105.36")):
        refused = (await alice.limit(side, "1", outside))["error"]
        assert (refused["code"], refused["msg"]) == (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
        assert (await alice.limit(side, "1", within))["status"] == 200


async def test_an_auction_moves_the_reference_and_a_restart_keeps_it(venue: Venue) -> None:
    venue.sequencer.send(t.SetBands(1, 10_000, 1_000, 0, 0), t.SetPhase(1, t.Phase.OPENING_CALL))
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "1", "104")
    await bob.limit("BUY", "1", "104")
    venue.sequencer.send(t.SetPhase(1, t.Phase.CONTINUOUS))
    assert (await alice.ask("referencePrice", symbol=SYMBOL))["result"]["referencePrice"] == "104.00"
    venue.sequencer.send(t.SetBands(1, 0, 500, 0, 0), t.SetLimits(BOB, 1, 0, 0, 7))
    before = await of(venue, BOB)
    await restarted(venue, None)
    assert await of(venue, BOB) == before
    assert before["PERCENT_PRICE_BY_SIDE"]["bidMultiplierUp"] == "1.0500"
    alice = await venue.trader(ALICE)
    assert (await alice.ask("referencePrice", symbol=SYMBOL))["result"]["referencePrice"] == "104.00"


async def test_a_position_stays_within_the_limit_and_the_cap(venue: Venue) -> None:
    """Alice has 10,000 tokens."""
    venue.sequencer.send(t.SetLimits(0, 1, 0, 1_000_100, 0))
    assert (await of_all(venue))["MAX_POSITION"] == {"filterType": "MAX_POSITION", "maxPosition": "10001.00"}
    alice = await venue.trader(ALICE)
    refused = (await alice.limit("BUY", "1.01", "10"))["error"]
    assert (refused["code"], refused["msg"], refused["data"]["reason"]) == (
        -1013,
        "Filter failure: MAX_POSITION",
        "POSITION_LIMIT",
    )
    assert (await alice.limit("BUY", "1", "10"))["status"] == 200
    terms = venue.sequencer.exchange.state().instruments[0].terms
    fields = {name: getattr(terms, name) for name in terms.__slots__} | {"ownership_cap_lots": 1_000_050}
    venue.sequencer.send(t.SetInstrument(**fields), t.SetLimits(BOB, 1, 0, 1_000_020, 0))
    assert (await of(venue, ALICE))["MAX_POSITION"]["maxPosition"] == "10000.50"
    assert (await of(venue, BOB))["MAX_POSITION"]["maxPosition"] == "10000.20"
    capped = (await alice.limit("BUY", "0.51", "10"))["error"]
    assert (capped["msg"], capped["data"]["reason"]) == ("Filter failure: MAX_POSITION", "POSITION_LIMIT")
    venue.sequencer.send(t.SetLimits(0, 1, 0, 0, 0))
    capped = (await alice.limit("BUY", "0.51", "10"))["error"]
    assert (capped["msg"], capped["data"]["reason"]) == ("Filter failure: MAX_POSITION", "OWNERSHIP_CAP")


async def test_open_orders_are_counted_stops_with_the_others(venue: Venue) -> None:
    venue.sequencer.send(t.SetLimits(0, 1, 0, 0, 3), t.SetLimits(BOB, 1, 0, 0, 1))
    shown = await of_all(venue)
    assert (shown["MAX_NUM_ORDERS"]["maxNumOrders"], shown["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"]) == (3, 3)
    assert (await of(venue, BOB))["MAX_NUM_ORDERS"]["maxNumOrders"] == 1
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    stop = {"symbol": SYMBOL, "side": "BUY", "type": "STOP_LOSS", "quantity": "1", "stopPrice": "10"}
    placed = [await alice.limit("BUY", "1", "9"), *[await alice.do("order.place", **stop) for _ in range(3)]]
    assert [answer["status"] for answer in placed] == [200, 200, 200, 400]
    assert (placed[3]["error"]["code"], placed[3]["error"]["msg"]) == (-1013, "Filter failure: MAX_NUM_ORDERS")
    assert [(await bob.limit("BUY", "1", "9"))["status"] for _ in range(2)] == [200, 400]
    assert (await bob.limit("BUY", "1", "9", OTHER_SYMBOL))["status"] == 200


async def test_one_order_is_as_large_as_its_limit(venue: Venue) -> None:
    before = (await of_all(venue))["NOTIONAL"]
    assert before["applyMaxToMarket"] is False
    venue.sequencer.send(t.SetLimits(0, 1, 50_000_000, 0, 0), t.SetLimits(ALICE, 1, 20_000_000, 0, 0))
    assert (await of_all(venue))["NOTIONAL"] == before | {"maxNotional": "50.000000", "applyMaxToMarket": True}
    alice = await venue.trader(ALICE)
    mine = named((await alice.do("myFilters", symbol=SYMBOL))["result"]["symbolFilters"])
    assert mine["NOTIONAL"]["maxNotional"] == "20.000000"
    refused = (await alice.limit("BUY", "2.01", "10"))["error"]
    assert (refused["code"], refused["msg"]) == (-1013, "Filter failure: NOTIONAL")
    assert (await alice.limit("BUY", "2", "10"))["status"] == 200
    await alice.limit("SELL", "1", "10")
    small = (await alice.limit("BUY", "0.09", "10"))["error"]
    assert (small["code"], small["msg"], small["data"]["reason"]) == (
        -1013,
        "Filter failure: NOTIONAL",
        "NOTIONAL_TOO_SMALL",
    )
    assert (await alice.do("myFilters", symbol="NOSUCH"))["error"]["code"] == -1121
