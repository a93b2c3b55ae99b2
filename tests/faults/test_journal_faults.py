"""Nothing acknowledged is lost, whatever the disk does; and the check that says so can tell when something is."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.faults.conftest import Run

SEED_VARIABLE = "DEEDBOOK_FAULT_SEED"  # set it to a failing seed to try that journal first, with the same kill points
TORTURE = "tests.faults.torture"


def first_seed() -> int:
    return int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(10**9))


def cut_power(on_bad_disk: Run, directory: Path, kills: int, *options: str) -> None:
    """Cut the power `kills` times in two processes side by side; nothing may be lost."""
    seed = first_seed()
    print(f"{SEED_VARIABLE}={seed}, {kills} kills")
    seeds = (seed, seed + 10**9)
    half = str(kills // 2)
    reports = on_bad_disk(
        *[[TORTURE, "--seed", str(s), "--kills", half, "--directory", str(directory / str(s)), *options] for s in seeds]
    )
    for report in reports:
        for failure in report["failures"]:
            print(f"replay with {SEED_VARIABLE}={failure['seed']}")
        print({name: value for name, value in report.items() if name != "failures"})
    assert [report["failures"] for report in reports] == [[], []]
    assert sum(report["kills"] for report in reports) >= kills
    assert all(report["acknowledged"] > report["kills"] for report in reports)


@pytest.mark.timeout(900)
def test_2000_power_cuts_lose_nothing_acknowledged(on_bad_disk: Run, tmp_path: Path) -> None:
    cut_power(on_bad_disk, tmp_path, 2_000)


@pytest.mark.timeout(900)
def test_power_cuts_with_the_reserve_thread_lose_nothing(on_bad_disk: Run, tmp_path: Path) -> None:
    cut_power(on_bad_disk, tmp_path, 200, "--thread")


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_10000_power_cuts_lose_nothing_acknowledged(on_bad_disk: Run, tmp_path: Path) -> None:
    cut_power(on_bad_disk, tmp_path, 10_000)


def test_a_sync_that_does_nothing_is_caught(on_bad_disk: Run, tmp_path: Path) -> None:
    arguments = ["--seed", str(first_seed()), "--kills", "60", "--directory", str(tmp_path), "--stub"]
    (report,) = on_bad_disk([TORTURE, *arguments])
    assert len(report["failures"]) > 20, report


def test_a_seed_replays_the_same_kills(on_bad_disk: Run, tmp_path: Path) -> None:
    seed = str(first_seed())
    runs = [[TORTURE, "--seed", seed, "--kills", "40", "--directory", str(tmp_path / name), "--stub"] for name in "ab"]
    one, other = on_bad_disk(*runs)
    for failure in one["failures"] + other["failures"]:
        failure["what"] = failure["what"].partition(" (segment")[0]
    assert one == other


def test_every_failed_sync_stops_the_writer_and_loses_nothing(on_bad_disk: Run, tmp_path: Path) -> None:
    (report,) = on_bad_disk(["tests.faults.bad_disk", "eio", "--directory", str(tmp_path)])
    assert report["syncs_failed"] == 80
    assert report["acknowledged"] > 1000


def test_on_a_full_disk_the_reserve_still_takes_frames(on_bad_disk: Run, tmp_path: Path) -> None:
    (report,) = on_bad_disk(["tests.faults.bad_disk", "full", "--directory", str(tmp_path)])
    assert report["reserve_taken"]
    assert report["acknowledged"] > 20


def test_the_full_flag_clears_when_space_is_back(on_bad_disk: Run, tmp_path: Path) -> None:
    (report,) = on_bad_disk(["tests.faults.bad_disk", "space-returns", "--directory", str(tmp_path)])
    assert report["cleared"]
    assert report["acknowledged"] > 60


def test_short_writes_are_finished(on_bad_disk: Run, tmp_path: Path) -> None:
    (report,) = on_bad_disk(["tests.faults.bad_disk", "short", "--directory", str(tmp_path)])
    assert report == {"finished": True, "acknowledged": 200}
