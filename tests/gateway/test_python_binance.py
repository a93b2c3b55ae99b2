"""python-binance, unmodified, trades against the gateway by its URL settings alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.test_list_commands import OCO, OTOCO
from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
binance = pytest.importorskip("binance", reason="python-binance is not installed")


@pytest.fixture
def redirected(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> Venue:
    monkeypatch.setattr(binance.AsyncClient, "API_URL", f"{venue.rest_url}/api")
    monkeypatch.setattr(binance.AsyncClient, "WS_API_URL", f"{venue.ws_url}/ws-api/v3")
    monkeypatch.setattr(binance.BinanceSocketManager, "STREAM_URL", f"{venue.ws_url}/")
    return venue


async def client(venue: Venue, account: int, **settings: Any) -> Any:
    key = venue.keys[account]
    return await binance.AsyncClient.create(key.key, key.secret.decode(), **settings)


async def test_python_binance_trades_and_listens(redirected: Venue) -> None:
    alice, bob = await client(redirected, ALICE), await client(redirected, BOB)
    sockets = binance.BinanceSocketManager(alice)
    try:
        async with asyncio.timeout(30):
            async with sockets.user_socket() as user, sockets.trade_socket(SYMBOL) as trades:
                order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
                first = await alice.create_order(**order, price="100")
                second = await alice.ws_create_order(**order, price="101")
                assert [first["status"], second["status"]] == ["NEW", "NEW"]
                assert (await bob.order_market_buy(symbol=SYMBOL, quantity="0.5"))["status"] == "FILLED"
                assert (await trades.recv())["p"] == "100.00"
                reports = [await user.recv() for _ in range(6)]
                executions = [report["x"] for report in reports if report["e"] == "executionReport"]
                assert executions == ["NEW", "NEW", "TRADE"]
                assert len(await alice.get_open_orders(symbol=SYMBOL)) == 2
                assert (await alice.get_symbol_info(SYMBOL))["baseAsset"] == "OAK12"
    finally:
        await alice.close_connection()
        await bob.close_connection()


async def test_python_binance_reads_the_market(redirected: Venue) -> None:
    alice, bob = await client(redirected, ALICE), await client(redirected, BOB)
    sockets: Any = binance.BinanceSocketManager(alice)
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    try:
        async with asyncio.timeout(60):
            await alice.create_order(**order, price="100")
            await bob.order_market_buy(symbol=SYMBOL, quantity="0.5")
            klines = await alice.get_historical_klines(SYMBOL, "1m", "1 day ago UTC")
            assert klines[-1][4] == "100.00"
            assert (await alice.get_avg_price(symbol=SYMBOL))["price"] == "100.000000"
            assert (await alice.get_ticker(symbol=SYMBOL))["count"] == 1
            assert [trade["a"] for trade in await alice.get_aggregate_trades(symbol=SYMBOL)] == [1]
            assert [trade["id"] for trade in await alice.get_historical_trades(symbol=SYMBOL)] == [1]
            assert (await alice.get_orderbook_ticker(symbol=SYMBOL))["askQty"] == "0.50"
            for socket, seen in (
                (sockets.kline_socket(SYMBOL, interval="1m"), "kline"),
                (sockets.symbol_ticker_socket(SYMBOL), "24hrTicker"),
                (sockets.miniticker_socket(), "24hrMiniTicker"),
                (sockets.multiplex_socket([f"{SYMBOL.lower()}@avgPrice"]), "avgPrice"),
            ):
                async with socket as stream:
                    assert seen in str(await stream.recv())
    finally:
        await alice.close_connection()
        await bob.close_connection()


async def test_python_binance_places_order_lists(redirected: Venue) -> None:
    alice, bob = await client(redirected, ALICE), await client(redirected, BOB)
    sockets: Any = binance.BinanceSocketManager(alice)
    try:
        async with asyncio.timeout(60), sockets.user_socket() as user:
            placed = await alice.order_oco_sell(**{name: value for name, value in OCO.items() if name != "side"})
            assert [each["status"] for each in placed["orderReports"]] == ["NEW", "NEW"]
            assert (await user.recv())["e"] == "listStatus"
            [known] = await alice.get_open_oco_orders()
            assert known["orderListId"] == placed["orderListId"]
            later = await alice.ws_create_otoco_order(**OTOCO)
            assert later["orderReports"][1]["status"] == "PENDING_NEW"
            ended = await alice.ws_cancel_oco_order(symbol=SYMBOL, orderListId=later["orderListId"])
            assert {each["status"] for each in ended["orderReports"]} == {"CANCELED"}
            assert (await alice.ws_get_oco_order(orderListId=later["orderListId"]))["listOrderStatus"] == "ALL_DONE"
            await bob.order_limit_buy(symbol=SYMBOL, quantity="1.5", price="110")
            assert await alice.get_open_oco_orders() == []
    finally:
        await alice.close_connection()
        await bob.close_connection()


async def test_python_binance_is_told_microseconds(redirected: Venue) -> None:
    alice = await client(redirected, ALICE, time_unit="MICROSECOND")
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    try:
        async with asyncio.timeout(30):
            first = await alice.create_order(**order, price="100")
            second = await alice.ws_create_order(**order, price="101")
            [one, two] = await alice.get_open_orders(symbol=SYMBOL)
            assert (one["time"], two["time"]) == (first["transactTime"], second["transactTime"])
            assert one["time"] > 10**15
    finally:
        await alice.close_connection()
