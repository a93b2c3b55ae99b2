"""Amazon SNS as Circle uses it: the envelope, the text that is signed, and whose certificate may have signed it.

Anybody can have SNS sign a message of their own topic, so the topic counts as much as the signature: only Circle's is
taken. A certificate is fetched from SNS's own hosts alone, or is the configured one and then never fetched.
Source: Amazon's description of how to verify the signatures of SNS messages.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
CIRCLE_TOPIC: Final = r"arn:aws:sns:[a-z0-9-]{1,32}:908968368384:(sandbox|prod)_platform-notifications-topic"
CERTIFICATES_MAX: Final = 16
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(\.cn)?")
# What is signed of each type, in this order; an optional member that is absent is left out.
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: Final[dict[str, Callable[[], HashAlgorithm]]] = {"1": SHA1, "2": SHA256}
Fetch = Callable[[str], Awaitable[bytes]]  # a URL's body; raises OSError, or what the caller takes for "away"


class NotSigned(Exception):  # noqa: N818 - what a forger is told
    """The message is not from Circle."""


class Envelope(msgspec.Struct, rename="pascal"):
    """One SNS message, as it comes."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature: str
    signature_version: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


class Certificates:
    """The public keys that may sign.

    fetch       gets a certificate (PEM) from one of SNS's hosts
    configured  the PEM of the only certificate that counts; then nothing is fetched
    """

    def __init__(self, fetch: Fetch, configured: bytes | None = None) -> None:
        self._fetch = fetch
        self._configured = None if configured is None else _rsa_key(configured)
        self._known: dict[str, RSAPublicKey] = {}

    async def key(self, url: str) -> RSAPublicKey:
        """Raises NotSigned for a URL that is not SNS's, and what `fetch` raises."""
        if self._configured is not None:
            return self._configured
        if not is_certificate_url(url):
            raise NotSigned("the certificate is not at SNS")
        key = self._known.get(url)
        if key is None:
            key = _rsa_key(await self._fetch(url))
            if len(self._known) >= CERTIFICATES_MAX:
                self._known.clear()
            self._known[url] = key
        return key


def read(raw: bytes) -> Envelope:
    """Raises NotSigned for what is no SNS message."""
    try:
        return msgspec.json.decode(raw, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotSigned("not an SNS message") from None


async def verify(envelope: Envelope, certificates: Certificates, topic: str = CIRCLE_TOPIC) -> None:
    """Raises NotSigned; `topic` is a pattern of the ARNs that are Circle's."""
    if re.fullmatch(topic, envelope.topic_arn) is None:
        raise NotSigned("not Circle's topic")
    make_hash = _HASHES.get(envelope.signature_version)
    if make_hash is None:
        raise NotSigned("an unknown signature version")
    text = signed_text(envelope)
    try:
        signature = base64.b64decode(envelope.signature, validate=True)
    except binascii.Error:
        raise NotSigned("the signature is not base64") from None
    key = await certificates.key(envelope.signing_cert_url)
    try:
        key.verify(signature, text, PKCS1v15(), make_hash())
    except InvalidSignature:
        raise NotSigned("the signature does not fit") from None


def signed_text(envelope: Envelope) -> bytes:
    """Name and value of each signed member, a line each. Raises NotSigned for a type that SNS does not have."""
    names = _SIGNED.get(envelope.type)
    if names is None:
        raise NotSigned("an unknown type")
    values = {
        "Message": envelope.message,
        "MessageId": envelope.message_id,
        "Subject": envelope.subject,
        "SubscribeURL": envelope.subscribe_url,
        "Timestamp": envelope.timestamp,
        "Token": envelope.token,
        "TopicArn": envelope.topic_arn,
        "Type": envelope.type,
    }
    try:
        return "".join(f"{name}\n{values[name]}\n" for name in names if values[name] is not None).encode()
    except UnicodeEncodeError:
        raise NotSigned("not text") from None


def is_certificate_url(url: str) -> bool:
    """Whether a certificate may be fetched there."""
    return is_sns_url(url) and urlsplit(url).path.endswith(".pem")


def is_sns_url(url: str) -> bool:
    """https, on one of SNS's hosts, on its port, with nobody's name in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and "\\" not in url and "@" not in parts.netloc
    return is_plain and parts.scheme == "https" and port in (None, 443) and _is_host(parts.hostname)


def _is_host(name: str | None) -> bool:
    return name is not None and _HOST.fullmatch(name) is not None


def _rsa_key(pem: bytes) -> RSAPublicKey:
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except ValueError:
        raise NotSigned("the certificate is none") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise NotSigned("the certificate's key is no RSA key of 2048 bits or more")
    return key
