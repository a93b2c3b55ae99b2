"""The ledger: nothing is booked that does not sum to zero, nothing twice, and nothing that stands is changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from payments.ledger import (
    Account,
    Currency,
    Kind,
    LedgerError,
    Move,
    balance,
    balances,
    post,
    totals,
    usd,
    usdc,
)
from persistence.database import Pool

OAK, ELM = UUID(int=1), UUID(int=2)
AT = datetime(2026, 11, 1, tzinfo=UTC)
RENT = Move(100_000, usd(Kind.STRIPE_CLEARING, OAK), usd(Kind.RENT_INCOME, OAK))


async def book(pool: Pool, reference: str, *moves: Move, at: datetime = AT) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        return await post(connection, reference, "test", moves, at)


async def test_a_fact_is_booked_once_whoever_tells_it_again(pool: Pool) -> None:
    assert await book(pool, "ch_1", RENT)
    assert not await book(pool, "ch_1", RENT)
    assert await balance(pool, usd(Kind.STRIPE_CLEARING, OAK)) == 100_000
    assert await balance(pool, usd(Kind.RENT_INCOME, OAK)) == -100_000
    assert await balance(pool, usd(Kind.RENT_INCOME, ELM)) == 0


async def test_one_reference_cannot_mean_two_things(pool: Pool) -> None:
    await book(pool, "ch_1", RENT)
    with pytest.raises(LedgerError, match="ch_1 is booked already"):
        await book(pool, "ch_1", Move(1, RENT.debit, RENT.credit))


async def test_of_many_who_book_one_fact_at_once_one_does(pool: Pool) -> None:
    assert sorted(await asyncio.gather(*(book(pool, "ch_1", RENT) for _ in range(8)))) == [False] * 7 + [True]
    assert await balance(pool, RENT.debit) == 100_000


async def test_moves_of_one_account_are_summed_and_nothing_is_not_booked(pool: Pool) -> None:
    back = Move(100_000, RENT.credit, RENT.debit)
    assert not await book(pool, "nothing", RENT, back)
    assert await book(pool, "half", RENT, Move(-50_000, RENT.debit, RENT.credit))
    assert await balance(pool, RENT.debit) == 50_000
    assert await pool.fetchval("SELECT count(*) FROM ledger_postings") == 2


async def test_two_currencies_meet_only_in_a_conversion(pool: Pool) -> None:
    dollars = Move(97_070, usd(Kind.CONVERSION, OAK), usd(Kind.CIRCLE_BALANCE, OAK))
    micros = Move(970_700_000, usdc(Kind.TREASURY_USDC, OAK), usdc(Kind.CONVERSION, OAK))
    assert await book(pool, "transfer-1", dollars, micros)
    aside = Move(1, usdc(Kind.DIVIDENDS_SET_ASIDE, OAK), usdc(Kind.DIVIDENDS_PAYABLE, OAK))
    with pytest.raises(asyncpg.CheckViolationError, match="mixes currencies"):
        await book(pool, "mixed", RENT, aside)
    with pytest.raises(AssertionError):
        Move(1, usd(Kind.RESERVE, OAK), usdc(Kind.RESERVE, OAK))
    found = await balances(pool, OAK)
    assert found[Kind.TREASURY_USDC, Currency.USDC] == 970_700_000
    assert found[Kind.CONVERSION, Currency.USD] == 97_070
    assert found[Kind.RENT_INCOME, Currency.USD] == 0


async def test_what_does_not_sum_to_zero_is_refused_at_the_end(pool: Pool) -> None:
    async def write(amounts: list[int]) -> None:
        async with pool.acquire() as connection, connection.transaction():
            transaction_id = await connection.fetchval(
                "INSERT INTO ledger_transactions (reference, what, at, content_sha256)"
                " VALUES ('x', 'x', now(), sha256('')) RETURNING transaction_id"
            )
            for kind, amount in zip(["RENT_INCOME", "EXPENSES"], amounts, strict=False):
                await connection.execute(
                    "WITH account AS (INSERT INTO ledger_accounts (kind, currency) VALUES ($2, 'USD')"
                    " RETURNING account_id)"
                    " INSERT INTO ledger_postings SELECT $1, account_id, $3 FROM account",
                    transaction_id,
                    kind,
                    amount,
                )

    for amounts, reason in (([5, -4], "does not sum to zero: USD 1"), ([], "fewer than two"), ([0, 0], "check")):
        with pytest.raises(asyncpg.CheckViolationError, match=reason):
            await write(amounts)
    assert await pool.fetchval("SELECT count(*) FROM ledger_transactions") == 0
    await write([5, -5])
    with pytest.raises(asyncpg.CheckViolationError, match="is closed"):
        await pool.execute(
            "INSERT INTO ledger_postings SELECT transaction_id, (SELECT min(account_id) FROM ledger_accounts), 7"
            " FROM ledger_transactions"
        )


async def test_a_kind_is_kept_in_its_own_currency(pool: Pool) -> None:
    for kind, currency in ((Kind.RENT_INCOME, Currency.USDC), (Kind.OWED, Currency.USD)):
        with pytest.raises(asyncpg.CheckViolationError):
            await book(pool, "wrong", Move(1, Account(kind, OAK, currency), Account(Kind.RESERVE, OAK, currency)))


@pytest.mark.parametrize("table", ["ledger_accounts", "ledger_transactions", "ledger_postings"])
async def test_what_stands_is_never_changed(pool: Pool, table: str) -> None:
    await book(pool, "ch_1", RENT)
    column = {"ledger_accounts": "kind", "ledger_transactions": "what", "ledger_postings": "amount"}[table]
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.RaiseError, match="are never changed"):
            await pool.execute(statement)
    assert await balance(pool, RENT.debit) == 100_000


async def test_a_period_holds_what_happened_in_it(pool: Pool) -> None:
    december = datetime(2026, 12, 1, tzinfo=UTC)
    await book(pool, "ch_1", RENT)
    await book(pool, "ch_2", RENT, at=december)
    assert (await balances(pool, OAK, AT, december))[Kind.RENT_INCOME, Currency.USD] == -100_000
    assert (await balances(pool, OAK, december))[Kind.RENT_INCOME, Currency.USD] == -100_000
    assert (await totals(pool))[Kind.RENT_INCOME, Currency.USD] == -200_000
