"""The job that sends a property's manager what two people decided to pay."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from eth_typing import ChecksumAddress
from web3 import Web3
from web3.exceptions import ContractLogicError

from api.amounts import usdc as usdc_text
from api.doors import Notify
from deedbook.jobs.identity import FinalBlock
from payments import management_payments
from payments.management_payments import ManagerPayment
from payments.stripe_events import ManagerOf
from persistence.database import Pool
from persistence.jobs import Job, JobWaits
from settlement.artifacts import ours
from settlement.infrastructure import call_once, read
from settlement.steps import Receipt, Sender

FINAL_S: Final = 1.0
TREASURY_S: Final = 30.0  # until somebody fills the treasury


class ManagerPaymentJobs:
    """The handler of "manager_payment"; `treasury` sends with the treasury's key."""

    def __init__(
        self,
        pool: Pool,
        treasury: Sender,
        usdc: ChecksumAddress,
        final_block: FinalBlock,
        manager_of: ManagerOf,
        notify: Notify,
    ) -> None:
        self._pool = pool
        self._treasury = treasury
        self._usdc = usdc
        self._final_block = final_block
        self._manager_of = manager_of
        self._notify = notify

    async def pay(self, job: Job) -> None:
        """Send it once, and book it once it is FINAL; what the token refuses is owed as before."""
        async with self._pool.acquire() as connection:
            found = await management_payments.payment(connection, UUID(job.key))
        assert found is not None, f"no payment {job.key}"
        if found.state != "APPROVED":
            return
        try:
            receipt = await self._sent(found)
        except ContractLogicError as error:
            return await self._end(found, None, f"The token refuses it: {error}")
        if receipt.block_number > await self._final_block():
            raise JobWaits(FINAL_S, "it is on the chain and not final yet")
        await self._end(found, receipt.transaction_hash, "")

    async def _sent(self, found: ManagerPayment) -> Receipt:
        chain, treasury, token = self._treasury.chain, self._treasury.address, ours("MockUSDC")
        wallet, micros = Web3.to_checksum_address(found.wallet), found.usdc_micros
        step = f"manager payment {found.payment_id}"
        there = await read(chain, token, self._usdc, "balanceOf", treasury)
        if there < micros and not await self._treasury.has_begun(step):
            raise JobWaits(TREASURY_S, f"the treasury has {usdc_text(there)} USDC, {usdc_text(micros)} are needed")
        return await call_once(self._treasury, step, token, self._usdc, "transfer", wallet, micros)

    async def _end(self, found: ManagerPayment, transaction: bytes | None, failure: str) -> None:
        amount = usdc_text(found.usdc_micros)
        async with self._pool.acquire() as connection, connection.transaction():
            if transaction is not None:
                is_new = await management_payments.paid(connection, found.payment_id, transaction)
                kind, text = (
                    "MANAGER_PAID",
                    f"You were paid {amount} USDC for managing a property and its expenses.",
                )
            else:
                is_new = await management_payments.failed(connection, found.payment_id, failure)
                kind, text = "MANAGER_PAYMENT_FAILED", f"{amount} USDC could not be paid to your wallet. {failure}"
            manager_id = await self._manager_of(connection, found.property_id)
            if is_new and manager_id is not None:
                data = {"payment_id": str(found.payment_id), "property_id": str(found.property_id), "usdc": amount}
                await self._notify(connection, manager_id, kind, text, data)
