"""Did an order ever rest that its account's permission and free tokens did not cover? Told from the journal alone."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush
from typing import Any

from engine import types as t
from engine.types import CommandKind, EventKind, Side, TradeFlag
from engine.wire import COMMAND, EVENT
from persistence.frame import DurableFrame

Seat = tuple[int, int]  # account, instrument


class Eligibility:
    """Feed it every frame from seq 1; `violations` names each resting order that had no permission, once."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._permissions: dict[Seat, t.SetPermission] = {}
        self._free: dict[Seat, int] = defaultdict(int)
        self._ends: list[tuple[int, Seat]] = []
        self._resting: dict[Seat, dict[int, int]] = defaultdict(dict)  # side by order id
        self._seats: dict[int, Seat] = {}  # of resting orders
        self._named: set[int] = set()

    def frame(self, frame: DurableFrame) -> None:
        events: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for event in EVENT.iter_unpack(frame.events):
            events[event[0]].append(event)
        for command in COMMAND.iter_unpack(frame.commands):
            self._command(command, events[command[0]])

    def _command(self, command: tuple[Any, ...], events: list[tuple[Any, ...]]) -> None:
        seq, time_ns, kind, account, instrument = command[0], command[1], command[2], command[9], command[6]
        touched: set[Seat] = set()
        for event in events:
            touched |= self._event(event)
        if kind == CommandKind.SET_PERMISSION and any(event[1] == EventKind.APPLIED for event in events):
            seat = (account, instrument)
            self._permissions[seat] = t.SetPermission(
                account, instrument, command[3], command[8], valid_until_ns=command[11], locked_lots=command[14]
            )
            heappush(self._ends, (command[11], seat))
            touched.add(seat)
        while self._ends and self._ends[0][0] <= time_ns:
            touched.add(heappop(self._ends)[1])
        for seat in touched:
            self._check(seat, seq, time_ns)

    def _event(self, event: tuple[Any, ...]) -> set[Seat]:
        kind, instrument, account, order_id = event[1], event[3], event[4], event[5]
        if kind == EventKind.BALANCE:
            self._free[account, instrument] = event[5]
            return {(account, instrument)}
        if kind == EventKind.TRIGGERED:
            self._gone(order_id)
        if (kind == EventKind.ACCEPTED and event[11] > 0) or (kind == EventKind.TRIGGERED and event[9] > 0):
            seat = (account, instrument)
            self._resting[seat][order_id] = event[14]
            self._seats[order_id] = seat
            return {seat}
        if kind == EventKind.CLOSED:
            self._gone(order_id)
        elif kind == EventKind.TRADE:
            for order_id, filled in ((event[6], TradeFlag.MAKER_FILLED), (event[7], TradeFlag.TAKER_FILLED)):
                if event[15] & filled:
                    self._gone(order_id)
        return set()

    def _gone(self, order_id: int) -> None:
        seat = self._seats.pop(order_id, None)
        if seat is not None:
            del self._resting[seat][order_id]

    def _check(self, seat: Seat, seq: int, time_ns: int) -> None:
        permission = self._permissions.get(seat)
        for order_id, side in self._resting[seat].items():
            if order_id not in self._named and not _covers(permission, self._free[seat], side, time_ns):
                self._named.add(order_id)
                where = f"account {seat[0]}, instrument {seat[1]}"
                self.violations.append(f"order {order_id} ({where}) rests without permission at seq {seq}")


def _covers(permission: t.SetPermission | None, free_lots: int, side: int, time_ns: int) -> bool:
    if permission is None or permission.valid_until_ns <= time_ns:
        return False
    if side == Side.BUY:
        return bool(permission.may_buy)
    return bool(permission.may_sell) and permission.locked_lots <= free_lots
