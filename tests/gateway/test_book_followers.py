"""Book keepers that we did not write follow half an hour's worth of market compressed into a minute."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine import types as t
from engine.wire import encode_command
from tests.gateway.test_market_data import book_of
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Venue

pytest.importorskip("unicorn_binance_local_depth_cache", reason="the clients are not installed; make test-all does")
pytestmark = pytest.mark.slow
FOLLOWERS = ("unicorn", "python_binance", "ccxt_pro")
SECONDS = 60
COMMANDS_PER_S = 1_500  # fifty a second for half an hour are 90,000
PROGRAM = Path(__file__).with_name("book_follower.py")


class Market:
    """A price that wanders, with orders around it that come, trade and go."""

    def __init__(self, venue: Venue, seed: int, accounts: tuple[int, ...] = (ALICE, BOB, CAROL)) -> None:
        self._venue = venue
        self._accounts = accounts
        self._random = Random(seed)
        self._price_ticks = 10_000
        self._last_order_id = 0

    def step(self, count: int) -> None:
        random = self._random
        self._last_order_id = (
            self._venue.sequencer.exchange.state().last_order_id if count > 50 else self._last_order_id
        )
        for _ in range(count):
            self._price_ticks = min(12_000, max(8_000, self._price_ticks + random.choice((-1, 0, 0, 1))))
            account = random.choice(self._accounts)
            command: t.Command
            if random.random() < 0.35:
                command = t.Cancel(
                    account, 1, random.randint(max(1, self._last_order_id - 600), self._last_order_id + 1)
                )
            else:
                side, away = random.randint(0, 1), random.randint(-5, 60)
                price = self._price_ticks + (away if side else -away)
                in_force = t.TimeInForce.GTC if random.random() < 0.9 else t.TimeInForce.IOC
                command = t.Place(account, 1, side, t.OrderType.LIMIT, in_force, price, random.randint(1, 500))
            self._venue.sequencer.submit(encode_command(command), None)


async def start(kind: str, venue: Venue) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), kind, venue.ws_url, venue.rest_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n", kind
    return process


async def finish(process: asyncio.subprocess.Process, book: Any) -> Any:
    output, _ = await process.communicate(json.dumps(book).encode() + b"\n")
    return json.loads(output.splitlines()[-1])


async def trade(market: Market, until: asyncio.Event, commands_per_s: int = COMMANDS_PER_S) -> int:
    """Commands at an even pace; returns how many."""
    began, done = time.monotonic(), 0
    while not until.is_set():
        due = int((time.monotonic() - began) * commands_per_s) - done
        market.step(due)
        done += due
        await asyncio.sleep(0.02)
    return done


async def test_they_never_begin_anew(venue: Venue) -> None:
    over = asyncio.Event()
    trading = asyncio.create_task(trade(Market(venue, 1), over))
    try:
        processes = await asyncio.gather(*(start(kind, venue) for kind in FOLLOWERS))
        await asyncio.sleep(SECONDS)
    finally:
        over.set()
    assert await trading > 0.9 * SECONDS * COMMANDS_PER_S
    _, snapshot, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL, limit=5_000)
    results = await asyncio.gather(*(finish(process, book_of(snapshot)) for process in processes))
    levels = len(snapshot["bids"]) + len(snapshot["asks"])
    assert results == [{"equal": True, "restarts": 0, "levels": levels}] * len(FOLLOWERS)
    assert levels > 50
