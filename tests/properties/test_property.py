"""A property's way: the one table, in the database and for its readers."""

import asyncio
from itertools import product
from uuid import UUID, uuid4

import asyncpg
import pytest

from persistence.database import Pool
from properties.property import (
    NEXT,
    PropertyMissingError,
    PropertyState,
    PropertyStateError,
    find,
    lock,
    move,
)
from tests.properties.office import WALLET, Office


async def test_the_table_in_the_database_is_the_one_in_the_code(pool: Pool) -> None:
    rows = await pool.fetch("SELECT from_state, to_state FROM property_transitions")
    assert {tuple(row) for row in rows} == {(before, after) for before in NEXT for after in NEXT[before]}
    assert set(NEXT) == set(PropertyState)


async def forced(office: Office, property_id: str, state: PropertyState) -> None:
    """Into a state without a way there, with what it needs."""
    async with office.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        minted = state in ("TOKENIZED", "LIQUIDATING", "CLOSED")
        await connection.execute(
            "UPDATE properties SET state = $2, reject_reason = $3, mint_approved_at = CASE WHEN $4 THEN now() END,"
            " token = $5, identity_registry = $5, compliance_contract = $5, instrument = $6,"
            " tokenized_at = CASE WHEN $4 THEN now() END WHERE property_id = $1",
            UUID(property_id),
            state,
            "why" if state == "REJECTED" else None,
            minted,
            WALLET if minted else None,
            1 if minted else None,
        )


async def test_only_the_ways_of_the_table_are_open(office: Office) -> None:
    property_id = await office.draft()
    for before, after in product(PropertyState, PropertyState):
        if before is after or (before, after) == (PropertyState.APPROVED, PropertyState.TOKENIZED):
            continue  # the latter needs a token: below
        await forced(office, property_id, before)
        reason = "why" if after == "REJECTED" else None
        async with office.pool.acquire() as connection:
            if after in NEXT[before]:
                async with connection.transaction():
                    assert (await move(connection, UUID(property_id), after, reject_reason=reason)).state is after
                continue
            with pytest.raises(PropertyStateError):
                await move(connection, UUID(property_id), after, reject_reason=reason)
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(
                    "UPDATE properties SET state = $2 WHERE property_id = $1", UUID(property_id), after
                )


async def test_nobody_becomes_tokenized_without_a_token(office: Office) -> None:
    property_id = await office.approved()
    async with office.pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await move(connection, UUID(property_id), PropertyState.TOKENIZED)


async def test_terms_stand_from_the_day_they_are_handed_in(office: Office) -> None:
    property_id = await office.submitted()
    for column, value in [("supply_tokens", 1), ("name", "another"), ("issuer_wallet", bytes(20)), ("lock_up_days", 9)]:
        with pytest.raises(asyncpg.CheckViolationError, match="stand"):
            await office.pool.execute(
                f"UPDATE properties SET {column} = $2 WHERE property_id = $1", UUID(property_id), value
            )


async def test_a_locked_property_waits_for_the_other_transaction(office: Office) -> None:
    property_id = UUID(await office.submitted())
    approved: list[int] = []

    async def approve(who: int) -> None:
        async with office.pool.acquire() as connection, connection.transaction():
            await move(connection, property_id, PropertyState.APPROVED)
            approved.append(who)

    results = await asyncio.gather(*(approve(who) for who in range(6)), return_exceptions=True)
    assert len(approved) == 1
    assert sum(isinstance(result, PropertyStateError) for result in results) == 5
    assert (await find(office.pool, property_id)).state is PropertyState.APPROVED


async def test_what_is_not_there_is_not_found(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(PropertyMissingError):
            await lock(connection, uuid4(), PropertyState.DRAFT)
        with pytest.raises(PropertyMissingError):
            await find(connection, uuid4())
