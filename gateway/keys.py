"""The API keys, one JSON line each in a file of the data directory that only its owner may read.

The file is the truth: another process (`deedbook keys`) may add and revoke while the gateway runs, which looks at the
file again at most once a second. A revoked key stops working then, in open sessions too.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import string
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

HMAC: Final = "HMAC"
ED25519: Final = "ED25519"
RSA: Final = "RSA"
TRADE: Final = "TRADE"  # place and cancel
READ: Final = "READ"  # orders, trades, balances, the user data stream
PERMISSIONS: Final = frozenset({TRADE, READ})
KEY_CHARS: Final = 64
LOOK_AGAIN_S: Final = 1.0
_ALPHABET: Final = string.ascii_letters + string.digits


class KeyFileError(Exception):
    """The key file cannot be trusted: readable by others, or not ours."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    kind: Literal["HMAC", "ED25519", "RSA"]
    secret: str  # HMAC: the shared secret; else the public key in hex: raw for ED25519, DER for RSA
    account: int
    permissions: list[Literal["TRADE", "READ"]]
    ips: list[str] = []


class Key(msgspec.Struct, frozen=True):
    key: str
    kind: str
    secret: bytes
    account: int
    permissions: frozenset[str]
    ips: frozenset[str]  # empty: from anywhere


class KeyStore:
    """Keys by their public name. Raises KeyFileError where the file is open to others or malformed."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, int, int] | None = None
        self._looked_s = float("-inf")
        self.reload()

    def find(self, key: str) -> Key | None:
        return self.current().get(key)

    def current(self) -> dict[str, Key]:
        """All keys, not to be changed: another object whenever the file is another."""
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_AGAIN_S:
            self._looked_s = now_s
            self.reload()
        return self._keys

    def reload(self) -> None:
        """Read the file again if it changed; a missing file holds no keys."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._keys, self._seen = {}, None
            return
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen == self._seen:
            return
        if stat.st_mode & 0o077:
            raise KeyFileError(f"{self._path} is open to others; make it readable by its owner only (chmod 600)")
        self._keys = {key.key: key for key in self._read()}
        self._seen = seen

    def create_hmac(self, account: int, permissions: Iterable[str] = PERMISSIONS, ips: Iterable[str] = ()) -> Key:
        """Make and store a key; its `secret` is to be shown once."""
        secret = _token()
        return self._add(_Line(_token(), "HMAC", secret, account, _sorted(permissions), sorted(ips)))

    def create_ed25519(
        self, account: int, public_key: bytes, permissions: Iterable[str] = PERMISSIONS, ips: Iterable[str] = ()
    ) -> Key:
        """Store the raw 32-byte public key; the private half never comes here."""
        assert len(public_key) == 32, "an Ed25519 public key has 32 bytes"
        return self._add(_Line(_token(), "ED25519", public_key.hex(), account, _sorted(permissions), sorted(ips)))

    def create_rsa(
        self, account: int, public_key: bytes, permissions: Iterable[str] = PERMISSIONS, ips: Iterable[str] = ()
    ) -> Key:
        """Store an RSA public key (DER, SubjectPublicKeyInfo)."""
        return self._add(_Line(_token(), "RSA", public_key.hex(), account, _sorted(permissions), sorted(ips)))

    def revoke(self, key: str) -> bool:
        """Whether there was one."""
        with self._alone():
            self.reload()
            there = key in self._keys
            if there:
                self._write([line for line in self._lines() if line.key != key])
            return there

    def all(self) -> tuple[Key, ...]:
        self.reload()
        return tuple(self._keys.values())

    def _add(self, line: _Line) -> Key:
        with self._alone():
            self.reload()
            self._write([*self._lines(), line])
            return self._keys[line.key]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile; the lock is a file beside it, as the file itself is replaced."""
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _lines(self) -> list[_Line]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return [msgspec.json.decode(line, type=_Line) for line in text.splitlines() if line.strip()]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{self._path} is malformed: {error}") from error

    def _read(self) -> Iterable[Key]:
        for line in self._lines():
            secret = line.secret.encode() if line.kind == HMAC else bytes.fromhex(line.secret)
            yield Key(line.key, line.kind, secret, line.account, frozenset(line.permissions), frozenset(line.ips))

    def _write(self, lines: list[_Line]) -> None:
        """Replace the file as one step, so that no reader ever sees half of it."""
        part = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        self.reload()


def _token() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(KEY_CHARS))


def _sorted(permissions: Iterable[str]) -> list[Literal["TRADE", "READ"]]:
    chosen = sorted(set(permissions))
    assert set(chosen) <= PERMISSIONS, f"permissions are {sorted(PERMISSIONS)}"
    return [TRADE if name == TRADE else READ for name in chosen]
