"""A payout contract and its payer on a real anvil."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from eth_abi.abi import encode
from web3 import Web3

from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.payouts import END, PayoutContract, Plan, TreasuryShort
from settlement.steps import Sender
from tests.settlement.local_chain import anvil, file_steps, key, rich

FIRST, SECOND = UUID(int=1), UUID(int=2)
HOLDERS = [key(f"holder {number}").address for number in range(4)]


class Payer:
    """A contract, its payer, and the mock USDC."""

    def __init__(self, sender: Sender, contract: PayoutContract, usdc: str) -> None:
        self.sender, self.contract, self.usdc = sender, contract, Web3.to_checksum_address(usdc)

    async def fill(self, usdc_micros: int) -> None:
        await self.sender.send(self.usdc, ours("MockUSDC").call_data("mint", [self.sender.address, usdc_micros]))

    async def balance(self, address: str) -> int:
        micros: int = await read(self.sender.chain, ours("MockUSDC"), self.usdc, "balanceOf", address)
        return micros

    def plan(self, payout_id: UUID, *amounts: int) -> Plan:
        """One holder a chunk."""
        chunks = tuple((micros << 160 | int(holder, 16),) for micros, holder in zip(amounts, HOLDERS, strict=False))
        heads = [END]
        for chunk in reversed(chunks):
            heads.insert(0, bytes(Web3.keccak(encode(["uint256[]", "bytes32"], [chunk, heads[0]]))))
        return Plan(payout_id, self.usdc, sum(amounts), chunks, tuple(heads))  # any contract will do for the token

    async def pay(self, plan: Plan) -> list[int]:
        await self.contract.declare(plan)
        paid = []
        while (done := await self.contract.pay_next(plan)) is not None:
            paid.append(done[0])
        return paid


@pytest.fixture
async def payer(tmp_path: Path) -> AsyncIterator[Payer]:
    async with anvil() as chain:
        sender = Sender(chain, key("payer"), file_steps(tmp_path))
        await rich(chain, sender.address)
        usdc = (await sender.once("usdc", None, ours("MockUSDC").creation_data([sender.address]))).created
        assert usdc is not None
        artifact = ours("DividendDistributor")
        made = (await sender.once("made", None, artifact.creation_data([usdc, sender.address, 0]))).created
        assert made is not None
        await sender.once("appoint", made, artifact.call_data("appoint", [b"payer".ljust(32, b"\0"), sender.address]))
        yield Payer(sender, PayoutContract(sender, "DividendDistributor", made, usdc), usdc)


async def test_chunks_are_paid_in_order_and_once(payer: Payer) -> None:
    await payer.fill(60)
    plan = payer.plan(FIRST, 10, 20, 30)
    assert await payer.contract.standing(FIRST) is None
    assert await payer.pay(plan) == [0, 1, 2]
    assert await payer.pay(plan) == []
    assert [await payer.balance(holder) for holder in HOLDERS] == [10, 20, 30, 0]
    standing = await payer.contract.standing(FIRST)
    assert standing is not None
    assert (standing.total_usdc_micros, standing.head, standing.paid_usdc_micros) == (60, END, 60)


async def test_payouts_at_the_same_time_do_not_take_each_others_allowance(payer: Payer) -> None:
    await payer.fill(100)
    plans = [payer.plan(FIRST, 10, 20), payer.plan(SECOND, 30, 40)]
    assert await asyncio.gather(*map(payer.pay, plans)) == [[0, 1], [0, 1]]
    assert [await payer.balance(holder) for holder in HOLDERS[:2]] == [40, 60]
    assert (
        await read(
            payer.sender.chain, ours("MockUSDC"), payer.usdc, "allowance", payer.sender.address, payer.contract.address
        )
        == 0
    )


async def test_a_payer_without_the_money_says_how_much_is_missing(payer: Payer) -> None:
    await payer.fill(29)
    with pytest.raises(TreasuryShort, match="has 29 USDC micros, 30 are needed"):
        await payer.contract.declare(payer.plan(FIRST, 10, 20))


async def test_another_list_than_the_declared_one_is_not_paid(payer: Payer) -> None:
    await payer.fill(60)
    await payer.contract.declare(payer.plan(FIRST, 10, 20))
    with pytest.raises(AssertionError, match="another list"):
        await payer.contract.pay_next(payer.plan(FIRST, 20, 10))
