"""What traders send: place, cancel, amend, replace, cancel-all."""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from engine import admission
from engine.accounts import Seat
from engine.admission import (
    AT_COLLAR,
    FOK,
    MARKET,
    RESTING,
    collar_ticks,
    is_form,
    limit_hold,
    limit_refusal,
)
from engine.auction import prevent_self_trade
from engine.bands import limit_within, start_volatility_call
from engine.book import BUY, BookSide, Order
from engine.limits import limit_reached
from engine.lists import any_leg, leg_ended, partner_of, pending_leg
from engine.matching import match
from engine.types import VENUE, CommandKind, EventKind, Reason
from engine.venue import ZERO_ID, Venue
from engine.wire import EVENT

Row = tuple[Any, ...]  # a command's slots in the order of wire.COMMAND_SLOTS

ACCEPTED: Final = int(EventKind.ACCEPTED)
TRIGGERED: Final = int(EventKind.TRIGGERED)
ACCEPTED_RECORD: Final = Struct("<QBxHI8q4xB3x")  # wire.EVENT with the slots that an Accepted leaves zero
assert ACCEPTED_RECORD.size == EVENT.size
AMENDED: Final = int(EventKind.AMENDED)
CANCEL: Final = int(CommandKind.CANCEL)


class Trading:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._events = venue.events

    # -- placing

    def place(self, row: Row) -> None:
        side, order_type, number, account_number, qty_lots = row[3], row[4], row[6], row[9], row[12]
        venue = self._venue
        instrument = venue.instruments[number] if 0 < number < len(venue.instruments) else None
        if instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        account = venue.accounts[account_number] if 0 < account_number < len(venue.accounts) else None
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        if not is_form(row):
            return venue.reject(Reason.ORDER_MALFORMED, number, account_number)
        seat = account.seats.get(number) or venue.seat(account, instrument)
        if order_type == MARKET:
            return self._place_market(row, seat)
        price_ticks = collar_ticks(instrument, side, row[16]) if order_type in AT_COLLAR else row[11]
        hold = limit_hold(instrument, side, price_ticks, qty_lots)
        reason = limit_refusal(venue, seat, row, price_ticks, hold)
        if reason:
            return self.refuse(reason, seat, row[18])
        # From here on the order is ours; nothing below may refuse it.
        venue.last_order_id = order_id = venue.last_order_id + 1
        self.enter(self.new_order(row, seat, order_id, price_ticks, qty_lots), hold)

    def new_order(self, row: Row, seat: Seat, order_id: int, price_ticks: int, qty_lots: int) -> Order:
        """A limit order or a stop at today's rates; its client id is taken from here on."""
        instrument, stop_ticks, client_order_id = seat.instrument, row[16], row[18]
        fee_bps = instrument.maker_fee_bps
        if instrument.taker_fee_bps > fee_bps:
            fee_bps = instrument.taker_fee_bps
        if client_order_id != ZERO_ID:
            seat.account.client_order_ids[client_order_id] = order_id
        return Order(
            order_id,
            seat,
            row[3],
            row[4],
            row[5],
            row[7],
            price_ticks,
            qty_lots,
            qty_lots,
            row[14],
            self._venue.time_ns,
            price_ticks * instrument.terms.tick_value_usdc_micros,
            instrument.maker_fee_bps,
            fee_bps,
            client_order_id,
            order_id,
            stop_ticks,
            stop_ticks != 0,
            display_lots=row[17],
        )

    def enter(self, order: Order, hold: int, stopped: int = 0) -> None:
        """It comes to the market, and what is left of it rests, waits or closes. `hold` is for its open lots."""
        slot = len(self._events)
        self._events.append(b"")  # Accepted tells how the order ended, and stands before its trades
        instrument = order.seat.instrument
        opposite = instrument.asks if order.side == BUY else instrument.bids
        if opposite.reaches(order.price_ticks) and not order.waits and not stopped:
            stopped = self._meet_book(order, opposite)
            hold = order.hold_for(order.open_lots)
        self._finish(order, slot, stopped, hold)

    def refuse(self, reason: int, seat: Seat, client_order_id: bytes) -> None:
        account = seat.account
        first = account.client_order_ids[client_order_id] if reason == Reason.CLIENT_ORDER_ID_IN_USE else 0
        self._venue.reject(reason, seat.instrument.number, account.number, first)

    def _meet_book(self, order: Order, opposite: BookSide) -> int:
        if not self._venue.is_trading(order.seat.instrument):
            return prevent_self_trade(self._venue, order) if order.time_in_force in RESTING else 0
        if order.time_in_force == FOK:
            owner = order.seat.account.owner
            limit_ticks = limit_within(order.seat.instrument, order.side, order.price_ticks)
            if opposite.fillable_lots(limit_ticks, owner, order.self_trade, order.qty_lots) < order.qty_lots:
                return Reason.FOK_UNFILLED
        return self._match_exposed(order, -1)

    def _match_exposed(self, order: Order, quote_usdc_micros: int) -> int:
        """Match; a buy counts towards its owner's caps as it fills, and until then as open."""
        if order.side != BUY:
            return match(self._venue, order, quote_usdc_micros)
        asked_lots = order.qty_lots
        order.seat.exposure.add(asked_lots)
        stopped = match(self._venue, order, quote_usdc_micros)
        executed_lots = order.qty_lots - order.open_lots
        if executed_lots != asked_lots:
            order.seat.exposure.add(executed_lots - asked_lots)
        return stopped

    def _finish(self, order: Order, slot: int, stopped: int, hold: int) -> None:
        """Rest what is left of a limit order or close it, and fill in its Accepted. `hold` is for its open lots."""
        venue = self._venue
        seat = order.seat
        resting_lots = held = update_id = 0
        waits = order.waits
        may_rest = waits or order.time_in_force in RESTING
        is_banded = stopped == Reason.BAND_REACHED
        if is_banded and may_rest:
            stopped = prevent_self_trade(venue, order)
            hold = order.hold_for(order.open_lots)
        open_lots = order.open_lots
        reason = 0
        if open_lots and not stopped and may_rest:
            partner = partner_of(venue, order)
            if order.side == BUY and partner is None:
                seat.exposure.add(open_lots)
            held = hold
            if partner is not None:
                hold = max(0, hold - partner.hold_for(open_lots))
            venue.rest(order, hold)
            if not waits:
                resting_lots, update_id = open_lots, seat.instrument.update_id
        else:
            if open_lots or stopped:
                reason = stopped or _why_unfilled(order)
                venue.tell_closed(order, reason, 0)
            if order.client_order_id != ZERO_ID:
                seat.account.keep_closed_id(order.client_order_id, order.order_id, venue.time_ns)
        self._accepted(order, slot, order.qty_lots - open_lots, resting_lots, update_id, held)
        if order.list_id and not held:
            leg_ended(venue, order, reason)
        if is_banded:
            start_volatility_call(venue, seat.instrument)

    def _accepted(
        self, order: Order, slot: int, executed_lots: int, resting_lots: int, update_id: int, held: int
    ) -> None:
        is_new = order.waits or order.rank == order.order_id
        self._events[slot] = ACCEPTED_RECORD.pack(
            self._venue.seq,
            ACCEPTED if is_new else TRIGGERED,
            order.seat.instrument.number,
            order.seat.account.number,
            order.order_id,
            order.price_ticks,
            order.qty_lots if is_new else order.rank,
            executed_lots,
            resting_lots,
            update_id,
            held,
            order.executed_usdc_micros,
            order.side,
        )

    def _place_market(self, row: Row, seat: Seat) -> None:
        venue = self._venue
        instrument = seat.instrument
        side, client_order_id = row[3], row[18]
        qty_lots, quote_usdc_micros = row[12], row[13]
        terms = admission.market_terms(instrument, side, qty_lots, quote_usdc_micros)
        reason = self._market_refusal(seat, row, terms)
        if reason:
            return self.refuse(reason, seat, client_order_id)
        venue.last_order_id = order_id = venue.last_order_id + 1
        order = self.new_order(row, seat, order_id, 0, terms.lots_max if terms else qty_lots)
        self.enter_market(order, terms, quote_usdc_micros)

    def enter_market(self, order: Order, terms: admission.MarketTerms | None, quote_usdc_micros: int) -> None:
        slot = len(self._events)
        self._events.append(b"")
        stopped = 0
        if terms is not None:
            order.price_ticks = terms.limit_ticks
            stopped = self._match_exposed(order, quote_usdc_micros or -1)
        self._finish_market(order, slot, stopped, bool(quote_usdc_micros))

    def _market_refusal(self, seat: Seat, row: Row, terms: admission.MarketTerms | None) -> int:
        side, qty_lots, quote_usdc_micros, client_order_id = row[3], row[12], row[13], row[18]
        limits = seat.instrument.terms
        if quote_usdc_micros:
            if quote_usdc_micros > admission.QUOTE_USDC_MICROS_MAX:
                return Reason.QTY_TOO_LARGE
            if quote_usdc_micros < limits.notional_usdc_micros_min or (terms and terms.lots_max == 0):
                return Reason.NOTIONAL_TOO_SMALL
        elif qty_lots <= 0:
            return Reason.QTY_NOT_POSITIVE
        elif qty_lots > limits.qty_lots_max:
            return Reason.QTY_TOO_LARGE
        reason = admission.standing_refusal(self._venue, seat, side, MARKET, row[5], client_order_id)
        if reason or terms is None:
            return reason
        if admission.is_locked_up(seat, side, terms.hold):
            return Reason.LOCKED_UP
        if self._venue.limits:
            reason = limit_reached(self._venue, seat, side, terms.lots_max, terms.notional_usdc_micros)
            if reason:
                return reason
        return admission.cover_refusal(seat, side, terms.lots_max, terms.hold)

    def _finish_market(self, order: Order, slot: int, stopped: int, by_quote: bool) -> None:
        executed_lots = order.qty_lots - order.open_lots
        if by_quote:
            order.qty_lots, order.open_lots = executed_lots, 0
        reason = 0
        if order.open_lots or by_quote or stopped:
            reason = stopped or _why_unfilled(order)
            self._venue.tell_closed(order, reason, 0)
        if order.client_order_id != ZERO_ID:
            order.seat.account.keep_closed_id(order.client_order_id, order.order_id, self._venue.time_ns)
        self._accepted(order, slot, executed_lots, 0, 0, 0)
        if order.list_id:
            leg_ended(self._venue, order, reason)
        if stopped == Reason.BAND_REACHED:
            start_volatility_call(self._venue, order.seat.instrument)

    # -- cancelling and changing

    def cancel(self, row: Row) -> None:
        order, reason = self._find_to_cancel(row)
        if order is None:
            return self._venue.reject(reason, row[6], row[9])
        self._venue.close(order, Reason.CANCELLED)

    def _find(
        self, number: int, account_number: int, order_id: int, client_order_id: bytes, *, is_list: bool = False
    ) -> tuple[Order | None, int]:
        """The account's open order by either id, or any of a list's; or why it may not be touched."""
        venue = self._venue
        if not 0 < number < len(venue.instruments):
            return None, Reason.UNKNOWN_INSTRUMENT
        if not 0 < account_number < len(venue.accounts):
            return None, Reason.UNKNOWN_ACCOUNT
        instrument, account = venue.instruments[number], venue.accounts[account_number]
        if order_id <= 0 and client_order_id != ZERO_ID:
            order_id = account.client_order_ids.get(client_order_id, 0)
        if is_list:
            order = any_leg(venue, venue.lists[order_id]) if order_id in venue.lists else None
        else:
            order = venue.orders.get(order_id) or pending_leg(venue, order_id)
        if order is None or order.seat.account is not account or order.seat.instrument is not instrument:
            return None, Reason.ORDER_NOT_FOUND
        return order, 0

    def _find_to_cancel(self, row: Row) -> tuple[Order | None, int]:
        number, account_number, order_id, client_order_id = row[6], row[9], row[15], row[19]
        is_list = row[2] == CANCEL and row[8] != 0
        order, reason = self._find(number, account_number, order_id, client_order_id, is_list=is_list)
        if order is not None and admission.halted(self._venue, order.seat.instrument):
            return None, Reason.INSTRUMENT_HALTED
        return order, reason

    def amend(self, row: Row) -> None:
        """Less quantity, same place in the queue; of an iceberg first what is not shown."""
        venue = self._venue
        number, account_number, qty_lots, order_id, client_order_id = row[6], row[9], row[12], row[15], row[19]
        order, reason = self._find(number, account_number, order_id, client_order_id)
        if qty_lots <= 0 and reason not in (Reason.UNKNOWN_INSTRUMENT, Reason.UNKNOWN_ACCOUNT):
            reason = Reason.QTY_NOT_POSITIVE
        elif order is not None and order.list_id:
            reason = Reason.LIST_MALFORMED
        elif order is not None and not order.qty_lots - order.open_lots < qty_lots < order.qty_lots:
            reason = Reason.QTY_NOT_REDUCED
        elif order is not None and admission.halted(venue, order.seat.instrument):
            reason = Reason.INSTRUMENT_HALTED
        if reason or order is None:
            return venue.reject(reason, number, account_number)
        removed_lots = order.qty_lots - qty_lots
        hidden_lots = min(order.hidden_lots, removed_lots)
        venue.reduce(order, removed_lots, hidden_lots)
        venue.emit(
            AMENDED,
            0,
            number,
            account_number,
            order.order_id,
            qty_lots,
            order.open_lots,
            removed_lots,
            order.price_ticks,
            0 if order.waits or hidden_lots == removed_lots else order.seat.instrument.update_id,
            side=order.side,
        )

    def replace(self, row: Row) -> None:
        order, reason = self._find_to_cancel(row)
        if order is None:
            self._venue.reject(reason, row[6], row[9])
            if not row[8]:
                return
        else:
            self._venue.close(order, Reason.CANCELLED_REPLACED)
        self.place(row)

    def cancel_all(self, row: Row) -> None:
        venue = self._venue
        number, account_number = row[6], row[9]
        instrument = venue.instrument(number)
        if number != VENUE and instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        account = venue.account(account_number)
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        if instrument is not None and admission.halted(venue, instrument):
            return venue.reject(Reason.INSTRUMENT_HALTED, number, account_number)
        orders = [o for o in account.orders.values() if instrument in (None, o.seat.instrument)]
        venue.close_all([o for o in orders if not admission.halted(venue, o.seat.instrument)], Reason.CANCELLED)
        venue.applied(account_number, number)


def _why_unfilled(order: Order) -> int:
    """Why an order that does not rest closes, where nothing else stopped it."""
    if order.time_in_force == FOK:
        return Reason.FOK_UNFILLED
    names_no_limit = order.order_type == MARKET or order.order_type in AT_COLLAR
    return Reason.NO_LIQUIDITY if names_no_limit and not order.executed_usdc_micros else Reason.IOC_REMAINDER
