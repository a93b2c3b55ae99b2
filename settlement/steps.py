"""Transactions that happen once, though the process may be killed between any two lines.

A step is one transaction with a name. Its signed bytes are stored before they are sent, so that a later run finds the
receipt, or sends the same bytes again, and never makes a second transaction for the same step.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.exceptions import TransactionNotFound, Web3RPCError

from persistence.database import Connection, Pool
from persistence.whole_file import write_whole

GAS_LIMIT_MAX = 16_777_216  # EIP-7825: no transaction may ask for more
RECEIPT_POLL_S = 0.05
RECEIPT_DEADLINE_S = 120.0
RECEIPT_LAG_S = 3.0  # a node may count a mined transaction some time before it finds its receipt


class StepFailedError(Exception):
    """A step's transaction was mined and reverted."""


class StepNotMinedError(StepFailedError):
    """Not mined before the deadline, or another transaction took its nonce: asked for again, the step goes on."""


class Turn(Protocol):
    """While it lasts nobody else sends with the key, in no process. `put` returns when the bytes are durable."""

    async def put(self, name: str, raw_transaction: bytes) -> None: ...


class StepStore(Protocol):
    """Where signed steps are kept, and who sends next with a key."""

    async def get(self, name: str) -> bytes | None: ...

    def turn(self, address: ChecksumAddress) -> AbstractAsyncContextManager[Turn]: ...


@dataclass(frozen=True, slots=True)
class _PostgresTurn:
    connection: Connection

    async def put(self, name: str, raw_transaction: bytes) -> None:
        await self.connection.execute(
            "INSERT INTO chain_steps (name, raw) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET raw = excluded.raw",
            name,
            raw_transaction,
        )


class PostgresSteps:
    """Steps in the table `chain_steps`; every process of ours shares them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, name: str) -> bytes | None:
        raw: bytes | None = await self._pool.fetchval("SELECT raw FROM chain_steps WHERE name = $1", name)
        return raw

    @asynccontextmanager
    async def turn(self, address: ChecksumAddress) -> AsyncIterator[Turn]:
        """One connection for the lock and the step, so that those who wait never keep one who has the turn from it."""
        async with self._pool.acquire() as connection:
            key = int.from_bytes(bytes.fromhex(address[2:18]), "big", signed=True)
            await connection.execute("SELECT pg_advisory_lock($1)", key)  # the pool gives it back on release
            yield _PostgresTurn(connection)


class FileSteps:
    """Steps in one JSON file, for where there is no database; one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}

    @asynccontextmanager
    async def turn(self, address: ChecksumAddress) -> AsyncIterator[Turn]:
        yield self

    async def get(self, name: str) -> bytes | None:
        raw = self._steps.get(name)
        return None if raw is None else bytes.fromhex(raw)

    async def put(self, name: str, raw_transaction: bytes) -> None:
        self._steps[name] = raw_transaction.hex()
        write_whole(self._path, json.dumps(self._steps, indent=0, sort_keys=True).encode())


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction that did not revert."""

    transaction_hash: bytes
    block_number: int
    gas_used: int
    created: ChecksumAddress | None
    logs: tuple[Mapping[str, Any], ...]


class Sender:
    """One key's transactions, sent in the order of their nonces.

    chain    an AsyncWeb3 whose node we trust
    account  the key; other processes may send with it through the same store
    steps    the store of finished and begun steps
    """

    def __init__(self, chain: AsyncWeb3[Any], account: LocalAccount, steps: StepStore) -> None:
        self.chain = chain
        self.account = account
        self._steps = steps
        self._one_at_a_time = asyncio.Lock()  # so that a process waits for its turn with one connection

    @property
    def address(self) -> ChecksumAddress:
        return self.account.address

    async def once(self, name: str, to: ChecksumAddress | None, data: bytes) -> Receipt:
        """Send a step, or find out how it went the last time.

        name  unique for ever in the store, for this key and chain
        to    the contract to call; None creates one
        Raises StepFailedError, and web3's ContractLogicError when the call would revert (nothing is stored then).
        """
        key = f"{self.address}/{name}"
        raw = await self._steps.get(key)
        if raw is not None:
            receipt = await self._resume(name, raw)
            if receipt is not None:
                return receipt
        return await self._send(name, key, to, data)

    async def has_begun(self, name: str) -> bool:
        """Whether the step was ever signed: then it may have been sent."""
        return await self._steps.get(f"{self.address}/{name}") is not None

    async def send(self, to: ChecksumAddress, data: bytes) -> Receipt:
        """Send a call that may safely happen twice, such as setting a flag to a value."""
        return await self._send(f"call {to}", None, to, data)

    async def _send(self, name: str, key: str | None, to: ChecksumAddress | None, data: bytes) -> Receipt:
        transaction = await self._unsigned(to, data)
        async with self._one_at_a_time, self._steps.turn(self.address) as turn:
            nonce = await self.chain.eth.get_transaction_count(self.address, "pending")
            signed = self.account.sign_transaction({**transaction, "nonce": nonce})
            raw = bytes(signed.raw_transaction)
            if key is not None:
                await turn.put(key, raw)
            await self._broadcast(raw)
        receipt = await self._receipt(name, bytes(signed.hash), nonce)
        if receipt is None:
            raise StepNotMinedError(f"{name}: another transaction took nonce {nonce}")
        return receipt

    async def _resume(self, name: str, raw: bytes) -> Receipt | None:
        """The receipt of a step that was begun before; None if it reverted or can never be mined: it is made anew."""
        transaction_hash = bytes(self.chain.keccak(raw))
        nonce = _nonce_of(raw)
        found = await self._lookup(transaction_hash)
        if found is not None and found["status"] != 1:
            return None
        if found is None and await self.chain.eth.get_transaction_count(self.address, "latest") <= nonce:
            await self._broadcast(raw)
        return await self._receipt(name, transaction_hash, nonce)

    async def _receipt(self, name: str, transaction_hash: bytes, nonce: int) -> Receipt | None:
        """Wait for the receipt; None when the nonce went to another transaction."""
        deadline = time.monotonic() + RECEIPT_DEADLINE_S
        taken_since: float | None = None
        while (found := await self._lookup(transaction_hash)) is None:
            if await self.chain.eth.get_transaction_count(self.address, "latest") > nonce:
                taken_since = taken_since or time.monotonic()
                if time.monotonic() - taken_since > RECEIPT_LAG_S:
                    return None
            if time.monotonic() > deadline:
                raise StepNotMinedError(f"{name}: not mined within {RECEIPT_DEADLINE_S:.0f} s")
            await asyncio.sleep(RECEIPT_POLL_S)
        if found["status"] != 1:
            raise StepFailedError(f"{name}: reverted in {HexBytes(transaction_hash).to_0x_hex()}")
        return Receipt(
            transaction_hash=transaction_hash,
            block_number=found["blockNumber"],
            gas_used=found["gasUsed"],
            created=found.get("contractAddress"),
            logs=tuple(found["logs"]),
        )

    async def _lookup(self, transaction_hash: bytes) -> Any:
        try:
            return await self.chain.eth.get_transaction_receipt(HexBytes(transaction_hash))
        except TransactionNotFound:
            return None

    async def _broadcast(self, raw: bytes) -> None:
        try:
            await self.chain.eth.send_raw_transaction(HexBytes(raw))
        except Web3RPCError as error:
            # The node has these very bytes already, pending or mined: the receipt will tell.
            if not any(words in str(error).lower() for words in ("already known", "already imported", "nonce too low")):
                raise

    async def _unsigned(self, to: ChecksumAddress | None, data: bytes) -> dict[str, Any]:
        transaction: dict[str, Any] = {"from": self.address, "data": HexBytes(data), "value": 0}
        if to is not None:
            transaction["to"] = to
        gas = await self.chain.eth.estimate_gas(transaction, "latest")  # type: ignore[arg-type]  # TxParams by content
        block = await self.chain.eth.get_block("latest")
        tip_wei = 1_000_000_000
        transaction |= {
            "gas": min(gas * 5 // 4, GAS_LIMIT_MAX),  # a state that changed meanwhile may cost a little more
            "maxPriorityFeePerGas": tip_wei,
            "maxFeePerGas": 2 * block["baseFeePerGas"] + tip_wei,
            "chainId": await self.chain.eth.chain_id,
            "type": 2,
        }
        return transaction


def _nonce_of(raw: bytes) -> int:
    """The nonce inside a signed type 2 transaction."""
    return int(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"])
