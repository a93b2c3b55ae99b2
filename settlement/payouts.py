"""A payout contract as its payer uses it: declare once, pay chunk by chunk in order, look at the contract to go on.

The contract is a DividendDistributor or an ExitRedemption; both are a ChunkedPayout (contracts/src).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from eth_typing import ChecksumAddress

from settlement.artifacts import Artifact, ours
from settlement.infrastructure import ZERO_ADDRESS, read
from settlement.steps import Receipt, Sender

END: Final = bytes(32)  # the hash after the last chunk
Words = Sequence[int]  # one chunk, as the contract takes it


class TreasuryShort(Exception):  # noqa: N818 - a state of the world that is waited out
    """The payer has less USDC than the payout needs; the text says both."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the contract says of a payout, in USDC micros. `head` opens the next chunk; END: none is left."""

    token: ChecksumAddress
    total_usdc_micros: int
    head: bytes
    paid_usdc_micros: int
    owed_usdc_micros: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be paid: the chunks, and the hash that opens each (END after the last)."""

    payout_id: UUID
    token: ChecksumAddress
    total_usdc_micros: int
    chunks: tuple[Words, ...]
    heads: tuple[bytes, ...]

    def __post_init__(self) -> None:
        assert len(self.heads) == len(self.chunks) + 1
        assert self.heads[-1] == END


class PayoutContract:
    """One contract and its payer. Every call may be made again after a kill: each transaction is a step."""

    def __init__(self, payer: Sender, name: str, address: ChecksumAddress, usdc: ChecksumAddress) -> None:
        self.address = address
        self._payer = payer
        self._artifact: Artifact = ours(name)
        self._usdc = usdc
        self._allowing = asyncio.Lock()  # one allowance for all payouts: nothing comes between it and its use

    async def standing(self, payout_id: UUID) -> Standing | None:
        """None before it is declared."""
        token, total, head, paid, owed = await self._read("payoutOf", key_of(payout_id))
        return None if token == ZERO_ADDRESS else Standing(token, total, bytes(head), paid, owed)

    async def owed(self, payout_id: UUID, wallet: ChecksumAddress) -> int:
        micros: int = await self._read("owed", key_of(payout_id), wallet)
        return micros

    def claim_data(self, payout_id: UUID, wallet: ChecksumAddress) -> bytes:
        """Call data that sends a wallet what is owed to it; anybody may send it."""
        return self._artifact.call_data("claim", [key_of(payout_id), wallet])

    async def declare(self, plan: Plan) -> None:
        """Give the contract the whole sum and the first hash. Raises TreasuryShort, steps.StepFailedError."""
        if await self.standing(plan.payout_id) is not None:
            return
        cash, payer, total = ours("MockUSDC"), self._payer, plan.total_usdc_micros
        balance = await read(payer.chain, cash, self._usdc, "balanceOf", payer.address)
        if balance < total:
            raise TreasuryShort(f"the treasury has {balance} USDC micros, {total} are needed")
        async with self._allowing:
            if await read(payer.chain, cash, self._usdc, "allowance", payer.address, self.address) < total:
                await payer.send(self._usdc, cash.call_data("approve", [self.address, total]))
            arguments = [key_of(plan.payout_id), plan.token, total, plan.heads[0]]
            await self._once(plan, "declare", arguments, "declare")

    async def pay_next(self, plan: Plan) -> tuple[int, Receipt] | None:
        """Pay the next chunk; returns its number, from 0, and how it went. None: all are paid."""
        standing = await self.standing(plan.payout_id)
        assert standing is not None, "not declared"
        if standing.head == END:
            return None
        assert standing.head in plan.heads, f"payout {plan.payout_id} was declared with another list"
        chunk = plan.heads.index(standing.head)
        arguments = [key_of(plan.payout_id), list(plan.chunks[chunk]), plan.heads[chunk + 1]]
        return chunk, await self._once(plan, "pay", arguments, f"chunk {chunk}")

    async def _once(self, plan: Plan, function: str, arguments: list[Any], step: str) -> Receipt:
        name = f"payout {plan.payout_id} {step}"
        return await self._payer.once(name, self.address, self._artifact.call_data(function, arguments))

    async def _read(self, function: str, *arguments: Any) -> Any:
        return await read(self._payer.chain, self._artifact, self.address, function, *arguments)


def key_of(payout_id: UUID) -> bytes:
    """The contract's bytes32 of our id."""
    return payout_id.bytes.rjust(32, b"\0")
