"""What the Circle sandbox knows: wires in, addresses, transfers out, and what it has still to tell us."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec

from api.amounts import usd, usd_cents
from persistence.whole_file import write_whole

WALLET: Final = "1000000001"
CHAIN: Final = "ETH"
EVENTS_MAX: Final = 10_000
Faults = Literal["", "timeout", "fail"]
Delivery = Literal["normal", "duplicate", "reorder", "hold"]


class Event(msgspec.Struct):
    """A notification: what it says, and whether it has arrived once."""

    event_id: str
    message: str
    arrived: bool = False


class State(msgspec.Struct):
    """All of it, as it lies on disk. Deposits, recipients and transfers as Circle shows them, by id."""

    deposits: dict[str, dict[str, Any]] = {}
    recipients: dict[str, dict[str, Any]] = {}
    transfers: dict[str, dict[str, Any]] = {}
    answers: dict[str, tuple[str, str]] = {}  # by idempotency key: hash of the request, id of what it made
    events: list[Event] = []
    chain_steps: dict[str, str] = {}
    is_subscribed: bool = False
    next_transfer: Faults = ""
    error_code: str = "transfer_failed"
    delivery: Delivery = "normal"
    signature: str = "1"


class Refusal(Exception):  # noqa: N818 - what the caller is told
    """An HTTP status, Circle's code and its words."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Account:
    """Every change is on disk before it is told to anybody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state = msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else State()

    def save(self) -> None:
        write_whole(self._path, msgspec.json.encode(self.state))

    def available_cents(self) -> int:
        """What is at hand: complete wires less what left or is leaving."""
        came = sum(_net(each) for each in self.state.deposits.values() if each["status"] == "complete")
        went = sum(_cents(each["amount"]) for each in self.state.transfers.values() if each["status"] != "failed")
        return came - went

    def balances(self) -> dict[str, Any]:
        arriving = sum(_net(each) for each in self.state.deposits.values() if each["status"] == "pending")
        return {"available": [money(self.available_cents())], "unsettled": [money(arriving)]}

    def wire(self, amount: str, reference: str, fee: str = "0", status: str = "complete") -> dict[str, Any]:
        """A bank's wire comes in. Raises Refusal."""
        try:
            amount_cents, fee_cents = usd_cents(amount), usd_cents(fee)
        except ValueError as error:
            raise Refusal(400, 2, str(error)) from None
        if not 0 <= fee_cents < amount_cents < 10**15 or status not in ("pending", "complete", "failed"):
            raise Refusal(400, 2, "an amount above its fee, and a status, are needed")
        deposit = {
            "id": str(uuid4()),
            "sourceWalletId": str(uuid4()),
            "destination": {"type": "wallet", "id": WALLET},
            "amount": money(amount_cents),
            "fees": money(fee_cents),
            "status": "pending",
            "trackingRef": reference,
            "createDate": now(),
            "updateDate": now(),
        }
        self.state.deposits[str(deposit["id"])] = deposit
        self._tell("deposits", "deposit", deposit)
        if status != "pending":
            self.end_deposit(str(deposit["id"]), status)
        self.save()
        return deposit

    def end_deposit(self, deposit_id: str, status: str) -> None:
        deposit = self.state.deposits[deposit_id]
        if deposit["status"] == "pending":
            deposit |= {"status": status, "updateDate": now()}
            self._tell("deposits", "deposit", deposit)
        self.save()

    def register(self, body: dict[str, Any]) -> dict[str, Any]:
        """Enter an address. Raises Refusal."""
        address = str(body.get("address", ""))
        if len(address) != 42 or body.get("chain") != CHAIN or body.get("currency") != "USD":
            raise Refusal(400, 2, "an address on our chain, and its currency, are needed")
        made = self._made(body)
        if made is None:
            same = [each for each in self.state.recipients.values() if each["address"].lower() == address.lower()]
            if same:
                raise Refusal(409, 1077, "the address is registered already")
            recipient = {"id": str(uuid4()), "address": address, "chain": CHAIN, "currency": "USD", "status": "active"}
            made = self._keep(body, recipient)
            self.state.recipients[made] = recipient
            self.save()
        return self.state.recipients[made]

    def send(self, body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """A transfer, and whether it is new. Raises Refusal."""
        try:
            recipient = self.state.recipients[body["destination"]["addressId"]]
            amount_cents = _cents(body["amount"])
        except (KeyError, TypeError, ValueError):
            raise Refusal(400, 2, "an amount in dollars and a registered address are needed") from None
        made = self._made(body)
        if made is not None:
            return self.state.transfers[made], False
        if amount_cents <= 0:
            raise Refusal(400, 2, "the amount must be more than nothing")
        is_covered = amount_cents <= self.available_cents()
        transfer = {
            "id": str(uuid4()),
            "source": {"type": "wallet", "id": WALLET},
            "destination": {"type": "blockchain", "address": recipient["address"], "chain": CHAIN},
            "amount": money(amount_cents),
            "status": "pending",
            "createDate": now(),
        }
        self.state.transfers[self._keep(body, transfer)] = transfer
        self._tell("transfers", "transfer", transfer)
        if not is_covered:
            self.end_transfer(transfer, "failed", errorCode="insufficient_funds")
        self.save()
        return transfer, is_covered

    def end_transfer(self, transfer: dict[str, Any], status: str, **members: str) -> None:
        transfer |= {"status": status, **members}
        self._tell("transfers", "transfer", transfer)
        self.save()

    def _tell(self, topic: str, member: str, resource: dict[str, Any]) -> None:
        message = {"clientId": WALLET, "notificationType": topic, "version": 1, member: resource}
        self.state.events.append(Event(str(uuid4()), json.dumps(message)))
        del self.state.events[:-EVENTS_MAX]

    def _made(self, body: dict[str, Any]) -> str | None:
        """What this idempotency key made before. Raises Refusal where it stood for another request."""
        key = str(body.get("idempotencyKey", ""))
        if not _is_uuid4(key):
            raise Refusal(400, 2, "idempotencyKey must be a UUID of version 4")
        known = self.state.answers.get(key)
        if known is not None and known[0] != _hash(body):
            raise Refusal(409, 1085, "the idempotencyKey was used for another request")
        return None if known is None else known[1]

    def _keep(self, body: dict[str, Any], made: dict[str, Any]) -> str:
        self.state.answers[str(body["idempotencyKey"])] = (_hash(body), str(made["id"]))
        return str(made["id"])


class ChainSteps:
    """settlement.steps.StepStore in the account's file: what is minted once stays so over restarts."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def get(self, name: str) -> bytes | None:
        raw = self._account.state.chain_steps.get(name)
        return None if raw is None else bytes.fromhex(raw)

    @asynccontextmanager
    async def turn(self, _address: str) -> AsyncIterator[ChainSteps]:
        """Only this process has the key, and its sender sends one at a time."""
        yield self

    async def put(self, name: str, raw_transaction: bytes) -> None:
        self._account.state.chain_steps[name] = raw_transaction.hex()
        self._account.save()


def money(amount_cents: int) -> dict[str, str]:
    return {"amount": usd(amount_cents), "currency": "USD"}


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _net(deposit: dict[str, Any]) -> int:
    return _cents(deposit["amount"]) - _cents(deposit["fees"])


def _cents(amount: Any) -> int:
    if amount["currency"] != "USD":
        raise ValueError("not dollars")
    return usd_cents(amount["amount"])


def _hash(body: dict[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _is_uuid4(text: str) -> bool:
    return (
        len(text) == 36
        and text[14] == "4"
        and text[19] in "89abAB"
        and all(c in "0123456789abcdefABCDEF-" for c in text)
    )
