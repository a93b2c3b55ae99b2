"""One-time tokens that travel by mail: whoever brings one reads the mail of its address."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from api.problem import Problem
from compliance.sessions import TOKEN_BYTES, token_hash
from persistence.database import Connection, Pool


class MailToken(StrEnum):
    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - the name of a kind


# Queues a mail in the caller's transaction: to whom, of which kind ("verify_email", "reset_password"), with what in it.
Mail = Callable[[Connection, UUID, str, Mapping[str, str]], Awaitable[None]]

LIFETIME: Final = MappingProxyType(
    {MailToken.VERIFY_EMAIL: timedelta(hours=24), MailToken.RESET_PASSWORD: timedelta(hours=1)}
)


@dataclass(frozen=True, slots=True)
class Spent:
    """`password_hash` is the one chosen at the registration that is verified."""

    user_id: UUID
    password_hash: str | None


async def send(
    connection: Connection,
    mail: Mail,
    kind: MailToken,
    user_id: UUID,
    now: datetime,
    *,
    password_hash: str | None = None,
) -> None:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await connection.execute(
        "INSERT INTO mail_tokens (token_hash, user_id, kind, password_hash, expires_at) VALUES ($1, $2, $3, $4, $5)",
        token_hash(token),
        user_id,
        str(kind),
        password_hash,
        now + LIFETIME[kind],
    )
    await mail(connection, user_id, kind.lower(), {"token": token})


async def require_good(pool: Pool, kind: MailToken, token: str, now: datetime) -> None:
    """Before work is done for it. Raises Problem 400."""
    good = await pool.fetchval(
        "SELECT true FROM mail_tokens WHERE token_hash = $1 AND kind = $2 AND expires_at > $3",
        token_hash(token),
        str(kind),
        now,
    )
    if good is None:
        raise _spent_or_old()


async def spend(connection: Connection, kind: MailToken, token: str, now: datetime) -> Spent:
    """Take it, and with it every other that its person was sent. Raises Problem 400."""
    row = await connection.fetchrow(
        "DELETE FROM mail_tokens WHERE token_hash = $1 AND kind = $2 AND expires_at > $3"
        " RETURNING user_id, password_hash",
        token_hash(token),
        str(kind),
        now,
    )
    if row is None:
        raise _spent_or_old()
    await connection.execute("DELETE FROM mail_tokens WHERE user_id = $1", row["user_id"])
    return Spent(row["user_id"], row["password_hash"])


def _spent_or_old() -> Problem:
    return Problem(400, "TOKEN_INVALID", "The link was used already or is too old; ask for a new mail.")
