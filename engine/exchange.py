"""The exchange as a function: the same commands in, the same events out, on any machine, on any day."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from heapq import heappop
from typing import Any, Final

from engine import snapshot
from engine.bands import set_bands
from engine.clearing import Clearing
from engine.ex_date import ex_date
from engine.limits import Guard
from engine.list_orders import ListOrders
from engine.listing import Listing
from engine.phases import Phases
from engine.recovery import Recovery
from engine.trading import Trading
from engine.triggers import Triggers
from engine.types import CommandKind, MarketState, Reason
from engine.venue import DUE_ORDER, DUE_PERMISSION, DUE_PHASE, Venue
from engine.wire import COMMAND

Row = tuple[Any, ...]
KINDS: Final = 256  # what one byte can say


class Exchange:
    """The Python engine, and the rulebook. `apply` is the only door; everything else only looks.

    A refusal is an event. A command that breaks a rule of ours (a gap in seq, time running back, an unknown kind)
    fails an assert, and the exchange is not used any further.
    """

    def __init__(self, venue: Venue | None = None) -> None:
        self._venue = venue if venue is not None else Venue()
        trading = Trading(self._venue)
        list_orders = ListOrders(self._venue, trading)
        self._triggers = Triggers(self._venue, trading)
        clearing = Clearing(self._venue)
        guard = Guard(self._venue)
        recovery = Recovery(self._venue, clearing)
        self._listing = listing = Listing(self._venue, clearing)
        self._phases = phases = Phases(self._venue)
        handlers: dict[CommandKind, Callable[[Row], None]] = {
            CommandKind.PLACE: trading.place,
            CommandKind.CANCEL: trading.cancel,
            CommandKind.AMEND: trading.amend,
            CommandKind.REPLACE: trading.replace,
            CommandKind.CANCEL_ALL: trading.cancel_all,
            CommandKind.LIST_LEG: list_orders.leg,
            CommandKind.PLACE_LIST: list_orders.place,
            CommandKind.OPEN_ACCOUNT: listing.open_account,
            CommandKind.SET_PERMISSION: listing.set_permission,
            CommandKind.SET_INSTRUMENT: listing.set_instrument,
            CommandKind.SET_FEES: listing.set_fees,
            CommandKind.SET_PHASE: phases.set_phase,
            CommandKind.SET_BANDS: partial(set_bands, self._venue),
            CommandKind.SET_AUCTIONS: phases.set_auctions,
            CommandKind.LEVEL_CHANGED: clearing.level_changed,
            CommandKind.POSITION_CHANGED: clearing.position_changed,
            CommandKind.KILL_SWITCH: guard.kill_switch,
            CommandKind.SET_LIMITS: guard.set_limits,
            CommandKind.MIGRATE_WALLET: recovery.migrate_wallet,
            CommandKind.EX_DATE: partial(ex_date, self._venue),
            CommandKind.ADJUST: clearing.adjust,
            CommandKind.EJECT_TRADE: clearing.eject_trade,
            CommandKind.COMPOSE_BATCH: clearing.compose_batch,
            CommandKind.BATCH_FINAL: clearing.batch_final,
            CommandKind.CLOCK: _nothing,
        }
        self._handlers = [handlers.get(kind, _unknown) for kind in range(KINDS)]  # type: ignore[call-overload]

    @property
    def seq(self) -> int:
        """The last command applied."""
        return self._venue.seq

    @property
    def time_ns(self) -> int:
        return self._venue.time_ns

    @property
    def next_due_ns(self) -> int:
        """When something expires next, or 0: the sequencer sends a clock command then if nothing else came."""
        return self._venue.due[0][0] if self._venue.due else 0

    def apply(self, commands: bytes | bytearray | memoryview) -> bytes:
        """Apply stamped command records (160 bytes each, consecutive seqs) and return their event records (88 each)."""
        venue = self._venue
        handlers = self._handlers
        tell_balances = venue.tell_balances
        due = venue.due
        touched = venue.touched
        filled_lists = venue.filled_lists
        run_triggers = self._triggers.run
        for row in COMMAND.iter_unpack(commands):
            assert row[0] == venue.seq + 1, f"seq {row[0]} after {venue.seq}"
            assert row[1] >= venue.time_ns, f"time runs back at seq {row[0]}"
            venue.seq = row[0]
            venue.time_ns = row[1]
            if due and due[0][0] <= row[1]:
                self._expire()
            handlers[row[2]](row)
            if venue.stirred or filled_lists:
                run_triggers()
            if touched:
                tell_balances()
        events = b"".join(venue.events)
        venue.events.clear()
        return events

    def _expire(self) -> None:
        """What the time has made due: by when, then orders, permissions, calls, and what they come to, by number."""
        venue = self._venue
        while venue.due and venue.due[0][0] <= venue.time_ns:
            due_ns, what, number, instrument = heappop(venue.due)
            if what == DUE_ORDER:
                if number in venue.orders:
                    venue.close(venue.orders[number], Reason.EXPIRED)
            elif what == DUE_PERMISSION:
                self._listing.end_permission(number, instrument, due_ns)
            elif what == DUE_PHASE:
                self._phases.end(number, due_ns)
                self._triggers.run()
            else:
                self._phases.tell_indicative(number, due_ns)

    def snapshot(self) -> bytes:
        """All of the state, in one canonical form: equal states give equal bytes."""
        return snapshot.encode(self._venue)

    def state_hash(self) -> bytes:
        return hashlib.sha256(self.snapshot()).digest()

    def state(self) -> MarketState:
        return snapshot.market_state(self._venue)

    @classmethod
    def restore(cls, image: bytes) -> Exchange:
        """From a snapshot. Raises ValueError where it is not one of this version."""
        return cls(snapshot.decode(image))


def _nothing(row: Row) -> None:
    """A clock command: its time has been taken already."""


def _unknown(row: Row) -> None:
    raise AssertionError(f"command kind {row[2]} is unknown at seq {row[0]}")
