"""The Stripe sandbox, asked by Stripe's own SDK, and its webhooks, taken by a server that checks them with the SDK."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import stripe
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from deedbook.process import Process
from deedbook.sandbox.stripe import Sandbox
from deedbook.sandbox.stripe_account import card_fee_cents
from payments.stripe_api import Stripe
from payments.stripe_objects import MovementKind, Session, SessionOrder, SessionState, StripeMismatchError
from tests.payments.rent import OAK

KEY, SECRET = "sk_test_key", "whsec_secret"
WAIT_S = 20


class Place:
    """A running sandbox, our client of it, and the events that arrived."""

    def __init__(self, sandbox: Sandbox, url: str, http: aiohttp.ClientSession, events: list[stripe.Event]) -> None:
        self.sandbox = sandbox
        self.url = url
        self.http = http
        self.events = events
        self.fails = 0  # so many of the next posts are refused
        self.api = Stripe(KEY, url)

    async def do(self, path: str, **body: Any) -> Any:
        async with self.http.post(f"{self.url}/sandbox/{path}", json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.01)

    def types(self) -> list[str]:
        return [event.type for event in self.events]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with running(tmp_path / "stripe.json") as found:
        yield found


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Place]:
    events: list[stripe.Event] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        event = stripe.Webhook.construct_event(body, request.headers["Stripe-Signature"], SECRET)
        if here.fails > 0:
            here.fails -= 1
            return web.Response(status=500)
        events.append(event)
        return web.Response()

    hook = web.Application()
    hook.router.add_post("/webhooks/stripe", take)
    async with TestServer(hook) as target:
        port = unused_port()
        url = f"http://127.0.0.1:{port}"
        sandbox = Sandbox(path, url=url, key=KEY, secret=SECRET, target=str(target.make_url("/webhooks/stripe")))
        runner = web.AppRunner(sandbox.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        work = asyncio.create_task(sandbox.deliveries.run())
        async with aiohttp.ClientSession() as http:
            here = Place(sandbox, url, http, events)
            try:
                yield here
            finally:
                await here.api.close()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                await runner.cleanup()


def order(attempt: int = 1, amount_cents: int = 100_000) -> SessionOrder:
    key = f"rent-{attempt}"
    return SessionOrder(OAK, OAK, OAK, "2026-11", amount_cents, "Rent 2026-11", "https://deedbook/rent", key)


async def paid(place: Place) -> Session:
    made = await place.api.create_session(order())
    await place.do(f"sessions/{made.session_id}/pay")
    return await place.api.session(made.session_id)


async def test_one_key_makes_one_session_and_never_another(place: Place) -> None:
    made = await place.api.create_session(order())
    assert made.state is SessionState.OPEN
    assert made.url == f"{place.url}/pay/{made.session_id}"
    assert await place.api.create_session(order()) == made
    assert (await place.api.create_session(order(2))).session_id != made.session_id
    with pytest.raises(stripe.IdempotencyError):
        await place.api.create_session(order(amount_cents=5_000))


async def test_a_wrong_key_and_a_wrong_request_are_refused(place: Place) -> None:
    stranger = Stripe("sk_wrong", place.url)
    with pytest.raises(stripe.AuthenticationError):
        await stranger.create_session(order())
    await stranger.close()
    with pytest.raises(stripe.InvalidRequestError, match="at least 50 cents"):
        await place.api.create_session(order(amount_cents=49))
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        await place.api.session("cs_test_none")


async def test_a_payment_its_fee_and_its_refund_are_what_the_account_says(place: Place) -> None:
    session = await paid(place)
    assert session.state is SessionState.PAID
    (charge,) = await place.api.charges(session.payment_intent)
    assert charge.succeeded
    assert await place.api.session_of_charge(charge.charge_id) == session.session_id
    assert [(each.kind, each.amount_cents, each.fee_cents) for each in charge.movements] == [
        (MovementKind.CHARGE, 100_000, card_fee_cents(100_000))
    ]
    await place.do(f"charges/{charge.charge_id}/refund", amount=30_000)
    dispute = await place.do(f"charges/{charge.charge_id}/dispute", amount=50_000)
    await place.do(f"disputes/{dispute['id']}/won")
    (charge,) = await place.api.charges(session.payment_intent)
    moved = {(each.kind, each.amount_cents, each.fee_cents) for each in charge.movements[1:]}
    assert moved == {
        (MovementKind.REFUND, -30_000, 0),
        (MovementKind.DISPUTE, -50_000, 1_500),
        (MovementKind.DISPUTE, 50_000, 0),
    }
    assert charge.disputes[0].status == "won"
    await place.until(lambda: "charge.dispute.closed" in place.types())
    assert place.types() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "charge.updated",
        "charge.refunded",
        "refund.created",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]


async def test_a_payout_holds_what_makes_it_up(place: Place) -> None:
    session = await paid(place)
    (charge,) = await place.api.charges(session.payment_intent)
    made = await place.do("payout")
    payout = await place.api.payout(made["id"])
    assert payout.status == "paid"
    assert payout.amount_cents == 97_070 == sum(each.net_cents for each in payout.movements)
    assert [each.charge for each in payout.movements] == [charge.charge_id]
    assert payout.reference == made["trace_id"]["value"] != payout.payout_id
    async with place.http.post(f"{place.url}/sandbox/payout", json={}) as response:
        assert response.status == 400


async def test_a_bank_takes_its_time(place: Place) -> None:
    for attempt, act, state in ((1, "settle", SessionState.PAID), (2, "fail", SessionState.FAILED)):
        made = await place.api.create_session(order(attempt))
        await place.do(f"sessions/{made.session_id}/bank")
        assert (await place.api.session(made.session_id)).state is SessionState.PROCESSING
        await place.do(f"sessions/{made.session_id}/{act}")
        assert (await place.api.session(made.session_id)).state is state


async def test_events_are_repeated_reordered_and_held_when_asked(place: Place) -> None:
    await place.do("delivery", mode="hold")
    await paid(place)
    assert place.events == []
    await place.do("delivery", mode="reorder")
    await place.until(lambda: len(place.events) == 4)
    assert place.types()[0] == "charge.updated"
    await place.do("delivery", mode="duplicate")
    first = place.events[0].id
    await place.do("redeliver", event_id=first)
    await place.until(lambda: len(place.events) == 6)
    assert [event.id for event in place.events[4:]] == [first] * 2


async def test_what_did_not_arrive_comes_again_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "stripe.json"
    async with running(path) as place:
        await place.do("delivery", mode="hold")
        session = await paid(place)
    async with running(path) as place:
        place.fails = 2
        await place.until(lambda: len(place.events) == 4)
        assert sorted(place.types())[-1] == "payment_intent.succeeded"
        assert (await place.api.session(session.session_id)).state is SessionState.PAID
        assert (await place.api.create_session(order())).session_id == session.session_id


async def test_a_person_pays_on_the_page(place: Place) -> None:
    made = await place.api.create_session(order())
    async with place.http.get(made.url) as response:
        page = await response.text()
    assert "1,000.00 USD" in page
    assert "<script" not in page
    path = f"{place.url}/sandbox/sessions/{made.session_id}/pay"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with place.http.post(path, headers=form | {"Origin": "https://elsewhere.example"}) as response:
        assert response.status == 403
    async with place.http.post(path, headers=form) as response:
        assert f"https://deedbook/rent?session={made.session_id}" in await response.text()
    async with place.http.get(place.url) as response:
        assert "970.70 USD" in await response.text()


async def test_other_currencies_are_not_taken_for_dollars(place: Place) -> None:
    session = await paid(place)
    for found in place.sandbox.account.objects.values():
        if found["object"] == "balance_transaction":
            found["currency"] = "eur"
    with pytest.raises(StripeMismatchError, match="in eur"):
        await place.api.charges(session.payment_intent)


async def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    port = unused_port()
    environment = {
        **os.environ,
        "STRIPE_URL": f"http://127.0.0.1:{port}",
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_WEBHOOK_TARGET": f"http://127.0.0.1:{unused_port()}/webhooks/stripe",
        "DEEDBOOK_DATA": str(tmp_path),
    }
    command = [sys.executable, "-m", "deedbook.sandbox.stripe"]
    process = Process("stripe", command, environment=lambda: environment, log_directory=tmp_path)
    await process.start()
    try:
        assert urlsplit(process.detail).port == port
        api = Stripe(KEY, process.detail)
        assert (await api.create_session(order())).state is SessionState.OPEN
        await api.close()
        os.kill(process.pid, signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        await process.stop()
    assert (tmp_path / "sandbox" / "stripe.json").exists()
