"""A dividend on a local chain: gas and time a holder, to wallets without USDC first, then to the same ones with it."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import Any, Final
from uuid import UUID

from eth_account import Account
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3

from bench.report import machine, percentiles_us
from deedbook.deployment import give_gas_money
from deedbook.embedded.anvil import BINARY
from deedbook.embedded.child import free_port
from payments.allocation import DIVIDEND_CHUNK_HOLDERS, Allocation, dividend_chunks, heads, split_with_dust
from settlement.artifacts import ours
from settlement.calls import balance_of_data, words
from settlement.chain import TRANSACTION_GAS_MAX, Chain
from settlement.node import node
from settlement.payouts import PayoutContract, Plan
from settlement.steps import FileSteps, Sender
from settlement.trades import Token, Wallet

HOLDERS: Final = (100, 1_000, 5_000)
POOL_A_HOLDER_USDC_MICROS: Final = 1_234_567
TOKENS_MOST: Final = 10_000
ANVIL_READY_S: Final = 20.0
CALLS_AT_ONCE: Final = 32
LEAVES_OUT: Final = (
    "the record date, the database and the ledger; waiting for blocks (each transaction is mined at once); other"
    " senders; blacklisted holders; real USDC, whose proxy and blacklist checks cost some thousand gas more a transfer"
)


@dataclass(frozen=True, slots=True)
class Paid:
    """One dividend: gas of its chunks, and the time from each call to its receipt."""

    gas: tuple[int, ...]
    latencies_ns: tuple[int, ...]
    declare_gas: int
    is_exact: bool

    def gas_a_holder(self, holders: int) -> float:
        return sum(self.gas) / holders


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--holders", type=int, nargs="+", default=list(HOLDERS))
    parser.add_argument("--chunk", type=int, default=DIVIDEND_CHUNK_HOLDERS, help="holders of one transaction")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    return asyncio.run(_run(arguments.holders, arguments.chunk, arguments.seed))


async def _run(sizes: Sequence[int], chunk: int, seed: int) -> int:
    print(f"dividends: {', '.join(f'{holders:,}' for holders in sizes)} holders, {chunk} a transaction, seed {seed}")
    print(f"  machine      {machine()}; anvil, a block for each transaction")
    digest, checks = hashlib.sha256(), {}
    for holders in sizes:
        async with _chain() as (web3, chain, directory):
            payer = Sender(
                web3, Account.from_key(hashlib.sha256(b"payer").digest()), FileSteps(directory / "steps.json")
            )
            bench = await Bench.deploy(payer, chain, holders, chunk, seed)
            first, again = await bench.pay(1), await bench.pay(2)
        for name, paid in (("without USDC", first), ("with USDC", again)):
            seconds = sum(paid.latencies_ns) / 1e9
            print(
                f"  {holders:>6,} {name:<12} {paid.gas_a_holder(holders):,.0f} gas a holder in {len(paid.gas)} chunks,"
                f" the largest {max(paid.gas):,} of {TRANSACTION_GAS_MAX:,}; declare {paid.declare_gas:,};"
                f" {seconds:.2f} s, {holders / seconds:,.0f} holders/s; a chunk {percentiles_us(paid.latencies_ns)}"
            )
            checks[f"{holders}_{name.replace(' ', '_')}_to_the_micro"] = paid.is_exact
            checks[f"{holders}_{name.replace(' ', '_')}_fits"] = max(paid.gas) <= TRANSACTION_GAS_MAX
            digest.update(repr((holders, paid.gas)).encode())
    print(f"  digest       {digest.hexdigest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


class Bench:
    """A distributor, its payer, and holders with random holdings."""

    def __init__(self, chain: Chain, payer: Sender, contract: PayoutContract, usdc: ChecksumAddress) -> None:
        self._chain = chain
        self._payer = payer
        self._contract = contract
        self._usdc = usdc
        self._split = Allocation(0, 0, ())
        self._chunk = DIVIDEND_CHUNK_HOLDERS

    @classmethod
    async def deploy(cls, payer: Sender, chain: Chain, holders: int, chunk: int, seed: int) -> Bench:
        await give_gas_money(payer.chain, payer.address)
        usdc = (await payer.once("usdc", None, ours("MockUSDC").creation_data([payer.address]))).created
        assert usdc is not None
        artifact = ours("DividendDistributor")
        made = (await payer.once("distributor", None, artifact.creation_data([usdc, payer.address, 0]))).created
        assert made is not None
        role = b"payer".ljust(32, b"\0")
        await payer.once("appoint", made, artifact.call_data("appoint", [role, payer.address]))
        bench = cls(chain, payer, PayoutContract(payer, "DividendDistributor", made, usdc), usdc)
        chance = random.Random(seed)
        wallets = [hashlib.sha256(f"holder {number}".encode()).digest()[:20] for number in range(holders)]
        entries = [(wallet, chance.randint(1, TOKENS_MOST)) for wallet in wallets]
        bench._split = split_with_dust(holders * POOL_A_HOLDER_USDC_MICROS, entries)
        bench._chunk = chunk
        return bench

    async def pay(self, number: int) -> Paid:
        """The same split once more; every balance is read before and after."""
        total = self._split.total_usdc_micros
        await self._payer.send(self._usdc, ours("MockUSDC").call_data("mint", [self._payer.address, total]))
        chunks = dividend_chunks(self._split.lines, self._chunk)
        plan = Plan(UUID(int=number), self._usdc, total, chunks, heads(chunks))
        before = await self._balances()
        block = (await self._chain.head()).number
        await self._contract.declare(plan)
        declare_gas = await self._gas_since(block)
        gas, latencies_ns = [], []
        while True:
            start_ns = perf_counter_ns()
            paid = await self._contract.pay_next(plan)
            if paid is None:
                break
            latencies_ns.append(perf_counter_ns() - start_ns)
            gas.append(paid[1].gas_used)
        after = await self._balances()
        gained = [now - was for was, now in zip(before, after, strict=True)]
        is_exact = gained == [line.usdc_micros for line in self._split.lines] and sum(gained) == total
        return Paid(tuple(gas), tuple(latencies_ns), declare_gas, is_exact)

    async def _balances(self) -> list[int]:
        gate = asyncio.Semaphore(CALLS_AT_ONCE)
        token = Token(bytes.fromhex(self._usdc[2:]))

        async def balance(wallet: bytes) -> int:
            async with gate:
                return words(await self._chain.call(token, balance_of_data(Wallet(wallet))))[0]

        return await asyncio.gather(*(balance(line.wallet) for line in self._split.lines))

    async def _gas_since(self, block: int) -> int:
        """Of all transactions after a block: nobody else sends here."""
        head = (await self._chain.head()).number
        fields = [
            await self._chain.request("eth_getBlockByNumber", [hex(number), False])
            for number in range(block + 1, head + 1)
        ]
        return sum(int(each["gasUsed"], 16) for each in fields)


@asynccontextmanager
async def _chain() -> AsyncIterator[tuple[AsyncWeb3[Any], Chain, Path]]:
    """An anvil of its own that keeps nothing, and a directory that is removed."""
    port = free_port()
    command = [str(BINARY), "--hardfork", "osaka", "--enable-tx-gas-limit", "--port", str(port), "--silent"]
    process = await asyncio.create_subprocess_exec(*command, "--accounts", "0")
    url = f"http://127.0.0.1:{port}"
    web3 = node(url)
    chain = Chain(url, confirmations=0)
    try:
        deadline_s = monotonic() + ANVIL_READY_S
        while not await web3.is_connected():
            assert process.returncode is None, "anvil died"
            assert monotonic() < deadline_s, "anvil does not answer"
            await asyncio.sleep(0.02)
        with tempfile.TemporaryDirectory(prefix="deedbook-bench-") as directory:
            yield web3, chain, Path(directory)
    finally:
        await chain.close()
        await web3.provider.disconnect()
        process.terminate()
        await process.wait()
