"""A market's trades by time: sums over the intervals of four widths, of which every other window is put together.

Kept in memory from the trades as they come; what is older is in the database, by the same widths.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.orders import Fill
from gateway.times import NS

# Seconds of each width, and how many intervals stay in memory: a rolling day by minutes, and 1,000 of each for charts.
KEPT: Final = {1: 1_200, 60: 1_560, 900: 1_100, 86_400: 1_000}
WIDTHS_S: Final = tuple(KEPT)
KEPT_MAX: Final = 20_000  # of one width, while the database is away


class Candle(msgspec.Struct, gc=False):
    """At least one trade, within the interval that opens at `open_s`, in seconds since 1970 UTC."""

    open_s: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    qty_lots: int
    quote_usdc_micros: int
    trades: int
    first_trade_id: int
    last_trade_id: int
    taker_buy_lots: int
    taker_buy_usdc_micros: int

    def join(self, later: Candle) -> None:
        """Add the trades of a later one."""
        self.high_ticks = max(self.high_ticks, later.high_ticks)
        self.low_ticks = min(self.low_ticks, later.low_ticks)
        self.close_ticks = later.close_ticks
        self.qty_lots += later.qty_lots
        self.quote_usdc_micros += later.quote_usdc_micros
        self.trades += later.trades
        self.last_trade_id = later.last_trade_id
        self.taker_buy_lots += later.taker_buy_lots
        self.taker_buy_usdc_micros += later.taker_buy_usdc_micros


def joined(candles: Iterable[Candle], open_s: int) -> Candle | None:
    """Consecutive candles as one that opens at `open_s`; None where there is none."""
    whole: Candle | None = None
    for candle in candles:
        if whole is None:
            whole = msgspec.structs.replace(candle, open_s=open_s)
        else:
            whole.join(candle)
    return whole


def by_second(fills: Iterable[Fill]) -> list[Candle]:
    """Trades, in order, as candles of one second."""
    candles: list[Candle] = []
    open_s = -1
    for fill in fills:
        second, price, lots, micros = fill.time_ns // NS, fill.price_ticks, fill.qty_lots, fill.notional_usdc_micros
        bought = fill.taker_side == 0
        trade_id = fill.trade_id
        if second != open_s:
            open_s = second
            bought_lots, bought_micros = (lots, micros) if bought else (0, 0)
            candle = Candle(
                second, price, price, price, price, lots, micros, 1, trade_id, trade_id, bought_lots, bought_micros
            )
            candles.append(candle)
            continue
        if price > candle.high_ticks:
            candle.high_ticks = price
        elif price < candle.low_ticks:
            candle.low_ticks = price
        candle.close_ticks = price
        candle.qty_lots += lots
        candle.quote_usdc_micros += micros
        candle.trades += 1
        candle.last_trade_id = trade_id
        if bought:
            candle.taker_buy_lots += lots
            candle.taker_buy_usdc_micros += micros
    return candles


class Series:
    """The candles of one width, by time. All from `since_s` on are here; older ones may be."""

    __slots__ = ("_opens", "candles", "older_id", "since_s", "width_s")

    def __init__(self, width_s: int) -> None:
        self.width_s = width_s
        self.since_s = 0
        self.older_id = 0  # the last trade before `since_s`
        self.candles: list[Candle] = []
        self._opens: list[int] = []

    def add(self, later: Candle) -> None:
        """Trades after all that are here, within one interval."""
        open_s = later.open_s // self.width_s * self.width_s
        if self._opens and self._opens[-1] == open_s:
            self.candles[-1].join(later)
        else:
            self._opens.append(open_s)
            self.candles.append(msgspec.structs.replace(later, open_s=open_s))

    def between(self, from_s: int, to_s: int) -> list[Candle]:
        return self.candles[bisect_left(self._opens, from_s) : bisect_left(self._opens, to_s)]

    def before(self, at_s: int) -> Candle | None:
        """The last one that opened before."""
        index = bisect_left(self._opens, at_s)
        return self.candles[index - 1] if index else None

    def restart(self, stored: Sequence[Candle], since_s: int, later: Iterable[Candle]) -> None:
        """Begin anew: with what the database has since `since_s`, perhaps one before, and the trades after those."""
        self.candles, self._opens = list(stored), [candle.open_s for candle in stored]
        for candle in later:
            self.add(candle)
        older = self.before(since_s)
        self.since_s, self.older_id = since_s, older.last_trade_id if older else 0

    def trim(self, before_s: int, projected_id: int) -> None:
        """Let go what is older and in the database; and beyond KEPT_MAX also what is not."""
        gone = bisect_left(self._opens, before_s)
        while gone and self.candles[gone - 1].last_trade_id > projected_id:
            gone -= 1
        gone = max(gone, len(self.candles) - KEPT_MAX) - 1  # the last one before stays: it has the price to go on from
        if gone > 0:
            self.older_id = self.candles[gone].last_trade_id
            self.since_s = self._opens[gone] + self.width_s
            del self.candles[:gone], self._opens[:gone]


class Candles:
    """One market's, of every width."""

    def __init__(self) -> None:
        self.first_s: int | None = None  # the second of the first trade that is known
        self.last_trade_id = 0
        self.series: Final = {width_s: Series(width_s) for width_s in WIDTHS_S}
        self._new: list[Fill] = []
        self.take: Final = self._new.append

    def catch_up(self) -> None:
        """Add what was taken since the last time."""
        if not self._new:
            return
        seconds = by_second(self._new)
        self._new.clear()
        self.last_trade_id = seconds[-1].last_trade_id
        if self.first_s is None:
            self.first_s = seconds[0].open_s
        for series in self.series.values():
            for second in seconds:
                series.add(second)

    def window(self, from_s: int, to_s: int) -> Candle | None:
        """All trades in [from_s, to_s) as one candle, as far as they are here."""
        self.catch_up()
        return joined(self._pieces(from_s, to_s, len(WIDTHS_S) - 1), from_s)

    def before(self, at_s: int) -> Candle | None:
        """A candle that ends with the last trade before a whole minute; None where it is not here."""
        self.catch_up()
        return self.series[60].before(at_s)

    def trim(self, now_s: int, projected_id: int) -> None:
        self.catch_up()
        for width_s, series in self.series.items():
            series.trim((now_s // width_s - KEPT[width_s]) * width_s, projected_id)

    def _pieces(self, from_s: int, to_s: int, index: int) -> list[Candle]:
        """Candles that cover a window: the widest that fit in its middle, narrower ones at its edges."""
        series = self.series[WIDTHS_S[index]]
        if index == 0:
            return series.between(from_s, to_s)
        inner_from, inner_to = -(-from_s // series.width_s) * series.width_s, to_s // series.width_s * series.width_s
        if inner_from >= inner_to:
            return self._pieces(from_s, to_s, index - 1)
        return [
            *self._pieces(from_s, inner_from, index - 1),
            *series.between(inner_from, inner_to),
            *self._pieces(inner_to, to_s, index - 1),
        ]
