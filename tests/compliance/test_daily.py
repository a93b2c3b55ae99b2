"""The day's jobs: begun once, and an audit log that is not what was written is told to everybody who must know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.actor import Role
from compliance.audit import record
from compliance.audit_heads import AuditHeads
from compliance.daily import AUDIT_JOB, JOBS, TIDY_JOB, Daily, enqueue_daily
from persistence.database import Connection, Pool
from persistence.jobs import Job, JobFailed, jobs
from tests.compliance.house import House, open_house


class Watched:
    """The day's work on a real database and file, and whom it told."""

    def __init__(self, house: House, path: Path) -> None:
        self.house, self.path = house, path
        self.told: list[tuple[UUID, str]] = []
        self.daily = Daily(house.pool, AuditHeads(path), self.notify, lambda: house.now)

    async def notify(
        self, connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        self.told.append((user_id, kind))

    async def perform(self, kind: str) -> None:
        async def no_show(_step: str, _done: int, _of: int) -> None: ...

        await self.daily.handlers()[kind](Job(kind, "2030-01-01", {}, 1, no_show))

    async def write(self, *actions: str) -> None:
        for action in actions:
            await record(self.house.pool, "test", action)

    async def forge(self, statement: str) -> None:
        """By somebody who may do everything in the database, and nothing outside of it."""
        async with self.house.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(statement)


@pytest.fixture
async def watched(pool: Pool, tmp_path: Path) -> AsyncIterator[Watched]:
    async with open_house(pool) as house:
        yield Watched(house, tmp_path / "audit-heads.log")


async def test_each_job_is_begun_once_a_day(pool: Pool) -> None:
    for day in (date(2030, 1, 1), date(2030, 1, 1), date(2030, 1, 2)):
        await enqueue_daily(pool, day)
    begun = [(each.kind, each.key) for each in await jobs(pool)]
    assert sorted(begun) == sorted((kind, f"2030-01-0{day}") for kind in JOBS for day in (1, 2))


async def test_a_log_that_is_whole_has_its_head_kept(watched: Watched) -> None:
    await watched.perform(AUDIT_JOB)
    await watched.write("one", "two")
    await watched.perform(AUDIT_JOB)
    await watched.perform(AUDIT_JOB)
    assert [each.position for each in AuditHeads(watched.path).kept()] == [0, 2, 2]
    assert watched.told == []


@pytest.mark.parametrize(
    ("forgery", "says"),
    [
        ("UPDATE audit_log SET action = 'nothing' WHERE action = 'two'", "was changed"),
        # the whole chain laid anew, so that it fits in itself
        ("DELETE FROM audit_chain; DELETE FROM audit_log", "written anew, or cut"),
        (
            "DELETE FROM audit_log WHERE action = 'three';"
            " DELETE FROM audit_chain WHERE entry_id NOT IN (SELECT entry_id FROM audit_log)",
            "written anew, or cut",
        ),
        (
            "UPDATE audit_log SET action = 'nothing' WHERE action = 'three';"
            " UPDATE audit_chain SET hash = audit_hash(log, prev_hash) FROM audit_log AS log"
            " WHERE log.entry_id = audit_chain.entry_id AND log.action = 'nothing'",
            "written anew, or cut",
        ),
    ],
)
async def test_a_forged_log_is_told_and_its_head_is_not_kept(watched: Watched, forgery: str, says: str) -> None:
    officer, _ = await watched.house.staff("cora", Role.COMPLIANCE_OFFICER)
    await watched.house.register("ann")
    await watched.write("one", "two", "three")
    await watched.perform(AUDIT_JOB)
    kept = watched.path.read_bytes()
    await watched.forge(forgery)
    with pytest.raises(JobFailed, match=says):
        await watched.perform(AUDIT_JOB)
    assert watched.told == [(officer, "AUDIT_BROKEN")]
    assert watched.path.read_bytes() == kept


async def test_a_file_that_is_not_ours_is_told(watched: Watched) -> None:
    watched.path.write_text("nothing of ours\n")
    with pytest.raises(JobFailed, match="not what we wrote"):
        await watched.perform(AUDIT_JOB)


async def test_what_has_ended_is_tidied(watched: Watched) -> None:
    await watched.house.register("ann")
    await watched.house.sign_in("ann")
    await watched.house.pass_time(days=365)
    await watched.perform(TIDY_JOB)
    assert await watched.house.pool.fetchval("SELECT count(*) FROM sessions") == 0
