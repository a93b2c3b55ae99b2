"""Circle Mint: dollars that arrive by wire, and USDC that leaves to an address of ours.

Every call has a time-out and is repeated with growing pauses; what creates something carries an idempotency key that
the caller has stored before, so that a call whose answer was lost is the same call when it is made again.
Source: Circle's reference of the endpoints under /v1/businessAccount.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import aiohttp
import msgspec

from api.amounts import usd, usd_cents

TIMEOUT_S: Final = 15.0
ATTEMPTS: Final = 4
PAUSE_FIRST_S: Final = 0.25
PAUSE_MOST_S: Final = 8.0
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
PAGE_SIZE: Final = 50
USD: Final = "USD"
_log: Final = logging.getLogger(__name__)

Status = Literal["pending", "complete", "failed"]
_ENDS: Final[dict[str, Status]] = {"complete": "complete", "failed": "failed"}
_SENDABLE: Final = ("", "active", "verification_succeeded")  # older accounts answer without a status


class CircleAway(Exception):  # noqa: N818 - a state of the world that callers wait out
    """No answer: what was asked may or may not have happened. Ask again with the same key."""


class CircleRefused(Exception):  # noqa: N818
    """Circle will not: its HTTP status, its code, and its words."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"Circle answered {status} ({code}): {text}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Deposit:
    """A wire at Circle; `wire_references` are all that Circle read off it."""

    deposit_id: str
    status: Status
    amount_cents: int
    fee_cents: int
    wire_references: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    recipient_id: str
    address: bytes
    is_active: bool


@dataclass(frozen=True, slots=True)
class Transfer:
    """USDC on its way out; the hash is there once it is broadcast, the error code when it failed."""

    transfer_id: str
    status: Status
    amount_cents: int
    destination: bytes
    transaction_hash: bytes | None
    error_code: str


@dataclass(frozen=True, slots=True)
class Balance:
    """US dollars, which Circle counts as USDC too: at hand, and arriving."""

    available_cents: int
    unsettled_cents: int


class Money(msgspec.Struct):
    amount: str
    currency: str


class DepositBody(msgspec.Struct, rename="camel"):
    """As Circle's answers and notifications carry it; what we do not use is passed over."""

    id: str
    status: str
    amount: Money
    create_date: datetime
    fees: Money | None = None
    fee: Money | None = None
    tracking_ref: str = ""
    external_ref: str = ""
    customer_external_ref: str = ""


class _Destination(msgspec.Struct):
    type: str = ""
    address: str = ""
    chain: str = ""


class TransferBody(msgspec.Struct, rename="camel"):
    id: str
    status: str
    amount: Money
    destination: _Destination
    transaction_hash: str = ""
    error_code: str = ""


class _RecipientBody(msgspec.Struct):
    id: str
    address: str
    chain: str = ""
    status: str = ""


class _Balances(msgspec.Struct):
    available: list[Money]
    unsettled: list[Money]


class _Data(msgspec.Struct):
    data: msgspec.Raw


class _Error(msgspec.Struct):
    code: int | str = ""
    message: str = ""


Answer = TypeVar("Answer")


class Circle:
    """A client of one Circle account.

    url    the base URL, without a path
    chain  Circle's name of the chain that the treasury is on, such as ETH
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: str,
        *,
        chain: str = "ETH",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}
        self._chain = chain
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def balance(self) -> Balance:
        body = await self._get("/v1/businessAccount/balances", _Balances)
        return Balance(_dollars(body.available), _dollars(body.unsettled))

    async def deposits(self) -> list[Deposit]:
        """The newest wires; ones in another currency than dollars are not ours to use."""
        path = f"/v1/businessAccount/deposits?type=wire&pageSize={PAGE_SIZE}"
        bodies = await self._get(path, list[DepositBody])
        return [deposit_of(body) for body in bodies if body.amount.currency == USD]

    async def deposit(self, deposit_id: str) -> Deposit:
        return deposit_of(await self._get(f"/v1/businessAccount/deposits/{_segment(deposit_id)}", DepositBody))

    async def register_recipient(self, key: UUID, address: bytes) -> Recipient:
        """Have an address of ours entered among those that Circle may send to. Again with the same key: the same."""
        body = {
            "idempotencyKey": str(key),
            "address": f"0x{address.hex()}",
            "chain": self._chain,
            "currency": USD,
            "description": "Deedbook treasury",
        }
        return _recipient(await self._post("/v1/businessAccount/wallets/addresses/recipient", body, _RecipientBody))

    async def recipients(self) -> list[Recipient]:
        bodies = await self._get("/v1/businessAccount/wallets/addresses/recipient", list[_RecipientBody])
        return [_recipient(body) for body in bodies if body.chain in ("", self._chain)]

    async def send(self, key: UUID, recipient_id: str, amount_cents: int) -> Transfer:
        """Send USDC to a registered address. Again with the same key: the same transfer, not another one."""
        assert amount_cents > 0
        body = {
            "idempotencyKey": str(key),
            "destination": {"type": "verified_blockchain", "addressId": recipient_id},
            "amount": {"amount": usd(amount_cents), "currency": USD},
        }
        return transfer_of(await self._post("/v1/businessAccount/transfers", body, TransferBody))

    async def transfer(self, transfer_id: str) -> Transfer:
        return transfer_of(await self._get(f"/v1/businessAccount/transfers/{_segment(transfer_id)}", TransferBody))

    async def public_key(self, key_id: UUID) -> str:
        """The key that signs newer notifications, as base64 of DER."""
        body = await self._get(f"/v2/notifications/publicKey/{key_id}", dict[str, Any])
        if body.get("algorithm") != "ECDSA_SHA_256" or not isinstance(body.get("publicKey"), str):
            raise CircleRefused(200, "UNKNOWN_ALGORITHM", "a notification key of a kind that we do not know")
        return str(body["publicKey"])

    async def _get(self, path: str, answer: type[Answer]) -> Answer:
        return await self._call("GET", path, None, answer)

    async def _post(self, path: str, body: Mapping[str, Any], answer: type[Answer]) -> Answer:
        return await self._call("POST", path, body, answer)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None, answer: type[Answer]) -> Answer:
        """Safe to repeat: a POST carries its key. Raises CircleAway, CircleRefused."""
        pause_s = PAUSE_FIRST_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, raw = await self._once(method, path, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                status, raw, why = 0, b"", type(error).__name__
            else:
                why = f"HTTP {status}"
            if status != 0 and status < 500 and status != 429:
                return _read(status, raw, answer)
            if attempt == ATTEMPTS:
                raise CircleAway(f"{method} {path.partition('?')[0]}: {why}")
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, PAUSE_MOST_S)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        async with self._session.request(
            method, self._url + path, json=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
        ) as response:
            return response.status, await response.content.read(ANSWER_BYTES_MAX)


def deposit_of(body: DepositBody) -> Deposit:
    """Raises ValueError for amounts that are no dollars and cents."""
    fee = body.fees or body.fee
    references = (body.customer_external_ref, body.external_ref, body.tracking_ref)
    return Deposit(
        deposit_id=body.id,
        status=_ENDS.get(body.status, "pending"),
        amount_cents=_cents(body.amount),
        fee_cents=0 if fee is None else _cents(fee),
        wire_references=tuple(dict.fromkeys(reference for reference in references if reference)),
        created_at=body.create_date,
    )


def transfer_of(body: TransferBody) -> Transfer:
    """Raises ValueError for an amount, address or hash that is none."""
    return Transfer(
        transfer_id=body.id,
        status=_ENDS.get(body.status, "pending"),
        amount_cents=_cents(body.amount),
        destination=_hex(body.destination.address, 20) if body.destination.address else b"",
        transaction_hash=_hex(body.transaction_hash, 32) if body.transaction_hash else None,
        error_code=body.error_code,
    )


def _recipient(body: _RecipientBody) -> Recipient:
    return Recipient(body.id, _hex(body.address, 20), body.status in _SENDABLE)


def _read(status: int, raw: bytes, answer: type[Answer]) -> Answer:
    if status >= 300:
        try:
            error = msgspec.json.decode(raw, type=_Error)
        except msgspec.MsgspecError:
            error = _Error()
        raise CircleRefused(status, str(error.code), error.message)
    try:
        return msgspec.json.decode(msgspec.json.decode(raw, type=_Data).data, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as malformed:
        raise CircleRefused(status, "MALFORMED", str(malformed)) from None


def _dollars(amounts: list[Money]) -> int:
    return sum(_cents(money) for money in amounts if money.currency == USD)


def _cents(money: Money) -> int:
    if money.currency != USD:
        raise ValueError(f"an amount in {money.currency[:8]}, not in dollars")
    return usd_cents(money.amount)


def _hex(text: str, length: int) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != length:
        raise ValueError(f"{length} bytes are expected")
    return value


def _segment(text: str) -> str:
    """An id that goes into a path: Circle's are UUIDs, and nothing else may go there."""
    return str(UUID(text))
