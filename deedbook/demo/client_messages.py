"""The trading API's messages as a client reads and signs them: a reading of its own, nothing of the gateway's."""

from __future__ import annotations

import base64
import hmac
import time
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Params = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class HmacKey:
    api_key: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    api_key: str
    private: Ed25519PrivateKey


Credentials = HmacKey | Ed25519Key


def signed(credentials: Credentials, params: Params) -> Params:
    """The parameters with key, time in milliseconds and signature (over them all, sorted by name)."""
    full = {**params, "apiKey": credentials.api_key, "timestamp": time.time_ns() // 10**6}
    payload = "&".join([f"{name}={full[name]}" for name in sorted(full)]).encode()
    if isinstance(credentials, HmacKey):
        full["signature"] = hmac.digest(credentials.secret, payload, "sha256").hex()
    else:
        full["signature"] = base64.b64encode(credentials.private.sign(payload)).decode()
    return full


class ErrorData(msgspec.Struct):
    reason: str = ""


class Error(msgspec.Struct):
    code: int
    msg: str
    data: ErrorData | None = None


class Event(msgspec.Struct, tag_field="e", gc=False):
    """What comes on the user data stream."""


class ExecutionReport(Event, tag="executionReport"):
    symbol: str = msgspec.field(name="s")
    client_order_id: str = msgspec.field(name="c")
    original_id: str = msgspec.field(name="C")  # of a cancel: the order's own id
    side: str = msgspec.field(name="S")
    qty: str = msgspec.field(name="q")
    price: str = msgspec.field(name="p")
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    last_qty: str = msgspec.field(name="l")
    last_usdc: str = msgspec.field(name="Y")
    trade_id: int = msgspec.field(name="t")
    executed: str = msgspec.field(name="z")
    is_maker: bool = msgspec.field(name="m")
    reason: str = ""


class Balance(msgspec.Struct):
    asset: str = msgspec.field(name="a")
    free: str = msgspec.field(name="f")
    locked: str = msgspec.field(name="l")


class AccountPosition(Event, tag="outboundAccountPosition"):
    balances: list[Balance] = msgspec.field(name="B")


class BalanceUpdate(Event, tag="balanceUpdate"):
    asset: str = msgspec.field(name="a")
    delta: str = msgspec.field(name="d")


class TradeSettlement(Event, tag="tradeSettlement"):
    trade_id: int = msgspec.field(name="t")
    state: str = msgspec.field(name="X")
    reason: str = msgspec.field(name="r")


class StreamTerminated(Event, tag="eventStreamTerminated"):
    pass


class Message(msgspec.Struct):
    """An answer (it has an id) or an event."""

    id: int | None = None
    status: int = 0
    result: msgspec.Raw = msgspec.Raw(b"")
    error: Error | None = None
    event: ExecutionReport | AccountPosition | BalanceUpdate | TradeSettlement | StreamTerminated | None = None


class AccountBalance(msgspec.Struct):
    asset: str
    free: str
    locked: str


class AccountStatus(msgspec.Struct):
    balances: list[AccountBalance]


DECODER: Final = msgspec.json.Decoder(Message)
ENCODER: Final = msgspec.json.Encoder()
