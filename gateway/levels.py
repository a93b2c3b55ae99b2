"""One instrument's book by price level, rebuilt from the engine's events."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush, nlargest, nsmallest
from typing import Final

from engine.types import Side

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
HEAP_SLACK: Final = 64


class Levels:
    """One side: open lots by price, and the best price.

    The best price is the top of a heap of prices, signed so that the best is the least; a level that is gone leaves its
    price there until it comes to the top, and the heap is made anew when most of it is such leftovers.
    """

    __slots__ = ("_heap", "_sign", "lots")

    def __init__(self, side: int) -> None:
        self.lots: dict[int, int] = {}
        self._heap: list[int] = []
        self._sign = -1 if side == BUY else 1

    def add(self, price_ticks: int, qty_lots: int) -> None:
        """More lots at a price, or fewer (negative)."""
        lots = self.lots
        before = lots.get(price_ticks)
        if before is None:
            assert qty_lots > 0, "lots leave a level that is not there"
            lots[price_ticks] = qty_lots
            heappush(self._heap, self._sign * price_ticks)
            if len(self._heap) > 2 * len(lots) + HEAP_SLACK:
                self._heap = [self._sign * price for price in lots]
                heapify(self._heap)
            return
        after = before + qty_lots
        assert after >= 0, "a level has fewer lots than leave it"
        if after:
            lots[price_ticks] = after
        else:
            del lots[price_ticks]

    def best(self) -> int:
        """The best price, or 0 where the side is empty."""
        heap, lots, sign = self._heap, self.lots, self._sign
        while heap:
            price_ticks = sign * heap[0]
            if price_ticks in lots:
                return price_ticks
            heappop(heap)
        return 0

    def top(self, count: int) -> list[int]:
        """The best prices, best first."""
        if count >= len(self.lots):
            return sorted(self.lots, reverse=self._sign < 0)
        return nlargest(count, self.lots) if self._sign < 0 else nsmallest(count, self.lots)


class LevelBook:
    """Both sides and the update id: what Binance calls the order book."""

    __slots__ = ("asks", "bids", "update_id")

    def __init__(self, update_id: int = 0) -> None:
        self.bids = Levels(BUY)
        self.asks = Levels(SELL)
        self.update_id = update_id

    def side(self, side: int) -> Levels:
        return self.asks if side else self.bids

    def quantities(self, side: int, prices_ticks: Iterable[int]) -> list[tuple[int, int]]:
        """Price and open lots of each; 0 lots where the level is gone."""
        lots = self.side(side).lots
        return [(price_ticks, lots.get(price_ticks, 0)) for price_ticks in prices_ticks]
