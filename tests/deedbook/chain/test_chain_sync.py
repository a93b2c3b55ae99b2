"""The whole way of a chain event with real servers: anvil, observer, Valkey, processor, tables, effects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deedbook.chain.chain_processor import STREAM, ChainProcessor, Effects
from deedbook.embedded.valkey import Valkey
from persistence.database import Connection, Pool
from persistence.streams import Stream, connect
from settlement.chain import Chain, ChainMoved
from settlement.chain_book import ChainBook
from settlement.observer import NotRecorded, Observer
from settlement.tokenization import set_wallet_frozen
from settlement.watched import ChainEvent, Contract, chain_event, watched_contracts
from tests.settlement.conftest import deployed, pool, postgres
from tests.settlement.world import INVESTORS, Deployed, World, investor, world_on

__all__ = ["deployed", "pool", "postgres"]
DEADLINE_S = 90.0
FROZEN = "Token.AddressFrozen"


@pytest.fixture
async def world(deployed: Deployed, pool: Pool, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(deployed, pool, tmp_path) as made:
        yield made


async def test_nothing_is_lost_or_done_twice_while_redis_is_flushed_and_the_chain_reorganized(
    world: World, tmp_path: Path
) -> None:
    seen: list[tuple[str, bool]] = []

    async def effect(_connection: Connection, event: ChainEvent) -> None:
        seen.append((event.data["wallet"], event.data["is_frozen"]))

    effects = Effects()
    effects.on_event(FROZEN, effect)
    chain = Chain(world.anvil.url, confirmations=3, timeout_s=5)
    async with Valkey(tmp_path) as server:
        client = connect(server.url)
        stream = Stream(client, STREAM)
        contracts = watched_contracts(world.deployed.infra)
        observer = Observer(chain, ChainBook(world.pool), stream, contracts, recorded_within_s=1)
        tasks = [
            asyncio.create_task(ChainProcessor(world.pool, stream, effects).run()),
            asyncio.create_task(_observe(observer)),
        ]
        try:
            for number in range(INVESTORS):
                await set_wallet_frozen(world.platform, world.deployed.suite, investor(number).address, True)
                await client.flushall()
                await world.mine(4)  # what is FINAL stays
                await world.fund(number, 1_000_000, 0)
                await world.rpc("anvil_reorg", 2, [])  # the deposit is undone, or done in another block
                await client.flushall()
            await world.mine(6)
            deadline = time.monotonic() + DEADLINE_S
            while len(seen) < INVESTORS or await _open(world.pool, chain):
                assert time.monotonic() < deadline, f"{len(seen)} effects"
                assert not any(task.done() for task in tasks), "both go on"
                await asyncio.sleep(0.05)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.aclose()
    wallets = [investor(number).address.lower() for number in range(INVESTORS)]
    assert seen == [(wallet, True) for wallet in wallets]
    assert await _final_events(world.pool) == await _final_logs(world, chain)
    await chain.close()


async def _observe(observer: Observer) -> None:
    while True:
        try:
            if not await observer.step():
                await asyncio.sleep(0.05)
        except (NotRecorded, ChainMoved):
            continue


async def _open(pool: Pool, chain: Chain) -> bool:
    """Whether something FINAL is not recorded so."""
    recorded = await pool.fetchval("SELECT max(block) FROM chain_blocks WHERE is_final")
    return recorded is None or recorded < await chain.final_block()


async def _final_events(pool: Pool) -> set[tuple[bytes, int]]:
    rows = await pool.fetch(
        "SELECT block_hash, log_index FROM chain_events WHERE state = 'FINAL' AND name ~ 'Vault|Token'"
    )
    return {(row["block_hash"], row["log_index"]) for row in rows}


async def _final_logs(world: World, chain: Chain) -> set[tuple[bytes, int]]:
    """Of the vault and the token, by asking the node; the token's own settings are not watched."""
    final = await chain.header(await chain.final_block())
    kinds = {
        world.addresses.vault: Contract.VAULT,
        world.token: Contract.TOKEN,
        world.addresses.locker: Contract.LOCKER,
    }
    logs = await chain.logs(list(kinds), 0, final)
    events = [event for log in logs if (event := chain_event(log, kinds[log.address])) is not None]
    listed = min((event.block for event in events if event.name == "Locker.TokenListed"), default=0)
    return {
        (event.block_hash, event.log_index)
        for event in events
        if ("Vault" in event.name or "Token" in event.name) and (event.contract != world.token or event.block >= listed)
    }
