"""Each experiment on a few commands, so that none rots; its figures are not looked at."""

from __future__ import annotations

import re

import pytest

from bench.__main__ import EXPERIMENTS, main
from bench.report import percentiles_us

SMALL = {
    "engine": [
        *("--commands", "100"),
        *("--batch", "16"),
        *("--resting", "50"),
        *("--depth", "30"),
        *("--passes", "1"),
        *("--growth-commands", "50"),
        *("--growth-resting", "20", "40"),
        *("--growth-instruments", "1", "3"),
        *("--orders", "500"),
        *("--seconds", "0.1"),
    ],
    "journal": ["--commands", "100", "--frames", "4"],
    "replay": ["--commands", "100", "--batch", "16", "--resting", "50"],
    "gateway": [
        *("--commands", "60"),
        *("--rate", "100"),
        *("--seconds", "0.2"),
        *("--singles", "20"),
        *("--connections", "3"),
        *("--resting", "50"),
        "--user-data",
    ],
    "crowd": ["--commands", "60", "--resting", "50", "--sizes", "1x3", "3x4"],
    "fanout": [
        *("--followers", "3"),
        *("--connections", "5"),
        *("--batch", "2"),
        *("--seconds", "0.3"),
        *("--rate", "60"),
        *("--orders", "20"),
        "--no-slow-reader",
    ],
    "dividends": ["--holders", "3", "7", "--chunk", "3"],
}


# These start three or four processes each time.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in ("crowd", "fanout"))) for name in sorted(SMALL)]
)
def test_an_experiment_does_the_same_work_each_time(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    digests = []
    for _ in range(2):
        assert main([name, *SMALL[name]]) == 0
        printed = capsys.readouterr().out
        digests += re.findall(r"digest +([0-9a-f]{64})\n", printed)
        assert "p99.9" in printed
        assert "leaves out" in printed
        assert "False" not in printed
    assert len(digests) == 2
    assert len(set(digests)) == 1


def test_every_experiment_is_tried() -> None:
    assert set(SMALL) == set(EXPERIMENTS)


def test_percentiles_are_of_ranked_latencies() -> None:
    assert percentiles_us(range(1_000_000, 0, -1_000)) == "p50 501.0  p99 991.0  p99.9 1,000.0  max 1,000.0 us"
    assert percentiles_us([5_000]) == "p50 5.0  p99 5.0  p99.9 5.0  max 5.0 us"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fanout", "gateway"])
def test_it_does_so_behind_gateways_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, *SMALL[name], "--gateways", "2"]) == 0
    assert "gateways     2;" in capsys.readouterr().out
