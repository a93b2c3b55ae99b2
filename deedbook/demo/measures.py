"""What a run measured, told in the four figures that people ask for."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Nearest-rank percentiles in whole microseconds, each rounded up; all zero where nothing was measured."""

    count: int
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int


def latency_summary(samples_ns: Iterable[array[int]]) -> LatencySummary:
    """Summarise arrays of latencies in nanoseconds, one array a session, as one population."""
    ordered = sorted(sample for samples in samples_ns for sample in samples)
    if not ordered:
        return LatencySummary(0, 0, 0, 0, 0)
    p50, p99, p999, most = (
        _microseconds(ordered[_rank(len(ordered), per_mille)]) for per_mille in (500, 990, 999, 1000)
    )
    return LatencySummary(len(ordered), p50, p99, p999, most)


def _rank(count: int, per_mille: int) -> int:
    """Index of the smallest sample that at least this share of all samples does not exceed."""
    return max(-(-count * per_mille // 1000) - 1, 0)


def _microseconds(latency_ns: int) -> int:
    return -(-latency_ns // 1000)
