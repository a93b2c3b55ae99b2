"""The SQL database: its pool, and the numbered migrations that give it its tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg

MIGRATIONS: Final = Path(__file__).parent / "migrations"
POSTGRES_VERSION_MIN: Final = 18  # uuidv7() and virtual generated columns
_FILE_NAME: Final = re.compile(r"([0-9]{3})_([a-z0-9_]+)\.sql")
_MIGRATION_LOCK: Final = 0x6465_6564_626F_6F6B  # one migrator at a time; any number that is only ours

Pool = Any  # asyncpg ships no types: its Pool
Connection = Any  # its Connection, or the pool's proxy of one


class MigrationError(Exception):
    """The database is not one that these migrations made; the text says what differs and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `sha256` is over its bytes as they are."""

    number: int
    name: str
    sql: str
    sha256: bytes


def migrations(directory: Path = MIGRATIONS) -> list[Migration]:
    """The files NNN_name.sql of a directory by number. Raises MigrationError for a name or number that is not one."""
    found: dict[int, Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like a migration: three digits, _, a name, .sql")
        number = int(match[1])
        if number in found:
            raise MigrationError(f"two migrations have the number {match[1]}: {found[number].name} and {match[2]}")
        data = path.read_bytes()
        found[number] = Migration(number, match[2], data.decode(), sha256(data).digest())
    return list(found.values())


async def connect(url: str, *, connections_max: int = 8, command_timeout_s: float | None = None) -> Pool:
    """Open a pool on `url`. Raises OSError or asyncpg.PostgresError when the server cannot be used."""
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections_max,
        command_timeout=command_timeout_s,
        server_settings={"application_name": "deedbook", "timezone": "UTC"},
    )
    async with pool.acquire() as connection:
        version: int = connection.get_server_version().major
    if version < POSTGRES_VERSION_MIN:
        await pool.close()
        raise MigrationError(f"PostgreSQL {version} is too old: {POSTGRES_VERSION_MIN} or newer is needed")
    return pool


async def migrate(pool: Pool, directory: Path = MIGRATIONS) -> list[int]:
    """Apply the migrations that the database has not had, by number, all or none; returns their numbers.

    Raises MigrationError if one that it had has changed or is not there any more.
    """
    known = migrations(directory)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number int PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {row["number"]: row for row in await connection.fetch("SELECT * FROM migrations")}
        _require_unchanged(known, applied)
        new = [migration for migration in known if migration.number not in applied]
        for migration in new:
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    return [migration.number for migration in new]


def _require_unchanged(known: list[Migration], applied: dict[int, Any]) -> None:
    by_number = {migration.number: migration for migration in known}
    for number, row in sorted(applied.items()):
        migration = by_number.get(number)
        if migration is None:
            raise MigrationError(
                f"the database has migration {number:03} ({row['name']}), which this version of Deedbook does not have:"
                " start the version that made it"
            )
        if migration.sha256 != row["sha256"]:
            raise MigrationError(
                f"migration {number:03} ({migration.name}) was applied in another form than its file has now:"
                " restore the file and put the change into a new migration"
            )
