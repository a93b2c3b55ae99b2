"""What a property has: income that can be distributed, its reserve, and what of the treasury is due to nobody yet.

Amounts are USDC micros.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from api.problem import Problem
from payments.ledger import Balances, Currency, Kind, balances, lock_property, totals
from persistence.database import Connection

MICROS_PER_CENT: Final = 10_000
_TREASURY_LOCK: Final = 0x7472_6561_7375_7279  # who sets money aside looks at all of the treasury
INCOME: Final = (  # what income is made of: a credit adds, a debit takes away
    Kind.RENT_INCOME,
    Kind.RENT_REFUNDS,
    Kind.DISPUTED,
    Kind.DISPUTE_LOSSES,
    Kind.STRIPE_FEES,
    Kind.MANAGEMENT_FEE,
    Kind.EXPENSES,
    Kind.RESERVE_CONTRIBUTION,
)
# Taken out of income for holders, or for the reserve as dust; an exit takes what these four are together.
_TAKEN: Final = (
    *(Kind.DIVIDENDS_SET_ASIDE, Kind.DIVIDENDS_PAID, Kind.RESERVE_CONTRIBUTION),
    *(Kind.EXIT_SET_ASIDE, Kind.EXIT_PAID, Kind.SALE_PROCEEDS, Kind.SALE_COSTS),
)
_DUE: Final = (Kind.DIVIDENDS_PAYABLE, Kind.OWED, Kind.EXIT_PAYABLE, Kind.MANAGER_PAYABLE)


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a property has left for an exit to give away, and how much of that is its reserve."""

    usdc_micros: int
    reserve_usdc_micros: int


async def lock_funds(connection: Connection, property_id: UUID) -> None:
    """Until the transaction ends nobody else decides by what this property, or the treasury, has."""
    await lock_property(connection, property_id)
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _TREASURY_LOCK)


async def free_micros(connection: Connection, property_id: UUID) -> int:
    """What the treasury has of this property and owes to nobody, never more than so in all; may be below zero."""
    return min(_free_of(await balances(connection, property_id)), _free_of(await totals(connection)))


async def remainder(connection: Connection, property_id: UUID) -> Remainder:
    """Free USDC, but for what is owed in dollars: to the manager, and to Stripe for refunds since its last payout.

    Dollars that are still on their way are none of it.
    """
    own = await balances(connection, property_id)

    def cents(*kinds: Kind) -> int:
        return sum(own.get((kind, Currency.USD), 0) for kind in kinds)

    owed_cents = cents(Kind.MANAGEMENT_FEE_PAYABLE, Kind.EXPENSES_PAYABLE)
    owed_cents += min(0, cents(Kind.STRIPE_CLEARING, Kind.BANK_IN_TRANSIT, Kind.CIRCLE_BALANCE))
    micros = max(0, await free_micros(connection, property_id) + owed_cents * MICROS_PER_CENT)
    return Remainder(micros, min(micros, max(0, reserve_micros(own))))


async def available(connection: Connection, property_id: UUID) -> int:
    """What a dividend may be: income whose dollars became USDC, less what the reserve lacks and what is set aside.

    Never more than the treasury has free, of this property and in all: another property's debt is nobody's dividend.
    """
    own = await balances(connection, property_id)
    charges = await connection.fetchrow(
        "SELECT coalesce(sum(greatest(net_cents, 0)) FILTER (WHERE NOT is_usdc), 0)::bigint AS unconverted_cents,"
        " coalesce(sum(greatest(net_cents * $2::bigint - named_usdc_micros, 0)) FILTER (WHERE is_usdc), 0)::bigint"
        " AS unnamed_micros FROM rent_charges WHERE property_id = $1",
        property_id,
        MICROS_PER_CENT,
    )
    unnamed_micros: int = charges["unnamed_micros"]
    converted_micros: int = _income_micros(own) - charges["unconverted_cents"] * MICROS_PER_CENT
    withheld_micros = max(0, -reserve_micros(own))
    return max(0, min(converted_micros - withheld_micros, unnamed_micros, await free_micros(connection, property_id)))


def reserve_micros(own: Balances) -> int:
    return -own.get((Kind.RESERVE, Currency.USD), 0) * MICROS_PER_CENT - own.get((Kind.RESERVE, Currency.USDC), 0)


def income_cents(own: Balances) -> int:
    return -sum(own.get((kind, Currency.USD), 0) for kind in INCOME)


def _income_micros(own: Balances) -> int:
    """All income less all that was taken out of it."""
    return income_cents(own) * MICROS_PER_CENT - sum(own.get((kind, Currency.USDC), 0) for kind in _TAKEN)


def _free_of(found: Balances) -> int:
    """USDC that is due to nobody yet."""
    kinds = (Kind.TREASURY_USDC, Kind.DISTRIBUTOR_USDC, *_DUE)
    return sum(found.get((kind, Currency.USDC), 0) for kind in kinds)


async def distributable_of(connection: Connection, property_id: UUID, period: str) -> int:
    """What is `available` of one month's income: `period` is such as "2026-11". Raises Problem for none."""
    try:
        first = date.fromisoformat(f"{period}-01")
        until = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    except ValueError:
        raise Problem(400, "NOT_A_MONTH", f"{period[:20]!r} is no month such as 2026-11.") from None
    micros = await connection.fetchval(
        "SELECT coalesce((SELECT sum(net_cents * $4::bigint - named_usdc_micros) FROM rent_charges"
        " WHERE property_id = $1 AND is_usdc AND charged_at >= $2::date AND charged_at < $3::date), 0)"
        " - $4::bigint * coalesce((SELECT sum(amount_cents) FROM expenses WHERE property_id = $1 AND spent_on >= $2"
        " AND spent_on < $3), 0)",
        property_id,
        first,
        until,
        MICROS_PER_CENT,
    )
    return max(0, min(int(micros), await available(connection, property_id)))
