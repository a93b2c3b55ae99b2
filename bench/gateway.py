"""The exchange process as it is: orders over websockets, answered when they are durable.

Three experiments on one exchange: one order at a time; saturation, a closed loop; and an open loop, whose latency
counts from when an order was meant to be sent.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from array import array
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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

LEAVES_OUT = (
    "the network (loopback, no TLS), user data streams (without --user-data) and market data streams, rateLimits in "
    "answers, several instruments, database, follower, chain and settlement; clients reuse frames made beforehand"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=16, help="requests under way on each connection")
    parser.add_argument("--commands", type=int, default=300_000, help="at saturation")
    parser.add_argument("--rate", type=float, default=5_000.0, help="of the open loop, in orders a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the open loop")
    parser.add_argument("--singles", type=int, default=2_000, help="one at a time")
    parser.add_argument("--resting", type=int, default=5_000, help="orders in the book")
    parser.add_argument("--response", choices=["ACK", "FULL"], default="ACK", help="what the answer to an order tells")
    parser.add_argument("--user-data", action="store_true", help="each connection listens to its user data stream")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured (default: that of temporary files)")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    open_loop = round(arguments.rate * arguments.seconds)
    count = arguments.singles + arguments.commands + open_loop
    made = requests(arguments.seed, arguments.resting, arguments.connections, count, arguments.response)
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-", dir=arguments.directory) as name:
        layout = Layout(Path(name))
        alone_ns = sync_ns(layout.root)
        load = asyncio.run(_measure(arguments, made, layout, open_loop))
        checks, state_hash = _checks(layout, made, load)
        where = disk(layout.root)
    print(f"gateway: {count:,} requests of {arguments.connections} connections, seed {arguments.seed}")
    print(f"  machine      {machine()}; {where}")
    print(f"  disk alone   a sync {percentiles_us(alone_ns)}")
    print(f"  flow         {dict(made.kinds)}, {arguments.resting:,} resting before")
    for phase in load.phases:
        _print_phase(phase)
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


def _print_phase(phase: Phase) -> None:
    if not phase.count:
        return
    rate = phase.count * 1e9 / phase.took_ns
    print(f"  {phase.name:12} {rate:,.0f} orders/s; {percentiles_us(array('q', phase.latencies))}")
    main, rest, load = (used / phase.count for used in (phase.cpu_main_us, phase.cpu_rest_us, phase.cpu_load_us))
    print(f"  {'':12} CPU an order: exchange {main:.1f} us + its threads {rest:.1f} us; load generator {load:.1f} us")


async def _measure(arguments: argparse.Namespace, made: Requests, layout: Layout, open_loop: int) -> Load:
    keys = KeyStore(layout.api_keys)
    traders = [trader(keys, account, texts) for account, texts in enumerate(made.texts, ACCOUNT_FIRST)]
    async with running(layout, made.setup) as exchange:
        job = Job(
            port=exchange.port,
            exchange_pid=exchange.pid,
            core=exchange.clients_core,
            traders=traders,
            senders=made.senders,
            singles=arguments.singles,
            saturation=arguments.commands,
            in_flight=arguments.in_flight,
            open_loop=open_loop,
            rate=arguments.rate,
            seed=arguments.seed,
            user_data=arguments.user_data,
        )
        return await _load(job)


def trader(keys: KeyStore, account: int, texts: list[bytes]) -> Trader:
    private = Ed25519PrivateKey.generate()
    key = keys.create_ed25519(account, private.public_key().public_bytes_raw())
    return Trader(key.key, private.private_bytes_raw(), texts)


async def _load(job: Job) -> Load:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.msgpack.encode(job))
    assert process.returncode == 0, "the load generator failed; see above"
    return msgspec.msgpack.decode(output, type=Load)


def _checks(layout: Layout, made: Requests, load: Load) -> tuple[dict[str, bool], str]:
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
