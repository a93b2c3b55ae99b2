"""What Circle tells us by webhook: verified on the raw body, taken once, and never a step back.

A notification only says sooner what the conversion asks Circle for anyway: no money moves on its word alone.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from payments import sns
from payments.circle import CircleRefused, Deposit, DepositBody, Transfer, TransferBody, deposit_of, transfer_of
from payments.conversion_tables import update_deposit, update_transfer
from payments.sns import Certificates, NotSigned
from persistence.database import Connection, Pool

KEYS_MAX: Final = 16
KEY_FETCHES_A_MINUTE: Final = 6  # a forger makes up key ids; Circle has few
TEXT_MAX: Final = 200
_log: Final = logging.getLogger(__name__)


class _Notification(msgspec.Struct, rename="camel"):
    """Either generation's: the older has its resource under the topic's name, the newer under `notification`."""

    notification_type: str
    notification_id: str = ""
    deposit: msgspec.Raw = msgspec.Raw(b"")
    transfer: msgspec.Raw = msgspec.Raw(b"")
    notification: msgspec.Raw = msgspec.Raw(b"")


class Keys:
    """The keys of the newer signature, from Circle itself, each asked for once.

    fetch       the public key of a key id, base64 of DER, from Circle's base URL
    configured  keys by id that are known beforehand
    """

    def __init__(
        self,
        fetch: Callable[[UUID], Awaitable[str]],
        configured: Mapping[UUID, str] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock_s = clock_s
        self._known = {key_id: _ec_key(text) for key_id, text in (configured or {}).items()}
        self._fetched_s: list[float] = []

    async def key(self, key_id: UUID) -> EllipticCurvePublicKey:
        """Raises NotSigned where there is none, and what `fetch` raises."""
        key = self._known.get(key_id)
        if key is not None:
            return key
        now_s = self._clock_s()
        self._fetched_s = [then_s for then_s in self._fetched_s if now_s - then_s < 60]
        if len(self._fetched_s) >= KEY_FETCHES_A_MINUTE or len(self._known) >= KEYS_MAX:
            raise NotSigned("too many unknown keys")
        self._fetched_s.append(now_s)
        key = self._known[key_id] = _ec_key(await self._fetch(key_id))
        return key


class Webhook:
    """The one door for Circle's messages.

    certificates, keys  whose signatures count
    fetch               gets a URL that `confirms` allowed: it confirms our subscription
    circle_url          Circle's base URL: subscriptions may be confirmed there too
    """

    def __init__(self, pool: Pool, certificates: Certificates, keys: Keys, fetch: sns.Fetch, circle_url: str) -> None:
        self._pool = pool
        self._certificates = certificates
        self._keys = keys
        self._fetch = fetch
        self._circle_origin = _origin(circle_url)

    async def take(self, headers: Mapping[str, str], raw: bytes) -> None:
        """Raises NotSigned; and what `fetch`, Circle or the database raise: then Circle sends it again."""
        signature = headers.get("X-Circle-Signature")
        if signature is not None:
            await self._verify_newer(signature, headers.get("X-Circle-Key-Id", ""), raw)
            await self._apply(raw, "")
            return
        envelope = sns.read(raw)
        await sns.verify(envelope, self._certificates)
        if envelope.type == sns.SUBSCRIPTION:
            await self._confirm(envelope.subscribe_url or "")
        elif envelope.type == sns.NOTIFICATION:
            await self._apply(envelope.message.encode(), envelope.message_id)

    async def _verify_newer(self, signature: str, key_id: str, raw: bytes) -> None:
        try:
            signed = base64.b64decode(signature, validate=True)
            key = await self._keys.key(UUID(key_id))
        except (binascii.Error, ValueError):
            raise NotSigned("no signature of Circle's") from None
        except CircleRefused:
            raise NotSigned("Circle does not know the key") from None
        try:
            key.verify(signed, raw, ECDSA(SHA256()))
        except InvalidSignature:
            raise NotSigned("the signature does not fit") from None

    async def _confirm(self, url: str) -> None:
        """Only where SNS or Circle is; the URL came in a message."""
        if not sns.is_sns_url(url) and (self._circle_origin is None or _origin(url) != self._circle_origin):
            raise NotSigned("the subscription is not at SNS")
        await self._fetch(url)
        _log.info("Circle's notifications are subscribed")

    async def _apply(self, body: bytes, event_id: str) -> None:
        """Signed, but not therefore well-formed: what we cannot read is kept by its hash and changes nothing."""
        try:
            message = msgspec.json.decode(body, type=_Notification)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            message = _Notification("")
        event_id = event_id or message.notification_id or sha256(body).hexdigest()
        topic = message.notification_type.removeprefix("mint.")
        resource = _resource(topic, message)
        async with self._pool.acquire() as connection, connection.transaction():
            if await _is_new(connection, event_id, topic, resource, body):
                await _follow(connection, resource)


Resource = Deposit | Transfer | None


async def _is_new(connection: Connection, event_id: str, topic: str, resource: Resource, body: bytes) -> bool:
    resource_id, status = _named(resource)
    inserted: str = await connection.execute(
        "INSERT INTO circle_events (event_id, topic, resource_id, status, body_sha256) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        _plain(event_id)[:TEXT_MAX],
        _plain(topic)[:100],
        resource_id,
        status,
        sha256(body).digest(),
    )
    return inserted == "INSERT 0 1"


async def _follow(connection: Connection, resource: Resource) -> None:
    if isinstance(resource, Deposit):
        await update_deposit(connection, resource)
    elif isinstance(resource, Transfer):
        await update_transfer(connection, resource)


def _named(resource: Resource) -> tuple[str, str]:
    match resource:
        case Deposit(deposit_id=name, status=status) | Transfer(transfer_id=name, status=status):
            return name, status
        case _:
            return "", ""


def _resource(topic: str, message: _Notification) -> Resource:
    """None for a topic that we do not follow, and for what is not as Circle describes it."""
    try:
        if topic == "deposits":
            body = msgspec.json.decode(message.deposit or message.notification, type=DepositBody)
            return _checked_deposit(deposit_of(body))
        if topic == "transfers":
            transfer = transfer_of(msgspec.json.decode(message.transfer or message.notification, type=TransferBody))
            UUID(transfer.transfer_id)
            return transfer
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        _log.error("a signed notification of %s is not as Circle describes them", topic)
    return None


def _checked_deposit(deposit: Deposit) -> Deposit:
    """Raises ValueError for ids and amounts that cannot be, or that a table would refuse."""
    UUID(deposit.deposit_id)
    if not 0 < deposit.amount_cents < 2**63 or not 0 <= deposit.fee_cents < 2**63:
        raise ValueError("not an amount")
    if any("\0" in reference for reference in deposit.wire_references):
        raise ValueError("not a reference")
    return deposit


def _plain(text: str) -> str:
    """Without what a text column refuses."""
    return text.encode("ascii", "replace").decode().replace("\0", "?")


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or "\\" in url or parts.hostname is None:
        return None
    return parts.scheme, parts.hostname, port


def _ec_key(text: str) -> EllipticCurvePublicKey:
    try:
        key: Any = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise NotSigned("the key is none") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise NotSigned("the key is not on P-256")
    return key
