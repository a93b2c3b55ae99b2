"""What traders send as lists: their legs, and then the word that makes them orders, all or none."""

from __future__ import annotations

from typing import Any, Final

from engine import admission
from engine.accounts import Seat
from engine.admission import AT_COLLAR, FOK, GTC, IOC, LIMIT_MAKER, MARKET
from engine.book import BUY, Order
from engine.lists import LEGS, OCO, OTO, OrderList
from engine.trading import Trading
from engine.types import EventKind, OrderType, Reason
from engine.venue import ZERO_ID, Venue

Row = tuple[Any, ...]

LISTED: Final = int(EventKind.LISTED)
PENDING: Final = int(EventKind.PENDING)
WORKING: Final = (OrderType.LIMIT, OrderType.LIMIT_MAKER)
PROFITS: Final = (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
LOSSES: Final = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
LEG_LAST: Final = 3


class ListOrders:
    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    def leg(self, row: Row) -> None:
        """Nothing but its place among the legs is looked at before the list is."""
        venue = self._venue
        number, leg, account_number = row[6], row[8], row[9]
        if self._seat(row) is None:
            return
        if not 1 <= leg <= LEG_LAST:
            return venue.reject(Reason.LIST_MALFORMED, number, account_number)
        venue.staged[account_number, leg] = row
        venue.applied(account_number, number)

    def place(self, row: Row) -> None:
        venue = self._venue
        number, kind, account_number, list_client_order_id = row[6], row[8], row[9], row[18]
        legs = {leg: venue.staged.pop((account_number, leg), None) for leg in range(1, LEG_LAST + 1)}
        rows = [leg for leg in legs.values() if leg is not None]
        seat = self._seat(row)
        if seat is None:
            return
        if None in [legs[leg] for leg in range(1, len(rows) + 1)] or not is_list(row, rows):
            return venue.reject(Reason.LIST_MALFORMED, number, account_number)
        reason, client_order_id = self._refusal(seat, row, rows)
        if reason:
            return self._trading.refuse(reason, seat, client_order_id)
        list_id = venue.last_order_id + 1
        venue.last_order_id += len(rows)
        if list_client_order_id != ZERO_ID:
            seat.account.client_order_ids[list_client_order_id] = list_id
        orders = [self._order(seat, leg, list_id + place) for place, leg in enumerate(rows)]
        for order in orders:
            order.list_id = list_id
        first = len(orders) if kind == OCO else 1
        made = OrderList(list_id, seat, kind, list_client_order_id, venue.time_ns, orders[first:], len(orders))
        venue.lists[list_id] = made
        venue.emit(LISTED, 0, number, account_number, list_id, len(orders), flags=kind)
        for order in made.pending:
            self._wait(made, order)
        for order in orders[:first]:
            self._trading.enter(order, order.hold_for(order.open_lots))

    def _seat(self, row: Row) -> Seat | None:
        venue = self._venue
        number, account_number = row[6], row[9]
        instrument, account = venue.instrument(number), venue.account(account_number)
        if instrument is None:
            venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        elif account is None:
            venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        else:
            return venue.seat(account, instrument)
        return None

    def _order(self, seat: Seat, leg: Row, order_id: int) -> Order:
        return self._trading.new_order(leg, seat, order_id, limit_ticks(seat, leg), leg[12])

    def _wait(self, order_list: OrderList, order: Order) -> None:
        order.rank = 0
        order_list.seat.open_orders += 1
        self._venue.emit(
            PENDING,
            0,
            order.seat.instrument.number,
            order.seat.account.number,
            order.order_id,
            order.list_id,
            order.price_ticks,
            order.qty_lots,
            order.stop_ticks,
            side=order.side,
            flags=order_list.leg(order),
        )

    def _refusal(self, seat: Seat, row: Row, legs: list[Row]) -> tuple[int, bytes]:
        """First what concerns the list as one, then leg by leg; and the client id that is in use, where that is why."""
        venue, kind = self._venue, row[8]
        for client_order_id in (row[18], *[leg[18] for leg in legs]):
            if client_order_id != ZERO_ID and seat.account.order_id_of(client_order_id, venue.time_ns):
                return Reason.CLIENT_ORDER_ID_IN_USE, client_order_id
        pair = None if kind == OTO else pair_of(legs)
        if pair is not None and not is_in_order(*pair, seat.instrument.last_price_ticks if kind == OCO else 0):
            return Reason.LIST_PRICES, ZERO_ID
        if seat.open_orders + len(legs) > admission.open_orders_max(venue, seat):
            return Reason.TOO_MANY_ORDERS, ZERO_ID
        first = len(legs) if kind == OCO else 1
        reasons = [self._leg_refusal(seat, leg) for leg in legs[:first]]
        reasons += [admission.pending_refusal(venue, seat, leg, limit_ticks(seat, leg)) for leg in legs[first:]]
        return next(filter(None, reasons), 0), ZERO_ID

    def _leg_refusal(self, seat: Seat, leg: Row) -> int:
        if not admission.is_form(leg):
            return Reason.ORDER_MALFORMED
        price_ticks = limit_ticks(seat, leg)
        hold = admission.limit_hold(seat.instrument, leg[3], price_ticks, leg[12])
        return admission.limit_refusal(self._venue, seat, leg, price_ticks, hold)


def is_list(row: Row, legs: list[Row]) -> bool:
    """Whether these legs make a list of its kind; what is wrong with one alone is another question."""
    number, kind = row[6], row[8]
    named = [each for each in (row[18], *[leg[18] for leg in legs]) if each != ZERO_ID]
    if LEGS.get(kind) != len(legs) or len(set(named)) != len(named):
        return False
    if any(leg[6] != number or leg[5] not in (GTC, IOC, FOK) or leg[13] for leg in legs):
        return False
    if kind != OCO and legs[0][4] not in WORKING:
        return False
    if kind == OTO:
        return True
    pair = pair_of(legs)
    return pair is not None and len({(leg[3], leg[12]) for leg in pair}) == 1  # one side and quantity


def pair_of(legs: list[Row]) -> tuple[Row, Row] | None:
    """The one that takes a profit and the one that stops a loss; None where there are no such two."""
    one, other = legs[-2:]
    if one[4] in LOSSES:
        one, other = other, one
    return (one, other) if one[4] in PROFITS and other[4] in LOSSES else None


def is_in_order(profit: Row, loss: Row, last_price_ticks: int) -> bool:
    """Whether the price lies between them, as far as there is one; a buy profits from a fall."""
    profit_ticks, loss_ticks = profit[11] if profit[4] == LIMIT_MAKER else profit[16], loss[16]
    low, high = (profit_ticks, loss_ticks) if profit[3] == BUY else (loss_ticks, profit_ticks)
    return low < high and (not last_price_ticks or low < last_price_ticks < high)


def limit_ticks(seat: Seat, leg: Row) -> int:
    """The worst price that a leg may trade at; of a market order there is none yet."""
    if leg[4] in AT_COLLAR:
        return admission.collar_ticks(seat.instrument, leg[3], leg[16])
    return 0 if leg[4] == MARKET else int(leg[11])
