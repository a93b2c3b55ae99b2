"""The engine by itself: its speed in batches and one by one, growth, memory, journal, snapshots, and other engines."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from bench import durable, growth, images, peers, speed
from bench.bare import BareFlow
from bench.footprint import bytes_an_order
from bench.report import machine
from bench.workload import Workload, flow, outcome_of, sweeps
from deedbook import collector
from engine.engines import NAMES, engine_class

LEAVES_OUT: Final = (
    "sockets, JSON, signatures, other processes; client order ids, where they are not named; trades that settle; "
    "the making of the commands; all but the quickest pass"
)
PARTS: Final = ("speed", "growth", "memory", "journal", "snapshot", "peers")
JOURNAL_BATCH: Final = 1_024


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--commands", type=int, default=1_000_000, help="of each variant")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--resting", type=int, nargs="+", default=(1_000, 50_000), help="orders in the book")
    parser.add_argument("--depth", type=int, default=300_000, help="orders that a sweep goes through")
    parser.add_argument("--growth-commands", type=int, default=200_000)
    parser.add_argument("--growth-resting", type=int, nargs="+", default=(1_000, 10_000, 100_000, 1_000_000))
    parser.add_argument("--growth-instruments", type=int, nargs="+", default=(1, 100, 10_000))
    parser.add_argument("--orders", type=int, default=1_000_000, help="of the snapshot and of the memory")
    parser.add_argument("--seconds", type=float, default=5.0, help="beside snapshots")
    parser.add_argument("--peer-commands", type=int, default=20_000, help="for each of the others, at most")
    parser.add_argument("--passes", type=int, default=5, help="of which the quickest counts")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured (default: that of temporary files)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=NAMES, help="default: the core where it is built")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails. The collector is set as in the exchange process."""
    collector.quiet()
    kind = engine_class(arguments.engine)
    print(f"engine: {kind.__name__}, batches of {arguments.batch}, seed {arguments.seed}")
    print(f"  machine      {machine()}")
    checks: dict[str, bool] = {}
    digest = hashlib.sha256()
    parts = {
        "speed": partial(_speed, arguments, digest),
        "growth": partial(_growth, arguments),
        "memory": partial(_memory, arguments),
        "journal": partial(_journal, arguments),
        "snapshot": partial(_snapshot, arguments),
        "peers": partial(_peers, arguments),
    }
    for name in arguments.parts:
        for check, holds in parts[name]().items():
            checks[check] = checks.get(check, True) and holds
    print(f"  digest       {digest.hexdigest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


def _speed(arguments: argparse.Namespace, digest: hashlib._Hash) -> Mapping[str, bool]:
    seed, commands, batch = arguments.seed, arguments.commands, arguments.batch
    makers: list[Callable[[], Workload]] = [partial(flow, seed, each, commands, batch) for each in arguments.resting]
    makers.append(partial(sweeps, seed, arguments.depth, commands, batch))
    checks: dict[str, bool] = {}
    for make in makers:  # one at a time: a million commands and what they bring fill half a gigabyte
        workload = make()
        digest.update(workload.expected.digest.encode())
        for check, holds in speed.measure(workload, engine_class(arguments.engine), arguments.passes).items():
            checks[check] = checks.get(check, True) and holds
    return checks


def _growth(arguments: argparse.Namespace) -> Mapping[str, bool]:
    sizes = [(resting, 1) for resting in arguments.growth_resting]
    kind, commands = engine_class(arguments.engine), arguments.growth_commands
    checks: dict[str, bool] = {}
    most = max(arguments.growth_instruments)
    for each in (sizes, [(10 * most, instruments) for instruments in arguments.growth_instruments]):
        checks |= growth.measure(arguments.seed, each, commands, arguments.batch, kind, arguments.passes)
    return checks


def _memory(arguments: argparse.Namespace) -> Mapping[str, bool]:
    for with_ids, what in ((False, "without client ids"), (True, "each with a client id of 36 bytes")):
        each = bytes_an_order(arguments.orders, arguments.engine, with_ids)
        print(f"  memory       {each:,.1f} bytes an order of {arguments.orders:,}, {what}; by resident size")
    return {}


def _journal(arguments: argparse.Namespace) -> Mapping[str, bool]:
    workload = flow(arguments.seed, arguments.resting[0], arguments.commands, JOURNAL_BATCH)
    return durable.measure(workload, JOURNAL_BATCH, engine_class(arguments.engine), arguments.directory)


def _snapshot(arguments: argparse.Namespace) -> Mapping[str, bool]:
    return images.measure(arguments.orders, arguments.batch, arguments.engine, arguments.seconds)


def _peers(arguments: argparse.Namespace) -> Mapping[str, bool]:
    commands = min(arguments.commands, arguments.peer_commands)
    workload = flow(arguments.seed, arguments.resting[0], commands, arguments.batch)
    bare = BareFlow()
    outcome_of(workload, engine_class(arguments.engine)(), bare.take)
    return peers.measure(bare)
