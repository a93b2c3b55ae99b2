"""The chain's balances against the engine's, to the unit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from engine import types as t
from settlement.calls import account_of_data, balance_of_data, lock_of_data, words
from settlement.chain import Chain
from settlement.simulation import Addresses
from settlement.trades import ANY_ASSET, Instrument, Token, Wallet, Wallets

CALLS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class ChainLevel:
    """What the chain says of a wallet's asset: micros, or lots (rounded down) of the lock and of the whole balance."""

    level: int
    requested: int
    position_lots: int  # 0 for cash


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One number that differs; `engine` and `chain` in micros or lots."""

    account: int
    instrument: int
    what: str
    engine: int
    chain: int

    def __str__(self) -> str:
        asset = "USDC" if self.instrument == t.USDC else f"instrument {self.instrument}"
        return f"account {self.account}, {asset}: {self.what} is {self.engine} here and {self.chain} on chain"


Asset = tuple[int, int]  # account, instrument (0: USDC)


def compare(engine: Iterable[t.Balance], chain: Mapping[Asset, ChainLevel]) -> list[Mismatch]:
    """Levels and positions at one FINAL point, by account and asset; what one side has not is 0.

    The request itself is compared as the chain keeps it only where nothing is owed: else the engine sets aside less.
    """
    nothing = ChainLevel(0, 0, 0)
    found: list[Mismatch] = []
    balances = {(each.account, each.instrument): each for each in engine}
    for asset in sorted(balances.keys() | chain.keys()):
        ours, theirs = balances.get(asset), chain.get(asset, nothing)
        pairs = [("level", ours.level if ours else 0, theirs.level)]
        pairs.append(("position", ours.position_lots if ours else 0, theirs.position_lots))
        if ours is not None and ours.owed_out == 0:
            pairs.append(("request", ours.requested, theirs.requested))
        found += [
            Mismatch(*asset, what, ours_now, chain_now) for what, ours_now, chain_now in pairs if ours_now != chain_now
        ]
    return found


def wallets_of(state: t.MarketState) -> Wallets:
    rows = [(each.account, ANY_ASSET, 0, Wallet(each.wallet)) for each in state.accounts]
    left = [(each.account, asset, 0, Wallet(wallet)) for each in state.accounts for asset, wallet in each.left_behind]
    return Wallets([*rows, *left])


async def chain_levels(
    chain: Chain,
    addresses: Addresses,
    accounts: Iterable[int],
    wallets: Wallets,
    instruments: Iterable[Instrument],
    block: int | None = None,
) -> dict[Asset, ChainLevel]:
    """The accounts' cash, locks and positions at a block (None: the head). Raises ChainUnavailable, ChainRefused."""
    gate = asyncio.Semaphore(CALLS_AT_ONCE)

    async def ask(to: bytes, data: bytes) -> list[int]:
        async with gate:
            return words(await chain.call(to, data, block))

    async def cash(account: int, wallet: Wallet) -> tuple[Asset, ChainLevel]:
        balance, requested, *_ = await ask(addresses.vault, account_of_data(wallet))
        return (account, t.USDC), ChainLevel(balance, requested, 0)

    async def tokens(account: int, wallet: Wallet, instrument: Instrument) -> tuple[Asset, ChainLevel]:
        lot = instrument.lot_base_units
        locked, _, requested, _ = await ask(addresses.locker, lock_of_data(instrument.token, wallet))
        (position,) = await ask(Token(instrument.token), balance_of_data(wallet))
        return (account, instrument.instrument), ChainLevel(locked // lot, requested // lot, position // lot)

    listed = list(instruments)
    asked = []
    for account in accounts:
        asked.append(cash(account, wallets.of(account, t.USDC)))
        asked += [tokens(account, wallets.of(account, each.instrument), each) for each in listed]
    return dict(await asyncio.gather(*asked))
