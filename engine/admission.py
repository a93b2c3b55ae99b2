"""May this order enter? Each check answers with the first reason that applies, in the order of `Reason`."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

from engine.accounts import Seat
from engine.bands import is_outside
from engine.book import BUY, must_rise
from engine.limits import is_killed, limit_reached, limits_of
from engine.types import (
    BASIS_POINTS,
    ICEBERG_PARTS_MAX,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    phase_in_force,
)
from engine.venue import ZERO_ID, Instrument, Venue

GTC: Final = int(TimeInForce.GTC)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)
GTD: Final = int(TimeInForce.GTD)
DAY: Final = int(TimeInForce.DAY)
RESTING: Final = (GTC, GTD, DAY)
MARKET: Final = int(OrderType.MARKET)
LIMIT_MAKER: Final = int(OrderType.LIMIT_MAKER)
ICEBERGS: Final = (OrderType.LIMIT, OrderType.LIMIT_MAKER)  # of which a part may be hidden
STOP_LOSS: Final = int(OrderType.STOP_LOSS)  # from here on types wait
AT_COLLAR: Final = (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
CONTINUOUS: Final = int(Phase.CONTINUOUS)
HALT: Final = int(Phase.HALT)
QUOTE_USDC_MICROS_MAX: Final = 2**62

# (side, order type, time in force, self trade) that have a meaning
FORMS: Final = frozenset(
    (int(side), int(order_type), int(tif), int(self_trade))
    for side, order_type, tif, self_trade in product(Side, OrderType, TimeInForce, SelfTrade)
    if order_type in (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    or (order_type == OrderType.LIMIT_MAKER and tif in RESTING)
    or (order_type in (OrderType.MARKET, *AT_COLLAR) and tif == TimeInForce.IOC)
)


def is_form(row: tuple[Any, ...]) -> bool:
    """Whether an order's slots have a meaning together."""
    # fmt: off
    (_, _, _, side, order_type, time_in_force, _, self_trade, _, _, _, price_ticks,
     qty_lots, quote_usdc_micros, expire_time_ns, _, stop_ticks, display_lots, _, _) = row
    # fmt: on
    if (
        (side, order_type, time_in_force, self_trade) not in FORMS
        or (expire_time_ns != 0) != (time_in_force == GTD)
        or (stop_ticks != 0 and order_type < STOP_LOSS)
        or (display_lots != 0 and not (order_type in ICEBERGS and time_in_force in RESTING))
    ):
        return False
    if order_type == MARKET:
        return price_ticks == 0 and quote_usdc_micros >= 0 and not (quote_usdc_micros and qty_lots)
    return quote_usdc_micros == 0 and not (price_ticks and order_type in AT_COLLAR)


def limit_refusal(venue: Venue, seat: Seat, row: tuple[Any, ...], price_ticks: int, hold: int) -> int:
    """The reason to refuse a well-formed order with this limit, or 0. `hold` is what it must have free."""
    side, order_type, time_in_force, qty_lots, stop_ticks = row[3], row[4], row[5], row[12], row[16]
    instrument = seat.instrument
    reason = terms_refusal(venue, seat, row, price_ticks) or standing_refusal(
        venue, seat, side, order_type, time_in_force, row[18]
    )
    if reason:
        return reason
    if is_locked_up(seat, side, hold):
        return Reason.LOCKED_UP
    if is_outside(instrument, price_ticks) and order_type not in AT_COLLAR:
        return Reason.PRICE_OUTSIDE_BAND
    if order_type == LIMIT_MAKER and (instrument.asks if side == BUY else instrument.bids).reaches(price_ticks):
        return Reason.POST_ONLY_WOULD_TAKE
    if order_type >= STOP_LOSS and has_reached(instrument.last_price_ticks, side, order_type, stop_ticks):
        return Reason.STOP_WOULD_TRIGGER
    if (time_in_force in RESTING or order_type >= STOP_LOSS) and seat.open_orders >= open_orders_max(venue, seat):
        return Reason.TOO_MANY_ORDERS
    if venue.limits:
        notional = price_ticks * qty_lots * instrument.terms.tick_value_usdc_micros
        reason = limit_reached(venue, seat, side, qty_lots, notional)
        if reason:
            return reason
    return cover_refusal(seat, side, qty_lots, hold)


def terms_refusal(venue: Venue, seat: Seat, row: tuple[Any, ...], price_ticks: int) -> int:
    """What lies in the order and its instrument's limits."""
    order_type, qty_lots, stop_ticks, display_lots = row[4], row[12], row[16], row[17]
    terms = seat.instrument.terms
    if qty_lots <= 0:
        return Reason.QTY_NOT_POSITIVE
    if qty_lots > terms.qty_lots_max:
        return Reason.QTY_TOO_LARGE
    if price_ticks <= 0 or (order_type >= STOP_LOSS and stop_ticks <= 0):
        return Reason.PRICE_NOT_POSITIVE
    if price_ticks > terms.price_ticks_max or stop_ticks > terms.price_ticks_max:
        return Reason.PRICE_TOO_HIGH
    if row[5] == GTD and row[14] <= venue.time_ns:
        return Reason.EXPIRE_TIME_PASSED
    if price_ticks * qty_lots * terms.tick_value_usdc_micros < terms.notional_usdc_micros_min:
        return Reason.NOTIONAL_TOO_SMALL
    if display_lots and not (0 < display_lots < qty_lots <= display_lots * ICEBERG_PARTS_MAX):
        return Reason.DISPLAY_OUT_OF_RANGE
    return 0


def pending_refusal(venue: Venue, seat: Seat, row: tuple[Any, ...], price_ticks: int) -> int:
    """The reason to refuse a leg that is placed later; what depends on the market or on cover is looked at then."""
    if not is_form(row):
        return Reason.ORDER_MALFORMED
    qty_lots = row[12]
    if row[4] != MARKET:
        reason = terms_refusal(venue, seat, row, price_ticks)
    elif qty_lots <= 0:
        reason = Reason.QTY_NOT_POSITIVE
    else:
        reason = Reason.QTY_TOO_LARGE if qty_lots > seat.instrument.terms.qty_lots_max else 0
    reason = reason or permission_refusal(venue, seat, row[3])
    if not reason and row[4] not in (MARKET, *AT_COLLAR) and is_outside(seat.instrument, price_ticks):
        return Reason.PRICE_OUTSIDE_BAND
    return reason


def limit_hold(instrument: Instrument, side: int, price_ticks: int, qty_lots: int) -> int:
    """What an order with this limit must have free: USDC micros with the fee rounded up (buy), or lots (sell)."""
    if side != BUY:
        return qty_lots
    fee_bps = instrument.maker_fee_bps
    if instrument.taker_fee_bps > fee_bps:
        fee_bps = instrument.taker_fee_bps
    notional = price_ticks * qty_lots * instrument.terms.tick_value_usdc_micros
    return notional - (-notional * fee_bps // BASIS_POINTS)


def has_reached(last_price_ticks: int, side: int, order_type: int, stop_ticks: int) -> bool:
    """Whether the last trade's price, 0 for none, is where a stop is triggered."""
    if must_rise(side, order_type):
        return last_price_ticks >= stop_ticks
    return 0 < last_price_ticks <= stop_ticks


def standing_refusal(
    venue: Venue, seat: Seat, side: int, order_type: int, time_in_force: int, client_order_id: bytes
) -> int:
    """Client id, phase and permission: what does not depend on the price."""
    if client_order_id != ZERO_ID and seat.account.order_id_of(client_order_id, venue.time_ns):
        return Reason.CLIENT_ORDER_ID_IN_USE
    instrument = seat.instrument
    if instrument.phase != CONTINUOUS or venue.phase != CONTINUOUS:
        reason = phase_refusal(venue, instrument, order_type, time_in_force)
        if reason:
            return reason
    if venue.killed and is_killed(venue, seat.account.number, instrument.number):
        return Reason.KILLED
    return permission_refusal(venue, seat, side)


def permission_refusal(venue: Venue, seat: Seat, side: int) -> int:
    permission = seat.permission
    if (
        permission is None
        or not (permission.may_buy if side == BUY else permission.may_sell)
        or permission.valid_until_ns <= venue.time_ns
    ):
        return Reason.NOT_PERMITTED
    return 0


def is_locked_up(seat: Seat, side: int, hold: int) -> bool:
    """Whether the tokens of one who may trade would do but for those that are locked up."""
    assert seat.permission is not None
    free = seat.tokens.free
    return side != BUY and free - seat.permission.locked_lots < hold <= free


def phase_refusal(venue: Venue, instrument: Instrument, order_type: int, time_in_force: int) -> int:
    phase = phase_in_force(venue.phase, instrument.phase)
    if phase == Phase.HALT:
        return Reason.INSTRUMENT_HALTED
    if phase == Phase.CANCEL_ONLY:
        return Reason.CANCEL_ONLY
    if phase == Phase.LIMIT_ONLY:
        return Reason.TYPE_NOT_IN_PHASE if order_type == OrderType.MARKET else 0
    return 0 if order_type == OrderType.LIMIT and time_in_force in RESTING else Reason.TYPE_NOT_IN_PHASE


def open_orders_max(venue: Venue, seat: Seat) -> int:
    limit = limits_of(venue, seat).open_orders if venue.limits else 0
    return limit or seat.instrument.terms.open_orders_max


def cover_refusal(seat: Seat, side: int, qty_lots: int, hold: int) -> int:
    """Caps by owner, then funds."""
    if side != BUY:
        return 0 if seat.tokens.free >= hold else Reason.INSUFFICIENT_TOKENS
    terms = seat.instrument.terms
    if terms.ownership_cap_lots and seat.exposure.lots + qty_lots > terms.ownership_cap_lots:
        return Reason.OWNERSHIP_CAP
    if terms.holder_cap and seat.exposure.lots == 0 and seat.instrument.holders.count >= terms.holder_cap:
        return Reason.HOLDER_CAP
    return 0 if seat.cash.free >= hold else Reason.INSUFFICIENT_CASH


def halted(venue: Venue, instrument: Instrument) -> bool:
    return instrument.phase == HALT or venue.phase == HALT


def collar_ticks(instrument: Instrument, side: int, price_ticks: int) -> int:
    """The worst price of an order that names none, from where it meets the market."""
    terms = instrument.terms
    if side == BUY:
        return min(terms.price_ticks_max, price_ticks * (BASIS_POINTS + terms.market_collar_bps) // BASIS_POINTS)
    return max(1, -(-price_ticks * (BASIS_POINTS - terms.market_collar_bps) // BASIS_POINTS))


class MarketTerms:
    """What a market order comes to against the book as it stands: its collar, most lots, and what it must have free."""

    __slots__ = ("hold", "limit_ticks", "lots_max", "notional_usdc_micros")

    def __init__(self, instrument: Instrument, side: int, qty_lots: int, quote_usdc_micros: int) -> None:
        terms = instrument.terms
        best = (instrument.asks if side == BUY else instrument.bids).best
        self.limit_ticks = collar_ticks(instrument, side, best)
        self.lots_max = qty_lots
        notional = qty_lots * self.limit_ticks * terms.tick_value_usdc_micros
        if quote_usdc_micros:
            dearest_lot = (best if side == BUY else self.limit_ticks) * terms.tick_value_usdc_micros
            self.lots_max = min(terms.qty_lots_max, quote_usdc_micros // dearest_lot)
            notional = quote_usdc_micros
        self.notional_usdc_micros = notional
        fee_bps = max(instrument.maker_fee_bps, instrument.taker_fee_bps)
        self.hold = notional - (-notional * fee_bps // BASIS_POINTS) if side == BUY else self.lots_max


def market_terms(instrument: Instrument, side: int, qty_lots: int, quote_usdc_micros: int) -> MarketTerms | None:
    """None where nobody stands opposite."""
    if not (instrument.asks if side == BUY else instrument.bids).best:
        return None
    return MarketTerms(instrument, side, qty_lots, quote_usdc_micros)
