"""Orders that wait for the last trade's price, and which of them it has reached."""

from __future__ import annotations

from sortedcontainers import SortedList

from engine.book import Order, must_rise


class Stops:
    """One instrument's. The first is the one that a moving price reaches first, and of one price the oldest."""

    __slots__ = ("_falling", "_rising")

    def __init__(self) -> None:
        self._rising: SortedList[tuple[int, int]] = SortedList()  # price and order id
        self._falling: SortedList[tuple[int, int]] = SortedList()  # negative price and order id

    def __bool__(self) -> bool:
        return bool(self._rising or self._falling)

    def add(self, order: Order) -> None:
        if must_rise(order.side, order.order_type):
            self._rising.add((order.stop_ticks, order.order_id))
        else:
            self._falling.add((-order.stop_ticks, order.order_id))

    def remove(self, order: Order) -> None:
        if must_rise(order.side, order.order_type):
            self._rising.remove((order.stop_ticks, order.order_id))
        else:
            self._falling.remove((-order.stop_ticks, order.order_id))

    def falling(self) -> list[int]:
        """The order ids of those that wait for a fall, in the order in which one would reach them."""
        return [order_id for _, order_id in self._falling]

    def reached(self, price_ticks: int) -> int:
        """The order id of the next one at this price of the last trade, or 0; those that it rises to come first."""
        if not price_ticks:
            return 0
        for stops, key in ((self._rising, price_ticks), (self._falling, -price_ticks)):
            if stops and stops[0][0] <= key:
                order_id: int = stops[0][1]
                return order_id
        return 0
