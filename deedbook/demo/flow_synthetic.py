"""Order flow that is made up: what stands in where nobody has recorded any."""

from __future__ import annotations

from random import Random
from typing import Final

from deedbook.demo.flow import FlowOrder, Op
from deedbook.demo.flow_book import FlowBook, RestingOrder

START_NS: Final = 9 * 3600 * 10**9  # nine in the morning
GAP_NS_MEAN: Final = 40_000_000
MIDDLE_TICKS: Final = 10_000
DEPTH_TICKS: Final = 40
QTY_LOTS_MAX: Final = 300
SEED_ORDERS: Final = 20  # that open the book, at one time
TAKE_IDS_FROM: Final = 2_000_000_000


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._book = FlowBook()
        self._time_ns = START_NS
        self._middle_ticks = MIDDLE_TICKS
        self._ids = 0

    def rows(self, events: int) -> list[FlowOrder]:
        rows: list[FlowOrder] = []
        for number in range(events):
            if number >= SEED_ORDERS:
                self._time_ns += 1 + int(self._random.expovariate(1 / GAP_NS_MEAN))
            row = self._place() if number < SEED_ORDERS else self._any()
            self._book.apply(row)
            rows.append(row)
        return rows

    def _any(self) -> FlowOrder:
        random = self._random
        self._middle_ticks = max(self._middle_ticks + random.choice((-1, 0, 0, 1)), 2 * DEPTH_TICKS)
        kind = random.choices((Op.PLACE, Op.CANCEL, Op.TAKE, Op.REDUCE), (52, 38, 8, 2))[0]
        resting = list(self._book.orders.values()) if kind is not Op.PLACE else []
        if not resting:
            return self._place()
        if kind is Op.TAKE:
            return self._take(random.random() < 0.5) or self._place()
        order = random.choice(resting)
        if kind is Op.REDUCE and order.open_lots > 1:
            return self._row(Op.REDUCE, order, random.randint(1, order.open_lots - 1))
        return self._row(Op.CANCEL, order, order.open_lots)

    def _place(self) -> FlowOrder:
        """One that rests: just outside the other side's best where it would cross."""
        random, self._ids = self._random, self._ids + 1
        is_buy = random.random() < 0.5
        away_ticks = random.randint(1, DEPTH_TICKS)
        price_ticks = self._middle_ticks - away_ticks if is_buy else self._middle_ticks + away_ticks
        other_ticks = self._book.best_ticks(not is_buy)
        if other_ticks is not None:
            price_ticks = min(price_ticks, other_ticks - 1) if is_buy else max(price_ticks, other_ticks + 1)
        return FlowOrder(self._time_ns, Op.PLACE, self._ids, is_buy, price_ticks, random.randint(1, QTY_LOTS_MAX))

    def _take(self, is_buy: bool) -> FlowOrder | None:
        """A whole take at the best price; None where nothing rests there."""
        best_ticks = self._book.best_ticks(not is_buy)
        if best_ticks is None:
            return None
        self._ids += 1
        best_lots = sum(order.open_lots for order in self._book.orders.values() if order.price_ticks == best_ticks)
        lots = self._random.randint(1, best_lots)
        return FlowOrder(self._time_ns, Op.TAKE, TAKE_IDS_FROM + self._ids, is_buy, best_ticks, lots)

    def _row(self, op: Op, order: RestingOrder, lots: int) -> FlowOrder:
        return FlowOrder(self._time_ns, op, order.order_id, order.is_buy, order.price_ticks, lots)


def synthetic_flow(seed: int, events: int) -> list[FlowOrder]:
    """Rows as a recording has them: what rests never crosses, and every take fills whole.

    The same seed gives the same rows, and fewer events the first of them.
    """
    return _Maker(seed).rows(events)
