"""The job that turns one payout's dollars into USDC at the treasury."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.exceptions import TransactionNotFound

from payments.circle import CircleAway
from payments.conversion import Conversion, Failed, FinalTransfer, Waits, WrongTransferError
from persistence.jobs import Handler, Job, JobFailed, JobWaits

KIND: Final = "convert"  # its key is the payout's reference
AWAY_S: Final = 10.0
TRANSFER: Final = keccak(text="Transfer(address,address,uint256)")


def handler(conversion: Conversion) -> Handler:
    async def convert(job: Job) -> None:
        try:
            outcome = await conversion.run(job.key, job.show)
        except CircleAway as error:
            raise JobWaits(AWAY_S, f"Circle is away: {error}") from error
        match outcome:
            case Waits(seconds, why):
                raise JobWaits(seconds, why)
            case Failed(reason):
                raise JobFailed(reason)

    return convert


def final_transfer(chain: AsyncWeb3[Any], usdc: bytes, final_block: Callable[[], Awaitable[int]]) -> FinalTransfer:
    """USDC transfers as the chain tells them; `final_block` is the highest block that counts as FINAL."""

    async def find(transaction_hash: bytes, to: bytes, amount_micros: int) -> int | None:
        try:
            receipt = await chain.eth.get_transaction_receipt(HexBytes(transaction_hash))
        except TransactionNotFound:
            return None
        block = int(receipt["blockNumber"])
        if block > await final_block():
            return None
        if receipt["status"] != 1 or not any(_brings(log, usdc, to, amount_micros) for log in receipt["logs"]):
            raise WrongTransferError(f"0x{transaction_hash.hex()} does not bring {amount_micros} micros of USDC")
        return block

    return find


def _brings(log: Any, usdc: bytes, to: bytes, amount_micros: int) -> bool:
    topics = [bytes(topic) for topic in log["topics"]]
    return (
        bytes.fromhex(str(log["address"]).removeprefix("0x")) == usdc
        and len(topics) == 3
        and topics[0] == TRANSFER
        and topics[2] == to.rjust(32, b"\0")
        and int.from_bytes(bytes(log["data"]), "big") == amount_micros
    )
