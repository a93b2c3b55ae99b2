"""The exchange process as it is: orders over websockets, answered when they are durable.

Four experiments on one exchange: one order at a time, alone and beside a client that floods; saturation, a closed loop;
and an open loop, whose latency counts from when an order was meant to be sent. Beside them the first and the third on a
bare echo server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from array import array
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import floor
from bench.client import REFUSED
from bench.disk import sync_ns
from bench.exchange import running
from bench.load import Job, Load, Phase, Trader
from bench.report import disk, machine, percentiles_us
from bench.requests import ACCOUNT_FIRST, Fields, Requests, fields_of, records, requests
from bench.sound import balances_add_up, book_not_crossed
from deedbook.layout import Layout
from engine import types as t
from engine.wire import COMMAND, EVENT
from gateway.keys import KeyStore
from persistence.journal_reader import JournalReader
from persistence.recovery import recovered

FLOOR_COMMANDS = 50_000
LEAVES_OUT = (
    "the network (loopback, no TLS), user data streams (without --user-data) and market data streams, rateLimits in "
    "answers, several instruments, database, follower, chain and settlement; clients reuse frames made beforehand"
)


class Plan(NamedTuple):
    """How many requests one at a time, at saturation and in the open loop, and how: as in bench.load.Job."""

    singles: int
    flood: int
    saturation: int
    in_flight: int
    open_loop: int
    rate: float
    user_data: bool


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=16, help="requests under way on each connection")
    parser.add_argument("--commands", type=int, default=300_000, help="at saturation")
    parser.add_argument("--rate", type=float, default=5_000.0, help="of the open loop, in orders a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the open loop")
    parser.add_argument("--singles", type=int, default=2_000, help="one at a time")
    parser.add_argument("--flood", type=int, default=100, help="pings of another client before each of as many singles")
    parser.add_argument("--resting", type=int, default=5_000, help="orders in the book")
    parser.add_argument("--response", choices=["ACK", "FULL"], default="ACK", help="what the answer to an order tells")
    parser.add_argument("--user-data", action="store_true", help="each connection listens to its user data stream")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured (default: that of temporary files)")
    parser.add_argument("--gateways", type=int, default=0, help="processes before the exchange (default: it has none)")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    open_loop = round(arguments.rate * arguments.seconds)
    singles = arguments.singles * (2 if arguments.flood else 1)
    count = singles + arguments.commands + open_loop
    made = requests(arguments.seed, arguments.resting, arguments.connections, count, arguments.response)
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-", dir=arguments.directory) as name:
        layout = Layout(Path(name))
        alone_ns = sync_ns(layout.root)
        plan = Plan(
            arguments.singles,
            arguments.flood,
            arguments.commands,
            arguments.in_flight,
            open_loop,
            arguments.rate,
            arguments.user_data,
        )
        load = asyncio.run(measure(layout, made, plan, arguments.gateways))
        echo = asyncio.run(_measure_floor(made, plan))
        checks, state_hash = checked(layout, made, load)
        where = disk(layout.root)
    print(f"gateway: {count:,} requests of {arguments.connections} connections, seed {arguments.seed}")
    print(f"  machine      {machine()}; {where}")
    print(f"  gateways     {arguments.gateways or 'none: the exchange itself'}; CPU is that of all together")
    print(f"  disk alone   a sync {percentiles_us(alone_ns)}")
    print(f"  flow         {dict(made.kinds)}, {arguments.resting:,} resting before")
    for phase in load.phases:
        _print_phase(phase)
    for phase in echo.phases:
        _print_phase(phase, "bare echo")
    print("  peer         left out: the gateway of matching-engine 0.1.1 wants Python 3.12")
    print(
        f"  in flight    {arguments.in_flight} a connection at saturation; open loop {arguments.rate:,.0f}/s, Poisson;"
        f" {arguments.response} answers"
    )
    print(f"  answers      {load.answered:,} durable, of these refused {load.refusals}; {load.events:,} events")
    print(f"  digest       {made.digest()}")
    print(f"  state        {state_hash}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


def _print_phase(phase: Phase, of: str = "exchange") -> None:
    if not phase.count:
        return
    rate = phase.count * 1e9 / phase.took_ns
    name = phase.name if of == "exchange" else f"{of}, {phase.name}:"
    print(f"  {name:12} {rate:,.0f} requests/s; {percentiles_us(array('q', phase.latencies))}")
    main, rest, load = (used / phase.count for used in (phase.cpu_main_us, phase.cpu_rest_us, phase.cpu_load_us))
    print(f"  {'':12} CPU a request: {of} {main:.1f} us + its threads {rest:.1f} us; load generator {load:.1f} us")


async def measure(layout: Layout, made: Requests, plan: Plan, gateways: int = 0) -> Load:
    """The load on an exchange of its own, whose data stay in `layout`."""
    keys = KeyStore(layout.api_keys)
    traders = [trader(keys, account, texts) for account, texts in enumerate(made.texts, ACCOUNT_FIRST)]
    async with running(layout, made.setup, gateways) as exchange:
        return await _load(exchange.port, exchange.pids, exchange.clients_core, traders, made, plan)


async def _measure_floor(made: Requests, plan: Plan) -> Load:
    """The same frames at the same pace, to a server that does nothing; a part of them is enough."""
    plan = plan._replace(saturation=min(plan.saturation, FLOOR_COMMANDS), flood=0, open_loop=0, user_data=False)
    traders = [Trader("", bytes(32), texts) for texts in made.texts]
    core, *others = sorted(os.sched_getaffinity(0))
    async with floor.running(core) as (pid, port):
        return await _load(port, [pid], others[0] if others else None, traders, made, plan)


def trader(keys: KeyStore, account: int, texts: list[bytes]) -> Trader:
    private = Ed25519PrivateKey.generate()
    key = keys.create_ed25519(account, private.public_key().public_bytes_raw())
    return Trader(key.key, private.private_bytes_raw(), texts)


async def _load(
    port: int, pids: list[int], core: int | None, traders: list[Trader], made: Requests, plan: Plan
) -> Load:
    job = Job(port, pids, core, traders, made.senders, *plan[:6], seed=1, user_data=plan.user_data)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.msgpack.encode(job))
    assert process.returncode == 0, "the load generator failed; see above"
    return msgspec.msgpack.decode(output, type=Load)


def checked(layout: Layout, made: Requests, load: Load) -> tuple[dict[str, bool], str]:
    """From the journal: it replays, and holds each account's requests in order with the outcome that it was told."""
    exchange = recovered(layout.journal, layout.snapshots)
    commands: list[list[Fields]] = [[] for _ in made.texts]
    outcomes = [bytearray() for _ in made.texts]
    first_seq = len(records(made.setup)) + 1
    with JournalReader(layout.journal, first_seq) as reader:
        for frame in reader.read():
            refused = {row[0] for row in EVENT.iter_unpack(frame.events) if row[1] == t.EventKind.REJECTED}
            for row in COMMAND.iter_unpack(frame.commands):
                if row[0] >= first_seq:
                    sender = row[9] - ACCOUNT_FIRST
                    commands[sender].append(fields_of(row))
                    outcomes[sender].append(1 + (row[0] in refused))
    assert REFUSED == 2
    checks = {
        "journal_replays": True,  # or `recovered` raised
        "journal_has_what_was_sent": commands == made.fields,
        "answers_are_the_journal's": [bytes(each) for each in outcomes] == load.outcomes,
        "balances_add_up": balances_add_up(exchange),
        "book_not_crossed": book_not_crossed(exchange),
    }
    return checks, exchange.state_hash().hex()
