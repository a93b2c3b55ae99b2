"""Facts are taken as they are or refused with a reason; every change is in the audit log, which nobody changes."""

from datetime import datetime
from uuid import uuid4

import asyncpg
import pytest

from compliance.lock_ups import lock_up
from compliance.permissions import compile_permissions
from compliance.registry import (
    FactError,
    create_user,
    facts,
    link_wallet,
    set_accreditation,
    set_country,
    set_kyc,
    set_wallet_frozen,
    user_by_email,
)
from compliance.rules import AccreditationStatus, KycStatus
from persistence.database import Pool
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.registered import ACTOR, KYC_ENDS, NOW, add_investor, add_person, address_of, open_market


async def test_owner_numbers_are_dense(pool: Pool) -> None:
    await add_person(pool, "ann")
    with pytest.raises(FactError, match=r"ANN@example.com is registered already"):
        await create_user(pool, "ANN@example.com", actor=ACTOR)
    await add_person(pool, "bob")
    assert [row["owner"] for row in await pool.fetch("SELECT owner FROM users ORDER BY owner")] == [1, 2]
    assert await user_by_email(pool, "Bob@Example.com") == await pool.fetchval(
        "SELECT user_id FROM users WHERE owner = 2"
    )


@pytest.mark.parametrize("email", ["", "ann", "a@b@c", "a b@c", "a@b\n", "a" * 250 + "@b.com"])
async def test_what_is_no_address_is_refused(pool: Pool, email: str) -> None:
    with pytest.raises(FactError, match="is not an e-mail address"):
        await create_user(pool, email, actor=ACTOR)


async def test_a_wallet_is_linked_once_and_never_changes_hands(pool: Pool) -> None:
    ann, bob = await add_person(pool, "ann"), await add_person(pool, "bob")
    await link_wallet(pool, ann, address_of("ann"), actor=ACTOR)
    with pytest.raises(FactError, match="linked to another person"):
        await link_wallet(pool, bob, address_of("ann"), actor=ACTOR)
    for address in (b"", bytes(20), bytes(19), b"1" * 21):
        with pytest.raises(FactError, match="is not a wallet's address"):
            await link_wallet(pool, ann, address, actor=ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'wallet linked'") == 2


async def test_a_status_has_an_expiry_where_it_needs_one(pool: Pool) -> None:
    ann = await add_person(pool, "ann")
    with pytest.raises(FactError, match="kyc: APPROVED needs an expiry"):
        await set_kyc(pool, ann, KycStatus.APPROVED, actor=ACTOR)
    with pytest.raises(FactError, match="accreditation: REJECTED has no expiry"):
        await set_accreditation(pool, ann, AccreditationStatus.REJECTED, NOW, actor=ACTOR)
    with pytest.raises(FactError, match="has no time zone"):
        await set_kyc(pool, ann, KycStatus.APPROVED, datetime(2030, 1, 1), actor=ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM kyc") == 0


async def test_facts_of_nobody_and_of_no_instrument_are_refused(pool: Pool) -> None:
    with pytest.raises(FactError, match="there is no user"):
        await set_kyc(pool, uuid4(), KycStatus.PENDING, actor=ACTOR)
    with pytest.raises(FactError, match="there is no instrument 7"):
        await set_wallet_frozen(pool, address_of("ann"), 7, is_frozen=True, block=1, actor=ACTOR)
    with pytest.raises(FactError, match="there is no instrument 7"):
        async with facts(pool) as connection:
            await lock_up(connection, address_of("ann"), 7, 1, NOW, actor=ACTOR)
    ann = await add_person(pool, "ann")
    with pytest.raises(FactError, match="'us' is not a country"):
        await set_country(pool, ann, "us", actor=ACTOR)


async def test_a_status_can_be_forgotten(pool: Pool) -> None:
    ann = await add_person(pool, "ann")
    await set_kyc(pool, ann, KycStatus.APPROVED, KYC_ENDS, actor=ACTOR)
    await set_kyc(pool, ann, KycStatus.NONE, actor=ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM kyc") == 0


async def test_the_country_is_kept_with_the_number_that_the_chain_uses(pool: Pool) -> None:
    ann = await add_person(pool, "ann")
    await set_country(pool, ann, "DE", actor=ACTOR)
    assert tuple(await pool.fetchrow("SELECT country_alpha2, country_numeric FROM residence")) == ("DE", 276)


async def test_every_change_is_in_the_audit_log_and_stays_there(pool: Pool) -> None:
    door = Door(Market())
    await open_market(pool, door)
    ann = await add_investor(pool, "ann")
    await compile_permissions(pool, door.submit, START_NS)
    actions = [row["action"] for row in await pool.fetch("SELECT action FROM audit_log WHERE user_id = $1", ann)]
    assert actions == ["user created", "wallet linked", "kyc set", "accreditation set", "country set"]
    assert await pool.fetchval("SELECT count(*) FROM audit_log WHERE actor <> $1", ACTOR) == 0
    for change in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(asyncpg.RaiseError, match="rows of audit_log are never changed"):
            await pool.execute(change)


async def test_a_refused_fact_leaves_nothing_behind(pool: Pool) -> None:
    ann = await add_person(pool, "ann")
    entries = await pool.fetchval("SELECT count(*) FROM audit_log")
    with pytest.raises(FactError):
        await set_country(pool, ann, "XX", actor=ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM audit_log") == entries
    assert await pool.fetchval("SELECT count(*) FROM permission_queue") == 0
