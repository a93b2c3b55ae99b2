"""One instrument as the public sees it: its book, its trades, and the streams of both, from the engine's events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from engine.types import Side
from gateway.auction import AuctionStream, Row
from gateway.candles import Candle, Candles
from gateway.channels import Channel, Events, Latest, Payload, Spread, Subscriber, at_once
from gateway.depth import DepthStream, beat_payload, depth_json, partial_payload
from gateway.errors import ApiError
from gateway.intervals import DAY_S, INTERVALS, zone_seconds
from gateway.klines import KlineStream
from gateway.levels import LevelBook
from gateway.markets import Market
from gateway.orders import Fill
from gateway.orders_stream import OrdersStream, RestingOrder
from gateway.statistics import (
    AVERAGE_S,
    WINDOWS_S,
    Best,
    Statistics,
    average_payload,
    reference_payload,
    window_start_s,
)
from gateway.tape import Aggregate, Tape
from gateway.times import NS

BUY: Final = int(Side.BUY)
PARTIAL_DEPTHS: Final = (5, 10, 20)
SPEEDS: Final = {"": 10, "1000ms": 10, "100ms": 1}  # tenths of a second between two events


def _nothing() -> Iterable[RestingOrder]:
    return ()


class MarketFeed:
    """One instrument's book and its streams.

    complete_after_id  trades up to this one, of any market, may be in the database only; 0: there are none
    changed            where a feed says that the frame at hand changed it
    resting            the market's open orders
    phase_ends_ns      when the market's phase ends by itself; 0: by a command
    spread             how its streams send
    """

    def __init__(
        self,
        market: Market,
        update_id: int,
        complete_after_id: int = 0,
        changed: Callable[[MarketFeed], None] = lambda feed: None,
        resting: Callable[[], Iterable[RestingOrder]] = _nothing,
        phase_ends_ns: int = 0,
        spread: Spread = at_once,
    ) -> None:
        self.market = market
        self.name: Final = market.symbol.lower()
        self.book = LevelBook(update_id)
        self.tape = Tape(complete_after_id)
        self.candles = Candles()
        self.is_joined = complete_after_id == 0  # whether what the database has of the recent past is here too
        self._changed = changed
        self._is_changed = False
        self._trades = Events(f"{self.name}@trade")
        self._aggregates = Events(f"{self.name}@aggTrade")
        self._aggregate: Aggregate | None = None
        self._best = Latest(f"{self.name}@bookTicker", 1, self._best_version, self._best_payload)
        self._orders = OrdersStream(f"{self.name}@l3", market, self.book, resting)
        self.auction = AuctionStream(market, phase_ends_ns)
        self._permanent: dict[str, Channel] = {
            "trade": self._trades,
            "aggTrade": self._aggregates,
            "bookTicker": self._best,
            "l3": self._orders,
            "auction": self.auction,
        }
        self._spread = spread
        for channel in self._permanent.values():
            channel.spread = spread
        self._channels: dict[str, Channel] = {}  # those of the clock that somebody listens to
        self._depths: list[DepthStream] = []

    # -- what happened, in order

    def level(self, rank: int, side: int, price_ticks: int, lots: int, update_id: int) -> None:
        """Lots of an order came to a level, or left it (negative); 0: none that the book shows."""
        book = self.book
        if update_id > book.update_id:
            book.update_id = update_id
        if not self._is_changed:
            self._change()
        if not lots:
            return
        (book.asks if side else book.bids).add(price_ticks, lots)
        for depth in self._depths:
            depth.changes.add(side, price_ticks)
        if self._orders.subscribers:
            self._orders.change(rank, side, price_ticks, lots)

    def _change(self) -> None:
        self._is_changed = True
        self._changed(self)

    def call(self, event: Row, time_ns: int) -> None:
        """Its phase changed, or a call came to something."""
        self.auction.take(event, time_ns)
        if not self._is_changed:
            self._change()

    def trade(self, fill: Fill, update_id: int, maker_rank: int, maker_price_ticks: int, maker_lots: int) -> None:
        """In an auction the maker's price is not always the trade's, and the taker's level is told by itself.

        maker_lots  so many of the fill's lots were shown
        """
        self.market.last_price_ticks = fill.price_ticks
        self.tape.take(fill)
        self.candles.take(fill)
        self.level(maker_rank, 1 - fill.taker_side, maker_price_ticks, -maker_lots, update_id)
        if self._trades.subscribers:
            self._trades.add(_trade_payload(fill))
        if self._aggregates.subscribers and (self._aggregate is None or not self._aggregate.takes(fill)):
            self._tell_aggregate()
            self._aggregate = Aggregate(fill, fill.trade_id, fill.qty_lots)

    def _tell_aggregate(self) -> None:
        if self._aggregate is not None:
            self._aggregates.add(partial(aggregate_event, self._aggregate))
            self._aggregate = None

    # -- what goes out after a durable frame, or by the clock

    def publish(self, time_ns: int) -> None:
        """All of the frame at hand has been told."""
        self._is_changed = False
        self._trades.publish(time_ns)
        self._tell_aggregate()
        self._aggregates.publish(time_ns)
        self.auction.publish(time_ns)
        if self._orders.subscribers:
            self._orders.publish(time_ns)
        if self._best.subscribers:
            self._best.publish(time_ns)

    def tick(self, number: int, time_ns: int) -> None:
        """A tenth of a second has passed."""
        if self._best.is_behind:
            self._best.publish(time_ns)
        for channel in list(self._channels.values()):
            if number % channel.ticks == 0:
                channel.publish(time_ns)

    # -- who listens

    def has(self, name: str) -> bool:
        """Whether there is such a channel; its name is what stands after the symbol's `@`."""
        return name in self._permanent or name in self._channels or self._made(name) is not None

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        channel = self._permanent.get(name) or self._channels.get(name) or self._made(name)
        assert channel is not None, "only a stream that exists is subscribed"
        channel.subscribe(subscriber)
        if name not in self._permanent:
            channel.spread = self._spread
            self._channels[name] = channel
            if isinstance(channel, DepthStream) and channel not in self._depths:
                self._depths.append(channel)

    def unsubscribe(self, name: str, subscriber: Subscriber) -> None:
        channel = self._permanent.get(name) or self._channels[name]
        channel.unsubscribe(subscriber)
        if not channel.is_used and name in self._channels:
            del self._channels[name]
            self._depths = [depth for depth in self._depths if depth is not channel]

    def _made(self, name: str) -> Channel | None:
        """A new channel of the clock; None where there is none of that name."""
        full, market, book = f"{self.name}@{name}", self.market, self.book
        kind, _, rest = name.partition("@")
        if kind.startswith("kline_"):
            return self._made_kline(full, kind.removeprefix("kline_"), rest)
        if kind.startswith("depth") and rest in SPEEDS:
            if kind == "depth":
                return DepthStream(market, book, full, SPEEDS[rest])
            depths = [depth for depth in PARTIAL_DEPTHS if kind == f"depth{depth}"]
            if depths:
                payload = partial(partial_payload, market, book, depths[0])
                return Latest(full, SPEEDS[rest], lambda _: book.update_id, lambda _: payload())
        elif not rest:
            return self._made_by_second(full, kind)
        return None

    def _made_kline(self, full: str, interval: str, zone: str) -> Channel | None:
        try:
            zone_s = zone_seconds(zone)
        except ApiError:
            return None
        if interval not in INTERVALS:
            return None
        return KlineStream(full, self.market, self.candles, INTERVALS[interval], zone_s)

    def _made_by_second(self, full: str, kind: str) -> Channel | None:
        match kind:
            case "miniTicker":
                return Latest(full, 10, partial(self.rolling_version, DAY_S), self.mini_payload)
            case "ticker":
                return Latest(full, 10, self.ticker_version, self.ticker_payload)
            case "ticker_1h" | "ticker_4h" | "ticker_1d":
                window = kind.removeprefix("ticker_")
                version = partial(self.rolling_version, WINDOWS_S[window])
                return Latest(full, 10, version, partial(self.rolling_payload, window))
            case "avgPrice":
                return Latest(full, 10, self._average_version, self._average_payload)
            case "referencePrice":
                return Latest(full, 10, lambda _: self.market.reference_ticks, partial(reference_payload, self.market))
            case "beat":
                return Latest(full, 10, lambda now: now, partial(beat_payload, self.market, self.book))
        return None

    # -- what can be asked for

    def best(self) -> Best:
        """Bid price and lots, ask price and lots; zeros where a side is empty."""
        bids, asks = self.book.bids, self.book.asks
        bid, ask = bids.best(), asks.best()
        return bid, bids.lots.get(bid, 0), ask, asks.lots.get(ask, 0)

    def book_ticker(self) -> str:
        market = self.market
        price, qty = market.price, market.qty
        bid, bid_lots, ask, ask_lots = self.best()
        return (
            f'{{"symbol":"{market.symbol}","bidPrice":"{price[bid]}","bidQty":"{qty[bid_lots]}",'
            f'"askPrice":"{price[ask]}","askQty":"{qty[ask_lots]}"}}'
        )

    def depth_json(self, limit: int) -> str:
        return depth_json(self.market, self.book, limit)

    def last_lots(self) -> int:
        """Of the last trade."""
        newest = self.tape.newest(1)
        return newest[0].qty_lots if newest else 0

    def rolling(self, seconds: int, time_ns: int) -> Statistics:
        """The last `seconds`, as far as memory has them."""
        from_s = window_start_s(seconds, time_ns)
        window = self.candles.window(from_s, time_ns // NS + 1)
        return Statistics.of(self.market, window, self.candles.before(from_s), from_s * NS, time_ns)

    def rolling_version(self, seconds: int, time_ns: int) -> object:
        self.candles.catch_up()
        return (self.candles.last_trade_id, window_start_s(seconds, time_ns)) if self.market.last_price_ticks else None

    def ticker_version(self, time_ns: int) -> object:
        return self.rolling_version(DAY_S, time_ns), self.best()

    def ticker_payload(self, time_ns: int) -> Payload:
        return self.rolling(DAY_S, time_ns).ticker(self.best(), self.last_lots())

    def average_window(self, time_ns: int) -> Candle | None:
        now_s = time_ns // NS
        return self.candles.window(now_s - AVERAGE_S + 1, now_s + 1)

    def last_trade_ns(self) -> int:
        newest = self.tape.newest(1)
        return newest[0].time_ns if newest else 0

    def _average_version(self, time_ns: int) -> object:
        window = self.average_window(time_ns)
        traded = (window.first_trade_id, window.last_trade_id) if window is not None else (0, 0)
        return traded if self.market.last_price_ticks else None

    def _average_payload(self, time_ns: int) -> Payload:
        return average_payload(self.market, self.average_window(time_ns), self.last_trade_ns(), time_ns)

    def mini_payload(self, time_ns: int) -> Payload:
        return self.rolling(DAY_S, time_ns).mini()

    def rolling_payload(self, window: str, time_ns: int) -> Payload:
        return self.rolling(WINDOWS_S[window], time_ns).rolling(window)

    def _best_version(self, _time_ns: int) -> object:
        return self.best()

    def _best_payload(self, _time_ns: int) -> Payload:
        market = self.market
        price, qty = market.price, market.qty
        bid, bid_lots, ask, ask_lots = self.best()
        text = (
            f'{{"u":{self.book.update_id},"s":"{market.symbol}","b":"{price[bid]}","B":"{qty[bid_lots]}",'
            f'"a":"{price[ask]}","A":"{qty[ask_lots]}"}}'
        )
        return lambda unit_ns: text


def _trade_payload(fill: Fill) -> Payload:
    market = fill.market
    tail = (
        f'"s":"{market.symbol}","t":{fill.trade_id},"p":"{market.price[fill.price_ticks]}",'
        f'"q":"{market.qty[fill.qty_lots]}",'
    )
    maker = f'"m":{"true" if fill.taker_side else "false"},"M":true}}'
    time_ns = fill.time_ns
    return lambda unit_ns: f'{{"e":"trade","E":{time_ns // unit_ns},{tail}"T":{time_ns // unit_ns},{maker}'


def aggregate_event(aggregate: Aggregate, unit_ns: int) -> str:
    first = aggregate.first
    return (
        f'{{"e":"aggTrade","E":{first.time_ns // unit_ns},"s":"{first.market.symbol}",'
        f"{aggregate_fields(aggregate, unit_ns)}}}"
    )


def aggregate_fields(aggregate: Aggregate, unit_ns: int) -> str:
    """What an aggregate trade has in answers and in events; its number is its first trade's."""
    first = aggregate.first
    market = first.market
    return (
        f'"a":{first.trade_id},"p":"{market.price[first.price_ticks]}","q":"{market.qty[aggregate.qty_lots]}",'
        f'"f":{first.trade_id},"l":{aggregate.last_trade_id},"T":{first.time_ns // unit_ns},'
        f'"m":{"true" if first.taker_side else "false"},"M":true'
    )
