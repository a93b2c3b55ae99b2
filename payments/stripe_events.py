"""Stripe's webhooks: taken once each, and only as hints. What is booked is what Stripe says when it is asked.

So neither order, nor repetition, nor age of an event matters, and one that lies moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from api.amounts import usd as usd_text
from api.doors import Audit, Enqueue, Notify
from api.problem import Problem
from payments.charges import Change, Changed, book_charge
from payments.leases import Rent, rent_by_session
from payments.payouts import book_payout, unbooked
from payments.stripe_objects import MovementKind, Session, SessionState, StripeApi, StripeMismatchError, time_of
from payments.stripe_signature import is_signed
from persistence.database import Connection, Pool
from persistence.jobs import Job, JobFailed

JOB: Final = "stripe_event"
CONVERT: Final = "convert"
PAYMENT_FAILED: Final = "payment_intent.payment_failed"
ASYNC_FAILED: Final = "checkout.session.async_payment_failed"
_OF_A_CHARGE: Final = ("refund", "dispute")
_TENANT: Final = {
    Change.PAID: "Your rent for {period} is paid: {usd} USD.",
    Change.PAID_TWICE: "Your rent for {period} was paid a second time: {usd} USD will be given back.",
    Change.REFUNDED: "{usd} USD of your rent for {period} are given back.",
    Change.REFUND_FAILED: "{usd} USD of your rent for {period} could not be given back; your manager will contact you.",
    Change.DISPUTED: "Your bank disputes your rent for {period}: {usd} USD.",
    Change.REINSTATED: "The dispute of your rent for {period} is settled: {usd} USD count as paid.",
    Change.DISPUTE_LOST: "The dispute of your rent for {period} went your way: {usd} USD are with your bank.",
}
_MANAGER: Final = {
    Change.PAID: "The rent of unit {unit} for {period} is paid: {usd} USD.",
    Change.PAID_TWICE: "The rent of unit {unit} for {period} was paid twice: give {usd} USD back.",
    Change.REFUNDED: "{usd} USD of the rent of unit {unit} for {period} are given back.",
    Change.REFUND_FAILED: "{usd} USD of the rent of unit {unit} for {period} could not be given back.",
    Change.DISPUTED: "The rent of unit {unit} for {period} is disputed: Stripe took {usd} USD.",
    Change.REINSTATED: "The dispute of unit {unit} for {period} is won: {usd} USD are back.",
    Change.DISPUTE_LOST: "The dispute of unit {unit} for {period} is lost: {usd} USD.",
}
_FAILED: Final = {
    "tenant": "The payment of your rent for {period} did not go through; ask for a new link or try another way to pay.",
    "manager": "A payment of the rent of unit {unit} for {period} did not go through.",
}

ManagerOf = Callable[[Connection, UUID], Awaitable[UUID | None]]


class _Data(msgspec.Struct):
    object: dict[str, Any]


class _Event(msgspec.Struct, tag="event", tag_field="object"):
    id: str
    type: str
    created: int
    data: _Data


@dataclass(frozen=True, slots=True)
class Doors:
    """What this needs of its neighbours."""

    audit: Audit
    notify: Notify
    enqueue: Enqueue
    manager_of: ManagerOf


class StripeEvents:
    """`receive` is the webhook, `run` the job that each event becomes."""

    def __init__(
        self,
        pool: Pool,
        api: StripeApi,
        secret: str,
        doors: Doors,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        assert secret
        self._pool = pool
        self._api = api
        self._secret = secret
        self._doors = doors
        self._clock_s = clock_s

    async def receive(self, body: bytes, signature: str) -> bool:
        """Keep an event: True if it is new. Raises Problem for what is not Stripe's."""
        if not is_signed(self._secret, body, signature, self._clock_s()):
            raise Problem(400, "NOT_SIGNED", "Stripe-Signature does not fit this body, or is older than five minutes.")
        try:
            event = msgspec.json.decode(body, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "NOT_AN_EVENT", f"The body is not an event: {error}.") from None
        object_id = _object_id(event)
        async with self._pool.acquire() as connection, connection.transaction():
            is_new = await connection.fetchval(
                "INSERT INTO stripe_events (event_id, type, object_id, created_at) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (event_id) DO NOTHING RETURNING true",
                event.id,
                event.type,
                object_id,
                time_of(event.created),
            )
            if is_new and object_id:
                await self._doors.enqueue(connection, JOB, event.id)
        return bool(is_new)

    async def run(self, job: Job) -> None:
        """Raises JobFailed for what cannot be booked, and what Stripe and the database raise: called again then."""
        await self.handle(job.key)

    async def handle(self, event_id: str) -> None:
        """The same, by the event's id."""
        row = await self._pool.fetchrow("SELECT type, object_id FROM stripe_events WHERE event_id = $1", event_id)
        assert row is not None, f"there is no event {event_id}"
        try:
            if row["object_id"].startswith("po_"):
                await self._payout(row["object_id"])
            elif row["object_id"].startswith("cs_"):
                await self._session(row["object_id"], event_id, row["type"])
            else:
                await self._charge(row["object_id"], event_id, row["type"])
        except StripeMismatchError as error:
            raise JobFailed(str(error)) from error

    async def _charge(self, charge_id: str, event_id: str = "", event_type: str = "") -> None:
        session_id = await self._api.session_of_charge(charge_id)
        if session_id is not None:
            await self._session(session_id, event_id, event_type)

    async def _session(self, session_id: str, event_id: str = "", event_type: str = "") -> None:
        """Bring session and ledger up to what Stripe says now."""
        if not await self._pool.fetchval(
            "SELECT EXISTS (SELECT FROM stripe_sessions WHERE session_id = $1)", session_id
        ):
            return  # somebody else's on the same account
        session = await self._api.session(session_id)
        charges = await self._api.charges(session.payment_intent) if session.state is SessionState.PAID else []
        async with self._pool.acquire() as connection, connection.transaction():
            rent = await rent_by_session(connection, session_id)
            assert rent is not None
            await self._keep(connection, session)
            for charge in charges:
                for changed in await book_charge(connection, charge, session_id):
                    await self._tell(connection, rent, charge.charge_id, changed)
            if event_type in (PAYMENT_FAILED, ASYNC_FAILED):
                await self._tell_failed(connection, rent, event_id)

    async def _keep(self, connection: Connection, session: Session) -> None:
        """Only forward: an older view of it changes nothing."""
        await connection.execute(
            "UPDATE stripe_sessions SET state = $2, changed_at = now() WHERE session_id = $1 AND state <> $2"
            " AND state IN ('OPEN', 'PROCESSING') AND $2 <> 'OPEN'",
            session.session_id,
            session.state,
        )

    async def _payout(self, payout_id: str) -> None:
        payout = await self._api.payout(payout_id)
        for movement in await unbooked(self._pool, payout):
            if movement.kind is MovementKind.PAYOUT_FAILURE:
                await self._payout(movement.source)
            elif movement.charge:
                await self._charge(movement.charge)
        async with self._pool.acquire() as connection, connection.transaction():
            if await book_payout(connection, payout):
                await self._doors.enqueue(connection, CONVERT, payout.reference)
                details = {"payout": payout.payout_id, "usd": usd_text(payout.amount_cents)}
                await self._doors.audit(connection, "stripe", "payout booked", details=details)

    async def _tell(self, connection: Connection, rent: Rent, charge_id: str, changed: Changed) -> None:
        words = {"period": f"{rent.period:%Y-%m}", "unit": rent.lease.unit, "usd": usd_text(changed.amount_cents)}
        data = {"rent_id": str(rent.rent_id), "property_id": str(rent.lease.property_id), "charge": charge_id}
        kind = f"RENT_{changed.change.value}"
        await self._doors.audit(connection, "stripe", kind, user_id=rent.lease.tenant_id, details=data)
        await self._doors.notify(connection, rent.lease.tenant_id, kind, _TENANT[changed.change].format(**words), data)
        manager_id = await self._doors.manager_of(connection, rent.lease.property_id)
        if manager_id is not None:
            await self._doors.notify(connection, manager_id, kind, _MANAGER[changed.change].format(**words), data)

    async def _tell_failed(self, connection: Connection, rent: Rent, event_id: str) -> None:
        """Once an event, whatever is killed in between."""
        told = await connection.fetchval(
            "UPDATE stripe_events SET told_at = now() WHERE event_id = $1 AND told_at IS NULL RETURNING true", event_id
        )
        if not told:
            return
        words = {"period": f"{rent.period:%Y-%m}", "unit": rent.lease.unit}
        data = {"rent_id": str(rent.rent_id), "property_id": str(rent.lease.property_id)}
        people = {"tenant": rent.lease.tenant_id}
        people["manager"] = await self._doors.manager_of(connection, rent.lease.property_id)  # type: ignore[assignment]
        for who, user_id in people.items():
            if user_id is not None:
                await self._doors.notify(connection, user_id, "RENT_FAILED", _FAILED[who].format(**words), data)


def _object_id(event: _Event) -> str:
    """What to ask Stripe for: a session, a payout, or a charge. "" for an event that says nothing to us."""
    given, kind = event.data.object, event.data.object.get("object")
    if event.type == PAYMENT_FAILED:
        found = given.get("latest_charge")
    elif event.type.startswith(("checkout.session.", "payout.")):
        found = given.get("id")
    elif event.type.startswith(("charge.", "refund.")):
        found = given.get("charge") if kind in _OF_A_CHARGE else given.get("id")
    else:
        found = None
    prefixes = ("cs_",) if kind == "checkout.session" else ("po_",) if kind == "payout" else ("ch_", "py_")
    return found if isinstance(found, str) and found.startswith(prefixes) else ""
