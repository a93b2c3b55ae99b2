"""What the markets' pages are told: names and rates to everybody, and to a person what they may do and why not more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from compliance.registry import set_kyc
from compliance.rules import KycStatus
from persistence.database import Pool
from tests.deedbook.trading.marketplace_world import MarketWorld, market_world
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.fixtures.registered import ACTOR

__all__ = ["empty_database", "pool", "postgres"]


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[MarketWorld]:
    async with market_world(pool, tmp_path) as made:
        yield made


async def test_the_markets_are_told_to_everybody(world: MarketWorld) -> None:
    answer = await world.http.get("/markets")
    first = next(each for each in await answer.json() if each["symbol"] == "OAK2USDC")
    assert (first["symbol"], first["base"], first["property"]) == ("OAK2USDC", "OAK2", None)
    assert first["hold_fee_bps"] == max(first["maker_fee_bps"], first["taker_fee_bps"])


async def test_a_person_reads_what_they_may_do_and_why_not_more(world: MarketWorld) -> None:
    free = await world.call("alice", "GET", "/markets/OAK2USDC/permission")
    assert (free["may_buy"], free["may_sell"], free["withheld"]) == (True, True, [])
    assert (free["locked"], free["next_release_at"]) == ("0", None)
    await set_kyc(world.pool, world.users["alice"], KycStatus.REJECTED, None, actor=ACTOR)
    lost = await world.call("alice", "GET", "/markets/OAK2USDC/permission")
    assert (lost["may_buy"], lost["may_sell"]) == (False, False)
    assert [each["reason"] for each in lost["withheld"]] == ["KYC_REJECTED"]
    await world.call("alice", "GET", "/markets/NONE/permission", status=404)
    assert (await world.http.get("/markets/OAK2USDC/permission")).status == 401
