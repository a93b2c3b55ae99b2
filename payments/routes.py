"""Routes of leases, rent, Stripe's webhook, expenses and income statements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID, uuid4

from api.actor import Actor, Role
from api.amounts import usd, usd_cents
from api.answers import DecisionAnswer, decision_answer
from api.doors import Audit, Decide, Notify
from api.problem import Problem, not_found
from api.route import Call, Kind, Route
from payments import answers
from payments.leases import (
    RENT_CENTS_MAX,
    RENT_CENTS_MIN,
    Lease,
    add_lease,
    end_lease,
    lease_by_id,
    leases_of,
    payments_of,
)
from payments.rent_links import RentLinks
from payments.rent_terms import BPS_MAX, terms_of
from payments.statements import Expense, add_expense, expenses_of, statement
from payments.stripe_events import ManagerOf, StripeEvents
from persistence.database import Connection, Pool

RENT_TERMS: Final = "RENT_TERMS"  # the kind of decision
YEAR_MIN, YEAR_MAX = 2000, 2200
EXPENSE_CENTS_MAX: Final = 99_999_999_999

# An e-mail's user, invited if it is nobody's yet, with the role of a tenant. Raises Problem.
InviteTenant = Callable[[Connection, str, Actor], Awaitable[UUID]]
TenantEmails = Callable[[Connection, Collection[UUID]], Awaitable[Mapping[UUID, str]]]
HasDocument = Callable[[Connection, UUID, UUID], Awaitable[bool]]  # property, document


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What these routes need of others. `manager_of` is None for a property that there is not."""

    audit: Audit
    notify: Notify
    decide: Decide
    manager_of: ManagerOf
    invite_tenant: InviteTenant
    tenant_emails: TenantEmails
    has_document: HasDocument


def routes(pool: Pool, stripe: StripeEvents, links: RentLinks, neighbours: Neighbours) -> list[Route]:
    desk = _Desk(pool, stripe, links, neighbours)
    of_property = "/properties/{property_id}"
    return [
        Route(
            method="POST",
            path=f"{of_property}/leases",
            handler=desk.add_lease,
            body=answers.NewLease,
            answer=answers.LeaseView,
            status=201,
            summary="Let a unit to a tenant.",
        ),
        Route(
            method="GET",
            path=f"{of_property}/leases",
            handler=desk.leases,
            answer=list[answers.LeaseView],
            summary="The leases of a property.",
        ),
        Route(
            method="GET",
            path="/leases",
            handler=desk.own_leases,
            answer=list[answers.LeaseView],
            summary="Your leases, as a tenant.",
        ),
        Route(
            method="POST",
            path="/leases/{lease_id}/end",
            handler=desk.end_lease,
            body=answers.LeaseEnd,
            answer=answers.LeaseView,
            summary="Set a lease's last day.",
        ),
        Route(
            method="POST",
            path="/rent/links",
            handler=desk.link,
            body=answers.NewLink,
            answer=answers.LinkView,
            summary="A page on which a month's rent is paid; the same one as long as it is open.",
        ),
        Route(
            method="GET",
            path="/rent/payments",
            handler=desk.payments,
            query=answers.PaymentsQuery,
            answer=list[answers.PaymentView],
            summary="Each month's rent and what came of it.",
        ),
        Route(
            method="POST",
            path="/webhooks/stripe",
            handler=desk.webhook,
            kind=Kind.WEBHOOK,
            summary="Stripe tells what happened.",
        ),
        Route(
            method="POST",
            path=f"{of_property}/expenses",
            handler=desk.add_expense,
            body=answers.NewExpense,
            answer=answers.ExpenseView,
            status=201,
            summary="Book what was spent on a property.",
        ),
        Route(
            method="GET",
            path=f"{of_property}/expenses",
            handler=desk.expenses,
            answer=list[answers.ExpenseView],
            summary="What was spent on a property.",
        ),
        Route(
            method="GET",
            path=f"{of_property}/income-statement",
            handler=desk.statement,
            query=answers.StatementQuery,
            answer=answers.StatementView,
            summary="Rent, costs and what remains for holders, by charge.",
        ),
        Route(
            method="GET",
            path=f"{of_property}/rent-terms",
            handler=desk.terms,
            answer=answers.Terms,
            summary="What of the rent the manager takes and the reserve keeps.",
        ),
        Route(
            method="PUT",
            path=f"{of_property}/rent-terms",
            handler=desk.set_terms,
            body=answers.Terms,
            answer=DecisionAnswer,
            summary="Propose or approve such terms; two admins decide.",
        ),
    ]


class _Desk:
    """The handlers."""

    def __init__(self, pool: Pool, stripe: StripeEvents, links: RentLinks, neighbours: Neighbours) -> None:
        self._pool = pool
        self._stripe = stripe
        self._links = links
        self._doors = neighbours

    async def add_lease(self, call: Call[answers.NewLease]) -> answers.LeaseView:
        body, actor = call.body, call.signed_in
        property_id = call.uuid("property_id")
        rent_cents = _cents(body.rent_usd, "rent_usd", RENT_CENTS_MIN, RENT_CENTS_MAX)
        if not YEAR_MIN <= body.starts_on.year <= YEAR_MAX or (body.ends_on or body.starts_on) < body.starts_on:
            raise Problem(400, "NOT_ITS_DAYS", "A lease starts this century, and does not end before it starts.")
        async with self._pool.acquire() as connection, connection.transaction():
            await self._require_manager(connection, property_id, actor)
            tenant_id = await self._doors.invite_tenant(connection, body.tenant_email, actor)
            lease = Lease(
                uuid4(), property_id, body.unit, tenant_id, rent_cents, body.due_day, body.starts_on, body.ends_on
            )
            await add_lease(connection, lease)
            await self._audit(connection, actor, "lease added", lease, rent_usd=usd(rent_cents))
            text = f"Unit {lease.unit} is let to you from {lease.starts_on}, for {usd(rent_cents)} USD a month."
            await self._doors.notify(connection, tenant_id, "LEASE_ADDED", text, {"lease_id": str(lease.lease_id)})
            return await self._view(connection, lease)

    async def leases(self, call: Call[None]) -> list[answers.LeaseView]:
        property_id = call.uuid("property_id")
        async with self._pool.acquire() as connection:
            await self._require_reader(connection, property_id, call.signed_in)
            return await self._views(connection, await leases_of(connection, property_id=property_id))

    async def own_leases(self, call: Call[None]) -> list[answers.LeaseView]:
        async with self._pool.acquire() as connection:
            return await self._views(connection, await leases_of(connection, tenant_id=call.signed_in.user_id))

    async def end_lease(self, call: Call[answers.LeaseEnd]) -> answers.LeaseView:
        actor = call.signed_in
        async with self._pool.acquire() as connection, connection.transaction():
            lease = await lease_by_id(connection, call.uuid("lease_id"))
            if await self._doors.manager_of(connection, lease.property_id) != actor.user_id:
                raise not_found("lease")
            await end_lease(connection, lease, call.body.ends_on)
            await self._audit(connection, actor, "lease ended", lease, ends_on=call.body.ends_on.isoformat())
            text = f"Your lease of unit {lease.unit} ends on {call.body.ends_on}."
            await self._doors.notify(
                connection, lease.tenant_id, "LEASE_ENDED", text, {"lease_id": str(lease.lease_id)}
            )
            return await self._view(connection, await lease_by_id(connection, lease.lease_id))

    async def link(self, call: Call[answers.NewLink]) -> answers.LinkView:
        """For the lease's tenant and the property's manager."""
        actor = call.signed_in
        async with self._pool.acquire() as connection:
            lease = await lease_by_id(connection, call.body.lease_id)
            allowed = {lease.tenant_id, await self._doors.manager_of(connection, lease.property_id)}
        if actor.user_id not in allowed:
            raise not_found("lease")
        period = date.fromisoformat(f"{call.body.period}-01") if call.body.period >= f"{YEAR_MIN}" else None
        if period is None or period.year > YEAR_MAX:
            raise Problem(400, "NOT_A_MONTH", f"{call.body.period} is no month that a rent is due in.")
        return answers.link_view(await self._links.link(lease, period))

    async def payments(self, call: Call[None]) -> list[answers.PaymentView]:
        actor, property_id = call.signed_in, call.query.property_id
        async with self._pool.acquire() as connection:
            if property_id is None:
                found = await payments_of(connection, tenant_id=actor.user_id)
            else:
                await self._require_reader(connection, property_id, actor)
                found = await payments_of(connection, property_id=property_id)
        return [answers.payment_view(each) for each in found]

    async def webhook(self, call: Call[None]) -> None:
        await self._stripe.receive(call.raw, call.headers.get("Stripe-Signature", ""))

    async def add_expense(self, call: Call[answers.NewExpense]) -> answers.ExpenseView:
        body, actor, property_id = call.body, call.signed_in, call.uuid("property_id")
        spent_on = body.spent_on or datetime.now(UTC).date()
        if not YEAR_MIN <= spent_on.year <= YEAR_MAX:
            raise Problem(400, "NOT_ITS_DAYS", "spent_on is a day of this century.")
        expense = Expense(
            expense_id=body.expense_id or uuid4(),
            property_id=property_id,
            amount_cents=_cents(body.usd, "usd", 1, EXPENSE_CENTS_MAX),
            what=body.what,
            document_id=body.document,
            spent_on=spent_on,
            entered_by=actor.user_id,
        )
        async with self._pool.acquire() as connection, connection.transaction():
            await self._require_manager(connection, property_id, actor)
            if body.document and not await self._doors.has_document(connection, property_id, body.document):
                raise Problem(404, "NO_SUCH_DOCUMENT", "The property has no such document: upload the bill first.")
            if await add_expense(connection, expense):
                details = {"property_id": str(property_id), "expense_id": str(expense.expense_id), "usd": body.usd}
                await self._doors.audit(connection, actor.name, "expense added", details=details)
        return answers.expense_view(expense)

    async def expenses(self, call: Call[None]) -> list[answers.ExpenseView]:
        property_id = call.uuid("property_id")
        async with self._pool.acquire() as connection:
            await self._require_reader(connection, property_id, call.signed_in)
            return [answers.expense_view(each) for each in await expenses_of(connection, property_id)]

    async def statement(self, call: Call[None]) -> answers.StatementView:
        since, until, property_id = call.query.since, call.query.until, call.uuid("property_id")
        if not YEAR_MIN <= since.year <= until.year <= YEAR_MAX or until < since:
            raise Problem(400, "NOT_ITS_DAYS", "Ask from a day to the same or a later one.")
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            await self._require_reader(connection, property_id, call.signed_in)
            found = await statement(connection, property_id, since, until)
        return answers.statement_view(property_id, found)

    async def terms(self, call: Call[None]) -> answers.Terms:
        property_id = call.uuid("property_id")
        async with self._pool.acquire() as connection:
            await self._require_reader(connection, property_id, call.signed_in)
            found = await terms_of(connection, property_id)
        return answers.Terms(found.management_fee_bps, found.reserve_bps)

    async def set_terms(self, call: Call[answers.Terms]) -> DecisionAnswer:
        body, property_id = call.body, call.uuid("property_id")
        if body.management_fee_bps + body.reserve_bps > BPS_MAX:
            raise Problem(400, "MORE_THAN_THE_RENT", "The manager and the reserve take more than the rent.")
        payload = {
            "property_id": str(property_id),
            "management_fee_bps": body.management_fee_bps,
            "reserve_bps": body.reserve_bps,
        }
        async with self._pool.acquire() as connection, connection.transaction():
            if await self._doors.manager_of(connection, property_id) is None:
                raise not_found("property")
            decision = await self._doors.decide(connection, RENT_TERMS, str(property_id), payload, call.signed_in)
        return decision_answer(decision)

    async def _require_manager(self, connection: Connection, property_id: UUID, actor: Actor) -> None:
        if await self._doors.manager_of(connection, property_id) != actor.user_id:
            raise not_found("property")

    async def _require_reader(self, connection: Connection, property_id: UUID, actor: Actor) -> None:
        """The property's manager, and admins."""
        manager_id = await self._doors.manager_of(connection, property_id)
        if manager_id is None or (manager_id != actor.user_id and Role.ADMIN not in actor.roles):
            raise not_found("property")

    async def _view(self, connection: Connection, lease: Lease) -> answers.LeaseView:
        [view] = await self._views(connection, [lease])
        return view

    async def _views(self, connection: Connection, leases: Sequence[Lease]) -> list[answers.LeaseView]:
        emails = await self._doors.tenant_emails(connection, {each.tenant_id for each in leases})
        return [answers.lease_view(each, emails[each.tenant_id]) for each in leases]

    async def _audit(self, connection: Connection, actor: Actor, action: str, lease: Lease, **details: str) -> None:
        ids = {"lease_id": str(lease.lease_id), "property_id": str(lease.property_id)}
        await self._doors.audit(connection, actor.name, action, user_id=lease.tenant_id, details=ids | details)


def _cents(text: str, name: str, least: int, most: int) -> int:
    try:
        cents = usd_cents(text)
    except ValueError as error:
        raise Problem(400, "NOT_DOLLARS", f"{name}: {error}.") from None
    if not least <= cents <= most:
        raise Problem(400, "NOT_DOLLARS", f"{name} is between {usd(least)} and {usd(most)}.")
    return cents
