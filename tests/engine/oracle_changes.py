"""How traders change their orders, in its plainest form: cancels, amends and replaces."""

from __future__ import annotations

from dataclasses import fields

from engine import types as t
from engine.types import Phase, Reason
from tests.engine.facts import Order
from tests.engine.oracle_lists import ListRules


class ChangeRules(ListRules):
    def find(self, account: int, instrument: int, order_id: int, client_order_id: bytes) -> Order | None:
        """An open or pending order; a list's client id is the first leg's, too."""
        pending = [leg for each in self.open_lists() for leg in each.pending]
        first_of = {each.list_id: each.terms.list_client_order_id for each in self.open_lists()}
        for order in self.open_orders(account, instrument) + pending:
            names = (order.terms.client_order_id, first_of.get(order.order_id))
            is_here = (order.terms.account, order.terms.instrument) == (account, instrument)
            by_client_id = client_order_id and client_order_id in names
            if is_here and (order.order_id == order_id if order_id > 0 else by_client_id):
                return order
        return None

    def find_in_list(self, account: int, instrument: int, list_id: int, client_order_id: bytes) -> Order | None:
        """Of a list one that is open; its first leg's client id is the list's, too."""
        for each in self.open_lists():
            names = (each.terms.list_client_order_id, each.legs[0].terms.client_order_id)
            by_client_id = client_order_id and client_order_id in names
            is_here = (each.terms.account, each.terms.instrument) == (account, instrument)
            if is_here and (each.list_id == list_id if list_id > 0 else by_client_id):
                return next(leg for leg in each.legs if leg.closed_ns is None and not leg.pending)
        return None

    def change_refusal(self, account: int, instrument: int, order: Order | None) -> Reason:
        if self.listing(instrument) is None:
            return Reason.UNKNOWN_INSTRUMENT
        if not self.is_account(account):
            return Reason.UNKNOWN_ACCOUNT
        if order is None:
            return Reason.ORDER_NOT_FOUND
        return Reason.INSTRUMENT_HALTED if self.phase(instrument) == Phase.HALT else Reason.NONE

    def cancel(self, command: t.Cancel) -> None:
        find = self.find_in_list if command.is_list else self.find
        order = find(command.account, command.instrument, command.order_id, command.client_order_id)
        reason = self.change_refusal(command.account, command.instrument, order)
        if order is not None and reason is Reason.NONE:
            self.close(order, Reason.CANCELLED)
        else:
            self.reject(command.account, command.instrument, reason)

    def amend(self, command: t.Amend) -> None:
        order = self.find(command.account, command.instrument, command.order_id, command.client_order_id)
        reason = self.change_refusal(command.account, command.instrument, order)
        if command.qty_lots <= 0 and reason not in (Reason.UNKNOWN_INSTRUMENT, Reason.UNKNOWN_ACCOUNT):
            reason = Reason.QTY_NOT_POSITIVE
        elif order is not None and order.list_id:
            reason = Reason.LIST_MALFORMED
        elif order is not None and not order.executed_lots < command.qty_lots < order.qty_lots:
            reason = Reason.QTY_NOT_REDUCED
        if order is None or reason is not Reason.NONE:
            self.reject(command.account, command.instrument, reason)
            return
        removed_lots, hidden_lots = order.qty_lots - command.qty_lots, order.hidden_lots
        order.qty_lots = command.qty_lots
        order.shown_lots = min(order.shown_lots, order.open_lots)
        self.touch(command.account, command.instrument, order.terms.side)
        who = (command.account, command.instrument, order.terms.side, order.order_id)
        lots = (order.qty_lots, order.open_lots, removed_lots)
        update_id = 0 if order.waits else self.book_change(command.instrument, is_seen=removed_lots > hidden_lots)
        self.events.append(t.Amended(*who, *lots, order.limit_ticks, update_id))

    def replace(self, command: t.Replace) -> None:
        where = (command.account, command.instrument)
        order = self.find(*where, command.cancel_order_id, command.cancel_client_order_id)
        reason = self.change_refusal(*where, order)
        if order is not None and reason is Reason.NONE:
            self.close(order, Reason.CANCELLED_REPLACED)
        else:
            self.reject(*where, reason)
            if not command.place_anyway:
                return
        new = {field.name: getattr(command, field.name) for field in fields(t.Place)}
        self.place(t.Place(**new))

    def cancel_all(self, command: t.CancelAll) -> None:
        named = command.instrument != t.VENUE
        if named and self.listing(command.instrument) is None:
            self.reject(command.account, command.instrument, Reason.UNKNOWN_INSTRUMENT)
        elif not self.is_account(command.account):
            self.reject(command.account, command.instrument, Reason.UNKNOWN_ACCOUNT)
        elif named and self.phase(command.instrument) == Phase.HALT:
            self.reject(command.account, command.instrument, Reason.INSTRUMENT_HALTED)
        else:
            orders = self.open_orders(command.account, command.instrument if named else None)
            going = [order for order in orders if self.phase(order.terms.instrument) != Phase.HALT]
            self.close_all(going, Reason.CANCELLED)
            self.events.append(t.Applied(command.account, command.instrument))
