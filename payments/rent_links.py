"""A link by which a tenant pays a month's rent: one open Checkout Session, replaced once Stripe says it expired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import stripe

from api.problem import Problem
from payments.leases import Lease, Rent, rent_for
from payments.stripe_objects import Session, SessionOrder, SessionState, StripeApi
from persistence.database import Pool

ATTEMPTS_MAX: Final = 1_000  # links of one rent


@dataclass(frozen=True, slots=True)
class RentLink:
    rent: Rent
    session: Session


class RentLinks:
    """`public_url` is where Stripe sends a tenant back to."""

    def __init__(self, pool: Pool, api: StripeApi, public_url: str) -> None:
        self._pool = pool
        self._api = api
        self._return_url = f"{public_url.rstrip('/')}/office/rent"

    async def link(self, lease: Lease, period: date) -> RentLink:
        """The open session of a rent, or a new one; asked for again at any time, by several at once.

        Raises Problem if it is paid or being paid, and STRIPE_AWAY.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            rent = await rent_for(connection, lease, period)
            last = await connection.fetchrow(
                "SELECT session_id, attempt FROM stripe_sessions WHERE rent_id = $1 ORDER BY attempt DESC LIMIT 1",
                rent.rent_id,
            )
            if await connection.fetchval("SELECT EXISTS (SELECT FROM stripe_charges WHERE rent_id = $1)", rent.rent_id):
                raise _paid(rent)
        try:
            if last is not None and (session := await self._usable(rent, last["session_id"])) is not None:
                return RentLink(rent, session)
            attempt = 1 if last is None else last["attempt"] + 1
            if attempt > ATTEMPTS_MAX:
                raise Problem(
                    409, "TOO_MANY_LINKS", f"The rent of {rent.period:%Y-%m} had {ATTEMPTS_MAX} links already."
                )
            session = await self._api.create_session(self._order(rent, attempt))
        except stripe.StripeError as error:
            raise Problem(503, "STRIPE_AWAY", "The payment service does not answer; try again in a minute.") from error
        # Whoever asks at the same moment asks with the same idempotency key, and records the same session.
        await self._pool.execute(
            "INSERT INTO stripe_sessions (session_id, rent_id, attempt, url, expires_at) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (session_id) DO NOTHING",
            session.session_id,
            rent.rent_id,
            attempt,
            session.url,
            session.expires_at,
        )
        return RentLink(rent, session)

    async def _usable(self, rent: Rent, session_id: str) -> Session | None:
        """Stripe's own word on the session: None if it ended without a payment."""
        session = await self._api.session(session_id)
        match session.state:
            case SessionState.OPEN:
                return session
            case SessionState.PAID:
                raise _paid(rent)
            case SessionState.PROCESSING:
                detail = f"The rent of {rent.period:%Y-%m} is being paid; its bank transfer takes some days."
                raise Problem(409, "RENT_BEING_PAID", detail)
            case SessionState.FAILED | SessionState.EXPIRED:
                return None

    def _order(self, rent: Rent, attempt: int) -> SessionOrder:
        return SessionOrder(
            rent_id=rent.rent_id,
            lease_id=rent.lease.lease_id,
            property_id=rent.lease.property_id,
            period=f"{rent.period:%Y-%m}",
            amount_cents=rent.amount_cents,
            title=f"Rent {rent.period:%Y-%m}, unit {rent.lease.unit}",
            return_url=self._return_url,
            idempotency_key=f"rent-{rent.lease.lease_id}-{rent.period:%Y-%m}-{attempt}",
        )


def _paid(rent: Rent) -> Problem:
    return Problem(409, "RENT_PAID", f"The rent of {rent.period:%Y-%m} is paid.")
