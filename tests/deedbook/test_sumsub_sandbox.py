"""Sandbox and client against each other over real sockets, and the flow from the first click to an approval."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door, mount
from compliance.accreditation import Accreditation
from compliance.kyc import Kyc
from compliance.kyc_routes import kyc_routes
from compliance.registry import create_user
from compliance.sumsub import Sumsub, SumsubAway, SumsubRefused
from deedbook.sandbox.sumsub import Sandbox
from deedbook.sandbox.sumsub_applicants import RESENDS_S, Applicants
from persistence.database import Pool
from persistence.jobs import Worker
from tests.compliance.provider import Notes
from tests.deedbook.jobs.conftest import empty_database, pool, postgres
from tests.settlement.local_chain import free_port

__all__ = ["empty_database", "pool", "postgres"]

APP_TOKEN, SECRET_KEY, WEBHOOK_SECRET = "the app token", "the key of calls", "the secret of webhooks"
WITHIN_S = 20.0


@dataclass
class Served:
    """A sandbox on a socket, and what it posted to us."""

    url: str
    session: aiohttp.ClientSession
    sandbox: Sandbox
    arrived: list[tuple[bytes, str, str]]
    status: int = 200

    def client(self, **changed: Any) -> Sumsub:
        given: dict[str, Any] = {
            "app_token": APP_TOKEN,
            "secret_key": SECRET_KEY,
            "clock_s": time.time,
            "pause_s": 0.001,
        } | changed
        return Sumsub(self.session, self.url, **given)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        async with self.session.post(self.url + path, json=body or {}) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def state(self) -> Any:
        async with self.session.get(f"{self.url}/sandbox/state") as response:
            return await response.json()


async def serve(stack: AsyncExitStack, app: web.Application, port: int = 0) -> str:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    assert runner.addresses
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def sandbox_at(path: Path, target: str, resend_scale: float = 0.0001) -> Sandbox:
    return Sandbox(
        Applicants(path / "sumsub.json", resend_scale),
        app_token=APP_TOKEN,
        secret_key=SECRET_KEY,
        webhook_secret=WEBHOOK_SECRET,
        target=target,
    )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        receiver = web.Application()
        made: Served

        async def take(request: web.Request) -> web.Response:
            headers = request.headers
            made.arrived.append((await request.read(), headers["x-payload-digest"], headers["x-payload-digest-alg"]))
            return web.Response(status=made.status)

        receiver.router.add_post("/hook", take)
        sandbox = sandbox_at(tmp_path, f"{await serve(stack, receiver)}/hook", 0.00001)
        made = Served(await serve(stack, sandbox.app()), session, sandbox, [])
        delivering = asyncio.create_task(sandbox.deliver())
        yield made
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_an_applicant_is_made_found_and_reviewed(served: Served) -> None:
    client, user_id = served.client(), uuid4()
    applicant_id = await client.create_applicant(user_id, "basic-level")
    assert await client.create_applicant(user_id, "basic-level") == applicant_id
    assert (await client.access_token(user_id, "basic-level")).startswith("_act-")
    assert (await client.status(applicant_id)).review_status == "init"
    await served.post(f"/sandbox/applicants/{applicant_id}/approve", {"country": "DEU"})
    found = await client.applicant(applicant_id)
    assert (found.external_user_id, found.review_answer, found.country) == (str(user_id), "GREEN", "DE")
    assert (await client.status(applicant_id)).review_answer == "GREEN"


@pytest.mark.parametrize(
    "changed",
    [
        {"app_token": "another"},
        {"secret_key": "another"},
        {"clock_s": lambda: time.time() - 61},
        {"clock_s": lambda: time.time() + 61},
    ],
)
async def test_a_call_that_is_badly_or_lately_signed_is_refused(served: Served, changed: dict[str, Any]) -> None:
    with pytest.raises(SumsubRefused, match="401"):
        await served.client(**changed).create_applicant(uuid4(), "basic-level")
    assert (await served.state())["applicants"] == []


async def test_an_unknown_applicant_is_refused_and_a_dead_provider_is_away(served: Served) -> None:
    with pytest.raises(SumsubRefused, match="404"):
        await served.client().applicant("nobody")
    nobody = Sumsub(served.session, f"http://127.0.0.1:{free_port()}", APP_TOKEN, SECRET_KEY, time.time, pause_s=0.001)
    with pytest.raises(SumsubAway):
        await nobody.create_applicant(uuid4(), "basic-level")


async def test_a_webhook_is_resent_by_the_schedule_and_then_given_up(served: Served) -> None:
    served.status = 500
    await served.client().create_applicant(uuid4(), "basic-level")

    async def given_up() -> bool:
        return len(served.arrived) == len(RESENDS_S)

    await until(given_up, "five attempts")
    assert len(set(served.arrived)) == 1
    assert (await served.state())["waiting"] == 1


async def test_deliveries_are_doubled_reordered_held_and_repeated_on_demand(served: Served) -> None:
    await served.post("/sandbox/delivery", {"mode": "hold", "algorithm": "HMAC_SHA512_HEX"})
    applicant_id = await served.client().create_applicant(uuid4(), "basic-level")
    for play in ("submit", "retry", "approve"):
        await served.post(f"/sandbox/applicants/{applicant_id}/{play}")
    assert served.arrived == []
    await served.post("/sandbox/delivery", {"mode": "reorder"})

    async def came(count: int) -> bool:
        return len(served.arrived) >= count

    await until(lambda: came(4), "all four")
    times = [raw.split(b'createdAtMs":"')[1][:23] for raw, _, _ in served.arrived]
    assert times == sorted(times, reverse=True)
    assert {algorithm for _, _, algorithm in served.arrived} == {"HMAC_SHA512_HEX"}
    await served.post("/sandbox/delivery", {"mode": "duplicate"})
    await served.post("/sandbox/redeliver")
    await until(lambda: came(12), "each twice more")


async def test_the_state_survives_a_restart(served: Served, tmp_path: Path) -> None:
    client = served.client()
    applicant_id = await client.create_applicant(uuid4(), "basic-level")
    await served.post(f"/sandbox/applicants/{applicant_id}/reject", {"country": "FRA"})
    async with AsyncExitStack() as stack:
        again = await serve(stack, sandbox_at(tmp_path, "http://127.0.0.1:9/").app())
        fresh = Sumsub(served.session, again, APP_TOKEN, SECRET_KEY, time.time)
        assert await fresh.applicant(applicant_id) == await client.applicant(applicant_id)


async def test_the_page_escapes_and_another_sites_page_cannot_play(served: Served) -> None:
    applicant_id = await served.client().create_applicant(uuid4(), "basic-level")
    async with served.session.get(served.url) as response:
        page = await response.text()
        assert applicant_id in page
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    play = f"{served.url}/sandbox/applicants/{applicant_id}/approve"
    async with served.session.post(play, json={}, headers={"Origin": "http://evil.example"}) as response:
        assert response.status == 403


async def test_from_the_first_click_to_an_approval_through_both_http_doors(pool: Pool, tmp_path: Path) -> None:
    """The whole way, with webhooks doubled and newest first, until GREEN is approved and RED takes it back."""
    user_id = await create_user(pool, "ann@example.com", actor="test")
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        port = free_port()
        sandbox = sandbox_at(tmp_path, f"http://127.0.0.1:{port}/webhooks/sumsub")
        url = await serve(stack, sandbox.app())
        sumsub = Sumsub(session, url, APP_TOKEN, SECRET_KEY, time.time)
        kyc = Kyc(pool, sumsub, Notes(), webhook_secret=WEBHOOK_SECRET, levels=("basic-level",))
        office = await serve(stack, _office(pool, kyc, user_id), port)
        running = [
            asyncio.create_task(sandbox.deliver()),
            asyncio.create_task(Worker(pool, kyc.handlers(), poll_s=0.05).run()),
        ]
        served = Served(url, session, sandbox, [])
        await served.post("/sandbox/delivery", {"mode": "duplicate"})
        async with session.post(f"{office}/kyc/initiate", json={}) as response:
            begun = await response.json()
            assert response.status == 200, begun
        one = f"/sandbox/applicants/{begun['applicant_id']}"

        async def shown(status: str) -> bool:
            async with session.get(f"{office}/kyc/status") as response:
                answer = await response.json()
            return bool(answer["kyc"] == status)

        await served.post(f"{one}/submit")
        await until(lambda: shown("PENDING"), "pending")
        await served.post(f"{one}/approve", {"country": "DEU"})
        await until(lambda: shown("APPROVED"), "approved")
        await served.post(f"{one}/reject")
        await until(lambda: shown("REJECTED"), "rejected")
        await served.post("/sandbox/redeliver")

        async def told_again() -> bool:
            return bool((await served.state())["waiting"] == 0)

        await until(told_again, "everything told again")
        assert await shown("REJECTED")
        async with session.post(f"{office}/webhooks/sumsub", data=b"{}") as response:
            assert response.status == 401
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _office(pool: Pool, kyc: Kyc, user_id: UUID) -> web.Application:
    actor = Actor(user_id, 1, frozenset({Role.INVESTOR}), uuid4(), False)

    async def authenticate(request: web.Request) -> Actor | None:
        return actor

    app = web.Application()
    accreditation: Any = Accreditation(pool, None, Notes())  # type: ignore[arg-type]  # no document is sent here
    mount(app, kyc_routes(pool, kyc, accreditation), Door(authenticate, lambda *_: None, Limits(time.monotonic)))
    return app
