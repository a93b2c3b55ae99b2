"""What operators set against mistakes and runaway programs: kill switches, and limits of orders and positions."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine.accounts import Seat
from engine.book import BUY
from engine.lists import is_counted
from engine.types import VENUE, EventKind, Reason
from engine.venue import Venue

Row = tuple[Any, ...]

KILL_SWITCHED: Final = int(EventKind.KILL_SWITCHED)
EVERY_ACCOUNT: Final = 0


class Limits(NamedTuple):
    """Of one account, or of all in an instrument; 0: none."""

    notional_usdc_micros: int
    position_lots: int
    open_orders: int


NO_LIMITS: Final = Limits(0, 0, 0)


def is_killed(venue: Venue, account: int, instrument: int) -> bool:
    scopes = ((EVERY_ACCOUNT, VENUE), (EVERY_ACCOUNT, instrument), (account, VENUE), (account, instrument))
    return not venue.killed.isdisjoint(scopes)


def limits_of(venue: Venue, seat: Seat) -> Limits:
    """The account's own, and the instrument's where it has none."""
    number = seat.instrument.number
    own = venue.limits.get((seat.account.number, number), NO_LIMITS)
    general = venue.limits.get((EVERY_ACCOUNT, number), NO_LIMITS)
    return Limits(*(mine or theirs for mine, theirs in zip(own, general, strict=True)))


def limit_reached(venue: Venue, seat: Seat, side: int, qty_lots: int, notional_usdc_micros: int) -> int:
    """The reason to refuse an order for the size of it or of what it leads to, or 0."""
    limits = limits_of(venue, seat)
    if limits.notional_usdc_micros and notional_usdc_micros > limits.notional_usdc_micros:
        return Reason.ORDER_LIMIT
    if side == BUY and limits.position_lots:
        orders = seat.account.orders.values()
        buying_lots = sum(o.open_lots for o in orders if o.seat is seat and o.side == BUY and is_counted(venue, o))
        if seat.tokens.position_lots + seat.tokens.owed_in + buying_lots + qty_lots > limits.position_lots:
            return Reason.POSITION_LIMIT
    return 0


class Guard:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def kill_switch(self, row: Row) -> None:
        venue = self._venue
        number, on, account_number = row[6], row[8], row[9]
        instrument = venue.instrument(number)
        if not self._is_scope(number, account_number):
            return
        if on > 1:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number, account_number)
        venue.emit(KILL_SWITCHED, instrument=number, account=account_number, flags=on)
        if not on:
            return venue.killed.discard((account_number, number))
        venue.killed.add((account_number, number))
        account = venue.account(account_number)
        orders = (venue.orders if account is None else account.orders).values()
        venue.close_all([o for o in orders if instrument in (None, o.seat.instrument)], Reason.KILL_SWITCH)

    def set_limits(self, row: Row) -> None:
        venue = self._venue
        number, account_number, limits = row[6], row[9], Limits(*row[11:14])
        if number == VENUE:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        if not self._is_scope(number, account_number):
            return
        if min(limits) < 0:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number, account_number)
        if limits == NO_LIMITS:
            venue.limits.pop((account_number, number), None)
        else:
            venue.limits[account_number, number] = limits
        venue.applied(account_number, number)

    def _is_scope(self, number: int, account_number: int) -> bool:
        venue = self._venue
        if number != VENUE and venue.instrument(number) is None:
            venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        elif account_number != EVERY_ACCOUNT and venue.account(account_number) is None:
            venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        else:
            return True
        return False
