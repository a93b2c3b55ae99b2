"""How long batches take: closed loop, nothing kept, the quickest of a few passes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import NamedTuple

from bench.report import percentiles


class Timing(NamedTuple):
    """Of one pass: nanoseconds a command of each batch, and of all together."""

    batches_ns: array[float]
    mean_ns: float

    def __str__(self) -> str:
        return f"{1e3 / self.mean_ns:6.2f} M/s; {percentiles(self.batches_ns)} ns a command"


def timed(make: Callable[[], Callable[[bytes], bytes]], batches: Sequence[bytes], record: int, passes: int) -> Timing:
    """make: a new machine that has been set up. record: bytes of one command; each batch is one call."""
    best: Timing | None = None
    for _ in range(passes):
        apply = make()
        took_ns = array("q")
        for batch in batches:
            start_ns = perf_counter_ns()
            apply(batch)
            took_ns.append(perf_counter_ns() - start_ns)
        counts = [len(batch) // record for batch in batches]
        each_ns = array("d", (took / count for took, count in zip(took_ns, counts, strict=True) if count))
        timing = Timing(each_ns, sum(took_ns) / sum(counts))
        if best is None or timing.mean_ns < best.mean_ns:
            best = timing
    assert best is not None
    return best


def one_by_one(make: Callable[[], Callable[[bytes], bytes]], records: Sequence[bytes], passes: int) -> float:
    """Nanoseconds a command, each its own call from Python, with no clock between them."""
    best_ns = float("inf")
    for _ in range(passes):
        apply = make()
        start_ns = perf_counter_ns()
        for record in records:
            apply(record)
        best_ns = min(best_ns, (perf_counter_ns() - start_ns) / len(records))
    return best_ns
