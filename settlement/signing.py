"""What a signer's key may be used for: messages, the list of calls, the day's caps. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from settlement.calls import RELEASE_WITHDRAW, SETTLE, payment_of, settled_cash
from settlement.chain import TRANSACTION_GAS_MAX

DAY_S: Final = 86_400
NONCES_KEPT: Final = 1_000


class SigningRefused(Exception):  # noqa: N818
    """The signer's policy does not allow the transaction; the text says which rule."""


class Reference(msgspec.Struct, frozen=True):
    """The WithdrawalReady event that a release rests on: the command that caused it, what it says, and the last block
    that the engine knew of."""

    seq: int
    account: int
    instrument: int  # 0: USDC
    amount: int  # micros or lots
    known_block: int


class SignRequest(msgspec.Struct, frozen=True):
    """An EIP-1559 transaction to sign; its value is always 0. Fees are decimal: they may exceed 64 bits."""

    chain_id: int
    nonce: int
    to: bytes
    data: bytes
    gas: int
    max_fee_wei: str
    priority_fee_wei: str
    reference: Reference | None = None


class SignAnswer(msgspec.Struct, frozen=True):
    """The raw transaction, or the rule that forbids it."""

    raw: bytes = b""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Caps:
    """What one key may spend in a day of UTC."""

    transactions: int
    gas_wei: int
    usdc_micros: int  # moved by settlements, or paid out by releases


@dataclass(frozen=True, slots=True)
class Cost:
    """What signatures may spend, at most."""

    transactions: int = 0
    gas_wei: int = 0
    usdc_micros: int = 0

    def plus(self, other: Cost) -> Cost:
        return Cost(
            self.transactions + other.transactions,
            self.gas_wei + other.gas_wei,
            self.usdc_micros + other.usdc_micros,
        )

    def beyond(self, paid: Cost) -> Cost:
        """How much more than `paid` this is, each part at least 0."""
        return Cost(
            max(0, self.transactions - paid.transactions),
            max(0, self.gas_wei - paid.gas_wei),
            max(0, self.usdc_micros - paid.usdc_micros),
        )


@dataclass(slots=True)
class Policy:
    """What a key may sign. `allowed` lists contract and selector; nothing else is ever signed."""

    chain_id: int
    allowed: frozenset[tuple[bytes, bytes]]
    caps: Caps
    fee_max_wei: int
    _day: int = 0
    _spent: Cost = Cost()
    _by_nonce: dict[int, Cost] = field(default_factory=dict)  # of the last NONCES_KEPT

    def charge(self, request: SignRequest, now_s: int) -> Cost:
        """What signing this adds to the day. Raises SigningRefused and changes nothing.

        Of transactions with one nonce one is mined: a replacement pays only for what it may spend beyond the dearest.
        """
        self._check(request)
        extra = _cost(request).beyond(self._by_nonce.get(request.nonce, Cost()))
        total = extra.plus(self._spent if self._day == now_s // DAY_S else Cost())
        for name in ("transactions", "gas_wei", "usdc_micros"):
            if getattr(total, name) > getattr(self.caps, name):
                raise SigningRefused(f"the cap of {getattr(self.caps, name)} {name} a day does not allow it")
        return extra

    def signed(self, nonce: int, extra: Cost, time_s: int) -> None:
        """Count a signature: when it is written down, before it is given out; and on start, from what was written."""
        day = time_s // DAY_S
        if day != self._day:
            self._day, self._spent = day, Cost()
        self._spent = self._spent.plus(extra)
        self._by_nonce[nonce] = self._by_nonce.get(nonce, Cost()).plus(extra)
        if len(self._by_nonce) > NONCES_KEPT:
            del self._by_nonce[min(self._by_nonce)]

    def _check(self, request: SignRequest) -> None:
        if request.chain_id != self.chain_id:
            raise SigningRefused(f"chain {request.chain_id} is not chain {self.chain_id}")
        if (request.to, request.data[:4]) not in self.allowed:
            raise SigningRefused(f"0x{request.data[:4].hex()} of contract 0x{request.to.hex()} is not on the list")
        if not 0 < request.gas <= TRANSACTION_GAS_MAX or request.nonce < 0:
            raise SigningRefused(f"gas {request.gas} or nonce {request.nonce} is out of range")
        if not (request.max_fee_wei.isascii() and request.max_fee_wei.isdigit()):
            raise SigningRefused("the fee is no number")
        if not (request.priority_fee_wei.isascii() and request.priority_fee_wei.isdigit()):
            raise SigningRefused("the priority fee is no number")
        if not int(request.priority_fee_wei) <= int(request.max_fee_wei) <= self.fee_max_wei:
            raise SigningRefused(f"a fee of {request.max_fee_wei} wei a gas is over the limit of {self.fee_max_wei}")


def _cost(request: SignRequest) -> Cost:
    return Cost(1, request.gas * int(request.max_fee_wei), usdc_micros_of(request.data))


def usdc_micros_of(data: bytes) -> int:
    """USDC that a call moves: what a settlement credits, what a release pays out; 0 for tokens."""
    try:
        if data[:4] == SETTLE:
            return sum(delta for _, delta in settled_cash(data) if delta > 0)
        return payment_of(data).amount if data[:4] == RELEASE_WITHDRAW else 0
    except ValueError as error:
        raise SigningRefused(f"the call cannot be read: {error}") from None
