"""Other people's clients, unmodified, trade against the gateway by their URL settings alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine import types as t
from tests.gateway.test_list_commands import OCO, OLD
from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue

ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed; make test-all installs it")
pytest.importorskip("ccxt.pro")
pytestmark = pytest.mark.slow
UNIFIED = "OAK12/USDC"


def settings(venue: Venue, account: int) -> dict[str, Any]:
    key = venue.keys[account]
    return {
        "apiKey": key.key,
        "secret": key.secret.decode(),
        "urls": {
            "api": {
                "public": f"{venue.rest_url}/api/v3",
                "private": f"{venue.rest_url}/api/v3",
                "v1": f"{venue.rest_url}/api/v1",
                "sapi": f"{venue.rest_url}/sapi/v1",
                "ws": {"spot": f"{venue.ws_url}/stream/ws", "ws-api": {"spot": f"{venue.ws_url}/ws-api/v3"}},
            }
        },
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
        },
    }


async def test_ccxt_trades_over_rest(venue: Venue) -> None:
    alice, bob = ccxt.binance(settings(venue, ALICE)), ccxt.binance(settings(venue, BOB))
    await asyncio.to_thread(trade_over_rest, alice, bob)


def trade_over_rest(alice: Any, bob: Any) -> None:
    market = alice.load_markets()[UNIFIED]
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.01, 0.01)
    assert market["limits"]["cost"]["min"] == 1.0
    resting = alice.create_order(UNIFIED, "limit", "sell", 2.5, 101.25)
    assert resting["status"] == "open"
    assert alice.fetch_order(resting["id"], UNIFIED)["remaining"] == 2.5
    assert [order["id"] for order in alice.fetch_open_orders(UNIFIED)] == [resting["id"]]
    bought = bob.create_order(UNIFIED, "market", "buy", 1)
    assert (bought["status"], bought["average"], bought["filled"]) == ("closed", 101.25, 1.0)
    assert bob.fetch_order_book(UNIFIED)["asks"] == [[101.25, 1.5]]
    assert alice.fetch_my_trades(UNIFIED)[0]["takerOrMaker"] == "maker"
    with pytest.raises(ccxt.InsufficientFunds):
        bob.create_order(UNIFIED, "limit", "buy", 90_000, 90_000)
    edited = alice.edit_order(resting["id"], UNIFIED, "limit", "sell", 1, 102)
    assert alice.cancel_order(edited["id"], UNIFIED)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_order(edited["id"], UNIFIED)
    assert alice.fetch_balance()["OAK12"]["used"] == 0
    assert bob.fetch_trades(UNIFIED)[0]["price"] == 101.25


async def test_ccxt_places_order_lists(venue: Venue) -> None:
    alice, bob = ccxt.binance(settings(venue, ALICE)), ccxt.binance(settings(venue, BOB))
    await asyncio.to_thread(place_lists, alice, bob)


def place_lists(alice: Any, bob: Any) -> None:
    alice.load_markets()
    bob.load_markets()
    placed = alice.private_post_orderlist_oco(OCO)
    above, below = (str(order["orderId"]) for order in placed["orders"])
    assert {order["id"] for order in alice.fetch_open_orders(UNIFIED)} == {above, below}
    bob.create_order(UNIFIED, "limit", "buy", 1.5, 110)
    assert alice.fetch_order(below, UNIFIED)["status"] == "expired"
    assert alice.fetch_order(above, UNIFIED)["status"] == "closed"
    older = alice.private_post_order_oco(OLD | {"price": "120"})
    assert older["contingencyType"] == "OCO"
    assert alice.private_get_orderlist({"orderListId": older["orderListId"]})["listOrderStatus"] == "EXECUTING"
    ended = alice.private_delete_orderlist({"symbol": SYMBOL, "orderListId": older["orderListId"]})
    assert ended["listOrderStatus"] == "ALL_DONE"
    assert [each["orderListId"] for each in alice.private_get_allorderlist()] == [
        placed["orderListId"],
        older["orderListId"],
    ]
    with pytest.raises(ccxt.InvalidOrder):
        alice.private_post_orderlist_oco(OCO | {"abovePrice": "80"})


async def test_ccxt_knows_the_filters_by_their_names(venue: Venue) -> None:
    """An order beyond the band is an InvalidOrder to it, one beyond the position limit a BadRequest."""
    venue.sequencer.send(t.SetBands(1, 10_000, 500, 0, 0), t.SetLimits(ALICE, 1, 0, 1_000_100, 0))
    alice = ccxt.binance(settings(venue, ALICE))
    await asyncio.to_thread(alice.load_markets)
    for price, amount, error in ((106, 1, ccxt.InvalidOrder), (100, 2, ccxt.BadRequest)):
        with pytest.raises(ccxt.BaseError) as caught:
            await asyncio.to_thread(alice.create_order, UNIFIED, "limit", "buy", amount, price)
        assert caught.type is error


async def test_ccxt_pro_trades_and_watches(venue: Venue) -> None:
    alice, bob = ccxt.pro.binance(settings(venue, ALICE)), ccxt.pro.binance(settings(venue, BOB))
    try:
        async with asyncio.timeout(30):
            await trade_over_websocket(alice, bob)
    finally:
        await alice.close()
        await bob.close()


async def trade_over_websocket(alice: Any, bob: Any) -> None:
    await alice.load_markets()
    await alice.ensure_user_data_stream_ws_subscribe_signature()
    seen: dict[str, Any] = {}
    watching = [asyncio.create_task(watch_orders(alice, seen)), asyncio.create_task(watch_book(bob))]
    try:
        resting = await alice.create_order_ws(UNIFIED, "limit", "sell", 2.5, 101.25)
        await alice.create_order_ws(UNIFIED, "limit", "sell", 1, 103)
        await eventually(lambda: asks_of(bob) == [[101.25, 2.5], [103.0, 1.0]])
        taken = await bob.create_order_ws(UNIFIED, "limit", "buy", 1, 101.25)
        assert taken["status"] == "closed"
        await eventually(lambda: seen.get(resting["id"], {}).get("filled") == 1.0)
        assert [trade["amount"] for trade in seen[resting["id"]]["trades"]] == [1.0]
        await eventually(lambda: asks_of(bob) == [[101.25, 1.5], [103.0, 1.0]])
        assert (await bob.fetch_balance())["OAK12"]["free"] == 10_001.0
        await alice.cancel_order_ws(resting["id"], UNIFIED)
        await eventually(lambda: seen[resting["id"]]["status"] == "canceled")
        assert [order["price"] for order in await alice.fetch_open_orders_ws(UNIFIED)] == [103.0]
        with pytest.raises(ccxt.OrderNotFound):
            await alice.cancel_order_ws(resting["id"], UNIFIED)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def watch_orders(client: Any, seen: dict[str, Any]) -> None:
    while True:
        for order in await client.watch_orders(UNIFIED):
            seen[order["id"]] = order


async def watch_book(client: Any) -> None:
    while True:
        await client.watch_order_book(UNIFIED)


def asks_of(client: Any) -> list[list[float]]:
    return [list(level) for level in client.orderbooks.get(UNIFIED, {}).get("asks", [])]


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's own time limit is the deadline."""
    while not holds():
        await asyncio.sleep(0.01)
