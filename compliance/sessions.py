"""Sessions: a random token that only its bearer has, and its hash in the database, where it can be revoked at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from aiohttp import web

from api.actor import Actor, Role
from api.clock import Clock, utc_now
from persistence.database import Connection, Pool

COOKIE: Final = "session"
TOKEN_BYTES: Final = 32
TOKEN_LENGTH_MAX: Final = 64
IDLE: Final = timedelta(hours=1)
ABSOLUTE: Final = timedelta(hours=12)
SEEN_EVERY: Final = timedelta(minutes=1)  # a session's last use is written at most this often
SESSIONS_MAX: Final = 20  # of one person; the oldest ends


@dataclass(frozen=True, slots=True)
class Opened:
    """`token` is shown to its bearer now and never again."""

    session_id: UUID
    token: str
    expires_at: datetime


def token_hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


class Sessions:
    """What a session is; who may have one is decided in accounts."""

    def __init__(self, pool: Pool, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._clock = clock

    async def open(self, connection: Connection, user_id: UUID, *, has_second_factor: bool) -> Opened:
        now, token = self._clock(), secrets.token_urlsafe(TOKEN_BYTES)
        session_id = await connection.fetchval(
            "INSERT INTO sessions (user_id, token_hash, has_second_factor, created_at, seen_at, expires_at)"
            " VALUES ($1, $2, $3, $4, $4, $5) RETURNING session_id",
            user_id,
            token_hash(token),
            has_second_factor,
            now,
            now + ABSOLUTE,
        )
        await connection.execute(
            "UPDATE sessions SET revoked_at = $2 WHERE session_id IN (SELECT session_id FROM sessions"
            " WHERE user_id = $1 AND revoked_at IS NULL ORDER BY session_id DESC OFFSET $3)",
            user_id,
            now,
            SESSIONS_MAX,
        )
        return Opened(session_id, token, now + ABSOLUTE)

    async def authenticate(self, request: web.Request) -> Actor | None:
        """Whose request it is: by `Authorization: Bearer`, or else by the cookie. None without a valid session."""
        token = _token_of(request)
        return None if token is None else await self.actor_of(token)

    async def actor_of(self, token: str) -> Actor | None:
        """With the roles of this moment; None for a token that is none, has expired or is revoked."""
        now = self._clock()
        row = await self._pool.fetchrow(
            "SELECT session_id, user_id, owner, has_second_factor, seen_at,"
            " ARRAY(SELECT role FROM user_roles WHERE user_roles.user_id = sessions.user_id) AS roles"
            " FROM sessions JOIN users USING (user_id)"
            " WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > $2 AND seen_at > $3",
            token_hash(token),
            now,
            now - IDLE,
        )
        if row is None:
            return None
        if row["seen_at"] <= now - SEEN_EVERY:
            await self._pool.execute(
                "UPDATE sessions SET seen_at = greatest(seen_at, $2) WHERE session_id = $1", row["session_id"], now
            )
        roles = frozenset(Role(role) for role in row["roles"])
        return Actor(row["user_id"], row["owner"], roles, row["session_id"], row["has_second_factor"])

    async def expires_at(self, session_id: UUID) -> datetime:
        """When it ends at the latest."""
        at: datetime = await self._pool.fetchval("SELECT expires_at FROM sessions WHERE session_id = $1", session_id)
        return at

    async def revoke(self, connection: Connection, session_id: UUID) -> None:
        await connection.execute(
            "UPDATE sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL",
            session_id,
            self._clock(),
        )

    async def revoke_all(self, connection: Connection, user_id: UUID, *, but: UUID | None = None) -> None:
        """All of a person, the session `but` excepted."""
        await connection.execute(
            "UPDATE sessions SET revoked_at = $2"
            " WHERE user_id = $1 AND revoked_at IS NULL AND session_id IS DISTINCT FROM $3",
            user_id,
            self._clock(),
            but,
        )

    async def prove_second_factor(self, connection: Connection, session_id: UUID) -> None:
        """The bearer has just shown the second factor."""
        await connection.execute("UPDATE sessions SET has_second_factor = true WHERE session_id = $1", session_id)


def _token_of(request: web.Request) -> str | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = given.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    return token if 0 < len(token) <= TOKEN_LENGTH_MAX else None
