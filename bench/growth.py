"""How the cost of a command grows with the orders that rest and with the instruments listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.timing import timed
from bench.workload import Workload, flow, outcome_of
from engine.engines import Engine
from engine.wire import COMMAND_SIZE


def measure(
    seed: int, sizes: Sequence[tuple[int, int]], commands: int, batch: int, kind: type[Engine], passes: int
) -> Mapping[str, bool]:
    """sizes: resting orders and instruments; each is compared with the first. Returns the checks."""
    checks, first_ns = {}, 0.0
    for resting, instruments in sizes:
        workload = flow(seed, resting, commands, batch, instruments)
        checks[f"as_the_python_engine_{resting}_{instruments}"] = outcome_of(workload, kind()) == workload.expected
        mean_ns = timed(_set_up(workload, kind), workload.batches, COMMAND_SIZE, passes).mean_ns
        first_ns = first_ns or mean_ns
        print(f"  growth       {workload.name}: {mean_ns:,.1f} ns a command, {mean_ns / first_ns:.2f} of the first")
    return checks


def _set_up(workload: Workload, kind: type[Engine]) -> Callable[[], Callable[[bytes], bytes]]:
    def made() -> Callable[[bytes], bytes]:
        engine = kind()
        engine.apply(workload.setup)
        return engine.apply

    return made
