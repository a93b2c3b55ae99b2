"""The streams of a book's levels: differences, and a checksum by which whoever follows them knows that it is right.

A depth event's `U` is always the last one's `u` + 1, for every subscriber: also for one that was too slow, who gets the
changes it missed as one event (a level's quantity is absolute, so changes merge exactly).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from engine.types import Side
from gateway.channels import Payload, Spread, StreamMessage, Subscriber, at_once
from gateway.levels import LevelBook
from gateway.markets import Market

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
MISSED_LEVELS_MAX: Final = 20_000  # changes kept for a subscriber that does not read; beyond, it is disconnected
CHECKSUM_LEVELS: Final = 10
GONE: Final = "0.00000000"  # a level that is gone: some clients look for these very zeros


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
    """What changed since the last tick, to everyone."""

    def __init__(self, market: Market, book: LevelBook, name: str, ticks: int) -> None:
        self._market = market
        self._book = book
        self.name = name
        self.ticks: Final = ticks
        self.spread: Spread = at_once
        self.subscribers: dict[Subscriber, Changes | None] = {}  # with what each has missed
        self.changes = Changes(book.update_id + 1)

    @property
    def is_used(self) -> bool:
        return bool(self.subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        if not self.subscribers:
            self.changes = Changes(self._book.update_id + 1)
        self.subscribers[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.subscribers.pop(subscriber, None)

    def publish(self, time_ns: int) -> None:
        """Send one event for all that changed since the last call; nothing where nothing did."""
        changes, last = self.changes, self._book.update_id
        self.changes = Changes(last + 1)
        news = last >= changes.first_update_id
        message = self._message(changes, last, time_ns) if news else None
        ready = []
        for subscriber, missed in list(self.subscribers.items()):
            if subscriber.paused:
                if news:
                    self._miss(subscriber, missed, changes)
            elif missed is not None:
                missed.merge(changes)
                self.subscribers[subscriber] = None
                self.spread(self._message(missed, last, time_ns), [subscriber])
            else:
                ready.append(subscriber)
        if message is not None and ready:
            self.spread(message, ready)

    def _miss(self, subscriber: Subscriber, missed: Changes | None, changes: Changes) -> None:
        if missed is None:
            missed = self.subscribers[subscriber] = Changes(changes.first_update_id)
        missed.merge(changes)
        if len(missed) > MISSED_LEVELS_MAX:
            subscriber.drop("too slow: it missed more of the book than is kept for it")

    def _message(self, changes: Changes, last: int, time_ns: int) -> StreamMessage:
        market, book = self._market, self._book
        tail = (
            f'"s":"{market.symbol}","U":{changes.first_update_id},"u":{last},'
            f'"b":{levels_json(market, book.quantities(BUY, sorted(changes.bids, reverse=True)))},'
            f'"a":{levels_json(market, book.quantities(SELL, sorted(changes.asks)))}}}'
        )
        return StreamMessage(self.name, lambda unit_ns: f'{{"e":"depthUpdate","E":{time_ns // unit_ns},{tail}')


def depth_json(market: Market, book: LevelBook, limit: int) -> str:
    """The snapshot: at most `limit` levels a side, best first."""
    return (
        f'{{"lastUpdateId":{book.update_id},'
        f'"bids":{levels_json(market, book.quantities(BUY, book.bids.top(limit)))},'
        f'"asks":{levels_json(market, book.quantities(SELL, book.asks.top(limit)))}}}'
    )


def partial_payload(market: Market, book: LevelBook, limit: int) -> Payload:
    text = depth_json(market, book, limit)
    return lambda unit_ns: text


def levels_json(market: Market, levels: list[tuple[int, int]]) -> str:
    price, qty = market.price, market.qty
    return "[" + ",".join([f'["{price[ticks]}","{qty[lots] if lots else GONE}"]' for ticks, lots in levels]) + "]"


def checksum(market: Market, book: LevelBook) -> int:
    """CRC-32 of the ten best bids and the ten best asks: `price:quantity` as in a snapshot, joined by `,`, the two
    sides joined by `|`."""
    price, qty = market.price, market.qty
    sides = (
        ",".join([f"{price[ticks]}:{qty[lots]}" for ticks, lots in book.quantities(number, side.top(CHECKSUM_LEVELS))])
        for number, side in ((BUY, book.bids), (SELL, book.asks))
    )
    return crc32("|".join(sides).encode())


def beat_payload(market: Market, book: LevelBook, time_ns: int) -> Payload:
    """The venue lives, and the book stands so: also where nothing happens in it."""
    tail = f'"s":"{market.symbol}","u":{book.update_id},"c":{checksum(market, book)}}}'
    return lambda unit_ns: f'{{"e":"beat","E":{time_ns // unit_ns},{tail}'
