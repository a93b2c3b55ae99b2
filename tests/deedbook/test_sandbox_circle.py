"""The Circle sandbox as a process on a real local chain, and the convert job against it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door, mount
from compliance.audit import record
from compliance.roles import refusal
from deedbook.embedded.child import free_port
from deedbook.jobs import convert
from deedbook.office.treasury import CircleAccount, treasury_parts
from persistence.database import Pool
from persistence.jobs import JobState, Worker, enqueue, job
from settlement.artifacts import ours
from settlement.chain import Chain
from settlement.infrastructure import read
from settlement.steps import FileSteps, Sender
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.payments.circle_world import API_KEY, DEADLINE_S, PaperBooks, serving
from tests.settlement.local_chain import anvil, key, rich

__all__ = ["empty_database", "pool", "postgres"]

CONFIRMATIONS = 2


@dataclass
class Bank:
    """A chain with a USDC that the sandbox's key may mint."""

    chain: AsyncWeb3[Any]
    rpc_url: str
    usdc: ChecksumAddress
    minter: LocalAccount
    treasury: ChecksumAddress

    async def balance(self) -> int:
        return int(await read(self.chain, ours("MockUSDC"), self.usdc, "balanceOf", self.treasury))


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with anvil() as chain:
        owner, minter = key("owner"), key("circle")
        await rich(chain, owner.address, minter.address)
        sender = Sender(chain, owner, FileSteps(tmp_path / "steps.json"))
        artifact = ours("MockUSDC")
        usdc = (await sender.once("usdc", None, artifact.creation_data([owner.address]))).created
        assert usdc is not None
        await sender.once("minter", usdc, artifact.call_data("setMinter", [minter.address, True]))
        url: str = chain.provider.endpoint_uri
        yield Bank(chain, url, usdc, minter, key("treasury").address)


class Process:
    """`python -m deedbook.sandbox.circle`, started, killed and started again on the same data."""

    def __init__(self, bank: Bank, data_dir: Path, target: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **os.environ,
            "DEEDBOOK_DATA": str(data_dir),
            "CIRCLE_URL": self.url,
            "CIRCLE_API_KEY": API_KEY,
            "CIRCLE_WEBHOOK_TARGET": target,
            "CHAIN_RPC_URL": bank.rpc_url,
            "CIRCLE_SANDBOX_KEY": bank.minter.key.hex(),
            "CIRCLE_USDC_ADDRESS": bank.usdc,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (sys.executable, "-m", "deedbook.sandbox.circle")
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        deadline_s = time.monotonic() + DEADLINE_S
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.url}/") as response:
                        assert response.status == 200
                        return
                except aiohttp.ClientError:
                    assert self._process.returncode is None, "it ended"
                    assert time.monotonic() < deadline_s, "it does not answer"
                    await asyncio.sleep(0.05)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), DEADLINE_S)


@asynccontextmanager
async def sandbox(bank: Bank, data_dir: Path, target: str) -> AsyncIterator[Process]:
    process = Process(bank, data_dir, target)
    await process.start()
    try:
        yield process
    finally:
        assert await process.stop() == 0


async def test_a_payout_becomes_usdc_on_the_chain_once_though_circle_dies(
    bank: Bank, pool: Pool, tmp_path: Path
) -> None:
    port = free_port()
    target = f"http://127.0.0.1:{port}/webhooks/circle"
    books = PaperBooks()
    books.pay_out("po_1", 900_000_000, 71_000_000)
    async with sandbox(bank, tmp_path, target) as process, aiohttp.ClientSession() as session:
        node = Chain(bank.rpc_url, CONFIRMATIONS)
        parts = treasury_parts(
            pool,
            session,
            CircleAccount(process.url, API_KEY, tmp_path / "circle-webhook.pem"),
            node,
            books,
            record,
            usdc=bytes.fromhex(bank.usdc[2:]),
            treasury=bytes.fromhex(bank.treasury[2:]),
        )
        worker = Worker(pool, {convert.KIND: parts.handler}, poll_s=0.05)
        app = web.Application()
        mount(app, parts.routes, Door(_operator, refusal, Limits(time.monotonic)))
        async with serving(app, port):
            working = asyncio.create_task(worker.run())
            async with pool.acquire() as connection, connection.transaction():
                await enqueue(connection, convert.KIND, "po_1")
            await bank.chain.provider.make_request("evm_setAutomine", [False])
            async with session.post(f"{process.url}/sandbox/wires", data={"amount": "971.00", "reference": "po_1"}):
                pass
            await _until(_row_exists(pool, "SELECT 1 FROM circle_transfers WHERE transfer_id IS NOT NULL"))
            await process.stop(signal.SIGKILL)
            await bank.chain.provider.make_request("evm_setAutomine", [True])
            await process.start()
            await _until(_mines_until_done(bank, pool))
            assert (await job(pool, convert.KIND, "po_1")).state is JobState.DONE  # type: ignore[union-attr]
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            seen = await _treasury(session, port)
            await node.close()
    assert seen["differences"] == []
    assert (seen["circle_available"], seen["chain"], seen["ledger"]["treasury_usdc"]) == ("0", "971", "971")
    assert [(each["reference"], each["usd"], each["state"]) for each in seen["conversions"]] == [
        ("po_1", "971.00", "RECEIVED")
    ]
    assert await bank.balance() == 971_000_000
    assert len(books.credits) == len(books.receipts) == 1
    receipt = await bank.chain.eth.get_transaction_receipt(books.receipts[0][2])  # type: ignore[arg-type]
    assert receipt["status"] == 1
    assert await pool.fetchval("SELECT state FROM conversions") == "RECEIVED"


def _row_exists(pool: Pool, query: str) -> Any:
    async def there() -> bool:
        return await pool.fetchval(query) is not None

    return there


def _mines_until_done(bank: Bank, pool: Pool) -> Any:
    """Blocks go on, as they do on a chain; FINAL comes from them."""

    async def done() -> bool:
        await bank.chain.provider.make_request("evm_mine", [])
        row = await job(pool, convert.KIND, "po_1")
        assert row is not None
        assert row.state is not JobState.FAILED, row.reason
        return row.state is JobState.DONE

    return done


async def _until(condition: Any) -> None:
    deadline_s = time.monotonic() + 3 * DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline_s, "it did not come"
        await asyncio.sleep(0.05)


async def _operator(_request: web.Request) -> Actor:
    return Actor(uuid4(), 1, frozenset({Role.SETTLEMENT_OPERATOR}), uuid4(), has_second_factor=True)


async def _treasury(session: aiohttp.ClientSession, port: int) -> Any:
    async with session.get(f"http://127.0.0.1:{port}/treasury") as response:
        assert response.status == 200
        return await response.json()
