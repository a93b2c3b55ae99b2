"""Orders that come to the market by themselves: stops, and legs of a list whose working leg is filled."""

from __future__ import annotations

from engine import admission
from engine.admission import LIMIT_MAKER, MARKET, MarketTerms
from engine.book import BUY, Order
from engine.limits import limit_reached
from engine.lists import OrderList, end_all_pending, prevail
from engine.trading import Trading
from engine.types import Reason
from engine.venue import Venue


class Triggers:
    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    def run(self) -> None:
        """Legs whose working one is filled, then the next stop that the last price has reached, until none is left."""
        venue = self._venue
        self._place_legs()
        for number in sorted(venue.stirred):
            instrument = venue.instruments[number]
            while venue.is_trading(instrument):
                order_id = instrument.stops.reached(instrument.last_price_ticks)
                if not order_id:
                    break
                self._trigger(venue.orders[order_id])
                self._place_legs()
        venue.stirred.clear()

    def _trigger(self, order: Order) -> None:
        """It comes to the market as if it were placed now: at today's rates, and behind all that are there."""
        venue, seat = self._venue, order.seat
        prevail(venue, order)
        venue.free_hold(order)
        venue.take_out(order)
        order.waits = False
        hold = at_todays_rates(order)
        self._queue(order)
        balance = seat.cash if order.side == BUY else seat.tokens
        self._trading.enter(order, hold, int(Reason.COVER_LOST) if balance.free < hold else 0)

    def _queue(self, order: Order) -> None:
        self._venue.last_order_id = order.rank = self._venue.last_order_id + 1

    # -- legs

    def _place_legs(self) -> None:
        venue = self._venue
        while venue.filled_lists:
            order_list = venue.filled_lists.pop(0)
            reason = next(filter(None, [self._why_not(leg) for leg in order_list.pending]), 0)
            if reason:
                end_all_pending(venue, order_list, reason)
            else:
                self._place(order_list)

    def _why_not(self, leg: Order) -> int:
        """Why it cannot be placed as the market and its account stand now, or 0."""
        venue, seat = self._venue, leg.seat
        instrument = seat.instrument
        if admission.permission_refusal(venue, seat, leg.side):
            return Reason.PERMISSION_LOST
        opposite = instrument.asks if leg.side == BUY else instrument.bids
        if leg.order_type == LIMIT_MAKER and opposite.reaches(leg.price_ticks):
            return Reason.LIST_ENDED
        hold, notional = at_todays_rates(leg), leg.open_lots * leg.usdc_micros_per_lot
        if leg.order_type == MARKET:
            terms = self._market_terms(leg)
            if terms is None:
                return 0
            hold, notional = terms.hold, terms.notional_usdc_micros
        lacks = (
            admission.is_locked_up(seat, leg.side, hold)
            or limit_reached(venue, seat, leg.side, leg.open_lots, notional)
            or admission.cover_refusal(seat, leg.side, leg.open_lots, hold)
        )
        return Reason.COVER_LOST if lacks else 0

    def _market_terms(self, leg: Order) -> MarketTerms | None:
        """None: it meets nobody."""
        instrument = leg.seat.instrument
        if not self._venue.is_trading(instrument):
            return None
        return admission.market_terms(instrument, leg.side, leg.open_lots, 0)

    def _place(self, order_list: OrderList) -> None:
        venue = self._venue
        legs, order_list.pending = order_list.pending, []
        order_list.seat.open_orders -= len(legs)
        for leg in legs:
            self._queue(leg)
            if leg.order_type == MARKET:
                self._trading.enter_market(leg, self._market_terms(leg), 0)
            else:
                self._trading.enter(leg, leg.hold_for(leg.open_lots))
        venue.stir(order_list.seat.instrument)


def at_todays_rates(order: Order) -> int:
    """Returns what it must have free."""
    instrument = order.seat.instrument
    order.maker_fee_bps = instrument.maker_fee_bps
    order.hold_fee_bps = max(instrument.maker_fee_bps, instrument.taker_fee_bps)
    return order.hold_for(order.open_lots)
