"""Signatures and the timestamp window."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import errors
from gateway.auth import Authenticator, check_time, verify
from gateway.errors import ApiError
from gateway.keys import READ, TRADE, Key, KeyStore

NOW_NS = 1_750_000_000_123_000_000
NOW_MS = NOW_NS // 10**6
NOW_US = NOW_NS // 10**3


def code_of(call: object, *arguments: object) -> int:
    with pytest.raises(ApiError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


@pytest.mark.parametrize(
    ("timestamp", "window"),
    [
        (NOW_MS, None),
        (NOW_MS - 5_000, None),
        (NOW_MS + 999, None),
        (NOW_US, None),
        (NOW_US - 5_000_000, 5_000),
        (str(NOW_MS), "6000.346"),
        (NOW_MS - 59_999, 60_000),
        (NOW_US - 1_500, 1.5),
    ],
)
def test_a_fresh_request_passes(timestamp: int | str, window: int | float | str | None) -> None:
    check_time(timestamp, window, NOW_NS)


@pytest.mark.parametrize(
    ("timestamp", "window", "code"),
    [
        (NOW_MS - 5_001, None, errors.INVALID_TIMESTAMP),
        (NOW_US - 5_000_001, None, errors.INVALID_TIMESTAMP),
        (NOW_MS + 1_001, None, errors.INVALID_TIMESTAMP),
        (NOW_MS + 10**9, 60_000, errors.INVALID_TIMESTAMP),
        (NOW_US - 1_501, 1.5, errors.INVALID_TIMESTAMP),
        (None, None, errors.MANDATORY_PARAM),
        (0, None, errors.MANDATORY_PARAM),
        (-NOW_MS, None, errors.MANDATORY_PARAM),
        (10**40, None, errors.MANDATORY_PARAM),
        ("1e12", None, errors.MANDATORY_PARAM),
        ("\u0661", None, errors.MANDATORY_PARAM),
        (NOW_MS, 60_000.001, errors.MANDATORY_PARAM),
        (NOW_MS, 60_001, errors.MANDATORY_PARAM),
        (NOW_MS, -1, errors.MANDATORY_PARAM),
        (NOW_MS, "1e3", errors.MANDATORY_PARAM),
        (NOW_MS, "0.0001", errors.MANDATORY_PARAM),
        (NOW_MS, 1e-7, errors.MANDATORY_PARAM),
        (NOW_MS, 1e300, errors.MANDATORY_PARAM),
    ],
)
def test_a_stale_or_malformed_time_is_refused(
    timestamp: int | str | None, window: int | float | str | None, code: int
) -> None:
    assert code_of(check_time, timestamp, window, NOW_NS) == code


def hmac_key() -> Key:
    return Key("k", "HMAC", b"secret", 1, frozenset({TRADE}), frozenset())


def test_an_hmac_signature_is_taken_in_either_case() -> None:
    signature = hmac.digest(b"secret", b"a=1", "sha256").hex()
    verify(hmac_key(), b"a=1", signature)
    verify(hmac_key(), b"a=1", signature.upper())


@pytest.mark.parametrize("flaw", ["", "00", "zz" * 32, "\u0661" * 64, "0" * 64, "0" * 65, None])
def test_a_wrong_hmac_signature_is_refused(flaw: str | None) -> None:
    code = code_of(verify, hmac_key(), b"a=1", flaw)
    assert code == (errors.MANDATORY_PARAM if not flaw else errors.INVALID_SIGNATURE)


def test_an_ed25519_signature_is_over_every_byte() -> None:
    private = Ed25519PrivateKey.generate()
    key = Key("k", "ED25519", private.public_key().public_bytes_raw(), 1, frozenset({TRADE}), frozenset())
    signature = base64.b64encode(private.sign(b"a=1")).decode()
    verify(key, b"a=1", signature)
    for payload, flaw in ((b"a=2", signature), (b"a=1", signature[:-4]), (b"a=1", "!!"), (b"a=1", "\u00e9")):
        assert code_of(verify, key, payload, flaw) == errors.INVALID_SIGNATURE


def test_an_rsa_signature_is_over_every_byte(tmp_path: Path) -> None:
    private = generate_private_key(65_537, 2_048)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    KeyStore(tmp_path / "keys").create_rsa(1, public)
    [key] = KeyStore(tmp_path / "keys").all()
    signature = base64.b64encode(private.sign(b"payload", PKCS1v15(), SHA256())).decode()
    verify(key, b"payload", signature)
    assert code_of(verify, key, b"payloae", signature) == -1022
    for wrong in (signature[:-4], "x" + signature[1:], "%%", "00" * 32):
        assert code_of(verify, key, b"payload", wrong) == -1022


def test_a_key_opens_only_what_it_may_from_where_it_may(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    key = store.create_hmac(1, [READ], ["10.0.0.1"])
    guard = Authenticator(store)
    assert guard.key(key.key, "10.0.0.1", READ).account == 1
    for api_key, ip, permission, code in (
        (key.key, "10.0.0.2", READ, errors.REJECTED_API_KEY),
        (key.key, "10.0.0.1", TRADE, errors.REJECTED_API_KEY),
        ("A" * 64, "10.0.0.1", READ, errors.REJECTED_API_KEY),
        ("short", "10.0.0.1", READ, errors.BAD_API_KEY),
        ("A" * 63 + "\u00e9", "10.0.0.1", READ, errors.BAD_API_KEY),
        (None, "10.0.0.1", READ, errors.MANDATORY_PARAM),
    ):
        assert code_of(guard.key, api_key, ip, permission) == code
