"""What the jobs of dividends and of exits share: a list becomes a plan, and the plan is paid to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from web3 import Web3

from payments.allocation import Line, Words, dividend_chunks, exit_chunks, heads
from persistence.database import Pool
from persistence.jobs import Job, JobWaits
from settlement import payout_rows as rows
from settlement.payout_events import PayoutEvents
from settlement.payout_rows import DIVIDEND, EXIT, Payout
from settlement.payouts import PayoutContract, Plan, TreasuryShort

SOON_S: Final = 1.0  # until a block more is FINAL
TREASURY_S: Final = 30.0  # until somebody fills the treasury
CHUNKS: Final[dict[str, Callable[[Sequence[Line], int], tuple[Words, ...]]]] = {
    DIVIDEND: dividend_chunks,
    EXIT: exit_chunks,
}


async def payout_of(pool: Pool, job: Job) -> Payout:
    """The payout that a job's key names."""
    found = await rows.payout(pool, UUID(job.key))
    assert found is not None, f"no payout {job.key}"
    return found


async def plan_of(pool: Pool, found: Payout) -> Plan:
    """The plan that its lines make; it opens the hash that two people approved."""
    assert found.chunk_holders is not None
    lines = [Line(line.wallet, line.base_units, line.usdc_micros) for line in await rows.lines(pool, found.payout_id)]
    chunks = CHUNKS[found.kind](lines, found.chunk_holders)
    plan = Plan(
        found.payout_id,
        Web3.to_checksum_address(found.token),
        found.total_usdc_micros,
        chunks,
        heads(chunks),
    )
    assert plan.heads[0] == found.head, f"the lines of payout {found.payout_id} are not those that were approved"
    assert sum(line.usdc_micros for line in lines) == plan.total_usdc_micros
    return plan


async def pay(job: Job, contract: PayoutContract, plan: Plan) -> None:
    """Declare what is not declared and pay every chunk. Raises JobWaits while the treasury has too little."""
    try:
        await contract.declare(plan)
    except TreasuryShort as short:
        raise JobWaits(TREASURY_S, str(short)) from short
    while (paid := await contract.pay_next(plan)) is not None:
        await job.show("paying", paid[0] + 1, len(plan.chunks))


async def collected(events: PayoutEvents, found: Payout) -> Payout:
    """The payout once it is PAID, or STOPPED by its contract's owner; each line is FINAL. Raises JobWaits before."""
    after = await events.collect(found.payout_id)
    if after.state not in ("PAID", "STOPPED"):
        raise JobWaits(SOON_S, "waits until the payments are final")
    return after
