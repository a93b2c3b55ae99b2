"""Who is asking: signatures, the timestamp window, and what a key may do.

HMAC-SHA256 signs the raw percent-encoded query and body as sent (REST) or the sorted `k=v` of the parameters (ws-api),
in hex of either case; Ed25519 and RSA (PKCS #1 v1.5 with SHA-256) sign the same bytes, in base64. Signatures are
compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway import errors
from gateway.decimals import DecimalError, parse_units
from gateway.errors import ApiError
from gateway.keys import ED25519, RSA, Key, KeyStore

RECV_WINDOW_MS_DEFAULT: Final = 5_000
RECV_WINDOW_MS_MAX: Final = 60_000
AHEAD_MS_MAX: Final = 1_000  # how far a client's clock may be ahead of ours
MICROSECONDS_FROM: Final = 10**15  # a timestamp this large counts microseconds (as milliseconds it is the year 33658)
_API_KEY: Final = re.compile(r"[A-Za-z0-9]{16,128}").fullmatch
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch


def check_time(timestamp: int | str | None, recv_window: int | float | str | None, now_ns: int) -> None:
    """Refuse a request that is older than its window or more than a second ahead of us."""
    now_us = now_ns // 1_000
    stamp_us = _timestamp_us(timestamp)
    window_us = RECV_WINDOW_MS_DEFAULT * 1_000 if recv_window is None else _window_us(recv_window)
    if stamp_us >= now_us + AHEAD_MS_MAX * 1_000:
        text = f"Timestamp for this request was {AHEAD_MS_MAX}ms ahead of the server's time."
        raise ApiError(errors.INVALID_TIMESTAMP, text)
    if now_us - stamp_us > window_us:
        raise ApiError(errors.INVALID_TIMESTAMP, "Timestamp for this request is outside of the recvWindow.")


def _timestamp_us(timestamp: int | str | None) -> int:
    if isinstance(timestamp, str):
        try:
            timestamp = parse_units(timestamp, 0)
        except DecimalError:
            timestamp = None
    if timestamp is None or not 0 < timestamp < 10**17:
        raise errors.mandatory("timestamp")
    return timestamp if timestamp >= MICROSECONDS_FROM else timestamp * 1_000


def _window_us(recv_window: int | float | str) -> int:
    """Milliseconds with up to three decimals, as microseconds."""
    try:
        window_us = parse_units(str(recv_window), 3)
    except DecimalError:
        raise errors.mandatory("recvWindow") from None
    if window_us > RECV_WINDOW_MS_MAX * 1_000:
        text = f"'recvWindow' contains unexpected value. Cannot be greater than {RECV_WINDOW_MS_MAX}."
        raise ApiError(errors.MANDATORY_PARAM, text)
    return window_us


def verify(key: Key, payload: bytes, signature: str | None) -> None:
    """Refuse a signature that is not this key's over these bytes."""
    if not signature:
        raise errors.mandatory("signature")
    if key.kind in (ED25519, RSA):
        good = _by_public_key(key, payload, signature)
    else:
        good = bool(_HEX(signature)) and hmac.compare_digest(
            hmac.digest(key.secret, payload, "sha256"), bytes.fromhex(signature)
        )
    if not good:
        raise ApiError(errors.INVALID_SIGNATURE, "Signature for this request is not valid.")


def _by_public_key(key: Key, payload: bytes, signature: str) -> bool:
    try:
        signed = base64.b64decode(signature, validate=True)
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.secret).verify(signed, payload)
        else:
            public_key = load_der_public_key(key.secret)
            assert isinstance(public_key, RSAPublicKey), "the key store takes no other"
            public_key.verify(signed, payload, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


class LogOn:
    """A session's key of session.logon."""

    __slots__ = ("account", "api_key", "checked_in", "since_ns")

    def __init__(self, key: Key, since_ns: int) -> None:
        self.api_key = key.key
        self.account = key.account
        self.since_ns = since_ns
        self.checked_in: object = None  # the keys as they were when it might trade


class Authenticator:
    """Finds the key of a request and refuses what it does not allow."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    def key(self, api_key: str | None, ip: str, permission: str) -> Key:
        """The live key, if it may do this from here. One answer for all that is wrong with it: nothing to probe."""
        key = self.any_key(api_key, ip)
        if permission not in key.permissions:
            raise errors.not_permitted()
        return key

    def check(self, log_on: LogOn, ip: str, permission: str) -> None:
        """As `key`, always for the same permission: looked at again only when the key file has changed."""
        keys = self._keys.current()
        if keys is not log_on.checked_in:
            self.key(log_on.api_key, ip, permission)
            log_on.checked_in = keys

    def any_key(self, api_key: str | None, ip: str) -> Key:
        """The live key, if it may do anything from here."""
        if not api_key:
            raise errors.mandatory("apiKey")
        key = self._keys.find(api_key)
        if key is None or (key.ips and ip not in key.ips):
            if not _API_KEY(api_key):
                raise ApiError(errors.BAD_API_KEY, "API-key format invalid.", 401)
            raise errors.not_permitted()
        return key
