"""A market's trades in memory: the newest, and all that the database may not have yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from gateway.history import Range
from gateway.orders import Fill

KEPT: Final = 1_000  # also when the database has them
KEPT_MAX: Final = 100_000  # while the database is away


class Tape:
    """Oldest first. Every trade of the market after `complete_after_id` is here."""

    def __init__(self, complete_after_id: int) -> None:
        self.complete_after_id = complete_after_id
        self._fills: deque[Fill] = deque()
        self.take: Final = self._fills.append

    def __len__(self) -> int:
        return len(self._fills)

    def newest(self, count: int) -> list[Fill]:
        return list(islice(reversed(self._fills), count))[::-1]

    def after(self, trade_id: int) -> list[Fill]:
        """All that are here with a higher number."""
        found = []
        for fill in reversed(self._fills):
            if fill.trade_id <= trade_id:
                break
            found.append(fill)
        return found[::-1]

    def has_all(self, rows: Range, found: Sequence[Fill], *, newest: bool) -> bool:
        """Whether what was found here is all that there is to find."""
        if self.complete_after_id == 0 or (newest and len(found) == rows.limit):
            return True
        if rows.from_id is not None:
            return rows.from_id > self.complete_after_id
        return rows.start_time_ns is not None and bool(self._fills) and self._fills[0].time_ns < rows.start_time_ns

    def restart(self, older: Sequence[Fill]) -> None:
        """Put the newest that the database has before those that are here; fewer than KEPT are all that it has."""
        first_id = self._fills[0].trade_id if self._fills else 2**63
        new = [fill for fill in older if fill.trade_id < first_id]
        self._fills.extendleft(reversed(new))
        self.complete_after_id = older[0].trade_id - 1 if len(older) >= KEPT else 0

    def trim(self, projected_id: int) -> None:
        """Let go what the database has, but the newest; and beyond KEPT_MAX also what it has not."""
        fills = self._fills
        while len(fills) > KEPT and (fills[0].trade_id <= projected_id or len(fills) > KEPT_MAX):
            self.complete_after_id = fills.popleft().trade_id


@dataclass(slots=True)
class Aggregate:
    """Trades of one taker order at one price, next to each other."""

    first: Fill
    last_trade_id: int
    qty_lots: int

    def takes(self, fill: Fill) -> bool:
        """Add the next trade if it belongs here."""
        if fill.taker_order_id != self.first.taker_order_id or fill.price_ticks != self.first.price_ticks:
            return False
        self.last_trade_id = fill.trade_id
        self.qty_lots += fill.qty_lots
        return True


def aggregated(fills: Iterable[Fill]) -> Iterator[Aggregate]:
    """Consecutive trades of a market as aggregates."""
    current: Aggregate | None = None
    for fill in fills:
        if current is None or not current.takes(fill):
            if current is not None:
                yield current
            current = Aggregate(fill, fill.trade_id, fill.qty_lots)
    if current is not None:
        yield current
