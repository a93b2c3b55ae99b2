"""A property with a tenant, a Stripe account in memory, and the events between them: what tests of rent share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from deedbook.sandbox.stripe_account import Object, StripeAccount
from payments.charges import Changed
from payments.leases import Lease, add_lease
from payments.payouts import PayoutBooks
from payments.rent_links import RentLinks
from payments.stripe_events import Doors, StripeEvents
from payments.stripe_objects import (
    Charge,
    Payout,
    Session,
    SessionOrder,
    charge_from,
    payout_from,
    session_from,
)
from payments.stripe_signature import signature
from persistence.database import Connection, Pool

SECRET = "whsec_test"
NOW_S = 1_790_000_000
OAK, ELM = UUID(int=1), UUID(int=2)
MANAGER = UUID(int=77)
Told = tuple[UUID, str, str]


class AccountApi:
    """`StripeApi` straight on the account."""

    def __init__(self, account: StripeAccount) -> None:
        self.account = account

    async def create_session(self, order: SessionOrder) -> Session:
        metadata = {"rent": str(order.rent_id), "lease": str(order.lease_id)}
        item = {"quantity": "1", "price_data": {"currency": "usd", "unit_amount": str(order.amount_cents)}}
        made = self.account.create_session(
            {
                "mode": "payment",
                "success_url": order.return_url,
                "line_items": {"0": item},
                "metadata": metadata,
                "payment_intent_data": {"metadata": metadata},
            }
        )
        return session_from(self.account.expanded(made, ["payment_intent"]))

    async def session(self, session_id: str) -> Session:
        found = self.account.get(session_id, "checkout.session")
        return session_from(self.account.expanded(found, ["payment_intent"]))

    async def session_of_charge(self, charge_id: str) -> str | None:
        intent = self.account.get(charge_id, "charge")["payment_intent"]
        found = self.account.listed("checkout.session", payment_intent=intent)
        return found[0]["id"] if found else None

    async def charges(self, payment_intent: str) -> Sequence[Charge]:
        return [self._charge(each) for each in self.account.listed("charge", payment_intent=payment_intent)]

    async def payout(self, payout_id: str) -> Payout:
        movements = self.account.listed("balance_transaction", payout=payout_id)
        held = [self.account.expanded(each, ["source"]) for each in movements]
        return payout_from(self.account.get(payout_id, "payout"), held)

    def _charge(self, given: Object) -> Charge:
        return charge_from(
            self.account.expanded(given, ["balance_transaction"]),
            [
                self.account.expanded(each, ["balance_transaction", "failure_balance_transaction"])
                for each in self.account.listed("refund", charge=given["id"])
            ],
            [self.account.expanded(each, []) for each in self.account.listed("dispute", charge=given["id"])],
        )


@dataclass
class World:
    """`events` are what Stripe said and nobody took yet; `told` is who was notified of what."""

    pool: Pool
    events: list[Object] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    jobs: list[tuple[str, str]] = field(default_factory=list)
    now_s: float = NOW_S

    def __post_init__(self) -> None:
        self.account = StripeAccount("https://pay/", clock_s=lambda: self.now_s, on_event=self.events.append)
        self.api = AccountApi(self.account)
        doors = Doors(self.audit, self.notify, self.enqueue, self.manager_of)
        self.stripe = StripeEvents(self.pool, self.api, SECRET, doors, lambda: self.now_s)
        self.links = RentLinks(self.pool, self.api, "https://deedbook")
        self.books = PayoutBooks()

    async def audit(self, connection: Connection, actor: str, action: str, **details: Any) -> None:
        assert connection.is_in_transaction()

    async def notify(
        self, connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        assert connection.is_in_transaction()
        self.told.append((user_id, kind, text))

    async def enqueue(
        self, connection: Connection, kind: str, key: str, payload: Mapping[str, Any] | None = None, /
    ) -> None:
        if (kind, key) not in self.jobs:
            self.jobs.append((kind, key))

    async def manager_of(self, connection: Connection, property_id: UUID) -> UUID | None:
        return MANAGER

    async def tenant(self) -> UUID:
        user_id: UUID = await self.pool.fetchval(
            "INSERT INTO users (owner, email, facts_salt) VALUES"
            " ((SELECT coalesce(max(owner), 0) + 1 FROM users), $1, decode(repeat('00', 32), 'hex')) RETURNING user_id",
            f"{uuid4()}@example.com",
        )
        return user_id

    async def lease(self, property_id: UUID = OAK, unit: str = "1", rent_cents: int = 100_000) -> Lease:
        lease = Lease(
            uuid4(), property_id, unit, await self.tenant(), rent_cents, 1, date(2026, 1, 1), date(2030, 12, 31)
        )
        async with self.pool.acquire() as connection, connection.transaction():
            await add_lease(connection, lease)
        return lease

    async def session(self, lease: Lease, month: int = 11) -> str:
        return (await self.links.link(lease, date(2026, month, 1))).session.session_id

    async def paid(self, lease: Lease, month: int = 11) -> str:
        """A month's rent, paid and booked; its charge."""
        self.now_s += 60  # of two charges of one second none is older
        charge = self.account.pay(await self.session(lease, month))
        await self.deliver()
        return str(charge["id"])

    async def converted(self, short_cents: int = 0) -> str:
        """All that Stripe holds becomes USDC, but for what a bank keeps; the payout's reference."""
        self.account.payout()
        await self.deliver()
        reference = self.jobs[-1][1]
        async with self.pool.acquire() as connection, connection.transaction():
            await self.books.credited(connection, reference, f"deposit {reference}", short_cents)
        async with self.pool.acquire() as connection, connection.transaction():
            await self.books.received(connection, reference, f"transfer {reference}", bytes(32), short_cents)
        return reference

    def signed(self, event: Object) -> tuple[bytes, str]:
        body = json.dumps(event).encode()
        return body, f"t={int(self.now_s)},v1={signature(SECRET, body, int(self.now_s))}"

    async def deliver(self) -> None:
        """Every event that Stripe said, and what follows from it."""
        for event in self.events[:]:
            await self.stripe.receive(*self.signed(event))
        self.events.clear()
        await self.work()

    async def work(self) -> None:
        for kind, key in [job for job in self.jobs if job[0] == "stripe_event"]:
            await self.stripe.handle(key)
            self.jobs.remove((kind, key))


__all__ = ["ELM", "MANAGER", "NOW_S", "OAK", "SECRET", "AccountApi", "Changed", "World"]
