"""A property becomes a token on a real anvil and a real database, killed at every step."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from eth_utils.address import to_canonical_address
from hexbytes import HexBytes
from web3 import AsyncWeb3

from compliance.audit import record
from compliance.instruments import instrument_by_number, list_instrument, set_instrument
from compliance.registry import create_user, link_wallet
from deedbook import outages
from deedbook.jobs import tokenize
from deedbook.jobs.tokenize import Tokenizer
from deedbook.notices.notify import notify
from deedbook.office.issuance import COUNTRIES, fee_account
from deedbook.outages import waiting_out
from engine import types as t
from persistence.commands import Answer
from persistence.database import Pool
from persistence.feed import FeedLost
from persistence.jobs import JobRow, JobState, Worker, enqueue, job
from properties.decisions import TOKENIZE
from properties.property import Property, PropertyState, draft, find, move
from properties.terms import TermsWords, terms_of
from settlement.artifacts import ours, trex
from settlement.infrastructure import Delays, Infrastructure, deploy_infrastructure, read
from settlement.node import node
from settlement.steps import FileSteps, PostgresSteps, Sender
from settlement.tokenization import InvestorTerms, Platform, register_investor
from tests.fixtures.answers import Door
from tests.fixtures.killing import KillingPool, Points
from tests.fixtures.market import Market
from tests.fixtures.registered import instrument
from tests.properties.office import TERMS
from tests.settlement.killing import Killed
from tests.settlement.local_chain import anvil, free_port, key, keys, platform_on

TOKEN = "token/Token.sol/Token"
SUITE_DEPLOYED = "TREXSuiteDeployed(address,address,address,address,address,address,string)"
TRANSFER = "Transfer(address,address,uint256)"
MANAGER = key("manager").address
WALLET = to_canonical_address(MANAGER)
FEES = to_canonical_address(keys().fee_account.address)
GERMANY = 276
CONFIRMATIONS = 2
DEADLINE_S = 60.0


class World:
    """One approved property between the database, the engine and the chain."""

    def __init__(self, pool: Pool, platform: Platform, infra: Infrastructure) -> None:
        self.pool, self.platform, self.infra = pool, platform, infra
        self.door = Door(Market())
        self.manager_id = UUID(int=0)
        self.points: Points | None = None
        self.exchange_is_away = False
        self.moved_unlisted = False  # a token had a supply and the engine did not know it

    async def approved(self, **changes: Any) -> UUID:
        """A property whose mint two people have decided."""
        terms = terms_of(msgspec.convert(dict(TERMS) | changes, TermsWords), COUNTRIES)
        async with self.pool.acquire() as connection, connection.transaction():
            made = await draft(connection, self.manager_id, WALLET, terms)
            for state in (PropertyState.PENDING_APPROVAL, PropertyState.APPROVED):
                await move(connection, made.property_id, state)
            await connection.execute(
                "UPDATE properties SET mint_approved_at = now() WHERE property_id = $1", made.property_id
            )
            await enqueue(connection, TOKENIZE, str(made.property_id))
        return made.property_id

    async def submit(self, commands: Sequence[t.Command]) -> list[Answer]:
        if self.exchange_is_away:
            raise FeedLost
        answers = await self.door.submit(commands)
        if self.points is not None:
            self.points.passed(f"submit {[type(command).__name__ for command in commands]}")
        return answers

    async def final_block(self) -> int:
        await self.platform.chain.provider.make_request("evm_mine", [])
        return await self.platform.chain.eth.block_number - CONFIRMATIONS

    def worker(self) -> Worker:
        """As a new process would make it."""
        pool = self.pool if self.points is None else KillingPool(self.pool, self.points)
        if self.points is not None:
            self.points.start()
        steps = PostgresSteps(pool)
        senders = [
            WatchedSender(self, self.platform.chain, sender.account, steps)
            for sender in (self.platform.sender, self.platform.owner)
        ]
        platform = Platform(senders[0], senders[1], self.platform.claim_signer)
        tokenizer = Tokenizer(
            pool=pool,
            platform=platform,
            infra=self.infra,
            submit=self.submit,
            fee_account=fee_account(self.submit, FEES),
            final_block=self.final_block,
            audit=record,
            notify=notify,
        )
        # The worker itself is spared: how it dies is tried by its own tests, and here it would cut a handler short.
        return Worker(self.pool, {TOKENIZE: waiting_out(tokenizer)}, poll_s=0.05)

    async def work(self, property_id: UUID, until: str = "") -> JobRow:
        """Run workers, a new one after each kill, until the job has ended or waits for a reason with these words."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        running = asyncio.create_task(self.worker().run())
        try:
            while True:
                now = await job(self.pool, TOKENIZE, str(property_id))
                assert now is not None
                if now.state in (JobState.DONE, JobState.FAILED) or (until and until in now.reason):
                    return now
                assert asyncio.get_running_loop().time() < deadline, now
                if running.done():
                    assert isinstance(running.exception(), Killed), running.exception()
                    running = asyncio.create_task(self.worker().run())
                await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def tokenized(self, property_id: UUID) -> Property:
        ended = await self.work(property_id)
        assert (ended.state, ended.reason, ended.steps_done) == (JobState.DONE, "", len(tokenize.STEPS))
        return await find(self.pool, property_id)

    async def read(self, made: Property, function: str, *arguments: Any) -> Any:
        assert made.token is not None
        return await read(
            self.platform.chain, trex(TOKEN), AsyncWeb3.to_checksum_address(made.token), function, *arguments
        )

    async def events(self, topic: str, address: str) -> list[Any]:
        """All of one event of a contract, from the first block."""
        topics: Any = [HexBytes(AsyncWeb3.keccak(text=topic))]
        found = await self.platform.chain.eth.get_logs({"fromBlock": 0, "address": address, "topics": topics})  # type: ignore[typeddict-item]
        return list(found)


class WatchedSender(Sender):
    """After each broadcast it looks whether a token moved that the engine does not know, and may die."""

    def __init__(self, world: World, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._world = world

    async def _broadcast(self, raw: bytes) -> None:
        await super()._broadcast(raw)
        listed = {each.terms.token for each in self._world.door.market.exchange.state().instruments}
        topic = HexBytes(AsyncWeb3.keccak(text=TRANSFER))
        for log in await self.chain.eth.get_logs({"fromBlock": 0, "topics": [topic]}):
            self._world.moved_unlisted |= to_canonical_address(log["address"]) not in listed
        if self._world.points is not None:
            self._world.points.passed(f"broadcast {raw.hex()}")


@pytest.fixture
async def world(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(tokenize, "POLL_S", 0.01)
    async with anvil() as chain:
        platform = await platform_on(chain, FileSteps(tmp_path / "steps.json"))
        infra = await deploy_infrastructure(platform, keys().roles(), Delays())
        made = World(pool, platform, infra)
        made.manager_id = await create_user(pool, "manager@example.com", actor="test")
        await link_wallet(pool, made.manager_id, WALLET, actor="test")
        await register_investor(platform, infra, InvestorTerms(MANAGER, GERMANY))
        yield made


async def test_a_property_becomes_a_token(world: World) -> None:
    made = await world.tokenized(await world.approved(ownership_cap_bps=500, holder_cap=99))
    assert made.state is PropertyState.TOKENIZED
    assert await world.read(made, "symbol") == "OAK12"
    assert await world.read(made, "totalSupply") == 10_000 * 10**18
    assert await world.read(made, "balanceOf", MANAGER) == 10_000 * 10**18
    assert not await world.read(made, "paused")
    assert made.token is not None
    token = AsyncWeb3.to_checksum_address(made.token)
    assert await read(world.platform.chain, ours("TokenLocker"), world.infra.locker, "isListed", token)
    assert to_canonical_address(await world.read(made, "identityRegistry")) == made.identity_registry
    assert to_canonical_address(await world.read(made, "compliance")) == made.compliance_contract
    (listed,) = world.door.market.exchange.state().instruments
    assert (listed.terms.symbol, listed.terms.token, listed.terms.instrument) == (b"OAK12USDC", made.token, 1)
    assert (listed.terms.ownership_cap_lots, listed.terms.holder_cap) == (50_000, 99)
    assert (listed.maker_fee_bps, listed.taker_fee_bps) == (5, 10)
    assert made.instrument == 1
    assert not world.moved_unlisted
    notices = await world.pool.fetch("SELECT user_id, kind FROM notifications")
    assert [tuple(each) for each in notices] == [(world.manager_id, "PROPERTY_TOKENIZED")]


async def test_the_regime_becomes_modules(world: World) -> None:
    made = await world.tokenized(await world.approved(regime="REG_S", holder_cap=7, lock_up_days=40))
    assert made.compliance_contract is not None
    compliance = AsyncWeb3.to_checksum_address(made.compliance_contract)
    chain, infra = world.platform.chain, world.infra
    countries = trex("compliance/modular/modules/CountryAllowModule.sol/CountryAllowModule")
    for country, is_allowed in ((276, True), (250, True), (840, False), (630, False), (716, True)):
        allowed = await read(chain, countries, infra.country_module, "isCountryAllowed", compliance, country)
        assert allowed == is_allowed
    assert await read(chain, ours("HolderCapModule"), infra.holder_cap_module, "holdersOf", compliance) == [1, 7]
    lock_up = ours("LockUpModule")
    assert await read(chain, lock_up, infra.lock_up_module, "lockUpOf", compliance) == 40 * 24 * 3600
    assert await read(chain, lock_up, infra.lock_up_module, "issuerOf", compliance) == MANAGER
    assert await read(chain, lock_up, infra.lock_up_module, "lotsOf", compliance, MANAGER) == []
    assert made.instrument is not None
    kept = await instrument_by_number(world.pool, made.instrument)
    assert (kept.lock_up_days, kept.issuer_wallet) == (40, made.issuer_wallet)


async def test_killed_at_every_step_it_tokenizes_once(world: World) -> None:
    world.points = Points()
    property_id = await world.approved(regime="REG_D_506C", holder_cap=99, lock_up_days=365)
    made = await world.tokenized(property_id)
    names = [name for name, _ in world.points.died]
    assert (
        sum(name.startswith("broadcast") for name in names) == 4
    )  # the suite, the locker's list, the mint, the unpause
    assert sum(name.startswith("submit") for name in names) == 2  # the fee account, the listing
    assert len(names) > 30
    assert made.state is PropertyState.TOKENIZED
    assert made.token is not None
    token = AsyncWeb3.to_checksum_address(made.token)
    suites = await world.events(SUITE_DEPLOYED, world.infra.trex_factory)
    assert len(suites) == 1
    assert len(await world.events(TRANSFER, token)) == 1
    assert await world.read(made, "totalSupply") == await world.read(made, "balanceOf", MANAGER) == 10_000 * 10**18
    assert not await world.read(made, "paused")
    (listed,) = world.door.market.exchange.state().instruments
    assert listed.terms.token == made.token
    assert not world.moved_unlisted
    rows = await world.pool.fetch("SELECT instrument, token, listed_seq IS NOT NULL AS is_listed FROM instruments")
    assert [tuple(row) for row in rows] == [(1, made.token, True)]
    assert made.instrument == 1
    assert await world.pool.fetchval("SELECT count(*) FROM notifications") == 1
    assert await world.pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'property tokenized'") == 1
    sent = await world.platform.chain.eth.get_transaction_count(world.platform.owner.address)
    await world.pool.execute("UPDATE jobs SET state = 'QUEUED'")
    again = await world.tokenized(property_id)  # it is done: nothing more happens
    assert again == made
    assert await world.platform.chain.eth.get_transaction_count(world.platform.owner.address) == sent


async def test_two_properties_at_once_get_two_numbers(world: World) -> None:
    ids = [await world.approved(symbol=symbol) for symbol in ("OAK12", "ELM7")]
    made = [await world.tokenized(property_id) for property_id in ids]
    assert {each.instrument for each in made} == {1, 2}
    listed = {each.terms.instrument: each.terms.token for each in world.door.market.exchange.state().instruments}
    assert listed == {each.instrument: each.token for each in made}


async def test_a_number_that_is_taken_is_left_alone(world: World) -> None:
    await fee_account(world.submit, FEES)()
    await set_instrument(world.pool, instrument(1), actor="demo")
    property_id = await world.approved(symbol="ELM7")
    waits = await world.work(property_id, until="listed after those below it")
    assert waits.state is not JobState.DONE
    await list_instrument(world.pool, world.submit, 1, actor="demo")  # what it waited for
    made = await world.tokenized(property_id)
    assert made.instrument == 2
    listed = [each.terms.token for each in world.door.market.exchange.state().instruments]
    assert listed == [instrument(1).token, made.token]


async def test_a_number_that_only_the_engine_knows_is_passed_over(world: World) -> None:
    """As after a database was restored that is older than the journal."""
    account = await fee_account(world.submit, FEES)()
    terms = t.SetInstrument(1, account, 1, 1, 1, 0, 0, 1, symbol=b"OLD", token=bytes(20))
    assert (await world.submit([terms]))[0].rejection() is None
    made = await world.tokenized(await world.approved())
    assert made.instrument == 2
    assert await world.pool.fetchval("SELECT array_agg(instrument) FROM instruments") == [2]


async def test_a_symbol_that_an_instrument_has_ends_the_job(world: World) -> None:
    await fee_account(world.submit, FEES)()
    await set_instrument(world.pool, instrument(1), actor="demo")
    ended = await world.work(await world.approved(symbol="OAK1"))
    assert (ended.state, ended.reason) == (JobState.FAILED, "another instrument has the symbol OAK1USDC")


async def test_what_the_chain_refuses_ends_the_job_for_an_operator(world: World) -> None:
    ended = await world.work(await world.approved(allowed_countries=["FR"]))  # the issuer lives in Germany
    assert ended.state is JobState.FAILED
    assert "Compliance not followed" in ended.reason
    assert await world.pool.fetchval("SELECT state FROM properties") == "APPROVED"


async def test_it_waits_for_an_exchange_that_is_away(world: World) -> None:
    world.exchange_is_away = True
    property_id = await world.approved()
    assert (await world.work(property_id, until="the exchange is away")).state is not JobState.FAILED
    world.exchange_is_away = False
    assert (await world.tokenized(property_id)).instrument == 1


async def test_it_waits_for_a_chain_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "AWAY_S", 0.01)
    chain = world.platform.chain
    nobody = node(f"http://127.0.0.1:{free_port()}")
    property_id = await world.approved()
    world.platform.sender.chain = world.platform.owner.chain = nobody
    assert (await world.work(property_id, until="the chain is away")).state is not JobState.FAILED
    world.platform.sender.chain = world.platform.owner.chain = chain
    assert (await world.tokenized(property_id)).state is PropertyState.TOKENIZED
    await nobody.provider.disconnect()
