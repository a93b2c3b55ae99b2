"""One key's transactions: signed, written down, then sent; watched, sent again, replaced."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Final

from eth_utils.crypto import keccak

from settlement.chain import Chain, ChainRefused, Fees, Receipt
from settlement.records import Records, SignedTransaction
from settlement.signer_client import Signer
from settlement.signing import Reference, SignRequest

REPLACE_BUMPS_MAX: Final = 8  # bumps of 13% on one call to `send` before a node's "underpriced" is believed


class Standing(Enum):
    """Where a purpose's transactions stand."""

    NONE = "nothing was signed"
    WAITING = "one can still be mined"
    MINED = "one was mined and succeeded"
    REVERTED = "one was mined and reverted, and none can be mined any more"
    LOST = "their nonces went to other transactions"


@dataclass(frozen=True, slots=True)
class Progress:
    standing: Standing
    signed: tuple[SignedTransaction, ...]  # by nonce and age
    receipt: Receipt | None = None  # of MINED and REVERTED
    mined: SignedTransaction | None = None  # the one that the receipt is of


@dataclass(frozen=True, slots=True)
class Call:
    """A call to send: for what, to which contract, with which data."""

    purpose: str
    attempt: int
    to: bytes
    data: bytes
    gas_limit: int
    reference: Reference | None = None


class Outbox:
    """
    sender  the address of the signer's key; nobody else sends with it
    """

    def __init__(self, chain: Chain, records: Records, signer: Signer, sender: bytes, chain_id: int) -> None:
        self._chain = chain
        self._records = records
        self._signer = signer
        self._chain_id = chain_id
        self._nonce_lock = asyncio.Lock()
        self.sender = sender

    async def look(self, purpose: str) -> Progress:
        """Where the purpose's transactions stand on the chain's present head. Raises ChainUnavailable."""
        signed = tuple(await self._records.transactions(purpose))
        if not signed:
            return Progress(Standing.NONE, ())
        nonce_next = await self._chain.nonce(self.sender)  # before the receipts: what is mined later only looks WAITING
        reverted: tuple[Receipt, SignedTransaction] | None = None
        for each in signed:
            receipt = await self._chain.receipt(each.transaction)
            if receipt is not None and receipt.succeeded:
                return Progress(Standing.MINED, signed, receipt, each)
            if receipt is not None:
                reverted = (receipt, each)
        if any(each.nonce >= nonce_next for each in signed):
            return Progress(Standing.WAITING, signed)
        return Progress(Standing.LOST, signed) if reverted is None else Progress(Standing.REVERTED, signed, *reverted)

    async def send(self, call: Call, replacing: SignedTransaction | None = None) -> SignedTransaction:
        """Sign a call, write it down, send it.

        replacing  one of the purpose's transactions, still unmined: the new one takes its nonce and offers 13% more
        Raises     SigningRefused, SignerUnavailable: nothing was sent. ChainUnavailable, ChainRefused: it is written
                   down, and `again` sends it.
        """
        async with self._nonce_lock:
            fees = await self._chain.fees()
            nonce = await self._next_nonce() if replacing is None else replacing.nonce
            for rival in await self._records.open_transactions(self.sender, nonce):
                if rival.nonce == nonce:
                    fees = fees.at_least(rival.fees.bumped())
            for bumps_left in reversed(range(REPLACE_BUMPS_MAX)):
                signed = await self._sign(call, nonce, fees)
                await self._records.record_transaction(signed)
                try:
                    await self._chain.send(signed.raw)
                    return signed
                except ChainRefused as refused:
                    if "underpriced" not in refused.message.lower() or bumps_left == 0:
                        raise
                    fees = fees.bumped()
        raise AssertionError("the last bump raises or returns")

    async def again(self, signed: SignedTransaction) -> None:
        """Hand the very same bytes to the node once more; it may have lost them."""
        if not await self._chain.is_pending(signed.transaction):
            await self._chain.send(signed.raw)

    async def _next_nonce(self) -> int:
        """After what is mined and after what is signed: a nonce is given to one purpose only."""
        nonce = await self._chain.nonce(self.sender)
        waiting = await self._records.open_transactions(self.sender, nonce)
        return max([nonce, *(each.nonce + 1 for each in waiting)])

    async def _sign(self, call: Call, nonce: int, fees: Fees) -> SignedTransaction:
        request = SignRequest(
            chain_id=self._chain_id,
            nonce=nonce,
            to=call.to,
            data=call.data,
            gas=call.gas_limit,
            max_fee_wei=str(fees.max_wei),
            priority_fee_wei=str(fees.priority_wei),
            reference=call.reference,
        )
        raw = await self._signer.sign(request)
        return SignedTransaction(keccak(raw), call.purpose, call.attempt, self.sender, nonce, call.gas_limit, fees, raw)
