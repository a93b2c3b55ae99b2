"""The test wallet on a real chain: it signs as its token's key, sends, and answers our own pages only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import Web3

from deedbook.sandbox.wallet import TEST_USDC_MICROS, Sandbox
from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.steps import Sender
from tests.settlement.local_chain import anvil, file_steps, key, rich

ORIGIN = "http://127.0.0.1:8080"
TOKEN = "a1" * 32
Http = TestClient[web.Request, web.Application]


@pytest.fixture
async def wallet(tmp_path: Path) -> AsyncIterator[tuple[Http, Any, str]]:
    """The sandbox's client, its chain, and USDC that `key("minter")` mints."""
    async with anvil() as chain:
        minter = key("minter")
        await rich(chain, minter.address)
        sender = Sender(chain, minter, file_steps(tmp_path))
        usdc = (await sender.once("usdc", None, ours("MockUSDC").creation_data([minter.address]))).created
        assert usdc is not None
        sandbox = Sandbox(chain, usdc, minter.address, frozenset({ORIGIN}))
        async with TestClient(TestServer(sandbox.app())) as http:
            yield http, chain, usdc


async def _ask(http: Http, method: str, *params: object, token: str = TOKEN, origin: str = ORIGIN) -> Any:
    headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
    async with http.post("/", json={"method": method, "params": params}, headers=headers) as response:
        return await response.json()


async def test_a_token_is_a_wallet_that_signs_and_sends(wallet: tuple[Http, Any, str]) -> None:
    http, chain, usdc = wallet
    address = (await _ask(http, "eth_requestAccounts"))["result"][0]
    assert (await _ask(http, "eth_accounts", token="b2" * 32))["result"] != [address]
    signature = (await _ask(http, "personal_sign", "0x" + b"a text".hex(), address))["result"]
    assert Account.recover_message(encode_defunct(text="a text"), signature=signature) == address
    await _ask(http, "deedbook_testUsdc")
    usdc = Web3.to_checksum_address(usdc)
    assert await read(chain, ours("MockUSDC"), usdc, "balanceOf", address) == TEST_USDC_MICROS
    data = "0x" + ours("MockUSDC").call_data("transfer", [key("friend").address, 5]).hex()
    sent = await _ask(http, "eth_sendTransaction", {"from": address, "to": usdc, "data": data, "value": "0x0"})
    assert (await chain.eth.get_transaction_receipt(sent["result"]))["status"] == 1
    assert await read(chain, ours("MockUSDC"), usdc, "balanceOf", key("friend").address) == 5


async def test_what_it_cannot_do_is_said_as_a_provider_says_it(wallet: tuple[Http, Any, str]) -> None:
    http, _, usdc = wallet
    data = "0x" + ours("MockUSDC").call_data("transfer", [key("friend").address, 10**30]).hex()
    assert (await _ask(http, "eth_sendTransaction", {"to": usdc, "data": data}))["error"]["code"] == -32000
    assert (await _ask(http, "eth_sign"))["error"]["code"] == 4200
    assert (await _ask(http, "personal_sign"))["error"]["code"] == -32602
    assert (await _ask(http, "eth_accounts", token="short"))["error"]["code"] == 4100
    assert (await _ask(http, "eth_accounts", origin="http://evil.example"))["error"]["code"] == 4100
    assert (
        "Access-Control-Allow-Origin"
        not in (await http.options("/", headers={"Origin": "http://evil.example"})).headers
    )
