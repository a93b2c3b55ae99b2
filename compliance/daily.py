"""The jobs of each day: people are reminded, what has ended is tidied, and the audit log is checked."""

from __future__ import annotations

import logging
from datetime import date
from typing import Final

from api.actor import Role
from api.clock import Clock, utc_now
from api.doors import Notify
from compliance import reminders
from compliance.appointments import people_with
from compliance.audit import departure, head, verify_chain
from compliance.audit_heads import AuditHeads
from compliance.tidying import tidy
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed, enqueue

AUDIT_JOB: Final = "audit_check"
TIDY_JOB: Final = "tidy_accounts"
JOBS: Final = (reminders.JOB, TIDY_JOB, AUDIT_JOB)
_MUST_KNOW: Final = (Role.ADMIN, Role.COMPLIANCE_OFFICER, Role.SETTLEMENT_OPERATOR)
_log: Final = logging.getLogger(__name__)


async def enqueue_daily(connection: Connection, day: date) -> None:
    """Once a day; calling it more often changes nothing."""
    for kind in JOBS:
        await enqueue(connection, kind, day.isoformat())


class Daily:
    """The handlers of what is no reminder."""

    def __init__(self, pool: Pool, heads: AuditHeads, notify: Notify, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._heads = heads
        self._notify = notify
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        return {TIDY_JOB: self.tidy, AUDIT_JOB: self.check_audit}

    async def tidy(self, _: Job) -> None:
        removed = await tidy(self._pool, self._clock())
        _log.info("tidied %d rows of sessions, mails, challenges and throttles", removed)

    async def check_audit(self, _: Job) -> None:
        """Raises JobFailed, once everybody who must know is told, if the log is not what was written."""
        if (trouble := await self._trouble()) is not None:
            _log.critical("AUDIT LOG: %s", trouble)
            async with self._pool.acquire() as connection, connection.transaction():
                for user_id in await people_with(connection, *_MUST_KNOW):
                    await self._notify(connection, user_id, "AUDIT_BROKEN", f"{trouble} See the runbook.")
            raise JobFailed(trouble)
        now = await head(self._pool)
        self._heads.keep(now, self._clock())
        _log.info("the audit log is whole: %d entries, head %s", now.position, now.hash.hex())

    async def _trouble(self) -> str | None:
        if (entry_id := await verify_chain(self._pool)) is not None:
            return f"Entry {entry_id} of the audit log was changed, is lost, or was not written by us."
        try:
            kept = self._heads.kept()
        except ValueError as error:
            return f"The file of the audit log's heads is not what we wrote: {error}."
        if (lost := await departure(self._pool, kept)) is not None:
            return f"The audit log does not have entry {lost.position} as it was kept: it was written anew, or cut."
        return None
