"""The gateway on the real sequencer and journal: what was acknowledged is in the journal, and a restart shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from engine.engines import Engine
from engine.wire import encode_command
from gateway.api import Gateway
from gateway.keys import KeyStore
from persistence.journal import JournalWriter
from persistence.recovery import recovered
from persistence.sequencer import Durable, Sequencer
from tests.gateway.venue import ALICE, BOB, CAROL, DEADLINE_S, SYMBOL, Trader, market_commands

SEGMENT_BYTES = 1024 * 1024


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[Gateway, Sequencer, Engine, KeyStore]]:
    writer = JournalWriter.open(directory / "journal", SEGMENT_BYTES)
    exchange = recovered(directory / "journal", directory / "snapshots")
    fatal: list[BaseException] = []
    sequencer = Sequencer(exchange, writer, time.time_ns, fatal.append, directory / "poison")
    store = KeyStore(directory / "keys")
    gateway = Gateway(sequencer.submit, sequencer.submit_together, None, store)
    gateway.restore(exchange.state())
    sequencer.subscribers.append(gateway.on_durable)
    await gateway.start("127.0.0.1", 0, 0)
    try:
        yield gateway, sequencer, exchange, store
    finally:
        await gateway.stop()
        await sequencer.stop()
        writer.close()
        assert not fatal


async def traders(gateway: Gateway, http: aiohttp.ClientSession, store: KeyStore) -> list[Trader]:
    keys = {key.account: key for key in store.all()} or {each: store.create_hmac(each) for each in (ALICE, BOB, CAROL)}
    url = f"ws://127.0.0.1:{gateway.ws_port}/ws-api/v3"
    return [Trader(await http.ws_connect(url), keys[account]) for account in (ALICE, BOB, CAROL)]


async def test_what_is_acknowledged_is_in_the_journal_and_comes_back(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with running(tmp_path) as (gateway, sequencer, _, store):
            frames: list[Durable] = []
            sequencer.subscribers.append(frames.append)
            for command in market_commands():
                assert sequencer.submit(encode_command(command), None) is None
            await eventually(lambda: bool(frames) and sequencer.durable_seq == len(list(market_commands())))
            alice, bob, _ = await traders(gateway, http, store)
            asked = [alice.limit("SELL", "1", f"{100 + number}.00") for number in range(20)]
            placed = [(await each)["result"]["orderId"] for each in asked]
            taken = await bob.limit("BUY", "2.5", "110")
            assert taken["result"]["executedQty"] == "2.50"
            book = (await bob.ask("depth", symbol=SYMBOL))["result"]
        async with running(tmp_path) as (gateway, _, exchange, store):
            alice, bob, _ = await traders(gateway, http, store)
            resting = [row["orderId"] for row in (await alice.do("openOrders.status"))["result"]]
            assert resting == placed[2:]
            assert (await bob.ask("depth", symbol=SYMBOL))["result"] == book
            assert exchange.state().last_trade_id == 3


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.005)
