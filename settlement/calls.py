"""What settlement says to the contracts and how they answer: call data, batch hashes, revert data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from api.addresses import unhex
from engine.types import Reason
from settlement.artifacts import ours
from settlement.trades import Batch, Fill, Token, Wallet

_BATCH: Final = "(address[],(uint16,address,address,uint128)[],(address,int128)[])"
_FILL: Final = "(address,address,address,uint128,(address,int128)[])"


def selector(signature: str) -> bytes:
    """The first four bytes of a function's or an error's hash."""
    return keccak(text=signature)[:4]


def topic(signature: str) -> bytes:
    """The first topic of an event."""
    return keccak(text=signature)


SETTLE: Final = selector(f"settle(uint64,uint64,uint64,bytes32,{_BATCH})")
LAST_TRADE: Final = selector("lastTrade()")
RELEASE_WITHDRAW: Final = selector("releaseWithdraw(address,uint256,uint256)")
RELEASE_UNLOCK: Final = selector("releaseUnlock(address,address,uint256,uint256)")
_WITHDRAW: Final = ["address", "uint256", "uint256"]
_UNLOCK: Final = ["address", *_WITHDRAW]
_SIMULATE: Final = selector(f"simulate(address,address,{_FILL}[])")
_ACCOUNT_OF: Final = selector("accountOf(address)")
_LOCK_OF: Final = selector("lockOf(address,address)")
_BALANCE_OF: Final = selector("balanceOf(address)")
_SOLVENCY: Final = selector("solvency()")


def batch_payload(batch: Batch) -> bytes:
    """abi.encode(batch), whose keccak256 the bridge emits and the engine journals."""
    return encode([_BATCH], [_batch_values(batch)])


def payload_hash(batch: Batch) -> bytes:
    return keccak(batch_payload(batch))


def settle_data(trade_after: int, trade_last: int, journal_seq: int, journal_hash: bytes, batch: Batch) -> bytes:
    """Call data of `SettlementBridge.settle`."""
    types = ["uint64", "uint64", "uint64", "bytes32", _BATCH]
    return SETTLE + encode(types, [trade_after, trade_last, journal_seq, journal_hash, _batch_values(batch)])


def settled_cash(data: bytes) -> list[tuple[Wallet, int]]:
    """The cash deltas that a `settle` call would apply, in USDC micros. Raises ValueError if it is no such call."""
    if data[:4] != SETTLE:
        raise ValueError("not a settle call")
    *_, batch = _strictly(["uint64", "uint64", "uint64", "bytes32", _BATCH], data)
    return [(_wallet(account), delta) for account, delta in batch[2]]


@dataclass(frozen=True, slots=True)
class Payment:
    """What a release call pays: `token` is None for USDC; micros or base units. What was requested after `known_block`
    is another request, and not paid."""

    token: Token | None
    wallet: Wallet
    amount: int
    known_block: int


def release_data(payment: Payment) -> bytes:
    numbers = (payment.wallet, payment.amount, payment.known_block)
    if payment.token is None:
        return RELEASE_WITHDRAW + encode(_WITHDRAW, numbers)
    return RELEASE_UNLOCK + encode(_UNLOCK, (payment.token, *numbers))


def payment_of(data: bytes) -> Payment:
    """Read a release call. Raises ValueError if it is none."""
    if data[:4] == RELEASE_WITHDRAW:
        wallet, amount, known_block = _strictly(_WITHDRAW, data)
        return Payment(None, _wallet(wallet), amount, known_block)
    if data[:4] == RELEASE_UNLOCK:
        token, wallet, amount, known_block = _strictly(_UNLOCK, data)
        return Payment(Token(_wallet(token)), _wallet(wallet), amount, known_block)
    raise ValueError("not a release call")


def _strictly(types: list[str], data: bytes) -> tuple[Any, ...]:
    """The values of call data that is exactly what encoding them gives."""
    try:
        values = decode(types, data[4:])
    except Exception as error:  # eth_abi's own errors have no common base but Exception
        raise ValueError(str(error)) from error
    if encode(types, values) != data[4:]:
        raise ValueError("not the canonical encoding")
    return values


def account_of_data(wallet: Wallet) -> bytes:
    return _ACCOUNT_OF + encode(["address"], [wallet])


def lock_of_data(token: Token, wallet: Wallet) -> bytes:
    return _LOCK_OF + encode(["address", "address"], [token, wallet])


def balance_of_data(wallet: Wallet) -> bytes:
    return _BALANCE_OF + encode(["address"], [wallet])


def solvency_data() -> bytes:
    return _SOLVENCY


def words(data: bytes) -> list[int]:
    """An answer of static unsigned values, one a 32-byte word."""
    assert len(data) % 32 == 0
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def simulate_data(vault: bytes, locker: bytes, fills: Sequence[Fill]) -> bytes:
    """Call data of `BridgeSimulator.simulate`, called at the bridge's address under a code override."""
    values = [(each.token, each.seller, each.buyer, each.qty_base_units, list(each.cash)) for each in fills]
    return _SIMULATE + encode(["address", "address", f"{_FILL}[]"], [vault, locker, values])


def simulate_results(data: bytes) -> list[tuple[bool, bytes]]:
    """(settles, revert data) of each fill, in order."""
    (results,) = decode(["(bool,bytes)[]"], data)
    return [(bool(ok), bytes(reason)) for ok, reason in results]


def _batch_values(batch: Batch) -> tuple[object, ...]:
    legs = [(leg.token_index, leg.seller, leg.buyer, leg.qty_base_units) for leg in batch.legs]
    return (list(batch.tokens), legs, list(batch.cash))


@dataclass(frozen=True, slots=True)
class Revert:
    """A revert in words: the custom error's name and values, or Error, Panic, or Unknown with the data."""

    name: str
    values: tuple[Any, ...] = ()

    def __str__(self) -> str:
        shown = (f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in self.values)
        return f"{self.name}({', '.join(shown)})"


def decode_revert(data: bytes) -> Revert:
    """Name revert data; never raises, for a contract may revert with anything."""
    for known, name, types in ((_ERROR, "Error", ["string"]), (_PANIC, "Panic", ["uint256"])):
        if data[:4] == known:
            return _decoded(name, types, data)
    if (entry := _errors().get(data[:4])) is not None:
        return _decoded(str(entry["name"]), [str(field["type"]) for field in entry["inputs"]], data)
    return Revert("Unknown", (data,))


def _decoded(name: str, types: list[str], data: bytes) -> Revert:
    try:
        return Revert(name, decode(types, data[4:]))
    except Exception:  # a contract may send anything behind a known selector
        return Revert("Unknown", (data,))


def reason_of(revert: Revert, fill: Fill) -> Reason:
    """Why a fill failed, in the exchange's words."""
    if revert.name == "LegWalletFrozen":
        return Reason.SELLER_FROZEN if _wallet(revert.values[1]) == fill.seller else Reason.BUYER_FROZEN
    return _REASONS.get(revert.name, Reason.CHAIN_REFUSED)


_ERROR: Final = selector("Error(string)")
_PANIC: Final = selector("Panic(uint256)")
_REASONS: Final = {
    "LegTokenPaused": Reason.TOKEN_PAUSED,
    "LegSellerNotVerified": Reason.SELLER_NOT_VERIFIED,
    "LegBuyerNotVerified": Reason.BUYER_NOT_VERIFIED,
    "LegLockTooSmall": Reason.LOCK_TOO_SMALL,
    "LegFrozenTooSmall": Reason.LOCK_TOO_SMALL,
    "LegNotCompliant": Reason.COMPLIANCE_REFUSED,
    "Overdrawn": Reason.CASH_TOO_SMALL,
}
# These are about us, not about a fill: nothing may be ejected for them.
OURS: Final = frozenset({"NotHolder", "BridgePaused", "TradesOutOfOrder", "OnlySelf", "NotZeroSum", "LegTokenUnknown"})


def _wallet(address: str) -> Wallet:
    return Wallet(unhex(address))


@cache
def _errors() -> dict[bytes, dict[str, Any]]:
    exchange = ("SettlementBridge", "CashVault", "TokenLocker", "BridgeSimulator")
    names = (*exchange, "PrimarySale", "DividendDistributor", "ExitRedemption", "MockUSDC")
    return {key: entry for name in names for key, entry in ours(name).error_selectors().items()}
