"""An instrument of the demo gets its house: once, under the rules of all properties, and the markets know it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web3 import Web3

from compliance.rules import Regime
from deedbook.demo.houses import add_house, houseless
from deedbook.demo.market import Property
from persistence.database import Pool
from persistence.document_store import document_store
from persistence.documents import Documents
from properties.attachments import attached
from properties.property import PropertyState, SymbolTakenError, visible
from settlement.tokenization import TokenSuite
from tests.deedbook.trading.marketplace_world import MarketWorld, market_world
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.fixtures.registered import address_of

__all__ = ["empty_database", "pool", "postgres"]

OAK = Property(2, "OAK2USDC", "2 Oak Street", Regime.OPEN, 100)
SUITE = TokenSuite(OAK.symbol, *(Web3.to_checksum_address(bytes([number]) * 20) for number in (2, 3, 4)))
SUPPLY_BASE_UNITS = 61_000 * 10**18


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[MarketWorld]:
    async with market_world(pool, tmp_path) as made:
        yield made


@pytest.fixture
def documents(pool: Pool, tmp_path: Path) -> Documents:
    return Documents(pool, document_store((tmp_path / "documents").as_uri()), bytes(32), time.time)


async def build(world: MarketWorld, documents: Documents) -> None:
    await add_house(world.pool, documents, OAK, SUITE, SUPPLY_BASE_UNITS, address_of("alice"))


async def test_a_house_is_tokenized_public_and_joined_to_its_market(world: MarketWorld, documents: Documents) -> None:
    await build(world, documents)
    (found,) = await visible(world.pool, manager_id=None, every=False, before=None, limit=9)
    assert (found.state, found.manager_id, found.instrument) == (PropertyState.TOKENIZED, world.users["alice"], 2)
    assert (found.token, found.identity_registry, found.compliance_contract) == tuple(
        bytes([n]) * 20 for n in (2, 3, 4)
    )
    assert (found.terms.name, found.terms.symbol) == ("2 Oak Street", "OAK2")
    assert found.terms.supply_base_units == SUPPLY_BASE_UNITS
    assert found.terms.valuation_usdc_micros == 61_000 * 100 * 10**6  # a tick is one USDC a token here
    markets = {each["symbol"]: each for each in await (await world.http.get("/markets")).json()}
    assert markets["OAK1USDC"]["property"] is None
    joined = markets["OAK2USDC"]["property"]
    assert joined["property_id"] == str(found.property_id)
    assert (joined["supply_tokens"], float(joined["dividends_usdc"])) == ("61000", 0)


async def test_a_house_has_papers_that_say_what_it_is(world: MarketWorld, documents: Documents) -> None:
    await build(world, documents)
    property_id = await world.pool.fetchval("SELECT property_id FROM properties")
    deed, valuation = await documents.among(await attached(world.pool, property_id))
    assert (deed.name, deed.content_type, deed.owner_user_id) == ("deed.pdf", "application/pdf", world.users["alice"])
    content = b"".join([chunk async for chunk in documents.content(valuation)])
    assert b"(Valuation of 2 Oak Street \\(OAK2\\)) Tj" in content
    assert b"(Value of one token: 100.00 USDC) Tj" in content


async def test_a_house_that_stands_is_not_built_again(world: MarketWorld, documents: Documents) -> None:
    assert await houseless(world.pool, [OAK]) == [OAK]
    await build(world, documents)
    assert await houseless(world.pool, [OAK]) == []
    with pytest.raises(SymbolTakenError):  # two starts at once
        await build(world, documents)
    assert await world.pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'property tokenized'") == 1
