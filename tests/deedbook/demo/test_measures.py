"""Percentiles by nearest rank, over all sessions as one population."""

from __future__ import annotations

from array import array

from deedbook.demo.measures import LatencySummary, latency_summary


def test_nothing_measured_is_all_zero() -> None:
    assert latency_summary([array("q")]) == LatencySummary(0, 0, 0, 0, 0)


def test_percentiles_are_samples_and_rounded_up_to_microseconds() -> None:
    first, second = array("q", (n * 1_000 for n in range(1, 501))), array("q", (n * 1_000 for n in range(501, 1_001)))
    assert latency_summary([second, first]) == LatencySummary(1_000, 500, 990, 999, 1_000)
    assert latency_summary([array("q", [1])]) == LatencySummary(1, 1, 1, 1, 1)
    assert latency_summary([array("q", [1_000, 1_001])]) == LatencySummary(2, 1, 2, 2, 2)
