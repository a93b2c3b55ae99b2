"""Accounts and authority behind real HTTP and a real database, with a clock that tests move and mails they read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from pyotp import TOTP, parse_uri

from api.actor import Actor, Role
from api.doors import Declined, Executor
from api.limits import Limits
from api.server import Door, mount
from compliance.appointments import ROLES, Appointments, appoint_first_admin
from compliance.approvals import MAY_DECIDE, Approvals
from compliance.audit import record
from compliance.passwords import Passwords
from compliance.roles import refusal
from compliance.routes import routes
from compliance.sessions import Sessions
from persistence.database import Connection, Pool

PASSWORD = "correct horse battery"
PUBLIC_URL = "https://deedbook.example"
CHAIN_ID = 31_337
TOTP_KEY = bytes(range(32))
WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # tests need no strength


@dataclass
class Answer:
    status: int
    json: Any
    cookies: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def reason(self) -> str:
        reason: str = self.json["reason"]
        return reason


@dataclass
class Mailed:
    user_id: UUID
    kind: str
    data: dict[str, str]


@dataclass
class Executed:
    approval_id: UUID
    payload: dict[str, Any]
    actor: Actor


@dataclass
class House:
    pool: Pool
    client: TestClient[web.Request, web.Application]
    sessions: Sessions
    approvals: Approvals
    mails: list[Mailed] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        self.client.session.cookie_jar.clear()
        signed = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.client.request(method, path, json=body, headers={**signed, **headers}) as response:
            has_json = response.content_type.endswith("json")
            answered = await response.json(content_type=None) if has_json else None
            return Answer(response.status, answered, response.cookies, response.headers)

    async def post(self, path: str, body: Any = None, *, token: str | None = None) -> Answer:
        return await self.call("POST", path, body, token=token)

    async def get(self, path: str, *, token: str | None = None) -> Answer:
        return await self.call("GET", path, token=token)

    async def register(self, name: str, password: str = PASSWORD) -> UUID:
        """Verified, not signed in."""
        answer = await self.post("/auth/register", {"email": f"{name}@example.com", "password": password})
        assert answer.status == 202, answer
        mailed = self.mails[-1]
        answer = await self.post("/auth/verify", {"token": mailed.data["token"]})
        assert answer.status == 204, answer
        return mailed.user_id

    async def login(self, name: str, *, password: str = PASSWORD, totp: str | None = None) -> Answer:
        body = {"email": f"{name}@example.com", "password": password} | ({} if totp is None else {"totp": totp})
        return await self.post("/auth/login", body)

    async def sign_in(self, name: str) -> str:
        """A token of somebody registered."""
        answer = await self.login(name)
        assert answer.status == 200, answer
        token: str = answer.json["token"]
        return token

    async def enrol(self, token: str) -> tuple[TOTP, list[str]]:
        """A second factor for the session's person, and the recovery codes."""
        begun = await self.post("/auth/totp", {"password": PASSWORD}, token=token)
        assert begun.status == 200, begun
        totp = parse_uri(begun.json["otpauth_uri"])
        assert isinstance(totp, TOTP)
        confirmed = await self.post("/auth/totp/confirm", {"code": totp.at(self.now)}, token=token)
        assert confirmed.status == 200, confirmed
        return totp, confirmed.json["recovery_codes"]

    async def staff(self, name: str, *roles: Role) -> tuple[UUID, str]:
        """Somebody with these roles and a second factor: the id, and a token."""
        user_id = await self.register(name)
        await self.pool.executemany(
            "INSERT INTO user_roles (user_id, role) VALUES ($1, $2)", [(user_id, str(role)) for role in roles]
        )
        token = await self.sign_in(name)
        await self.enrol(token)
        return user_id, token

    async def admin(self, name: str = "ada") -> tuple[UUID, str]:
        """The first admin, with a second factor: the id, and a token."""
        user_id = await self.register(name)
        await appoint_first_admin(self.pool, f"{name}@example.com", actor="operator")
        token = await self.sign_in(name)
        await self.enrol(token)
        return user_id, token

    async def actor(self, token: str) -> Actor:
        actor = await self.sessions.actor_of(token)
        assert actor is not None
        return actor

    async def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@asynccontextmanager
async def open_house(
    pool: Pool,
    executors: Mapping[str, Executor] | None = None,
    passwords: Passwords | None = None,
    declined: Mapping[str, Declined] | None = None,
) -> AsyncIterator[House]:
    """`executors`: the house writes down what is carried out unless others are given."""
    house: House

    async def mail(connection: Connection, user_id: UUID, kind: str, data: Mapping[str, str]) -> None:
        house.mails.append(Mailed(user_id, kind, dict(data)))

    async def execute(connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor) -> None:
        house.executed.append(Executed(approval_id, dict(payload), actor))

    def clock() -> datetime:
        return house.now

    sessions = Sessions(pool, clock)
    carried_out: dict[str, Executor] = dict(executors or dict.fromkeys(MAY_DECIDE, execute))
    approvals = Approvals(pool, carried_out, record, clock, declined or {})
    appointments = Appointments(pool, approvals)
    carried_out[ROLES] = appointments.decided
    app = web.Application()
    offered = routes(
        pool,
        sessions,
        approvals,
        appointments,
        mail,
        public_url=PUBLIC_URL,
        chain_id=CHAIN_ID,
        totp_key=TOTP_KEY,
        passwords=passwords or Passwords(WEAK),
        clock=clock,
    )
    mount(
        app, offered, Door(sessions.authenticate, refusal, Limits(monotonic, calls_a_second=1e6, calls_at_once=10**6))
    )
    async with TestClient(TestServer(app)) as client:
        house = House(pool, client, sessions, approvals)
        yield house
