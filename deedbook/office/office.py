"""The whole office: every desk, one role table, one worker for the jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from api.doors import Declined, Executor
from api.limits import Limits
from api.route import Route
from api.server import Door
from compliance.approvals import Approvals
from compliance.audit import record
from compliance.passwords import Passwords
from compliance.roles import ROUTE_ROLES, refusal
from compliance.sessions import Sessions
from deedbook.credentials import Credentials
from deedbook.office.controls import controls_desk
from deedbook.office.document import document_route
from deedbook.office.market import market_desk
from deedbook.office.money import payouts_desk, payouts_of, rent_desk, treasury_desk
from deedbook.office.operations import operations_desk
from deedbook.office.people import accounts_desk, identity_desk, notices_desk
from deedbook.office.property import property_desk, sale_desk
from deedbook.office.resources import Resources, resources
from deedbook.office.watching import watching_desk
from deedbook.outages import AWAY, waiting_out
from deedbook.settings import Settings
from payments.stripe_api import Stripe
from persistence.jobs import Worker

Named = TypeVar("Named")


class Office:
    """`routes` go behind `door`; `run` does the rest until it is cancelled."""

    def __init__(self, r: Resources, stripe: Stripe) -> None:
        executors: dict[str, Executor] = {}  # filled below: what is decided names those who decide
        declined: dict[str, Declined] = {}
        approvals = Approvals(r.pool, executors, record, declined=declined)
        sessions, passwords = Sessions(r.pool), Passwords()
        payouts = payouts_of(r)
        desks = [
            accounts_desk(r, sessions, approvals, passwords),
            identity_desk(r),
            notices_desk(r),
            property_desk(r, approvals.decide),
            sale_desk(r),
            rent_desk(r, stripe, approvals.decide),
            treasury_desk(r),
            payouts_desk(payouts, approvals.decide),
            market_desk(r, passwords),
            operations_desk(r, approvals.decide, payouts),
            controls_desk(r, approvals.decide),
            watching_desk(r),
        ]
        executors |= _each_once(desk.executors for desk in desks)
        declined |= _each_once(desk.declined for desk in desks)
        routes = [route for desk in desks for route in desk.routes]
        self.routes: Sequence[Route] = [*routes, document_route(routes)]
        _require_roles(self.routes)
        self.door = Door(sessions.authenticate, refusal, Limits(time.monotonic), AWAY)
        self._loops = [loop for desk in desks for loop in desk.loops]
        handlers = _each_once(desk.jobs for desk in desks)
        self._worker = Worker(r.pool, {kind: waiting_out(handler) for kind, handler in handlers.items()})

    async def run(self) -> None:
        """None of it ends by itself: what ends it is ours."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._worker.run())
            for loop in self._loops:
                tasks.create_task(loop())  # type: ignore[arg-type]  # an async function's call


@asynccontextmanager
async def open_office(settings: Settings, credentials: Credentials) -> AsyncIterator[tuple[Office, Resources]]:
    async with resources(settings, credentials) as r:
        stripe = Stripe(credentials.stripe_secret_key, settings.stripe_url)
        try:
            yield Office(r, stripe), r
        finally:
            await stripe.close()


def _each_once(parts: Iterable[Mapping[str, Named]]) -> dict[str, Named]:
    """What the desks bring together; no two bring the same."""
    together: dict[str, Named] = {}
    for part in parts:
        assert together.keys().isdisjoint(part), f"two for {together.keys() & part.keys()}"
        together |= part
    return together


def _require_roles(routes: Sequence[Route]) -> None:
    """Every route has its row in the role table, and every row its route."""
    offered = {(route.method, route.path) for route in routes}
    assert offered == ROUTE_ROLES.keys(), sorted(offered ^ ROUTE_ROLES.keys())
