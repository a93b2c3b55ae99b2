"""Public questions about trades: over both doors, against the trades that were made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine import types as t
from gateway.market_queries import day_weight, window_weight
from gateway.messages import DayTicker
from gateway.times import NS
from tests.gateway.test_orders import Archive, restarted
from tests.gateway.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Trader, Venue, start_venue

DAY_MS = 86_400_000


@dataclass
class Traded:
    """Three sells at 100, 100 and 101 taken by one buy; later one sell at 99 into a bid."""

    venue: Venue
    alice: Trader
    bob: Trader
    before_ms: int

    async def ask(self, path: str, **params: Any) -> Any:
        """Over REST; over the ws-api it must be the same, but for the time of the answer."""
        status, body, _ = await self.venue.rest("GET", f"/api/v3/{path}", **params)
        assert status == 200, body
        return body

    async def refused(self, path: str, **params: Any) -> int:
        status, body, _ = await self.venue.rest("GET", f"/api/v3/{path}", **params)
        assert status == 400
        return int(body["code"])


@pytest.fixture
async def traded(venue: Venue) -> Traded:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    before_ms = time.time_ns() // 10**6
    for quantity, price in (("1", "100"), ("2", "100"), ("1", "101")):
        await alice.limit("SELL", quantity, price)
    await bob.limit("BUY", "4", "101")
    await bob.limit("BUY", "2", "99")
    await alice.limit("SELL", "1", "99")
    return Traded(venue, alice, bob, before_ms)


async def test_trades_are_listed_and_taken_together(traded: Traded) -> None:
    trades = await traded.ask("trades", symbol=SYMBOL)
    assert [(row["id"], row["price"], row["qty"], row["isBuyerMaker"]) for row in trades] == [
        (1, "100.00", "1.00", False),
        (2, "100.00", "2.00", False),
        (3, "101.00", "1.00", False),
        (4, "99.00", "1.00", True),
    ]
    assert await traded.ask("trades", symbol=SYMBOL, limit=2) == trades[2:]
    assert await traded.ask("historicalTrades", symbol=SYMBOL) == trades
    assert await traded.ask("historicalTrades", symbol=SYMBOL, fromId=2, limit=2) == trades[1:3]
    aggregates = await traded.ask("aggTrades", symbol=SYMBOL)
    assert [(row["a"], row["f"], row["l"], row["p"], row["q"], row["m"]) for row in aggregates] == [
        (1, 1, 2, "100.00", "3.00", False),
        (3, 3, 3, "101.00", "1.00", False),
        (4, 4, 4, "99.00", "1.00", True),
    ]
    assert await traded.ask("aggTrades", symbol=SYMBOL, fromId=3, limit=1) == aggregates[1:2]
    assert await traded.ask("aggTrades", symbol=SYMBOL, startTime=trades[0]["time"], limit=2) == aggregates[:2]
    assert await traded.ask("aggTrades", symbol=SYMBOL, endTime=traded.before_ms - 1) == []
    assert await traded.ask("aggTrades", symbol=OTHER_SYMBOL) == []
    for path, params in (("historicalTrades", {"fromId": -1}), ("aggTrades", {"startTime": -5})):
        assert await traded.refused(path, symbol=SYMBOL, **params) == -1100


async def test_both_doors_give_the_same(traded: Traded) -> None:
    for method, path, params in (
        ("trades.recent", "trades", {}),
        ("trades.historical", "historicalTrades", {"fromId": 2}),
        ("trades.aggregate", "aggTrades", {"limit": 2}),
        ("klines", "klines", {"interval": "1d"}),
        ("uiKlines", "uiKlines", {"interval": "1M", "timeZone": "-3:30"}),
        ("avgPrice", "avgPrice", {}),
        ("ticker.price", "ticker/price", {}),
        ("ticker.book", "ticker/bookTicker", {}),
        ("ticker.tradingDay", "ticker/tradingDay", {"type": "MINI"}),
    ):
        answer = await traded.alice.ask(method, symbol=SYMBOL, **params)
        assert answer["result"] == await traded.ask(path, symbol=SYMBOL, **params)
    for method in ("ticker", "ticker.24hr"):
        assert (await traded.alice.ask(method, symbol=SYMBOL))["result"]["count"] == 4
    assert (await traded.alice.ask("klines", symbol=SYMBOL, interval="7m"))["error"]["code"] == -1120


@pytest.mark.parametrize("interval", ["1s", "1m", "15m", "1h", "1d", "3d", "1w", "1M"])
@pytest.mark.parametrize("zone", ["0", "8", "-5:30"])
async def test_candlesticks_add_up_the_trades(traded: Traded, interval: str, zone: str) -> None:
    rows = await traded.ask("klines", symbol=SYMBOL, interval=interval, timeZone=zone)
    assert sum(row[8] for row in rows) == 4, "all trades, whatever interval boundary came between them"
    if len(rows) == 1:
        [row] = rows
        assert row[1:6] == ["100.00", "101.00", "99.00", "99.00", "5.00"]
        assert row[7:] == ["500.000000", 4, "4.00", "401.000000", "0"]
    assert all(row[0] <= traded.before_ms + 10_000 and row[6] >= traded.before_ms for row in rows[-1:])
    since = await traded.ask("klines", symbol=SYMBOL, interval=interval, timeZone=zone, startTime=0)
    assert since[: len(rows)] == rows, "nothing before the first trade"
    later_ms = rows[-1][6] + 3_600_001
    assert await traded.ask("klines", symbol=SYMBOL, interval=interval, timeZone=zone, startTime=later_ms) == []
    assert await traded.ask("klines", symbol=SYMBOL, interval=interval, timeZone=zone, endTime=rows[0][0] - 1) == []
    assert await traded.ask("klines", symbol=OTHER_SYMBOL, interval=interval, startTime=0) == []
    assert await traded.ask("klines", symbol=OTHER_SYMBOL, interval=interval) == []


async def test_candlesticks_of_a_quiet_time_stay_at_the_last_price(tmp_path: Path) -> None:
    clock = Clock()
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, clock=clock)
        try:
            alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
            await alice.limit("SELL", "1", "100")
            await bob.limit("BUY", "1", "100")
            clock.ahead_ns = 3_600 * NS
            _, rows, _ = await venue.rest("GET", "/api/v3/klines", symbol=SYMBOL, interval="1m", limit=3)
            assert [row[1:6] for row in rows] == [["100.00"] * 4 + ["0.00"]] * 3
            assert [row[8] for row in rows] == [0, 0, 0]
            _, average, _ = await venue.rest("GET", "/api/v3/avgPrice", symbol=SYMBOL)
            assert average["price"] == "100.00", "the last price where nothing was traded"
            _, hour, _ = await venue.rest("GET", "/api/v3/ticker", symbol=SYMBOL, windowSize="59m")
            assert (hour["count"], hour["firstId"], hour["openPrice"], hour["priceChangePercent"]) == (
                0,
                -1,
                "100.00",
                "0.000",
            )
            _, day, _ = await venue.rest("GET", "/api/v3/ticker/24hr", symbol=SYMBOL)
            assert day["count"] == 1
        finally:
            for socket in venue.sockets:
                await socket.close()
            await venue.gateway.stop()


class Clock:
    """The wall's time, and as much later as is set; the trades keep their own."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.ahead_ns


async def test_the_day_has_change_volume_and_best_prices(traded: Traded) -> None:
    now_ms = time.time_ns() // 10**6
    day = await traded.ask("ticker/24hr", symbol=SYMBOL)
    assert now_ms - DAY_MS - 60_000 <= day.pop("openTime") <= now_ms - DAY_MS + 10_000
    assert now_ms <= day.pop("closeTime")
    assert day == {
        "symbol": SYMBOL,
        "priceChange": "-1.00",
        "priceChangePercent": "-1.000",
        "weightedAvgPrice": "100.000000",
        "prevClosePrice": "100.00",
        "lastPrice": "99.00",
        "lastQty": "1.00",
        "bidPrice": "99.00",
        "bidQty": "1.00",
        "askPrice": "0.00",
        "askQty": "0.00",
        "openPrice": "100.00",
        "highPrice": "101.00",
        "lowPrice": "99.00",
        "volume": "5.00",
        "quoteVolume": "500.000000",
        "firstId": 1,
        "lastId": 4,
        "count": 4,
    }
    every = await traded.ask("ticker/24hr")
    assert [row["symbol"] for row in every] == [SYMBOL, OTHER_SYMBOL]
    assert every[1]["lastPrice"] == "0.00"
    mini = await traded.ask("ticker/24hr", symbols=f'["{SYMBOL}"]', type="MINI")
    assert [row["volume"] for row in mini] == ["5.00"]
    assert "priceChange" not in mini[0]


async def test_windows_and_trading_days(traded: Traded) -> None:
    for size in ("1m", "4h", "7d"):
        row = await traded.ask("ticker", symbol=SYMBOL, windowSize=size)
        assert (row["count"], row["openTime"] % 60_000) == (4, 0)
        assert "bidPrice" not in row
    day = await traded.ask("ticker/tradingDay", symbol=SYMBOL, timeZone="0")
    assert (day["openTime"] % DAY_MS, day["closeTime"]) == (0, day["openTime"] + DAY_MS - 1)
    both = await traded.ask("ticker/tradingDay", symbols=f'["{SYMBOL}","{OTHER_SYMBOL}"]', type="MINI")
    assert [row["count"] for row in both] == [day["count"], 0]
    for path in ("ticker", "ticker/tradingDay"):
        assert await traded.refused(path) == -1102
        assert await traded.refused(path, symbols="[" + ",".join([f'"{SYMBOL}"'] * 101) + "]") == -1130
    assert await traded.refused("ticker", symbol=SYMBOL, windowSize="8d") == -1100
    assert await traded.refused("ticker/24hr", symbol=SYMBOL, symbols=f'["{SYMBOL}"]') == -1128
    assert await traded.refused("ticker/24hr", symbol="NOSUCH") == -1121


async def test_a_status_chooses_markets(traded: Traded) -> None:
    traded.venue.sequencer.send(t.SetPhase(2, t.Phase.HALT))
    assert [row["symbol"] for row in await traded.ask("ticker/price", symbolStatus="TRADING")] == [SYMBOL]
    assert [row["symbol"] for row in await traded.ask("ticker/bookTicker", symbolStatus="BREAK")] == [OTHER_SYMBOL]
    assert [row["symbol"] for row in await traded.ask("ticker/24hr", symbolStatus="HALT")] == []
    info = await traded.ask("exchangeInfo", symbolStatus="BREAK")
    assert [row["symbol"] for row in info["symbols"]] == [OTHER_SYMBOL]
    for path in ("ticker/price", "ticker/bookTicker", "ticker/24hr", "depth"):
        assert await traded.refused(path, symbol=SYMBOL, symbolStatus="BREAK") == -1220
    assert await traded.refused("ticker/price", symbol=SYMBOL, symbolStatus="NOSUCH") == -1130


async def test_what_an_instrument_allows(traded: Traded) -> None:
    info = (await traded.ask("exchangeInfo", symbol=SYMBOL))["symbols"][0]
    filters = {each["filterType"]: each for each in info["filters"]}
    assert filters["LOT_SIZE"] == {
        "filterType": "LOT_SIZE",
        "minQty": "0.01",
        "maxQty": "100000.00",
        "stepSize": "0.01",
    }
    assert filters["MARKET_LOT_SIZE"]["maxQty"] == "100000.00"
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01"
    assert filters["NOTIONAL"]["minNotional"] == "1.000000"
    assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 10_000
    assert "MAX_POSITION" not in filters
    assert info["permissionSets"] == [["SPOT"]]
    assert "EXPIRE_BOTH" in info["allowedSelfTradePreventionModes"]
    state = traded.venue.sequencer.exchange.state().instruments[0].terms
    fields = {name: getattr(state, name) for name in state.__slots__} | {"ownership_cap_lots": 5_000}
    traded.venue.sequencer.send(t.SetInstrument(**fields))
    capped = (await traded.ask("exchangeInfo", symbols=f'["{SYMBOL}"]'))["symbols"][0]
    assert {"filterType": "MAX_POSITION", "maxPosition": "50.00"} in capped["filters"]
    hidden = await traded.ask("exchangeInfo", showPermissionSets="false")
    assert [row["permissionSets"] for row in hidden["symbols"]] == [[], []]
    assert len((await traded.ask("exchangeInfo", permissions="SPOT"))["symbols"]) == 2
    assert len((await traded.ask("exchangeInfo", permissions='["MARGIN","SPOT"]'))["symbols"]) == 2
    assert (await traded.ask("exchangeInfo", permissions='["MARGIN"]'))["symbols"] == []
    assert await traded.refused("exchangeInfo", permissions="MARGIN") == -1100
    assert await traded.refused("exchangeInfo", permissions="SPOT", symbol=SYMBOL) == -1128


async def test_times_are_in_microseconds_for_who_asks(traded: Traded) -> None:
    url = f"{traded.venue.rest_url}/api/v3"
    microseconds = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    async with traded.venue.http.get(f"{url}/trades?symbol={SYMBOL}", headers=microseconds) as response:
        newest = (await response.json())[-1]
    assert newest["time"] // 1_000 == (await traded.ask("trades", symbol=SYMBOL))[-1]["time"]
    async with traded.venue.http.get(f"{url}/klines?symbol={SYMBOL}&interval=1d", headers=microseconds) as response:
        row = (await response.json())[-1]
    milliseconds = (await traded.ask("klines", symbol=SYMBOL, interval="1d"))[-1]
    assert (row[0], row[6]) == (milliseconds[0] * 1_000, milliseconds[6] * 1_000 + 999)
    start = newest["time"]
    assert [row["f"] for row in await traded.ask("aggTrades", symbol=SYMBOL, startTime=start)] == [4]
    async with traded.venue.http.get(f"{url}/time", headers={"X-MBX-TIME-UNIT": "FORTNIGHT"}) as response:
        assert (await response.json())["code"] == -1194
    client = await traded.venue.connect("/ws-api/v3?timeUnit=microsecond")
    assert (await client.ask("time"))["result"]["serverTime"] > 10**15
    with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
        await traded.venue.connect("/ws/oak12usdc@trade?timeUnit=FORTNIGHT")


async def behind_a_database(traded: Traded, *, is_away: bool) -> None:
    """Restart the venue in front of a database that has the four trades."""
    past = Archive()
    past.fills = traded.venue.gateway._publisher.feeds[1].tape.newest(10)
    past.projected_id, past.is_away = 4, is_away
    await restarted(traded.venue, past)


async def test_a_restart_forgets_no_trade(traded: Traded) -> None:
    await behind_a_database(traded, is_away=False)
    assert [row["id"] for row in await traded.ask("historicalTrades", symbol=SYMBOL)] == [1, 2, 3, 4]
    assert [row["id"] for row in await traded.ask("trades", symbol=SYMBOL)] == [1, 2, 3, 4]
    assert (await traded.ask("ticker/24hr", symbol=SYMBOL))["count"] == 4
    alice = await traded.venue.trader(ALICE)
    await alice.limit("SELL", "1", "98")
    assert sum(row[8] for row in await traded.ask("klines", symbol=SYMBOL, interval="1m", startTime=0)) == 5


async def test_without_the_database_the_newest_are_told_and_older_ones_refused(traded: Traded) -> None:
    await behind_a_database(traded, is_away=True)
    alice = await traded.venue.trader(ALICE)
    await alice.limit("SELL", "1", "98")
    assert [row["id"] for row in await traded.ask("historicalTrades", symbol=SYMBOL)] == [5]
    assert [row["a"] for row in await traded.ask("aggTrades", symbol=SYMBOL)] == [5]
    assert sum(row[8] for row in await traded.ask("klines", symbol=SYMBOL, interval="1m")) == 1
    assert (await traded.ask("ticker/24hr", symbol=SYMBOL))["count"] == 1
    for path, params in (
        ("historicalTrades", {"fromId": 1}),
        ("aggTrades", {"fromId": 1}),
        ("klines", {"interval": "1m", "startTime": 0}),
    ):
        status, body, _ = await traded.venue.rest("GET", f"/api/v3/{path}", symbol=SYMBOL, **params)
        assert (status, body["code"]) == (503, -1001)


def test_weights_grow_with_what_is_asked() -> None:
    symbols = ["X"] * 30
    assert day_weight(DayTicker(symbol="X")) == 2
    assert [day_weight(DayTicker(symbols=symbols[:count])) for count in (1, 20, 21)] == [2, 2, 40]
    assert day_weight(DayTicker(symbols=symbols * 4)) == 80
    assert day_weight(DayTicker()) == 80
    assert window_weight(DayTicker(symbol="X")) == 4
    assert window_weight(DayTicker(symbols=symbols)) == 120
    assert window_weight(DayTicker(symbols=symbols * 4)) == 200
