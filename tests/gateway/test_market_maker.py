"""The example's market maker over an exchange that is killed under it: no quote twice, no fill lost."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deedbook.embedded.child import free_port
from deedbook.layout import Layout
from deedbook.process import Process
from deedbook.settings import VARIABLES, Settings
from engine.types import CommandKind, EventKind
from engine.wire import COMMAND, EVENT, encode_command
from gateway.keys import Key, KeyStore
from persistence.database import connect, migrate
from persistence.feed import FeedClient
from persistence.journal_reader import JournalReader
from persistence.projections import project
from tests.fixtures.postgres import empty_database, postgres
from tests.gateway.venue import ALICE, BOB, Trader, market_commands

pytest.importorskip("ccxt", reason="ccxt is not installed; make test-all installs it")
__all__ = ["empty_database", "postgres"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.timeout(360)]
ROOT = Path(__file__).resolve().parents[2]
KILLS, TRADES_BETWEEN, DEADLINE_S = 2, 4, 300.0


class Market:
    """An exchange process on ports that stay the same, and a trader who takes what the maker quotes."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.layout = Layout(directory)
        settings = Settings(
            data_dir=directory, database_url=database_url, websocket_port=free_port(), rest_port=free_port()
        )
        self.rest, self.ws = f"http://127.0.0.1:{settings.rest_port}", f"ws://127.0.0.1:{settings.websocket_port}"
        ours = {name for name, _ in VARIABLES.values()}
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        self.process = Process(
            "exchange",
            [sys.executable, "-m", "deedbook.exchange"],
            environment=lambda: environment | settings.to_environment(),
            log_directory=self.layout.logs,
        )

    async def kill(self) -> None:
        os.kill(self.process.pid, 9)
        await self.process.wait()
        await self.process.stop()
        await self.process.start()

    async def take(self, http: aiohttp.ClientSession, key: Key, count: int) -> None:
        """Buy and sell in turns until so many orders met the maker's; quietly over what is lost."""
        done = 0
        while done < count:
            try:
                async with http.ws_connect(f"{self.ws}/ws-api/v3") as socket:
                    trader = Trader(socket, key)
                    while done < count:
                        side, price = ("BUY", "150") if done % 2 else ("SELL", "50")
                        answer = await trader.limit(side, "0.25", price, timeInForce="IOC")
                        done += answer.get("result", {}).get("executedQty") == "0.25"
            except (aiohttp.ClientError, AssertionError, ConnectionError):
                await asyncio.sleep(0.05)


@pytest.fixture
async def market(tmp_path: Path, empty_database: str) -> AsyncIterator[Market]:
    """With its database, and the projector that the back office runs."""
    market = Market(tmp_path, empty_database)
    pool = await connect(empty_database)
    await migrate(pool)
    await market.process.start()
    feed = FeedClient(market.layout.feed_socket)
    projecting = asyncio.create_task(project(pool, feed.frames))
    for answer in await feed.submit([encode_command(command) for command in market_commands()]):
        assert all(event[1] != EventKind.REJECTED for event in answer.events)
    try:
        yield market
    finally:
        projecting.cancel()
        await asyncio.gather(projecting, return_exceptions=True)
        await feed.close()
        await market.process.stop()
        await pool.close()


async def test_the_maker_survives_the_exchange(market: Market) -> None:
    keys = KeyStore(market.layout.api_keys)
    alice, bob = keys.create_hmac(ALICE), keys.create_hmac(BOB)
    environment = os.environ | {
        "DEEDBOOK_REST": market.rest,
        "DEEDBOOK_WS": market.ws,
        "DEEDBOOK_KEY": alice.key,
        "DEEDBOOK_SECRET": alice.secret.decode(),
    }
    script = [str(ROOT / "examples" / "market_maker.py"), "OAK12/USDC", "--price", "100", "--quantity", "2"]
    maker = await asyncio.create_subprocess_exec(sys.executable, *script, env=environment, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as http:
            for _ in range(KILLS):
                taking = asyncio.create_task(market.take(http, bob, TRADES_BETWEEN))
                await market.take(http, bob, TRADES_BETWEEN // 2)
                await market.kill()
                await taking
            maker.terminate()
            output, _ = await maker.communicate()
    finally:
        with suppress(ProcessLookupError):
            maker.kill()
    lines = output.decode().splitlines()
    assert maker.returncode == 0, output.decode()[-2_000:]
    assert any(line.startswith("lost the exchange") for line in lines)
    await market.process.stop()
    trades, client_ids, most_open = told_by(market.layout)
    assert len([line for line in lines if line.startswith("filled")]) == trades
    assert lines[-1] == f"{trades} trades"
    assert len(client_ids) == len(set(client_ids))
    assert most_open == 1


def told_by(layout: Layout) -> tuple[int, list[bytes], int]:
    """From the journal: the maker's trades, the client ids of its orders, and the most it had open on one side."""
    trades, client_ids, most_open = 0, [], 0
    open_sides: dict[int, int] = {}
    with JournalReader(layout.journal, 1) as reader:
        for frame in reader.read():
            commands = {row[0]: row for row in COMMAND.iter_unpack(frame.commands)}
            for event in EVENT.iter_unpack(frame.events):
                trades += event[1] == EventKind.TRADE and ALICE in (event[4], event[13])
                if event[1] == EventKind.ACCEPTED and event[4] == ALICE:
                    assert commands[event[0]][2] == CommandKind.PLACE
                    client_ids.append(commands[event[0]][18])
                    open_sides[event[5]] = event[14]
                ended: Any = event[5] if event[1] == EventKind.CLOSED else event[6] if filled(event) else None
                open_sides.pop(ended, None)
                most_open = max(most_open, *(list(open_sides.values()).count(side) for side in (0, 1)))
    return trades, client_ids, most_open


def filled(event: tuple[Any, ...]) -> bool:
    """A trade that was its maker's last."""
    return bool(event[1] == EventKind.TRADE and event[15])
