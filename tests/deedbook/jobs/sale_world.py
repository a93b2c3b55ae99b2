"""A tokenized property whose manager sells and whose investors buy: real routes, real database, real chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address
from hexbytes import HexBytes
from web3 import AsyncWeb3

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door, mount
from compliance.audit import record
from compliance.instruments import set_instrument
from compliance.registry import create_user, link_wallet, set_country, set_identity_registered, set_kyc
from compliance.roles import refusal
from compliance.rules import KycStatus
from deedbook.jobs.purchase import SaleJobs
from deedbook.notices.notify import notify
from deedbook.office.first_sale import BuyersRules, name_of, owns_wallet, sale_property
from deedbook.office.issuance import COUNTRIES
from persistence.database import Pool
from persistence.jobs import JobRow, JobState, Worker, enqueue, jobs
from properties.property import PropertyState, draft, move
from properties.terms import TermsWords, terms_of
from settlement.artifacts import ours, trex
from settlement.chain import Chain
from settlement.infrastructure import Delays, Infrastructure, deploy_infrastructure, read
from settlement.purchase import PURCHASE_JOB, SEEN_JOB, PurchaseDoors, Purchases
from settlement.sale import CLOSE_JOB, OPEN_JOB, Sales
from settlement.sale_contract import SaleContract
from settlement.sale_routes import routes
from settlement.steps import FileSteps, PostgresSteps, Receipt, Sender
from settlement.tokenization import (
    InvestorTerms,
    Platform,
    PropertyTerms,
    TokenSuite,
    deploy_property_token,
    mint,
    register_investor,
    unpause,
)
from settlement.trades import Wallet
from tests.fixtures.killing import KillingPool, Points
from tests.fixtures.registered import instrument
from tests.properties.office import TERMS
from tests.settlement.killing import Killed
from tests.settlement.local_chain import anvil, key, keys, platform_on, rich

KINDS = {OPEN_JOB, CLOSE_JOB, PURCHASE_JOB, SEEN_JOB}
SUPPLY = 1_000
GERMANY = 276
LOCK_UP_S = 40 * 24 * 3600
CONFIRMATIONS = 2
DEADLINE_S = 60.0
PRICE_USDC_MICROS = 10_500_000  # of one token, which is one lot
TOKEN = trex("token/Token.sol/Token")


class SaleWorld:
    """`people`: who calls the routes, by name; each has the wallet key(name)."""

    def __init__(self, pool: Pool, web3: AsyncWeb3[Any], url: str) -> None:
        self.pool = pool
        self.web3 = web3
        self.chain = Chain(url, CONFIRMATIONS)
        self.people: dict[str, Actor] = {}
        self.points: Points | None = None
        self.platform: Platform
        self.infra: Infrastructure
        self.suite: TokenSuite
        self.contract: SaleContract
        self.client: TestClient[Any, Any]
        self.property_id = UUID(int=0)

    # ---- people and their calls

    async def add_person(self, name: str, role: Role, *, has_facts: bool = True) -> None:
        wallet = to_canonical_address(key(name).address)
        user_id = await add_user(self.pool, name, wallet)
        self.people[name] = Actor(user_id, len(self.people) + 1, frozenset({role}), uuid4(), has_second_factor=True)
        await rich(self.web3, key(name).address)
        if not has_facts:
            return
        await give_facts(self.pool, user_id, wallet)
        await register_investor(self.platform, self.infra, InvestorTerms(key(name).address, GERMANY))

    async def ask(self, name: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.client.request(method, path, json=body, headers={"Person": name}) as response:
            assert response.status != 500, await response.text()
            return response.status, await response.json()

    async def answer(self, name: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        got, answer = await self.ask(name, method, path, body)
        assert got == status, answer
        return answer

    async def problem(self, name: str, method: str, path: str, body: Any = None) -> Any:
        got, answer = await self.ask(name, method, path, body)
        assert got >= 400, answer
        return answer

    def terms(self, **changes: Any) -> dict[str, Any]:
        now = datetime.now(UTC).replace(microsecond=0)
        window = {
            "opens_at": (now - timedelta(hours=1)).isoformat(),
            "closes_at": (now + timedelta(days=9)).isoformat(),
        }
        return {"price": "10.5", "qty_max": "500", "per_buyer_max": "100"} | window | changes

    def order(self, name: str, qty: str, **more: Any) -> dict[str, Any]:
        return {"property_id": str(self.property_id), "wallet": key(name).address, "qty": qty} | more

    @property
    def sale_path(self) -> str:
        return f"/properties/{self.property_id}/sale"

    async def open_sale(self, **changes: Any) -> Any:
        """Open, and FINAL."""
        await self.approve_tokens(SUPPLY)
        await self.answer("manager", "POST", self.sale_path, self.terms(**changes), status=202)
        await self.work()
        return await self.answer("manager", "GET", self.sale_path)

    async def funded(self, name: str, usdc_micros: int = 10**12) -> None:
        """With USDC that the sale may take."""
        await self.give_usdc(name, usdc_micros)
        await self.send(name, self.contract.approve_usdc(usdc_micros).to_json())

    async def signed(self, name: str, qty: str, **more: Any) -> dict[str, Any]:
        """The body of a purchase with all that the routes ask for."""
        asked = await self.problem(name, "POST", "/marketplace/buy", self.order(name, qty, **more))
        assert asked["reason"] == "SIGNATURE_MISSING", asked
        signature = sign(key(name), asked["typed_data"])
        return self.order(name, qty, nonce=asked["nonce"], deadline=asked["deadline"], signature=signature) | more

    async def buy(self, name: str, qty: str) -> Any:
        return await self.answer(name, "POST", "/marketplace/buy", await self.signed(name, qty), status=202)

    async def receipt(self, name: str, bought: Any) -> Any:
        return await self.answer(name, "GET", f"/marketplace/purchases/{bought['purchase_id']}")

    async def told(self, name: str) -> list[tuple[str, str]]:
        rows = await self.pool.fetch(
            "SELECT kind, text FROM notifications WHERE user_id = $1 ORDER BY notification_id",
            self.people[name].user_id,
        )
        return [tuple(row) for row in rows]

    # ---- the chain

    async def send(self, name: str, transaction: dict[str, Any]) -> None:
        """Sign and send what an answer gave, as a wallet does."""
        data = bytes.fromhex(transaction["data"][2:])
        await self.wallet(name).send(AsyncWeb3.to_checksum_address(transaction["to"]), data)

    def wallet(self, name: str) -> Sender:
        return Sender(self.web3, key(name), PostgresSteps(self.pool))

    async def give_usdc(self, name: str, usdc_micros: int) -> None:
        await self.platform.sender.send(
            self.infra.usdc, ours("MockUSDC").call_data("mint", [key(name).address, usdc_micros])
        )

    async def approve_tokens(self, qty: int) -> None:
        await self.send("manager", self.contract.approve_tokens(self.contract_token, qty).to_json())

    @property
    def contract_token(self) -> Any:
        return to_canonical_address(self.suite.token)

    async def usdc_of(self, name: str) -> int:
        micros: int = await read(self.web3, ours("MockUSDC"), self.infra.usdc, "balanceOf", key(name).address)
        return micros

    async def tokens_of(self, name: str) -> int:
        qty: int = await read(self.web3, TOKEN, self.suite.token, "balanceOf", key(name).address)
        return qty

    async def mine(self, blocks: int = 1, seconds: int = 0) -> None:
        if seconds:
            await self.web3.provider.make_request("evm_increaseTime", [seconds])
        for _ in range(blocks):
            await self.web3.provider.make_request("evm_mine", [])

    async def bring(self, name: str, order: dict[str, Any]) -> Receipt:
        """A signed purchase, brought to the contract by somebody's own wallet."""
        deadline_s = int(datetime.fromisoformat(order["deadline"]).timestamp())
        cost = int(order["qty"]) * PRICE_USDC_MICROS
        values = (order["wallet"], self.suite.token, int(order["qty"]), cost, int(order["nonce"]), deadline_s)
        data = ours("PrimarySale").call_data("buy", [values, bytes.fromhex(order["signature"][2:])])
        return await self.wallet(name).send(self.infra.sale, data)

    async def sold_events(self) -> int:
        topics: Any = [HexBytes(AsyncWeb3.keccak(text="Sold(address,address,uint256,uint256,uint256,uint256)"))]
        found = await self.web3.eth.get_logs({"fromBlock": 0, "address": self.infra.sale, "topics": topics})
        return len(list(found))

    # ---- the jobs

    def worker(self) -> Worker:
        """As a new process would make it."""
        pool: Any = self.pool
        if self.points is not None:
            self.points.start()
            pool = KillingPool(self.pool, self.points)
        sender = PointedSender(self, self.web3, self.platform.sender.account, PostgresSteps(pool))
        made = SaleJobs(pool, self.chain, sender, self.contract, name_of, notify)
        return Worker(pool, made.handlers(), poll_s=0.05, back_off_s=0.05)

    async def work(self, until: str = "") -> list[JobRow]:
        """Run workers, a new one after each kill, until every job has ended, or one waits for a reason with these
        words; blocks are mined meanwhile."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        running = asyncio.create_task(self.worker().run())
        try:
            while True:
                now = [each for each in await jobs(self.pool) if each.kind in KINDS]
                if all(each.state in (JobState.DONE, JobState.FAILED) for each in now):
                    return now
                if until and any(until in each.reason for each in now):
                    return now
                assert asyncio.get_running_loop().time() < deadline, now
                if running.done():
                    assert isinstance(running.exception(), Killed), running.exception()
                    running = asyncio.create_task(self.worker().run())
                await self.mine()
                await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class PointedSender(Sender):
    """May die after a broadcast."""

    def __init__(self, world: SaleWorld, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._world = world

    async def _broadcast(self, raw: bytes) -> None:
        points, name = self._world.points, f"broadcast {raw.hex()}"
        try:
            await super()._broadcast(raw)
        except asyncio.CancelledError:  # the job beside it died, and took this one with it
            if points is not None:
                points.died.add((name, 1))
            raise
        if points is not None:
            points.passed(name)


async def add_user(pool: Pool, name: str, wallet: bytes) -> UUID:
    user_id = await create_user(pool, f"{name}@example.com", actor="test")
    await link_wallet(pool, user_id, wallet, actor="test")
    return user_id


async def give_facts(pool: Pool, user_id: UUID, wallet: bytes) -> None:
    """All that one needs to trade, for 99 days."""
    await set_kyc(pool, user_id, KycStatus.APPROVED, datetime.now(UTC) + timedelta(days=99), actor="test")
    await set_country(pool, user_id, "DE", actor="test")
    await set_identity_registered(pool, wallet, is_registered=True, block=1, actor="test")


async def record_property(pool: Pool, manager_id: UUID, issuer: bytes, suite: TokenSuite) -> UUID:
    """Tokenized, as instrument 1."""
    words = msgspec.convert(
        dict(TERMS) | {"supply_tokens": str(SUPPLY), "token_decimals": 0, "lot_decimals": 0}, TermsWords
    )
    token, compliance = (to_canonical_address(each) for each in (suite.token, suite.compliance))
    async with pool.acquire() as connection, connection.transaction():
        made = await draft(connection, manager_id, issuer, terms_of(words, COUNTRIES))
        for state in (PropertyState.PENDING_APPROVAL, PropertyState.APPROVED):
            await move(connection, made.property_id, state)
        await connection.execute(
            "UPDATE properties SET mint_approved_at = now(), token = $2, identity_registry = $2, instrument = 1,"
            " compliance_contract = $3, state = 'TOKENIZED', tokenized_at = now() WHERE property_id = $1",
            *(made.property_id, token, compliance),
        )
    listed = replace(instrument(1), token=token, token_decimals=0, lot_decimals=0)
    await set_instrument(pool, replace(listed, lock_up_days=1, issuer_wallet=issuer), actor="test")
    return made.property_id


def sign(account: LocalAccount, typed_data: dict[str, Any]) -> str:
    """As eth_signTypedData_v4 does, by an independent library."""
    signed = account.sign_message(encode_typed_data(full_message=typed_data))
    return f"0x{bytes(signed.signature).hex()}"


@asynccontextmanager
async def sale_world(pool: Pool, directory: Path) -> AsyncIterator[SaleWorld]:
    """A property of 1000 tokens that the manager has, and ann and bob who may buy."""
    async with anvil() as web3:
        world = SaleWorld(pool, web3, str(web3.provider.endpoint_uri))
        world.platform = await platform_on(web3, FileSteps(directory / "steps.json"))
        world.infra = await deploy_infrastructure(world.platform, keys().roles(), Delays())
        sale, usdc = (Wallet(to_canonical_address(each)) for each in (world.infra.sale, world.infra.usdc))
        world.contract = SaleContract(world.chain, sale, usdc)
        await world.add_person("manager", Role.PROPERTY_MANAGER)
        await world.add_person("ann", Role.INVESTOR)
        await world.add_person("bob", Role.INVESTOR)
        await _tokenize(world)
        async with _client(world) as client:
            world.client = client
            yield world
        await world.chain.close()


async def _tokenize(world: SaleWorld) -> None:
    manager = key("manager").address
    terms = PropertyTerms("OAK12", "12 Oak Street", "OAK12", lock_up_s=LOCK_UP_S, issuer=manager)
    world.suite = await deploy_property_token(world.platform, world.infra, terms)
    await mint(world.platform, world.suite, manager, SUPPLY, "supply")
    await unpause(world.platform, world.suite)
    manager_id = world.people["manager"].user_id
    world.property_id = await record_property(world.pool, manager_id, to_canonical_address(manager), world.suite)


@asynccontextmanager
async def _client(world: SaleWorld) -> AsyncIterator[TestClient[Any, Any]]:
    pool, contract = world.pool, world.contract
    sales = Sales(pool, contract, sale_property, record, enqueue)
    rules = BuyersRules(pool, contract)
    purchases = Purchases(PurchaseDoors(pool, sale_property, owns_wallet, rules.require, record, enqueue), contract)

    async def authenticate(request: web.Request) -> Actor | None:
        return world.people.get(request.headers.get("Person", ""))

    limits = Limits(time.monotonic, calls_a_second=10_000, calls_at_once=10_000)
    app = web.Application()
    mount(app, routes(sales, purchases), Door(authenticate, refusal, limits))
    async with TestClient(TestServer(app)) as client:
        yield client
