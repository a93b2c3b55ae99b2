"""A node that is away, slow, broken or lying is one of three errors, within its deadline; never something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from settlement.calls import decode_revert, selector
from settlement.chain import Chain, ChainMoved, ChainRefused, ChainUnavailable, Fees, Header

Answer = Callable[[str, list[Any]], Any]


class Node:
    """A JSON-RPC server that answers as it is told: a value, an exception's text, or raw bytes."""

    def __init__(self) -> None:
        self.answer: Answer = lambda method, parameters: None
        self.raw: bytes | None = None
        self.status = 200
        self.hang = False
        self.stopping = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.hang:
            await self.stopping.wait()
        if self.raw is not None:
            return web.Response(body=self.raw, status=self.status, content_type="application/json")
        result = self.answer(asked["method"], asked["params"])
        body = {"jsonrpc": "2.0", "id": asked["id"]}
        body |= {"error": result[1]} if isinstance(result, tuple) else {"result": result}
        return web.Response(text=json.dumps(body), status=self.status, content_type="application/json")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    made = Node()
    app = web.Application()
    app.router.add_post("/", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    yield made
    made.stopping.set()
    await runner.cleanup()


@pytest.fixture
async def chain(node: Node) -> AsyncIterator[Chain]:
    made = Chain(node.url, confirmations=2, timeout_s=1)
    yield made
    await made.close()


async def test_nobody_there(chain: Chain) -> None:
    away = Chain("http://127.0.0.1:1", timeout_s=1)
    with pytest.raises(ChainUnavailable, match="eth_chainId"):
        await away.chain_id()
    await away.close()


async def test_a_silent_node_is_given_up_at_the_deadline(node: Node, chain: Chain) -> None:
    node.hang = True
    with pytest.raises(ChainUnavailable):
        await chain.head()


async def test_calls_that_were_cut_off_hold_up_no_later_one(node: Node, chain: Chain) -> None:
    node.hang = True
    calls = [asyncio.create_task(chain.chain_id()) for _ in range(20)]
    for call in calls[::2]:
        await asyncio.sleep(0)
        call.cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {asyncio.CancelledError, ChainUnavailable}
    node.hang, node.answer = False, lambda method, parameters: "0x7"
    assert await chain.chain_id() == 7


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"7", b'"x"', b'{"jsonrpc":', b"\xff\xfe", b"null"])
async def test_what_is_no_answer_is_unavailable(node: Node, chain: Chain, raw: bytes) -> None:
    node.raw = raw
    with pytest.raises(ChainUnavailable):
        await chain.chain_id()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failing_server_is_unavailable(node: Node, chain: Chain, status: int) -> None:
    node.raw, node.status = b"busy", status
    with pytest.raises(ChainUnavailable):
        await chain.chain_id()


@pytest.mark.parametrize("result", [None, 7, "x", "0x", [], {}, {"number": "0x1"}, [1], ["0x1"]])
async def test_results_of_the_wrong_shape_are_unavailable(node: Node, chain: Chain, result: Any) -> None:
    node.answer = lambda method, parameters: result
    for ask in (chain.chain_id, chain.fees, lambda: chain.nonce(bytes(20))):
        with pytest.raises((ChainUnavailable, ChainMoved)):
            await ask()
    if result is not None:
        with pytest.raises(ChainUnavailable):
            await chain.receipt(bytes(32))


def header(number: int, own: int, parent: int) -> dict[str, str]:
    hashes = {"hash": "0x" + bytes([own] * 32).hex(), "parentHash": "0x" + bytes([parent] * 32).hex()}
    return hashes | {"number": hex(number), "timestamp": "0x1", "baseFeePerGas": "0x7"}


def log(block: int, own: int) -> dict[str, Any]:
    place = {"blockNumber": hex(block), "blockHash": "0x" + bytes([own] * 32).hex(), "logIndex": "0x0"}
    return place | {"address": "0x" + "11" * 20, "topics": [], "data": "0x", "transactionHash": "0x" + "22" * 32}


LAST = Header(3, bytes([3] * 32), bytes([2] * 32), 1, 7)


async def test_logs_are_read_as_one_piece(node: Node, chain: Chain) -> None:
    headers = {"0x1": header(1, 1, 0), "0x2": header(2, 2, 1)}
    logs = [log(3, 3), log(1, 1)]
    node.answer = lambda method, parameters: logs if method == "eth_getLogs" else headers[parameters[0]]
    assert [each.block for each in await chain.logs([bytes(20)], 1, LAST)] == [1, 3]
    headers["0x1"] = header(1, 9, 0)
    with pytest.raises(ChainMoved, match="not the parent"):
        await chain.logs([bytes(20)], 1, LAST)
    headers["0x1"] = header(1, 1, 0)
    logs[1] = log(1, 9)  # another node answered this one
    with pytest.raises(ChainMoved, match="another block"):
        await chain.logs([bytes(20)], 1, LAST)


async def test_a_revert_keeps_its_data_wherever_the_node_puts_it(node: Node, chain: Chain) -> None:
    data = "0x" + selector("NotHolder(bytes32,address)").hex() + "00" * 64
    for place in (data, {"data": data}):
        node.answer = lambda method, parameters, place=place: (  # type: ignore[misc]
            "error",
            {"code": 3, "message": "execution reverted", "data": place},
        )
        with pytest.raises(ChainRefused) as refused:
            await chain.call(bytes(20), b"")
        assert decode_revert(refused.value.data).name == "NotHolder"


async def test_a_transaction_that_the_node_has_is_no_error_and_others_are(node: Node, chain: Chain) -> None:
    for message in ("already known", "nonce too low", "transaction already imported"):
        node.answer = lambda method, parameters, message=message: ("error", {"code": -32000, "message": message})  # type: ignore[misc]
        await chain.send(b"\x02")
    node.answer = lambda method, parameters: ("error", {"code": -32000, "message": "insufficient funds"})
    with pytest.raises(ChainRefused, match="insufficient funds"):
        await chain.send(b"\x02")


async def test_finality_by_confirmations_and_by_the_tag(node: Node, chain: Chain) -> None:
    node.answer = lambda method, parameters: header(10 if parameters[0] == "latest" else 4, 1, 0)
    assert await chain.final_block() == 8
    tagged = Chain(node.url, timeout_s=1)
    assert await tagged.final_block() == 4
    await tagged.close()


def test_a_bump_is_at_least_an_eighth_of_both_fees() -> None:
    for fees in (Fees(1, 1), Fees(7, 1), Fees(10**9, 10**8), Fees(123_456_789, 1)):
        bumped = fees.bumped()
        assert bumped.max_wei * 8 >= fees.max_wei * 9
        assert bumped.priority_wei * 8 >= fees.priority_wei * 9


def test_any_revert_data_has_a_name() -> None:
    known = selector("Overdrawn(address)")
    for data in (b"", b"\x01", known, known + b"\x01", known + b"\xff" * 32, selector("Error(string)") + b"\xff" * 64):
        assert decode_revert(data).name in ("Unknown", "Overdrawn", "Error")
