"""An instrument as a client learns it from the trading API, and its numbers as decimal strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: str = ""
    step_size: str = ""


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    base_asset: str
    filters: list[_Filter]


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


@dataclass(frozen=True, slots=True)
class Instrument:
    """Integers inside, decimals on the wire: a price of n ticks is n * tick_units / 10**price_decimals USDC a token."""

    symbol: str
    base: str
    tick_units: int
    price_decimals: int
    lot_units: int
    qty_decimals: int

    def price(self, price_ticks: int) -> str:
        return _decimal(price_ticks * self.tick_units, self.price_decimals)

    def qty(self, qty_lots: int) -> str:
        return _decimal(qty_lots * self.lot_units, self.qty_decimals)

    def lots(self, qty: str) -> int:
        """A quantity as the exchange writes it; it is always on the grid."""
        lots, rest = divmod(_units(qty, self.qty_decimals), self.lot_units)
        assert rest == 0, f"{qty} {self.base} is no whole number of lots"
        return lots

    @property
    def tick_value_usdc_micros(self) -> int:
        """Micros that one tick on one lot is worth; an exchange's is always a whole number."""
        units_a_usdc: int = 10 ** (self.price_decimals + self.qty_decimals)
        micros, rest = divmod(self.tick_units * self.lot_units * 10**6, units_a_usdc)
        assert rest == 0, f"{self.symbol} has a tick value below one micro"
        return micros


def instruments(exchange_info: bytes | msgspec.Raw) -> Sequence[Instrument]:
    """What an `exchangeInfo` answer lists, in its order."""
    return [_instrument(symbol) for symbol in msgspec.json.decode(exchange_info, type=_ExchangeInfo).symbols]


def usdc(micros: int) -> str:
    return _decimal(micros, 6)


def usdc_micros(amount: str) -> int:
    return _units(amount, 6)


def _instrument(symbol: _Symbol) -> Instrument:
    filters = {each.filter_type: each for each in symbol.filters}
    tick, step = filters["PRICE_FILTER"].tick_size, filters["LOT_SIZE"].step_size
    tick_decimals, step_decimals = (len(text.partition(".")[2]) for text in (tick, step))
    return Instrument(
        symbol.symbol,
        symbol.base_asset,
        _units(tick, tick_decimals),
        tick_decimals,
        _units(step, step_decimals),
        step_decimals,
    )


def _units(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    assert len(fraction) <= decimals, f"the exchange wrote {text}"
    return int(whole + fraction.ljust(decimals, "0"))


def _decimal(units: int, decimals: int) -> str:
    if decimals == 0:
        return str(units)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"
