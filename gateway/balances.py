"""Every account's balances, from the engine's Balance events."""

from __future__ import annotations

from typing import Final

from engine import types as t


class Balances:
    """By account and asset: what is free and what is locked, micros or lots.

    Locked is what open orders hold, what waits for settlement and cannot be used yet, and what is asked back from the
    vault or the locker. A balance that is negative for a moment (trades that rest on a failed one) shows as zero.
    """

    def __init__(self) -> None:
        self._accounts: Final[dict[int, dict[int, tuple[int, int]]]] = {}
        self.update_time_ns: Final[dict[int, int]] = {}

    def restore(self, state: t.MarketState) -> None:
        for balance in state.balances:
            waiting = balance.owed_in - balance.advanced
            self.set(balance.account, balance.instrument, balance.free, balance.held, waiting, balance.requested, 0)

    def set(
        self, account: int, asset: int, free: int, held: int, waiting: int, requested: int, time_ns: int
    ) -> tuple[int, int]:
        """Take an asset's new balance and return it as (free, locked)."""
        balance = (free if free > 0 else 0, held + waiting + requested)
        balances = self._accounts.get(account)
        if balances is None:
            balances = self._accounts[account] = {}
        balances[asset] = balance
        self.update_time_ns[account] = time_ns
        return balance

    def of(self, account: int) -> dict[int, tuple[int, int]]:
        return self._accounts.get(account, {})
