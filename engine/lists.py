"""Orders that belong together: an OCO's two legs, of which one ends the other, and legs that wait for a working one.

The two legs of a pair have one side and quantity, and only one of them can trade: so the account holds the larger of
what they need, once. At most one of them is in the book; the other is a stop that waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from engine.accounts import Seat
from engine.types import EventKind, ListKind, Reason

if TYPE_CHECKING:
    from engine.book import Order
    from engine.venue import Venue

OCO: Final = int(ListKind.OCO)
OTO: Final = int(ListKind.OTO)
OTOCO: Final = int(ListKind.OTOCO)
LEGS: Final = {OCO: 2, OTO: 2, OTOCO: 3}
LIST_DONE: Final = int(EventKind.LIST_DONE)
FILLED: Final = int(Reason.NONE)  # why a leg ended that did not close
BY_TRADER: Final = (Reason.CANCELLED, Reason.CANCELLED_REPLACED)


class OrderList(Struct, eq=False, gc=False):
    """An open list. Its legs' order ids follow one another, from its own id on."""

    list_id: int
    seat: Seat
    kind: int
    client_order_id: bytes
    time_ns: int
    pending: list[Order]  # legs that are not placed yet
    legs_left: int

    @property
    def pair_id(self) -> int:
        """The order id of a pair's first leg; 0: there is no pair."""
        return {OCO: self.list_id, OTO: 0, OTOCO: self.list_id + 1}[self.kind]

    def leg(self, order: Order) -> int:
        return order.order_id - self.list_id + 1


def partner_of(venue: Venue, order: Order) -> Order | None:
    """The other leg of a pair, as long as both are open."""
    pair_id = venue.lists[order.list_id].pair_id if order.list_id else 0
    if not pair_id or order.order_id < pair_id:
        return None
    return venue.orders.get(2 * pair_id + 1 - order.order_id)


def held_for(venue: Venue, order: Order) -> int:
    """What the account holds for an open order: for a pair the larger need of both."""
    hold = order.hold_for(order.open_lots)
    partner = partner_of(venue, order)
    return hold if partner is None else max(hold, partner.hold_for(partner.open_lots))


def is_counted(venue: Venue, order: Order) -> bool:
    """Whether what it may buy is counted with it, and not with its partner."""
    partner = partner_of(venue, order)
    return partner is None or partner.order_id > order.order_id


def pending_leg(venue: Venue, order_id: int) -> Order | None:
    for list_id in (order_id - 1, order_id - 2):
        for order in venue.lists[list_id].pending if list_id in venue.lists else ():
            if order.order_id == order_id:
                return order
    return None


def any_leg(venue: Venue, order_list: OrderList) -> Order:
    """One that is open: closed, it takes the others along."""
    order_ids = range(order_list.list_id, order_list.list_id + LEGS[order_list.kind])
    return next(venue.orders[order_id] for order_id in order_ids if order_id in venue.orders)


def close_leg(venue: Venue, order: Order, reason: int) -> None:
    """It, then its partner or the pending legs. A pending leg takes the working one along."""
    order_list = venue.lists[order.list_id]
    if order in order_list.pending:
        _end_pending(venue, order_list, order, reason)
        order = venue.orders[order.list_id]
    partner = partner_of(venue, order)
    venue.close_one(order, reason, partner)
    leg_ended(venue, order, reason)
    if partner is not None:
        venue.close_one(partner, reason, None)
        leg_ended(venue, partner, reason)


def prevail(venue: Venue, order: Order) -> None:
    """Something is about to be taken from a leg, or it is triggered: its partner ends before that."""
    partner = partner_of(venue, order)
    if partner is not None:
        venue.close_one(partner, Reason.LIST_LEG_DONE, order)
        leg_ended(venue, partner, Reason.LIST_LEG_DONE)


def leg_ended(venue: Venue, order: Order, reason: int) -> None:
    """A leg was filled or closed, which is told already; what follows from it for the others."""
    order_list = venue.lists[order.list_id]
    order_list.legs_left -= 1
    if order_list.pending and reason == FILLED:
        venue.filled_lists.append(order_list)
    elif order_list.pending:
        end_all_pending(venue, order_list, reason if reason in BY_TRADER else Reason.LIST_ENDED)
    elif not order_list.legs_left:
        _end(venue, order_list)


def end_all_pending(venue: Venue, order_list: OrderList, reason: int) -> None:
    """The working leg is no more, so neither is the list."""
    for order in tuple(order_list.pending):
        _end_pending(venue, order_list, order, reason)
    _end(venue, order_list)


def _end_pending(venue: Venue, order_list: OrderList, order: Order, reason: int) -> None:
    order_list.pending.remove(order)
    order_list.legs_left -= 1
    order_list.seat.open_orders -= 1
    venue.tell_closed(order, reason, 0)
    _keep_id(venue, order_list, order.client_order_id, order.order_id)


def _end(venue: Venue, order_list: OrderList) -> None:
    seat = order_list.seat
    del venue.lists[order_list.list_id]
    _keep_id(venue, order_list, order_list.client_order_id, order_list.list_id)
    venue.emit(LIST_DONE, 0, seat.instrument.number, seat.account.number, order_list.list_id)


def _keep_id(venue: Venue, order_list: OrderList, client_order_id: bytes, order_id: int) -> None:
    if any(client_order_id):
        order_list.seat.account.keep_closed_id(client_order_id, order_id, venue.time_ns)
