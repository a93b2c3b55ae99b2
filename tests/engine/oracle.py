"""The rulebook in its plainest form: the engine must give exactly these events (docs/rules.md says it in words)."""

from __future__ import annotations

from engine import types as t
from engine.types import Reason, TimeInForce
from tests.engine.facts import Order
from tests.engine.oracle_venue import VenueRules


class Oracle(VenueRules):
    """`apply` one typed command after the other; it answers with typed events."""

    def apply(self, seq: int, time_ns: int, command: t.Command) -> list[t.Event]:
        assert seq == self.seq + 1
        assert time_ns >= self.time_ns
        self.seq, self.time_ns, self.events, self.touched = seq, time_ns, [], set()
        self.expire_due()
        self.carry_out(command)
        self.events += [self.balance(account, asset) for account, asset in sorted(self.touched)]
        return self.events

    def expire_due(self) -> None:
        due: list[tuple[int, int, tuple[int, int], t.SetPermission | Order]] = []
        for order in self.open_orders():
            if order.terms.time_in_force == TimeInForce.GTD and order.terms.expire_time_ns <= self.time_ns:
                due.append((order.terms.expire_time_ns, 0, (order.order_id, 0), order))
        for permission in self.permissions:
            where = (permission.account, permission.instrument)
            if permission.valid_until_ns <= self.time_ns and where not in self.ended:
                due.append((permission.valid_until_ns, 1, where, permission))
        for _, _, _, what in sorted(due, key=lambda each: each[:3]):
            if isinstance(what, t.SetPermission):
                self.ended.add((what.account, what.instrument))
                self.events.append(t.PermissionEnded(what.account, what.instrument))
                self.close_ineligible(what.account, what.instrument)
            elif what.closed_ns is None:
                self.close(what, Reason.EXPIRED)

    def carry_out(self, command: t.Command) -> None:
        match command:
            case t.Place():
                self.place(command)
            case t.Cancel():
                self.cancel(command)
            case t.Amend():
                self.amend(command)
            case t.Replace():
                self.replace(command)
            case t.CancelAll():
                self.cancel_all(command)
            case t.OpenAccount():
                self.open_account(command)
            case t.SetPermission():
                self.set_permission(command)
            case t.SetInstrument():
                self.set_instrument(command)
            case t.SetFees():
                self.set_fees(command)
            case t.SetPhase():
                self.set_phase(command)
            case t.Clock():
                pass
            case _:
                self.carry_out_chain(command)
