"""KYC and accreditation over HTTP: who may call what, and what goes wrong in words."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
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
from compliance.accreditation import Accreditation
from compliance.kyc_routes import kyc_routes
from compliance.registry import create_user
from compliance.roles import ROUTE_ROLES, allowed
from persistence.database import Pool
from persistence.document_store import document_store
from persistence.documents import Documents
from tests.compliance.provider import ALGORITHM, FakeSumsub, Notes, digest, kyc_of, webhook
from tests.fixtures.registered import ACTOR

PDF = b"%PDF-1.7 a letter of an accountant"
Browser = TestClient[web.Request, web.Application]


class World:
    def __init__(self, browser: Browser, sumsub: FakeSumsub, people: dict[str, Actor]) -> None:
        self.browser, self.sumsub, self.people = browser, sumsub, people

    async def call(self, who: str, method: str, path: str, **given: Any) -> tuple[int, Any]:
        headers = {"X-Who": who} | given.pop("headers", {})
        async with self.browser.request(method, path, headers=headers, **given) as response:
            text = await response.text()
            return response.status, await response.json(content_type=None) if text else None


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[World]:
    people: dict[str, Actor] = {}
    for name, role in (("ann", Role.INVESTOR), ("officer", Role.COMPLIANCE_OFFICER), ("admin", Role.ADMIN)):
        user_id = await create_user(pool, f"{name}@example.com", actor=ACTOR)
        people[name] = Actor(user_id, 1, frozenset({role}), uuid4(), True)
    sumsub, notes = FakeSumsub(), Notes()
    documents = Documents(pool, document_store(tmp_path.as_uri()), bytes(32), time.time)

    async def authenticate(request: web.Request) -> Actor | None:
        return people.get(request.headers.get("X-Who", ""))

    def refusal(method: str, path: str, actor: Actor | None) -> Problem | None:
        may = allowed(method, path, None if actor is None else actor.roles)
        return None if may else Problem(403, "ROLE_MISSING", "This is not for you.")

    app = web.Application()
    routes = kyc_routes(pool, kyc_of(pool, sumsub, notes), Accreditation(pool, documents, notes))
    assert all((route.method, route.path) in ROUTE_ROLES for route in routes)
    mount(app, routes, Door(authenticate, refusal, Limits(time.monotonic)))
    async with TestClient(TestServer(app)) as browser:
        yield World(browser, sumsub, people)


async def test_kyc_begins_with_a_token_and_status_says_what_is_missing(world: World) -> None:
    status, answer = await world.call("ann", "POST", "/kyc/initiate", json={})
    assert (status, answer["token"]) == (200, "token of basic")
    status, answer = await world.call("ann", "GET", "/kyc/status")
    assert [(step["step"], step["state"]) for step in answer["steps"]] == [
        ("APPLICANT", "DONE"),
        ("REVIEW", "MISSING"),
        ("COUNTRY", "WAITING"),
        ("IDENTITY", "MISSING"),
        ("ACCREDITATION", "MISSING"),
    ]
    status, answer = await world.call("ann", "POST", "/kyc/initiate", json={"level": "gold", "kyc": "APPROVED"})
    assert (status, answer["reason"]) == (400, "BODY_MALFORMED")
    world.sumsub.is_away = True
    status, answer = await world.call("ann", "POST", "/kyc/initiate", json={})
    assert (status, answer["reason"]) == (503, "IDENTITY_PROVIDER_AWAY")


async def test_a_webhook_is_checked_on_its_raw_body(world: World) -> None:
    raw = webhook(world.people["ann"].user_id, "applicantPending")

    async def post(body: bytes, signed: str) -> int:
        headers = {"x-payload-digest": signed, "x-payload-digest-alg": ALGORITHM}
        status, _ = await world.call("", "POST", "/webhooks/sumsub", data=body, headers=headers)
        return status

    assert await post(raw, digest(raw)) in (200, 204)
    assert await post(raw.replace(b",", b", "), digest(raw)) == 401
    assert await post(b"[]", digest(b"[]")) == 400
    assert (await world.call("", "POST", "/webhooks/sumsub", data=raw))[0] == 401
    _, answer = await world.call("ann", "GET", "/kyc/status")
    assert answer["kyc"] == "PENDING"


async def test_an_officer_sees_who_is_being_identified(world: World) -> None:
    await world.call("ann", "POST", "/kyc/initiate", json={})
    raw = webhook(world.people["ann"].user_id, "applicantPending")
    headers = {"x-payload-digest": digest(raw), "x-payload-digest-alg": ALGORITHM}
    await world.call("", "POST", "/webhooks/sumsub", data=raw, headers=headers)
    assert (await world.call("ann", "GET", "/kyc/applicants"))[0] == 403
    status, shown = await world.call("officer", "GET", "/kyc/applicants?stage=PENDING")
    assert (status, [each["user_id"] for each in shown]) == (200, [str(world.people["ann"].user_id)])
    assert (shown[0]["kyc"], shown[0]["country"], bool(shown[0]["heard_at"])) == ("PENDING", None, True)
    assert (await world.call("officer", "GET", "/kyc/applicants?stage=GREEN"))[1] == []
    assert (await world.call("officer", "GET", f"/kyc/applicants?before={shown[0]['user_id']}"))[1] == []


async def test_accreditation_is_sent_submitted_and_decided_by_an_officer_alone(world: World) -> None:
    path = "/accreditation/documents?name=letter.pdf"
    status, answer = await world.call("ann", "POST", path, data=PDF)
    assert (status, answer["content_type"], answer["size_bytes"]) == (201, "application/pdf", len(PDF))
    status, answer = await world.call("ann", "POST", path, data=b"<html>")
    assert (status, answer["reason"]) == (422, "DOCUMENT_TYPE")
    status, submitted = await world.call("ann", "POST", "/accreditation")
    assert status == 201
    for who in ("ann", "admin", ""):
        assert (await world.call(who, "GET", "/accreditation/reviews"))[0] == 403
    status, reviews = await world.call("officer", "GET", "/accreditation/reviews")
    assert [each["review_id"] for each in reviews] == [submitted["review_id"]]
    assert len(reviews[0]["documents"]) == 1
    one = f"/accreditation/reviews/{submitted['review_id']}"
    until = {"expires_at": (datetime.now(UTC) + timedelta(days=90)).isoformat()}
    assert (await world.call("ann", "POST", f"{one}/approve", json=until))[0] == 403
    assert (await world.call("officer", "POST", f"{one}/approve", json={"expires_at": "2020-01-01T00:00:00Z"}))[
        0
    ] == 400
    assert (await world.call("officer", "POST", f"{one}/approve", json=until))[0] in (200, 204)
    assert (await world.call("officer", "POST", f"{one}/reject", json={"reason": "late"}))[0] == 409
    assert (await world.call("officer", "POST", f"/accreditation/reviews/{UUID(int=1)}/approve", json=until))[0] == 404
    _, answer = await world.call("ann", "GET", "/kyc/status")
    assert answer["accreditation"] == "VERIFIED"
