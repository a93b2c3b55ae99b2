"""The committed artifacts are what the sources compile to."""

import subprocess
from pathlib import Path

from settlement.artifacts import OURS, ROOT, ours


def test_a_rebuild_gives_the_committed_bytes(tmp_path: Path) -> None:
    command = ["node", str(ROOT / "contracts" / "compile.mjs"), str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    rebuilt = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in OURS.iterdir()}
    assert rebuilt.keys() == committed.keys()
    assert [name for name in sorted(rebuilt) if rebuilt[name] != committed[name]] == []


def test_deployed_contracts_fit_the_size_limit() -> None:
    payouts_and_sale = ("DividendDistributor", "ExitRedemption", "PrimarySale")
    for name in ("CashVault", "TokenLocker", "SettlementBridge", "MockUSDC", *payouts_and_sale):
        assert 0 < len(ours(name).runtime_code) <= 24_576


def test_no_two_custom_errors_share_a_selector() -> None:
    """Revert data is named by its selector alone, whichever contract it came through."""
    names: dict[bytes, str] = {}
    for path in sorted(OURS.glob("*.json")):
        for selector, entry in ours(path.stem).error_selectors().items():
            assert names.setdefault(selector, entry["name"]) == entry["name"]
    assert "Overdrawn" in names.values()
