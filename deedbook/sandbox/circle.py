"""A Circle Mint of our own: same endpoints, same answers, and USDC that it really mints on the local chain.

A person plays the bank on its page; `/sandbox/...` makes it time out, fail, and repeat or reorder what it tells us.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import logging
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web
from eth_abi.abi import encode
from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import AsyncWeb3
from web3.exceptions import ContractLogicError

from deedbook.sandbox.circle_account import Account, ChainSteps, Event, Refusal, State
from deedbook.sandbox.circle_signing import Signer
from deedbook.sandbox.serving import HEADERS, json_answer, json_body, serve
from settlement.node import node
from settlement.steps import Sender

MINT: Final = keccak(text="mint(address,uint256)")[:4]
MICROS_PER_CENT: Final = 10_000
RETRY_S: Final = 0.5
DELIVERY_TIMEOUT_S: Final = 10.0
BODY_BYTES_MAX: Final = 64 * 1024
_STYLE: Final = (
    "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.2em .8em;text-align:left}</style>"
)
_log: Final = logging.getLogger(__name__)


class Mint(Protocol):
    """Sends `amount_micros` USDC to an address, once for each name; returns the transaction's hash."""

    async def __call__(self, name: str, to: str, amount_micros: int) -> bytes: ...


class Wire(msgspec.Struct, rename="camel"):
    """What a bank sends; `fee` is what a bank between kept."""

    amount: dict[str, str]
    tracking_ref: str
    fee: str = "0"
    status: str = "complete"


class Sandbox:
    """The HTTP server's handlers, and its three endless works: subscribe, deliver, transfer."""

    def __init__(self, account: Account, signer: Signer, mint: Mint, *, api_key: str, url: str, target: str) -> None:
        self._account = account
        self._signer = signer
        self._mint = mint
        self._api_key = api_key.encode()
        self._url = url.rstrip("/")
        self._target = target
        self._token = secrets.token_hex(32)
        self._work = asyncio.Event()  # a transfer to do
        self._news = asyncio.Event()  # something to tell
        self.sent = 0  # notifications that were posted, repeated ones too

    @property
    def state(self) -> State:
        return self._account.state

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES_MAX)
        v1 = "/v1/businessAccount"
        app.router.add_get(f"{v1}/balances", self._balances)
        app.router.add_get(f"{v1}/deposits", self._list("deposits"))
        app.router.add_get(f"{v1}/deposits/{{id}}", self._one("deposits"))
        app.router.add_get(f"{v1}/wallets/addresses/recipient", self._list("recipients"))
        app.router.add_post(f"{v1}/wallets/addresses/recipient", self._register)
        app.router.add_get(f"{v1}/transfers", self._list("transfers"))
        app.router.add_get(f"{v1}/transfers/{{id}}", self._one("transfers"))
        app.router.add_post(f"{v1}/transfers", self._send)
        app.router.add_post("/v1/mocks/payments/wire", self._mock_wire)
        app.router.add_get("/v2/notifications/publicKey/{id}", self._public_key)
        app.router.add_get("/", self._page)
        app.router.add_get("/sandbox/confirm", self._confirm)
        app.router.add_get("/sandbox/state", self._shown_state)
        app.router.add_post("/sandbox/wires", self._form_wire)
        app.router.add_post("/sandbox/deposits/{id}/{status}", self._end_deposit)
        app.router.add_post("/sandbox/next", self._set_next)
        app.router.add_post("/sandbox/delivery", self._set_delivery)
        app.router.add_post("/sandbox/redeliver", self._redeliver)
        return app

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S)) as session:
            await asyncio.gather(self._subscribe(session), self._deliver(session), self._transfer())

    # -- as Circle has it

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The key on Circle's own paths; no page of another site on ours; and errors as Circle words them."""
        if request.path.startswith(("/v1/", "/v2/")):
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self._api_key):
                return json_answer({"code": 401, "message": "Malformed authorization."}, 401)
        elif "Origin" in request.headers and urlsplit(request.headers["Origin"]).netloc != request.host:
            return json_answer({"code": 403, "message": "Another site's page cannot call this."}, 403)
        try:
            return await handler(request)
        except Refusal as refusal:
            return json_answer({"code": refusal.code, "message": str(refusal)}, refusal.status)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            return json_answer({"code": 2, "message": "API parameter invalid"}, 400)

    async def _balances(self, _request: web.Request) -> web.Response:
        return json_answer({"data": self._account.balances()})

    def _list(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def listed(request: web.Request) -> web.Response:
            size = min(int(request.query.get("pageSize", "50")), 50)
            return json_answer({"data": list(getattr(self.state, kind).values())[: -size - 1 : -1]})

        return listed

    def _one(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def one(request: web.Request) -> web.Response:
            found = getattr(self.state, kind).get(request.match_info["id"])
            if found is None:
                raise Refusal(404, -1, "Object not found")
            return json_answer({"data": found})

        return one

    async def _register(self, request: web.Request) -> web.Response:
        return json_answer({"data": self._account.register(await json_body(request))}, 201)

    async def _send(self, request: web.Request) -> web.Response:
        transfer, is_new = self._account.send(await json_body(request))
        self._news.set()
        self._work.set()
        if is_new and self.state.next_transfer == "timeout":
            self.state.next_transfer = ""
            self._account.save()
            assert request.transport is not None
            request.transport.abort()  # done, and the caller does not hear of it
        return json_answer({"data": transfer}, 201)

    async def _mock_wire(self, request: web.Request) -> web.Response:
        wire = msgspec.json.decode(await request.read(), type=Wire)
        self._account.wire(wire.amount["amount"], wire.tracking_ref, wire.fee, wire.status)
        self._news.set()
        answer = {"trackingRef": wire.tracking_ref, "amount": wire.amount, "status": "pending"}
        return json_answer({"data": answer}, 201)

    async def _public_key(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != str(self._signer.key_id):
            raise Refusal(404, -1, "Object not found")
        key = {"id": str(self._signer.key_id), "algorithm": "ECDSA_SHA_256", "publicKey": self._signer.public_key}
        return json_answer({"data": key})

    # -- as a person or a test has it

    async def _confirm(self, request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.query.get("Token", "").encode(), self._token.encode()):
            raise Refusal(403, 403, "an unknown token")
        self.state.is_subscribed = True
        self._account.save()
        self._news.set()
        return json_answer({"subscribed": True})

    async def _shown_state(self, _request: web.Request) -> web.Response:
        waiting = sum(not event.arrived for event in self.state.events)
        shown = {"deposits": self.state.deposits, "transfers": self.state.transfers, "waiting": waiting}
        return json_answer(shown | {"balances": self._account.balances(), "sent": self.sent})

    async def _form_wire(self, request: web.Request) -> web.Response:
        form = await request.post()
        self._account.wire(str(form["amount"]), str(form["reference"]), str(form.get("fee") or "0"))
        self._news.set()
        raise web.HTTPSeeOther("/")

    async def _end_deposit(self, request: web.Request) -> web.Response:
        status = request.match_info["status"]
        if status not in ("complete", "failed"):
            raise Refusal(400, 2, "complete or failed")
        self._account.end_deposit(request.match_info["id"], status)
        self._news.set()
        return json_answer({"status": status})

    async def _set_next(self, request: web.Request) -> web.Response:
        """`transfer`: "timeout" (done, and no answer) or "fail" with `error_code`; of the next transfer only."""
        body = await json_body(request)
        self.state.next_transfer = msgspec.convert({"next_transfer": body["transfer"]}, State).next_transfer
        self.state.error_code = str(body.get("error_code", "transfer_failed"))
        self._account.save()
        return json_answer({"next": self.state.next_transfer})

    async def _set_delivery(self, request: web.Request) -> web.Response:
        """`mode`: normal, duplicate, reorder (newest first) or hold; `signature`: "1", "2" or "newer"."""
        body = await json_body(request)
        wanted = msgspec.convert({"delivery": body.get("mode", self.state.delivery)}, State)
        self.state.delivery = wanted.delivery
        if body.get("signature", "1") not in ("1", "2", "newer"):
            raise Refusal(400, 2, "signature is 1, 2 or newer")
        self.state.signature = body.get("signature", self.state.signature)
        self._account.save()
        self._news.set()
        return json_answer({"mode": self.state.delivery})

    async def _redeliver(self, _request: web.Request) -> web.Response:
        """Everything once more."""
        for event in self.state.events:
            event.arrived = False
        self._news.set()
        return json_answer({"events": len(self.state.events)})

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=_html(self._account), content_type="text/html", headers=HEADERS)

    # -- works

    async def _subscribe(self, session: aiohttp.ClientSession) -> None:
        while not self.state.is_subscribed:
            raw, headers = self._signer.subscription(f"{self._url}/sandbox/confirm?Token={self._token}", self._token)
            await _post(session, self._target, raw, headers)
            await asyncio.sleep(RETRY_S)

    async def _deliver(self, session: aiohttp.ClientSession) -> None:
        """At least once each, again until it arrives."""
        while True:
            await self._news.wait()
            self._news.clear()
            if not self.state.is_subscribed or self.state.delivery == "hold":
                continue
            waiting = [event for event in self.state.events if not event.arrived]
            if self.state.delivery == "reorder":
                waiting.reverse()
            for event in waiting:
                for _ in range(2 if self.state.delivery == "duplicate" else 1):
                    event.arrived = await self._tell(session, event)
            self._account.save()
            if any(not event.arrived for event in waiting):
                asyncio.get_running_loop().call_later(RETRY_S, self._news.set)

    async def _tell(self, session: aiohttp.ClientSession, event: Event) -> bool:
        style: Any = self.state.signature
        raw, headers = self._signer.notification(event.event_id, event.message, style)
        self.sent += 1
        return await _post(session, self._target, raw, headers)

    async def _transfer(self) -> None:
        """Bring every pending transfer to its end, those of an earlier run too."""
        while True:
            for transfer in list(self.state.transfers.values()):
                if transfer["status"] in ("pending", "running"):
                    await self._settle(transfer)
            await self._work.wait()
            self._work.clear()

    async def _settle(self, transfer: dict[str, Any]) -> None:
        if self.state.next_transfer == "fail":
            self.state.next_transfer = ""
            self._account.end_transfer(transfer, "failed", errorCode=self.state.error_code)
            self._news.set()
            return
        amount_micros = int(transfer["amount"]["amount"].replace(".", "")) * MICROS_PER_CENT
        while True:
            try:
                transaction_hash = await self._mint(transfer["id"], transfer["destination"]["address"], amount_micros)
            except ContractLogicError as error:
                _log.warning("transfer %s: the chain refuses: %s", transfer["id"], error)
                self._account.end_transfer(transfer, "failed", errorCode="blockchain_error")
                break
            except Exception as error:  # the chain is away, or slow: the money is to go out once it is back
                _log.warning("transfer %s waits: %s: %s", transfer["id"], type(error).__name__, error)
                await asyncio.sleep(RETRY_S)
                continue
            self._account.end_transfer(transfer, "complete", transactionHash=f"0x{transaction_hash.hex()}")
            break
        self._news.set()


def minter(chain: AsyncWeb3[Any], private_key: str, usdc: str, account: Account) -> Mint:
    """Mints on the chain with a key of our own; a name's transaction is kept before it is sent."""
    sender = Sender(chain, EthAccount.from_key(private_key), ChainSteps(account))

    async def mint(name: str, to: str, amount_micros: int) -> bytes:
        data = MINT + encode(["address", "uint256"], [to, amount_micros])
        return (await sender.once(f"transfer/{name}", to_checksum_address(usdc), data)).transaction_hash

    return mint


async def _post(session: aiohttp.ClientSession, url: str, raw: bytes, headers: dict[str, str]) -> bool:
    try:
        async with session.post(url, data=raw, headers=headers, allow_redirects=False) as response:
            return response.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def _html(account: Account) -> str:
    """The bank's window; everything from outside is escaped."""
    available = account.balances()["available"][0]["amount"]
    form = (
        "<form method=post action=/sandbox/wires><label>Dollars <input name=amount required></label> "
        "<label>Reference <input name=reference required size=30></label> "
        "<label>kept by a bank between <input name=fee value=0 size=6></label> <button>Send the wire</button></form>"
    )
    wires = _table(
        ("Wire", "Dollars", "Reference", "State"),
        [
            (each["id"], each["amount"]["amount"], each["trackingRef"], each["status"])
            for each in reversed(account.state.deposits.values())
        ],
    )
    sent = _table(
        ("Transfer", "USDC", "To", "State"),
        [
            (each["id"], each["amount"]["amount"], each["destination"]["address"], each["status"])
            for each in reversed(account.state.transfers.values())
        ],
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Circle sandbox</title>{_STYLE}<h1>The bank, and Circle</h1>"
        f"<p>At hand: {html.escape(available)} dollars.</p><h2>Send a wire</h2>{form}<h2>Wires in</h2>{wires}"
        f"<h2>USDC out</h2>{sent}"
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{html.escape(text)}" for text in heads)
    return (
        f"<table><tr>{head}"
        + "".join("<tr>" + "".join(f"<td>{html.escape(text)}" for text in row) for row in rows[:100])
        + "</table>"
    )


def main() -> int:
    """Run until SIGTERM or SIGINT; the environment says everything."""
    logging.basicConfig(level="INFO", format="%(message)s")
    asyncio.run(_serve(dict(os.environ)))
    return 0


async def _serve(environment: dict[str, str]) -> None:
    data_dir, url = Path(environment["DEEDBOOK_DATA"]), environment["CIRCLE_URL"]
    chain = node(environment["CHAIN_RPC_URL"])
    signer = Signer.open(data_dir)
    account = Account(data_dir / "sandbox" / "circle.json")
    mint = minter(chain, environment["CIRCLE_SANDBOX_KEY"], environment["CIRCLE_USDC_ADDRESS"], account)
    target = environment["CIRCLE_WEBHOOK_TARGET"]
    sandbox = Sandbox(account, signer, mint, api_key=environment["CIRCLE_API_KEY"], url=url, target=target)
    await serve(sandbox.app(), url, sandbox.run())
    await chain.provider.disconnect()


if __name__ == "__main__":
    sys.exit(main())
