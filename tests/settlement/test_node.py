"""The way to a node: what is cut off holds nothing, and what does not answer is said."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from settlement.node import node
from tests.settlement.local_chain import anvil, free_port

CALLS = 200


async def test_calls_that_are_cut_off_hold_nothing_that_others_wait_for() -> None:
    async with anvil() as chain:
        for turn in range(CALLS):
            calls = [asyncio.create_task(chain.eth.chain_id) for _ in range(8)]
            for _ in range(turn % 8):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(20):
            assert await chain.eth.block_number == 0


async def test_no_node_and_a_node_that_fails_are_said() -> None:
    nobody = node(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(aiohttp.ClientConnectorError):
        await nobody.eth.block_number
    assert not await nobody.is_connected()
    await nobody.provider.disconnect()

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/", fail)
    async with TestServer(app) as server:
        failing = node(str(server.make_url("/")))
        with pytest.raises(aiohttp.ClientResponseError):
            await failing.eth.block_number
        await failing.provider.disconnect()
