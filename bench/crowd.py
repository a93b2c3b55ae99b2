"""How an order's cost grows with the instruments that are listed and with the connections that are open.

By the exchange process's own CPU time, at saturation, over websockets: as many requests are under way in each run,
spread over its connections.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
from array import array
from pathlib import Path
from typing import Final

from bench.gateway import Plan, checked, measure
from bench.report import machine, percentiles_us
from bench.requests import requests
from deedbook.layout import Layout

UNDER_WAY: Final = 800  # requests, in all
LEAVES_OUT: Final = (
    "what the gateway bench leaves out, but several instruments; that with more connections fewer requests share a read"
    " and fewer answers a write is left in"
)
SIZES: Final = ("1x50", "10x50", "100x50", "1000x50", "1x10", "1x1000", "1x5000")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", nargs="+", default=SIZES, help="instruments x connections; the first is compared with"
    )
    parser.add_argument("--commands", type=int, default=60_000, help="of each run")
    parser.add_argument("--resting", type=int, default=5_000, help="orders in the books, in all")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    print(f"crowd: {arguments.commands:,} requests a run, {UNDER_WAY} under way, {arguments.resting:,} resting")
    print(f"  machine      {machine()}")
    checks: dict[str, bool] = {}
    first_us, digests = 0.0, []
    for size in arguments.sizes:
        instruments, connections = map(int, size.split("x"))
        made = requests(arguments.seed, arguments.resting, connections, arguments.commands, "ACK", instruments)
        with tempfile.TemporaryDirectory(prefix="deedbook-bench-") as name:
            layout = Layout(Path(name))
            plan = Plan(0, 0, arguments.commands, max(1, UNDER_WAY // connections), 0, 1.0, False)
            load = asyncio.run(measure(layout, made, plan))
            found, _ = checked(layout, made, load)
        phase = next(phase for phase in load.phases if phase.count)
        cost_us = (phase.cpu_main_us + phase.cpu_rest_us) / phase.count
        first_us = first_us or cost_us
        print(
            f"  {instruments:>5,} instruments, {connections:>5,} connections: CPU an order {cost_us:.1f} us,"
            f" {cost_us / first_us:.2f} of the first; {phase.count * 1e9 / phase.took_ns:,.0f} orders/s;"
            f" {percentiles_us(array('q', phase.latencies))}"
        )
        checks |= {f"{check}_{size}": holds for check, holds in found.items()}
        digests.append(made.digest())
    print(f"  digest       {hashlib.sha256(' '.join(digests).encode()).hexdigest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1
