"""A wallet for a browser without one, on the local chain only: the JSON-RPC of an EIP-1193 provider, signing at once.

Who brings a bearer token has the wallet whose key is made from it; so nothing is kept here, and the browser has no key.
`deedbook_testUsdc` gives it USDC of the local chain.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web
from eth_account import Account
from web3 import AsyncWeb3
from web3.exceptions import ContractCustomError, Web3Exception
from web3.types import RPCEndpoint

from deedbook.demo.flows.purse import Purse
from deedbook.deployment import give_gas_money
from deedbook.sandbox.serving import json_answer, serve
from settlement.artifacts import ours
from settlement.node import node

TEST_USDC_MICROS: Final = 50_000 * 10**6
_BEARER: Final = re.compile(r"Bearer ([0-9a-f]{64})").fullmatch
UNAUTHORIZED, UNSUPPORTED, INVALID, REVERTED = 4100, 4200, -32602, -32000  # EIP-1193 and JSON-RPC


class Request(msgspec.Struct, frozen=True):
    method: str
    params: list[Any] = []


class RefusedError(Exception):
    """A call that cannot be answered, as an EIP-1193 provider says it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Sandbox:
    """`usdc` and its `minter` on the chain; `origins` are those of our pages, whose scripts alone may call."""

    def __init__(self, chain: AsyncWeb3[Any], usdc: str, minter: str, origins: frozenset[str]) -> None:
        self._chain = chain
        self._usdc = usdc
        self._minter = minter
        self._origins = origins

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/", self._answer)
        app.router.add_options("/", self._allow)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if origin not in self._origins:
            return json_answer(
                {"error": {"code": UNAUTHORIZED, "message": "Only Deedbook's pages may call this."}}, 403
            )
        response = await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        response.headers["Vary"] = "Origin"
        return response

    async def _allow(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=Request)
            return json_answer({"result": await self._called(self._purse(request), asked)})
        except RefusedError as refused:
            return json_answer({"error": {"code": refused.code, "message": str(refused)}})
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
            return json_answer({"error": {"code": INVALID, "message": f"The call is malformed: {error}"}})
        except ContractCustomError as error:
            said = str(error.data)[:10]  # its selector
            return json_answer(
                {"error": {"code": REVERTED, "message": f"A contract refuses this transaction ({said})."}}
            )
        except (Web3Exception, AssertionError) as error:
            return json_answer({"error": {"code": REVERTED, "message": f"The transaction would fail: {error}"}})

    def _purse(self, request: web.Request) -> Purse:
        bearer = _BEARER(request.headers.get("Authorization", ""))
        if bearer is None:
            raise RefusedError(UNAUTHORIZED, "There is no wallet without its token.")
        key = hashlib.sha256(b"deedbook test wallet " + bytes.fromhex(bearer[1])).digest()
        return Purse(self._chain, Account.from_key(key))

    async def _called(self, purse: Purse, asked: Request) -> Any:
        params = asked.params
        match asked.method:
            case "eth_accounts" | "eth_requestAccounts":
                return [purse.address]
            case "eth_chainId":
                return hex(await self._chain.eth.chain_id)
            case "personal_sign":
                return purse.sign_text(bytes.fromhex(params[0].removeprefix("0x")).decode())
            case "eth_signTypedData_v4":
                return purse.sign_typed(msgspec.json.decode(params[1]))
            case "eth_sendTransaction":
                await give_gas_money(self._chain, purse.address)
                return (await purse.send(params[0]))["transactionHash"].to_0x_hex()
            case "deedbook_testUsdc":
                return await self._give_usdc(purse.address)
            case _:
                raise RefusedError(UNSUPPORTED, f"This wallet does not know {asked.method[:40]}.")

    async def _give_usdc(self, address: str) -> str:
        """The minter's own key stays where it is: a local chain lets anybody act for it."""
        await self._chain.provider.make_request(RPCEndpoint("anvil_impersonateAccount"), [self._minter])
        data = ours("MockUSDC").call_data("mint", [address, TEST_USDC_MICROS])
        call = {"from": self._minter, "to": self._usdc, "data": "0x" + data.hex()}
        sent = await self._chain.eth.send_transaction(call)  # type: ignore[arg-type]  # TxParams by content
        await self._chain.eth.wait_for_transaction_receipt(sent, 60.0, 0.1)
        return sent.to_0x_hex()


def main() -> int:
    """Run until SIGTERM or SIGINT; the environment says everything."""
    asyncio.run(_serve(dict(os.environ)))
    return 0


async def _serve(environment: dict[str, str]) -> None:
    chain = node(environment["CHAIN_RPC_URL"])
    origins = frozenset(environment["WALLET_ORIGINS"].split())
    sandbox = Sandbox(chain, environment["WALLET_USDC_ADDRESS"], environment["WALLET_MINTER_ADDRESS"], origins)
    await serve(sandbox.app(), environment["WALLET_URL"], asyncio.Event().wait())


if __name__ == "__main__":
    sys.exit(main())
