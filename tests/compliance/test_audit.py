"""The audit log's chain: what somebody changes, loses or adds behind the triggers' back is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from api.actor import Role
from compliance.audit import NO_HASH, Head, head, record, verify_chain
from persistence.database import MIGRATIONS, Pool, connect, migrate
from tests.compliance.house import House, open_house


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def write(pool: Pool, *actions: str) -> None:
    """All in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        for action in actions:
            await record(connection, "test", action, user_id=uuid4(), details={"b": 1, "a": ["\u00e4", None, 1.50]})


async def behind_the_back(pool: Pool, statement: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
        await connection.execute(statement)


async def test_a_chain_that_nobody_touched_is_good(pool: Pool) -> None:
    assert (await head(pool), await verify_chain(pool)) == (Head(0, NO_HASH), None)
    await write(pool, "one", "two")
    await record(pool, "test", "three", address=bytes(range(20)), instrument=7)
    await record(pool, "\u00e4 - 3:x", "four")
    last = await head(pool)
    assert (last.position, await verify_chain(pool)) == (4, None)
    assert last.hash == await pool.fetchval("SELECT hash FROM audit_chain WHERE entry_id = 4")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE audit_log SET actor = 'else' WHERE entry_id = 3", 3),
        ("UPDATE audit_log SET action = 'else' WHERE entry_id = 3", 3),
        ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE entry_id = 1", 1),
        ("UPDATE audit_log SET user_id = NULL WHERE entry_id = 5", 5),
        ("UPDATE audit_log SET instrument = 1 WHERE entry_id = 5", 5),
        ("UPDATE audit_log SET address = '' WHERE entry_id = 5", 5),
        ("UPDATE audit_log SET details = '{}' WHERE entry_id = 2", 2),
        ("DELETE FROM audit_log WHERE entry_id = 4", 4),
        ("DELETE FROM audit_log", 1),
        ("DELETE FROM audit_chain WHERE entry_id = 4", 5),
        ("WITH x AS (DELETE FROM audit_chain WHERE entry_id = 4) DELETE FROM audit_log WHERE entry_id = 4", 5),
        ("UPDATE audit_chain SET hash = sha256('') WHERE entry_id = 2", 2),
        ("UPDATE audit_chain SET entry_id = 100 - entry_id WHERE entry_id IN (2)", 98),
        ("INSERT INTO audit_log (actor, action, details) VALUES ('else', 'else', '{}')", 6),
    ],
)
async def test_a_change_behind_the_triggers_is_found(pool: Pool, change: str, found: int) -> None:
    await write(pool, "one", "two", "three")
    await write(pool, "four", "five")
    await behind_the_back(pool, change)
    assert await verify_chain(pool) == found


async def test_lost_latest_entries_show_against_a_head_kept_elsewhere(pool: Pool) -> None:
    await write(pool, "one", "two", "three")
    kept = await head(pool)
    await behind_the_back(pool, "DELETE FROM audit_chain WHERE position = 3; DELETE FROM audit_log WHERE entry_id = 3")
    assert await verify_chain(pool) is None
    assert await head(pool) != kept


async def test_the_triggers_refuse_every_change(pool: Pool) -> None:
    await write(pool, "one")
    for table in ("audit_log", "audit_chain"):
        for change in (f"UPDATE {table} SET entry_id = 9", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.PostgresError, match=r"never changed|can only be updated to DEFAULT"):
                await pool.execute(change)
    assert await verify_chain(pool) is None


async def test_transactions_at_once_make_one_chain_and_do_not_wait_for_each_other(pool: Pool) -> None:
    first = await pool.acquire()
    transaction = first.transaction()
    await transaction.start()
    await record(first, "test", "begun first, ended last")
    await asyncio.gather(*(write(pool, f"one of {each}", f"two of {each}") for each in range(20)))
    assert (await head(pool)).position == 40
    await transaction.commit()
    await pool.release(first)
    assert ((await head(pool)).position, await verify_chain(pool)) == (41, None)
    assert await pool.fetchval("SELECT position FROM audit_chain WHERE entry_id = 1") == 41


async def test_a_transaction_that_fails_leaves_no_gap(pool: Pool) -> None:
    await write(pool, "one")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await record(connection, "test", "two")
        await transaction.rollback()
    await write(pool, "three")
    assert ((await head(pool)).position, await verify_chain(pool)) == (2, None)


async def test_entries_from_before_the_chain_are_linked(
    empty_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("migrations")
    for number in ("001", "002"):
        (source,) = MIGRATIONS.glob(f"{number}_*.sql")
        (directory / source.name).write_bytes(source.read_bytes())
    pool = await connect(empty_database)
    await migrate(pool, directory)
    await write(pool, "one", "two", "three")
    (source,) = MIGRATIONS.glob("013_*.sql")
    (directory / source.name).write_bytes(source.read_bytes())
    await migrate(pool, directory)
    await write(pool, "four")
    assert ((await head(pool)).position, await verify_chain(pool)) == (4, None)
    await pool.close()


async def test_the_log_is_read_in_pages_by_those_who_may(house: House) -> None:
    ada, admin = await house.admin()
    await house.register("ann")
    token = await house.sign_in("ann")
    entries = (await house.get("/audit?limit=3", token=admin)).json
    more = (await house.get(f"/audit?before={entries[-1]['entry_id']}", token=admin)).json
    numbers = [each["entry_id"] for each in entries + more]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == await house.pool.fetchval("SELECT count(*) FROM audit_log")
    own = (await house.get(f"/audit?user_id={ada}", token=admin)).json
    assert {each["user_id"] for each in own} == {str(ada)}
    assert (await house.get("/audit", token=token)).reason == "ROLE_MISSING"
    _, officer = await house.staff("cora", Role.COMPLIANCE_OFFICER)
    assert (await house.get("/audit", token=officer)).status == 200
