"""Market streams without sockets: what each kind of subscriber is sent, and when."""

from __future__ import annotations

import itertools
from collections import defaultdict
from functools import partial
from random import Random
from typing import Any
from zlib import crc32

import msgspec
import pytest

from engine import types as t
from gateway.all_markets import AllMarkets
from gateway.channels import Events, Latest, StreamMessage
from gateway.frames import text_frame
from gateway.levels import LevelBook
from gateway.market_data import MarketFeed
from gateway.orders import Fill
from gateway.orders_stream import OrdersStream
from gateway.times import MS, NS, US
from tests.gateway.trades import START_S, listed, made_fill

START_NS = START_S * NS


class Reader:
    """Keeps what it is sent, as JSON; `paused` says that it is slow."""

    def __init__(self) -> None:
        self.paused = False
        self.sent: list[Any] = []
        self.messages: list[StreamMessage] = []

    def send_stream(self, message: StreamMessage) -> None:
        self.messages.append(message)
        self.sent += [msgspec.json.decode(payload(MS)) for payload in message.payloads]

    def drop(self, why: str) -> None:
        raise AssertionError(why)

    def take(self) -> list[Any]:
        sent, self.sent = self.sent, []
        return sent


def feed_with_book() -> MarketFeed:
    feed = MarketFeed(listed(), 0, resting=lambda: [(1, t.Side.BUY, 99, 50), (2, t.Side.SELL, 101, 1_000)])
    feed.level(1, t.Side.BUY, 99, 50, 1)
    feed.level(2, t.Side.SELL, 101, 1_000, 2)
    return feed


def trade(feed: MarketFeed, trade_id: int, time_ns: int, lots: int = 10, taker: int = 0) -> Fill:
    """Somebody buys from order 2."""
    fill = made_fill(feed.market, trade_id, time_ns, 101, lots, 0, taker)
    fill.maker_order_id = 2
    feed.trade(fill, 2 + trade_id, fill.maker_order_id, fill.price_ticks, fill.qty_lots)
    return fill


def subscribed(feed: MarketFeed, *channels: str) -> Reader:
    reader = Reader()
    for channel in channels:
        assert feed.has(channel)
        feed.subscribe(channel, reader)
    return reader


# -- the kinds of channels


def test_a_message_is_framed_once_for_each_form() -> None:
    made = []

    def payload(unit_ns: int) -> str:
        made.append(unit_ns)
        return f'{{"E":{NS // unit_ns}}}'

    message = StreamMessage("x@y", payload, payload)
    assert message.frames((False, MS)) == text_frame(b'{"E":1000}') * 2
    assert message.frames((True, US)) == text_frame(b'{"stream":"x@y","data":{"E":1000000}}') * 2
    assert message.frames((False, MS)) is message.frames((False, MS))
    assert made == [MS, MS, US, US]


def test_events_go_to_everyone_in_one_message() -> None:
    channel, reader = Events("x"), Reader()
    channel.publish(0)
    channel.subscribe(reader)
    for number in (1, 2):
        channel.add(lambda unit_ns, number=number: str(number))  # type: ignore[misc]
    reader.paused = True
    channel.publish(0)
    assert (reader.take(), len(reader.messages)) == ([1, 2], 1), "also to a slow reader: nothing is left out"
    channel.publish(0)
    channel.unsubscribe(reader)
    channel.unsubscribe(reader)
    assert (reader.take(), channel.is_used) == ([], False)


def test_the_latest_goes_to_who_has_not_seen_it() -> None:
    state = [1]
    channel = Latest(
        "x", 1, lambda now: state[0] or None, lambda now: partial(lambda value, unit: str(value), state[0])
    )
    early, slow, late = Reader(), Reader(), Reader()
    channel.subscribe(early)
    channel.subscribe(slow)
    slow.paused = True
    channel.publish(0)
    channel.publish(0)
    assert (early.take(), slow.take(), channel.is_behind) == ([1], [], True)
    state[0] = 2
    channel.subscribe(late)
    channel.publish(0)
    assert (early.take(), late.take()) == ([2], [2])
    state[0] = 3
    slow.paused = False
    channel.publish(0)
    channel.publish(0)
    assert (early.take(), late.take(), slow.take(), channel.is_behind) == ([3], [3], [3], False)
    state[0] = 0
    channel.publish(0)
    assert early.take() == [], "there is nothing to be seen"
    for reader in (early, slow, late):
        channel.unsubscribe(reader)
    assert not channel.is_used


# -- one market's


@pytest.mark.parametrize(
    "name",
    [
        *("trade", "aggTrade", "bookTicker", "l3", "depth", "depth@100ms", "depth@1000ms", "depth5", "depth20@100ms"),
        *("depth10@1000ms", "kline_1s", "kline_1M", "kline_1m@+08:00", "kline_1d@-03:30", "miniTicker", "ticker"),
        *("ticker_1h", "ticker_4h", "ticker_1d", "avgPrice", "referencePrice", "beat"),
    ],
)
def test_a_stream_is_there_while_somebody_listens(name: str) -> None:
    feed, first, second = feed_with_book(), Reader(), Reader()
    assert feed.has(name)
    for reader in (first, second):
        feed.subscribe(name, reader)
    assert feed.has(name)
    feed.unsubscribe(name, first)
    trade(feed, 1, START_NS)
    feed.publish(START_NS)
    feed.tick(20, START_NS + 200 * MS)
    assert len(second.sent) == (2 if name == "l3" else 1)
    assert all(message.stream == f"oak12usdc@{name}" for message in second.messages)
    assert len(first.sent) == (name == "l3")
    feed.unsubscribe(name, second)
    assert feed._channels == {}
    assert feed._depths == []


@pytest.mark.parametrize(
    "name",
    [
        *("", "depth7", "depth@10ms", "depth5@", "kline_2m", "kline_1m@+15:00", "kline_", "ticker_2h", "ticker@1h"),
        *("trades", "depths", "avgPrice@5m", "miniTicker@arr", "kline"),
    ],
)
def test_other_names_are_no_streams(name: str) -> None:
    assert feed_with_book().has(name) == (name in ("depth5@",))


def test_a_sweep_is_one_aggregate_at_each_price() -> None:
    feed = feed_with_book()
    feed.level(3, t.Side.SELL, 102, 10, 3)
    reader = subscribed(feed, "aggTrade")
    for number in (1, 2):
        trade(feed, number, START_NS + number, taker=77)
    dearer = made_fill(feed.market, 3, START_NS + 3, 102, 10, 0, 77)
    dearer.maker_order_id = 3
    feed.trade(dearer, 9, dearer.maker_order_id, dearer.price_ticks, dearer.qty_lots)
    feed.publish(START_NS)
    assert [(each["a"], each["f"], each["l"], each["p"], each["q"]) for each in reader.take()] == [
        (1, 1, 2, "1.01", "0.20"),
        (3, 3, 3, "1.02", "0.10"),
    ]
    trade(feed, 4, START_NS + NS, taker=78)
    feed.publish(START_NS)
    assert reader.take() == [
        {"e": "aggTrade", "E": START_S * 1000 + 1000, "s": "OAK12USDC", "a": 4, "p": "1.01", "q": "0.10"}
        | {"f": 4, "l": 4, "T": START_S * 1000 + 1000, "m": False, "M": True}
    ]


def test_best_prices_are_told_when_they_change() -> None:
    feed = feed_with_book()
    reader, slow = subscribed(feed, "bookTicker"), subscribed(feed, "bookTicker")
    slow.paused = True
    feed.publish(START_NS)
    assert reader.take() == [{"u": 2, "s": "OAK12USDC", "b": "0.99", "B": "0.50", "a": "1.01", "A": "10.00"}]
    feed.level(4, t.Side.BUY, 50, 1, 3)
    feed.publish(START_NS)
    assert reader.take() == []
    slow.paused = False
    feed.tick(1, START_NS)
    assert [event["u"] for event in slow.take()] == [3]


def test_a_beat_lets_a_follower_check_its_book() -> None:
    feed = feed_with_book()
    reader = subscribed(feed, "beat", "depth@100ms")
    for number in range(12):
        feed.level(10 + number, t.Side.BUY, 90 - number, 10, 3 + number)
    for tick in (10, 20):
        feed.tick(tick, START_NS + tick * NS)
    [changes] = [event for event in reader.sent if event["e"] == "depthUpdate"]
    beats = [event for event in reader.sent if event["e"] == "beat"]
    bids = ["0.99:0.50", *(f"0.{90 - number}:0.10" for number in range(9))]
    assert [event["c"] for event in beats] == [crc32(("|".join((",".join(bids), "1.01:10.00"))).encode())] * 2
    assert [(event["E"], event["u"]) for event in beats] == [((START_S + 10) * 1000, 14), ((START_S + 20) * 1000, 14)]
    assert changes["u"] == 14, "the same update id as the differences of that moment"


def test_averages_and_tickers_follow_the_trades() -> None:
    feed = feed_with_book()
    reader = subscribed(feed, "miniTicker", "ticker", "ticker_1h", "avgPrice")
    feed.tick(10, START_NS)
    assert [event["e"] for event in reader.take()] == ["24hrTicker"], "only the book is there to be told of"
    trade(feed, 1, START_NS)
    feed.tick(20, START_NS + NS)
    events = {event["e"]: event for event in reader.take()}
    assert events.keys() == {"24hrMiniTicker", "24hrTicker", "1hTicker", "avgPrice"}
    ticker = events["24hrTicker"]
    assert (ticker["c"], ticker["v"], ticker["q"], ticker["n"], ticker["Q"], ticker["x"]) == (
        *("1.01", "0.10", "0.101000", 1, "0.10", "1.01"),
    )
    assert (ticker["b"], ticker["A"], ticker["C"] - ticker["O"]) == (
        "0.99",
        "9.90",
        86_400_000 + 1000 + START_S % 60 * 1000,
    )
    assert events["avgPrice"] == {
        "e": "avgPrice",
        "E": (START_S + 1) * 1000,
        "s": "OAK12USDC",
        "i": "5m",
        "w": "1.010000",
        "T": START_S * 1000,
    }
    feed.tick(30, START_NS + 2 * NS)
    assert reader.take() == [], "nothing is new"
    feed.tick(40, START_NS + 301 * NS)
    assert {event["e"] for event in reader.take()} == {"24hrMiniTicker", "24hrTicker", "1hTicker", "avgPrice"}
    feed.tick(50, START_NS + 2 * 86_400 * NS)
    assert [event["n"] for event in reader.take() if event["e"] == "24hrTicker"] == [0]


def test_a_reference_price_is_told_as_it_moves() -> None:
    feed = feed_with_book()
    reader = subscribed(feed, "referencePrice")
    feed.tick(10, START_NS)
    feed.market.reference_ticks = 102
    feed.tick(20, START_NS + NS)
    feed.tick(30, START_NS + 2 * NS)
    told = [(event["e"], event["s"], event["r"], event["t"]) for event in reader.take()]
    assert told == [
        ("referencePrice", "OAK12USDC", None, START_S * 1000),
        ("referencePrice", "OAK12USDC", "1.02", (START_S + 1) * 1000),
    ]


# -- candlesticks


def klines_told(reader: Reader) -> list[tuple[int, int, bool]]:
    return [(event["k"]["t"] // 1000 - START_S, event["k"]["n"], event["k"]["x"]) for event in reader.take()]


def test_a_candlestick_grows_and_ends() -> None:
    feed = feed_with_book()
    reader = subscribed(feed, "kline_1s")
    feed.tick(10, START_NS)
    assert reader.take() == [], "there was no trade yet"
    trade(feed, 1, START_NS + 500 * MS)
    feed.tick(20, START_NS + 600 * MS)
    assert klines_told(reader) == [(0, 1, False)]
    feed.tick(30, START_NS + NS + 50 * MS)
    assert klines_told(reader) == [], "a trade of that second may still come"
    trade(feed, 2, START_NS + 999 * MS)
    feed.tick(40, START_NS + NS + 200 * MS)
    assert klines_told(reader) == [(0, 2, True), (1, 0, False)]
    trade(feed, 3, START_NS + 999 * MS)
    feed.tick(50, START_NS + NS + 300 * MS)
    assert klines_told(reader) == [(0, 3, True)], "told again with a trade that was late"
    feed.tick(60, START_NS + 2 * NS + 200 * MS)
    assert klines_told(reader) == [(1, 0, True), (2, 0, False)]


def test_a_candlestick_is_written_as_documented() -> None:
    feed = feed_with_book()
    reader = subscribed(feed, "kline_1d@+08:00")
    for number in (1, 2):
        trade(feed, number, START_NS + number)
    feed.tick(20, START_NS + NS)
    [event] = reader.take()
    opened_ms = ((START_S + 28_800) // 86_400 * 86_400 - 28_800) * 1000
    kline = event.pop("k")
    assert event == {"e": "kline", "E": (START_S + 1) * 1000, "s": "OAK12USDC"}
    assert list(kline) == list("tTsifLochlvnxqVQB")
    assert list(kline.values()) == [
        *(opened_ms, opened_ms + 86_400_000 - 1, "OAK12USDC", "1d", 1, 2),
        *("1.01", "1.01", "1.01", "1.01", "0.20", 2, False, "0.202000", "0.20", "0.202000", "0"),
    ]


# -- every order


def resting(book: dict[int, tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(order_id, side, price, lots) for order_id, (side, price, lots) in book.items()]


@pytest.mark.parametrize("seed", range(10))
def test_a_follower_of_orders_has_the_book(seed: int) -> None:
    random, book = Random(seed), LevelBook()
    orders: dict[int, tuple[int, int, int]] = {}
    stream = OrdersStream("x@l3", listed(), book, lambda: resting(orders))
    reader = Reader()
    followed: dict[int, str] = {}
    for order_id in range(1, 200):
        if order_id == 30:
            stream.subscribe(reader)
            [snapshot] = reader.take()
            followed = {row[0]: row[2] for row in snapshot["bids"] + snapshot["asks"]}
            for name, best_first in (("bids", -1), ("asks", 1)):
                keys = [(best_first * float(row[1]), row[0]) for row in snapshot[name]]
                assert keys == sorted(keys)
        if random.random() < 0.6 or not orders:
            side, price, lots = random.randint(0, 1), random.randint(1, 5), random.randint(1, 9)
            ahead = sum(other[2] for other in orders.values() if other[:2] == (side, price))
            orders[order_id] = (side, price, lots)
            change(stream, book, order_id, side, price, lots)
            if stream.is_used:
                stream.publish(0)
                [event] = reader.take()
                qty = listed().qty
                assert event["c"] == [["A", order_id, "BS"[side], f"0.0{price}", qty[lots], qty[ahead]]]
                followed[order_id] = event["c"][0][4]
            continue
        chosen = random.choice(sorted(orders))
        side, price, lots = orders[chosen]
        less = random.randint(1, lots)
        orders[chosen] = (side, price, lots - less)
        if lots == less:
            del orders[chosen]
        change(stream, book, chosen, side, price, -less)
        if stream.is_used:
            stream.publish(0)
            for row in itertools.chain.from_iterable(event["c"] for event in reader.take()):
                if row[0] == "M":
                    followed[row[1]] = row[2]
                else:
                    del followed[row[1]]
    assert followed == {order_id: listed().qty[lots] for order_id, (_, _, lots) in orders.items()}


def change(stream: OrdersStream, book: LevelBook, order_id: int, side: int, price: int, lots: int) -> None:
    book.side(side).add(price, lots)
    book.update_id += 1
    if stream.is_used:
        stream.change(order_id, side, price, lots)


def test_a_snapshot_of_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.orders_stream.SNAPSHOT_ORDERS_MAX", 3)
    book = LevelBook()
    orders = {number: (0, number // 2 + 1, 1) for number in range(10)}
    for side, price, lots in orders.values():
        book.side(side).add(price, lots)
    stream, reader = OrdersStream("x@l3", listed(), book, lambda: resting(orders)), Reader()
    stream.subscribe(reader)
    assert [row[0] for row in reader.take()[0]["bids"]] == [8, 9, 6]


# -- all markets


def test_all_markets_that_changed_come_in_one_array() -> None:
    feeds = {number: MarketFeed(listed(number, b"OAK%dUSDC" % number), 0) for number in (1, 2, 3)}
    for feed in feeds.values():
        feed.level(2, t.Side.SELL, 101, 1_000, 2)
    markets = AllMarkets(feeds)
    readers: dict[str, Reader] = defaultdict(Reader)
    names = ("!miniTicker@arr", "!ticker@arr", "!ticker_1h@arr", "!ticker_4h@arr", "!ticker_1d@arr")
    for name in names:
        assert markets.has(name)
        markets.subscribe(name, readers[name])
    assert markets.has("!miniTicker@arr@1000ms")
    assert not markets.has("!nosuch@arr")
    trade(feeds[1], 1, START_NS)
    markets.tick(10, START_NS)
    assert symbols(readers["!miniTicker@arr"]) == [["OAK1USDC"]]
    assert symbols(readers["!ticker_1h@arr"]) == [["OAK1USDC"]]
    assert symbols(readers["!ticker@arr"]) == [["OAK1USDC", "OAK2USDC", "OAK3USDC"]]
    slow = readers["!miniTicker@arr"]
    slow.paused = True
    for number in (2, 3):
        trade(feeds[number], number, START_NS)
        markets.tick(10 * number, START_NS + NS)
    markets.subscribe("!miniTicker@arr", readers["late"])
    slow.paused = False
    markets.tick(35, START_NS + NS)
    markets.tick(40, START_NS + NS)
    markets.tick(50, START_NS + NS)
    assert symbols(slow) == [["OAK2USDC", "OAK3USDC"]], "what it missed comes together"
    assert symbols(readers["late"]) == [["OAK1USDC", "OAK2USDC", "OAK3USDC"]]
    assert symbols(readers["!ticker_1h@arr"]) == [["OAK2USDC"], ["OAK3USDC"]]
    for name in names:
        markets.unsubscribe(name, readers[name])
    markets.unsubscribe("!miniTicker@arr", readers["late"])
    assert markets._channels == {}


def symbols(reader: Reader) -> list[list[str]]:
    return [[row["s"] for row in event] for event in reader.take()]
