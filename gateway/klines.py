"""Candlesticks as clients read them: rows of an answer, and the stream of the current one."""

from __future__ import annotations

from typing import Final

from gateway.candles import WIDTHS_S, Candle, Candles
from gateway.channels import Latest, Payload, StreamMessage
from gateway.decimals import format_units
from gateway.intervals import Interval
from gateway.markets import USDC_DECIMALS, Market
from gateway.times import NS

TICKS: Final = 20  # tenths of a second between two events of a stream
TICKS_OF_SECONDS: Final = 10
CLOSES_AFTER_NS: Final = NS // 10  # a trade is told when it is durable: a moment after its time


def base_width_s(interval: Interval, zone_s: int) -> int:
    """The widest stored candles of which the interval's can be made in that time zone."""
    seconds = interval.seconds or WIDTHS_S[-1]
    return next(width_s for width_s in reversed(WIDTHS_S) if seconds % width_s == 0 and zone_s % width_s == 0)


def flat(open_s: int, price_ticks: int) -> Candle:
    """An interval without a trade."""
    return Candle(open_s, price_ticks, price_ticks, price_ticks, price_ticks, 0, 0, 0, -1, -1, 0, 0)


def row(market: Market, candle: Candle, next_s: int, unit_ns: int) -> str:
    price, qty = market.price, market.qty
    return (
        f'[{candle.open_s * NS // unit_ns},"{price[candle.open_ticks]}","{price[candle.high_ticks]}",'
        f'"{price[candle.low_ticks]}","{price[candle.close_ticks]}","{qty[candle.qty_lots]}",'
        f'{next_s * NS // unit_ns - 1},"{format_units(candle.quote_usdc_micros, USDC_DECIMALS)}",{candle.trades},'
        f'"{qty[candle.taker_buy_lots]}","{format_units(candle.taker_buy_usdc_micros, USDC_DECIMALS)}","0"]'
    )


class KlineStream(Latest):
    """The current candlestick as it grows, and each one's end (`x` is true)."""

    def __init__(self, name: str, market: Market, candles: Candles, interval: Interval, zone_s: int) -> None:
        ticks = TICKS_OF_SECONDS if interval.seconds == 1 else TICKS
        super().__init__(name, ticks, self._current, lambda time_ns: self._event(self._open_s, time_ns, closed=False))
        self._market = market
        self._candles = candles
        self._interval = interval
        self._zone_s = zone_s
        self._open_s = 0  # 0: nobody has listened yet
        self._ended: tuple[int, int] | None = None  # the last one that ended: its opening, and its last trade as told

    def publish(self, time_ns: int) -> None:
        open_s = self._interval.open_s((time_ns - CLOSES_AFTER_NS) // NS, self._zone_s)
        if self._open_s and open_s > self._open_s:
            self._ended = (self._open_s, -2)
        self._open_s = open_s
        if self._ended is not None:
            ended_s, told_id = self._ended
            kline = self._kline(ended_s)
            last_id = kline.last_trade_id
            if last_id != told_id and kline.open_ticks:  # it ended, or a trade of its time was told after that
                self._ended = (ended_s, last_id)
                message = StreamMessage(self.name, self._event(ended_s, time_ns, closed=True))
                self.spread(message, list(self.subscribers))
        super().publish(time_ns)

    def _current(self, _time_ns: int) -> object:
        kline = self._kline(self._open_s)
        return (self._open_s, kline.last_trade_id) if kline.open_ticks else None

    def _kline(self, open_s: int) -> Candle:
        kline = self._candles.window(open_s, self._interval.next_s(open_s, self._zone_s))
        if kline is not None:
            return kline
        before = self._candles.series[base_width_s(self._interval, self._zone_s)].before(open_s)
        if before is not None:
            return flat(open_s, before.close_ticks)
        return flat(open_s, 0 if self._candles.last_trade_id else self._market.last_price_ticks)

    def _event(self, open_s: int, time_ns: int, *, closed: bool) -> Payload:
        market, kline, next_s = self._market, self._kline(open_s), self._interval.next_s(open_s, self._zone_s)
        price, qty = market.price, market.qty
        tail = (
            f'"s":"{market.symbol}","i":"{self._interval.name}","f":{kline.first_trade_id},"L":{kline.last_trade_id},'
            f'"o":"{price[kline.open_ticks]}","c":"{price[kline.close_ticks]}","h":"{price[kline.high_ticks]}",'
            f'"l":"{price[kline.low_ticks]}","v":"{qty[kline.qty_lots]}","n":{kline.trades},'
            f'"x":{"true" if closed else "false"},"q":"{format_units(kline.quote_usdc_micros, USDC_DECIMALS)}",'
            f'"V":"{qty[kline.taker_buy_lots]}",'
            f'"Q":"{format_units(kline.taker_buy_usdc_micros, USDC_DECIMALS)}","B":"0"}}}}'
        )
        return lambda unit_ns: (
            f'{{"e":"kline","E":{time_ns // unit_ns},"s":"{market.symbol}","k":{{"t":{open_s * NS // unit_ns},'
            f'"T":{next_s * NS // unit_ns - 1},{tail}'
        )
