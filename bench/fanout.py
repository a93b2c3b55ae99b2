"""One market's trades to many followers, by the exchange process as it is: how fast, at what memory, at whose cost.

Four experiments on one exchange: memory of a connection; messages a second to all followers, a closed loop in batches;
one order at a time, alone and beside a steady fan-out; and a follower that reads nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Final

import msgspec

from bench.client import Client
from bench.cpu import cpu_us
from bench.exchange import Running, running
from bench.flow import INSTRUMENT, START_TICKS, Flow
from bench.followers import Following, connect
from bench.gateway import trader
from bench.report import machine, percentiles_us
from bench.requests import ACCOUNT_FIRST, SYMBOL
from deedbook.layout import Layout
from engine import types as t
from engine.wire import encode_command
from gateway.connection import BUFFER_BYTES_MAX
from gateway.keys import KeyStore
from persistence.feed import FeedClient

STREAM: Final = f"{SYMBOL.lower()}@trade"
OUTSTANDING: Final = 2  # batches that are not with every follower yet
BATCHES_A_SECOND: Final = 10  # of the steady fan-out
SLOW_BATCH: Final = 200  # trades of one frame for the follower that reads nothing
SLOW_KERNEL_BYTES: Final = 4_096
MESSAGE_BYTES_MIN: Final = 100
LEAVES_OUT = "the network (loopback, no TLS), other streams, several instruments, database, chain, settlement"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--followers", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=9_900, help="in all, for their memory")
    parser.add_argument("--batch", type=int, default=10, help="trades of one frame")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each fan-out")
    parser.add_argument("--rate", type=float, default=100_000.0, help="messages a second beside the orders")
    parser.add_argument("--orders", type=int, default=1_000, help="one at a time, alone and beside")
    parser.add_argument("--gateways", type=int, default=0, help="processes before the exchange (default: it has none)")
    parser.add_argument("--no-slow-reader", action="store_true", help="leave that experiment out")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    setup = Flow(seed=1, resting=0, accounts=ACCOUNT_FIRST + 2).setup()
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-") as name:
        found = asyncio.run(_measure(arguments, Layout(Path(name)), setup))
    print(f"fanout: {arguments.followers:,} followers of {STREAM}, frames of {arguments.batch} trades")
    print(f"  machine      {machine()}")
    print(
        f"  gateways     {arguments.gateways or 'none: the exchange itself'}; CPU and memory are those of all together"
    )
    print(
        f"  memory       {found.bytes_a_connection / 1024:,.1f} KiB a connection, {arguments.connections:,} connections"
    )
    print(f"  fan-out      {found.messages_a_second:,.0f} messages/s; CPU {found.cpu_us_a_message:.2f} us a message")
    print(f"  order alone  {percentiles_us(found.alone_ns)}")
    print(f"  order beside {percentiles_us(found.beside_ns)} ({found.beside_a_second:,.0f} messages/s)")
    grown = f"the exchange grew by {found.slow_kib:,} KiB more than by the same trades without it"
    print(f"  slow reader  dropped after {found.slow_trades:,} trades; {grown}")
    print(f"  digest       {hashlib.sha256(setup + str(arguments).encode()).hexdigest()}")
    print(f"  checks       {found.checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(found.checks.values()) else 1


@dataclass
class Found:
    bytes_a_connection: float = 0.0
    messages_a_second: float = 0.0
    cpu_us_a_message: float = 0.0
    alone_ns: array[int] = field(default_factory=lambda: array("q"))
    beside_ns: array[int] = field(default_factory=lambda: array("q"))
    beside_a_second: float = 0.0
    slow_trades: int = 0
    slow_kib: int = 0
    checks: dict[str, bool] = field(default_factory=dict)


class Market:
    """Trades on demand: makers and one taker that meets them all, in one frame."""

    def __init__(self, layout: Layout) -> None:
        self._feed = FeedClient(layout.feed_socket)

    async def trade(self, count: int) -> None:
        limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
        sell = t.Place(ACCOUNT_FIRST, INSTRUMENT, t.Side.SELL, limit, gtc, START_TICKS, 1)
        buy = t.Place(ACCOUNT_FIRST + 1, INSTRUMENT, t.Side.BUY, limit, gtc, START_TICKS, count)
        answers = await self._feed.submit([encode_command(each) for each in (*[sell] * count, buy)])
        trades = sum(event[1] == t.EventKind.TRADE for event in answers[-1].events)
        assert trades == count, f"{trades} trades of {count}"

    async def close(self) -> None:
        await self._feed.close()


class Followers:
    """Their process; `came` is how many messages it has counted, rounded down to whole batches."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.came = 0

    async def until(self, messages: int) -> None:
        assert self._process.stdout is not None
        while self.came < messages:
            line = await self._process.stdout.readline()
            assert line, "the followers have stopped"
            self.came = int(line)


@asynccontextmanager
async def _followers(exchange: Running, count: int, silent: int, batch: int) -> AsyncIterator[Followers]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.followers", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    following = Following(exchange.port, exchange.clients_core, STREAM, count, silent, batch)
    process.stdin.write(msgspec.json.encode(following) + b"\n")
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield Followers(process)
    finally:
        await process.communicate(b"")  # closes its stdin, which says that it may end


async def _measure(arguments: argparse.Namespace, layout: Layout, setup: bytes) -> Found:
    found, followers = Found(), arguments.followers
    keys = KeyStore(layout.api_keys)
    texts = [_order(number) for number in range(2 * arguments.orders)]
    owner = trader(keys, ACCOUNT_FIRST + 2, texts)
    async with running(layout, setup, arguments.gateways) as exchange:
        market = Market(layout)
        client = Client(exchange.port, 20_000, texts, owner.api_key, owner.private_key, user_data=False)
        found.alone_ns = await asyncio.to_thread(_one_at_a_time, client, arguments.orders)
        before = _resident_bytes(exchange.pids)
        silent = max(0, arguments.connections - followers)
        async with _followers(exchange, followers, silent, arguments.batch) as crowd:
            found.bytes_a_connection = (_resident_bytes(exchange.pids) - before) / (followers + silent)
            await _closed_loop(arguments, exchange, market, crowd, found)
            sent = crowd.came
            steady = asyncio.create_task(_steadily(arguments, market))
            began = monotonic()
            found.beside_ns = await asyncio.to_thread(_one_at_a_time, client, arguments.orders)
            steady_trades = await steady
            await crowd.until(sent + steady_trades // arguments.batch * arguments.batch * followers)
            found.beside_a_second = steady_trades * followers / (monotonic() - began)
            found.checks["no_follower_has_a_trade_twice"] = crowd.came <= sent + steady_trades * followers
        if not arguments.no_slow_reader:
            async with _followers(exchange, 1, 0, SLOW_BATCH) as crowd:
                await _slow_reader(exchange, market, crowd, found)
        client.close()
        await market.close()
    return found


async def _closed_loop(
    arguments: argparse.Namespace, exchange: Running, market: Market, crowd: Followers, found: Found
) -> None:
    step = arguments.batch * arguments.followers
    cpu_before, began, batches = cpu_us(exchange.pids)[0], monotonic(), 0
    while monotonic() - began < arguments.seconds:
        await market.trade(arguments.batch)
        batches += 1
        await crowd.until((batches - OUTSTANDING) * step)
    await crowd.until(batches * step)
    found.messages_a_second = batches * step / (monotonic() - began)
    found.cpu_us_a_message = (cpu_us(exchange.pids)[0] - cpu_before) / (batches * step)


async def _steadily(arguments: argparse.Namespace, market: Market) -> int:
    """Frames at an even pace; returns how many trades."""
    batch: int = max(1, round(arguments.rate / arguments.followers / BATCHES_A_SECOND))
    began, batches = monotonic(), 0
    while (due_s := batches / BATCHES_A_SECOND) < arguments.seconds:
        await asyncio.sleep(max(0.0, began + due_s - monotonic()))
        await market.trade(batch)
        batches += 1
    return batches * batch


def _one_at_a_time(client: Client, count: int) -> array[int]:
    client.latencies_ns = array("q")
    for _ in range(count):
        client.send(1, monotonic_ns())
        while client.under_way:
            client.receive()
    return client.latencies_ns


async def _slow_reader(exchange: Running, market: Market, crowd: Followers, found: Found) -> None:
    """Until it is dropped; the other follower must have every trade."""
    slow = connect(exchange.port, 20_001, STREAM, SLOW_KERNEL_BYTES)
    before = most = _resident_bytes(exchange.pids)
    frames_max = 4 * BUFFER_BYTES_MAX // (SLOW_BATCH * MESSAGE_BYTES_MIN)
    for number in range(1, frames_max + 1):
        await market.trade(SLOW_BATCH)
        most = max(most, _resident_bytes(exchange.pids))
        if _is_closed(exchange.port, slow.getsockname()[1]):
            found.slow_trades = number * SLOW_BATCH
            break
    await crowd.until(number * SLOW_BATCH)
    slow.close()
    without = _resident_bytes(exchange.pids)
    for _ in range(number):
        await market.trade(SLOW_BATCH)
    await crowd.until(2 * number * SLOW_BATCH)
    found.slow_kib = (most - before - (_resident_bytes(exchange.pids) - without)) // 1024
    found.checks["slow_reader_is_dropped"] = found.slow_trades > 0
    found.checks["the_other_reader_has_every_trade"] = crowd.came == 2 * number * SLOW_BATCH


def _is_closed(server_port: int, client_port: int) -> bool:
    """Whether the server has no connection with that port any more. Linux only."""
    ends = (f":{server_port:04X}", f":{client_port:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if local.endswith(ends[0]) and remote.endswith(ends[1]) and state == "01":
            return False
    return True


def _order(number: int) -> bytes:
    """A bid that nobody meets."""
    params = f'"symbol":"{SYMBOL}","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"0.01000","quantity":"1"'
    return f'{{"id":{number},"method":"order.place","params":{{{params},"newClientOrderId":"b{number}"}}}}'.encode()


def _resident_bytes(pids: Sequence[int]) -> int:
    """Of all together. Linux only."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")
