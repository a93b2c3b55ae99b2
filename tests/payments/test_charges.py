"""Charges in the ledger: it says what Stripe's balance says, and who carries what is given back."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from deedbook.sandbox.stripe_account import card_fee_cents
from payments.distributions import release, reserve_for_dividend
from payments.funds import available, reserve_micros
from payments.ledger import Balances, Currency, Kind, balances, totals
from persistence.database import Pool
from tests.payments.rent import ELM, MANAGER, OAK, World


@pytest.fixture
def world(pool: Pool) -> World:
    return World(pool)


async def in_usd(world: World, property_id: UUID = OAK) -> dict[str, int]:
    """Balances in cents, without the zeros."""
    found: Balances = await balances(world.pool, property_id)
    return {str(kind): cents for (kind, currency), cents in found.items() if currency is Currency.USD and cents}


async def set_aside(world: World, usdc_micros: int) -> UUID:
    dividend_id = uuid4()
    async with world.pool.acquire() as connection, connection.transaction():
        await reserve_for_dividend(connection, OAK, usdc_micros, dividend_id)
    return dividend_id


async def free(world: World) -> int:
    async with world.pool.acquire() as connection:
        return await available(connection, OAK)


PAID = {
    "STRIPE_CLEARING": 97_070,
    "RENT_INCOME": -100_000,
    "STRIPE_FEES": 2_930,
    "MANAGEMENT_FEE": 8_000,
    "MANAGEMENT_FEE_PAYABLE": -8_000,
    "RESERVE_CONTRIBUTION": 5_000,
    "RESERVE": -5_000,
}
NET_CENTS = 100_000 - 2_930 - 8_000 - 5_000


async def test_a_paid_rent_is_income_less_the_fee_that_stripe_says(world: World) -> None:
    lease = await world.lease()
    await world.session(lease)
    assert await in_usd(world) == {"TENANT_RECEIVABLE": 100_000, "RENT_DUE": -100_000}
    await world.paid(lease)
    assert await in_usd(world) == PAID
    assert card_fee_cents(100_000) == 2_930
    assert {(user_id, kind) for user_id, kind, _ in world.told} == {
        (lease.tenant_id, "RENT_PAID"),
        (MANAGER, "RENT_PAID"),
    }
    assert "1000.00 USD" in world.told[0][2]


async def test_what_is_refunded_in_parts_is_taken_out_of_the_income(world: World) -> None:
    charge = await world.paid(await world.lease())
    world.account.refund(charge, 30_000)
    await world.deliver()
    assert await in_usd(world) == PAID | {
        "STRIPE_CLEARING": 67_070,
        "RENT_REFUNDS": 30_000,
        "MANAGEMENT_FEE": 5_600,
        "MANAGEMENT_FEE_PAYABLE": -5_600,
        "RESERVE_CONTRIBUTION": 3_500,
        "RESERVE": -3_500,
    }
    world.account.refund(charge)
    await world.deliver()
    found = await in_usd(world)
    assert found == {
        "STRIPE_CLEARING": -2_930,
        "RENT_INCOME": -100_000,
        "RENT_REFUNDS": 100_000,
        "STRIPE_FEES": 2_930,
    }
    assert [kind for _, kind, _ in world.told[2:]] == ["RENT_REFUNDED"] * 4


async def test_a_refund_that_failed_comes_back_to_where_it_was_taken(world: World) -> None:
    charge = await world.paid(await world.lease())
    refund = world.account.refund(charge, 30_000)
    await world.deliver()
    world.account.fail_refund(refund["id"])
    await world.deliver()
    assert await in_usd(world) == PAID


async def test_a_disputed_rent_is_nobodys_until_it_is_decided(world: World) -> None:
    lease = await world.lease()
    lost, won = await world.paid(lease, 1), await world.paid(lease, 2)
    disputes = [world.account.dispute(charge) for charge in (lost, won)]
    await world.deliver()
    assert (await in_usd(world))["DISPUTED"] == 200_000
    assert "MANAGEMENT_FEE" not in await in_usd(world)
    world.account.close_dispute(disputes[0]["id"], won=False)
    world.account.close_dispute(disputes[1]["id"], won=True)
    await world.deliver()
    found = await in_usd(world)
    assert found["DISPUTE_LOSSES"] == 100_000
    assert "DISPUTED" not in found
    assert found["STRIPE_FEES"] == 2 * (2_930 + 1_500)
    assert found["MANAGEMENT_FEE"] == 8_000
    assert found["STRIPE_CLEARING"] == world.account.balance_cents()
    kinds = [kind for user_id, kind, _ in world.told if user_id == MANAGER]
    assert kinds == ["RENT_PAID"] * 2 + ["RENT_DISPUTED"] * 2 + ["RENT_DISPUTE_LOST", "RENT_REINSTATED"]


async def test_a_second_payment_of_a_month_is_the_tenants_money(world: World) -> None:
    lease = await world.lease()
    first = await world.session(lease)
    world.account.expire(first)
    second = await world.session(lease)
    assert second != first
    world.account.objects[first]["status"] = "open"  # paid in the very moment in which it expired
    world.account.pay(first)
    charge = world.account.pay(second)
    await world.deliver()
    found = await in_usd(world)
    assert found["RENT_INCOME"] == -100_000
    assert found["TENANT_RECEIVABLE"] == -100_000
    assert found["MANAGEMENT_FEE"] == 8_000
    assert "RENT_PAID_TWICE" in {kind for _, kind, _ in world.told}
    world.account.refund(charge["id"])
    await world.deliver()
    assert "TENANT_RECEIVABLE" not in await in_usd(world)


async def test_a_refund_after_a_dividend_is_the_reserves_to_carry(world: World) -> None:
    charge = await world.paid(await world.lease())
    await world.converted()
    assert await free(world) == NET_CENTS * 10_000
    await set_aside(world, 600_000_000)
    before = await in_usd(world)
    world.account.refund(charge)
    world.account.dispute(await world.paid(await world.lease(unit="2", rent_cents=50)), 50)
    await world.deliver()
    found = await in_usd(world)
    assert found["RESERVE"] == before["RESERVE"] + 100_000
    assert "RENT_REFUNDS" not in found
    assert await free(world) == 0
    async with world.pool.acquire() as connection:
        assert reserve_micros(await balances(connection, OAK)) == -95_000 * 10_000


async def test_what_the_reserve_lacks_is_withheld_from_the_next_dividend(world: World) -> None:
    lease = await world.lease()
    charge = await world.paid(lease, 1)
    await world.converted()
    await set_aside(world, await free(world))
    world.account.refund(charge, 25_000)
    await world.deliver()
    for month in (2, 3):
        await world.paid(lease, month)
    await world.converted()
    # 250 dollars less the 50 in the reserve, which two rents filled up by 100; the manager gave 20 of their fee back
    assert await free(world) == (2 * NET_CENTS - (25_000 - 5_000 - 10_000) + 2_000) * 10_000


async def test_a_dividend_names_its_charges_oldest_first(world: World) -> None:
    lease = await world.lease()
    first, second = await world.paid(lease, 1), await world.paid(lease, 2)
    await world.converted()
    third = await world.paid(lease, 3)
    dividend_id = uuid4()
    async with world.pool.acquire() as connection, connection.transaction():
        named = await reserve_for_dividend(connection, OAK, 1_000_000_007, dividend_id)
        again = await reserve_for_dividend(connection, OAK, 1_000_000_007, dividend_id)
    assert named == again == [(first, NET_CENTS * 10_000), (second, 1_000_000_007 - NET_CENTS * 10_000)]
    assert third not in dict(named)
    assert await free(world) == 2 * NET_CENTS * 10_000 - 1_000_000_007
    async with world.pool.acquire() as connection, connection.transaction():
        await release(connection, dividend_id)
        await release(connection, dividend_id)
    assert await free(world) == 2 * NET_CENTS * 10_000


async def test_another_propertys_debt_is_nobodys_dividend(world: World) -> None:
    await world.paid(await world.lease())
    elm = await world.paid(await world.lease(ELM, rent_cents=40_000))
    world.account.refund(elm)
    await world.deliver()
    await world.converted()
    found = await totals(world.pool)
    treasury_micros = found[Kind.TREASURY_USDC, Currency.USDC]
    assert treasury_micros == (97_070 - card_fee_cents(40_000)) * 10_000
    assert found[Kind.STRIPE_CLEARING, Currency.USD] == world.account.balance_cents() == 0
    assert await free(world) == NET_CENTS * 10_000 < treasury_micros


async def test_no_dividend_is_larger_than_what_the_whole_treasury_has_free(world: World) -> None:
    oak, elm = await world.lease(), await world.lease(ELM, rent_cents=40_000)
    await world.paid(oak, 1)
    charge = await world.paid(elm, 1)
    await world.converted()
    async with world.pool.acquire() as connection, connection.transaction():
        elm_micros = await available(connection, ELM)
        await reserve_for_dividend(connection, ELM, elm_micros, uuid4())
    world.account.refund(charge)  # out of what Stripe takes from Oak's next rent
    await world.paid(oak, 2)
    await world.converted()
    treasury_micros = (await totals(world.pool))[Kind.TREASURY_USDC, Currency.USDC]
    assert await free(world) == treasury_micros - elm_micros < 2 * NET_CENTS * 10_000


async def test_what_a_bank_kept_on_the_way_is_the_platforms_to_carry(world: World) -> None:
    await world.paid(await world.lease())
    await world.converted(short_cents=1_500)
    assert "BANK_FEES" not in await in_usd(world)
    own, platform, everything = (
        await balances(world.pool, OAK),
        await balances(world.pool, None),
        await totals(world.pool),
    )
    treasury = Kind.TREASURY_USDC, Currency.USDC
    assert own[treasury] == 97_070 * 10_000
    assert platform[Kind.BANK_FEES, Currency.USD] == 1_500
    assert platform[treasury] == -1_500 * 10_000
    assert everything[treasury] == (97_070 - 1_500) * 10_000
    assert everything[Kind.BANK_IN_TRANSIT, Currency.USD] == everything[Kind.CIRCLE_BALANCE, Currency.USD] == 0
    assert await free(world) == NET_CENTS * 10_000, "the property has all that was its own"


async def test_a_refund_that_fails_after_a_dividend_goes_back_to_the_income(world: World) -> None:
    charge = await world.paid(await world.lease())
    refund = world.account.refund(charge, 30_000)
    await world.deliver()
    await world.converted()
    await set_aside(world, 1_000_000)
    world.account.fail_refund(refund["id"])
    await world.deliver()
    found = await in_usd(world)
    assert "RENT_REFUNDS" not in found
    assert found["RESERVE"] == -5_000


async def test_a_payout_that_failed_comes_with_the_next(world: World) -> None:
    lease = await world.lease()
    charge = await world.paid(lease, 1)
    failed = world.account.payout()
    await world.deliver()
    assert (await in_usd(world))["BANK_IN_TRANSIT"] == 97_070
    world.account.fail_payout(failed["id"])
    await world.deliver()
    assert await in_usd(world) == PAID
    other = await world.paid(lease, 2)
    reference = await world.converted()
    async with world.pool.acquire() as connection:
        payout = await world.books.payout(connection, reference)
    assert payout is not None
    assert {(share.charge, share.amount_micros) for share in payout.shares} == {
        (charge, 970_700_000),
        (other, 970_700_000),
    }
    assert (await balances(world.pool, OAK))[Kind.TREASURY_USDC, Currency.USDC] == payout.amount_micros
