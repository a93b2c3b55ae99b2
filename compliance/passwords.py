"""Passwords: what is one, and argon2id beside the event loop, a bounded number at once."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerificationError

from api.problem import Problem

LENGTH_MIN: Final = 12  # characters
LENGTH_MAX: Final = 128
AT_ONCE: Final = 2  # each takes 64 MiB and a core for a tenth of a second
WAITING_MAX: Final = 64


class Passwords:
    """`hasher` only for tests, which need no strength."""

    def __init__(
        self, hasher: PasswordHasher | None = None, *, at_once: int = AT_ONCE, waiting_max: int = WAITING_MAX
    ) -> None:
        self._hasher = hasher or PasswordHasher(type=Type.ID)
        self._places = asyncio.Semaphore(at_once)
        self._present_max = at_once + waiting_max
        self._present = 0
        self._nobodys = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash. Raises Problem 503 when too many wait."""
        async with self._place():
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """None (nobody has that address): False, after the same work. Raises Problem 503 when too many wait."""
        async with self._place():
            is_right = await asyncio.to_thread(self._verify, password_hash or self._nobodys, _bytes(password))
        return is_right and password_hash is not None

    def _verify(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._present >= self._present_max:
            raise Problem(503, "BUSY", "Too many people sign in at this moment; try again.", retry_after_s=2)
        self._present += 1
        try:
            async with self._places:
                yield
        finally:
            self._present -= 1


def require_password(password: str) -> None:
    """Raises Problem 400 for what cannot be chosen as one."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        detail = f"Choose a password of {LENGTH_MIN} to {LENGTH_MAX} characters."
        raise Problem(400, "PASSWORD_LENGTH", detail)
    if len(set(password)) < LENGTH_MIN // 3:
        raise Problem(400, "PASSWORD_SIMPLE", "Choose a password with more different characters.")


def _bytes(password: str) -> bytes:
    """The same for the same letters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password).encode()
