"""How far prices may go: the static band around a reference, and the dynamic one around the last trade."""

from __future__ import annotations

from typing import Any, Final

from engine.book import BUY
from engine.types import BASIS_POINTS, Phase, Reason
from engine.venue import Instrument, Venue

Row = tuple[Any, ...]

BAND_BPS_MAX: Final = 9_999
VOLATILITY_CALL_NS_MAX: Final = 24 * 3600 * 10**9


def band(reference_ticks: int, bps: int) -> tuple[int, int]:
    """The lowest and the highest price that far from the reference."""
    away = reference_ticks * bps
    return reference_ticks - away // BASIS_POINTS, reference_ticks + away // BASIS_POINTS


def is_outside(instrument: Instrument, price_ticks: int) -> bool:
    """Whether a limit lies outside the static band."""
    if not instrument.static_bps or not instrument.reference_ticks:
        return False
    low, high = band(instrument.reference_ticks, instrument.static_bps)
    return not low <= price_ticks <= high


def limit_within(instrument: Instrument, side: int, limit_ticks: int) -> int:
    """How far an order with this limit may trade, as the last trade stands now."""
    price_ticks = instrument.market_price_ticks
    if not instrument.dynamic_bps or not price_ticks:
        return limit_ticks
    low, high = band(price_ticks, instrument.dynamic_bps)
    return min(limit_ticks, high) if side == BUY else max(limit_ticks, low)


def start_volatility_call(venue: Venue, instrument: Instrument) -> None:
    """An order has reached the dynamic band: all meet at one price a little later, and then it goes on as before."""
    ends_ns = venue.time_ns + instrument.volatility_call_ns
    venue.enter(instrument, Phase.VOLATILITY_CALL, ends_ns, instrument.phase)


def set_bands(venue: Venue, row: Row) -> None:
    number, reference_ticks, static_bps, dynamic_bps, volatility_call_ns = row[6], *row[11:15]
    instrument = venue.instrument(number)
    if instrument is None:
        return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
    if (
        not 0 <= reference_ticks <= instrument.terms.price_ticks_max
        or not 0 <= min(static_bps, dynamic_bps) <= max(static_bps, dynamic_bps) <= BAND_BPS_MAX
        or not (dynamic_bps > 0) <= volatility_call_ns <= VOLATILITY_CALL_NS_MAX
    ):
        return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
    instrument.reference_ticks = reference_ticks or instrument.reference_ticks
    instrument.static_bps, instrument.dynamic_bps = static_bps, dynamic_bps
    instrument.volatility_call_ns = volatility_call_ns
    venue.applied(0, number)
