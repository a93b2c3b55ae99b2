"""Which fills would settle, asked of the chain in trade order, and why the others would not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.addresses import unhex
from engine.types import Reason
from settlement.artifacts import ours
from settlement.calls import (
    OURS,
    Revert,
    account_of_data,
    decode_revert,
    reason_of,
    simulate_data,
    simulate_results,
    words,
)
from settlement.chain import Chain, ChainRefused
from settlement.trades import Ejected, Fill, Token, Wallet

GAS_A_FILL: Final = 700_000  # more than the dearest fill takes: sellers, buyers and modules all cold
FILLS_MAX: Final = 1_000  # of one call: its body must stay under what nodes take (2 MB and more)
GAS_BASE: Final = 2_000_000


class SettlementMisconfigured(Exception):  # noqa: N818
    """The contracts do not take our calls, so nothing can be said about fills; the text is the contract's own."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the contracts are; 20 bytes each."""

    bridge: bytes
    vault: bytes
    locker: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """`settling` and `ejected` together are the first `count` of the fills asked about, at `block`."""

    block: int
    settling: tuple[Fill, ...]
    ejected: tuple[Ejected, ...]

    @property
    def count(self) -> int:
        return len(self.settling) + len(self.ejected)


async def simulate(
    chain: Chain,
    addresses: Addresses,
    fills: Sequence[Fill],
    block: int,
    failed_before: Sequence[Fill] = (),
    gas_max: int = 50_000_000,
) -> Verdict:
    """Try fills in trade order on the state of `block`, each on what the ones before it left.

    failed_before  earlier fills that failed and that these may rest on
    gas_max        what the node lets an eth_call use; it bounds how many fills are asked about
    Raises         SettlementMisconfigured when the contracts refuse us, not the fills; ChainUnavailable, ChainRefused.
    """
    fills = fills[: max(1, min(FILLS_MAX, (gas_max - GAS_BASE) // GAS_A_FILL))]
    results = await _try(chain, addresses, fills, block, min(gas_max, GAS_BASE + GAS_A_FILL * len(fills)))
    if any(not ok and not data for ok, data in results):  # out of gas perhaps: only silence with all of it is believed
        results = await _try(chain, addresses, fills, block, gas_max)
    reverts = {
        fill.trade_id: (decode_revert(data), data) for fill, (ok, data) in zip(fills, results, strict=True) if not ok
    }
    for revert, _ in reverts.values():
        if revert.name in OURS:
            raise SettlementMisconfigured(f"the contracts do not take settlement's calls: {revert}")
    overdrawn = {_account(revert) for revert, _ in reverts.values() if revert.name == "Overdrawn"}
    balances = {wallet: await _balance(chain, addresses.vault, wallet, block) for wallet in sorted(overdrawn)}
    settling = tuple(fill for fill in fills if fill.trade_id not in reverts)
    return Verdict(block, settling, _reasons(fills, reverts, balances, failed_before))


def _reasons(
    fills: Sequence[Fill],
    reverts: Mapping[int, tuple[Revert, bytes]],
    balances: Mapping[Wallet, int],
    failed_before: Sequence[Fill],
) -> tuple[Ejected, ...]:
    """Why each failing fill failed: UPSTREAM_FAILED if it would not have, had the earlier failed ones settled."""
    owed = _Owed(balances)
    for fill in failed_before:
        owed.failed(fill)
    ejected = []
    for fill in fills:
        if fill.trade_id not in reverts:
            owed.settled(fill)
            continue
        revert, data = reverts[fill.trade_id]
        reason = Reason.UPSTREAM_FAILED if owed.would_save(fill, revert) else reason_of(revert, fill)
        ejected.append(Ejected(fill.trade_id, int(reason), data))
        owed.failed(fill)
    return tuple(ejected)


class _Owed:
    """What the failed fills would have brought and taken, and what the settling ones did to the balances we know."""

    def __init__(self, balances: Mapping[Wallet, int]) -> None:
        self._balances = dict(balances)
        self._tokens: Counter[tuple[Token, Wallet]] = Counter()
        self._cash: Counter[Wallet] = Counter()
        self._touched: set[tuple[Token, Wallet]] = set()

    def failed(self, fill: Fill) -> None:
        self._tokens[fill.token, fill.buyer] += fill.qty_base_units
        self._tokens[fill.token, fill.seller] -= fill.qty_base_units
        self._touched |= {(fill.token, fill.buyer), (fill.token, fill.seller)}
        for wallet, delta in fill.cash:
            self._cash[wallet] += delta

    def settled(self, fill: Fill) -> None:
        for wallet, delta in fill.cash:
            if wallet in self._balances:
                self._balances[wallet] += delta

    def would_save(self, fill: Fill, revert: Revert) -> bool:
        """Whether the failing fill would have settled with them."""
        if revert.name == "LegLockTooSmall":
            _, _, locked_base_units, qty_base_units = revert.values
            missing = self._tokens[fill.token, fill.seller]
            return missing > 0 and bool(locked_base_units + missing >= qty_base_units)
        if revert.name == "Overdrawn":
            wallet = _account(revert)
            due = -sum(delta for account, delta in fill.cash if account == wallet)
            return self._cash[wallet] > 0 and self._balances[wallet] + self._cash[wallet] >= due
        if revert.name == "LegNotCompliant":  # a cap that the failed sale of one of the two would have made room in
            return bool({(fill.token, fill.buyer), (fill.token, fill.seller)} & self._touched)
        return False


async def _try(
    chain: Chain, addresses: Addresses, fills: Sequence[Fill], block: int, gas: int
) -> list[tuple[bool, bytes]]:
    data = simulate_data(addresses.vault, addresses.locker, fills)
    code = {addresses.bridge: ours("BridgeSimulator").runtime_code}
    results = simulate_results(await chain.call(addresses.bridge, data, block, gas=gas, code=code))
    assert len(results) == len(fills)
    return results


def _account(revert: Revert) -> Wallet:
    return Wallet(unhex(str(revert.values[0])))


async def _balance(chain: Chain, vault: bytes, wallet: Wallet, block: int) -> int:
    return words(await chain.call(vault, account_of_data(wallet), block))[0]


async def revert_of_call(chain: Chain, sender: bytes, to: bytes, call_data: bytes) -> tuple[int, Revert | None]:
    """(gas, None) if the call would succeed now, (0, why) if it would revert. Raises ChainUnavailable."""
    try:
        return await chain.estimate(sender, to, call_data), None
    except ChainRefused as refused:
        return 0, decode_revert(refused.data) if refused.data else Revert("Refused", (refused.message,))
