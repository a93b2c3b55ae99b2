"""Schedules in force: each time once, after a pause what should be now, and nothing against a hand or a halt."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door as ApiDoor
from api.server import mount
from compliance.audit import record
from compliance.roles import refusal
from deedbook.market_controls.instructions import as_job
from deedbook.market_controls.phases import Phases
from deedbook.market_controls.schedule_routes import schedule_routes
from deedbook.market_controls.schedules import Schedules
from deedbook.market_controls.standing import Controls
from deedbook.notices.notify import notify
from engine import types as t
from persistence.database import Pool
from persistence.jobs import Job, enqueue
from persistence.projections import Projector
from tests.fixtures.answers import Door, KilledError
from tests.fixtures.market import Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_person, open_market

__all__ = ["pool", "postgres"]
NUMBER = 2
DAY: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "weekdays": [1, 2, 3, 4, 5],
    "holidays": ["2026-12-24"],
    "pre_open": "08:00:00",
    "opening_call": "08:50:00",
    "continuous": "09:00:00",
    "closing_call": "17:25:00",
    "close": "17:30:00",
}


class Desk:
    """An admin at the routes, a clock that is put, and a market that lives by it."""

    def __init__(self, pool: Pool, door: Door) -> None:
        self.pool, self.door = pool, door
        self.now = datetime(2026, 11, 23, 3, tzinfo=UTC)  # a Monday, 4 in the morning
        self.schedules = Schedules(pool, door.submit, self.phase_of, record, self.clock)
        self.phases = Phases(pool, door.submit, self.phase_of, record, notify, enqueue, self.clock)
        self.actor = Actor(uuid4(), 1, frozenset({Role.ADMIN}), uuid4(), True)
        self.client: TestClient[web.Request, web.Application]

    def clock(self) -> datetime:
        return self.now

    async def phase_of(self, symbol: str) -> t.Phase:
        listed = self.door.market.exchange.state().instruments
        return next(t.Phase(each.phase) for each in listed if each.terms.symbol == symbol.encode())

    async def at(self, clock: str) -> tuple[str, int]:
        """At a local time of that Monday: what the schedule has brought, and in how many commands."""
        self.now = datetime.fromisoformat(f"2026-11-23T{clock}+01:00")
        market, before = self.door.market, len(self.commands())
        market.time_ns = round(self.now.timestamp()) * 10**9
        market.send(t.Clock(), after_ns=0)
        await self.schedules.look()
        await self.schedules.look()
        return (await self.phase_of(f"OAK{NUMBER}USDC")).name, len(self.commands()) - before

    def commands(self) -> list[t.SetPhase]:
        return [each for each in self.door.submitted if isinstance(each, t.SetPhase)]

    async def call(self, method: str, path: str = f"{NUMBER}", **body: Any) -> tuple[int, str]:
        url = f"/operations/schedules/{path}"
        response = await self.client.request(method, url, json=body or None)
        return response.status, "" if response.status == 204 else (await response.json())["reason"]

    async def lift(self) -> None:
        async with self.pool.acquire() as connection:
            payload = await as_job(connection, {"instrument": NUMBER, "call_s": None}, self.actor)
        await self.phases.handlers()["halt-lift"](Job("halt-lift", "1", payload, 1, _shown))


async def _shown(_step: str, _done: int, _of: int) -> None: ...


@pytest.fixture
async def desk(pool: Pool) -> AsyncIterator[Desk]:
    door = Door(Market())
    await open_market(pool, door)
    made = Desk(pool, door)
    made.actor = Actor(await add_person(pool, "admin"), 1, frozenset({Role.ADMIN}), uuid4(), True)

    async def authenticate(_request: web.Request) -> Actor:
        return made.actor

    app = web.Application()
    mount(app, schedule_routes(made.schedules), ApiDoor(authenticate, refusal, Limits(time.monotonic)))
    async with TestClient(TestServer(app)) as client:
        made.client = client
        assert await made.call("PUT", **DAY) == (204, "")
        yield made


async def test_a_day_passes_phase_by_phase(desk: Desk) -> None:
    assert [await desk.at(clock) for clock in ("04:00", "08:00", "08:50", "09:00", "12:00", "17:25", "17:30")] == [
        ("CANCEL_ONLY", 1),
        ("PRE_OPEN", 1),
        ("OPENING_CALL", 1),
        ("CONTINUOUS", 0),  # the call has ended by itself
        ("CONTINUOUS", 0),
        ("CLOSING_CALL", 1),
        ("CANCEL_ONLY", 1),  # the call has brought it there; the command ends the day
    ]
    opening = next(each for each in desk.commands() if each.phase == t.Phase.OPENING_CALL)
    nine = datetime.fromisoformat("2026-11-23T09:00+01:00").timestamp()
    assert (opening.until_ns, opening.then) == (nine * 10**9, t.Phase.CONTINUOUS)
    assert [each.ends_day for each in desk.commands()][-2:] == [0, 1]


async def test_after_a_pause_the_phase_is_the_one_that_should_be_now(desk: Desk) -> None:
    await desk.at("04:00")
    assert await desk.at("11:00") == ("CONTINUOUS", 1)


async def test_a_kill_before_or_after_the_command_changes_nothing(desk: Desk) -> None:
    await desk.at("04:00")
    desk.now = datetime.fromisoformat("2026-11-23T08:00+01:00")
    for desk.door.dies_before, desk.door.dies_after in ((0, -1), (-1, 0)):
        with pytest.raises(KilledError):
            await desk.schedules.look()
    assert await desk.at("08:00") == ("PRE_OPEN", 0), "it was there already"


async def test_a_halt_is_never_lifted_and_a_lifted_one_follows_the_schedule(desk: Desk) -> None:
    await desk.at("04:00")
    await desk.phases.halt(NUMBER, "a rumour", desk.actor)
    assert await desk.at("09:30") == ("HALT", 0)
    assert await desk.call("POST", f"{NUMBER}/resume") == (409, "STOPPED")
    await desk.lift()
    assert await desk.at("09:40") == ("CONTINUOUS", 0)
    assert await desk.at("17:26") == ("CLOSING_CALL", 1)


async def test_a_halt_by_whoever_did_not_say_so_stays_too(desk: Desk) -> None:
    await desk.at("04:00")
    await desk.door.submit([t.SetPhase(NUMBER, t.Phase.HALT)])
    assert await desk.at("09:30") == ("HALT", 0)
    await desk.lift()
    assert await desk.at("09:31") == ("CONTINUOUS", 0)


async def test_what_somebody_has_in_hand_waits_until_it_is_given_back(desk: Desk) -> None:
    await desk.at("10:00")
    await desk.phases.set_phase(NUMBER, t.Phase.LIMIT_ONLY, None, None, desk.actor)
    assert await desk.at("17:26") == ("LIMIT_ONLY", 0)
    await (await Projector.open(desk.pool)).apply(desk.door.market.frames)
    schedule = (await Controls(desk.pool).standing()).instruments[NUMBER - 1].schedule
    assert schedule is not None
    assert (schedule.zone, schedule.due_at) == ("Europe/Berlin", None)
    assert await desk.call("PUT", **DAY | {"close": "17:31:00"}) == (204, "")
    assert await desk.at("17:27") == ("LIMIT_ONLY", 0)
    assert await desk.call("POST", f"{NUMBER}/resume") == (204, "")
    assert await desk.at("17:28") == ("CLOSING_CALL", 1)


async def test_a_call_by_hand_is_waited_for(desk: Desk) -> None:
    await desk.at("10:00")
    await desk.phases.set_phase(NUMBER, t.Phase.VOLATILITY_CALL, 600, t.Phase.LIMIT_ONLY, desk.actor)
    assert await desk.at("10:05") == ("VOLATILITY_CALL", 0)
    assert await desk.at("10:10") == ("CONTINUOUS", 1)


async def test_a_call_of_a_price_band_runs_to_its_end(desk: Desk) -> None:
    await desk.at("08:59")
    until_ns = round((desk.now + timedelta(minutes=5)).timestamp()) * 10**9
    await desk.door.submit([t.SetPhase(NUMBER, t.Phase.VOLATILITY_CALL, until_ns, t.Phase.CONTINUOUS)])
    assert await desk.at("09:00") == ("VOLATILITY_CALL", 0)
    assert await desk.at("09:04") == ("CONTINUOUS", 0)


async def test_what_is_no_schedule_is_refused(desk: Desk) -> None:
    for change, reason in (
        ({"zone": "Atlantis/Capital"}, "ZONE_UNKNOWN"),
        ({"zone": "../etc/passwd"}, "ZONE_UNKNOWN"),
        ({"close": "08:00:00"}, "TIMES_OUT_OF_ORDER"),
        ({"closing_call": "09:00:00"}, "TIMES_OUT_OF_ORDER"),
    ):
        assert await desk.call("PUT", **DAY | change) == (400, reason)


async def test_a_schedule_is_removed_and_only_listed_instruments_have_one(desk: Desk) -> None:
    assert await desk.call("DELETE") == (204, "")
    assert await desk.call("DELETE") == (404, "NOT_FOUND")
    assert await desk.call("POST", f"{NUMBER}/resume") == (404, "NOT_FOUND")
    assert await desk.call("PUT", "77", **DAY) == (404, "NOT_FOUND")
    assert await desk.call("PUT", "x", **DAY) == (404, "NOT_FOUND")
    assert await desk.at("09:30") == ("CONTINUOUS", 0)
    actions = {row["action"] for row in await desk.pool.fetch("SELECT action FROM audit_log")}
    assert {"schedule set", "schedule removed"} <= actions
