"""Who may do what, and where: accounts opened, permissions set and ended, instruments listed, fees set."""

from __future__ import annotations

from heapq import heappush
from typing import Any, Final

from engine.accounts import Account, Permission
from engine.clearing import Clearing
from engine.types import USDC, EventKind, Reason, SetInstrument
from engine.venue import DUE_PERMISSION, Instrument, Venue

Row = tuple[Any, ...]

ACCOUNT_OPENED: Final = int(EventKind.ACCOUNT_OPENED)
PERMISSION_ENDED: Final = int(EventKind.PERMISSION_ENDED)
FEE_BPS_MAX: Final = 1_000
NOTIONAL_USDC_MICROS_MAX: Final = 2**62  # of the dearest order an instrument's limits allow, so that fees fit beside it
COLLAR_BPS_MAX: Final = 9_999
SYMBOL_BYTES_MAX: Final = 16
LOT_DECIMALS_MAX: Final = 12


class Listing:
    def __init__(self, venue: Venue, clearing: Clearing) -> None:
        self._venue = venue
        self._clearing = clearing

    def open_account(self, row: Row) -> None:
        venue = self._venue
        owner, wallet = row[10], row[18][:20]
        if wallet in venue.wallets:
            return venue.reject(Reason.ACCOUNT_EXISTS, account=venue.wallets[wallet])
        number = len(venue.accounts)
        account = Account(number, owner, wallet)
        venue.accounts.append(account)
        venue.wallets[wallet] = number
        venue.emit(ACCOUNT_OPENED, account=number, peer=owner)
        self._clearing.adopt_parked(account)

    def set_permission(self, row: Row) -> None:
        venue = self._venue
        may_buy, number, may_sell, account_number = row[3], row[6], row[8], row[9]
        valid_until_ns, rules_version, locked_lots = row[11], row[13], row[14]
        instrument = venue.instrument(number)
        if instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        account = venue.account(account_number)
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        if may_buy > 1 or may_sell > 1 or valid_until_ns < 0 or locked_lots < 0:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number, account_number)
        permission = Permission(may_buy, may_sell, valid_until_ns, locked_lots, rules_version, row[18][:32])
        seat = venue.seat(account, instrument)
        if seat.permission is not None and not seat.permission.ended:
            venue.forget_due()
        seat.permission = permission
        if valid_until_ns > venue.time_ns:
            heappush(venue.due, (valid_until_ns, DUE_PERMISSION, account_number, number))
        else:
            permission.ended = True
        venue.applied(account_number, number)
        venue.close_unpermitted(seat)
        self._clearing.cover(seat.tokens)

    def end_permission(self, account_number: int, number: int, due_ns: int) -> None:
        """Its time has come, unless it was set anew since."""
        venue = self._venue
        seat = venue.accounts[account_number].seats[number]
        permission = seat.permission
        assert permission is not None
        if permission.valid_until_ns == due_ns and not permission.ended:
            permission.ended = True
            venue.emit(PERMISSION_ENDED, instrument=number, account=account_number)
            venue.close_unpermitted(seat)

    def set_instrument(self, row: Row) -> None:
        venue = self._venue
        number = row[6]
        terms = SetInstrument(
            *(number, row[9], *row[11:18], row[10], row[8], row[18].rstrip(b"\0"), row[19][:20], row[3])
        )
        if not 0 < number <= len(venue.instruments):
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
        fee_account = venue.account(terms.fee_account)
        if fee_account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, terms.fee_account)
        listed = venue.instrument(number)
        if listed is not None and _identity(listed.terms) != _identity(terms):
            return venue.reject(Reason.INSTRUMENT_CHANGED, number)
        others = [other.terms.symbol for other in venue.instruments[1:] if other is not listed]
        if not _in_range(terms) or terms.symbol in others:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
        if listed is None:
            venue.instruments.append(Instrument(terms, venue.balance(fee_account, USDC)))
        else:
            listed.terms = terms
        venue.applied(0, number)

    def set_fees(self, row: Row) -> None:
        venue = self._venue
        number, maker_fee_bps, taker_fee_bps = row[6], row[11], row[12]
        instrument = venue.instrument(number)
        if instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number)
        if not (0 <= maker_fee_bps <= FEE_BPS_MAX and 0 <= taker_fee_bps <= FEE_BPS_MAX):
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
        instrument.maker_fee_bps, instrument.taker_fee_bps = maker_fee_bps, taker_fee_bps
        venue.applied(0, number)


def _identity(terms: SetInstrument) -> tuple[int, int, bytes, bytes, int]:
    """What open orders, holds, trades and the chain rest on, and so never changes."""
    return terms.tick_value_usdc_micros, terms.fee_account, terms.symbol, terms.token, terms.lot_decimals


def _in_range(terms: SetInstrument) -> bool:
    dearest = terms.price_ticks_max * terms.qty_lots_max * terms.tick_value_usdc_micros
    return (
        min(terms.tick_value_usdc_micros, terms.price_ticks_max, terms.qty_lots_max, terms.open_orders_max) >= 1
        and dearest <= NOTIONAL_USDC_MICROS_MAX
        and min(terms.notional_usdc_micros_min, terms.ownership_cap_lots) >= 0
        and 0 <= terms.market_collar_bps <= COLLAR_BPS_MAX
        and terms.resale <= 1
        and terms.symbol.isalnum()
        and len(terms.symbol) <= SYMBOL_BYTES_MAX
        and terms.lot_decimals <= LOT_DECIMALS_MAX
    )
