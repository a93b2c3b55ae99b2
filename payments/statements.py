"""A property's income: what its rent brought in a time, what was spent of it, and what of the rest is USDC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from api.problem import Problem
from payments.funds import MICROS_PER_CENT, available, income_cents, reserve_micros
from payments.ledger import Currency, Kind, Move, balances, post, usd
from persistence.database import Connection

CHARGES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One charge, as things stand now. `net_cents` is its part of what can be distributed.

    payout_id  that brought it to the bank; is_usdc: it is in the treasury
    dividends  that name it, for `named_usdc_micros` together
    """

    charge_id: str
    unit: str
    period: date
    charged_at: datetime
    amount_cents: int
    fee_cents: int
    refunded_cents: int
    disputed_cents: int
    management_fee_cents: int
    reserve_cents: int
    net_cents: int
    payout_id: str | None
    is_usdc: bool
    named_usdc_micros: int
    dividends: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Statement:
    """What happened from `since` to `until`, both days included, in cents; `net_cents` is what remains for holders.

    disputes_cents             withdrawn and not given back: open and lost ones
    usdc_micros                what of the charges' net is in the treasury as USDC; named_usdc_micros: in dividends
    available_usdc_micros      what a dividend can be now, over all times; reserve_usdc_micros: the reserve now
    """

    since: date
    until: date
    rent_cents: int
    refunds_cents: int
    disputes_cents: int
    stripe_fees_cents: int
    management_fee_cents: int
    expenses_cents: int
    reserve_cents: int
    net_cents: int
    usdc_micros: int
    named_usdc_micros: int
    available_usdc_micros: int
    reserve_usdc_micros: int
    charges: Sequence[ChargeLine]


async def statement(connection: Connection, property_id: UUID, since: date, until: date) -> Statement:
    """In a transaction of repeatable reads, if all of it is to be of one moment."""
    first, following = _midnight(since), _midnight(until + timedelta(days=1))
    moved = await balances(connection, property_id, first, following)
    charges = await _charges(connection, property_id, first, following)

    def spent(*kinds: Kind) -> int:
        return sum(moved.get((kind, Currency.USD), 0) for kind in kinds)

    return Statement(
        since=since,
        until=until,
        rent_cents=-spent(Kind.RENT_INCOME),
        refunds_cents=spent(Kind.RENT_REFUNDS),
        disputes_cents=spent(Kind.DISPUTED, Kind.DISPUTE_LOSSES),
        stripe_fees_cents=spent(Kind.STRIPE_FEES),
        management_fee_cents=spent(Kind.MANAGEMENT_FEE),
        expenses_cents=spent(Kind.EXPENSES),
        reserve_cents=spent(Kind.RESERVE_CONTRIBUTION),
        net_cents=income_cents(moved),
        usdc_micros=sum(each.net_cents for each in charges if each.is_usdc) * MICROS_PER_CENT,
        named_usdc_micros=sum(each.named_usdc_micros for each in charges),
        available_usdc_micros=await available(connection, property_id),
        reserve_usdc_micros=reserve_micros(await balances(connection, property_id)),
        charges=charges,
    )


async def _charges(connection: Connection, property_id: UUID, first: datetime, following: datetime) -> list[ChargeLine]:
    rows = await connection.fetch(
        "SELECT charge_id, unit, period, charged_at, charge.amount_cents, fee_cents, refunded_cents, disputed_cents,"
        " management_fee_cents, reserve_cents, net_cents, payout_id, is_usdc, named_usdc_micros,"
        " distributions AS dividends FROM rent_charges AS charge JOIN rents USING (rent_id)"
        " JOIN leases USING (lease_id) WHERE charge.property_id = $1 AND charged_at >= $2 AND charged_at < $3"
        " ORDER BY charged_at, charge_id LIMIT $4",
        property_id,
        first,
        following,
        CHARGES_MAX + 1,
    )
    if len(rows) > CHARGES_MAX:
        raise Problem(400, "TIME_TOO_LONG", f"There are more than {CHARGES_MAX} charges; ask for a shorter time.")
    return [ChargeLine(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class Expense:
    """`document_id`: the bill, if it was uploaded."""

    expense_id: UUID
    property_id: UUID
    amount_cents: int
    what: str
    document_id: UUID | None
    spent_on: date
    entered_by: UUID


_EXPENSE: Final = ", ".join(Expense.__dataclass_fields__)


async def add_expense(connection: Connection, expense: Expense) -> bool:
    """True if it is new. Raises Problem if another expense has its id."""
    is_new = await connection.fetchval(
        f"INSERT INTO expenses ({_EXPENSE}) VALUES ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608
        " ON CONFLICT (expense_id) DO NOTHING RETURNING true",
        *(getattr(expense, name) for name in Expense.__dataclass_fields__),
    )
    if is_new is None:
        row = await connection.fetchrow(
            f"SELECT {_EXPENSE} FROM expenses WHERE expense_id = $1",  # noqa: S608
            expense.expense_id,
        )
        if Expense(**row) != expense:
            raise Problem(409, "EXPENSE_ID_TAKEN", "Another expense has this id.")
        return False
    accounts = usd(Kind.EXPENSES, expense.property_id), usd(Kind.EXPENSES_PAYABLE, expense.property_id)
    moves = [Move(expense.amount_cents, *accounts)]
    return await post(connection, f"expense:{expense.expense_id}", "expense", moves, _midnight(expense.spent_on))


async def expenses_of(connection: Connection, property_id: UUID) -> list[Expense]:
    """The newest first."""
    rows = await connection.fetch(
        f"SELECT {_EXPENSE} FROM expenses WHERE property_id = $1"  # noqa: S608
        " ORDER BY spent_on DESC, expense_id DESC LIMIT 1000",
        property_id,
    )
    return [Expense(**row) for row in rows]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
