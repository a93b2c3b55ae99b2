"""What the rent's routes take and answer. Dollars have two decimals, USDC up to six; days are ISO dates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.amounts import usd, usdc
from payments.leases import Lease
from payments.rent_links import RentLink
from payments.statements import ChargeLine, Expense, Statement

Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
What = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
DueDay = Annotated[int, msgspec.Meta(ge=1, le=28)]
Period = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-(0[1-9]|1[0-2])$")]
Bps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class NewLease(msgspec.Struct, forbid_unknown_fields=True):
    """`tenant_email` finds the tenant's user, or invites one; it is not kept with the lease."""

    unit: Unit
    tenant_email: str
    rent_usd: str
    due_day: DueDay
    starts_on: date
    ends_on: date | None = None


class LeaseEnd(msgspec.Struct, forbid_unknown_fields=True):
    """`ends_on` is its last day."""

    ends_on: date


class LeaseView(msgspec.Struct):
    lease_id: UUID
    property_id: UUID
    unit: str
    tenant_id: UUID
    tenant_email: str
    rent_usd: str
    due_day: int
    starts_on: date
    ends_on: date | None


class NewLink(msgspec.Struct, forbid_unknown_fields=True):
    """`period` is a month, such as "2026-11"."""

    lease_id: UUID
    period: Period


class LinkView(msgspec.Struct):
    """`url` is Stripe's page; it is replaced after `expires_at`."""

    rent_id: UUID
    lease_id: UUID
    period: str
    usd: str
    due_on: date
    url: str
    expires_at: datetime


class PaymentsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Of a property, for its manager; without one: your own as a tenant."""

    property_id: UUID | None = None


class PaymentView(msgspec.Struct):
    """One month's rent. `state`: DUE, OPEN (a link is out), PROCESSING, PAID, REFUNDED, or DISPUTED."""

    rent_id: UUID
    lease_id: UUID
    property_id: UUID
    unit: str
    period: str
    due_on: date
    usd: str
    state: str
    charge: str | None
    paid_at: datetime | None
    refunded_usd: str
    disputed_usd: str
    surplus_usd: str


class StatementQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Both days included."""

    since: date
    until: date


class ChargeView(msgspec.Struct):
    """`usd` was charged; `net_usd` is its part of what can be distributed; `dividends` name it for `named_usdc`."""

    charge: str
    unit: str
    period: str
    charged_at: datetime
    usd: str
    stripe_fee_usd: str
    refunded_usd: str
    disputed_usd: str
    management_fee_usd: str
    reserve_usd: str
    net_usd: str
    payout: str | None
    is_usdc: bool
    named_usdc: str
    dividends: list[UUID]


class StatementView(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """`net_usd` is what remains for holders; `net_usdc` of it is USDC in the treasury, `named_usdc` in dividends.

    `available_usdc` is what a dividend can be now, and `reserve_usdc` the reserve now; below zero it is withheld.
    """

    property_id: UUID
    since: date
    until: date
    rent_usd: str
    refunds_usd: str
    disputes_usd: str
    stripe_fees_usd: str
    management_fee_usd: str
    expenses_usd: str
    reserve_contribution_usd: str
    net_usd: str
    net_usdc: str
    named_usdc: str
    available_usdc: str
    reserve_usdc: str
    charges: list[ChargeView]


class NewExpense(msgspec.Struct, forbid_unknown_fields=True):
    """`expense_id` of your own making: asked again with it, the expense is booked once."""

    usd: str
    what: What
    document: UUID | None = None
    spent_on: date | None = None
    expense_id: UUID | None = None


class ExpenseView(msgspec.Struct):
    expense_id: UUID
    property_id: UUID
    usd: str
    what: str
    document: UUID | None
    spent_on: date


class Terms(msgspec.Struct, forbid_unknown_fields=True):
    """Of the rent that is kept, in basis points."""

    management_fee_bps: Bps
    reserve_bps: Bps


def lease_view(lease: Lease, tenant_email: str) -> LeaseView:
    return LeaseView(
        lease.lease_id,
        lease.property_id,
        lease.unit,
        lease.tenant_id,
        tenant_email,
        usd(lease.rent_cents),
        lease.due_day,
        lease.starts_on,
        lease.ends_on,
    )


def link_view(link: RentLink) -> LinkView:
    rent, session = link.rent, link.session
    return LinkView(
        rent.rent_id,
        rent.lease.lease_id,
        f"{rent.period:%Y-%m}",
        usd(rent.amount_cents),
        rent.due_on,
        session.url,
        session.expires_at,
    )


def payment_view(row: Any) -> PaymentView:
    """Of a row of `leases.payments_of`."""
    return PaymentView(
        row["rent_id"],
        row["lease_id"],
        row["property_id"],
        row["unit"],
        f"{row['period']:%Y-%m}",
        row["due_on"],
        usd(row["amount_cents"]),
        _state(row),
        row["charge_id"],
        row["charged_at"],
        usd(row["refunded_cents"]),
        usd(row["disputed_cents"]),
        usd(row["surplus_cents"]),
    )


def _state(row: Any) -> str:
    if row["charge_id"] is None:
        return row["session_state"] if row["session_state"] in ("OPEN", "PROCESSING") else "DUE"
    if row["disputed_cents"] > 0:
        return "DISPUTED"
    return "REFUNDED" if row["refunded_cents"] >= row["amount_cents"] else "PAID"


def expense_view(expense: Expense) -> ExpenseView:
    return ExpenseView(
        expense.expense_id,
        expense.property_id,
        usd(expense.amount_cents),
        expense.what,
        expense.document_id,
        expense.spent_on,
    )


def statement_view(property_id: UUID, found: Statement) -> StatementView:
    return StatementView(
        property_id=property_id,
        since=found.since,
        until=found.until,
        rent_usd=usd(found.rent_cents),
        refunds_usd=usd(found.refunds_cents),
        disputes_usd=usd(found.disputes_cents),
        stripe_fees_usd=usd(found.stripe_fees_cents),
        management_fee_usd=usd(found.management_fee_cents),
        expenses_usd=usd(found.expenses_cents),
        reserve_contribution_usd=usd(found.reserve_cents),
        net_usd=usd(found.net_cents),
        net_usdc=usdc(found.usdc_micros),
        named_usdc=usdc(found.named_usdc_micros),
        available_usdc=usdc(found.available_usdc_micros),
        reserve_usdc=usdc(found.reserve_usdc_micros),
        charges=[_charge_view(each) for each in found.charges],
    )


def _charge_view(line: ChargeLine) -> ChargeView:
    return ChargeView(
        charge=line.charge_id,
        unit=line.unit,
        period=f"{line.period:%Y-%m}",
        charged_at=line.charged_at,
        usd=usd(line.amount_cents),
        stripe_fee_usd=usd(line.fee_cents),
        refunded_usd=usd(line.refunded_cents),
        disputed_usd=usd(line.disputed_cents),
        management_fee_usd=usd(line.management_fee_cents),
        reserve_usd=usd(line.reserve_cents),
        net_usd=usd(line.net_cents),
        payout=line.payout_id,
        is_usdc=line.is_usdc,
        named_usdc=usdc(line.named_usdc_micros),
        dividends=list(line.dividends),
    )
