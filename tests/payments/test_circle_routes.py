"""What an operator sees of the money on its way, and does with a wire that says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door, mount
from compliance.audit import record
from compliance.roles import refusal
from payments import circle_routes
from payments.conversion import Waits
from persistence.database import Pool
from tests.payments.circle_world import CircleWorld, circle_world, shown

OPERATOR = UUID(int=7)


@dataclass
class Desk:
    world: CircleWorld
    http: TestClient[web.Request, web.Application]

    async def call(
        self, method: str, path: str, body: Any = None, role: str = "SETTLEMENT_OPERATOR"
    ) -> tuple[int, Any]:
        async with self.http.request(method, path, json=body, headers={"X-Role": role}) as response:
            return response.status, None if response.status == 204 else await response.json()


@pytest.fixture
async def desk(pool: Pool, tmp_path: Path) -> AsyncIterator[Desk]:
    async with circle_world(pool, tmp_path) as world:

        async def on_chain() -> int:
            return world.mint.to_treasury()

        async def authenticate(request: web.Request) -> Actor | None:
            role = request.headers.get("X-Role")
            roles = frozenset({Role(role)}) if role else frozenset()
            return Actor(OPERATOR, 1, roles, uuid4(), has_second_factor=True)

        routes = circle_routes.routes(
            pool, world.webhook, world.conversion(), world.circle, world.books, on_chain, record
        )
        app = web.Application()
        mount(app, routes, Door(authenticate, refusal, Limits(lambda: 0.0)))
        async with TestClient(TestServer(app)) as client:
            yield Desk(world, client)


async def convert(world: CircleWorld, reference: str) -> None:
    conversion = world.conversion()
    while isinstance(await conversion.run(reference, shown), Waits):
        await asyncio.sleep(0.01)


async def test_a_treasury_in_order_has_no_differences(desk: Desk) -> None:
    desk.world.books.pay_out("po_1", 50_000_000)
    desk.world.books.pay_out("po_2", 20_000_000)
    await desk.world.wire("50.00", "po_1")
    await convert(desk.world, "po_1")
    status, seen = await desk.call("GET", "/treasury")
    assert status == 200
    assert seen["differences"] == []
    assert seen["ledger"] == {"bank_in_transit": "20", "circle_balance": "0", "treasury_usdc": "50"}
    assert (seen["chain"], seen["circle_available"], seen["wires"]) == ("50", "0", [])


async def test_a_wire_without_a_reference_is_shown_matched_by_a_person_and_written_down(desk: Desk) -> None:
    desk.world.books.pay_out("po_1", 50_000_000)
    await desk.world.wire("50.00", "invoice 12")
    await desk.world.told()
    _, seen = await desk.call("GET", "/treasury")
    (wire,) = seen["wires"]
    assert wire["trouble"] == "No payout has a reference of this wire."
    assert seen["differences"] == [], "a wire that is shown explains what is at Circle"
    body = {"deposit_id": wire["deposit_id"], "reference": "po_9"}
    assert await desk.call("POST", "/treasury/matches", body | {"reference": "po_1", "amount": "1"}) != (204, None)
    assert (await desk.call("POST", "/treasury/matches", body))[1]["reason"] == "NO_MATCH"
    assert await desk.call("POST", "/treasury/matches", body | {"reference": "po_1"}) == (204, None)
    status, again = await desk.call("POST", "/treasury/matches", body | {"reference": "po_1"})
    assert (status, again["reason"]) == (409, "NO_MATCH")
    await convert(desk.world, "po_1")
    assert desk.world.mint.to_treasury() == 50_000_000
    row = await desk.world.pool.fetchrow("SELECT actor, action FROM audit_log")
    assert tuple(row) == (f"user:{OPERATOR}", "wire matched")


async def test_a_short_wire_is_matched_by_who_says_what_the_bank_kept(desk: Desk) -> None:
    desk.world.books.pay_out("po_1", 50_000_000)
    await desk.world.wire("49.00", "po_1")
    await desk.world.told()
    _, seen = await desk.call("GET", "/treasury")
    body = {"deposit_id": seen["wires"][0]["deposit_id"], "reference": "po_1"}
    status, refused = await desk.call("POST", "/treasury/matches", body)
    assert (status, refused["detail"]) == (409, "The payout is 50.00 and the wire 49.00.")
    for kept in ("0.99", "1.01", "50", "-1", "1.001", "x"):
        assert (await desk.call("POST", "/treasury/matches", body | {"bank_kept_usd": kept}))[0] in (400, 409)
    assert await desk.call("POST", "/treasury/matches", body | {"bank_kept_usd": "1.00"}) == (204, None)
    await convert(desk.world, "po_1")
    assert desk.world.mint.to_treasury() == 49_000_000
    _, seen = await desk.call("GET", "/treasury")
    assert (seen["differences"], seen["ledger"]["treasury_usdc"]) == ([], "49")
    (conversion,) = seen["conversions"]
    assert (conversion["state"], conversion["usd"], conversion["bank_kept_usd"]) == ("RECEIVED", "50.00", "1.00")


async def test_usdc_that_nobody_booked_is_a_difference(desk: Desk) -> None:
    await desk.world.mint("gift", f"0x{bytes(range(20)).hex()}", 5)
    _, seen = await desk.call("GET", "/treasury")
    assert seen["differences"] == ["The treasury's address holds another amount of USDC than the ledger says."]


async def test_only_operators_see_the_treasury(desk: Desk) -> None:
    for role in ("INVESTOR", "TENANT", "PROPERTY_MANAGER", "COMPLIANCE_OFFICER"):
        assert (await desk.call("GET", "/treasury", role=role))[0] == 403
        assert (await desk.call("POST", "/treasury/matches", {}, role=role))[0] == 403
    assert (await desk.call("GET", "/treasury", role="ADMIN"))[0] == 200


async def test_a_webhook_that_circle_did_not_sign_is_refused_and_one_of_its_own_taken(desk: Desk) -> None:
    for body in (b"", b"{}", b"\xff"):
        async with desk.http.post("/webhooks/circle", data=body) as response:
            assert response.status == 401
    raw, headers = desk.world.signer.notification(str(uuid4()), "{}", "2")
    async with desk.http.post("/webhooks/circle", data=raw, headers=headers) as response:
        assert response.status == 200
    async with desk.http.post("/webhooks/circle", data=raw + b" ", headers={"X-Circle-Signature": "AAAA"}) as response:
        assert response.status == 401
