"""What the trades of a window come to, as tickers say it: in answers and in streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.candles import Candle
from gateway.channels import Payload
from gateway.decimals import format_units
from gateway.intervals import DAY_S, HOUR_S, MINUTE_S
from gateway.markets import USDC_DECIMALS, Market
from gateway.times import NS

WINDOWS_S: Final = {"1h": HOUR_S, "4h": 4 * HOUR_S, "1d": DAY_S}  # of the rolling streams
AVERAGE_S: Final = 5 * MINUTE_S
PERCENT_DECIMALS: Final = 3
Best = tuple[int, int, int, int]  # bid price and lots, ask price and lots


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one market from `open_ns` to `close_ns`; without a trade its prices are the last one before."""

    market: Market
    candle: Candle
    previous_ticks: int  # of the last trade before the window; the first one's in it where there is none
    open_ns: int
    close_ns: int

    @classmethod
    def of(
        cls, market: Market, window: Candle | None, before: Candle | None, open_ns: int, close_ns: int
    ) -> Statistics:
        if window is None:
            price = before.close_ticks if before is not None else market.last_price_ticks
            window = Candle(open_ns // NS, price, price, price, price, 0, 0, 0, -1, -1, 0, 0)
        previous = before.close_ticks if before is not None else window.open_ticks
        return cls(market, window, previous, open_ns, close_ns)

    # -- values as text

    @property
    def change(self) -> str:
        return self.market.price[self.candle.close_ticks - self.candle.open_ticks]

    @property
    def change_percent(self) -> str:
        opened = self.candle.open_ticks
        change = (self.candle.close_ticks - opened) * 100 * 10**PERCENT_DECIMALS
        rounded = (2 * abs(change) + opened) // (2 * opened) if opened else 0
        return format_units(-rounded if change < 0 else rounded, PERCENT_DECIMALS)

    @property
    def average(self) -> str:
        """USDC a token, by volume."""
        return average_price(self.market, self.candle)

    @property
    def quote(self) -> str:
        return format_units(self.candle.quote_usdc_micros, USDC_DECIMALS)

    # -- answers

    def answer(self, unit_ns: int, best: Best | None, last_lots: int, *, full: bool) -> str:
        """FULL or MINI. `best` is the book's, of the ticker over 24 hours; other windows have none."""
        market, candle = self.market, self.candle
        price, qty = market.price, market.qty
        changes = (
            f'"priceChange":"{self.change}","priceChangePercent":"{self.change_percent}",'
            f'"weightedAvgPrice":"{self.average}",'
        )
        book = ""
        if best is not None:
            book = (
                f'"prevClosePrice":"{price[self.previous_ticks]}","lastQty":"{qty[last_lots]}",'
                f'"bidPrice":"{price[best[0]]}","bidQty":"{qty[best[1]]}",'
                f'"askPrice":"{price[best[2]]}","askQty":"{qty[best[3]]}",'
            )
        return (
            f'{{"symbol":"{market.symbol}",{changes + book if full else ""}'
            f'"openPrice":"{price[candle.open_ticks]}","highPrice":"{price[candle.high_ticks]}",'
            f'"lowPrice":"{price[candle.low_ticks]}","lastPrice":"{price[candle.close_ticks]}",'
            f'"volume":"{qty[candle.qty_lots]}","quoteVolume":"{self.quote}",'
            f'"openTime":{self.open_ns // unit_ns},"closeTime":{self.close_ns // unit_ns},'
            f'"firstId":{candle.first_trade_id},"lastId":{candle.last_trade_id},"count":{candle.trades}}}'
        )

    # -- streams

    def mini(self) -> Payload:
        market, candle = self.market, self.candle
        price, close_ns = market.price, self.close_ns
        tail = (
            f'"s":"{market.symbol}","c":"{price[candle.close_ticks]}","o":"{price[candle.open_ticks]}",'
            f'"h":"{price[candle.high_ticks]}","l":"{price[candle.low_ticks]}",'
            f'"v":"{market.qty[candle.qty_lots]}","q":"{self.quote}"}}'
        )
        return lambda unit_ns: f'{{"e":"24hrMiniTicker","E":{close_ns // unit_ns},{tail}'

    def ticker(self, best: Best, last_lots: int) -> Payload:
        price, qty = self.market.price, self.market.qty
        book = (
            f'"x":"{price[self.previous_ticks]}","Q":"{qty[last_lots]}","b":"{price[best[0]]}","B":"{qty[best[1]]}",'
            f'"a":"{price[best[2]]}","A":"{qty[best[3]]}",'
        )
        return self._changes("24hrTicker", book)

    def rolling(self, window: str) -> Payload:
        return self._changes(f"{window}Ticker", "")

    def _changes(self, kind: str, book: str) -> Payload:
        market, candle = self.market, self.candle
        price, open_ns, close_ns = market.price, self.open_ns, self.close_ns
        middle = (
            f'"s":"{market.symbol}","p":"{self.change}","P":"{self.change_percent}","w":"{self.average}",{book}'
            f'"c":"{price[candle.close_ticks]}","o":"{price[candle.open_ticks]}","h":"{price[candle.high_ticks]}",'
            f'"l":"{price[candle.low_ticks]}","v":"{market.qty[candle.qty_lots]}","q":"{self.quote}"'
        )
        tail = f'"F":{candle.first_trade_id},"L":{candle.last_trade_id},"n":{candle.trades}}}'
        return lambda unit_ns: (
            f'{{"e":"{kind}","E":{close_ns // unit_ns},{middle},'
            f'"O":{open_ns // unit_ns},"C":{close_ns // unit_ns},{tail}'
        )


def average_price(market: Market, candle: Candle | None) -> str:
    """By volume, in whole USDC micros a token; the last price where nothing was traded."""
    if candle is None or not candle.qty_lots:
        return format_units(market.last_price_ticks * market.price.step_units, market.price.decimals)
    return format_units(candle.quote_usdc_micros * 10**market.lot_decimals // candle.qty_lots, USDC_DECIMALS)


def average_payload(market: Market, candle: Candle | None, last_trade_ns: int, time_ns: int) -> Payload:
    average = average_price(market, candle)
    return lambda unit_ns: (
        f'{{"e":"avgPrice","E":{time_ns // unit_ns},"s":"{market.symbol}","i":"{AVERAGE_S // MINUTE_S}m",'
        f'"w":"{average}","T":{last_trade_ns // unit_ns}}}'
    )


def reference_payload(market: Market, time_ns: int) -> Payload:
    """What the static band lies around."""
    price = f'"{market.price[market.reference_ticks]}"' if market.reference_ticks else "null"
    return lambda unit_ns: f'{{"e":"referencePrice","s":"{market.symbol}","r":{price},"t":{time_ns // unit_ns}}}'


Rolling = Callable[[int, int], Statistics]  # takes the window's seconds and the time in ns


def window_start_s(seconds: int, time_ns: int) -> int:
    """A window starts on a whole minute, and so is up to a minute longer than it is called."""
    return (time_ns // NS - seconds) // MINUTE_S * MINUTE_S
