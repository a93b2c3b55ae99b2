"""The demo, kept running: its figures against the sources, and `verify` against three small forgeries."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from deedbook.deployment import recorded
from deedbook.layout import Layout
from deedbook.machine import running_settings
from persistence.journal_reader import JournalReader
from settlement.chain import Chain

pytestmark = pytest.mark.slow
CLI = (sys.executable, "-m", "deedbook.cli")
STORAGE_SLOTS_MAX = 64


@dataclass(frozen=True, slots=True)
class Kept:
    directory: Path
    result: dict[str, Any]
    rpc_url: str
    database_url: str


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    directory = tmp_path_factory.mktemp("demo") / "data"
    command = [*CLI, "demo", "--seconds", "6", "--json", "--keep", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        line = demo.stdout.readline()
        try:
            assert line, "the demo ended without a result"
            settings = running_settings(directory)
            assert settings.chain_rpc_url is not None
            assert settings.database_url is not None
            yield Kept(directory, json.loads(line), settings.chain_rpc_url, settings.database_url)
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 0


def verify(kept: Kept, directory: Path | None = None) -> tuple[int, str]:
    command = [*CLI, "verify", str(directory or kept.directory), "--rpc", kept.rpc_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_check_is_kept_and_every_trade_settled(kept: Kept) -> None:
    result = kept.result
    assert set(result["checks"]) == {
        "cash_conserved",
        "tokens_conserved",
        "journal_replays",
        "chain_matches_journal",
        "database_matches_journal",
        "no_ineligible_resting",
    }
    assert all(result["checks"].values()), result.get("findings")
    assert result["investors"] >= 20
    assert sum(result["trades_by_state"].values()) == result["fills"] > 0
    assert result["rejects_by_reason"]["NOT_PERMITTED"] > 0
    assert any(state.startswith("FAILED") and "FROZEN" in state for state in result["trades_by_state"])
    assert result["events"]["kyc_revoked"]["orders_closed"] == 5
    assert result["fills_reported_twice"] == 0


def test_figures_come_from_the_sources(kept: Kept) -> None:
    async def counted() -> tuple[int, int, int]:
        connection = await asyncpg.connect(kept.database_url)
        try:
            return (
                await connection.fetchval("SELECT count(*) FROM trades"),
                await connection.fetchval("SELECT count(*) FROM trade_settlements WHERE reason = 0"),
                await connection.fetchval("SELECT count(*) FROM settlement_batches"),
            )
        finally:
            await connection.close()

    trades, final, batches = asyncio.run(counted())
    assert (trades, final, batches) == (
        kept.result["fills"],
        kept.result["trades_by_state"]["FINAL"],
        kept.result["batches"],
    )


def test_an_untouched_directory_verifies(kept: Kept) -> None:
    status, text = verify(kept)
    assert status == 0, text


def test_one_flipped_journal_byte_is_named(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(kept.directory / "journal", copy / "journal")
    shutil.copytree(kept.directory / "chain", copy / "chain", ignore=shutil.ignore_patterns("state*"))
    shutil.copy(kept.directory / "running.json", copy / "running.json")
    with JournalReader(copy / "journal") as reader:
        frames = list(reader.read())
    middle = frames[len(frames) // 2]
    segment = copy / "journal" / middle.segment
    with segment.open("r+b") as file:
        file.seek(middle.offset + 200)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    status, text = verify(kept, copy)
    assert status == 1
    assert str(middle.first_seq) in text
    assert "FAILS journal_replays" in text


def test_one_edited_row_is_named(kept: Kept) -> None:
    async def edit(change: int) -> int:
        connection = await asyncpg.connect(kept.database_url)
        try:
            trade_id: int = await connection.fetchval("SELECT max(trade_id) FROM trades")
            await connection.execute(
                "UPDATE trades SET taker_fee_usdc_micros = taker_fee_usdc_micros + $1 WHERE trade_id = $2",
                change,
                trade_id,
            )
            return trade_id
        finally:
            await connection.close()

    trade_id = asyncio.run(edit(1))
    try:
        status, text = verify(kept)
    finally:
        asyncio.run(edit(-1))
    assert status == 1
    assert f"trades: trade_id {trade_id}: taker_fee_usdc_micros" in text
    assert verify(kept)[0] == 0


def test_one_micro_moved_on_chain_is_named(kept: Kept) -> None:
    """Between two accounts of the vault, by writing its storage."""

    async def move(micros: int) -> list[int]:
        chain = Chain(kept.rpc_url)
        connection = await asyncpg.connect(kept.database_url)
        try:
            rows = await connection.fetch(
                "SELECT account, wallet FROM accounts JOIN balances USING (account)"
                " WHERE instrument = 0 AND level > 1000 ORDER BY account LIMIT 2"
            )
            vault = recorded(Layout(kept.directory)).vault
            for row, sign in zip(rows, (1, -1), strict=True):
                slot = await _slot_of(chain, vault, row["wallet"])
                word = int(await chain.request("eth_getStorageAt", [vault, hex(slot), "latest"]), 16)
                value = (word + sign * micros).to_bytes(32, "big")
                await chain.request("anvil_setStorageAt", [vault, hex(slot), "0x" + value.hex()])
            return [row["account"] for row in rows]
        finally:
            await connection.close()
            await chain.close()

    accounts = asyncio.run(move(1))
    try:
        status, text = verify(kept)
    finally:
        asyncio.run(move(-1))
    assert status == 1
    assert "FAILS chain_matches_journal" in text
    for account in accounts:
        assert f"account {account}, USDC: level" in text
    assert verify(kept)[0] == 0


async def _slot_of(chain: Chain, vault: str, wallet: bytes) -> int:
    """Where the vault keeps an account's slot: the mapping whose word begins with the account's balance."""
    balance_data = keccak(text="accountOf(address)")[:4] + encode(["address"], [wallet])
    balance = int.from_bytes((await chain.call(bytes.fromhex(vault[2:]), balance_data))[:32], "big")
    assert balance > 0
    for place in range(STORAGE_SLOTS_MAX):
        slot = int.from_bytes(keccak(encode(["address", "uint256"], [wallet, place])), "big")
        word = int(await chain.request("eth_getStorageAt", [vault, hex(slot), "latest"]), 16)
        if word and word % 2**96 == balance:
            return slot
    raise AssertionError("the vault's layout is not known here")
