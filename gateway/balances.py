"""Every account's balances: the newest Balance event of each asset."""

from __future__ import annotations

from typing import Any, Final

from engine import types as t
from engine.wire import EVENT, encode_event

Row = tuple[Any, ...]  # a Balance event's slots in the order of wire.EVENT_SLOTS


class Balances:
    """By account and asset, kept as the event that told them: most are replaced before anyone asks."""

    def __init__(self) -> None:
        self._accounts: Final[dict[int, dict[int, Row]]] = {}
        self.update_time_ns: Final[dict[int, int]] = {}

    def restore(self, state: t.MarketState) -> None:
        for balance in state.balances:
            self.set(balance.account, balance.instrument, EVENT.unpack(encode_event(balance, 0)), 0)

    def set(self, account: int, asset: int, event: Row, time_ns: int) -> None:
        balances = self._accounts.get(account)
        if balances is None:
            balances = self._accounts[account] = {}
        balances[asset] = event
        self.update_time_ns[account] = time_ns

    def of(self, account: int) -> dict[int, Row]:
        return self._accounts.get(account, {})


def free_and_locked(event: Row | None) -> tuple[int, int]:
    """Micros or lots that are free, and that are locked: held by open orders, waiting for settlement, or asked back.

    A balance that is negative for a moment (trades that rest on a failed one) shows as zero.
    """
    if event is None:
        return 0, 0
    free, held, owed_in, _, requested, _, advanced = event[5:12]
    return max(free, 0), held + owed_in - advanced + requested
