"""What order flow does to a book, in the plainest form."""

from __future__ import annotations

from dataclasses import dataclass

from sortedcontainers import SortedDict

from deedbook.demo.flow import FlowOrder, Op


@dataclass(slots=True)
class RestingOrder:
    order_id: int
    is_buy: bool
    price_ticks: int
    open_lots: int


@dataclass(frozen=True, slots=True)
class Fill:
    maker_order_id: int
    price_ticks: int
    qty_lots: int


class FlowBook:
    """Price, then time. A row that asks for more than there is, like one of an order that is gone, does what it can."""

    def __init__(self) -> None:
        self.orders: dict[int, RestingOrder] = {}
        self._sides: tuple[SortedDict[int, dict[int, RestingOrder]], SortedDict[int, dict[int, RestingOrder]]] = (
            SortedDict(),
            SortedDict(),
        )

    def apply(self, row: FlowOrder) -> list[Fill]:
        """The fills of a TAKE; of a PLACE that crosses, which recorded flow does not hold, none: it rests."""
        if row.op is Op.PLACE:
            order = RestingOrder(row.order_id, row.is_buy, row.price_ticks, row.qty_lots)
            self.orders[row.order_id] = order
            self._sides[row.is_buy].setdefault(row.price_ticks, {})[row.order_id] = order
        elif row.op is Op.TAKE:
            return self._take(row)
        elif (resting := self.orders.get(row.order_id)) is not None:
            self._lower(resting, resting.open_lots if row.op is Op.CANCEL else min(row.qty_lots, resting.open_lots))
        return []

    def best_ticks(self, is_buy: bool) -> int | None:
        """Of the bids or the asks; None where there are none."""
        levels = self._sides[is_buy]
        return levels.peekitem(-1 if is_buy else 0)[0] if levels else None

    def would_cross(self, row: FlowOrder) -> bool:
        best_ticks = self.best_ticks(not row.is_buy)
        if best_ticks is None:
            return False
        return row.price_ticks >= best_ticks if row.is_buy else row.price_ticks <= best_ticks

    def _take(self, row: FlowOrder) -> list[Fill]:
        fills: list[Fill] = []
        left_lots = row.qty_lots
        while left_lots and self.would_cross(row):
            levels = self._sides[not row.is_buy]
            price_ticks, queue = levels.peekitem(0 if row.is_buy else -1)
            maker = next(iter(queue.values()))
            fill_lots = min(left_lots, maker.open_lots)
            fills.append(Fill(maker.order_id, price_ticks, fill_lots))
            self._lower(maker, fill_lots)
            left_lots -= fill_lots
        return fills

    def _lower(self, order: RestingOrder, lots: int) -> None:
        order.open_lots -= lots
        if order.open_lots:
            return
        del self.orders[order.order_id]
        levels = self._sides[order.is_buy]
        del levels[order.price_ticks][order.order_id]
        if not levels[order.price_ticks]:
            del levels[order.price_ticks]
