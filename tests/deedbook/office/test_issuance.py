"""What properties are given of their neighbours, on their real tables."""

from compliance.countries import COUNTRY_NUMERIC
from compliance.registry import link_wallet, set_country, set_identity_registered
from compliance.rules import Regime
from deedbook.office.issuance import COUNTRIES, admins, fee_account, issuer_of
from persistence.database import Pool
from properties.issuer import Issuer
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import ACTOR, add_person, address_of

__all__ = ["pool", "postgres"]


def test_every_regime_has_its_countries() -> None:
    assert set(COUNTRIES) == set(Regime)
    assert COUNTRIES["OPEN"] == COUNTRIES["REG_D_506C"] == set(COUNTRY_NUMERIC)
    assert COUNTRIES["OPEN"] - COUNTRIES["REG_S"] == {"US", "AS", "GU", "MP", "PR", "UM", "VI"}


async def test_an_issuer_is_known_by_its_own_wallet_only(pool: Pool) -> None:
    manager, other = await add_person(pool, "manager"), await add_person(pool, "other")
    wallet = address_of("manager")
    async with pool.acquire() as connection:
        assert await issuer_of(connection, manager, wallet) == Issuer(has_identity=False, country=None)
        assert await issuer_of(connection, other, wallet) is None
        assert await issuer_of(connection, manager, bytes(20)) is None
    await set_country(pool, manager, "DE", actor=ACTOR)
    await set_identity_registered(pool, wallet, is_registered=True, block=1, actor=ACTOR)
    await link_wallet(pool, manager, address_of("second"), actor=ACTOR)
    async with pool.acquire() as connection:
        assert await issuer_of(connection, manager, wallet) == Issuer(has_identity=True, country="DE")
        assert await issuer_of(connection, manager, address_of("second")) == Issuer(has_identity=False, country="DE")


async def test_the_admins_are_those_with_the_role(pool: Pool) -> None:
    people = [await add_person(pool, name) for name in ("ann", "bob", "eve")]
    for user_id, role in zip(people, ("ADMIN", "INVESTOR", "ADMIN"), strict=True):
        await pool.execute(
            "INSERT INTO credentials (user_id, password_hash, email_verified_at, changed_at)"
            " VALUES ($1, '$argon2id$', now(), now())",
            user_id,
        )
        await pool.execute("INSERT INTO user_roles (user_id, role) VALUES ($1, $2)", user_id, role)
    async with pool.acquire() as connection:
        assert await admins(connection) == [people[0], people[2]]


async def test_the_fee_account_is_opened_once() -> None:
    door = Door(Market())
    ask = fee_account(door.submit, bytes(range(20)))
    assert await ask() == await ask()
    assert [each.wallet for each in door.market.exchange.state().accounts] == [bytes(range(20))]
