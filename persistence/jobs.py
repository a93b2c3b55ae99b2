"""Jobs: work that is asked for in a transaction, done at least once, and goes on after a kill.

On Postgres alone, a row a job and an advisory lock a running one: the lock goes with the session of a killed worker, so
its jobs are free at once. (A queue from a package was tried on paper: it drops a job's row when it is done, so a key
could be enqueued twice, and it keeps no progress.) Session locks need a session: no pooler in transaction mode.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from persistence.database import Connection, Pool
from persistence.projections import DATABASE_AWAY

POLL_S: Final = 1.0  # how soon a due job, or one of a killed worker, is seen; a new one is told by NOTIFY
CONCURRENT_MAX: Final = 8
FAILURES_MAX: Final = 10
BACK_OFF_S: Final = 1.0  # after the first failure, then twice as long each time
BACK_OFF_S_MAX: Final = 300.0
REASON_LENGTH_MAX: Final = 500
_CHANNEL: Final = "jobs"
_LOCK_CLASS: Final = 0x6A6F_6273  # of our advisory locks, as migration 003 says
_log: Final = logging.getLogger(__name__)

Show = Callable[[str, int, int], Awaitable[None]]  # step, how many are done, of how many


class JobState(StrEnum):
    """What a job's row says."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class JobWaits(Exception):  # noqa: N818 - nothing went wrong
    """Raised by a handler to be called again: what it needs is not there yet. Counts as no failure."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class JobFailed(Exception):  # noqa: N818 - the state it ends in
    """Raised by a handler to end as FAILED at once; the reason is for the operator."""


class JobNotFailedError(Exception):
    """Only a FAILED job can be retried by hand."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a handler is given.

    attempt  1 for the first call
    show     tells how far it is, for whoever waits
    """

    kind: str
    key: str
    payload: Mapping[str, Any]
    attempt: int
    show: Show


Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as others see it; `reason` says why it waits or has failed."""

    kind: str
    key: str
    state: JobState
    attempt: int
    step: str
    steps_done: int
    steps_of: int
    reason: str
    run_at: datetime
    enqueued_at: datetime
    changed_at: datetime


_COLUMNS: Final = ", ".join(JobRow.__dataclass_fields__)


async def enqueue(connection: Connection, kind: str, key: str, payload: Mapping[str, Any] | None = None) -> None:
    """Ask for a job in the caller's transaction. One of this kind and key that is there already stays as it is."""
    await connection.execute(
        "INSERT INTO jobs (kind, key, payload) VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO NOTHING",
        kind,
        key,
        json.dumps(dict(payload or {})),
    )
    await connection.execute("SELECT pg_notify($1, '')", _CHANNEL)


async def retry(connection: Connection, kind: str, key: str) -> None:
    """Give a FAILED job another round of attempts. Raises JobNotFailedError."""
    done = await connection.execute(
        "UPDATE jobs SET state = 'QUEUED', failures = 0, reason = '', run_at = now(), changed_at = now()"
        " WHERE kind = $1 AND key = $2 AND state = 'FAILED'",
        kind,
        key,
    )
    if done == "UPDATE 0":
        raise JobNotFailedError(f"no failed job {kind} {key}")
    await connection.execute("SELECT pg_notify($1, '')", _CHANNEL)


async def jobs(pool: Pool | Connection, state: JobState | None = None, limit: int = 200) -> list[JobRow]:
    """The newest first; of one state or of all."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM jobs WHERE $1::text IS NULL OR state = $1 ORDER BY job_number DESC LIMIT $2",  # noqa: S608
        state,
        limit,
    )
    return [_row(row) for row in rows]


async def job(pool: Pool | Connection, kind: str, key: str) -> JobRow | None:
    """One job, for those who wait for it."""
    row = await pool.fetchrow(f"SELECT {_COLUMNS} FROM jobs WHERE kind = $1 AND key = $2", kind, key)  # noqa: S608
    return None if row is None else _row(row)


def _row(row: Any) -> JobRow:
    return JobRow(**(dict(row) | {"state": JobState(row["state"])}))


@dataclass(frozen=True, slots=True)
class _Claimed:
    number: int
    failures: int
    job: Job


class Worker:
    """Runs the jobs of its handlers' kinds; any number of workers, in any processes, share them.

    back_off_s  after a first failure; it doubles with each further one
    """

    def __init__(
        self,
        pool: Pool,
        handlers: Mapping[str, Handler],
        *,
        concurrent_max: int = CONCURRENT_MAX,
        poll_s: float = POLL_S,
        back_off_s: float = BACK_OFF_S,
        failures_max: int = FAILURES_MAX,
    ) -> None:
        self._pool = pool
        self._handlers = dict(handlers)
        self._concurrent_max = concurrent_max
        self._poll_s = poll_s
        self._back_off_s = back_off_s
        self._failures_max = failures_max

    async def run(self) -> None:
        """Until cancelled; handlers are cancelled then, and their jobs run again elsewhere or later."""
        while True:
            try:
                async with self._pool.acquire() as session:
                    await self._serve(session)
            except DATABASE_AWAY as error:
                _log.warning("jobs wait for the database: %s: %s", type(error).__name__, error)
                await asyncio.sleep(self._poll_s)

    async def _serve(self, session: Connection) -> None:
        """Work while this session lives: it holds the locks of what runs here. Without it everything stops at once."""
        wake = asyncio.Event()
        running: dict[asyncio.Task[None], int] = {}

        def call(*_: object) -> None:
            wake.set()

        await session.add_listener(_CHANNEL, call)
        session.add_termination_listener(call)
        try:
            while True:
                wake.clear()
                for claimed in await self._claim(session, list(running.values())):
                    running[asyncio.create_task(self._perform(claimed))] = claimed.number
                waiting = asyncio.ensure_future(wake.wait())
                await asyncio.wait({*running, waiting}, timeout=self._poll_s, return_when="FIRST_COMPLETED")
                waiting.cancel()
                for task in [each for each in running if each.done()]:
                    await session.execute("SELECT pg_advisory_unlock($1, $2)", _LOCK_CLASS, running.pop(task))
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            session.remove_termination_listener(call)
            if not session.is_closed():
                await session.remove_listener(_CHANNEL, call)

    async def _claim(self, session: Connection, mine: list[int]) -> list[_Claimed]:
        """Lock jobs that are due and that nobody holds, and begin them. It also notices that the session is gone."""
        numbers = await session.fetch(
            # The locks are tried row by row, outside the ordered list, until enough are held.
            "WITH due AS MATERIALIZED (SELECT job_number FROM jobs WHERE state IN ('QUEUED', 'RUNNING')"
            " AND run_at <= now() AND kind = ANY($1) AND job_number <> ALL($2) ORDER BY run_at)"
            " SELECT job_number FROM due WHERE pg_try_advisory_lock($3, job_number) LIMIT $4",
            list(self._handlers),
            mine,
            _LOCK_CLASS,
            self._concurrent_max - len(mine),
        )
        claimed = [await self._begin(session, row["job_number"]) for row in numbers]
        return [each for each in claimed if each is not None]

    async def _begin(self, session: Connection, number: int) -> _Claimed | None:
        row = await session.fetchrow(
            "UPDATE jobs SET state = 'RUNNING', attempt = attempt + 1, reason = '', changed_at = now()"
            " WHERE job_number = $1 AND state IN ('QUEUED', 'RUNNING') AND run_at <= now()"
            " RETURNING kind, key, payload, attempt, failures",
            number,
        )
        if row is None:  # another worker ended it between our look and our lock
            await session.execute("SELECT pg_advisory_unlock($1, $2)", _LOCK_CLASS, number)
            return None
        attempt: int = row["attempt"]

        async def show(step: str, done: int, of: int) -> None:
            await self._write(number, attempt, "step = $3, steps_done = $4, steps_of = $5", step, done, of)

        running = Job(row["kind"], row["key"], json.loads(row["payload"]), attempt, show)
        return _Claimed(number, row["failures"], running)

    async def _perform(self, claimed: _Claimed) -> None:
        """Call the handler and write down how it ended."""
        number, attempt, name = claimed.number, claimed.job.attempt, f"{claimed.job.kind} {claimed.job.key}"
        later = "state = 'QUEUED', failures = $3, reason = $4, run_at = now() + make_interval(secs => $5)"
        failed = "state = 'FAILED', failures = $3, reason = $4"
        failures = claimed.failures + 1
        try:
            await self._handlers[claimed.job.kind](claimed.job)
        except JobWaits as waits:
            await self._write(number, attempt, later, 0, _reason(str(waits)), waits.seconds)
        except JobFailed as error:
            _log.error("job %s failed: %s", name, error)
            await self._write(number, attempt, failed, failures, _reason(str(error)))
        except Exception as error:  # if it was the database, writing this down fails too, and the job runs again
            _log.exception("job %s raised on attempt %d", name, attempt)
            reason = _reason(f"{type(error).__name__}: {error}")
            if failures >= self._failures_max:
                await self._write(number, attempt, failed, failures, reason)
            else:
                seconds = min(self._back_off_s * 2 ** (failures - 1), BACK_OFF_S_MAX)
                await self._write(number, attempt, later, failures, reason, seconds)
        else:
            await self._write(number, attempt, "state = 'DONE', failures = 0")

    async def _write(self, number: int, attempt: int, changes: str, *values: object) -> None:
        """Nothing changes if the job was begun again elsewhere: that one speaks for it now."""
        await self._pool.execute(
            f"UPDATE jobs SET {changes}, changed_at = now()"  # noqa: S608
            " WHERE job_number = $1 AND attempt = $2 AND state = 'RUNNING'",
            number,
            attempt,
            *values,
        )


def _reason(text: str) -> str:
    return text[:REASON_LENGTH_MAX] or "no reason given"
