"""The settlement process on the real feed, journal, database, stream, chain and signers, killed while it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random

import msgspec
import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address

from deedbook.embedded.valkey import Valkey
from deedbook.layout import Layout
from deedbook.settings import Settings
from deedbook.settlement import Settlement
from deedbook.signer import policy_of, serve
from deedbook.signing_desk import Ledger, ReleaseDesk, SigningDesk
from engine import types as t
from engine.exchange import Exchange
from persistence.commands import Submit, in_words
from persistence.database import Pool
from persistence.feed import FeedClient, FeedServer
from persistence.journal import JournalWriter
from persistence.sequencer import Sequencer
from persistence.streams import connect
from settlement.reconcile import chain_levels, compare, wallets_of
from settlement.trades import Token
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.settlement.local_chain import keys
from tests.settlement.world import (
    FEE_ACCOUNT,
    INVESTORS,
    OAK,
    Deployed,
    World,
    account_of,
    deploy,
    investor,
    listing,
    raw_address,
    until,
    world_on,
)

__all__ = ["empty_database", "pool", "postgres"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return asyncio.run(deploy(tmp_path_factory.mktemp("deploy")))


class OneLotOneUnit(Settlement):
    """The instruments table is the back office's; here a lot is one base unit."""

    async def _lot_of(self, token: Token) -> int | None:
        return 1


def _fail(error: BaseException) -> None:
    raise AssertionError("the exchange died") from error


async def one_unit(_: Token) -> int | None:
    return 1


def write_key(layout: Layout, role: str, account: LocalAccount) -> None:
    layout.signer_keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = layout.signer_keys / f"{role}.key"
    path.touch(0o600)
    path.write_text(bytes(account.key).hex() + "\n")


@asynccontextmanager
async def exchange_on(layout: Layout) -> AsyncIterator[Exchange]:
    writer, exchange = JournalWriter.open(layout.journal), Exchange()
    sequencer = Sequencer(exchange, writer, time.time_ns, _fail, layout.poison)
    server = FeedServer(layout.feed_socket, sequencer, layout.journal)
    sequencer.subscribers.append(server.on_durable)
    await server.start()
    try:
        yield exchange
    finally:
        await sequencer.stop()
        await server.stop()
        writer.close()


@asynccontextmanager
async def signers_on(layout: Layout, world: World) -> AsyncIterator[None]:
    infra = world.deployed.infra
    vault, locker = bytes(to_canonical_address(infra.vault)), bytes(to_canonical_address(infra.locker))
    servers = []
    for role, account in (("operator", keys().operator), ("releaser", keys().releaser)):
        write_key(layout, role, account)
        releases = ReleaseDesk(layout.journal, vault, locker, one_unit) if role == "releaser" else None
        ledger = Ledger(layout.signer_keys / f"{role}.ledger")
        desk = SigningDesk(account, policy_of(role, infra, 31337), ledger, releases, lambda: int(time.time()))
        servers.append(await serve(desk, layout.signer_socket(role)))
    try:
        yield
    finally:
        for server in servers:
            server.close()


async def open_market(world: World, submit: Submit) -> None:
    await submit([t.OpenAccount(FEE_ACCOUNT, raw_address(keys().fee_account.address))])
    for number in range(INVESTORS):
        await submit([t.OpenAccount(account_of(number), raw_address(investor(number).address))])
    permissions = [t.SetPermission(account_of(number), OAK, 1, 1, 2**62) for number in range(INVESTORS)]
    await submit([listing(world.token), t.SetFees(OAK, 5, 10), *permissions])
    for number in range(INVESTORS):
        await world.fund(number, 10**9, 1_000)
    await world.mine(3)


async def trade(submit: Submit, buyer: int, seller: int) -> int:
    limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
    await submit([t.Place(account_of(seller), OAK, t.Side.SELL, limit, gtc, 100, 1)])
    (answer,) = await submit([t.Place(account_of(buyer), OAK, t.Side.BUY, limit, gtc, 100, 1)])
    return sum(isinstance(event, t.Trade) for event in answer.events)


async def test_kills_lost_redis_and_new_starts_settle_and_release_everything_once(
    deployed: Deployed, pool: Pool, postgres: str, tmp_path: Path
) -> None:
    seed = 20_251_124
    random, layout = Random(seed), Layout(tmp_path / "data")
    layout.chain.mkdir(parents=True)
    (layout.chain / "infrastructure.json").write_bytes(msgspec.json.encode(deployed.infra))
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(Valkey(layout.root))
        world = await stack.enter_async_context(world_on(deployed, pool, tmp_path))
        exchange = await stack.enter_async_context(exchange_on(layout))
        await stack.enter_async_context(signers_on(layout, world))
        settings = Settings(
            data_dir=layout.root, redis_url=valkey.url, chain_rpc_url=world.anvil.url, chain_is_local=True
        )
        client, redis = FeedClient(layout.feed_socket), connect(valkey.url)
        stack.push_async_callback(redis.aclose)
        stack.push_async_callback(client.close)
        submit = in_words(client.submit)
        await open_market(world, submit)
        running = await started(settings, pool)
        await until(lambda: len([each for each in exchange.state().balances if each.level]) >= 2 * INVESTORS)
        await world.act(investor(4), "CashVault", "requestWithdraw", 700)
        trades = 0
        for _ in range(6):
            buyer, seller = random.sample(range(INVESTORS - 1), 2)
            trades += await trade(submit, buyer, seller)
            await world.mine()
            await asyncio.sleep(random.random() * 0.6)
            await killed(*running)
            await redis.flushall()
            running = await started(settings, pool)
        ending = asyncio.create_task(mine_on(world))
        await until(lambda: exchange.state().last_final_trade_id == trades == 6, "everything settled")
        await until(lambda: released(pool), "the release")
        await until(lambda: cash_of(exchange, 4) == 10**9 - 700, "the withdrawal in the engine")
        await until(lambda: all_final(pool), "the tables")
        ending.cancel()
        await killed(*running)
        state = exchange.state()
        accounts = [each.account for each in state.accounts]
        instruments = (await world.records.instruments()).values()
        chain_now = await chain_levels(world.chain, world.addresses, accounts, wallets_of(state), instruments)
        assert compare(state.balances, chain_now) == []


async def started(settings: Settings, pool: Pool) -> tuple[Settlement, asyncio.Task[None]]:
    settlement = OneLotOneUnit(settings, pool)
    return settlement, asyncio.create_task(settlement.run())


async def killed(settlement: Settlement, task: asyncio.Task[None]) -> None:
    """As near to SIGKILL as a task comes: it is stopped wherever it waits."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await settlement.close()


async def mine_on(world: World) -> None:
    while True:
        await world.mine()
        await asyncio.sleep(0.2)


async def released(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT bool_and(state IN ('FINAL', 'DROPPED')) FROM settlement_releases"))


async def all_final(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT bool_and(state = 'FINAL') FROM settlement_batches"))


def cash_of(exchange: Exchange, number: int) -> int:
    balances = exchange.state().balances
    return sum(each.level for each in balances if (each.account, each.instrument) == (account_of(number), t.USDC))
