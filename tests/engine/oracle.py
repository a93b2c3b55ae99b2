"""The rulebook in its plainest form: the engine must give exactly these events (docs/rules.md says it in words)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from engine import types as t
from engine.types import Phase, Reason, TimeInForce
from tests.engine.oracle_venue import VenueRules


class Oracle(VenueRules):
    """`apply` one typed command after the other; it answers with typed events."""

    def apply(self, seq: int, time_ns: int, command: t.Command) -> list[t.Event]:
        assert seq == self.seq + 1
        assert time_ns >= self.time_ns
        self.seq, self.time_ns, self.events, self.touched = seq, time_ns, [], set()
        self.expire_due()
        self.carry_out(command)
        self.trigger_stops()
        self.events += [self.balance(account, asset) for account, asset in sorted(self.touched)]
        return self.events

    def expire_due(self) -> None:
        """By due time; at one time orders, permissions, calls, and what calls come to, by number. Again until none is.

        What is due may make more due: a call that goes on.
        """
        while due := sorted(self.due(), key=lambda each: each[:3]):
            due[0][3]()
            self.trigger_stops()

    def due(self) -> Iterator[tuple[int, int, tuple[int, int], Callable[[], None]]]:
        for order in self.open_orders():
            if order.terms.time_in_force == TimeInForce.GTD and order.terms.expire_time_ns <= self.time_ns:
                expire = partial(self.close, order, Reason.EXPIRED)
                yield order.terms.expire_time_ns, 0, (order.order_id, 0), expire
        for permission in self.permissions:
            where = (permission.account, permission.instrument)
            if permission.valid_until_ns <= self.time_ns and where not in self.ended:
                yield permission.valid_until_ns, 1, where, partial(self.end_permission, *where)
        for listing in self.listings:
            where = (listing.terms.instrument, 0)
            if 0 < listing.phase_ends_ns <= self.time_ns and self.venue_phase == Phase.CONTINUOUS:
                yield listing.phase_ends_ns, 2, where, partial(self.end_phase, listing)
            if 0 < listing.indicative_due_ns <= self.time_ns:
                yield listing.indicative_due_ns, 3, where, partial(self.tell_indicative, listing)

    def end_permission(self, account: int, instrument: int) -> None:
        self.ended.add((account, instrument))
        self.events.append(t.PermissionEnded(account, instrument))
        self.close_ineligible(account, instrument)

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
            case t.ListLeg():
                self.list_leg(command)
            case t.PlaceList():
                self.place_list(command)
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
            case t.SetBands():
                self.set_bands(command)
            case t.SetAuctions():
                self.set_auctions(command)
            case t.KillSwitch():
                self.kill_switch(command)
            case t.SetLimits():
                self.set_limits(command)
            case t.ExDate():
                self.ex_date(command)
            case t.Clock():
                pass
            case _:
                self.carry_out_chain(command)
