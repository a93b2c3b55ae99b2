"""The routes of properties on a real database and the real four eyes, and the people who call them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.limits import Limits
from api.problem import Problem
from api.server import Door, mount
from compliance.approvals import Approvals
from compliance.audit import record
from compliance.registry import create_user
from deedbook.office.documents import document_routes
from persistence.database import Connection, Pool
from persistence.document_store import document_store
from persistence.documents import Documents
from properties.decisions import executors
from properties.desk import Doors
from properties.issuer import Issuer
from properties.routes import routes

PDF = b"%PDF-1.7 the deed of 12 Oak Street"
COUNTRIES = {
    "OPEN": frozenset({"DE", "FR", "US"}),
    "REG_D_506C": frozenset({"DE", "FR", "US"}),
    "REG_S": frozenset({"DE", "FR"}),
}
WALLET = bytes(range(1, 21))
TERMS: Mapping[str, Any] = {
    "name": "12 Oak Street",
    "symbol": "OAK12",
    "address": "12 Oak Street, Springfield",
    "valuation_usdc": "1250000",
    "supply_tokens": "10000",
}


@dataclass
class Office:
    """`issuers`: what is known of wallets; `told`: the notices, as (user, kind); `ended`: called after each call."""

    pool: Pool
    client: TestClient[Any, Any]
    people: dict[str, Actor]
    issuers: dict[tuple[UUID, bytes], Issuer]
    told: list[tuple[UUID, str]]
    approvals: Approvals
    folder: Path
    ended: Callable[[], None] = lambda: None

    def user_id(self, name: str) -> UUID:
        return self.people[name].user_id

    async def call(
        self, name: str, method: str, path: str, body: Any = None, *, data: bytes | None = None, status: int = 200
    ) -> Any:
        """The answer to a call in somebody's name; "" is nobody. The status must be as expected."""
        headers = {"Person": name} if name else {}
        async with self.client.request(method, path, json=body, data=data, headers=headers) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer

    async def refusal(self, name: str, method: str, path: str, body: Any = None, *, data: bytes | None = None) -> str:
        """The reason of a call that is refused."""
        headers = {"Person": name} if name else {}
        upload = None if data is None else BytesIO(data)
        async with self.client.request(method, path, json=body, data=upload, headers=headers) as response:
            answer = await response.json()
            assert response.status >= 400, answer
            assert response.status != 500
            return str(answer["reason"])

    async def draft(self, **terms: Any) -> str:
        body = {"terms": dict(TERMS) | terms, "issuer_wallet": f"0x{WALLET.hex()}"}
        return str((await self.call("manager", "POST", "/properties", body, status=201))["property_id"])

    async def submitted(self, **terms: Any) -> str:
        property_id = await self.draft(**terms)
        await self.call("manager", "POST", f"/properties/{property_id}/documents?name=deed.pdf", data=PDF, status=201)
        await self.call("manager", "POST", f"/properties/{property_id}/submit")
        return property_id

    async def approved(self, **terms: Any) -> str:
        property_id = await self.submitted(**terms)
        for name in ("admin", "other admin"):
            await self.call(name, "POST", f"/properties/{property_id}/approve")
        return property_id

    async def state(self, property_id: str) -> str:
        return str(await self.pool.fetchval("SELECT state FROM properties WHERE property_id = $1", UUID(property_id)))

    async def tokenized(self, property_id: str) -> None:
        """As the job leaves it, without a chain."""
        await self.pool.execute(
            "UPDATE properties SET mint_approved_at = now(), token = $2, identity_registry = $2,"
            " compliance_contract = $2, instrument = 1, state = 'TOKENIZED', tokenized_at = now()"
            " WHERE property_id = $1",
            UUID(property_id),
            WALLET,
        )


async def people_of(pool: Pool) -> dict[str, Actor]:
    roles = {
        "manager": {Role.PROPERTY_MANAGER},
        "other manager": {Role.PROPERTY_MANAGER},
        "admin": {Role.ADMIN},
        "other admin": {Role.ADMIN},
        "investor": {Role.INVESTOR},
    }
    people = {}
    for owner, (name, held) in enumerate(roles.items(), 1):
        user_id = await create_user(pool, f"{name.replace(' ', '.')}@example.com", actor="test")
        people[name] = Actor(user_id, owner, frozenset(held), uuid4(), has_second_factor=True)
    return people


@pytest.fixture
async def office(pool: Pool, tmp_path: Path) -> AsyncIterator[Office]:
    people = await people_of(pool)
    issuers = {(people["manager"].user_id, WALLET): Issuer(has_identity=True, country="DE")}
    told: list[tuple[UUID, str]] = []

    async def notify(
        connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        assert len(text) <= 1000
        told.append((user_id, kind))

    async def issuer_of(connection: Connection, user_id: UUID, wallet: bytes) -> Issuer | None:
        return issuers.get((user_id, wallet))

    async def admins(connection: Connection) -> list[UUID]:
        return [people["admin"].user_id, people["other admin"].user_id]

    folder = tmp_path / "documents"
    documents = Documents(pool, document_store(folder.as_uri()), bytes(32), time.time)
    approvals = Approvals(pool, executors(record, notify, issuer_of, COUNTRIES), record)
    doors = Doors(pool, documents, record, notify, approvals.decide, issuer_of, admins, COUNTRIES)
    opened: list[Office] = []

    @web.middleware
    async def telling(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        finally:
            opened[0].ended()

    app = web.Application(middlewares=[telling])

    async def authenticate(request: web.Request) -> Actor | None:
        return people.get(request.headers.get("Person", ""))

    def refusal(method: str, path: str, actor: Actor | None) -> Problem | None:
        return None

    limits = Limits(time.monotonic, calls_a_second=10_000, calls_at_once=10_000)
    mount(app, [*routes(doors), *document_routes(documents)], Door(authenticate, refusal, limits))
    async with TestClient(TestServer(app)) as client:
        opened.append(Office(pool, client, people, issuers, told, approvals, folder))
        yield opened[0]
