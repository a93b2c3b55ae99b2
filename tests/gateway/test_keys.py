"""The key file: private, atomic, read again when it changes."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.keys import READ, TRADE, KeyFileError, KeyStore


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_key_is_stored_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    key = KeyStore(path).create_hmac(7, [READ], ["127.0.0.1"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyStore(path).find(key.key) == key
    assert (key.account, key.permissions, key.ips) == (7, frozenset({READ}), frozenset({"127.0.0.1"}))
    lock = tmp_path / "keys.jsonl.lock"
    assert sorted(tmp_path.iterdir()) == [path, lock]  # nothing half-written
    assert (lock.stat().st_size, stat.S_IMODE(lock.stat().st_mode)) == (0, 0o600)


def test_an_ed25519_key_keeps_the_public_half_only(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    key = store.create_ed25519(3, bytes(range(32)))
    assert KeyStore(tmp_path / "keys").find(key.key) == key
    assert key.secret == bytes(range(32))


def test_a_revoked_key_is_gone_within_a_second_in_other_processes_too(tmp_path: Path) -> None:
    clock = Clock()
    ours = KeyStore(tmp_path / "keys", clock)
    theirs = KeyStore(tmp_path / "keys")
    kept, revoked = theirs.create_hmac(1), theirs.create_hmac(2)
    clock.now_s = 2.0
    assert ours.find(revoked.key) == revoked
    assert theirs.revoke(revoked.key)
    assert not theirs.revoke(revoked.key)
    clock.now_s = 3.1
    assert ours.find(revoked.key) is None
    assert ours.find(kept.key) == kept
    assert ours.all() == (kept,)


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    KeyStore(path).create_hmac(1)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        KeyStore(path)


@pytest.mark.parametrize("line", [b"nonsense", b'{"key":"a"}', b'{"key":1}', b"\xff\xfe", b'{"role":"admin"}'])
def test_a_malformed_file_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(line + b"\n")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="malformed"):
        KeyStore(path)


def test_a_missing_file_holds_no_keys(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    assert store.all() == ()
    assert store.find("A" * 64) is None


def test_permissions_are_what_was_asked_for(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    assert store.create_hmac(1, [TRADE]).permissions == {TRADE}
    with pytest.raises(AssertionError):
        store.create_hmac(1, ["WITHDRAW"])


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"

    def make(account: int) -> str:
        return KeyStore(path).create_hmac(account).key

    with ThreadPoolExecutor(8) as makers:
        made = set(makers.map(make, range(1, 41)))
    assert {key.key for key in KeyStore(path).all()} == made
    assert len(made) == 40
