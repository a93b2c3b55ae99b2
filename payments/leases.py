"""Leases: who rents which unit of a property, for how much. A tenant is a user's id and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from api.problem import Problem, not_found
from payments.ledger import Kind, Move, lock_property, post, usd
from persistence.database import Connection

RENT_CENTS_MIN: Final = 50  # what Stripe takes at least, and at most
RENT_CENTS_MAX: Final = 99_999_999
DUE_DAY_MAX: Final = 28


@dataclass(frozen=True, slots=True)
class Lease:
    """`ends_on` is its last day, None while it has none."""

    lease_id: UUID
    property_id: UUID
    unit: str
    tenant_id: UUID
    rent_cents: int
    due_day: int
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Rent:
    """What is due for one month of a lease; `period` is the month's first day."""

    rent_id: UUID
    period: date
    amount_cents: int
    due_on: date
    lease: Lease


_LEASE: Final = ", ".join(Lease.__dataclass_fields__)


async def add_lease(connection: Connection, lease: Lease) -> None:
    """Raises Problem if the unit is let in that time."""
    await lock_property(connection, lease.property_id)
    taken = await connection.fetchval(
        "SELECT starts_on FROM leases WHERE property_id = $1 AND unit = $2"
        " AND daterange(starts_on, ends_on, '[]') && daterange($3, $4, '[]') LIMIT 1",
        lease.property_id,
        lease.unit,
        lease.starts_on,
        lease.ends_on,
    )
    if taken is not None:
        raise Problem(409, "UNIT_LET", f"Unit {lease.unit} is let by the lease that starts on {taken}.")
    await connection.execute(
        f"INSERT INTO leases ({_LEASE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608
        *(getattr(lease, name) for name in Lease.__dataclass_fields__),
    )


async def end_lease(connection: Connection, lease: Lease, ends_on: date) -> None:
    """Set or bring forward its last day. Raises Problem for a day before it starts, or later than it ends."""
    if ends_on < lease.starts_on or (lease.ends_on is not None and ends_on > lease.ends_on):
        raise Problem(
            409, "NOT_ITS_END", f"The lease runs from {lease.starts_on} to {lease.ends_on or 'no fixed day'}."
        )
    await connection.execute("UPDATE leases SET ends_on = $2 WHERE lease_id = $1", lease.lease_id, ends_on)


async def lease_by_id(connection: Connection, lease_id: UUID) -> Lease:
    """Raises Problem 404."""
    row = await connection.fetchrow(f"SELECT {_LEASE} FROM leases WHERE lease_id = $1", lease_id)  # noqa: S608
    if row is None:
        raise not_found("lease")
    return Lease(**row)


async def leases_of(
    connection: Connection, *, property_id: UUID | None = None, tenant_id: UUID | None = None
) -> list[Lease]:
    """Those of a property, of a tenant, or of a tenant in a property."""
    assert property_id is not None or tenant_id is not None
    rows = await connection.fetch(
        f"SELECT {_LEASE} FROM leases WHERE ($1::uuid IS NULL OR property_id = $1)"  # noqa: S608
        " AND ($2::uuid IS NULL OR tenant_id = $2) ORDER BY lease_id",
        property_id,
        tenant_id,
    )
    return [Lease(**row) for row in rows]


async def rent_for(connection: Connection, lease: Lease, period: date) -> Rent:
    """The rent of a month; the first who asks makes it due. Raises Problem if the lease does not run then."""
    assert period.day == 1
    following = date(period.year + period.month // 12, period.month % 12 + 1, 1)
    if following <= lease.starts_on or (lease.ends_on is not None and lease.ends_on < period):
        raise Problem(409, "NOT_LET_THEN", f"The lease does not run in {period:%Y-%m}.")
    await connection.execute(
        "INSERT INTO rents (lease_id, period, amount_cents, due_on) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (lease_id, period) DO NOTHING",
        lease.lease_id,
        period,
        lease.rent_cents,
        period.replace(day=lease.due_day),
    )
    row = await connection.fetchrow(
        "SELECT rent_id, period, amount_cents, due_on FROM rents WHERE lease_id = $1 AND period = $2 FOR UPDATE",
        lease.lease_id,
        period,
    )
    rent = Rent(**row, lease=lease)
    accounts = usd(Kind.TENANT_RECEIVABLE, lease.property_id), usd(Kind.RENT_DUE, lease.property_id)
    due_at = datetime(rent.due_on.year, rent.due_on.month, rent.due_on.day, tzinfo=UTC)
    await post(connection, f"rent:{rent.rent_id}", "rent due", [Move(rent.amount_cents, *accounts)], due_at)
    return rent


async def rent_by_session(connection: Connection, session_id: str) -> Rent | None:
    """The rent that a checkout session is for; None if the session is none of ours."""
    row = await connection.fetchrow(
        f"SELECT rent_id, period, amount_cents, due_on, {_LEASE} FROM stripe_sessions"  # noqa: S608
        " JOIN rents USING (rent_id) JOIN leases USING (lease_id) WHERE session_id = $1",
        session_id,
    )
    if row is None:
        return None
    lease = Lease(**{name: row[name] for name in Lease.__dataclass_fields__})
    return Rent(row["rent_id"], row["period"], row["amount_cents"], row["due_on"], lease)


async def payments_of(
    connection: Connection, *, property_id: UUID | None = None, tenant_id: UUID | None = None
) -> list[Any]:
    """Each rent that was asked for and what came of it, the newest first; amounts in cents."""
    assert property_id is not None or tenant_id is not None
    rows: list[Any] = await connection.fetch(
        "SELECT rent.rent_id, lease_id, lease.property_id, unit, period, due_on, rent.amount_cents,"
        " charge.charge_id, charge.charged_at, coalesce(charge.refunded_cents, 0) AS refunded_cents,"
        " coalesce(charge.disputed_cents, 0) AS disputed_cents, last.state AS session_state,"
        " coalesce((SELECT sum(amount_cents) FROM stripe_charges AS surplus WHERE surplus.rent_id = rent.rent_id"
        " AND surplus.is_surplus), 0)::bigint AS surplus_cents"
        " FROM rents AS rent JOIN leases AS lease USING (lease_id)"
        " LEFT JOIN rent_charges AS charge ON charge.rent_id = rent.rent_id AND NOT charge.is_surplus"
        " LEFT JOIN LATERAL (SELECT state FROM stripe_sessions WHERE rent_id = rent.rent_id"
        " ORDER BY attempt DESC LIMIT 1) AS last ON true"
        " WHERE ($1::uuid IS NULL OR lease.property_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)"
        " ORDER BY period DESC, rent.rent_id DESC LIMIT 1000",
        property_id,
        tenant_id,
    )
    return rows
