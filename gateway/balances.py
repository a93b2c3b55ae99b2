"""Every account's balances: the newest Balance event of each asset."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine import types as t
from engine.wire import EVENT, EVENT_DTYPE, encode_event

Row = tuple[Any, ...]  # a Balance event's slots in the order of wire.EVENT_SLOTS
WAITING_MAX: Final = 5_000  # events that were taken and not looked at: to look takes a millisecond


class Balances:
    """By account and asset, kept as the event that told them.

    Most are replaced before anyone asks: so those of large frames wait, and of all that wait only the newest are read.
    """

    def __init__(self) -> None:
        self._accounts: Final[dict[int, dict[int, Row]]] = {}
        self._update_time_ns: Final[dict[int, int]] = {}
        self._waiting: list[tuple[Any, Any]] = []  # arrays: of Balance events, and of their times
        self._waiting_count = 0

    def restore(self, state: t.MarketState) -> None:
        for balance in state.balances:
            self.set(balance.account, balance.instrument, EVENT.unpack(encode_event(balance, 0)), 0)

    def set(self, account: int, asset: int, event: Row, time_ns: int) -> None:
        if self._waiting:
            self._read()
        self._set(account, asset, event, time_ns)

    def take(self, events: Any, times_ns: Any) -> None:
        """Balance events in order, each a row of bytes, and the time of each."""
        self._waiting.append((events, times_ns))
        self._waiting_count += len(events)
        if self._waiting_count > WAITING_MAX:
            self._read()

    def of(self, account: int) -> dict[int, Row]:
        if self._waiting:
            self._read()
        return self._accounts.get(account, {})

    def update_time_ns(self, account: int) -> int:
        """When a balance of the account changed last; 0: not since the start."""
        if self._waiting:
            self._read()
        return self._update_time_ns.get(account, 0)

    def _read(self) -> None:
        events = np.concatenate([events for events, _ in self._waiting])
        times_ns = np.concatenate([times for _, times in self._waiting])
        self._waiting, self._waiting_count = [], 0
        slots = events.view(EVENT_DTYPE).reshape(-1)
        keys = (slots["account"].astype(np.uint64) << np.uint64(16)) | slots["instrument"].astype(np.uint64)
        _, from_behind = np.unique(keys[::-1], return_index=True)
        newest = np.sort(len(keys) - 1 - from_behind)
        for event, time_ns in zip(EVENT.iter_unpack(events[newest].tobytes()), times_ns[newest].tolist(), strict=True):
            self._set(event[4], event[3], event, time_ns)

    def _set(self, account: int, asset: int, event: Row, time_ns: int) -> None:
        balances = self._accounts.get(account)
        if balances is None:
            balances = self._accounts[account] = {}
        balances[asset] = event
        self._update_time_ns[account] = time_ns


def free_and_locked(event: Row | None) -> tuple[int, int]:
    """Micros or lots that are free, and that are locked: held by open orders, waiting for settlement, or asked back.

    A balance that is negative for a moment (trades that rest on a failed one) shows as zero.
    """
    if event is None:
        return 0, 0
    free, held, owed_in, _, requested, _, advanced = event[5:12]
    return max(free, 0), held + owed_in - advanced + requested
