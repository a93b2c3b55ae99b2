"""The chain by JSON-RPC: heads, logs, calls, fees, raw transactions. Each call has a deadline; none is retried here."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp

from api.addresses import unhex

TRANSACTION_GAS_MAX: Final = 16_777_216  # EIP-7825: what bounds a batch
HEADERS_AT_ONCE: Final = 16
Parsed = TypeVar("Parsed")


class ChainUnavailable(Exception):  # noqa: N818 - a state of the world that is waited out, not a mistake
    """No answer, or one that is no JSON-RPC: try again later; the text says what happened."""


class ChainRefused(Exception):  # noqa: N818
    """The node answered with an error: `data` is the revert data of a call that reverted, empty otherwise."""

    def __init__(self, code: int, message: str, data: bytes = b"") -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class ChainMoved(Exception):  # noqa: N818
    """The chain changed under a read that must be one piece: read again."""


@dataclass(frozen=True, slots=True)
class Header:
    number: int
    hash: bytes
    parent_hash: bytes
    time_s: int
    base_fee_wei: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a contract; `log_index` counts within its block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    log_index: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    transaction: bytes
    block: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers a unit of gas, in wei (EIP-1559)."""

    max_wei: int
    priority_wei: int

    def bumped(self, percent: int = 13) -> Fees:
        """At least `percent` more of both: nodes ask 10% (some 12.5%) for a replacement."""
        return Fees(self.max_wei * (100 + percent) // 100 + 1, self.priority_wei * (100 + percent) // 100 + 1)

    def at_least(self, other: Fees) -> Fees:
        return Fees(max(self.max_wei, other.max_wei), max(self.priority_wei, other.priority_wei))


class Chain:
    """One node.

    confirmations  how many blocks on top make a block FINAL (a local chain); None: the `finalized` tag decides.
    Raises         ChainUnavailable, ChainRefused from every call.
    """

    def __init__(self, rpc_url: str, confirmations: int | None = None, timeout_s: float = 15.0) -> None:
        self._url = rpc_url
        self._confirmations = confirmations
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, method: str, parameters: Sequence[Any] = ()) -> Any:
        """The result of one JSON-RPC call.

        By aiohttp itself: web3's provider takes a thread lock that a call cut off by its deadline never gives back.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession()
        asked = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}
        try:
            async with asyncio.timeout(self._timeout_s), self._session.post(self._url, json=asked) as response:
                answer: Any = json.loads(await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ChainUnavailable(f"{method}: {type(error).__name__} {error}".rstrip()) from error
        if not isinstance(answer, Mapping) or answer.get("id") not in (asked["id"], None):
            raise ChainUnavailable(f"{method}: the answer is no JSON-RPC")
        if (error_fields := answer.get("error")) is not None:
            raise _refused(error_fields)
        return answer.get("result")

    async def _read(self, method: str, parameters: Sequence[Any], parse: Callable[[Any], Parsed]) -> Parsed:
        """The parsed result; one that is not what the method promises is as good as no answer."""
        result = await self.request(method, parameters)
        try:
            return parse(result)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ChainUnavailable(f"{method}: the answer makes no sense ({error!r})") from error

    async def chain_id(self) -> int:
        return await self._read("eth_chainId", (), _number)

    async def head(self) -> Header:
        return await self._header("latest")

    async def header(self, number: int) -> Header:
        """One block's header. Raises ChainMoved where the chain has no such block (any more)."""
        return await self._header(hex(number))

    async def final_block(self) -> int:
        """The highest block that counts as FINAL; 0 before there is one."""
        if self._confirmations is None:
            return (await self._header("finalized")).number
        return max(0, (await self.head()).number - self._confirmations)

    async def logs(self, addresses: Sequence[bytes], first: int, last: Header) -> tuple[Log, ...]:
        """The logs of blocks `first` .. `last`, in order, read as one piece.

        Checks that every block from `first` on is the parent of the next, up to `last`, and that each log stands in one
        of them. Raises ChainMoved if not.
        """
        asked = {"fromBlock": hex(first), "toBlock": hex(last.number), "address": [_hex(each) for each in addresses]}
        headers = await self.headers(first, last)
        logs = await self._read("eth_getLogs", [asked], _logs)
        for log in logs:
            if log.block not in headers or headers[log.block].hash != log.block_hash:
                raise ChainMoved(f"a log of block {log.block} is of another block than its header")
        return tuple(sorted(logs, key=lambda log: (log.block, log.log_index)))

    async def find_logs(
        self, address: bytes, topics: Sequence[bytes], first: int = 0, last: int | None = None
    ) -> tuple[Log, ...]:
        """The logs of an address with these first topics in blocks `first` .. `last` (None: the head), in order.

        Nothing is checked: for what does not change, or is checked elsewhere.
        """
        asked = {"fromBlock": hex(first), "toBlock": "latest" if last is None else hex(last)}
        asked_of = asked | {"address": _hex(address), "topics": [*map(_hex, topics)]}
        found = await self._read("eth_getLogs", [asked_of], _logs)
        return tuple(sorted(found, key=lambda log: (log.block, log.log_index)))

    async def call(
        self,
        to: bytes,
        data: bytes,
        block: int | None = None,
        sender: bytes | None = None,
        gas: int | None = None,
        code: Mapping[bytes, bytes] | None = None,
    ) -> bytes:
        """eth_call at a block (None: latest); `code` overrides what stands at an address. A revert is ChainRefused."""
        transaction = {"to": _hex(to), "data": _hex(data)}
        if sender is not None:
            transaction["from"] = _hex(sender)
        if gas is not None:
            transaction["gas"] = hex(gas)
        parameters: list[Any] = [transaction, "latest" if block is None else hex(block)]
        if code is not None:
            parameters.append({_hex(address): {"code": _hex(text)} for address, text in code.items()})
        return await self._read("eth_call", parameters, unhex)

    async def estimate(self, sender: bytes, to: bytes, data: bytes) -> int:
        """Gas that the call needs now. ChainRefused if it would revert, with its data, or needs more than allowed."""
        transaction = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        return await self._read("eth_estimateGas", [transaction, "latest"], _number)

    async def fees(self) -> Fees:
        """Enough for the next blocks even if the base fee doubles."""
        head, priority = await asyncio.gather(self.head(), self._read("eth_maxPriorityFeePerGas", (), _number))
        priority_wei = max(1, priority)
        return Fees(2 * head.base_fee_wei + priority_wei, priority_wei)

    async def nonce(self, address: bytes) -> int:
        """The next nonce after what is mined."""
        return await self._read("eth_getTransactionCount", [_hex(address), "latest"], _number)

    async def send(self, raw: bytes) -> None:
        """Hand a signed transaction to the node. Known or mined already is no error: the caller watches the receipt."""
        try:
            await self.request("eth_sendRawTransaction", [_hex(raw)])
        except ChainRefused as refused:
            if not any(words in refused.message.lower() for words in _KNOWN_ALREADY):
                raise

    async def receipt(self, transaction: bytes) -> Receipt | None:
        """None while it is not mined, and again after a reorg dropped it."""
        return await self._read("eth_getTransactionReceipt", [_hex(transaction)], _receipt)

    async def is_pending(self, transaction: bytes) -> bool:
        """Whether the node knows the transaction, mined or not."""
        return await self.request("eth_getTransactionByHash", [_hex(transaction)]) is not None

    async def _header(self, block: str) -> Header:
        header = await self._read("eth_getBlockByNumber", [block, False], _header)
        if header is None:
            raise ChainMoved(f"there is no block {block}")
        return header

    async def headers(self, first: int, last: Header) -> dict[int, Header]:
        """By number of `first` .. `last`, each checked to be its successor's parent. Raises ChainMoved if not."""
        headers = {last.number: last}
        numbers = range(first, last.number)
        for start in range(0, len(numbers), HEADERS_AT_ONCE):
            chunk = numbers[start : start + HEADERS_AT_ONCE]
            headers.update({each.number: each for each in await asyncio.gather(*map(self.header, chunk))})
        for number in numbers:
            if headers[number + 1].parent_hash != headers[number].hash:
                raise ChainMoved(f"block {number} is not the parent of block {number + 1}")
        return headers


# What geth, anvil, reth, erigon and nethermind say of a transaction that they have or that is mined.
_KNOWN_ALREADY: Final = ("already known", "already imported", "nonce too low", "alreadyknown", "known transaction")


def _refused(fields: Any) -> ChainRefused:
    if not isinstance(fields, Mapping):
        return ChainRefused(0, str(fields))
    data = fields.get("data")
    if isinstance(data, Mapping):  # some nodes nest it
        data = data.get("data")
    revert = unhex(data) if isinstance(data, str) and data.startswith("0x") else b""
    return ChainRefused(int(fields.get("code", 0)), str(fields.get("message", "")), revert)


def _header(fields: Any) -> Header | None:
    if fields is None:
        return None
    return Header(
        number=_number(fields["number"]),
        hash=unhex(fields["hash"]),
        parent_hash=unhex(fields["parentHash"]),
        time_s=_number(fields["timestamp"]),
        base_fee_wei=_number(fields.get("baseFeePerGas") or "0x0"),
    )


def _receipt(fields: Any) -> Receipt | None:
    if fields is None or fields["blockNumber"] is None:
        return None
    return Receipt(
        transaction=unhex(fields["transactionHash"]),
        block=_number(fields["blockNumber"]),
        block_hash=unhex(fields["blockHash"]),
        succeeded=_number(fields["status"]) == 1,
        gas_used=_number(fields["gasUsed"]),
    )


def _logs(found: Any) -> tuple[Log, ...]:
    return tuple(_log(each) for each in found)


def _log(fields: Mapping[str, Any]) -> Log:
    return Log(
        address=unhex(fields["address"]),
        topics=tuple(unhex(each) for each in fields["topics"]),
        data=unhex(fields["data"]),
        block=_number(fields["blockNumber"]),
        block_hash=unhex(fields["blockHash"]),
        log_index=_number(fields["logIndex"]),
        transaction=unhex(fields["transactionHash"]),
    )


def _number(text: str) -> int:
    return int(text, 16)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
