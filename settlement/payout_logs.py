"""What the events of a payout contract say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from settlement.calls import topic
from settlement.chain import Log
from settlement.payouts import key_of
from settlement.trades import Wallet

DECLARED: Final = topic("PayoutDeclared(bytes32,address,uint256,bytes32)")
PAID: Final = topic("Paid(bytes32,address,uint256)")
OWED: Final = topic("Owed(bytes32,address,uint256)")
CHUNK_PAID: Final = topic("ChunkPaid(bytes32,bytes32,uint256,uint256)")
CLAIMED: Final = topic("Claimed(bytes32,address,uint256)")
CANCELLED: Final = topic("PayoutCancelled(bytes32,uint256)")
REDIRECTED: Final = topic("Redirected(bytes32,address,address,uint256)")
_WORD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class HolderEvent:
    """A holder's line changed: `topic` is PAID, OWED or CLAIMED."""

    topic: bytes
    holder: Wallet
    usdc_micros: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class ChunkPaid:
    """A chunk is done; the sums are of all chunks up to it, claims between them included in `paid`."""

    transaction: bytes


@dataclass(frozen=True, slots=True)
class Redirected:
    """What was owed to a lost wallet is owed to the one that its holder was recovered to."""

    holder: Wallet
    to: Wallet
    usdc_micros: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    """The contract's owner cancelled the payout; `usdc_micros` went back to the treasury."""

    usdc_micros: int
    transaction: bytes


PayoutEvent = HolderEvent | ChunkPaid | Redirected | Stopped


def payout_events(logs: Iterable[Log], payout_id: UUID) -> Iterator[PayoutEvent]:
    """The events of one payout in the chain's order."""
    key = key_of(payout_id)
    for log in logs:
        if len(log.topics) < 2 or log.topics[1] != key:
            continue
        match log.topics[0]:
            case topic_ if topic_ in (PAID, OWED, CLAIMED):
                yield HolderEvent(topic_, _wallet(log.topics[2]), _micros(log), log.transaction)
            case topic_ if topic_ == CHUNK_PAID:
                yield ChunkPaid(log.transaction)
            case topic_ if topic_ == CANCELLED:
                yield Stopped(_micros(log), log.transaction)
            case topic_ if topic_ == REDIRECTED:
                yield Redirected(_wallet(log.topics[2]), _wallet(log.topics[3]), _micros(log), log.transaction)


def _wallet(word: bytes) -> Wallet:
    return Wallet(word[-20:])


def _micros(log: Log) -> int:
    return int.from_bytes(log.data[:_WORD_BYTES], "big")
