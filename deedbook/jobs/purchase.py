"""The first sale on chain: it is opened, each purchase is brought there until its deadline, and it is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from web3.exceptions import ContractLogicError

from api.addresses import unhex
from api.amounts import text, usdc
from api.doors import Notify
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed, JobWaits
from settlement import sale_rows as rows
from settlement.calls import Revert, decode_revert
from settlement.chain import Chain, Log
from settlement.purchase import PURCHASE_JOB, SEEN_JOB, as_problem
from settlement.sale import CLOSE_JOB, OPEN_JOB
from settlement.sale_contract import Purchase as Bought
from settlement.sale_contract import SaleContract, checksum
from settlement.sale_rows import ENDED, Purchase, PurchaseState, Sale, SaleState
from settlement.steps import Receipt, Sender, StepFailedError
from settlement.trades import Token, Wallet

SOON_S: Final = 1.0  # until a block more is FINAL
REFUSED_S: Final = 5.0  # until what the chain refuses is tried again


class SaleJobs:
    """The jobs `sale_open`, `sale_close` and `purchase`, whose keys are a sale's and a purchase's ids; and
    `purchase_seen`, see `seen`.

    sender    the operator of the sale contract: the platform
    name_of   a property's name, for people
    """

    def __init__(
        self,
        pool: Pool,
        chain: Chain,
        sender: Sender,
        contract: SaleContract,
        name_of: Callable[[Connection, UUID], Awaitable[str]],
        notify: Notify,
    ) -> None:
        self._pool = pool
        self._chain = chain
        self._sender = sender
        self._contract = contract
        self._name_of = name_of
        self._notify = notify

    def handlers(self) -> dict[str, Handler]:
        return {OPEN_JOB: self.open, CLOSE_JOB: self.close, PURCHASE_JOB: self.purchase, SEEN_JOB: self.seen}

    async def open(self, job: Job) -> None:
        sale = await rows.sale(self._pool, UUID(job.key))
        if sale.state is not SaleState.OPENING:
            return
        if await rows.is_closing(self._pool, sale.property_id):
            raise JobWaits(SOON_S, "the property's last sale is being closed")
        await job.show("opening the sale", 0, 2)
        try:
            data = self._contract.open_data(sale.token, sale.terms)
            receipt = await self._once(f"sale {sale.sale_id} open", data)
        except _Refused as refused:
            await rows.fail_sale(self._pool, sale.sale_id, str(refused.revert))
            raise JobFailed(f"the contract refuses the sale: {refused.revert}") from refused
        await job.show("waiting until it is final", 1, 2)
        await self._require_final(receipt)
        standing = await self._contract.standing(sale.token)
        async with self._pool.acquire() as connection, connection.transaction():
            if await rows.opened(connection, sale.sale_id, standing.number, receipt.block_number):
                await self._tell_issuer(connection, sale, "SALE_OPENED", "The first sale of {name} is open.")
        await job.show("open", 2, 2)

    async def close(self, job: Job) -> None:
        sale = await rows.sale(self._pool, UUID(job.key))
        if sale.state is not SaleState.CLOSING:
            return
        await job.show("closing the sale", 0, 2)
        try:
            receipt = await self._once(f"sale {sale.sale_id} close", self._contract.close_data(sale.token))
        except _Refused as refused:
            raise JobFailed(f"the contract does not close the sale: {refused.revert}") from refused
        await job.show("waiting until it is final", 1, 2)
        await self._require_final(receipt)
        async with self._pool.acquire() as connection, connection.transaction():
            if await rows.move_sale(connection, sale.sale_id, SaleState.CLOSING, SaleState.CLOSED):
                await self._tell_issuer(connection, sale, "SALE_CLOSED", "The first sale of {name} is closed.")
        await job.show("closed", 2, 2)

    async def purchase(self, job: Job) -> None:
        """Whoever brings a signed purchase to the contract, it is made once; so the contract is asked first."""
        purchase = await rows.purchase(self._pool, UUID(job.key))
        assert purchase is not None, f"no purchase {job.key}"
        if purchase.state in ENDED:
            return
        sale = await rows.sale(self._pool, purchase.sale_id)
        await job.show("bringing it to the chain", 0, 3)
        made = await self._made(purchase, sale)
        if made is None:
            if await self._is_over(purchase, sale):
                await self._end_badly(purchase, sale)
                return
            await self._bring(purchase, sale)
            made = await self._made(purchase, sale)
            if made is None:
                raise JobWaits(SOON_S, "it is mined, and not found yet")
        await job.show("waiting until it is final", 1, 3)
        time_s = (await self._chain.header(made.block)).time_s
        if made.block > await self._chain.final_block():
            await rows.set_made(
                self._pool, purchase.purchase_id, PurchaseState.MINED, made.transaction, made.block, time_s
            )
            raise JobWaits(SOON_S, "it is not final yet")
        await job.show("final", 2, 3)
        await self._end_well(purchase, sale, made, time_s)
        await job.show("bought", 3, 3)

    async def seen(self, job: Job) -> None:
        """A signed purchase that its buyer brought to the contract alone: it has a receipt, too.

        Its payload is the FINAL event's: user_id, token, wallet, nonce, qty, usdc_micros, transaction, block.
        """
        said = job.payload
        token, wallet = Token(bytes.fromhex(said["token"])), Wallet(bytes.fromhex(said["wallet"]))
        sale = await rows.sale_of_block(self._pool, token, said["block"])
        if sale is None:
            raise JobWaits(SOON_S, "the sale is not known as open yet")
        time_s = (await self._chain.header(said["block"])).time_s
        made = Bought(wallet, token, int(said["qty"]), int(said["usdc_micros"]), int(said["nonce"]), time_s)
        async with self._pool.acquire() as connection, connection.transaction():
            await rows.sale(connection, sale.sale_id, lock=True)
            purchase = await rows.put_seen(
                connection, sale, UUID(said["user_id"]), made, bytes.fromhex(said["transaction"]), said["block"]
            )
            if purchase is None:  # we were asked for it after all
                return
            await self._tell_both(connection, purchase, sale)

    async def _made(self, purchase: Purchase, sale: Sale, last_block: int | None = None) -> Log | None:
        assert sale.opened_block is not None, "only an open sale is bought in"
        return await self._contract.sold(purchase.signed(sale.token), sale.opened_block, last_block)

    async def _bring(self, purchase: Purchase, sale: Sale) -> None:
        data = self._contract.buy_data(purchase.signed(sale.token), purchase.signature, purchase.permit)
        try:
            await self._once(f"purchase {purchase.purchase_id}", data)
        except _Refused as refused:  # what is in the way may be out of it before the deadline
            why = as_problem(refused.revert).detail
            if refused.revert.name != "PurchaseExpired":  # why it did not come to it before is what counts then
                await rows.set_reason(self._pool, purchase.purchase_id, why)
            raise JobWaits(REFUSED_S, why) from refused

    async def _is_over(self, purchase: Purchase, sale: Sale) -> bool:
        """Once a FINAL block is later than the deadline, and no block up to it has the purchase, none ever will."""
        final = await self._chain.final_block()
        if (await self._chain.header(final)).time_s <= purchase.deadline.timestamp():
            return False
        return await self._made(purchase, sale, final) is None

    async def _end_badly(self, purchase: Purchase, sale: Sale) -> None:
        why = purchase.reason or "It did not reach the chain before its deadline."
        async with self._pool.acquire() as connection, connection.transaction():
            standing = await rows.purchase(connection, purchase.purchase_id, lock=True)
            assert standing is not None
            if standing.state in ENDED:
                return
            await rows.fail_purchase(connection, purchase.purchase_id, why)
            words = "You did not buy {tokens} of {name}, and paid nothing. {why}"
            await self._tell(connection, purchase, sale, purchase.user_id, "PURCHASE_FAILED", words, why)

    async def _end_well(self, purchase: Purchase, sale: Sale, made: Log, time_s: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await rows.sale(connection, sale.sale_id, lock=True)
            standing = await rows.purchase(connection, purchase.purchase_id, lock=True)
            assert standing is not None
            if standing.state in ENDED:
                return
            await rows.set_made(
                connection, purchase.purchase_id, PurchaseState.FINAL, made.transaction, made.block, time_s
            )
            await self._tell_both(connection, purchase, sale)

    async def _tell_both(self, connection: Connection, purchase: Purchase, sale: Sale) -> None:
        words = "You bought {tokens} of {name} for {usdc} USDC."
        await self._tell(connection, purchase, sale, purchase.user_id, "PURCHASED", words)
        words = "{tokens} of {name} were sold for {usdc} USDC."
        await self._tell(connection, purchase, sale, sale.issuer_id, "TOKENS_SOLD", words)

    async def _tell(
        self,
        connection: Connection,
        purchase: Purchase,
        sale: Sale,
        user_id: UUID,
        kind: str,
        words: str,
        why: str = "",
    ) -> None:
        qty = text(purchase.qty_base_units, sale.token_decimals)
        said = {
            "tokens": f"{qty} {'token' if qty == '1' else 'tokens'}",
            "name": await self._name_of(connection, sale.property_id),
            "usdc": usdc(purchase.usdc_micros),
            "why": why,
        }
        data = {"purchase_id": str(purchase.purchase_id), "property_id": str(sale.property_id)}
        await self._notify(connection, user_id, kind, words.format(**said), data)

    async def _tell_issuer(self, connection: Connection, sale: Sale, kind: str, words: str) -> None:
        name = await self._name_of(connection, sale.property_id)
        data = {"sale_id": str(sale.sale_id), "property_id": str(sale.property_id)}
        await self._notify(connection, sale.issuer_id, kind, words.format(name=name), data)

    async def _once(self, step: str, data: bytes) -> Receipt:
        """Raises _Refused if the contract would revert; JobWaits where another transaction came before ours."""
        try:
            return await self._sender.once(step, checksum(self._contract.address), data)
        except ContractLogicError as error:
            raise _Refused(error) from error
        except StepFailedError as error:
            raise JobWaits(SOON_S, str(error)) from error

    async def _require_final(self, receipt: Receipt) -> None:
        if receipt.block_number > await self._chain.final_block():
            raise JobWaits(SOON_S, "it is not final yet")


class _Refused(Exception):  # noqa: N818 - what the contract said
    def __init__(self, error: ContractLogicError) -> None:
        data = error.data if isinstance(error.data, str) else ""
        raw = unhex(data) if data.startswith("0x") else b""
        self.revert = decode_revert(raw) if raw else Revert(str(error))
        super().__init__(str(self.revert))
