"""What has had its time, removed: a daily job's work. Nothing rests on it: each is dead from the moment it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from persistence.database import Pool

SESSIONS_KEPT: Final = timedelta(days=90)  # to tell afterwards when somebody was signed in


async def tidy(pool: Pool, now: datetime) -> int:
    """Remove ended sessions, spent or old tokens, challenges and throttles; returns how many rows that were."""
    removed = 0
    for statement, until in (
        ("DELETE FROM sessions WHERE expires_at <= $1", now - SESSIONS_KEPT),
        ("DELETE FROM mail_tokens WHERE expires_at <= $1", now),
        ("DELETE FROM wallet_challenges WHERE expires_at <= $1", now),
        ("DELETE FROM throttles WHERE ends_at <= $1", now),
    ):
        removed += int((await pool.execute(statement, until)).removeprefix("DELETE "))
    return removed
