"""The scripts in `examples/` do what they say, as their own processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest

from tests.gateway.venue import ALICE, BOB, DEADLINE_S, SYMBOL, Venue

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


async def started(venue: Venue, script: str, *arguments: str) -> Process:
    key = venue.keys[ALICE]
    environment = os.environ | {
        "DEEDBOOK_REST": venue.rest_url,
        "DEEDBOOK_WS": venue.ws_url,
        "DEEDBOOK_KEY": key.key,
        "DEEDBOOK_SECRET": key.secret.decode(),
    }
    path = str(ROOT / "examples" / script)
    return await asyncio.create_subprocess_exec(
        sys.executable, path, *arguments, env=environment, stdout=PIPE, stderr=STDOUT
    )


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.readline()).decode().strip()


async def test_one_order_is_placed_followed_and_cancelled(venue: Venue) -> None:
    process = await started(venue, "signed_order.py", SYMBOL, "BUY", "1", "90")
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"placed 1: NEW" in output
    assert b"order 1 CANCELED CANCELED: 0.00 of 1.00 filled" in output
    assert b"cancelled 1 with 0.00 filled" in output


async def test_the_book_is_followed(venue: Venue) -> None:
    bob = await venue.trader(BOB)
    await bob.limit("BUY", "1", "90")
    process = await started(venue, "follow_book.py", SYMBOL, "1")
    assert await line(process) == "1: 90.00 / None"
    await bob.limit("SELL", "1", "95")
    assert await line(process) == "2: 90.00 / 95.00"
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0


async def test_the_maker_quotes_fills_and_leaves_nothing_behind(venue: Venue) -> None:
    process = await started(venue, "market_maker.py", "OAK12/USDC", "--price", "100", "--quantity", "2")
    assert await line(process) == "quoting 2.0 at 99.5 / 100.5"
    bob = await venue.trader(BOB)
    await bob.limit("BUY", "0.5", "101")
    assert await line(process) == "filled: sell 0.5 at 100.5"
    assert await line(process) == "quoting 2.0 at 99.75 / 100.75"
    process.send_signal(signal.SIGTERM)
    assert await line(process) == "cancelled what rested"
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0
    alice = await venue.trader(ALICE)
    assert (await alice.do("openOrders.status"))["result"] == []
