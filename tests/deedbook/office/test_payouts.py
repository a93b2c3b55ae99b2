"""Rent to dividend to exit by public routes: real ledger, properties, approvals, jobs, chain and engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor, Role
from api.amounts import usdc, usdc_micros
from api.limits import Limits
from api.problem import Problem
from api.server import Door, mount
from compliance.approvals import Approvals
from compliance.audit import record
from compliance.registry import create_user, link_wallet
from compliance.roles import allowed
from deedbook.chain.chain_processor import Effects
from deedbook.jobs.payout import plan_of
from deedbook.office.payouts import PayoutParts, Payouts
from payments.funds import available, reserve_micros
from payments.ledger import Currency, Kind, balances, totals
from persistence.commands import in_words
from persistence.database import Connection
from persistence.jobs import Worker, enqueue
from persistence.projections import Projector
from settlement import payout_rows
from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.payouts import PayoutContract, key_of
from settlement.steps import PostgresSteps, Sender
from settlement.watched import ChainEvent
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.payments.rent import World as RentWorld
from tests.settlement.conftest import deployed, world
from tests.settlement.local_chain import keys, rich
from tests.settlement.world import INVESTORS, OAK, TOKENS, World, investor, raw_address, until

__all__ = ["deployed", "empty_database", "pool", "postgres", "world"]
SUPPLY = INVESTORS * TOKENS
FEE_MICROS, RESERVE_MICROS = 80_000_000, 50_000_000  # of a month's rent


@dataclass
class House:
    """Everything around one property that is tokenized; investor 4 is its manager and issuer."""

    world: World
    payouts: Payouts
    approvals: Approvals
    client: TestClient[Any, Any]
    people: dict[str, Actor]
    property_id: UUID
    rent: RentWorld
    worker: Worker
    told: list[tuple[UUID, str]] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # of the approvals

    async def call(self, name: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Person": name}
        async with self.client.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def ask(self, name: str, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.call(name, method, path, body)
        assert status < 300, answer
        return answer

    async def settle(self) -> None:
        """What other processes do all the time: the engine hears of the chain, the tables of the journal."""
        await self.world.listen()
        await (await Projector.open(self.world.pool)).apply(self.world.feed.frame_list)

    async def state_of(self, path: str, state: str) -> Any:
        """The answer once its state is this; by the jobs' own work."""
        working = asyncio.create_task(self.worker.run())

        async def is_there() -> Any:
            await self.settle()
            assert not working.done(), working.exception()
            answer = await self.ask("admin", "GET", path)
            assert answer.get("failure", "") == ""
            return answer if answer["state"] == state else None

        try:
            await until(is_there, f"{path} {state}: {await self._jobs()}")
            return await is_there()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _jobs(self) -> list[str]:
        return [f"{row['kind']} {row['state']} {row['reason']}" for row in await self.world.pool.fetch("TABLE jobs")]

    async def usdc_of(self, address: str) -> int:
        infra = self.world.deployed.infra
        micros: int = await read(self.world.platform.chain, ours("MockUSDC"), infra.usdc, "balanceOf", address)
        return micros

    async def balances(self) -> list[int]:
        return [await self.usdc_of(investor(number).address) for number in range(INVESTORS)]

    async def mint_to_treasury(self, micros: int) -> None:
        data = ours("MockUSDC").call_data("mint", [keys().treasury.address, micros])
        await self.world.platform.sender.send(self.world.deployed.infra.usdc, data)

    async def booked(self, kind: Kind) -> int:
        async with self.world.pool.acquire() as connection:
            return (await totals(connection)).get((kind, Currency.USDC), 0)


async def _people(world: World) -> dict[str, Actor]:
    roles: dict[str, set[Role]] = {"admin": {Role.ADMIN}, "other admin": {Role.ADMIN}}
    roles |= {f"investor {number}": {Role.INVESTOR} for number in range(INVESTORS)}
    people = {}
    for owner, (name, held) in enumerate(roles.items(), 1):
        user_id = await create_user(world.pool, f"{name.replace(' ', '.')}@example.com", actor="test")
        await world.pool.execute("INSERT INTO credentials VALUES ($1, '$argon2id$none', now(), now())", user_id)
        await world.pool.executemany(
            "INSERT INTO user_roles (user_id, role) VALUES ($1, $2)", [(user_id, str(role)) for role in held]
        )
        people[name] = Actor(user_id, owner, frozenset(held), uuid4(), has_second_factor=True)
    for number in range(INVESTORS):
        wallet = raw_address(investor(number).address)
        await link_wallet(world.pool, people[f"investor {number}"].user_id, wallet, actor="test")
    return people


async def _property(world: World, manager_id: UUID) -> UUID:
    property_id: UUID = await world.pool.fetchval(
        "INSERT INTO properties (manager_id, issuer_wallet, name, symbol, address, valuation_usdc_micros,"
        " supply_tokens, token_decimals, lot_decimals, regime, holder_cap, ownership_cap_bps, lock_up_days,"
        " tick_value_usdc_micros, price_ticks_max, qty_lots_max, notional_usdc_micros_min, maker_fee_bps,"
        " taker_fee_bps) VALUES ($1, $2, '12 Oak Street', 'OAK12', '12 Oak Street', 1, $3, 0, 0, 'OPEN', 0, 0, 0,"
        " 10000, 1000, 1000, 0, 0, 0) RETURNING property_id",
        *(manager_id, raw_address(investor(INVESTORS - 1).address), SUPPLY),
    )
    for state in ("PENDING_APPROVAL", "APPROVED"):
        await world.pool.execute("UPDATE properties SET state = $2 WHERE property_id = $1", property_id, state)
    await world.pool.execute(
        "UPDATE properties SET mint_approved_at = now(), token = $2, identity_registry = $2, compliance_contract = $2,"
        " instrument = $3, state = 'TOKENIZED', tokenized_at = now() WHERE property_id = $1",
        *(property_id, world.token, OAK),
    )
    return property_id


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    made: House
    people = await _people(world)
    told: list[tuple[UUID, str]] = []

    async def notify(
        connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        told.append((user_id, kind))

    await rich(world.platform.chain, keys().treasury.address)
    steps = PostgresSteps(world.pool)
    payouts = Payouts(
        PayoutParts(
            world.pool,
            world.chain,
            world.platform,
            world.deployed.infra,
            Sender(world.platform.chain, keys().treasury, steps),
            in_words(world.feed.submit),
            world.feed.frames,
            record,
            notify,
            enqueue,
        )
    )
    approvals = Approvals(world.pool, payouts.executors, record, lambda: made.now, payouts.declined)

    async def authenticate(request: web.Request) -> Actor | None:
        return people.get(request.headers.get("Person", ""))

    def refusal(method: str, path: str, actor: Actor | None) -> Problem | None:
        roles = None if actor is None else actor.roles
        return None if allowed(method, path, roles) else Problem(403, "ROLE_MISSING", "Not yours.")

    app = web.Application()
    mount(
        app,
        payouts.routes(approvals.decide),
        Door(authenticate, refusal, Limits(time.monotonic, calls_a_second=10_000, calls_at_once=10_000)),
    )
    async with TestClient(TestServer(app)) as client:
        property_id = await _property(world, people["investor 4"].user_id)
        worker = Worker(world.pool, payouts.handlers(approvals.decide), poll_s=0.05)
        made = House(world, payouts, approvals, client, people, property_id, RentWorld(world.pool), worker, told)
        await made.settle()
        yield made


async def earned(house: House) -> int:
    """A month's rent as USDC in the treasury, booked and on chain; what can be distributed of it in micros."""
    await house.rent.paid(await house.rent.lease(house.property_id))
    await house.rent.converted()
    await house.mint_to_treasury(await house.booked(Kind.TREASURY_USDC))
    async with house.world.pool.acquire() as connection:
        return await available(connection, house.property_id)


async def approve(house: House, name: str, kind: str) -> None:
    actor = house.people[name]
    (open_one,) = [each for each in await house.approvals.approvals(actor, "PROPOSED", None, 10) if each.kind == kind]
    await house.approvals.approve(open_one.approval_id, open_one.payload_hash.hex(), actor)


async def test_rent_becomes_a_dividend_and_the_sale_an_exit(house: House) -> None:
    free = await earned(house)
    assert free > 0
    before = await house.balances()
    status, refused = await house.call(
        "admin", "POST", "/dividends", {"property_id": str(house.property_id), "usdc": usdc(free + 1)}
    )
    assert (status, refused["reason"]) == (409, "FUNDS_MISSING")
    body = {"property_id": str(house.property_id), "usdc": usdc(free - 3)}
    proposed = await house.ask("admin", "POST", "/dividends", body)
    path = f"/dividends/{proposed['dividend_id']}"
    prepared = await house.state_of(path, "PREPARED")
    assert sum(usdc_micros(each["usdc"]) for each in prepared["charges"]) == free - 3
    assert (prepared["unsold_tokens"], prepared["unsold_usdc"]) == (str(TOKENS), usdc((free - 3) // INVESTORS))
    assert (await house.call("investor 0", "GET", path))[0] == 404  # nobody approved it yet
    with pytest.raises(Problem, match="OWN_PROPOSAL"):
        await approve(house, "admin", "DIVIDEND")
    await approve(house, "other admin", "DIVIDEND")
    await house.state_of(path, "PAID")
    gains = [after - was for was, after in zip(before, await house.balances(), strict=True)]
    assert gains == [(free - 3) // INVESTORS] * INVESTORS
    assert await house.booked(Kind.DIVIDENDS_PAID) == sum(gains)
    assert await house.booked(Kind.DIVIDENDS_PAYABLE) == await house.booked(Kind.DISTRIBUTOR_USDC) == 0
    assert await house.booked(Kind.TREASURY_USDC) == await house.usdc_of(keys().treasury.address)
    own = await house.ask("investor 0", "GET", path)
    assert [line["wallet"] for line in own["lines"]] == [investor(0).address]
    assert own["charges"] == []
    assert [each["dividend_id"] for each in await house.ask("investor 1", "GET", "/dividends")] == [path[-36:]]
    assert (house.people["investor 0"].user_id, "DIVIDEND_PAID") in house.told
    await exited(house)


async def free_of(house: House) -> int:
    async with house.world.pool.acquire() as connection:
        return await available(connection, house.property_id)


async def proposed(house: House, micros: int) -> str:
    """A dividend that waits for the second admin: its path."""
    body = {"property_id": str(house.property_id), "usdc": usdc(micros)}
    path = f"/dividends/{(await house.ask('admin', 'POST', '/dividends', body))['dividend_id']}"
    await house.state_of(path, "PREPARED")
    return path


async def test_what_is_not_approved_gives_its_money_back_by_itself(house: House) -> None:
    free = await earned(house)
    rejected = await proposed(house, free)
    assert await free_of(house) == 0
    actor = house.people["other admin"]
    (waiting,) = await house.approvals.approvals(actor, "PROPOSED", None, 10)
    await house.approvals.reject(waiting.approval_id, "too early", actor)
    assert (await house.ask("admin", "GET", rejected))["state"] == "CANCELLED"
    assert await free_of(house) == free
    expired = await proposed(house, free)
    assert await house.approvals.expire() == 0
    house.now += timedelta(days=8)
    assert await house.approvals.expire() == 1
    assert (await house.ask("admin", "GET", expired))["state"] == "CANCELLED"
    assert await free_of(house) == free
    assert await house.booked(Kind.DIVIDENDS_SET_ASIDE) == await house.booked(Kind.DIVIDENDS_PAYABLE) == 0


@pytest.mark.slow
async def test_a_dividend_stopped_on_chain_frees_what_reached_nobody(house: House) -> None:
    free = await earned(house)
    path = await proposed(house, free)
    await approve(house, "other admin", "DIVIDEND")
    payout_id, pool = UUID(path[-36:]), house.world.pool
    found = await payout_rows.payout(pool, payout_id)
    assert found is not None
    infra, steps = house.world.deployed.infra, PostgresSteps(pool)
    treasury = Sender(house.world.platform.chain, keys().treasury, steps)
    contract = PayoutContract(treasury, "DividendDistributor", infra.dividends, infra.usdc)
    await contract.declare(await plan_of(pool, found))
    cancel = ours("DividendDistributor").call_data("cancel", [key_of(payout_id)])
    await house.world.platform.owner.send(infra.dividends, cancel)
    stopped = await house.state_of(path, "STOPPED")
    dust = usdc_micros(stopped["dust_usdc"])
    assert await free_of(house) == free - dust
    assert await house.booked(Kind.TREASURY_USDC) == await house.usdc_of(keys().treasury.address)
    assert await house.booked(Kind.DISTRIBUTOR_USDC) == await house.usdc_of(infra.dividends) == 0
    assert await house.booked(Kind.DIVIDENDS_SET_ASIDE) == await house.booked(Kind.DIVIDENDS_PAYABLE) == 0
    assert (house.people["admin"].user_id, "DIVIDEND_STOPPED") in house.told
    again = await proposed(house, free - dust)
    await approve(house, "other admin", "DIVIDEND")
    await house.state_of(again, "PAID")
    assert await house.booked(Kind.TREASURY_USDC) == await house.usdc_of(keys().treasury.address)


async def exited(house: House) -> None:
    one = f"/properties/{house.property_id}"
    assert (await house.call("investor 0", "POST", f"{one}/liquidate"))[0] == 403
    await house.ask("admin", "POST", f"{one}/liquidate")
    assert (await house.call("admin", "POST", f"{one}/liquidate"))[0] == 409
    await house.state_of(f"{one}/liquidation", "STILL")
    sale = {"sale_price_usdc": "1000.000003", "costs_usdc": "1"}
    status, refused = await house.call("admin", "POST", f"{one}/exit", sale)
    assert (status, refused["reason"]) == (409, "FUNDS_MISSING")
    await house.mint_to_treasury(999_000_003)
    left = await house.booked(Kind.TREASURY_USDC) - FEE_MICROS  # the reserve, dust, and what the dividend left
    await house.ask("admin", "POST", f"{one}/exit", sale)
    replaced = await house.state_of(f"{one}/exit", "PREPARED")
    await house.ask("admin", "POST", f"{one}/exit", sale)
    stated = await house.state_of(f"{one}/exit", "PREPARED")
    assert stated["exit_id"] != replaced["exit_id"]
    pool = 999_000_003 + left
    assert (stated["remainder_usdc"], stated["pool_usdc"]) == (usdc(left), usdc(pool))
    assert left > RESERVE_MICROS
    assert stated["usdc_per_token"] == usdc(pool // SUPPLY)
    before = await house.balances()
    burn = f"/tokens/burn/{house.property_id}"
    assert (await house.ask("admin", "POST", burn))["state"] == "PROPOSED"
    assert (await house.ask("other admin", "POST", burn))["state"] == "APPROVED"
    paid = await house.state_of(f"{one}/exit", "PAID")
    gains = [after - was for was, after in zip(before, await house.balances(), strict=True)]
    assert sum(gains) == pool
    assert sorted(gains) == sorted(usdc_micros(line["usdc"]) for line in paid["lines"])

    async def is_closed() -> bool:
        state: str = await house.world.pool.fetchval("SELECT state FROM properties")
        await house.settle()
        return state == "CLOSED"

    working = asyncio.create_task(house.worker.run())
    await until(is_closed, "closed")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await house.booked(Kind.EXIT_PAID) == pool
    assert await house.booked(Kind.TREASURY_USDC) == FEE_MICROS == await house.usdc_of(keys().treasury.address)
    assert reserve_micros(await balances(house.world.pool, house.property_id)) == 0
    assert await free_of(house) == 0
    assert await house.booked(Kind.EXIT_PAYABLE) == await house.booked(Kind.DISTRIBUTOR_USDC) == 0
    assert (house.people["investor 4"].user_id, "PROPERTY_CLOSED") in house.told


async def test_what_is_owed_is_told_claimed_and_booked(house: House) -> None:
    free = await earned(house)
    infra = house.world.deployed.infra
    wallet = investor(2).address
    blacklist = ours("MockUSDC").call_data
    await house.world.platform.sender.send(infra.usdc, blacklist("setBlacklisted", [wallet, True]))
    body = {"property_id": str(house.property_id), "usdc": usdc(free)}
    proposed = await house.ask("admin", "POST", "/dividends", body)
    path = f"/dividends/{proposed['dividend_id']}"
    await house.state_of(path, "PREPARED")
    await approve(house, "other admin", "DIVIDEND")
    await house.state_of(path, "PAID")
    share = free // INVESTORS
    assert await house.booked(Kind.OWED) == -share
    (owed,) = await house.ask("investor 2", "GET", "/dividends/owed")
    assert (owed["wallet"], owed["usdc"]) == (wallet, usdc(share))
    assert await house.ask("investor 1", "GET", "/dividends/owed") == []
    assert (await house.call("investor 1", "POST", f"{path}/claim"))[1]["reason"] == "NOTHING_OWED"
    (call,) = (await house.ask("investor 2", "POST", f"{path}/claim"))["transactions"]
    await house.world.platform.sender.send(infra.usdc, blacklist("setBlacklisted", [wallet, False]))
    claiming = Sender(house.world.platform.chain, investor(2), PostgresSteps(house.world.pool))
    receipt = await claiming.send(call["to"], bytes.fromhex(call["data"][2:]))
    effects = Effects()
    house.payouts.register(effects)
    data = {"id": "0x" + UUID(path[-36:]).hex.rjust(64, "0"), "holder": wallet}
    event = ChainEvent(receipt.block_number, bytes(32), 0, receipt.transaction_hash, b"", "Dividends.Claimed", data)
    async with house.world.pool.acquire() as connection, connection.transaction():
        await effects(connection, event)
        await effects(connection, event)
    assert await house.booked(Kind.OWED) == 0
    assert await house.ask("investor 2", "GET", "/dividends/owed") == []
    assert (await house.ask("investor 2", "GET", path))["lines"][0]["state"] == "CLAIMED"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"usdc": "1", "period": "2026-11"}, "AMOUNT_OR_PERIOD"),
        ({}, "AMOUNT_OR_PERIOD"),
        ({"usdc": "0"}, "AMOUNT_OUT_OF_RANGE"),
        ({"usdc": "1e3"}, "AMOUNT_MALFORMED"),
        ({"usdc": "0.0000001"}, "AMOUNT_MALFORMED"),
        ({"period": "2026-13"}, "PERIOD_MALFORMED"),
        ({"usdc": "1", "record": 0}, "RECORD_OUT_OF_RANGE"),
        ({"usdc": "1"}, "FUNDS_MISSING"),
        ({"period": "2026-11"}, "NOTHING_TO_PAY"),
    ],
)
async def test_a_proposal_that_cannot_be_says_why(house: House, body: dict[str, Any], reason: str) -> None:
    _, answer = await house.call("admin", "POST", "/dividends", {"property_id": str(house.property_id)} | body)
    assert answer["reason"] == reason


async def test_an_unknown_property_is_not_found(house: House) -> None:
    status, _ = await house.call("admin", "POST", "/dividends", {"property_id": str(uuid4()), "usdc": "1"})
    assert status == 404
    for path in ("exit", "liquidation"):
        assert (await house.call("admin", "GET", f"/properties/{uuid4()}/{path}"))[0] == 404
