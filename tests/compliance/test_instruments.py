"""Instruments: their terms reach the engine, and what the engine keeps does not change here either."""

from dataclasses import replace
from typing import Any

import pytest

from compliance.instruments import (
    add_instrument,
    cap_lots,
    instrument_by_number,
    instruments,
    list_instrument,
    set_instrument,
    terms,
    withdraw_instrument,
)
from compliance.registry import FactError, facts
from compliance.rules import Regime
from persistence.database import Pool
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.registered import ACTOR, address_of, instrument, open_market


@pytest.fixture
async def door(pool: Pool) -> Door:
    door = Door(Market())
    await open_market(pool, door)
    return door


async def test_it_comes_back_as_it_was_set(pool: Pool, door: Door) -> None:
    third = replace(
        instrument(3, Regime.REG_S),
        allowed_countries=("DE", "FR"),
        holder_cap=99,
        ownership_cap_lots=cap_lots(1_000_000, 999),
        lock_up_days=40,
        issuer_wallet=address_of("issuer"),
        resale=False,
    )
    await set_instrument(pool, third, actor=ACTOR)
    assert await instrument_by_number(pool, 3) == third
    assert [each.instrument for each in await instruments(pool)] == [1, 2, 3]
    assert await pool.fetchval("SELECT lot_base_units FROM instruments WHERE instrument = 3") == third.lot_base_units
    assert (third.lot_base_units, third.ownership_cap_lots) == (10**16, 99_900)


async def test_the_engine_has_the_terms_and_fees(pool: Pool, door: Door) -> None:
    changed = replace(instrument(2), holder_cap=99, ownership_cap_lots=7, maker_fee_bps=3, taker_fee_bps=8)
    await set_instrument(pool, changed, actor=ACTOR)
    await list_instrument(pool, door.submit, 2, actor=ACTOR)
    state = door.market.exchange.state().instruments[1]
    assert state.terms == terms(changed)[0]
    assert (state.maker_fee_bps, state.taker_fee_bps) == (3, 8)
    assert await pool.fetchval("SELECT listed_seq FROM instruments WHERE instrument = 2") == door.market.exchange.seq


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"allowed_countries": ("DE", "Germany")}, "'Germany' is not a country"),
        ({"allowed_countries": ()}, "no country is allowed"),
        ({"lot_decimals": 19}, "finer than the token's smallest unit"),
    ],
)
async def test_what_has_no_meaning_is_refused(pool: Pool, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(FactError, match=reason):
        await set_instrument(pool, replace(instrument(3), **change), actor=ACTOR)


@pytest.mark.parametrize(
    "change",
    [{"symbol": "ELM1USDC"}, {"token": bytes([9]) * 20}, {"tick_value_usdc_micros": 1}, {"lot_decimals": 3}],
)
async def test_what_open_orders_and_the_chain_rest_on_stays(pool: Pool, door: Door, change: dict[str, Any]) -> None:
    with pytest.raises(FactError, match="of a listed instrument cannot change"):
        await set_instrument(pool, replace(instrument(2), **change), actor=ACTOR)


async def test_the_reason_of_the_engine_is_told(pool: Pool, door: Door) -> None:
    await set_instrument(pool, replace(instrument(3), fee_account=77), actor=ACTOR)
    with pytest.raises(FactError, match="the engine refused the terms of OAK3USDC: UNKNOWN_ACCOUNT"):
        await list_instrument(pool, door.submit, 3, actor=ACTOR)
    assert await pool.fetchval("SELECT listed_seq FROM instruments WHERE instrument = 3") is None


async def test_an_unknown_number_is_refused(pool: Pool) -> None:
    with pytest.raises(FactError, match="there is no instrument 9"):
        await instrument_by_number(pool, 9)


async def test_a_new_instrument_gets_the_next_number_that_nobody_has(pool: Pool) -> None:
    await set_instrument(pool, instrument(3), actor=ACTOR)
    async with facts(pool) as connection:
        number = await add_instrument(connection, replace(instrument(9), instrument=0), actor=ACTOR)
        later = await add_instrument(connection, replace(instrument(8), instrument=0), actor=ACTOR, above=6)
    assert (number, later) == (4, 7)
    assert (await instrument_by_number(pool, 4)).symbol == "OAK9USDC"
    async with facts(pool) as connection:
        with pytest.raises(FactError, match="has the symbol OAK3USDC"):
            await add_instrument(connection, instrument(3), actor=ACTOR)


async def test_only_an_instrument_that_the_engine_does_not_know_is_withdrawn(pool: Pool, door: Door) -> None:
    await set_instrument(pool, instrument(3), actor=ACTOR)
    async with facts(pool) as connection:
        await withdraw_instrument(connection, 3, actor=ACTOR)
        with pytest.raises(FactError, match="there is no instrument 3"):
            await instrument_by_number(connection, 3)
        for number in (1, 3):
            with pytest.raises(FactError, match=f"instrument {number} is listed, or is none"):
                await withdraw_instrument(connection, number, actor=ACTOR)


async def test_a_number_with_a_token_is_no_other_tokens(pool: Pool) -> None:
    await set_instrument(pool, instrument(1), actor=ACTOR)
    await set_instrument(pool, replace(instrument(1), qty_lots_max=5), actor=ACTOR)
    changes: list[dict[str, Any]] = [{"token": bytes(20)}, {"symbol": "ELM7USDC"}]
    for change in changes:
        with pytest.raises(FactError, match="of a deployed token cannot change"):
            await set_instrument(pool, replace(instrument(1), **change), actor=ACTOR)
