"""What contracts say in their logs, as names and values: for people and jobs, not for the engine. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from settlement.artifacts import abi_type, ours
from settlement.chain import Log
from settlement.infrastructure import Infrastructure

_log: Final = logging.getLogger(__name__)


class Contract(StrEnum):
    """The kinds of contracts that are watched; an event's name begins with its contract's kind."""

    VAULT = "Vault"
    LOCKER = "Locker"
    LOCK_UP = "LockUp"  # the module that all tokens with a lock-up share
    BRIDGE = "Bridge"
    TOKEN = "Token"  # noqa: S105 - a property's
    IDENTITIES = "Identities"  # the storage that all registries share
    CLAIMS = "Claims"  # the claim issuer
    SALE = "Sale"
    DIVIDENDS = "Dividends"
    EXIT = "Exit"


_OURS: Final[Mapping[Contract, str]] = {
    Contract.VAULT: "CashVault",
    Contract.LOCKER: "TokenLocker",
    Contract.LOCK_UP: "LockUpModule",
    Contract.BRIDGE: "SettlementBridge",
    Contract.SALE: "PrimarySale",
    Contract.DIVIDENDS: "DividendDistributor",
    Contract.EXIT: "ExitRedemption",
}
# What others' contracts emit, as far as it concerns us: type and name of each value, "*" before an indexed one.
_OTHERS: Final[Mapping[Contract, tuple[str, ...]]] = {
    Contract.TOKEN: (
        "Transfer(*address from,*address to,uint256 value)",
        "AddressFrozen(*address wallet,*bool is_frozen,*address by)",
        "TokensFrozen(*address wallet,uint256 amount)",
        "TokensUnfrozen(*address wallet,uint256 amount)",
        "Paused(address by)",
        "Unpaused(address by)",
        "RecoverySuccess(*address lost,*address new,*address identity)",
    ),
    Contract.IDENTITIES: (
        "IdentityStored(*address wallet,*address identity)",
        "IdentityUnstored(*address wallet,*address identity)",
    ),
    Contract.CLAIMS: ("ClaimRevoked(*bytes signature)",),
}


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One log in words.

    name    such as "Token.Transfer"
    data    addresses and bytes as 0x hex, integers as decimal strings, bools as they are; of an indexed string or bytes
            the chain has the hash only
    """

    block: int
    block_hash: bytes
    log_index: int
    transaction: bytes
    contract: bytes
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    type: str
    is_indexed: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    values: tuple[_Value, ...]

    @property
    def topic(self) -> bytes:
        return keccak(text=f"{self.name}({','.join(value.type for value in self.values)})")


def chain_event(log: Log, contract: Contract) -> ChainEvent | None:
    """The log of a contract of this kind in words; None for one that is not watched or is not what its topic says."""
    shape = _shapes(contract).get(log.topics[0]) if log.topics else None
    if shape is None:
        return None
    try:
        data = _decoded(shape, log)
    except (DecodingError, ValueError) as error:
        _log.error("block %d log %d: %s does not decode: %s", log.block, log.log_index, shape.name, error)
        return None
    name = f"{contract}.{shape.name}"
    return ChainEvent(log.block, log.block_hash, log.log_index, log.transaction, log.address, name, data)


def watched_contracts(infra: Infrastructure) -> dict[bytes, Contract]:
    """What all properties share; their tokens are found on the chain."""
    kinds = {
        infra.vault: Contract.VAULT,
        infra.locker: Contract.LOCKER,
        infra.lock_up_module: Contract.LOCK_UP,
        infra.bridge: Contract.BRIDGE,
        infra.identity_storage: Contract.IDENTITIES,
        infra.claim_issuer: Contract.CLAIMS,
        infra.sale: Contract.SALE,
        infra.dividends: Contract.DIVIDENDS,
        infra.redemption: Contract.EXIT,
    }
    return {bytes(to_canonical_address(address)): kind for address, kind in kinds.items()}


def event_names(contract: Contract) -> frozenset[str]:
    """What a contract of this kind may say."""
    return frozenset(f"{contract}.{shape.name}" for shape in _shapes(contract).values())


@cache
def _shapes(contract: Contract) -> Mapping[bytes, _Shape]:
    """By the first topic."""
    if contract in _OTHERS:
        shapes = [_written(text) for text in _OTHERS[contract]]
    else:
        shapes = [_of_abi(entry) for entry in ours(_OURS[contract]).abi if entry["type"] == "event"]
    return {shape.topic: shape for shape in shapes}


def _written(text: str) -> _Shape:
    name, _, values = text.removesuffix(")").partition("(")
    return _Shape(name, tuple(_written_value(value) for value in values.split(",")))


def _written_value(text: str) -> _Value:
    kind, _, name = text.removeprefix("*").partition(" ")
    return _Value(name, kind, text.startswith("*"))


def _of_abi(entry: Mapping[str, Any]) -> _Shape:
    values = [_Value(each["name"], abi_type(each), bool(each["indexed"])) for each in entry["inputs"]]
    return _Shape(entry["name"], tuple(values))


def _decoded(shape: _Shape, log: Log) -> dict[str, Any]:
    indexed = [value for value in shape.values if value.is_indexed]
    if len(log.topics) != 1 + len(indexed):
        raise ValueError(f"{len(log.topics)} topics")
    plain = [value for value in shape.values if not value.is_indexed]
    found = {
        value.name: _json(decode([value.type], topic)[0]) if _fits_topic(value.type) else _json(topic)
        for value, topic in zip(indexed, log.topics[1:], strict=True)
    }
    words = decode([value.type for value in plain], log.data)
    found |= {value.name: _json(word) for value, word in zip(plain, words, strict=True)}
    return {value.name: found[value.name] for value in shape.values}


def _fits_topic(kind: str) -> bool:
    return kind not in ("string", "bytes") and not kind.endswith((")", "]"))


def _json(value: Any) -> Any:
    match value:
        case bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return "0x" + value.hex()
        case _:
            return [_json(each) for each in value]
