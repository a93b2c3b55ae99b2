"""The flows from sign-up to exit, through the command that a stranger types."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FLOWS = {
    "registration and KYC",
    "property creation and tokenization",
    "first sale",
    "trading from the web and by websocket",
    "chain events",
    "rent to dividend",
    "exit",
}


@pytest.mark.slow
def test_all_flows_agree_to_the_micro() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deedbook.cli", "demo", "--flows", "--json"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    told = json.loads(done.stdout)
    assert told["agrees"]
    assert told["flows"].keys() == FLOWS
    assert all(told["checks"].values())
    for name, flow in told["flows"].items():
        assert flow["differ"] == [], name
        assert flow["checks"] >= 4, name
    payout = told["flows"]["exit"]["payout micros"]
    assert len(payout) == 4  # chain, database, ledger, pool
    assert len(set(payout.values())) == 1
