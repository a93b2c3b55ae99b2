"""Orders that nobody is there to cancel: when a session ends, or when an account is not heard of in time.

Both send cancels that nobody waits for; one that finds no room is tried again until the sequencer takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway import messages as m
from gateway.commands import Commands
from gateway.desk import Refusal, Submit
from gateway.errors import mandatory, not_taken
from gateway.markets import Markets
from gateway.orders import Order
from gateway.times import MS

AGAIN_S: Final = 0.05
COUNTDOWN_MS_MAX: Final = 24 * 3600 * 1000
OWNED_SWEPT: Final = 1_000  # orders remembered before those that are done are let go


class Unattended(NamedTuple):
    """The origin of a cancel that nobody waits for."""

    record: bytes


Disown = Callable[[Sequence[int]], None]  # order ids


def _nobody(order_ids: Sequence[int]) -> None:
    """There is no exchange in another process."""


class Cancels:
    """`disown` is told of orders that are not to be cancelled any more, where somebody else would do it, too."""

    def __init__(self, submit: Submit, disown: Disown = _nobody) -> None:
        self._submit = submit
        self.disown: Final = disown
        self._waiting: list[bytes] = []

    def send(self, record: bytes) -> None:
        refusal = self._submit(record, Unattended(record))
        if refusal is not None and refusal.name != "STOPPING":
            self.send_later(record)

    def send_later(self, record: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(AGAIN_S, self._again)
        self._waiting.append(record)

    def _again(self) -> None:
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            self.send(record)


class OwnedOrders:
    """The orders that a session placed since it asked for cancel-on-disconnect."""

    def __init__(self, cancels: Cancels) -> None:
        self._cancels = cancels
        self._orders: dict[int, Order] = {}
        self._sweep_at = OWNED_SWEPT
        self._ended = False

    def add(self, order: Order) -> None:
        """An order of the session's was accepted; the session may be gone already."""
        if self._ended:
            self._cancel(order)
            return
        self._orders[order.order_id] = order
        if len(self._orders) > self._sweep_at:
            self._orders = {number: order for number, order in self._orders.items() if order.is_open}
            self._sweep_at = 2 * len(self._orders) + OWNED_SWEPT

    def release(self) -> None:
        """The session has changed its mind."""
        self._cancels.disown([order.order_id for order in self._orders.values() if order.is_open])

    def end(self) -> None:
        """The session is gone."""
        self._ended = True
        for order in self._orders.values():
            self._cancel(order)
        self._orders.clear()

    def _cancel(self, order: Order) -> None:
        if order.is_open:
            self._cancels.send(Commands.cancel_order(order.account, order.market.number, order.order_id))


class Timers:
    """The countdowns that run: one for each account and instrument (or all, 0)."""

    def __init__(self, cancels: Cancels) -> None:
        self._cancels = cancels
        self._timers: dict[tuple[int, int], asyncio.TimerHandle] = {}

    def start(self, account: int, instrument: int, ms: int) -> None:
        """Start one anew, or stop it with 0."""
        timer = self._timers.pop((account, instrument), None)
        if timer is not None:
            timer.cancel()
        if ms:
            self._timers[account, instrument] = asyncio.get_running_loop().call_later(
                ms / 1_000, self._end, account, instrument
            )

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _end(self, account: int, instrument: int) -> None:
        del self._timers[account, instrument]
        self._cancels.send(Commands.cancel_all_of(account, instrument))


StartTimer = Callable[[int, int, int], Refusal | None]  # account, instrument, ms; a refusal where nobody would keep it


class Countdowns:
    """All orders of an account (in a symbol) are cancelled unless it says in time that it is still there."""

    def __init__(self, markets: Markets, start: StartTimer, clock: Callable[[], int]) -> None:
        self._markets = markets
        self._start = start
        self._clock = clock

    def set(self, account: int, params: m.Countdown, unit_ns: int) -> str:
        """Start it anew, or stop it with 0; the answer says when it ends (0: never)."""
        if not 0 <= params.countdown_time <= COUNTDOWN_MS_MAX:
            raise mandatory("countdownTime")
        number = 0 if params.symbol is None else self._markets.of(params.symbol).number
        refusal = self._start(account, number, params.countdown_time)
        if refusal is not None:
            raise not_taken(refusal.name)
        cancel_time = (self._clock() + params.countdown_time * MS) // unit_ns if params.countdown_time else 0
        symbol = "" if params.symbol is None else f'"symbol":"{params.symbol}",'
        return f'{{{symbol}"countdownTime":{params.countdown_time},"cancelTime":{cancel_time}}}'
