"""Depth that never has a gap, trades, best bid and ask; over real sockets and against the engine's own book."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from gateway import cork, depth
from gateway.channels import StreamMessage
from gateway.depth import DepthStream
from gateway.levels import LevelBook
from gateway.markets import Market
from gateway.times import MS
from tests.gateway.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Client, Venue

DEPTH, FAST = f"{SYMBOL.lower()}@depth", f"{SYMBOL.lower()}@depth@100ms"
Book = dict[str, dict[str, str]]


def apply(book: Book, event: Any) -> None:
    for side, rows in (("bids", event["b"]), ("asks", event["a"])):
        for price, quantity in rows:
            if float(quantity):
                book[side][price] = quantity
            else:
                book[side].pop(price, None)


def engine_book(venue: Venue) -> Book:
    """Quantities by price from the engine's resting orders."""
    lots: dict[tuple[str, int], int] = defaultdict(int)
    for order in venue.sequencer.exchange.state().orders:
        waits = order.pending or (order.stop_ticks != 0 and order.rank == order.order_id)
        if order.instrument == 1 and not waits:
            lots["asks" if order.side else "bids", order.price_ticks] += order.open_lots - order.hidden_lots
    book: Book = {"bids": {}, "asks": {}}
    for (side, ticks), quantity in lots.items():
        book[side][f"{ticks // 100}.{ticks % 100:02d}"] = f"{quantity // 100}.{quantity % 100:02d}"
    return book


def book_of(snapshot: Any) -> Book:
    return {side: dict(snapshot[side]) for side in ("bids", "asks")}


async def trade_at_random(venue: Venue, seed: int, orders: int) -> None:
    rng, alice, bob = Random(seed), await venue.trader(ALICE), await venue.trader(BOB)
    for number in range(orders):
        trader = alice if rng.random() < 0.5 else bob
        if rng.random() < 0.25:
            await trader.do("order.cancel", symbol=SYMBOL, orderId=rng.randint(1, number + 1))
        elif rng.random() < 0.15:
            order_id = rng.randint(1, number + 1)
            await trader.do("order.amend.keepPriority", symbol=SYMBOL, orderId=order_id, newQty="0.02")
        else:
            side = "BUY" if rng.random() < 0.5 else "SELL"
            mode = rng.choice(["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"])
            price, quantity = f"{100 + rng.randint(-5, 5) / 100:.2f}", f"{rng.randint(1, 9) / 100:.2f}"
            await trader.limit(side, quantity, price, selfTradePreventionMode=mode)


async def following(client: Client, until: asyncio.Task[None], venue: Venue) -> tuple[list[Any], Book]:
    """Keep a book as Binance describes it, until the trading is over and the last change has come."""
    events: list[Any] = []
    _, snapshot, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL, limit=5000)
    book = book_of(snapshot)
    while not until.done() or events[-1]["u"] != venue.sequencer.exchange.state().instruments[0].update_id:
        event = await client.read()
        if event["u"] > snapshot["lastUpdateId"]:
            events.append(event)
            apply(book, event)
    await until
    return events, book


@pytest.mark.parametrize("stream", [DEPTH, FAST])
async def test_snapshot_and_differences_make_the_engines_book(venue: Venue, stream: str) -> None:
    client = await venue.connect(f"/ws/{stream}")
    trading = asyncio.create_task(trade_at_random(venue, 7, 400))
    events, book = await following(client, trading, venue)
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(events))
    assert all(event["U"] <= event["u"] for event in events)
    assert book == engine_book(venue)
    _, snapshot, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL, limit=5000)
    assert book_of(snapshot) == book
    assert snapshot["lastUpdateId"] == events[-1]["u"]
    assert [float(row[0]) for row in snapshot["bids"]] == sorted((float(price) for price in book["bids"]), reverse=True)
    assert [float(row[0]) for row in snapshot["asks"]] == sorted(float(price) for price in book["asks"])


async def test_two_subscribers_of_different_times_see_the_same_events(venue: Venue) -> None:
    first = await venue.connect(f"/ws/{FAST}")
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    assert (await first.read())["u"] == 1
    second = await venue.connect(f"/ws/{FAST}")
    await alice.limit("SELL", "1", "101")
    assert await first.read() == await second.read()


async def test_trades_and_best_prices_are_told(venue: Venue) -> None:
    low = SYMBOL.lower()
    client = await venue.connect(f"/stream?streams={low}@trade/{low}@bookTicker")
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "2", "100")
    ticker = await client.until(lambda message: message["data"].get("a") == "100.00")
    assert ticker == {
        "stream": f"{low}@bookTicker",
        "data": {"u": 1, "s": SYMBOL, "b": "0.00", "B": "0.00", "a": "100.00", "A": "2.00"},
    }
    await bob.limit("BUY", "0.5", "100")
    trade = (await client.until(lambda message: message["stream"].endswith("@trade")))["data"]
    assert (trade["e"], trade["t"], trade["p"], trade["q"], trade["m"]) == ("trade", 1, "100.00", "0.50", False)
    assert (await client.until(lambda message: message["data"].get("A") == "1.50"))["data"]["u"] == 2
    await bob.limit("BUY", "1", "99")
    await alice.limit("SELL", "1", "99")
    assert (await client.until(lambda message: message["data"].get("t") == 2))["data"]["m"] is True


async def test_partial_depth_is_the_top_of_the_book(venue: Venue) -> None:
    client = await venue.connect(f"/ws/{SYMBOL.lower()}@depth5@100ms")
    alice = await venue.trader(ALICE)
    for cents in range(8):
        await alice.limit("SELL", "1", f"100.0{cents}")
    event = await client.until(lambda message: message["lastUpdateId"] == 8)
    assert [row[0] for row in event["asks"]] == [f"100.0{cents}" for cents in range(5)]


async def test_streams_are_subscribed_listed_and_left(venue: Venue) -> None:
    client = await venue.connect("/stream/ws/0")  # as numbered by ccxt

    async def ask(method: str, params: Any, request_id: Any) -> Any:
        await client.socket.send_str(
            msgspec.json.encode({"method": method, "params": params, "id": request_id}).decode()
        )
        return await client.until(lambda message: "id" in message and message["id"] == request_id)

    assert await ask("SUBSCRIBE", [DEPTH, FAST], 1) == {"result": None, "id": 1}
    assert (await ask("LIST_SUBSCRIPTIONS", None, "x"))["result"] == [DEPTH, FAST]
    assert await ask("UNSUBSCRIBE", [DEPTH], 2) == {"result": None, "id": 2}
    assert (await ask("LIST_SUBSCRIPTIONS", [], 3))["result"] == [FAST]
    for number, name in enumerate(
        ["nosuch@depth", f"{SYMBOL}@depth", f"{SYMBOL.lower()}@nosuch", "", "@", "\u00e9@depth"]
    ):
        answer = await ask("SUBSCRIBE", [f"{OTHER_SYMBOL.lower()}@trade", name], 10 + number)
        assert answer["error"] == {"code": 2, "msg": "Invalid request: invalid stream"}
    assert (await ask("LIST_SUBSCRIPTIONS", [], 4))["result"] == [FAST]
    assert (await ask("NOSUCH", [], 5))["error"]["code"] == 2
    assert (await ask("SUBSCRIBE", [FAST] * 1_025, 6))["error"]["code"] == 2
    for text in ("nonsense", "[]", '{"method":1}', '{"method":"SUBSCRIBE","params":[1]}', "[" * 60_000):
        await client.socket.send_str(text)
        assert "error" in await client.until(lambda message: message.get("id", 0) is None)
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    assert (await client.until(lambda message: "e" in message))["a"] == [["100.00", "1.00"]], "raw, as at /ws"


async def request(client: Client, method: str, *params: object) -> Any:
    await client.socket.send_str(msgspec.json.encode({"method": method, "params": params, "id": 7}).decode())
    return await client.until(lambda message: message.get("id") == 7)


async def test_a_connection_may_change_how_it_is_told(venue: Venue) -> None:
    client = await venue.connect(f"/ws/{FAST}?timeUnit=MICROSECOND")
    assert (await request(client, "GET_PROPERTY", "combined"))["result"] is False
    assert (await request(client, "SET_PROPERTY", "combined", True))["result"] is None
    assert (await request(client, "GET_PROPERTY", "combined"))["result"] is True
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    event = await client.until(lambda message: "stream" in message)
    assert event["stream"] == FAST
    assert event["data"]["E"] > 10**15
    for code, *wrong in (
        (0, "SET_PROPERTY", "nosuch", True),
        (1, "SET_PROPERTY", "combined", 1),
        (2, "SET_PROPERTY", "combined"),
        (2, "SET_PROPERTY", "combined", True, 1),
        (2, "SET_PROPERTY", True, True),
        (2, "GET_PROPERTY"),
        (2, "SUBSCRIBE", 1),
    ):
        assert (await request(client, str(wrong[0]), *wrong[1:]))["error"]["code"] == code


async def test_time_zones_all_markets_and_orders_are_streams(venue: Venue) -> None:
    low = SYMBOL.lower()
    names = [f"{low}@kline_1m@+08:00", f"{low}@l3", "!miniTicker@arr"]
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "2", "100")
    client = await venue.connect(f"/stream?streams={'/'.join(names)}")
    assert sorted((await request(client, "LIST_SUBSCRIPTIONS"))["result"]) == sorted(names)
    snapshot = await client.until(lambda message: message.get("data", {}).get("e") == "l3Snapshot")
    assert snapshot["data"]["asks"] == [[1, "100.00", "2.00"]]
    await bob.limit("BUY", "0.5", "100")
    await alice.limit("SELL", "1", "100")
    told: dict[str, list[Any]] = {name: [] for name in names}

    def all_told(message: dict[str, Any]) -> bool:
        """The streams come in any order beside each other."""
        told[message["stream"]].append(message["data"])
        return told[names[0]] != [] and told[names[2]] != [] and len(changes()) == 2

    def changes() -> list[Any]:
        return [change for event in told[names[1]] if event["e"] == "l3" for change in event["c"]]

    await client.until(all_told)
    assert changes() == [["M", 1, "1.50"], ["A", 3, "S", "100.00", "1.00", "1.50"]]
    assert (told[names[0]][0]["k"]["i"], told[names[0]][0]["k"]["v"]) == ("1m", "0.50")
    assert [row["s"] for row in told[names[2]][0]] == [SYMBOL]
    assert (await request(client, "UNSUBSCRIBE", *names))["result"] is None
    assert (await request(client, "LIST_SUBSCRIPTIONS"))["result"] == []
    for wrong in (f"{low}@kline_1m@+15:00", "!nosuch@arr"):
        assert (await request(client, "SUBSCRIBE", wrong))["error"]["code"] == 2


async def test_nothing_that_waits_from_before_a_subscription_comes_after_it(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{SYMBOL.lower()}@trade"
    follower, alice, bob = await venue.connect(f"/ws/{name}"), await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "3", "100")
    with monkeypatch.context() as patch:
        patch.setattr(cork, "GIVEN_SLICE", 0)  # so much is going on that nobody is given anything
        await bob.limit("BUY", "1", "100")
        await request(follower, "UNSUBSCRIBE", name)
        await request(follower, "SUBSCRIBE", name)
    await bob.limit("BUY", "2", "100")
    assert (await follower.until(lambda message: message.get("e") == "trade"))["q"] == "2.00"


async def test_an_instrument_listed_later_has_its_streams(venue: Venue) -> None:
    terms = venue.sequencer.exchange.state().instruments[0].terms
    fields = {name: getattr(terms, name) for name in terms.__slots__} | {"instrument": 3, "symbol": b"YEW9USDC"}
    venue.sequencer.send(t.SetInstrument(**fields), t.SetFees(3, 1, 2), t.SetPermission(ALICE, 3, 1, 1, 2**62))
    client = await venue.connect("/ws/yew9usdc@depth@100ms")
    alice = await venue.trader(ALICE)
    await alice.limit("BUY", "1", "100", symbol="YEW9USDC")
    assert (await client.read())["b"] == [["100.00", "1.00"]]
    assert "YEW9" in {row["asset"] for row in (await alice.do("account.status"))["result"]["balances"]}


# -- a subscriber that does not read, without sockets


class Reader:
    def __init__(self) -> None:
        self.paused = False
        self.dropped = ""
        self.events: list[Any] = []

    def send_stream(self, message: StreamMessage) -> None:
        assert not self.paused
        self.events += [msgspec.json.decode(payload(MS)) for payload in message.payloads]

    def drop(self, why: str) -> None:
        self.dropped = why


def market() -> Market:
    return Market(t.SetInstrument(1, 1, 100, 10**6, 10**6, 0, 0, 10, symbol=b"OAK12USDC", lot_decimals=2))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("level"), st.sampled_from([0, 1]), st.integers(1, 6), st.integers(1, 9)),
        st.tuples(st.just("tick"), st.booleans(), st.booleans(), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_a_slow_reader_gets_what_it_missed_as_one_event_without_a_gap(steps: list[Any]) -> None:
    book, readers = LevelBook(10), (Reader(), Reader())
    stream = DepthStream(market(), book, "x@depth", 10)
    for reader in readers:
        stream.subscribe(reader)
    for kind, first, second, lots in [*steps, ("tick", False, False, None)]:
        if kind == "level":
            side, price = first, second
            lots = -book.side(side).lots.get(price, -lots)
            book.side(side).add(price, lots)
            book.update_id += 1
            stream.changes.add(side, price)
        else:
            readers[0].paused, readers[1].paused = first, second
            stream.publish(0)
    for reader in readers:
        followed: Book = {"bids": {}, "asks": {}}
        update_id = 10
        for event in reader.events:
            assert event["U"] == update_id + 1
            update_id = event["u"]
            apply(followed, event)
        assert update_id == book.update_id
        for name, side in (("bids", 0), ("asks", 1)):
            assert {float(price): float(lots) for price, lots in followed[name].items()} == {
                price / 100: lots / 100 for price, lots in book.side(side).lots.items()
            }


def test_what_is_kept_for_a_slow_reader_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "MISSED_LEVELS_MAX", 10)
    book, reader = LevelBook(0), Reader()
    stream = DepthStream(market(), book, "x@depth", 10)
    stream.subscribe(reader)
    reader.paused = True
    for price in range(1, 13):
        book.bids.add(price, 1)
        book.update_id += 1
        stream.changes.add(0, price)
        stream.publish(0)
    assert "too slow" in reader.dropped
