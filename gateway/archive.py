"""Every market's past, from memory and from the database together.

What was traded is in memory at once, and stays there until the database has it: so an answer has every trade that was
acknowledged, and where the database is away it still has the newest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.candles import KEPT, Candle, by_second, joined
from gateway.history import HistoryAwayError, MarketHistory, Range
from gateway.market_data import MarketFeed
from gateway.orders import Fill, Projected
from gateway.tape import KEPT as TRADES_KEPT
from gateway.times import NS

LOOK_EVERY_S: Final = 2.0
log = logging.getLogger("gateway")


class Archive:
    """`history` is None where there is no database: then memory has all that there is."""

    def __init__(
        self,
        feeds: Mapping[int, MarketFeed],
        history: MarketHistory | None,
        clock: Callable[[], int],
        projected: Projected,
    ) -> None:
        self._feeds = feeds
        self._history = history
        self._clock = clock
        self._projected = projected
        self._joining = asyncio.Lock()

    async def run(self) -> None:
        """Join each market with its past as soon as the database has it, and let go in memory what it has."""
        while True:
            try:
                await self._look()
            except HistoryAwayError as error:
                log.info("the past of the markets waits: %s", error)
            now_s = self._clock() // NS
            for feed in self._feeds.values():
                feed.candles.trim(now_s, self._projected.trade_id)
                feed.tape.trim(self._projected.trade_id)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        if self._history is None:
            return
        for feed in list(self._feeds.values()):
            await self._join(self._history, feed)
        self._projected.trade_id = await self._history.last_trade_id()
        self._projected.seq = await self._history.projected_seq()

    async def trades(self, feed: MarketFeed, rows: Range) -> list[Fill]:
        """The first trades from `from_id` or a start on, or else the last ones. Raises HistoryAwayError."""
        tape, newest = feed.tape, rows.from_id is None and rows.start_time_ns is None
        here = _chosen(tape.after((rows.from_id or 1) - 1), rows, newest=newest)
        if self._history is None or tape.has_all(rows, here, newest=newest):
            return here
        try:
            await self._join(self._history, feed)
            past, last_id = await self._history.market_trades(feed.market.number, rows)
            if last_id < tape.complete_after_id:
                raise HistoryAwayError("trades that are not in memory any more are not in the database yet")
        except HistoryAwayError:
            if newest:
                return here
            raise
        found = {trade.trade_id: trade.fill(feed.market) for trade in past}
        found |= {fill.trade_id: fill for fill in tape.after((rows.from_id or 1) - 1)}
        return _chosen([found[trade_id] for trade_id in sorted(found)], rows, newest=newest)

    async def first_s(self, feed: MarketFeed) -> int | None:
        """The second of a market's first trade. Raises HistoryAwayError."""
        if self._history is not None:
            await self._join(self._history, feed)
        feed.candles.catch_up()
        return feed.candles.first_s

    async def candles(
        self, feed: MarketFeed, width_s: int, bounds_s: Sequence[int], *, newest: bool
    ) -> tuple[list[Candle | None], Candle | None]:
        """The candle of each interval [bounds_s[i], bounds_s[i + 1]), and one that ends with the last trade before.

        bounds_s  n >= 2, ascending, multiples of width_s
        newest    where the database is away, what memory has will do; otherwise HistoryAwayError is raised
        """
        candles, series = feed.candles, feed.candles.series[width_s]
        candles.catch_up()
        stored: dict[int, Candle] = {}
        before = series.before(bounds_s[0])
        try:
            if self._history is not None:
                await self._join(self._history, feed)
                stored, before = await self._older(self._history, feed, width_s, bounds_s)
        except HistoryAwayError:
            if not newest:
                raise
        found: list[Candle | None] = []
        for index, open_s in enumerate(bounds_s[:-1]):
            here = candles.window(max(open_s, series.since_s), bounds_s[index + 1])
            parts = [part for part in (stored.get(open_s), here) if part is not None]
            found.append(joined(parts, open_s))
        return found, before

    async def _older(
        self, history: MarketHistory, feed: MarketFeed, width_s: int, bounds_s: Sequence[int]
    ) -> tuple[dict[int, Candle], Candle | None]:
        """What the database has of intervals that began before memory's, up to there."""
        series = feed.candles.series[width_s]
        while True:
            since_s = series.since_s
            if bounds_s[0] >= since_s:
                return {}, series.before(bounds_s[0])
            bounds = [*(bound for bound in bounds_s if bound < since_s), min(bounds_s[-1], since_s)]
            bounds = bounds if bounds[-1] > bounds[-2] else bounds[:-1]
            stored, before, last_id = await history.candles(feed.market.number, width_s, bounds)
            if last_id < series.older_id:
                raise HistoryAwayError("candles that are not in memory any more are not in the database yet")
            if series.since_s == since_s:
                return {candle.open_s: candle for candle in stored}, before

    async def _join(self, history: MarketHistory, feed: MarketFeed) -> None:
        """Once a market: put what the database has of the recent past before what came since the start."""
        if not feed.is_joined:
            async with self._joining:
                await self._read(history, feed)

    async def _read(self, history: MarketHistory, feed: MarketFeed) -> None:
        if feed.is_joined:
            return
        number, now_s, here = feed.market.number, self._clock() // NS, feed.tape.after(0)
        first_here_s = here[0].time_ns // NS if here else now_s
        first_s = await history.first_trade_s(number)
        trades, last_id = await history.market_trades(number, Range(TRADES_KEPT))
        stored = []
        for width_s, kept in KEPT.items():
            since_s = min(now_s // width_s - kept, first_here_s // width_s) * width_s
            bounds = range(since_s, now_s + 2 * width_s, width_s)
            stored.append((width_s, since_s, await history.candles(number, width_s, bounds)))
        if last_id < feed.tape.complete_after_id:
            raise HistoryAwayError("the database does not have all trades from before the start yet")
        feed.candles.catch_up()
        for width_s, since_s, (rows, before, known_id) in stored:
            older = [before] if before is not None else []
            feed.candles.series[width_s].restart([*older, *rows], since_s, by_second(feed.tape.after(known_id)))
        feed.tape.restart([trade.fill(feed.market) for trade in trades])
        feed.candles.first_s = first_s if first_s is not None else feed.candles.first_s
        feed.is_joined = True


def _chosen(fills: Sequence[Fill], rows: Range, *, newest: bool) -> list[Fill]:
    start_ns, end_ns = rows.start_time_ns or 0, 2**63 if rows.end_time_ns is None else rows.end_time_ns
    inside = [fill for fill in fills if start_ns <= fill.time_ns <= end_ns]
    return inside[-rows.limit :] if newest else inside[: rows.limit]
