"""Rent in, dollars to USDC, dividends and the exit."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from eth_utils.address import to_canonical_address

from api.actor import Actor
from api.doors import Decide
from compliance.audit import record
from compliance.tenants import invite_tenant, tenant_emails
from deedbook.jobs import convert
from deedbook.jobs.management_payment import ManagerPaymentJobs
from deedbook.notices.mail import send_mail
from deedbook.notices.notify import notify
from deedbook.office.desk import Desk
from deedbook.office.payouts import PayoutParts, Payouts
from deedbook.office.resources import Resources
from deedbook.office.treasury import CircleAccount, treasury_parts
from payments import management_payments, management_routes, stripe_events
from payments.management_payments import ManagerPayments
from payments.payouts import PayoutBooks
from payments.rent_links import RentLinks
from payments.rent_terms import TermsExecutor
from payments.routes import RENT_TERMS, Neighbours, routes
from payments.stripe_api import Stripe
from payments.stripe_events import Doors, StripeEvents
from persistence.database import Connection
from persistence.jobs import enqueue
from properties.attachments import attached
from properties.property import PropertyMissingError, find


def rent_desk(r: Resources, stripe: Stripe, decide: Decide) -> Desk:
    events = StripeEvents(
        r.pool, stripe, r.credentials.stripe_webhook_secret, Doors(record, notify, enqueue, manager_of)
    )

    async def invite(connection: Connection, email: str, actor: Actor) -> UUID:
        return await invite_tenant(connection, email, send_mail, actor)

    neighbours = Neighbours(record, notify, decide, manager_of, invite, tenant_emails, has_document)
    usdc = r.deployment.infrastructure.usdc
    paying = ManagerPaymentJobs(r.pool, r.treasury, usdc, r.chain.final_block, manager_of, notify)
    return Desk(
        routes=[
            *routes(r.pool, events, RentLinks(r.pool, stripe, r.public_url), neighbours),
            *management_routes.management_routes(r.pool, management_routes.Doors(decide, manager_of, wallet_of)),
        ],
        jobs={stripe_events.JOB: events.run, management_payments.JOB: paying.pay},
        executors={
            RENT_TERMS: TermsExecutor(record),
            management_payments.MANAGER_PAYMENT: ManagerPayments(record, enqueue).executor,
        },
    )


def treasury_desk(r: Resources) -> Desk:
    settings = r.settings
    assert settings.circle_url is not None
    certificate = None if settings.circle_webhook_certificate is None else Path(settings.circle_webhook_certificate)
    parts = treasury_parts(
        r.pool,
        r.http,
        CircleAccount(settings.circle_url, r.credentials.circle_api_key, certificate),
        r.chain,
        PayoutBooks(),
        record,
        usdc=bytes(to_canonical_address(r.deployment.infrastructure.usdc)),
        treasury=r.address_of("treasury"),
    )
    return Desk(routes=parts.routes, jobs={convert.KIND: parts.handler})


def payouts_of(r: Resources) -> Payouts:
    """Dividends and exits; they also hear of chain events."""
    return Payouts(
        PayoutParts(
            pool=r.pool,
            chain=r.chain,
            platform=r.deployment.platform,
            infra=r.deployment.infrastructure,
            treasury=r.treasury,
            submit=r.submit,
            frames_from=r.feed.frames,
            audit=record,
            notify=notify,
            enqueue=enqueue,
        )
    )


def payouts_desk(payouts: Payouts, decide: Decide) -> Desk:
    return Desk(
        routes=payouts.routes(decide),
        jobs=payouts.handlers(decide),
        executors=payouts.executors,
        declined=payouts.declined,
    )


async def manager_of(connection: Connection, property_id: UUID) -> UUID | None:
    try:
        return (await find(connection, property_id)).manager_id
    except PropertyMissingError:
        return None


async def wallet_of(connection: Connection, property_id: UUID) -> bytes | None:
    """The issuer's, which is the manager's own."""
    try:
        return (await find(connection, property_id)).issuer_wallet
    except PropertyMissingError:
        return None


async def has_document(connection: Connection, property_id: UUID, document_id: UUID) -> bool:
    return document_id in await attached(connection, property_id)
