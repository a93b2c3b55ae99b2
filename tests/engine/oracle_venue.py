"""What operators and compliance may do, in its plainest form: accounts, permissions, instruments, fees."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

from engine import types as t
from engine.types import Reason, Side
from tests.engine.facts import Listing, Order
from tests.engine.oracle_auction import AuctionRules
from tests.engine.oracle_orders import rises
from tests.engine.oracle_terms import terms_are_in_range

FEE_BPS_MAX = 1_000


class VenueRules(AuctionRules):
    def open_account(self, command: t.OpenAccount) -> None:
        if linked := self.linked_to(command.wallet):
            self.reject(linked, 0, Reason.ACCOUNT_EXISTS)
            return
        self.accounts.append(command)
        account = len(self.accounts)
        self.events.append(t.AccountOpened(account, command.owner))
        for wallet, asset in sorted(self.slots):
            if wallet == command.wallet:
                self.credit(account, asset)

    def set_permission(self, command: t.SetPermission) -> None:
        where = (command.account, command.instrument)
        if self.listing(command.instrument) is None:
            self.reject(*where, Reason.UNKNOWN_INSTRUMENT)
        elif not self.is_account(command.account):
            self.reject(*where, Reason.UNKNOWN_ACCOUNT)
        elif {command.may_buy, command.may_sell} - {0, 1} or min(command.valid_until_ns, command.locked_lots) < 0:
            self.reject(*where, Reason.VALUE_OUT_OF_RANGE)
        else:
            self.permissions = [each for each in self.permissions if (each.account, each.instrument) != where]
            self.permissions.append(command)
            self.ended.discard(where)
            if command.valid_until_ns <= self.time_ns:
                self.ended.add(where)
            self.events.append(t.Applied(*where))
            self.close_ineligible(*where)
            self.cover(*where)

    def set_instrument(self, command: t.SetInstrument) -> None:
        listing = self.listing(command.instrument)
        reason = Reason.NONE
        if listing is None and command.instrument != len(self.listings) + 1:
            reason = Reason.UNKNOWN_INSTRUMENT
        elif not self.is_account(command.fee_account):
            reason = Reason.UNKNOWN_ACCOUNT
        elif listing is not None and identity(listing.terms) != identity(command):
            reason = Reason.INSTRUMENT_CHANGED
        elif not terms_are_in_range(command) or self.is_symbol_of_another(command):
            reason = Reason.VALUE_OUT_OF_RANGE
        if reason is not Reason.NONE:
            unknown = command.fee_account if reason is Reason.UNKNOWN_ACCOUNT else 0
            self.reject(unknown, command.instrument, reason)
            return
        if listing is None:
            self.listings.append(Listing(command))
        else:
            listing.terms = command
        self.events.append(t.Applied(0, command.instrument))

    def is_symbol_of_another(self, command: t.SetInstrument) -> bool:
        others = [each.terms for each in self.listings if each.terms.instrument != command.instrument]
        return command.symbol in [each.symbol for each in others]

    def set_fees(self, command: t.SetFees) -> None:
        listing = self.listing(command.instrument)
        if listing is None:
            self.reject(0, command.instrument, Reason.UNKNOWN_INSTRUMENT)
        elif not all(0 <= bps <= FEE_BPS_MAX for bps in (command.maker_fee_bps, command.taker_fee_bps)):
            self.reject(0, command.instrument, Reason.VALUE_OUT_OF_RANGE)
        else:
            listing.maker_fee_bps, listing.taker_fee_bps = command.maker_fee_bps, command.taker_fee_bps
            self.events.append(t.Applied(0, command.instrument))

    def scope_refusal(self, account: int, instrument: int) -> Reason:
        if instrument != t.VENUE and self.listing(instrument) is None:
            return Reason.UNKNOWN_INSTRUMENT
        return Reason.NONE if account == 0 or self.is_account(account) else Reason.UNKNOWN_ACCOUNT

    def kill_switch(self, command: t.KillSwitch) -> None:
        where = (command.account, command.instrument)
        reason = self.scope_refusal(*where)
        if reason is Reason.NONE and command.on not in (0, 1):
            reason = Reason.VALUE_OUT_OF_RANGE
        if reason is not Reason.NONE:
            self.reject(*where, reason)
            return
        self.events.append(t.KillSwitched(*where, command.on))
        if not command.on:
            self.killed.discard(where)
            return
        self.killed.add(where)
        self.close_all(self.open_orders(command.account or None, command.instrument or None), Reason.KILL_SWITCH)

    def set_limits(self, command: t.SetLimits) -> None:
        where = (command.account, command.instrument)
        numbers = (command.notional_usdc_micros_max, command.position_lots_max, command.open_orders_max)
        reason = Reason.UNKNOWN_INSTRUMENT if command.instrument == t.VENUE else self.scope_refusal(*where)
        if reason is Reason.NONE and min(numbers) < 0:
            reason = Reason.VALUE_OUT_OF_RANGE
        if reason is not Reason.NONE:
            self.reject(*where, reason)
            return
        self.limits.pop(where, None)
        if any(numbers):
            self.limits[where] = command
        self.events.append(t.Applied(*where))

    def ex_date(self, command: t.ExDate) -> None:
        listing, where = self.listing(command.instrument), command.instrument
        kept = self.ex_dates[-t.EX_DATES_KEPT_MAX :]
        done = next((seq for seq, dividend in kept if dividend == command.dividend), 0)
        if listing is None:
            self.reject(0, where, Reason.UNKNOWN_INSTRUMENT)
        elif done:
            self.reject(0, where, Reason.EX_DATE_DONE, done)
        elif command.usdc_micros_per_lot < 1:
            self.reject(0, where, Reason.VALUE_OUT_OF_RANGE)
        else:
            self.ex_dates.append((self.seq, command.dividend))
            less = ceil(Fraction(command.usdc_micros_per_lot, listing.terms.tick_value_usdc_micros))
            if listing.last_price_ticks:
                listing.last_price_ticks = max(1, listing.last_price_ticks - less)
            if listing.reference_ticks:
                listing.reference_ticks = max(1, listing.reference_ticks - less)
            self.events.append(t.WentEx(where, less, listing.last_price_ticks, listing.reference_ticks))
            waiting = [each for each in self.open_orders(instrument=where) if each.waits and not rises(each.terms)]
            waiting.sort(key=lambda order: (-order.terms.stop_ticks, order.order_id))
            for order in self.book(where, Side.BUY) + waiting:
                self.lower(order, less)
            for leg in [leg for each in self.open_lists() for leg in each.pending]:
                falls = not rises(leg.terms) if leg.terms.stop_ticks else leg.terms.side == Side.BUY
                is_market = leg.terms.order_type == t.OrderType.MARKET
                if leg.terms.instrument == where and falls and not is_market and leg.closed_ns is None:
                    self.lower(leg, less)

    def lower(self, order: Order, less: int) -> None:
        if order.limit_ticks <= less or (order.waits and order.terms.stop_ticks <= less):
            self.close(order, Reason.EX_DATE)
            return
        order.limit_ticks -= less
        if order.waits:
            order.terms = replace(order.terms, stop_ticks=order.terms.stop_ticks - less)
        account, where, side = order.terms.account, order.terms.instrument, order.terms.side
        if side == Side.BUY and not order.pending:
            self.touch(account, where, side)
        update_id = 0 if order.waits or order.pending else self.book_change(where)
        prices = (order.limit_ticks, order.terms.stop_ticks, order.open_lots, less)
        self.events.append(t.Repriced(account, where, side, order.order_id, *prices, update_id))


def identity(terms: t.SetInstrument) -> tuple[int | bytes, ...]:
    """What of a listed instrument never changes."""
    return (terms.tick_value_usdc_micros, terms.fee_account, terms.symbol, terms.token, terms.lot_decimals)
