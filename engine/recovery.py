"""A lost wallet's place is taken by a new one: the account keeps its number, orders, holds and unsettled trades."""

from __future__ import annotations

from typing import Any, Final

from engine.accounts import Account
from engine.clearing import Clearing, can_be
from engine.types import USDC, EventKind, Reason
from engine.venue import Venue

Row = tuple[Any, ...]

PARKED: Final = int(EventKind.PARKED)
WALLET_MIGRATED: Final = int(EventKind.WALLET_MIGRATED)


class Recovery:
    def __init__(self, venue: Venue, clearing: Clearing) -> None:
        self._venue = venue
        self._clearing = clearing

    def migrate_wallet(self, row: Row) -> None:
        venue = self._venue
        number, moved_lots, level, asked, block, log_index, gained_lots = row[6], *row[11:17]
        lost, fresh = row[18][:20], row[19][:20]
        if not self._clearing.next_position(number, number == USDC, block, log_index):
            return
        if lost == fresh:
            return venue.reject(Reason.VALUE_OUT_OF_RANGE, number)
        giver = venue.account_at(lost, number)
        left, expected = self._level(lost, number) - moved_lots, self._level(fresh, number) + gained_lots
        if left or expected != level or not can_be(level, asked):
            at = (0 if giver is None else giver.number, number, block, log_index)
            return self._clearing.stop_crediting(*at, *((left, 0) if left else (expected, level)))
        if giver is not None and venue.wallets.get(fresh, giver.number) == giver.number:
            self._carry_over(giver, number, fresh, level, asked)
        else:
            self._set_level(lost, number, 0, 0)
            self._set_level(fresh, number, level, asked)
        venue.chain_block, venue.chain_log_index = block, log_index

    def _level(self, wallet: bytes, number: int) -> int:
        account = self._venue.account_at(wallet, number)
        if account is None:
            return self._venue.parked.get((wallet, number), (0, 0, 0))[0]
        return self._venue.balance(account, number).level

    def _set_level(self, wallet: bytes, number: int, level: int, asked: int) -> None:
        """The new wallet is another account's, or the lost one was nobody's: each has what the chain says."""
        venue = self._venue
        account = venue.account_at(wallet, number)
        if account is not None:
            return self._clearing.set_level(venue.balance(account, number), level, asked)
        venue.parked[wallet, number] = (level, asked, venue.parked.get((wallet, number), (0, 0, 0))[2])
        venue.emit(PARKED, instrument=number, a=level, b=asked)

    def _carry_over(self, account: Account, number: int, fresh: bytes, level: int, asked: int) -> None:
        venue = self._venue
        balance = venue.balance(account, number)
        lost = account.wallet_of(number)
        stays = {
            each.instrument: account.wallet_of(each.instrument)
            for each in account.balances.values()
            if each.instrument in account.left_behind or not each.is_empty()
        }
        account.wallet = fresh
        venue.wallets[fresh] = account.number
        account.left_behind = {
            asset: stays[asset] for asset in sorted(stays) if asset != number and stays[asset] != fresh
        }
        venue.emit(WALLET_MIGRATED, instrument=number, account=account.number)
        for asset in account.left_behind:
            venue.emit(WALLET_MIGRATED, instrument=asset, account=account.number, flags=1)
        _, _, position_lots = venue.parked.pop((fresh, number), (0, 0, 0))
        if balance.position_lots:
            venue.parked[lost, number] = (0, 0, balance.position_lots)
        if number != USDC:
            self._clearing.set_position(balance, position_lots)
        self._clearing.set_level(balance, level, asked)
        self._clearing.adopt_parked(account)
