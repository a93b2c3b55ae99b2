"""The public streams of one instrument: depth differences, trades, best bid and ask, from the engine's events.

A depth event's `U` is always the last one's `u` + 1, for every subscriber: also for one that was too slow, who gets the
changes it missed as one event (a level's quantity is absolute, so changes merge exactly).
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from engine.types import Side
from gateway.connection import text_frame
from gateway.levels import LevelBook
from gateway.markets import Market
from gateway.orders import Fill

MS: Final = 10**6  # nanoseconds
BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
PARTIAL_DEPTHS: Final = (5, 10, 20)
RECENT_TRADES_KEPT: Final = 1_000
MISSED_LEVELS_MAX: Final = 20_000  # changes kept for a subscriber that does not read; beyond, it is disconnected


class StreamMessage:
    """One payload for many subscribers; its two frames, bare and wrapped with the stream's name, are made once."""

    __slots__ = ("_bare", "_wrapped", "payload", "stream")

    def __init__(self, stream: str, payload: str) -> None:
        self.stream = stream
        self.payload = payload
        self._bare = b""
        self._wrapped = b""

    def frame(self, *, wrapped: bool) -> bytes:
        if wrapped:
            if not self._wrapped:
                self._wrapped = text_frame(f'{{"stream":"{self.stream}","data":{self.payload}}}'.encode())
            return self._wrapped
        if not self._bare:
            self._bare = text_frame(self.payload.encode())
        return self._bare


class Subscriber(Protocol):
    """A connection as the feeds see it."""

    @property
    def paused(self) -> bool:
        """Whether its reader is behind; nothing but what must not be lost should be sent."""
        ...

    def send_stream(self, message: StreamMessage) -> None: ...

    def drop(self, why: str) -> None:
        """Disconnect it."""
        ...


class Changes:
    """Prices whose quantity changed, and from which update id on."""

    __slots__ = ("asks", "bids", "first_update_id")

    def __init__(self, first_update_id: int) -> None:
        self.first_update_id = first_update_id
        self.bids: set[int] = set()
        self.asks: set[int] = set()

    def add(self, side: int, price_ticks: int) -> None:
        (self.asks if side else self.bids).add(price_ticks)

    def merge(self, later: Changes) -> None:
        self.bids |= later.bids
        self.asks |= later.asks

    def __len__(self) -> int:
        return len(self.bids) + len(self.asks)


class DepthStream:
    """`@depth` or `@depth@100ms`: what changed since the last tick, to everyone."""

    def __init__(self, market: Market, book: LevelBook, name: str) -> None:
        self._market = market
        self._book = book
        self.name = name
        self.subscribers: dict[Subscriber, Changes | None] = {}  # with what each has missed
        self.changes = Changes(book.update_id + 1)

    def subscribe(self, subscriber: Subscriber) -> None:
        if not self.subscribers:
            self.changes = Changes(self._book.update_id + 1)
        self.subscribers[subscriber] = None

    def publish(self, time_ms: int) -> None:
        """Send one event for all that changed since the last call; nothing where nothing did."""
        changes, last = self.changes, self._book.update_id
        self.changes = Changes(last + 1)
        news = last >= changes.first_update_id
        message = self._message(changes, last, time_ms) if news else None
        for subscriber, missed in list(self.subscribers.items()):
            if subscriber.paused:
                if news:
                    self._miss(subscriber, missed, changes)
            elif missed is not None:
                missed.merge(changes)
                self.subscribers[subscriber] = None
                subscriber.send_stream(self._message(missed, last, time_ms))
            elif message is not None:
                subscriber.send_stream(message)

    def _miss(self, subscriber: Subscriber, missed: Changes | None, changes: Changes) -> None:
        if missed is None:
            missed = self.subscribers[subscriber] = Changes(changes.first_update_id)
        missed.merge(changes)
        if len(missed) > MISSED_LEVELS_MAX:
            subscriber.drop("too slow: it missed more of the book than is kept for it")

    def _message(self, changes: Changes, last: int, time_ms: int) -> StreamMessage:
        market, book = self._market, self._book
        payload = (
            f'{{"e":"depthUpdate","E":{time_ms},"s":"{market.symbol}","U":{changes.first_update_id},"u":{last},'
            f'"b":{levels_json(market, book.quantities(BUY, sorted(changes.bids, reverse=True)))},'
            f'"a":{levels_json(market, book.quantities(SELL, sorted(changes.asks)))}}}'
        )
        return StreamMessage(self.name, payload)


class MarketFeed:
    """One instrument's book and its streams."""

    def __init__(self, market: Market, update_id: int) -> None:
        symbol = market.symbol.lower()
        self.market = market
        self.book = LevelBook(update_id)
        self.depth_slow = DepthStream(market, self.book, f"{symbol}@depth")
        self.depth_fast = DepthStream(market, self.book, f"{symbol}@depth@100ms")
        self.trade_name = f"{symbol}@trade"
        self.ticker_name = f"{symbol}@bookTicker"
        self.trade_subscribers: dict[Subscriber, None] = {}
        self.ticker_subscribers: dict[Subscriber, tuple[int, int, int, int]] = {}  # with what each saw last
        self.partial_subscribers: dict[int, dict[Subscriber, int]] = {depth: {} for depth in PARTIAL_DEPTHS}
        self.partial_fast_subscribers: dict[int, dict[Subscriber, int]] = {depth: {} for depth in PARTIAL_DEPTHS}
        self.ticker_due = False
        self.recent_trades: deque[Fill] = deque(maxlen=RECENT_TRADES_KEPT)

    # -- what happened, in order

    def level(self, side: int, price_ticks: int, lots: int, update_id: int) -> None:
        """Lots came to a level, or left it (negative)."""
        book = self.book
        (book.asks if side else book.bids).add(price_ticks, lots)
        if update_id > book.update_id:
            book.update_id = update_id
        if self.depth_slow.subscribers:
            self.depth_slow.changes.add(side, price_ticks)
        if self.depth_fast.subscribers:
            self.depth_fast.changes.add(side, price_ticks)
        self.ticker_due = True

    def trade(self, fill: Fill, update_id: int) -> None:
        market = self.market
        market.last_price_ticks = fill.price_ticks
        self.recent_trades.append(fill)
        self.level(1 - fill.taker_side, fill.price_ticks, -fill.qty_lots, update_id)
        if self.trade_subscribers:
            time_ms = fill.time_ns // MS
            payload = (
                f'{{"e":"trade","E":{time_ms},"s":"{market.symbol}","t":{fill.trade_id},'
                f'"p":"{market.price[fill.price_ticks]}","q":"{market.qty[fill.qty_lots]}","T":{time_ms},'
                f'"m":{"true" if fill.taker_side else "false"},"M":true}}'
            )
            message = StreamMessage(self.trade_name, payload)
            for subscriber in list(self.trade_subscribers):
                subscriber.send_stream(message)

    # -- what goes out by the clock, or after a durable frame

    def publish_ticker(self) -> None:
        """Best bid and ask to those who have not seen them yet; a slow reader gets the newest when it reads again."""
        self.ticker_due = False
        if not self.ticker_subscribers:
            return
        best = self.best()
        message: StreamMessage | None = None
        for subscriber, seen in list(self.ticker_subscribers.items()):
            if seen == best:
                continue
            if subscriber.paused:
                self.ticker_due = True
                continue
            message = message or StreamMessage(self.ticker_name, self.ticker_json(with_update_id=True))
            self.ticker_subscribers[subscriber] = best
            subscriber.send_stream(message)

    def publish_partial(self, *, fast: bool) -> None:
        """The top of the book to the subscribers of `@depth<levels>` whose last one is older than the book."""
        suffix = "@100ms" if fast else ""
        for depth, subscribers in (self.partial_fast_subscribers if fast else self.partial_subscribers).items():
            message: StreamMessage | None = None
            name = f"{self.market.symbol.lower()}@depth{depth}{suffix}"
            for subscriber, seen in list(subscribers.items()):
                if seen == self.book.update_id or subscriber.paused:
                    continue
                message = message or StreamMessage(name, self.depth_json(depth))
                subscribers[subscriber] = self.book.update_id
                subscriber.send_stream(message)

    # -- who listens

    @staticmethod
    def has(channel: str) -> bool:
        """Whether there is such a channel; its name is what stands after the symbol's `@`."""
        return channel in ("depth", "depth@100ms", "trade", "bookTicker") or _partial(channel) is not None

    def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        if channel == "depth":
            self.depth_slow.subscribe(subscriber)
        elif channel == "depth@100ms":
            self.depth_fast.subscribe(subscriber)
        elif channel == "trade":
            self.trade_subscribers[subscriber] = None
        elif channel == "bookTicker":
            self.ticker_subscribers[subscriber] = (-1, -1, -1, -1)
        elif (partial := _partial(channel)) is not None:
            depth, fast = partial
            (self.partial_fast_subscribers if fast else self.partial_subscribers)[depth][subscriber] = -1

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None:
        if channel == "depth":
            self.depth_slow.subscribers.pop(subscriber, None)
        elif channel == "depth@100ms":
            self.depth_fast.subscribers.pop(subscriber, None)
        elif channel == "trade":
            self.trade_subscribers.pop(subscriber, None)
        elif channel == "bookTicker":
            self.ticker_subscribers.pop(subscriber, None)
        elif (partial := _partial(channel)) is not None:
            depth, fast = partial
            (self.partial_fast_subscribers if fast else self.partial_subscribers)[depth].pop(subscriber, None)

    # -- what can be asked for

    def best(self) -> tuple[int, int, int, int]:
        """Bid price and lots, ask price and lots; zeros where a side is empty."""
        bids, asks = self.book.bids, self.book.asks
        bid, ask = bids.best(), asks.best()
        return bid, bids.lots.get(bid, 0), ask, asks.lots.get(ask, 0)

    def ticker_json(self, *, with_update_id: bool) -> str:
        market = self.market
        price, qty = market.price, market.qty
        bid, bid_lots, ask, ask_lots = self.best()
        if with_update_id:
            return (
                f'{{"u":{self.book.update_id},"s":"{market.symbol}","b":"{price[bid]}","B":"{qty[bid_lots]}",'
                f'"a":"{price[ask]}","A":"{qty[ask_lots]}"}}'
            )
        return (
            f'{{"symbol":"{market.symbol}","bidPrice":"{price[bid]}","bidQty":"{qty[bid_lots]}",'
            f'"askPrice":"{price[ask]}","askQty":"{qty[ask_lots]}"}}'
        )

    def depth_json(self, limit: int) -> str:
        """The snapshot: at most `limit` levels a side, best first."""
        market, book = self.market, self.book
        return (
            f'{{"lastUpdateId":{book.update_id},'
            f'"bids":{levels_json(market, book.quantities(BUY, book.bids.top(limit)))},'
            f'"asks":{levels_json(market, book.quantities(SELL, book.asks.top(limit)))}}}'
        )


def _partial(channel: str) -> tuple[int, bool] | None:
    """Levels and whether every 100 ms, of `depth5`, `depth10@100ms` and so on."""
    name, _, speed = channel.partition("@")
    depth = name.removeprefix("depth")
    if speed not in ("", "100ms", "1000ms") or depth not in {str(count) for count in PARTIAL_DEPTHS}:
        return None
    return int(depth), speed == "100ms"


def levels_json(market: Market, levels: list[tuple[int, int]]) -> str:
    price, qty = market.price, market.qty
    return "[" + ",".join([f'["{price[ticks]}","{qty[lots]}"]' for ticks, lots in levels]) + "]"
