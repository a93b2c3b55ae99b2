"""How orders leave the book, in its plainest form; and of a list, which others end with one."""

from __future__ import annotations

from engine import types as t
from engine.types import Phase, Reason, Side
from tests.engine.facts import Facts, Order, OrderList

CALLS = (Phase.OPENING_CALL, Phase.VOLATILITY_CALL, Phase.CLOSING_CALL, Phase.PERIODIC_CALL)
INDICATIVE_DELAY_NS = 100_000_000


class ClosingRules(Facts):
    def reject(self, account: int, instrument: int, reason: Reason, order_id: int = 0) -> None:
        self.events.append(t.Rejected(account, instrument, reason, order_id))

    def book_change(self, instrument: int, *, is_seen: bool = True) -> int:
        """The change's number; 0 for one that the book does not show."""
        listing = self.listing(instrument)
        assert listing is not None
        listing.book_changes += is_seen
        if listing.phase in CALLS and not listing.indicative_due_ns:
            listing.indicative_due_ns = self.time_ns + INDICATIVE_DELAY_NS
        return listing.book_changes if is_seen else 0

    def touch(self, account: int, instrument: int, side: int) -> None:
        """The asset that an order of that side pays with."""
        self.touched.add((account, t.USDC if side == Side.BUY else instrument))

    def end(self, order: Order) -> None:
        self.closings += 1
        order.closed_ns, order.closed_rank = self.time_ns, self.closings

    def close(self, order: Order, reason: Reason) -> None:
        """An open order ends; of a list its partner or the pending legs do, too, with a pending leg the working one."""
        if order.pending:
            self.end_pending(order, reason)
            order = self.list_of(order).legs[0]
        partner = self.partner(order)
        for each in (order, partner):
            if each is not None:
                self.close_alone(each, reason)
                self.leg_ended(each, reason)

    def close_all(self, orders: list[Order], reason: Reason) -> None:
        for order in orders:
            if order.closed_ns is None:
                self.close(order, reason)

    def close_alone(self, order: Order, reason: Reason) -> None:
        """Take a resting order out of the book; a stop that waits is in none."""
        terms = order.terms
        self.end(order)
        self.touch(terms.account, terms.instrument, terms.side)
        update_id = 0 if order.waits else self.book_change(terms.instrument)
        self.events.append(closed(order, reason, update_id, rested=int(not order.waits)))

    def prevail(self, order: Order) -> None:
        """Something is taken from it, or it is triggered: the other one of a pair ends before that."""
        partner = self.partner(order)
        if partner is not None:
            self.close_alone(partner, Reason.LIST_LEG_DONE)
            self.leg_ended(partner, Reason.LIST_LEG_DONE)

    def leg_ended(self, order: Order, reason: Reason) -> None:
        """NONE: it was filled."""
        if not order.list_id:
            return
        order_list = self.list_of(order)
        if order_list.pending and reason is Reason.NONE:
            self.filled_lists.append(order_list)
            return
        by_trader = reason in (Reason.CANCELLED, Reason.CANCELLED_REPLACED)
        self.end_list(order_list, reason if by_trader else Reason.LIST_ENDED)

    def end_list(self, order_list: OrderList, reason: Reason) -> None:
        """Without its working leg, if legs are pending; where no leg is left."""
        for leg in order_list.pending:
            self.end_pending(leg, reason)
        if all(leg.closed_ns is not None for leg in order_list.legs):
            self.closings += 1
            order_list.closed_ns, order_list.closed_rank = self.time_ns, self.closings
            terms = order_list.terms
            self.events.append(t.ListDone(terms.account, terms.instrument, order_list.list_id))

    def end_pending(self, order: Order, reason: Reason) -> None:
        self.end(order)
        self.events.append(closed(order, reason, 0, rested=0))

    def close_ineligible(self, account: int, instrument: int) -> None:
        sides = [side for side in Side if not self.is_permitted(account, instrument, side)]
        orders = self.open_orders(account, instrument)
        self.close_all([order for order in orders if order.terms.side in sides], Reason.PERMISSION_LOST)


def closed(order: Order, reason: Reason, update_id: int, rested: int) -> t.Closed:
    terms = order.terms
    who = (terms.account, terms.instrument, terms.side, reason, order.order_id)
    lots = (order.open_lots, order.executed_lots, order.executed_usdc_micros)
    return t.Closed(*who, *lots, order.limit_ticks, update_id, rested)
