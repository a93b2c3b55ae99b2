"""The routes of rent by HTTP: who may do what, and that the statement says what the ledger says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.limits import Limits
from api.openapi import document
from api.problem import Problem
from api.server import Door, mount
from compliance.approvals import Approvals
from compliance.registry import create_user
from compliance.roles import refusal, roles_of
from compliance.tenants import tenant_emails
from payments.distributions import reserve_for_dividend
from payments.funds import distributable_of
from payments.rent_terms import TermsExecutor
from payments.routes import Neighbours, routes
from persistence.database import Connection, Pool
from tests.payments.rent import OAK, World

NOVEMBER = f"/properties/{OAK}/income-statement?from=2026-11-01&to=2026-11-30"
BILL = UUID(int=9)


@dataclass
class Office:
    """People by name, a client, and the world behind it."""

    world: World
    client: TestClient[Any, Any]
    people: dict[str, Actor]

    async def call(self, name: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.client.request(method, path, json=body, headers={"Person": name}) as response:
            answer = await response.json() if response.content_length else None
            assert response.status == status, answer
            return answer

    async def refusal(self, name: str, method: str, path: str, body: Any = None) -> str:
        async with self.client.request(method, path, json=body, headers={"Person": name}) as response:
            answer = await response.json()
            assert 400 <= response.status < 500, answer
            return str(answer["reason"])

    async def lease(self, **changes: Any) -> str:
        body = {
            "unit": "3",
            "tenant_email": "tenant@example.com",
            "rent_usd": "1000",
            "due_day": 5,
            "starts_on": "2026-01-01",
            "ends_on": "2027-12-31",
        } | changes
        return str((await self.call("manager", "POST", f"/properties/{OAK}/leases", body, 201))["lease_id"])

    async def link(self, lease_id: str, name: str = "tenant", period: str = "2026-11") -> Any:
        return await self.call(name, "POST", "/rent/links", {"lease_id": lease_id, "period": period})


@pytest.fixture
async def office(pool: Pool) -> AsyncIterator[Office]:
    world = World(pool, now_s=datetime(2026, 11, 5, tzinfo=UTC).timestamp())
    people: dict[str, Actor] = {}
    for name, role in (
        ("manager", Role.PROPERTY_MANAGER),
        ("other", Role.PROPERTY_MANAGER),
        ("tenant", Role.TENANT),
        ("admin", Role.ADMIN),
        ("second", Role.ADMIN),
    ):
        user_id = await create_user(pool, f"{name}@example.com", actor="test")
        people[name] = Actor(user_id, len(people) + 1, frozenset({role}), uuid4(), has_second_factor=True)

    async def manager_of(connection: Connection, property_id: UUID) -> UUID | None:
        return people["manager"].user_id if property_id == OAK else None

    async def invite_tenant(connection: Connection, email: str, actor: Actor) -> UUID:
        user_id: UUID | None = await connection.fetchval("SELECT user_id FROM users WHERE email = $1", email)
        if user_id is None:
            raise Problem(404, "NOT_REGISTERED", "Nobody is registered with this address.")
        return user_id

    async def has_document(connection: Connection, property_id: UUID, document_id: UUID) -> bool:
        return (property_id, document_id) == (OAK, BILL)

    async def authenticate(request: web.Request) -> Actor | None:
        return people.get(request.headers.get("Person", ""))

    approvals = Approvals(pool, {"RENT_TERMS": TermsExecutor(world.audit)}, world.audit)
    neighbours = Neighbours(
        world.audit, world.notify, approvals.decide, manager_of, invite_tenant, tenant_emails, has_document
    )
    offered = routes(pool, world.stripe, world.links, neighbours)
    app = web.Application()
    mount(app, offered, Door(authenticate, refusal, Limits(time.monotonic)))
    assert "/rent/links" in document(offered, roles_of, title="Rent", version="1")["paths"]
    async with TestClient(TestServer(app)) as client:
        yield Office(world, client, people)


async def test_from_a_lease_to_a_statement(office: Office) -> None:
    lease_id = await office.lease()
    link = await office.link(lease_id)
    assert (link["usd"], link["due_on"]) == ("1000.00", "2026-11-05")
    assert await office.link(lease_id, "manager") == link
    (payment,) = await office.call("tenant", "GET", "/rent/payments")
    assert payment["state"] == "OPEN"
    office.world.account.pay(link["url"].rpartition("/")[2])
    await office.world.deliver()
    (payment,) = await office.call("manager", "GET", f"/rent/payments?property_id={OAK}")
    assert (payment["state"], payment["usd"], payment["refunded_usd"]) == ("PAID", "1000.00", "0.00")
    bill = {
        "usd": "120.50",
        "what": "Roof",
        "document": str(BILL),
        "spent_on": "2026-11-20",
        "expense_id": str(uuid4()),
    }
    booked = await office.call("manager", "POST", f"/properties/{OAK}/expenses", bill, 201)
    assert await office.call("manager", "POST", f"/properties/{OAK}/expenses", bill, 201) == booked
    found = await office.call("admin", "GET", NOVEMBER)
    sums = {name: value for name, value in found.items() if name.endswith(("_usd", "_usdc"))}
    assert sums == {
        "rent_usd": "1000.00",
        "refunds_usd": "0.00",
        "disputes_usd": "0.00",
        "stripe_fees_usd": "29.30",
        "management_fee_usd": "80.00",
        "expenses_usd": "120.50",
        "reserve_contribution_usd": "50.00",
        "net_usd": "720.20",
        "net_usdc": "0",
        "named_usdc": "0",
        "available_usdc": "0",
        "reserve_usdc": "50",
    }
    (charge,) = found["charges"]
    assert (charge["net_usd"], charge["payout"], charge["is_usdc"]) == ("840.70", None, False)
    assert (await office.call("manager", "GET", NOVEMBER.replace("-11-", "-10-").replace("30", "31")))["charges"] == []


async def test_what_became_usdc_can_be_distributed_less_the_expenses(office: Office) -> None:
    office.world.account.pay((await office.link(await office.lease()))["url"].rpartition("/")[2])
    await office.world.deliver()
    await office.world.converted()
    bill = {"usd": "120.50", "what": "Roof", "spent_on": "2026-11-20"}
    await office.call("manager", "POST", f"/properties/{OAK}/expenses", bill, 201)
    found = await office.call("manager", "GET", NOVEMBER)
    assert (found["net_usdc"], found["available_usdc"]) == ("840.7", "720.2")
    dividend_id = uuid4()
    async with office.world.pool.acquire() as connection, connection.transaction():
        assert await distributable_of(connection, OAK, "2026-11") == 720_200_000
        assert await distributable_of(connection, OAK, "2026-10") == 0
        with pytest.raises(Problem, match=r"720\.2 USDC can be distributed, not 720\.200001"):
            await reserve_for_dividend(connection, OAK, 720_200_001, dividend_id)
        await reserve_for_dividend(connection, OAK, 720_200_000, dividend_id)
    found = await office.call("manager", "GET", NOVEMBER)
    assert (found["named_usdc"], found["available_usdc"]) == ("720.2", "0")
    assert found["charges"][0]["dividends"] == [str(dividend_id)]


async def test_a_link_is_replaced_only_when_it_expired_and_never_once_it_is_paid(office: Office) -> None:
    lease_id = await office.lease()
    first = await office.link(lease_id)
    office.world.now_s += 24 * 3600
    second = await office.link(lease_id)
    assert second["url"] != first["url"]
    session = second["url"].rpartition("/")[2]
    office.world.account.pay_by_bank(session)
    body = {"lease_id": lease_id, "period": "2026-11"}
    assert await office.refusal("tenant", "POST", "/rent/links", body) == "RENT_BEING_PAID"
    await office.world.deliver()
    (payment,) = await office.call("tenant", "GET", "/rent/payments")
    assert payment["state"] == "PROCESSING"
    office.world.account.settle_bank(session, succeeds=False)
    await office.world.deliver()
    third = (await office.link(lease_id))["url"].rpartition("/")[2]
    office.world.account.decline(third)
    await office.world.deliver()
    assert [kind for _, kind, _ in office.world.told].count("RENT_FAILED") == 4
    office.world.account.pay(third)
    assert await office.refusal("tenant", "POST", "/rent/links", body) == "RENT_PAID"  # before any webhook came
    await office.world.deliver()
    assert await office.refusal("manager", "POST", "/rent/links", body) == "RENT_PAID"


async def test_everybody_sees_their_own(office: Office) -> None:
    lease_id = await office.lease()
    await office.link(lease_id)
    assert [each["lease_id"] for each in await office.call("tenant", "GET", "/leases")] == [lease_id]
    assert await office.call("other", "GET", "/leases") == []
    body = {"lease_id": lease_id, "period": "2026-11"}
    assert await office.refusal("other", "POST", "/rent/links", body) == "NOT_FOUND"
    assert await office.refusal("admin", "POST", "/rent/links", body) == "ROLE_MISSING"
    assert await office.refusal("other", "GET", NOVEMBER) == "NOT_FOUND"
    assert await office.refusal("tenant", "GET", NOVEMBER) == "ROLE_MISSING"
    assert await office.refusal("tenant", "GET", f"/rent/payments?property_id={OAK}") == "NOT_FOUND"
    assert await office.refusal("other", "GET", f"/properties/{OAK}/leases") == "NOT_FOUND"
    assert await office.refusal("other", "POST", f"/leases/{lease_id}/end", {"ends_on": "2026-12-31"}) == "NOT_FOUND"
    assert await office.refusal("manager", "GET", f"/properties/{uuid4()}/expenses") == "NOT_FOUND"
    assert await office.refusal("", "GET", "/leases") == "NOT_SIGNED_IN"


async def test_a_unit_is_let_to_one_at_a_time(office: Office) -> None:
    lease_id = await office.lease()
    body = {
        "unit": "3",
        "tenant_email": "tenant@example.com",
        "rent_usd": "900.5",
        "due_day": 1,
        "starts_on": "2026-12-01",
    }
    leases = f"/properties/{OAK}/leases"
    assert [each["tenant_email"] for each in await office.call("manager", "GET", leases)] == ["tenant@example.com"]
    assert [each["tenant_email"] for each in await office.call("tenant", "GET", "/leases")] == ["tenant@example.com"]
    assert await office.refusal("manager", "POST", leases, body) == "UNIT_LET"
    end = f"/leases/{lease_id}/end"
    assert await office.refusal("manager", "POST", end, {"ends_on": "2028-01-01"}) == "NOT_ITS_END"
    assert (await office.call("manager", "POST", end, {"ends_on": "2026-11-30"}))["ends_on"] == "2026-11-30"
    assert (await office.call("manager", "POST", leases, body, 201))["rent_usd"] == "900.50"
    for change, reason in (
        ({"rent_usd": "0.49"}, "NOT_DOLLARS"),
        ({"rent_usd": "1e3"}, "NOT_DOLLARS"),
        ({"rent_usd": "1.001"}, "NOT_DOLLARS"),
        ({"unit": "4", "tenant_email": "nobody@example.com"}, "NOT_REGISTERED"),
        ({"unit": "4", "ends_on": "2026-11-30"}, "NOT_ITS_DAYS"),
        ({"due_day": 29}, "BODY_MALFORMED"),
    ):
        assert await office.refusal("manager", "POST", leases, body | change) == reason
    assert await office.refusal("tenant", "POST", "/rent/links", {"lease_id": lease_id, "period": "2026-12"}) == (
        "NOT_LET_THEN"
    )


async def test_an_expense_is_its_managers_to_book(office: Office) -> None:
    path = f"/properties/{OAK}/expenses"
    body = {"usd": "10", "what": "Lamp", "expense_id": str(uuid4())}
    assert (await office.call("manager", "POST", path, body, 201))["usd"] == "10.00"
    assert await office.refusal("manager", "POST", path, body | {"usd": "11"}) == "EXPENSE_ID_TAKEN"
    assert await office.refusal("manager", "POST", path, body | {"usd": "0"}) == "NOT_DOLLARS"
    assert await office.refusal("manager", "POST", path, body | {"document": str(uuid4())}) == "NO_SUCH_DOCUMENT"
    assert await office.refusal("other", "POST", path, body) == "NOT_FOUND"
    assert len(await office.call("admin", "GET", path)) == 1


async def test_two_people_set_the_terms_and_what_was_charged_keeps_its_own(office: Office) -> None:
    path = f"/properties/{OAK}/rent-terms"
    office.world.account.pay((await office.link(await office.lease()))["url"].rpartition("/")[2])
    await office.world.deliver()
    assert await office.call("manager", "GET", path) == {"management_fee_bps": 800, "reserve_bps": 500}
    body = {"management_fee_bps": 1_000, "reserve_bps": 0}
    assert await office.refusal("admin", "PUT", path, body | {"reserve_bps": 9_001}) == "MORE_THAN_THE_RENT"
    assert (await office.call("admin", "PUT", path, body))["state"] == "PROPOSED"
    assert (await office.call("second", "PUT", path, body))["state"] == "APPROVED"
    assert await office.call("manager", "GET", path) == body
    found = await office.call("manager", "GET", NOVEMBER)
    assert (found["management_fee_usd"], found["reserve_contribution_usd"]) == ("80.00", "50.00")


async def test_the_webhook_takes_only_what_stripe_signed(office: Office) -> None:
    await office.link(await office.lease())
    session = office.world.account.listed("checkout.session")[0]
    office.world.account.pay(session["id"])
    body, signature = office.world.signed(office.world.events[0])

    async def post(given: bytes, header: str | None) -> int:
        headers = {} if header is None else {"Stripe-Signature": header}
        async with office.client.post("/webhooks/stripe", data=given, headers=headers) as response:
            return response.status

    assert await post(body, signature) == 200
    assert await post(body, signature) == 200
    assert await post(body.replace(b"1", b"2", 1), signature) == 400
    assert await post(body, None) == 400
    assert await post(*office.world.signed({"object": "event"})) == 400
    stored = await office.world.pool.fetch("SELECT event_id FROM stripe_events")
    assert [row["event_id"] for row in stored] == [office.world.events[0]["id"]]
    assert msgspec.json.decode(body)["id"] == stored[0]["event_id"]
