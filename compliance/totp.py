"""The second factor: codes that change with time (RFC 6238), each taken once, and recovery codes for a lost phone."""

from __future__ import annotations

import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyotp import TOTP, random_base32

from persistence.database import Connection

ISSUER: Final = "Deedbook"
STEP_S: Final = 30
STEPS_AROUND: Final = 1  # a phone's clock may be half a minute off
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
RECOVERY_CODES: Final = 10
RECOVERY_CODE_BYTES: Final = 10


class SecondFactor:
    """`key`: 32 bytes that seal the secrets in the database; whoever loses it makes everybody enrol again."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._cipher = AESGCM(key)

    async def begin(self, connection: Connection, user_id: UUID, email: str) -> str:
        """A new secret as an otpauth URI, to be confirmed; what was confirmed before counts until then."""
        secret = random_base32()
        await connection.execute(
            "INSERT INTO totp (user_id, pending_secret) VALUES ($1, $2)"
            " ON CONFLICT (user_id) DO UPDATE SET pending_secret = excluded.pending_secret",
            user_id,
            self._sealed(user_id, secret),
        )
        return TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)

    async def confirm(self, connection: Connection, user_id: UUID, code: str, now: datetime) -> list[str] | None:
        """The recovery codes, of which only hashes are kept; None for a wrong code, or if nothing was begun."""
        row = await connection.fetchrow(
            "SELECT pending_secret, last_step FROM totp WHERE user_id = $1 AND pending_secret IS NOT NULL FOR UPDATE",
            user_id,
        )
        if row is None:
            return None
        step = _step_of(self._opened(user_id, row["pending_secret"]), code, now)
        if step is None:
            return None
        await connection.execute(
            "UPDATE totp SET sealed_secret = pending_secret, pending_secret = NULL, last_step = $2 WHERE user_id = $1",
            user_id,
            step,
        )
        codes = [b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode() for _ in range(RECOVERY_CODES)]
        await connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
        await connection.executemany(
            "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)",
            [(user_id, _code_hash(code)) for code in codes],
        )
        return codes

    async def is_enrolled(self, connection: Connection, user_id: UUID) -> bool:
        return bool(await connection.fetchval("SELECT sealed_secret IS NOT NULL FROM totp WHERE user_id = $1", user_id))

    async def take(self, connection: Connection, user_id: UUID, code: str, now: datetime) -> bool:
        """Whether `code` is right, and was not taken before: a code of now, or a recovery code."""
        row = await connection.fetchrow(
            "SELECT sealed_secret, last_step FROM totp WHERE user_id = $1 AND sealed_secret IS NOT NULL FOR UPDATE",
            user_id,
        )
        if row is None:
            return False
        step = _step_of(self._opened(user_id, row["sealed_secret"]), code, now)
        if step is None:
            taken = await connection.fetchval(
                "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 RETURNING true",
                user_id,
                _code_hash(code),
            )
            return taken is not None
        if step <= row["last_step"]:
            return False
        await connection.execute("UPDATE totp SET last_step = $2 WHERE user_id = $1", user_id, step)
        return True

    def _sealed(self, user_id: UUID, secret: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), user_id.bytes)

    def _opened(self, user_id: UUID, sealed: bytes) -> str:
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], user_id.bytes).decode()


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code it is, of those around now."""
    middle = int(now.timestamp()) // STEP_S
    given = code.encode()
    for step in range(middle - STEPS_AROUND, middle + STEPS_AROUND + 1):
        if hmac.compare_digest(TOTP(secret).generate_otp(step).encode(), given):
            return step
    return None


def _code_hash(code: str) -> bytes:
    return sha256(code.upper().replace("-", "").encode()).digest()
