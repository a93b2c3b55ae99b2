"""Service time of `Exchange.apply`: closed loop, one core, no socket, no fsync."""

from __future__ import annotations

import argparse
import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from time import perf_counter_ns
from typing import NamedTuple

from bench.flow import Flow
from bench.report import machine, percentiles_us
from deedbook import collector
from engine import types as t
from engine.engines import NAMES, Engine, engine_class
from engine.wire import COMMAND_SIZE, EVENT

LEAVES_OUT = "sockets, JSON, signatures, the journal and its fsync, other processes; the flow is made beforehand"
SINGLE_COMMANDS_MAX = 200_000


class Run(NamedTuple):
    latencies_ns: array[int]
    events: list[bytes]
    engine: Engine

    def digest(self) -> str:
        return hashlib.sha256(b"".join(self.events)).hexdigest()


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--resting", type=int, default=5_000, help="orders in the book")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=NAMES, help="default: the core where it is built")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails. The collector is set as in the exchange process."""
    collector.quiet()
    kind = engine_class(arguments.engine)
    flow = Flow(arguments.seed, arguments.resting)
    setup = flow.setup()
    batches = list(flow.batches(arguments.commands, arguments.batch))
    in_batches = timed(setup, batches, kind)
    singles = split(batches, SINGLE_COMMANDS_MAX)
    one_by_one = timed(setup, singles, kind)
    kinds: Counter[int] = Counter()
    for events in in_batches.events:
        kinds.update(row[1] for row in EVENT.iter_unpack(events))
    checks = {
        "same_events_one_by_one": b"".join(in_batches.events).startswith(b"".join(one_by_one.events)),
        "balances_add_up": balances_add_up(in_batches.engine),
        "book_not_crossed": book_not_crossed(in_batches.engine),
    }
    rate = arguments.commands * 1e9 / sum(in_batches.latencies_ns)
    print(
        f"engine: {kind.__name__}, {arguments.commands:,} commands, batches of {arguments.batch}, seed {arguments.seed}"
    )
    print(f"  machine      {machine()}")
    print(f"  flow         {dict(flow.kinds)}, {len(in_batches.engine.state().orders):,} resting at the end")
    print(f"  rate         {rate:,.0f} commands/s")
    print(f"  per batch    {percentiles_us(in_batches.latencies_ns)}")
    print(f"  per command  {percentiles_us(one_by_one.latencies_ns)} (each its own batch, the first {len(singles):,})")
    print(f"  trades       {kinds[t.EventKind.TRADE]:,} of {sum(kinds.values()):,} events")
    print(f"  rejected     {kinds[t.EventKind.REJECTED]:,}")
    print(f"  digest       {in_batches.digest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


def timed(setup: bytes, batches: Sequence[bytes], kind: type[Engine]) -> Run:
    engine, latencies_ns, answers = kind(), array("q"), []
    engine.apply(setup)
    for batch in batches:
        start_ns = perf_counter_ns()
        events = engine.apply(batch)
        latencies_ns.append(perf_counter_ns() - start_ns)
        answers.append(events)
    return Run(latencies_ns, answers, engine)


def split(batches: Sequence[bytes], commands_max: int) -> list[bytes]:
    records = (batch[at : at + COMMAND_SIZE] for batch in batches for at in range(0, len(batch), COMMAND_SIZE))
    return [record for record, _ in zip(records, range(commands_max), strict=False)]


def balances_add_up(engine: Engine) -> bool:
    """The identity for each balance, and what is owed sums to nothing."""
    balances = engine.state().balances
    each = all(b.level + b.advanced == b.free + b.held + b.requested + b.owed_out for b in balances)
    owed: Counter[int] = Counter()
    for balance in balances:
        owed[balance.instrument] += balance.owed_in - balance.owed_out
    return each and not any(owed.values())


def book_not_crossed(engine: Engine) -> bool:
    orders = engine.state().orders
    bids = [order.price_ticks for order in orders if order.side == t.Side.BUY]
    asks = [order.price_ticks for order in orders if order.side == t.Side.SELL]
    return not bids or not asks or max(bids) < min(asks)
