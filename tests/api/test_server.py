"""Routes as a client meets them."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from api.route import Call, Kind, Route
from api.server import BODY_BYTES_MAX, Door, mount

ACTOR = Actor(UUID(int=1), 1, frozenset({Role.INVESTOR}), UUID(int=2), has_second_factor=False)


class Purchase(msgspec.Struct, forbid_unknown_fields=True):
    qty: str
    note: str = ""


class Page(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 10


class Receipt(msgspec.Struct):
    qty: str
    buyer: UUID


class ServerAway(Exception):  # noqa: N818
    pass


async def buy(call: Call[Purchase]) -> Receipt:
    if call.body.qty == "0":
        raise Problem(409, "NOTHING_TO_BUY", "Buy at least one.", transaction={"to": "0x00"})
    return Receipt(call.body.qty, call.signed_in.user_id)


async def pages(call: Call[None]) -> list[Receipt]:
    return [Receipt(str(call.query.limit), UUID(int=3))]


async def one(call: Call[None]) -> Receipt:
    return Receipt("1", call.uuid("receipt_id"))


async def forget(call: Call[None]) -> None:
    return None


async def breaks(call: Call[None]) -> None:
    raise ValueError("secret inside")


async def is_away(call: Call[None]) -> None:
    raise ServerAway


async def hook(call: Call[None]) -> Receipt:
    return Receipt(str(len(call.raw)), UUID(int=4))


ROUTES = (
    Route(method="POST", path="/buy", handler=buy, body=Purchase, answer=Receipt, status=201, summary="Buy."),
    Route(method="GET", path="/receipts", handler=pages, query=Page, answer=list[Receipt], summary="List."),
    Route(method="GET", path="/receipts/{receipt_id}", handler=one, answer=Receipt, summary="One."),
    Route(method="DELETE", path="/receipts/{receipt_id}", handler=forget, summary="Forget."),
    Route(method="GET", path="/breaks", handler=breaks, summary="Break."),
    Route(method="GET", path="/away", handler=is_away, summary="Away."),
    Route(method="POST", path="/hook", handler=hook, answer=Receipt, kind=Kind.WEBHOOK, summary="Hear."),
)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[TestClient[Any, Any]]:
    async def authenticate(request: web.Request) -> Actor | None:
        return ACTOR if request.headers.get("Authorization") == "Bearer good" else None

    def refusal(method: str, path: str, actor: Actor | None) -> Problem | None:
        return Problem(401, "NOT_SIGNED_IN", "Sign in.") if actor is None and path != "/hook" else None

    app = web.Application()
    mount(app, ROUTES, Door(authenticate, refusal, Limits(clock, calls_a_second=1, calls_at_once=20), (ServerAway,)))
    async with TestClient(TestServer(app)) as opened:
        yield opened


GOOD = {"Authorization": "Bearer good"}


async def problem(response: Any) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert body["status"] == response.status
    assert body["detail"]
    return response.status, body["reason"]


async def test_a_call_is_decoded_and_its_answer_encoded(client: TestClient[Any, Any]) -> None:
    response = await client.post("/buy", json={"qty": "5"}, headers=GOOD)
    assert (response.status, await response.json()) == (201, {"qty": "5", "buyer": str(ACTOR.user_id)})
    assert response.headers["Cache-Control"] == "no-store"
    response = await client.get("/receipts?limit=7", headers=GOOD)
    assert (await response.json())[0]["qty"] == "7"
    assert (await client.delete(f"/receipts/{uuid4()}", headers=GOOD)).status == 204


async def test_a_problem_carries_its_members(client: TestClient[Any, Any]) -> None:
    response = await client.post("/buy", json={"qty": "0"}, headers=GOOD)
    assert (await response.json())["transaction"] == {"to": "0x00"}
    assert response.status == 409


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"qty": "1"}', {}, (401, "NOT_SIGNED_IN")),
        (b'{"qty": "1", "role": "ADMIN"}', GOOD, (400, "BODY_MALFORMED")),
        (b'{"qty": 1}', GOOD, (400, "BODY_MALFORMED")),
        (b'{"note": ""}', GOOD, (400, "BODY_MALFORMED")),
        (b"\xff\xfe", GOOD, (400, "BODY_MALFORMED")),
        (rb'{"qty": "1\u0000"}', GOOD, (400, "BODY_MALFORMED")),
        (rb'{"qty": "1\\\u0000"}', GOOD, (400, "BODY_MALFORMED")),
        (rb'{"qty": "\ud800"}', GOOD, (400, "BODY_MALFORMED")),
        (b"[" * 60_000, GOOD, (400, "BODY_MALFORMED")),
        (b'"' + b"a" * BODY_BYTES_MAX, GOOD, (413, "BODY_TOO_LARGE")),
        (b'{"qty": "1"}', GOOD | {"Content-Type": "text/plain"}, (415, "NOT_JSON")),
        (b'{"qty": "1"}', GOOD | {"Origin": "https://elsewhere.invalid"}, (403, "OTHER_ORIGIN")),
    ],
)
async def test_a_wrong_body_is_a_problem(
    client: TestClient[Any, Any], body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    response = await client.post("/buy", data=body, headers={"Content-Type": "application/json"} | headers)
    assert await problem(response) == expected


@pytest.mark.parametrize("query", ["limit=x", "limit=1&limit=2", "other=1", "limit=1.5", "limit=1%00"])
async def test_a_wrong_query_is_a_problem(client: TestClient[Any, Any], query: str) -> None:
    assert await problem(await client.get(f"/receipts?{query}", headers=GOOD)) == (400, "QUERY_MALFORMED")


async def test_a_zero_in_a_text_is_no_mistake_of_ours(client: TestClient[Any, Any]) -> None:
    """The database has no such text; an escaped backslash in front of u0000 makes none."""
    response = await client.get("/receipts/a%00b", headers=GOOD)
    assert await problem(response) == (404, "NOT_FOUND")
    headers = GOOD | {"Content-Type": "application/json"}
    response = await client.post("/buy", data=rb'{"qty": "\\u0000"}', headers=headers)
    assert (await response.json())["qty"] == "\\u0000"


async def test_an_id_that_is_none_is_not_found(client: TestClient[Any, Any]) -> None:
    response = await client.get("/receipts/..%2Fsecrets", headers=GOOD)
    assert await problem(response) == (404, "NOT_FOUND")


async def test_our_mistake_says_nothing_of_the_inside(client: TestClient[Any, Any]) -> None:
    response = await client.get("/breaks", headers=GOOD)
    assert "secret" not in await response.text()
    assert await problem(response) == (500, "OUR_MISTAKE")


async def test_a_server_of_ours_that_is_away_is_no_mistake(client: TestClient[Any, Any]) -> None:
    response = await client.get("/away", headers=GOOD)
    assert await problem(response) == (503, "AWAY")
    assert response.headers["Retry-After"] == "1"


async def test_a_webhook_gets_its_raw_body_and_no_session(client: TestClient[Any, Any]) -> None:
    response = await client.post("/hook", data=b"\x00raw", headers={"Origin": "https://provider.invalid"})
    assert (await response.json())["qty"] == "4"


async def test_who_calls_too_often_waits(client: TestClient[Any, Any], clock: Clock) -> None:
    for _ in range(20):
        assert (await client.get("/receipts", headers=GOOD)).status == 200
    response = await client.get("/receipts", headers=GOOD)
    assert response.headers["Retry-After"] == "1"
    assert await problem(response) == (429, "TOO_MANY_CALLS")
    clock.now_s += 1
    assert (await client.get("/receipts", headers=GOOD)).status == 200


def test_addresses_that_are_kept_are_bounded() -> None:
    limits = Limits(Clock(), calls_at_once=1, addresses_max=2)
    assert [limits.wait_s(address) for address in "abc"] == [0, 0, 0]
    assert limits.wait_s("c") == 1
    assert limits.wait_s("a") == 0  # it was forgotten


def test_two_routes_of_one_name_are_refused() -> None:
    door = Door(lambda request: None, lambda *_: None, Limits(Clock()))  # type: ignore[arg-type,return-value]
    with pytest.raises(AssertionError, match="stands twice"):
        mount(web.Application(), [ROUTES[0], ROUTES[0]], door)


def test_a_body_that_takes_unknown_fields_is_refused() -> None:
    with pytest.raises(AssertionError, match="unknown fields"):
        Route(method="POST", path="/x", handler=buy, body=Receipt, summary="Wrong.")


def test_the_document_says_what_the_routes_take_and_give() -> None:
    made = document(ROUTES, lambda _, path: None if path == "/hook" else ["INVESTOR"], title="Test", version="1")
    buying = made["paths"]["/buy"]["post"]
    assert buying["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Purchase"}
    assert made["components"]["schemas"]["Purchase"]["additionalProperties"] is False
    assert set(buying["responses"]) == {"201", "4XX", "5XX"}
    assert buying["x-roles"] == ["INVESTOR"]
    assert made["paths"]["/hook"]["post"]["security"] == []
    assert made["paths"]["/receipts/{receipt_id}"]["delete"]["responses"].keys() == {"204", "4XX", "5XX"}
    assert made["paths"]["/receipts"]["get"]["parameters"] == [
        {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "default": 10}}
    ]
