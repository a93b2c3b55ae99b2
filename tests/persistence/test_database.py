"""Migrations: applied once, in order, all or none, and never changed afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from persistence.database import MIGRATIONS, MigrationError, Pool, connect, migrate, migrations


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "001_first.sql").write_text("CREATE TABLE first (id int);")
    (tmp_path / "002_second.sql").write_text("CREATE TABLE second (id int); INSERT INTO second VALUES (1);")
    return tmp_path


@pytest.fixture
async def empty(empty_database: str) -> AsyncIterator[Pool]:
    pool = await connect(empty_database)
    yield pool
    await pool.close()


async def tables(pool: Pool) -> set[str]:
    rows = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_each_migration_is_applied_once(empty: Pool, directory: Path) -> None:
    assert await migrate(empty, directory) == [1, 2]
    assert await migrate(empty, directory) == []
    assert await empty.fetchval("SELECT count(*) FROM second") == 1


async def test_rooms_number_their_migrations_apart(empty: Pool, directory: Path) -> None:
    (directory / "100_other.sql").write_text("CREATE TABLE other (id int);")
    assert await migrate(empty, directory) == [1, 2, 100]
    (directory / "003_third.sql").write_text("CREATE TABLE third (id int);")
    assert await migrate(empty, directory) == [3]


async def test_several_processes_may_migrate_at_once(empty: Pool, directory: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty, directory) for _ in range(5)))
    assert sorted(applied) == [[], [], [], [], [1, 2]]


async def test_a_changed_migration_refuses(empty: Pool, directory: Path) -> None:
    await migrate(empty, directory)
    (directory / "001_first.sql").write_text("CREATE TABLE first (id bigint);")
    with pytest.raises(MigrationError, match=r"migration 001 \(first\) was applied in another form"):
        await migrate(empty, directory)


async def test_a_database_of_a_later_version_refuses(empty: Pool, directory: Path) -> None:
    await migrate(empty, directory)
    (directory / "002_second.sql").unlink()
    with pytest.raises(MigrationError, match="has migration 002"):
        await migrate(empty, directory)


async def test_a_failing_migration_leaves_nothing(empty: Pool, directory: Path) -> None:
    (directory / "003_broken.sql").write_text("CREATE TABLE third (id int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty, directory)
    assert await tables(empty) == set()


@pytest.mark.parametrize("name", ["1_short.sql", "001-dash.sql", "001_Upper.sql"])
def test_a_name_that_is_none_refuses(directory: Path, name: str) -> None:
    (directory / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="is not named like a migration"):
        migrations(directory)


def test_two_migrations_with_one_number_refuse(directory: Path) -> None:
    (directory / "002_twin.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="two migrations have the number 002"):
        migrations(directory)


async def test_our_own_migrations_make_their_tables(empty: Pool) -> None:
    assert await migrate(empty) == [migration.number for migration in migrations(MIGRATIONS)]
    assert {"orders", "trades", "balances", "journal_cursors", "settlement_batches"} <= await tables(empty)
