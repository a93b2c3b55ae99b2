"""An ex-date: from its seq on a buyer does not get a dividend, and orders are lowered by what the price loses with it.

Which orders, and the rounding, are those of FINRA Rule 5330.
"""

from __future__ import annotations

from typing import Any, Final

from engine.book import BUY, Order, must_rise
from engine.lists import held_for
from engine.types import EX_DATES_KEPT_MAX, EventKind, Reason
from engine.venue import Instrument, Venue

Row = tuple[Any, ...]

REPRICED: Final = int(EventKind.REPRICED)
WENT_EX: Final = int(EventKind.WENT_EX)


def ex_date(venue: Venue, row: Row) -> None:
    """Bids and stops that wait for a fall: those are what a price that is lower for the dividend alone would reach."""
    number, usdc_micros_per_lot, dividend = row[6], row[11], row[18][:16]
    instrument = venue.instrument(number)
    if instrument is None:
        return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
    if dividend in venue.ex_dates:
        return venue.reject(Reason.EX_DATE_DONE, number, order_id=venue.ex_dates[dividend])
    if usdc_micros_per_lot <= 0:
        return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
    venue.ex_dates[dividend] = venue.seq
    if len(venue.ex_dates) > EX_DATES_KEPT_MAX:
        del venue.ex_dates[next(iter(venue.ex_dates))]
    ticks = -(-usdc_micros_per_lot // instrument.terms.tick_value_usdc_micros)
    instrument.last_price_ticks = _lowered(instrument.last_price_ticks, ticks)
    instrument.reference_ticks = _lowered(instrument.reference_ticks, ticks)
    venue.emit(WENT_EX, 0, number, 0, ticks, instrument.last_price_ticks, instrument.reference_ticks)
    for order in list(instrument.bids.orders()):
        _lower(venue, instrument, order, ticks)
    for order_id in instrument.stops.falling():
        _lower(venue, instrument, venue.orders[order_id], ticks)
    for leg in [leg for each in venue.lists.values() if each.seat.instrument is instrument for leg in each.pending]:
        if leg.list_id in venue.lists and is_lowered(leg):
            _lower(venue, instrument, leg, ticks)


def _lowered(price_ticks: int, ticks: int) -> int:
    """0: there is no price."""
    return max(1, price_ticks - ticks) if price_ticks else 0


def is_lowered(leg: Order) -> bool:
    """Whether a pending leg would be among those, were it placed."""
    if leg.stop_ticks:
        return not must_rise(leg.side, leg.order_type)
    return leg.side == BUY and leg.price_ticks != 0


def _lower(venue: Venue, instrument: Instrument, order: Order, ticks: int) -> None:
    waits, is_pending = order.waits, not order.rank
    rests = not waits and not is_pending
    if order.price_ticks <= ticks or (order.stop_ticks and not rests and order.stop_ticks <= ticks):
        return venue.close(order, Reason.EX_DATE)
    seat, held = order.seat, held_for(venue, order)
    if rests:
        instrument.bids.remove(order)
    elif not is_pending:
        instrument.stops.remove(order)
    if order.stop_ticks and not rests:
        order.stop_ticks -= ticks
    order.price_ticks -= ticks
    order.usdc_micros_per_lot -= ticks * instrument.terms.tick_value_usdc_micros
    if rests:
        instrument.bids.add(order)
        instrument.update_id += 1
        venue.indicate(instrument)
    elif not is_pending:
        instrument.stops.add(order)
    if order.side == BUY and not is_pending:
        freed = held - held_for(venue, order)
        venue.touch(seat.cash)
        seat.cash.held -= freed
        seat.cash.free += freed
    venue.emit(
        REPRICED,
        0,
        instrument.number,
        seat.account.number,
        order.order_id,
        order.price_ticks,
        order.stop_ticks,
        order.open_lots,
        ticks,
        instrument.update_id if rests else 0,
        side=order.side,
    )
