"""Halts, phases, kill switches, limits and bands: one person stops, two loosen, and how it stands is seen."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
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
from compliance.permissions import compile_permissions
from compliance.roles import refusal
from deedbook.market_controls.controls_routes import routes
from deedbook.market_controls.guards import Guards
from deedbook.market_controls.phases import Phases
from deedbook.market_controls.standing import Controls
from deedbook.notices.notify import notify
from engine import types as t
from persistence.database import Pool
from persistence.jobs import Job, JobFailed, enqueue
from persistence.projections import Projector
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_investor, add_person, open_market

__all__ = ["pool", "postgres"]
NS = 10**9
CALL_S = 60
ALICE = 2  # the account that is opened after the platform's
ROLES = {
    "first": frozenset({Role.SETTLEMENT_OPERATOR}),
    "second": frozenset({Role.ADMIN}),
    "officer": frozenset({Role.COMPLIANCE_OFFICER}),
    "nobody": frozenset({Role.INVESTOR}),
}


class Desk:
    """People at the routes, with the real approvals, jobs table, engine and projections."""

    def __init__(self, pool: Pool, door: Door, client: TestClient[web.Request, web.Application]) -> None:
        self.pool, self.door, self._client = pool, door, client
        self.handlers: dict[str, Any] = {}

    async def post(self, who: str, path: str, **body: Any) -> tuple[int, Any]:
        response = await self._client.post(f"/operations/{path}", json=body, headers={"Who": who})
        return response.status, await response.json() if response.status != 204 else None

    async def both(self, path: str, **body: Any) -> None:
        """Two people want it, and it is carried out."""
        for who, state in (("first", "PROPOSED"), ("first", "PROPOSED"), ("second", "APPROVED")):
            status, decision = await self.post(who, path, **body)
            assert (status, decision["state"]) == (200, state)
        assert await self.run_jobs() == []

    async def get(self, path: str) -> Any:
        """What the journal says, up to now."""
        await (await Projector.open(self.pool)).apply(self.door.market.frames)
        return await (await self._client.get(f"/operations/{path}", headers={"Who": "officer"})).json()

    async def run_jobs(self) -> list[str]:
        """Why those that failed did."""
        reasons = []
        for row in await self.pool.fetch("SELECT kind, key, payload::text FROM jobs ORDER BY job_number"):
            try:
                await self.handlers[row["kind"]](Job(row["kind"], row["key"], json.loads(row["payload"]), 1, _shown))
            except JobFailed as failure:
                reasons.append(str(failure))
        await self.pool.execute("DELETE FROM jobs")
        return reasons

    def sent(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.door.submitted if isinstance(command, kind)]

    async def audited(self) -> Mapping[str, Any]:
        rows = await self.pool.fetch("SELECT action, details::text FROM audit_log ORDER BY entry_id")
        return {row["action"]: json.loads(row["details"]) for row in rows}

    async def phase_of(self, symbol: str) -> t.Phase:
        listed = self.door.market.exchange.state().instruments
        return next(t.Phase(each.phase) for each in listed if each.terms.symbol == symbol.encode())


async def _shown(_step: str, _done: int, _of: int) -> None: ...


def now() -> datetime:
    return datetime.fromtimestamp(START_NS // NS, UTC)


@pytest.fixture
async def desk(pool: Pool) -> AsyncIterator[Desk]:
    door = Door(Market())
    await open_market(pool, door)
    await add_investor(pool, "alice")
    await compile_permissions(pool, door.submit, START_NS)
    actors = {name: Actor(await add_person(pool, name), 1, roles, uuid4(), True) for name, roles in ROLES.items()}

    async def authenticate(request: web.Request) -> Actor | None:
        return actors.get(request.headers.get("Who", ""))

    async def phase_of(symbol: str) -> t.Phase:
        return await made.phase_of(symbol)

    phases = Phases(pool, door.submit, phase_of, record, notify, enqueue, now)
    guards = Guards(pool, door.submit, record, enqueue)
    approvals = Approvals(pool, {**phases.executors, **guards.executors}, record)
    app = web.Application()
    api_door = ApiDoor(authenticate, refusal, Limits(time.monotonic))
    mount(app, routes(phases, guards, Controls(pool), approvals.decide), api_door)
    async with TestClient(TestServer(app)) as client:
        made = Desk(pool, door, client)
        made.handlers = {**phases.handlers(), **guards.handlers()}
        await (await Projector.open(pool)).apply(door.market.frames)
        yield made


async def test_one_person_halts_and_two_lift_the_halt(desk: Desk) -> None:
    assert (await desk.post("first", "halts", instrument=2, reason="a rumour"))[0] == 204
    assert desk.sent(t.SetPhase) == [t.SetPhase(2, t.Phase.HALT)]
    assert (await desk.get("controls"))["instruments"][1]["phase"] == "HALT"
    await desk.both("halts/lift", instrument=2)
    assert desk.sent(t.SetPhase)[1:] == [t.SetPhase(2, t.Phase.CONTINUOUS)]
    audited = await desk.audited()
    assert (audited["trading halted"]["reason"], "halt lifted" in audited) == ("a rumour", True)


async def test_the_whole_venue_is_halted_without_a_number(desk: Desk) -> None:
    assert (await desk.post("first", "halts", reason="maintenance"))[0] == 204
    assert desk.sent(t.SetPhase) == [t.SetPhase(t.VENUE, t.Phase.HALT)]
    assert (await desk.get("controls"))["venue_phase"] == "HALT"
    assert (await desk.post("first", "halts/lift", call_s=CALL_S))[1]["reason"] == "NOT_OF_THE_VENUE"


async def test_a_halt_may_end_with_an_auction(desk: Desk) -> None:
    await desk.post("first", "halts", instrument=2, reason="a rumour")
    await desk.both("halts/lift", instrument=2, call_s=CALL_S)
    until_ns = START_NS + CALL_S * NS
    assert desk.sent(t.SetPhase)[1:] == [t.SetPhase(2, t.Phase.OPENING_CALL, until_ns, t.Phase.CONTINUOUS)]
    control = (await desk.get("controls"))["instruments"][1]
    assert (control["phase"], datetime.fromisoformat(control["phase_ends_at"]).timestamp() * NS) == (
        "OPENING_CALL",
        until_ns,
    )


async def test_a_paused_token_stays_halted_even_if_it_was_paused_after_the_decision(desk: Desk) -> None:
    for who in ("first", "second"):
        await desk.post(who, "halts/lift", instrument=2)
    await desk.pool.execute(
        "INSERT INTO chain_events (block_hash, log_index, block, transaction, contract, name, data, state)"
        " VALUES ($1, 0, 1, $1, $2, 'Token.Paused', '{}', 'FINAL')",
        bytes(32),
        bytes([2]) * 20,
    )
    (reason,) = await desk.run_jobs()
    assert "paused on chain" in reason
    assert desk.sent(t.SetPhase) == []
    status, problem = await desk.post("first", "halts/lift", instrument=2)
    assert (status, problem["reason"]) == (409, "STAYS_HALTED")


async def test_what_is_stopped_again_after_the_decision_stays_stopped(desk: Desk) -> None:
    """A job comes late, or again after its process died between the command and the commit."""
    scopes: Sequence[Mapping[str, int]] = (
        {},
        {"instrument": 2},
        {"account": ALICE},
        {"account": ALICE, "instrument": 2},
    )
    for scope in scopes:
        assert (await desk.post("officer", "kill-switches", **scope, reason="a rumour"))[0] == 200
        for who in ("first", "second"):
            assert (await desk.post(who, "kill-switches/release", **scope))[0] == 200
    for scope in scopes[:2]:
        for who in ("first", "second"):
            assert (await desk.post(who, "halts/lift", **scope))[0] == 200
    assert (await desk.post("officer", "kill-switches", account=ALICE, instrument=2, reason="again"))[0] == 200
    assert (await desk.post("first", "halts", instrument=2, reason="again"))[0] == 204
    before = len(desk.door.submitted)
    reasons = await desk.run_jobs()
    assert desk.door.submitted[before:] == [
        *(t.KillSwitch(0, t.VENUE, 0), t.KillSwitch(0, 2, 0), t.KillSwitch(ALICE, t.VENUE, 0)),
        t.SetPhase(t.VENUE, t.Phase.CONTINUOUS),
    ]
    switched, halted = reasons
    assert ("kill switch on" in switched, "trading halted" in halted) == (True, True)


async def test_one_person_moves_what_is_not_stopped(desk: Desk) -> None:
    call = {"instrument": 1, "phase": "CLOSING_CALL", "call_s": CALL_S, "then": "CANCEL_ONLY"}
    assert (await desk.post("first", "phases", **call))[0] == 204
    until_ns = START_NS + CALL_S * NS
    assert desk.sent(t.SetPhase) == [t.SetPhase(1, t.Phase.CLOSING_CALL, until_ns, t.Phase.CANCEL_ONLY)]
    assert (await desk.post("first", "phases", instrument=1, phase="CANCEL_ONLY"))[0] == 204
    status, problem = await desk.post("first", "phases", instrument=1, phase="CONTINUOUS")
    assert (status, problem["reason"]) == (409, "STOPPED")
    for body in ({"phase": "CONTINUOUS", "call_s": 5}, {"phase": "OPENING_CALL", "then": "LIMIT_ONLY"}):
        assert (await desk.post("first", "phases", instrument=2, **body))[1]["reason"] == "NO_CALL"
    assert (await desk.post("first", "phases", instrument=2, phase="HALT"))[0] == 400, "a halt has a reason"
    assert (await desk.audited())["phase set"] == {"phase": "CANCEL_ONLY", "call_s": None, "then": None}


async def test_a_kill_switch_closes_at_once_and_two_people_release_it(desk: Desk) -> None:
    market = desk.door.market
    block, log_index = market.chain_position()
    wallet = next(each.wallet for each in market.exchange.state().accounts if each.account == ALICE)
    market.send(t.LevelChanged(t.USDC, 10**9, 10**9, 0, block, log_index, t.LevelCause.DEPOSIT, wallet))
    for price_ticks in (10, 11):
        market.send(t.Place(ALICE, 2, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, price_ticks, 5))
    assert await desk.get(f"open-orders?account={ALICE}") == {"orders": 2, "accounts": 1}
    assert await desk.get("open-orders?instrument=1") == {"orders": 0, "accounts": 0}
    status, answer = await desk.post("officer", "kill-switches", account=ALICE, reason="a runaway program")
    assert (status, answer) == (200, {"closed_orders": 2})
    (switch,) = (await desk.get("controls"))["kill_switches"]
    assert (switch["account"], switch["instrument"]) == (ALICE, None)
    assert (await desk.post("officer", "kill-switches/release", account=ALICE))[0] == 403
    await desk.both("kill-switches/release", account=ALICE)
    assert (await desk.get("controls"))["kill_switches"] == []
    audited = await desk.audited()
    assert audited["kill switch on"] == {"account": ALICE, "reason": "a runaway program", "closed_orders": 2}
    assert audited["kill switch off"] == {"account": ALICE, "instrument": None}


async def test_two_people_set_limits(desk: Desk) -> None:
    await desk.both("limits", instrument=2, account=ALICE, order_usdc="1500.5", position_tokens="2.25", open_orders=7)
    assert desk.sent(t.SetLimits) == [t.SetLimits(ALICE, 2, 1_500_500_000, 225, 7)]
    (limits,) = (await desk.get("controls"))["limits"]
    assert limits == {
        "account": ALICE,
        "instrument": 2,
        "order_usdc": "1500.5",
        "position_tokens": "2.25",
        "open_orders": 7,
    }
    await desk.both("limits", instrument=2, account=ALICE)
    assert (await desk.get("controls"))["limits"] == []
    for body in ({"position_tokens": "0.001"}, {"order_usdc": "much"}, {"order_usdc": "9" * 30}):
        assert (await desk.post("first", "limits", instrument=2, **body))[1]["reason"] == "VALUE_MALFORMED"
    assert (await desk.post("first", "limits", instrument=2, account=77))[0] == 404


async def test_two_people_set_bands_and_one_a_period(desk: Desk) -> None:
    await desk.both("bands", instrument=2, reference_usdc="120", static_bps=2_000, dynamic_bps=500, call_s=300)
    assert desk.sent(t.SetBands) == [t.SetBands(2, 120, 2_000, 500, 300 * NS)]
    assert (await desk.post("first", "periods", instrument=2, period_s=900))[0] == 204
    control = (await desk.get("controls"))["instruments"][1]
    shown = {name: control[name] for name in ("reference_usdc", "static_bps", "dynamic_bps", "call_s", "period_s")}
    assert shown == {"reference_usdc": "120", "static_bps": 2_000, "dynamic_bps": 500, "call_s": 300, "period_s": 900}
    bands = {"instrument": 2, "static_bps": 0, "dynamic_bps": 0, "call_s": 0}
    for body, reason in (
        ({"reference_usdc": "120.5"}, "VALUE_MALFORMED"),
        ({"reference_usdc": "10001"}, "VALUE_MALFORMED"),
        ({"dynamic_bps": 1}, "CALL_MISSING"),
    ):
        assert (await desk.post("first", "bands", **(bands | body)))[1]["reason"] == reason


async def test_who_does_not_operate_does_nothing_here(desk: Desk) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("halts", {"reason": "x"}),
        ("halts/lift", {}),
        ("phases", {"instrument": 2, "phase": "PRE_OPEN"}),
        ("periods", {"instrument": 2, "period_s": 900}),
        ("bands", {"instrument": 2, "static_bps": 0, "dynamic_bps": 0, "call_s": 0}),
        ("kill-switches", {"reason": "x"}),
        ("kill-switches/release", {}),
        ("limits", {"instrument": 2}),
    ]
    before = len(desk.door.submitted)
    for path, body in calls:
        assert (await desk.post("nobody", path, **body))[0] == 403
        assert (await desk.post("first", path, **(body | {"instrument": 77})))[0] == 404
    assert len(desk.door.submitted) == before
