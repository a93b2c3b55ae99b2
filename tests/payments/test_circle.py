"""The client against a server that fails in every way, and against the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web

from deedbook.embedded.child import free_port
from payments import circle as client
from payments.circle import Circle, CircleAway, CircleRefused
from persistence.database import Pool
from tests.payments.circle_world import API_KEY, TREASURY, CircleWorld, circle_world, serving, until

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[CircleWorld]:
    async with circle_world(pool, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE_FIRST_S", 0.0)


class Server:
    """Answers what a test says, one answer a call, and keeps the requests."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.headers["Authorization"], body))
        status, raw = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return web.Response(status=status, body=raw, content_type="application/json")


async def ask(server: Server, call: Callable[[Circle], Awaitable[Any]]) -> Any:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    port = free_port()
    async with serving(app, port), aiohttp.ClientSession() as session:
        return await call(Circle(session, f"http://127.0.0.1:{port}/", API_KEY, timeout_s=5))


BALANCE = b'{"data":{"available":[{"amount":"12.34","currency":"USD"},{"amount":"9","currency":"EUR"}],"unsettled":[]}}'


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_what_passes_is_asked_again(status: int) -> None:
    server = Server((status, b""), (status, b"x"), (200, BALANCE))
    assert (await ask(server, lambda circle: circle.balance())).available_cents == 1_234
    assert [authorization for _, authorization, _ in server.requests] == [f"Bearer {API_KEY}"] * 3


async def test_what_does_not_pass_is_away_after_some_tries() -> None:
    server = Server((503, b""))
    with pytest.raises(CircleAway, match="HTTP 503"):
        await ask(server, lambda circle: circle.balance())
    assert len(server.requests) == client.ATTEMPTS


async def test_a_repeated_post_carries_the_same_key() -> None:
    key = uuid4()
    server = Server((500, b""), (504, b""), (400, b'{"code":1,"message":"no"}'))
    with pytest.raises(CircleRefused, match="no"):
        await ask(server, lambda circle: circle.send(key, str(uuid4()), 100))
    assert {body["idempotencyKey"] for _, _, body in server.requests} == {str(key)}
    assert server.requests[0][2]["amount"] == {"amount": "1.00", "currency": "USD"}


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"data": 1}', b'{"data": {"available": 5}}', b"\xff", b'{"data":{"available":[{}]}}'],
)
async def test_an_answer_that_is_none_is_refused_and_not_asked_again(raw: bytes) -> None:
    server = Server((200, raw))
    with pytest.raises(CircleRefused, match="MALFORMED"):
        await ask(server, lambda circle: circle.balance())
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "raw"), [(401, b'{"code":401,"message":"key"}'), (404, b"<html>"), (302, b"")])
async def test_a_refusal_is_not_asked_again(status: int, raw: bytes) -> None:
    server = Server((status, raw))
    with pytest.raises(CircleRefused) as refused:
        await ask(server, lambda circle: circle.balance())
    assert refused.value.status == status
    assert len(server.requests) == 1


async def test_an_id_that_is_none_never_goes_into_a_path() -> None:
    server = Server((200, b""))
    for name in ("../../x", "", "a?b"):
        with pytest.raises(ValueError, match="UUID"):
            await ask(server, lambda circle, name=name: circle.transfer(name))  # type: ignore[misc]
    assert server.requests == []


async def test_the_sandbox_takes_a_key_once_and_for_one_request_only(world: CircleWorld) -> None:
    await world.wire("100.00", "a")
    key, other = uuid4(), uuid4()
    recipient = await world.circle.register_recipient(uuid4(), TREASURY)
    first = await world.circle.send(key, recipient.recipient_id, 5_000)
    again = await world.circle.send(key, recipient.recipient_id, 5_000)
    assert again.transfer_id == first.transfer_id
    with pytest.raises(CircleRefused, match="409"):
        await world.circle.send(key, recipient.recipient_id, 5_001)
    with pytest.raises(CircleRefused, match="409"):
        await world.circle.register_recipient(other, TREASURY)
    for no_key in (UUID(int=0), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")):
        with pytest.raises(CircleRefused, match="400"):
            await world.circle.send(no_key, recipient.recipient_id, 1)
    with pytest.raises(CircleRefused, match="400"):
        await world.circle.send(uuid4(), str(uuid4()), 1)
    await until(lambda: world.mint.to_treasury() == 50_000_000)
    assert (await world.circle.balance()).available_cents == 5_000


async def test_the_sandbox_sends_no_more_than_came(world: CircleWorld) -> None:
    await world.wire("1.00", "a", fee="0.25")
    recipient = await world.circle.register_recipient(uuid4(), TREASURY)
    refused = await world.circle.send(uuid4(), recipient.recipient_id, 76)
    assert (refused.status, refused.error_code) == ("failed", "insufficient_funds")
    sent = await world.circle.send(uuid4(), recipient.recipient_id, 75)
    await until(lambda: world.mint.to_treasury() == 750_000)
    async with world.session.get(f"{world.url}/") as page:
        text = await page.text()
    assert sent.transfer_id in text
    assert "script" not in text


async def test_the_sandboxs_page_shows_what_a_person_typed_as_text(world: CircleWorld) -> None:
    form = {"amount": "5.00", "reference": "<script>alert(1)</script>"}
    async with world.session.post(f"{world.url}/sandbox/wires", data=form) as page:
        text = await page.text()
        assert page.status == 200
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    headers = {"Origin": "http://elsewhere.example"}
    async with world.session.post(f"{world.url}/sandbox/wires", data=form, headers=headers) as response:
        assert response.status == 403
