"""The job that turns one payout's dollars into USDC at the treasury."""

from __future__ import annotations

from typing import Any, Final

from eth_utils.crypto import keccak

from api.addresses import unhex
from payments.conversion import Conversion, Failed, FinalTransfer, Waits, WrongTransferError
from persistence.jobs import Handler, Job, JobFailed, JobWaits
from settlement.chain import Chain

KIND: Final = "convert"  # its key is the payout's reference
TRANSFER: Final = keccak(text="Transfer(address,address,uint256)")


def handler(conversion: Conversion) -> Handler:
    async def convert(job: Job) -> None:
        match await conversion.run(job.key, job.show):
            case Waits(seconds, why):
                raise JobWaits(seconds, why)
            case Failed(reason):
                raise JobFailed(reason)

    return convert


def final_transfer(chain: Chain, usdc: bytes) -> FinalTransfer:
    """USDC transfers as the chain tells them. Raises ChainUnavailable."""

    async def find(transaction_hash: bytes, to: bytes, amount_micros: int) -> int | None:
        receipt = await chain.request("eth_getTransactionReceipt", [f"0x{transaction_hash.hex()}"])
        if receipt is None or receipt["blockNumber"] is None:
            return None
        block = int(receipt["blockNumber"], 16)
        if block > await chain.final_block():
            return None
        succeeded = int(receipt["status"], 16) == 1
        if not succeeded or not any(_brings(log, usdc, to, amount_micros) for log in receipt["logs"]):
            raise WrongTransferError(f"0x{transaction_hash.hex()} does not bring {amount_micros} micros of USDC")
        return block

    return find


def _brings(log: Any, usdc: bytes, to: bytes, amount_micros: int) -> bool:
    topics = [unhex(topic) for topic in log["topics"]]
    return (
        unhex(log["address"]) == usdc
        and len(topics) == 3
        and topics[0] == TRANSFER
        and topics[2] == to.rjust(32, b"\0")
        and int.from_bytes(unhex(log["data"]), "big") == amount_micros
    )
