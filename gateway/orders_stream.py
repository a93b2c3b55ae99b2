"""Every resting order of a book, without names, and its place in the queue: the stream `<symbol>@l3`.

An order is told by its rank: at one price the lower one comes first. Most orders' is their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from engine.types import Side
from gateway.channels import Events, Payload, StreamMessage, Subscriber
from gateway.levels import LevelBook
from gateway.markets import Market

BUY: Final = int(Side.BUY)
SIDES: Final = ("B", "S")
SNAPSHOT_ORDERS_MAX: Final = 5_000  # a side, best first
RestingOrder = tuple[int, int, int, int]  # rank, side, price in ticks, open lots


class OrdersStream(Events):
    """A snapshot to each who comes, then what changes. It costs nothing while nobody listens.

    resting   the market's open orders
    """

    def __init__(
        self, name: str, market: Market, book: LevelBook, resting: Callable[[], Iterable[RestingOrder]]
    ) -> None:
        super().__init__(name)
        self._market = market
        self._book = book
        self._resting = resting
        self._lots: tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]] = ({}, {})  # by price, by rank
        self._changes: list[str] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        if not self.subscribers:
            self._lots = ({}, {})
            self._changes.clear()
            for rank, side, price_ticks, lots in sorted(self._resting()):
                self._lots[side].setdefault(price_ticks, {})[rank] = lots
        super().subscribe(subscriber)
        subscriber.send_stream(StreamMessage(self.name, self._snapshot()))

    def change(self, rank: int, side: int, price_ticks: int, lots: int) -> None:
        """Lots of an order came to the book, or left it (negative)."""
        market, levels = self._market, self._lots[side]
        level = levels.setdefault(price_ticks, {})
        before = level.get(rank, 0)
        after = before + lots
        if not before:
            ahead = sum(level.values())
            level[rank] = after
            self._changes.append(
                f'["A",{rank},"{SIDES[side]}","{market.price[price_ticks]}","{market.qty[after]}",'
                f'"{market.qty[ahead]}"]'
            )
        elif after:
            level[rank] = after
            self._changes.append(f'["M",{rank},"{market.qty[after]}"]')
        else:
            del level[rank]
            if not level:
                del levels[price_ticks]
            self._changes.append(f'["D",{rank}]')

    def publish(self, time_ns: int) -> None:
        if self._changes:
            self.add(self._event(time_ns, "l3", f'"c":[{",".join(self._changes)}]'))
            self._changes.clear()
        super().publish(time_ns)

    def _snapshot(self) -> Payload:
        market = self._market
        sides = []
        for side in (self._book.bids, self._book.asks):
            number = 0 if side is self._book.bids else 1
            rows: list[str] = []
            for price_ticks in side.top(SNAPSHOT_ORDERS_MAX):
                if len(rows) >= SNAPSHOT_ORDERS_MAX:
                    break
                level = self._lots[number][price_ticks]
                rows += [f'[{rank},"{market.price[price_ticks]}","{market.qty[lots]}"]' for rank, lots in level.items()]
            sides.append(",".join(rows[:SNAPSHOT_ORDERS_MAX]))
        return self._event(0, "l3Snapshot", f'"bids":[{sides[0]}],"asks":[{sides[1]}]')

    def _event(self, time_ns: int, kind: str, body: str) -> Payload:
        tail = f'"s":"{self._market.symbol}","u":{self._book.update_id},{body}}}'
        return lambda unit_ns: f'{{"e":"{kind}","E":{time_ns // unit_ns},{tail}'
