"""Replay against apply in one run: what a start after a crash takes, for each second of full load before it."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from array import array
from pathlib import Path
from time import perf_counter_ns

from bench.flow import Flow
from bench.report import disk, machine, percentiles_us
from deedbook import collector
from engine.engines import Engine, engine_class
from persistence.journal import JournalWriter
from persistence.recovery import recovered

LEAVES_OUT = "snapshots (there are none); a cold disk: the journal was just written and is in the page cache"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--commands", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=64, help="commands of one frame")
    parser.add_argument("--resting", type=int, default=5_000, help="orders in the book")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured (default: that of temporary files)")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails. The collector is set as in the exchange process."""
    collector.quiet()
    flow = Flow(arguments.seed, arguments.resting)
    batches = [flow.setup(), *flow.batches(arguments.commands, arguments.batch)]
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-", dir=arguments.directory) as name:
        where = disk(Path(name))
        journal = Path(name, "journal")
        latencies_ns, applied = _applied(journal, batches)
        seq, state_hash = applied.seq, applied.state_hash()
        del applied  # what it holds would slow the next one's garbage collection down
        start_ns = perf_counter_ns()
        replayed = recovered(journal, Path(name, "snapshots"))
        replay_ns = perf_counter_ns() - start_ns
    checks = {"same_seq": replayed.seq == seq, "same_state": replayed.state_hash() == state_hash}
    apply_rate, replay_rate = seq * 1e9 / sum(latencies_ns), seq * 1e9 / replay_ns
    print(f"replay: {seq:,} commands in frames of {arguments.batch}, seed {arguments.seed}")
    print(f"  machine      {machine()}; {where}")
    print(f"  apply        {apply_rate:,.0f} commands/s; a frame {percentiles_us(latencies_ns)}")
    print(
        f"  replay       {replay_rate:,.0f} commands/s, {replay_rate / apply_rate:.0%} of apply; every event compared"
    )
    print(f"  digest       {hashlib.sha256(b''.join(batches) + state_hash).hexdigest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


def _applied(journal: Path, batches: list[bytes]) -> tuple[array[int], Engine]:
    """Apply the batches, timed, and journal them, untimed."""
    engine, latencies_ns = engine_class()(), array("q")
    writer = JournalWriter.open(journal)
    for batch in batches:
        start_ns = perf_counter_ns()
        events = engine.apply(batch)
        latencies_ns.append(perf_counter_ns() - start_ns)
        writer.append(writer.last_seq + 1, batch, events)
    writer.close()
    return latencies_ns, engine
