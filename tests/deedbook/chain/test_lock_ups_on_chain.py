"""A lock-up from the issuer's tokens to the last release, on real contracts: lots, permissions, orders, settlement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compliance.lock_ups import locked_up
from compliance.lost_wallets import replace_wallet
from compliance.permissions import compile_permissions
from deedbook.chain.chain_processor import Effects
from deedbook.chain.lock_up_effects import LockUpEffects
from engine import types as t
from engine.types import OrderType, Reason, Side, TimeInForce
from persistence.commands import in_words
from persistence.database import Pool
from settlement.artifacts import ours, trex
from settlement.infrastructure import read
from settlement.steps import Sender
from settlement.tokenization import InvestorTerms, mint, register_investor
from settlement.watched import ChainEvent, Contract, chain_event
from tests.deedbook.jobs.sale_world import add_user, give_facts, record_property
from tests.settlement.conftest import pool, postgres
from tests.settlement.local_chain import key, rich
from tests.settlement.test_recovery_on_chain import recover_tokens
from tests.settlement.world import (
    CASH_USDC_MICROS,
    GERMANY,
    OAK,
    TERMS,
    Deployed,
    World,
    account_of,
    deploy,
    investor,
    raw_address,
    world_on,
)

__all__ = ["pool", "postgres"]
ALICE, BOB = 0, 1
DAY_S = 24 * 3600
LOCK_UP_S = 40 * DAY_S
PRICE_TICKS = 100
ISSUER = key("manager")
TOKEN = trex("token/Token.sol/Token")


class LockedWorld:
    """A property whose tokens are locked up for who gets them from the issuer, and the back office that follows it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.effects = Effects()
        LockUpEffects().register(self.effects)
        self.holder = investor(ALICE)
        self._next_block = 0

    async def open(self) -> None:
        world = self.world
        await world.list_all()
        await world.caught_up()
        await rich(world.platform.chain, ISSUER.address)
        await register_investor(world.platform, world.deployed.infra, InvestorTerms(ISSUER.address, GERMANY))
        await mint(world.platform, world.deployed.suite, ISSUER.address, 1_000, "supply")
        for number in (ALICE, BOB):
            await world.fund(number, CASH_USDC_MICROS, 0)
        wallets = {name: raw_address(of.address) for name, of in (("ann", investor(ALICE)), ("manager", ISSUER))}
        users = {name: await add_user(world.pool, name, wallet) for name, wallet in wallets.items()}
        for name, wallet in wallets.items():
            await give_facts(world.pool, users[name], wallet)
        await record_property(world.pool, users["manager"], wallets["manager"], world.deployed.suite)
        await world.pool.execute("UPDATE instruments SET listed_seq = 1")

    async def from_issuer(self, tokens: int) -> None:
        """As a first sale does, and into the locker."""
        world = self.world
        sender = Sender(world.platform.chain, ISSUER, world.platform.sender._steps)
        token = world.deployed.suite.token
        await sender.send(token, TOKEN.call_data("transfer", [self.holder.address, tokens]))
        await world.act(self.holder, "TokenLocker", "lock", token, tokens)

    async def pass_days(self, days: int) -> None:
        await self.world.rpc("evm_increaseTime", days * DAY_S)
        await self.world.mine()

    async def follow(self) -> None:
        """What is FINAL becomes facts, permissions, levels and positions."""
        world, module = self.world, raw_address(self.world.deployed.infra.lock_up_module)
        last = await world.chain.header(await world.chain.final_block())
        for log in await world.chain.logs([module], self._next_block, last):
            event = chain_event(log, Contract.LOCK_UP)
            if event is not None and event.name in self.effects.names:
                async with world.pool.acquire() as connection, connection.transaction():
                    await self.effects(connection, event)
        self._next_block = last.number + 1
        done = await compile_permissions(world.pool, in_words(world.feed.submit), last.time_s * 10**9)
        assert done.refused == []
        await world.listen()

    def permission(self, account: int) -> t.SetPermission:
        permissions = self.world.feed.exchange.state().permissions
        return next(each for each in permissions if each.account == account)

    async def sell(self, qty_lots: int) -> t.Event:
        order = t.Place(account_of(ALICE), OAK, Side.SELL, OrderType.LIMIT, TimeInForce.GTC, PRICE_TICKS, qty_lots)
        return (await self.world.feed.send(order))[0]

    async def require_locked_up(self, qty_lots: int) -> None:
        assert await self.sell(qty_lots) == t.Rejected(account_of(ALICE), OAK, Reason.LOCKED_UP, 0)

    async def require_agreement(self) -> None:
        """What is written down is what the chain says, and so is what the engine keeps back."""
        world, alice = self.world, self.holder.address
        infra, suite = world.deployed.infra, world.deployed.suite
        module = ours("LockUpModule")
        lots = await read(world.platform.chain, module, infra.lock_up_module, "lotsOf", suite.compliance, alice)
        now = datetime.fromtimestamp((await world.chain.head()).time_s, UTC)
        kept = await locked_up(world.pool, [raw_address(alice)], now)
        assert [(each.base_units, int(each.released_at.timestamp())) for each in kept] == [tuple(lot) for lot in lots]
        assert self.permission(account_of(ALICE)).locked_lots == sum(amount for amount, _ in lots)
        assert await world.mismatches() == []

    async def sell_and_settle(self, qty_lots: int) -> None:
        world = self.world
        trade = await world.trade(buyer=BOB, seller=ALICE, qty_lots=qty_lots, price_ticks=PRICE_TICKS)
        await world.mine_batches()
        await world.listen()
        assert world.settled()[trade] == Reason.NONE


@pytest.fixture(scope="module")
def locked_deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    terms = replace(TERMS, lock_up_s=LOCK_UP_S, issuer=ISSUER.address)
    return asyncio.run(deploy(tmp_path_factory.mktemp("deploy"), terms))


@pytest.fixture
async def locked(locked_deployed: Deployed, pool: Pool, tmp_path: Path) -> AsyncIterator[LockedWorld]:
    async with world_on(locked_deployed, pool, tmp_path) as world:
        made = LockedWorld(world)
        await made.open()
        yield made


async def test_the_lots_of_a_compliance_that_is_no_property_s_are_nothing_to_us(locked: LockedWorld) -> None:
    words = {
        "compliance": "0x" + "77" * 20,
        "wallet": locked.holder.address,
        "amount": "5",
        "releasedAt": "4000000000",
    }
    for at, name in enumerate(("LockUp.LotLockedUp", "LockUp.LotTaken")):
        event = ChainEvent(9, bytes(32), at, bytes(32), bytes(20), name, words)
        async with locked.world.pool.acquire() as connection, connection.transaction():
            await locked.effects(connection, event)
    assert await locked.world.pool.fetchval("SELECT count(*) FROM lock_ups") == 0


async def test_lots_are_released_by_date_and_sold_no_sooner(locked: LockedWorld) -> None:
    await locked.from_issuer(60)
    await locked.pass_days(10)
    await locked.from_issuer(40)
    await locked.follow()
    await locked.require_agreement()
    await locked.require_locked_up(1)
    manager = await locked.world.pool.fetchval("SELECT account FROM wallets WHERE account > $1", account_of(4))
    assert (locked.permission(manager).may_buy, locked.permission(manager).may_sell) == (1, 0)

    await locked.pass_days(31)  # the first lot's 40 days are over
    await locked.follow()
    await locked.require_agreement()
    await locked.require_locked_up(61)
    await locked.sell_and_settle(25)
    await locked.require_agreement()
    await locked.require_locked_up(36)
    await locked.sell_and_settle(35)
    await locked.require_locked_up(1)

    await locked.pass_days(10)
    await locked.follow()
    await locked.require_agreement()
    await locked.sell_and_settle(40)
    assert locked.world.engine_balance(ALICE, OAK).level == 0
    assert set(locked.world.settled().values()) == {Reason.NONE}


async def test_a_recovered_wallet_has_its_lots_with_their_dates(locked: LockedWorld) -> None:
    await locked.from_issuer(60)
    await locked.pass_days(10)
    await locked.from_issuer(40)
    await locked.pass_days(31)
    await locked.follow()
    lost, locked.holder = locked.holder, key("alice's new wallet")
    await recover_tokens(locked.world, lost.address, locked.holder.address)
    await locked.follow()
    async with locked.world.pool.acquire() as connection, connection.transaction():
        wallets = (raw_address(lost.address), raw_address(locked.holder.address))
        assert await replace_wallet(connection, *wallets, block=1, actor="test")
    await locked.world.mine()
    await locked.follow()
    await locked.require_agreement()
    await locked.require_locked_up(61)
    await locked.sell_and_settle(60)
    await locked.require_locked_up(1)
    await locked.require_agreement()
