"""What anyone may ask about the trades of a market: now, by time, and added up. Times are in the unit asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from engine.types import INT64_MAX
from gateway import errors
from gateway import messages as m
from gateway.archive import Archive
from gateway.candles import Candle
from gateway.errors import ApiError
from gateway.history import HistoryAwayError, Range
from gateway.intervals import DAY_S, INTERVALS, MINUTE_S, interval_of, window_seconds, zone_seconds
from gateway.klines import base_width_s, flat, row
from gateway.market_data import MarketFeed, aggregate_fields
from gateway.orders import Fill
from gateway.public import PublicQueries, bounded
from gateway.reports import Reports
from gateway.statistics import AVERAGE_S, Best, Statistics, average_price, window_start_s
from gateway.tape import aggregated
from gateway.times import NS, time_end_ns, time_ns

ROWS_DEFAULT: Final = 500
ROWS_MAX: Final = 1_000
SYMBOLS_MAX: Final = 100
AGGREGATES_READ_MAX: Final = 20  # times that trades are read for one answer


class MarketQueries:
    """Each answer is JSON text; ApiError where there is none."""

    def __init__(self, public: PublicQueries, archive: Archive, reports: Mapping[int, Reports]) -> None:
        self._public = public
        self._archive = archive
        self._reports = reports

    # -- trades

    def trades(self, params: m.Trades, unit_ns: int) -> str:
        limit = bounded(params.limit, ROWS_DEFAULT, ROWS_MAX)
        return self._trades_json(self._public.feed(params.symbol).tape.newest(limit), unit_ns)

    async def historical_trades(self, params: m.HistoricalTrades, unit_ns: int) -> str:
        rows = Range(bounded(params.limit, ROWS_DEFAULT, ROWS_MAX), _from_id(params))
        return self._trades_json(await self._past(self._public.feed(params.symbol), rows), unit_ns)

    async def aggregate_trades(self, params: m.AggregateTrades, unit_ns: int) -> str:
        feed = self._public.feed(params.symbol)
        limit = bounded(params.limit, ROWS_DEFAULT, ROWS_MAX)
        start_ns = None if params.start_time is None else time_ns("startTime", params.start_time)
        end_ns = None if params.end_time is None else time_end_ns("endTime", params.end_time)
        newest = params.from_id is None and start_ns is None
        fills: list[Fill] = []
        from_id = _from_id(params)
        for _ in range(AGGREGATES_READ_MAX):
            found = await self._past(feed, Range(ROWS_MAX, from_id, None, start_ns, end_ns))
            fills = found if newest else fills + found
            rows = list(aggregated(fills))
            if newest or len(found) < ROWS_MAX or len(rows) > limit:
                break
            from_id = fills[-1].trade_id + 1
        chosen = rows[-limit:] if newest else rows[:limit]
        return _array(f"{{{aggregate_fields(aggregate, unit_ns)}}}" for aggregate in chosen)

    def _trades_json(self, fills: Iterable[Fill], unit_ns: int) -> str:
        return _array(self._reports[unit_ns].trade_public(fill) for fill in fills)

    async def _past(self, feed: MarketFeed, rows: Range) -> list[Fill]:
        try:
            return await self._archive.trades(feed, rows)
        except HistoryAwayError:
            raise errors.away() from None

    # -- candlesticks

    async def klines(self, params: m.Klines, now_ns: int, unit_ns: int) -> str:
        feed, interval, zone_s = (
            self._public.feed(params.symbol),
            interval_of(params.interval),
            zone_seconds(params.time_zone),
        )
        limit = bounded(params.limit, ROWS_DEFAULT, ROWS_MAX)
        now_s = now_ns // NS
        end_s = now_s if params.end_time is None else min(now_s, time_ns("endTime", params.end_time) // NS)
        if params.start_time is None:
            bounds_s = interval.until(end_s, zone_s, limit)
        else:
            start_s = -(-time_ns("startTime", params.start_time) // NS)
            first_s = await self._first_s(feed)
            if first_s is None:
                return "[]"
            bounds_s = interval.from_start(max(start_s, interval.open_s(first_s, zone_s)), end_s, zone_s, limit)
            if not bounds_s:
                return "[]"
        width_s = base_width_s(interval, zone_s)
        found, before = await self._candles(feed, width_s, bounds_s, newest=params.start_time is None)
        return _klines_json(feed, found, before, bounds_s, unit_ns)

    async def _first_s(self, feed: MarketFeed) -> int | None:
        try:
            return await self._archive.first_s(feed)
        except HistoryAwayError:
            raise errors.away() from None

    async def _candles(
        self, feed: MarketFeed, width_s: int, bounds_s: Sequence[int], *, newest: bool
    ) -> tuple[list[Candle | None], Candle | None]:
        try:
            return await self._archive.candles(feed, width_s, bounds_s, newest=newest)
        except HistoryAwayError:
            raise errors.away() from None

    # -- statistics

    def average(self, params: m.OneSymbol, now_ns: int, unit_ns: int) -> str:
        feed = self._public.feed(params.symbol)
        price = average_price(feed.market, feed.average_window(now_ns))
        return f'{{"mins":{AVERAGE_S // MINUTE_S},"price":"{price}","closeTime":{feed.last_trade_ns() // unit_ns}}}'

    async def day(self, params: m.DayTicker, now_ns: int, unit_ns: int) -> str:
        """The last 24 hours, with the best prices."""

        async def statistics(feed: MarketFeed) -> Statistics:
            return await self._window(feed, window_start_s(DAY_S, now_ns), now_ns, now_ns)

        return await self._tickers(params, statistics, unit_ns, with_book=True)

    async def rolling(self, params: m.RollingTicker, now_ns: int, unit_ns: int) -> str:
        from_s = window_start_s(window_seconds(params.window_size), now_ns)

        async def statistics(feed: MarketFeed) -> Statistics:
            return await self._window(feed, from_s, now_ns, now_ns)

        return await self._tickers(_some(params), statistics, unit_ns)

    async def trading_day(self, params: m.TradingDayTicker, now_ns: int, unit_ns: int) -> str:
        zone_s = zone_seconds(params.time_zone)
        from_s = INTERVALS["1d"].open_s(now_ns // NS, zone_s)

        async def statistics(feed: MarketFeed) -> Statistics:
            return await self._window(feed, from_s, now_ns, (from_s + DAY_S) * NS - unit_ns)

        return await self._tickers(_some(params), statistics, unit_ns)

    async def _window(self, feed: MarketFeed, from_s: int, now_ns: int, close_ns: int) -> Statistics:
        """`from_s` is a whole minute."""
        bounds_s = [from_s, (now_ns // NS // MINUTE_S + 1) * MINUTE_S]
        (window,), before = await self._candles(feed, MINUTE_S, bounds_s, newest=True)
        return Statistics.of(feed.market, window, before, from_s * NS, close_ns)

    async def _tickers(
        self,
        params: m.DayTicker,
        statistics: Callable[[MarketFeed], Coroutine[Any, Any, Statistics]],
        unit_ns: int,
        *,
        with_book: bool = False,
    ) -> str:
        texts = []
        for feed in self._public.feeds(params):
            best: Best | None = feed.best() if with_book else None
            text = (await statistics(feed)).answer(unit_ns, best, feed.last_lots(), full=params.type != "MINI")
            texts.append(text)
        return texts[0] if params.symbol is not None else _array(texts)


def _from_id(params: m.HistoricalTrades) -> int | None:
    if params.from_id is not None and not 0 <= params.from_id <= INT64_MAX:
        raise m.illegal("fromId")
    return params.from_id


def day_weight(params: m.DayTicker) -> int:
    if params.symbol is not None:
        return 2
    if params.symbols is None or len(params.symbols) > SYMBOLS_MAX:
        return 80
    return 2 if len(params.symbols) <= 20 else 40


def window_weight(params: m.DayTicker) -> int:
    return min(200, 4 * (1 if params.symbols is None else len(params.symbols)))


def _some(params: m.DayTicker) -> m.DayTicker:
    """These routes answer for markets that are named only."""
    if params.symbol is None and params.symbols is None:
        raise errors.mandatory("symbol")
    if params.symbols is not None and len(params.symbols) > SYMBOLS_MAX:
        raise ApiError(errors.INVALID_PARAMETER, f"More than {SYMBOLS_MAX} symbols.")
    return params


def _klines_json(
    feed: MarketFeed, found: Sequence[Candle | None], before: Candle | None, bounds_s: Sequence[int], unit_ns: int
) -> str:
    """From the first trade on; an interval without one stays at the last price."""
    market, rows = feed.market, []
    price = before.close_ticks if before is not None else 0
    for candle, (open_s, next_s) in zip(found, pairwise(bounds_s), strict=True):
        if candle is None and not price:
            continue
        shown = candle or flat(open_s, price)
        price = shown.close_ticks
        rows.append(row(market, shown, next_s, unit_ns))
    return _array(rows)


def _array(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"
