"""Freezes and fees take two people; each act is done once, and what failed is seen."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door as ApiDoor
from api.server import mount
from compliance.approvals import Approvals
from compliance.audit import record
from compliance.roles import refusal
from deedbook.operating.dead_letters import DeadLetters
from deedbook.operating.operations import Operations
from deedbook.operating.operations_routes import routes
from engine import types as t
from persistence.database import Pool
from persistence.jobs import Job, JobWaits, enqueue
from settlement.steps import Receipt
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_investor, add_person, address_of, open_market

__all__ = ["pool", "postgres"]
ALICE = "0x" + address_of("alice").hex()
FREEZE_BLOCK = 7
EVERYTHING = frozenset({Role.ADMIN, Role.COMPLIANCE_OFFICER, Role.SETTLEMENT_OPERATOR})


class Desk:
    """Two admins and an investor at the routes, with the real approvals, jobs table and engine."""

    def __init__(self, pool: Pool, door: Door, client: TestClient[web.Request, web.Application], ops: Operations):
        self.pool, self.door, self.client, self.operations = pool, door, client, ops

    async def post(self, who: str, path: str, **body: Any) -> tuple[int, Any]:
        response = await self.client.post(path, json=body, headers={"Who": who})
        return response.status, await response.json() if response.status != 204 else None

    async def get(self, path: str) -> Any:
        return await (await self.client.get(path, headers={"Who": "first"})).json()

    async def run_jobs(self) -> None:
        """Every job that waits, once."""
        for row in await self.pool.fetch("SELECT kind, key FROM jobs WHERE state = 'QUEUED' ORDER BY job_number"):
            await self.run_job(row["kind"], row["key"])

    async def run_job(self, kind: str, key: str) -> None:
        payload = await self.pool.fetchval("SELECT payload::text FROM jobs WHERE kind = $1 AND key = $2", kind, key)
        await self.operations.handlers()[kind](Job(kind, key, _decoded(payload), 1, _shown))


def _decoded(payload: str) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = json.loads(payload)
    return decoded


async def _shown(_step: str, _done: int, _of: int) -> None: ...


@asynccontextmanager
async def at_the_desk(pool: Pool, door: Door, platform: Any = None) -> AsyncIterator[Desk]:
    actors = {
        name: Actor(await add_person(pool, name), 1, roles, uuid4(), True)
        for name, roles in (("first", EVERYTHING), ("second", EVERYTHING), ("nobody", frozenset({Role.INVESTOR})))
    }

    async def authenticate(request: web.Request) -> Actor | None:
        return actors.get(request.headers.get("Who", ""))

    final = iter((FREEZE_BLOCK - 1, FREEZE_BLOCK))

    async def final_block() -> int:
        return next(final)

    operations = Operations(pool, door.submit, platform, final_block, enqueue)
    approvals = Approvals(pool, operations.executors, record)
    app = web.Application()
    letters = DeadLetters(pool, [])
    mount(app, routes(pool, operations, letters, approvals.decide, record), _api_door(authenticate))
    async with TestClient(TestServer(app)) as client:
        yield Desk(pool, door, client, operations)


def _api_door(authenticate: Any) -> ApiDoor:
    return ApiDoor(authenticate, refusal, Limits(time.monotonic))


@pytest.fixture
async def desk(pool: Pool) -> AsyncIterator[Desk]:
    door = Door(Market())
    await open_market(pool, door)
    await add_investor(pool, "alice")
    async with at_the_desk(pool, door) as made:
        yield made


async def test_a_freeze_holds_here_once_the_second_person_has_decided(desk: Desk) -> None:
    body = {"wallet": ALICE, "instrument": 2, "is_frozen": True}
    await desk.post("first", "/operations/freezes", **body)
    assert await desk.pool.fetchval("SELECT count(*) FROM wallet_freezes") == 0
    status, problem = await desk.post("second", "/operations/freezes", **(body | {"is_frozen": False}))
    assert (status, problem["reason"]) == (409, "OTHER_PROPOSAL")
    await desk.post("second", "/operations/freezes", **body)
    assert await desk.pool.fetchval("SELECT block FROM wallet_freezes") == 0
    (job,) = await desk.get("/operations/jobs?state=QUEUED")
    assert job["kind"] == "freeze"
    for who in ("first", "second"):
        await desk.post(who, "/operations/freezes", **(body | {"is_frozen": False}))
    assert await desk.pool.fetchval("SELECT count(*) FROM wallet_freezes") == 1, "a thaw comes from the chain"


class FreezingSender:
    """The chain's side of a freeze: each step is mined once, in one block."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def once(self, name: str, _to: str, _data: bytes) -> Receipt:
        self.steps.append(name)
        return Receipt(bytes(32), FREEZE_BLOCK, 50_000, None, ())


async def test_a_freeze_is_done_once_it_is_final(pool: Pool) -> None:
    door, sender = Door(Market()), FreezingSender()
    await open_market(pool, door)
    await add_investor(pool, "alice")
    async with at_the_desk(pool, door, SimpleNamespace(sender=sender)) as desk:
        for who in ("first", "second"):
            await desk.post(who, "/operations/freezes", wallet=ALICE, instrument=2, is_frozen=True)
        with pytest.raises(JobWaits, match="not final yet"):
            await desk.run_jobs()
        await desk.run_jobs()
    assert len(sender.steps) == 2
    assert len(set(sender.steps)) == 1


async def test_fees_reach_the_exchange_once_decided(desk: Desk) -> None:
    for who in ("first", "second"):
        await desk.post(who, "/operations/fees", instrument=2, maker_fee_bps=1, taker_fee_bps=9)
    await desk.run_jobs()
    assert t.SetFees(2, 1, 9) in desk.door.submitted
    status, _ = await desk.post("first", "/operations/fees", instrument=2, maker_fee_bps=1, taker_fee_bps=1001)
    assert status == 400


async def test_a_job_that_failed_is_seen_and_tried_again(desk: Desk) -> None:
    async with desk.pool.acquire() as connection:
        await enqueue(connection, "identity", "0xab/1")
    path = "/operations/jobs/identity/0xab%2F1/retry"
    assert (await desk.post("first", path))[0] == 409
    await desk.pool.execute("UPDATE jobs SET state = 'FAILED', reason = 'no node'")
    (job,) = await desk.get("/operations/jobs?state=FAILED")
    assert (job["key"], job["reason"]) == ("0xab/1", "no node")
    assert (await desk.post("first", path))[0] == 204
    assert await desk.get("/operations/jobs?state=FAILED") == []
    assert await desk.get("/operations/dead-letters") == []
    assert (await desk.post("first", "/operations/dead-letters/event.00.1/retry"))[0] == 404


async def test_who_does_not_operate_does_nothing_here(desk: Desk) -> None:
    for path, body in (
        ("/operations/freezes", {"wallet": ALICE, "instrument": 2, "is_frozen": True}),
        ("/operations/fees", {"instrument": 2, "maker_fee_bps": 1, "taker_fee_bps": 1}),
    ):
        assert (await desk.post("nobody", path, **body))[0] == 403
