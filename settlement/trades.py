"""The settlement's words: a trade as it settles, a leg of tokens, a delta of cash, a batch of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NewType

Wallet = NewType("Wallet", bytes)  # 20 bytes
Token = NewType("Token", bytes)  # 20 bytes

NO_BATCH: Final = 0
ANY_ASSET: Final = -1  # of those that are not named


class Wallets:
    """Where what each account has of an asset is: at its wallet, or at an earlier one that was lost."""

    def __init__(self, rows: Iterable[tuple[int, int, int, Wallet]]) -> None:
        """`rows` are account, instrument or ANY_ASSET, since which seq, and the wallet."""
        newest: dict[tuple[int, int], tuple[int, Wallet]] = {}
        for account, asset, seq, wallet in rows:
            newest[account, asset] = max(newest.get((account, asset), (-1, wallet)), (seq, wallet))
        self._newest = newest

    def of(self, account: int, asset: int) -> Wallet:
        """What stays behind is told anew with each change of the account's wallet; where it is not, it has followed."""
        since, wallet = self._newest[account, ANY_ASSET]
        left_since, left_at = self._newest.get((account, asset), (-1, wallet))
        return left_at if left_since >= since else wallet


@dataclass(frozen=True, slots=True)
class Trade:
    """One durable trade, with all that its settlement needs.

    notional and fees are USDC micros; `seq` is the command that made it; `frame_seq` and `frame_hash` name the journal
    frame it stands in by that frame's last command.
    """

    trade_id: int
    instrument: int
    buyer_account: int
    seller_account: int
    qty_lots: int
    notional_usdc_micros: int
    buyer_fee_usdc_micros: int
    seller_fee_usdc_micros: int
    seq: int
    frame_seq: int
    frame_hash: bytes


@dataclass(frozen=True, slots=True)
class Instrument:
    """What settlement knows of a listed instrument; `lot_base_units` is how many of the token's units one lot has."""

    instrument: int
    token: Token
    fee_account: int
    tick_value_usdc_micros: int
    lot_base_units: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade by itself, as the chain would see it: base units of the token, and cash deltas that sum to zero."""

    trade_id: int
    token: Token
    seller: Wallet
    buyer: Wallet
    qty_base_units: int
    cash: tuple[tuple[Wallet, int], ...]


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """`qty` base units of a token from one wallet to another; `token_index` points into the batch's tokens."""

    token_index: int
    seller: Wallet
    buyer: Wallet
    qty_base_units: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction settles: legs grouped by token, then by seller; cash deltas by wallet, sum exactly zero."""

    tokens: tuple[Token, ...]
    legs: tuple[Leg, ...]
    cash: tuple[tuple[Wallet, int], ...]


@dataclass(frozen=True, slots=True)
class Ejected:
    """A trade that a composition leaves out, why, and the chain's own words (revert data)."""

    trade_id: int
    reason: int
    revert_data: bytes = b""
