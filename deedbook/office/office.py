"""The whole office: every desk, one role table, one worker for the jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain

import aiohttp
import asyncpg
from redis.exceptions import RedisError

from api.doors import Executor
from api.limits import Limits
from api.route import Route
from api.server import Door
from compliance.approvals import Approvals
from compliance.audit import record
from compliance.passwords import Passwords
from compliance.roles import ROUTE_ROLES, refusal
from compliance.sessions import Sessions
from deedbook.credentials import Credentials
from deedbook.office.desk import Desk
from deedbook.office.document import document_route
from deedbook.office.market import market_desk
from deedbook.office.money import payouts_desk, payouts_of, rent_desk, treasury_desk
from deedbook.office.operations import operations_desk
from deedbook.office.people import accounts_desk, identity_desk, notices_desk
from deedbook.office.property import property_desk, sale_desk
from deedbook.office.resources import Resources, resources
from deedbook.operations import FEE
from deedbook.settings import Settings
from payments.stripe_api import Stripe
from persistence.feed import CommandsRefused, FeedLost
from persistence.jobs import Handler, Worker
from settlement.chain import ChainRefused, ChainUnavailable

# What of ours or of the world may be away for a while: a caller is told so.
AWAY = (
    *(asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError, RedisError),
    *(FeedLost, CommandsRefused, ChainUnavailable, ChainRefused, aiohttp.ClientConnectionError, OSError),
)


class Office:
    """`routes` go behind `door`; `run` does the rest until it is cancelled."""

    def __init__(self, r: Resources, stripe: Stripe) -> None:
        executors: dict[str, Executor] = {}  # filled below: what is decided names those who decide
        approvals = Approvals(r.pool, executors, record)
        sessions, passwords = Sessions(r.pool), Passwords()
        payouts, rent = payouts_of(r), rent_desk(r, stripe, approvals.decide)
        desks = [
            accounts_desk(r, sessions, approvals, passwords),
            identity_desk(r),
            notices_desk(r),
            property_desk(r, approvals.decide),
            sale_desk(r),
            rent,
            treasury_desk(r),
            payouts_desk(payouts, approvals.decide),
            market_desk(r, passwords),
            operations_desk(r, approvals.decide, payouts, rent.executors[FEE]),  # the last: it tells FEE from FEE
        ]
        for desk in desks:
            executors.update(desk.executors)
        routes = [route for desk in desks for route in desk.routes]
        self.routes: Sequence[Route] = [*routes, document_route(routes)]
        _require_roles(self.routes)
        self.door = Door(sessions.authenticate, refusal, Limits(time.monotonic), AWAY)
        self._loops = [loop for desk in desks for loop in desk.loops]
        self._worker = Worker(r.pool, _jobs(desks))

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


def _jobs(desks: Sequence[Desk]) -> dict[str, Handler]:
    handlers: dict[str, Handler] = {}
    for kind, handler in chain.from_iterable(desk.jobs.items() for desk in desks):
        assert kind not in handlers, f"two handlers for {kind}"
        handlers[kind] = handler
    return handlers


def _require_roles(routes: Sequence[Route]) -> None:
    """Every route has its row in the role table, and every row its route."""
    offered = {(route.method, route.path) for route in routes}
    assert offered == ROUTE_ROLES.keys(), sorted(offered ^ ROUTE_ROLES.keys())
