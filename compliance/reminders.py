"""A job of each day: who is reminded that KYC or accreditation ends, and what has ended is tidied.

The engine needs none of it: a permission ends by itself. On chain a claim does not, so an ended KYC lapses here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from api.clock import Clock, utc_now
from api.doors import Notify
from compliance.identities import wants_identity
from compliance.registry import facts, queue
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job

JOB: Final = "accreditation_reminders"
ACTOR: Final = "reminders"
DAYS: Final = (1, 7, 30)  # before the end; the nearest that holds
PEOPLE_AT_ONCE: Final = 200  # in one transaction that keeps other facts waiting
_SUBJECTS: Final = {
    "KYC": ("kyc", "APPROVED", "your verified identity"),
    "ACCREDITATION": ("accreditation", "VERIFIED", "your accreditation"),
}


class Reminders:
    def __init__(self, pool: Pool, notify: Notify, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._notify = notify
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        return {JOB: self.remind}

    async def remind(self, job: Job) -> None:
        """May be called again at any time: each reminder is written down with its sending."""
        for done, subject in enumerate(_SUBJECTS):
            await job.show(f"reminding of {subject}", done, len(_SUBJECTS))
            while await self._remind_some(subject) == PEOPLE_AT_ONCE:
                pass

    async def _remind_some(self, subject: str) -> int:
        table, good, what = _SUBJECTS[subject]
        now = self._clock()
        async with facts(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT user_id, expires_at, days FROM ("  # noqa: S608
                " SELECT user_id, expires_at, CASE WHEN expires_at <= $1 THEN 0"
                + "".join(f" WHEN expires_at <= $1 + interval '{days} days' THEN {days}" for days in DAYS)
                + f" END AS days FROM {table} WHERE status = $2 AND expires_at <= $1 + $3::interval) AS due"
                " WHERE NOT EXISTS (SELECT FROM expiry_reminders AS e WHERE e.user_id = due.user_id"
                " AND e.subject = $4 AND e.expires_at = due.expires_at AND e.days <= due.days)"
                " ORDER BY expires_at, user_id LIMIT $5",
                now,
                good,
                timedelta(days=max(DAYS)),
                subject,
                PEOPLE_AT_ONCE,
            )
            for row in rows:
                await self._remind_one(connection, subject, what, row)
        return len(rows)

    async def _remind_one(self, connection: Connection, subject: str, what: str, row: Any) -> None:
        user_id, expires_at, days = row["user_id"], row["expires_at"], row["days"]
        await connection.execute(
            "INSERT INTO expiry_reminders (user_id, subject, expires_at, days) VALUES ($1, $2, $3, $4)",
            user_id,
            subject,
            expires_at,
            days,
        )
        kind = f"{subject}_EXPIRED" if days == 0 else f"{subject}_EXPIRES"
        await self._notify(connection, user_id, kind, _text(what, expires_at, days), {"days": days})
        if subject == "KYC" and days == 0:
            await wants_identity(connection, user_id, actor=ACTOR)
            await queue(connection, user_id=user_id)


def _text(what: str, expires_at: datetime, days: int) -> str:
    if days == 0:
        return f"The term of {what} has ended on {expires_at.date()}: renew it to go on trading."
    return f"The term of {what} ends on {expires_at.date()}: renew it in time to go on trading."
