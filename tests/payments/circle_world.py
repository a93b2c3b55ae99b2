"""A Circle sandbox with a mint on paper, a ledger on paper, and a back office that takes Circle's webhooks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import aiohttp
from aiohttp import web

from deedbook.embedded.child import free_port
from deedbook.sandbox.circle import Sandbox
from deedbook.sandbox.circle_account import Account
from deedbook.sandbox.circle_signing import CERTIFICATE, Signer
from payments.circle import Circle
from payments.circle_webhooks import Keys, Webhook
from payments.conversion import MICROS_PER_CENT, Conversion, PayoutInTransit, Share
from payments.sns import Certificates, NotSigned
from persistence.database import Connection, Pool

API_KEY = "TEST_API_KEY:1:2"
TREASURY = bytes(range(20))
DEADLINE_S = 30.0


@dataclass
class PaperMint:
    """What was minted, by the transfer's name."""

    minted: dict[str, tuple[str, int]] = field(default_factory=dict)

    async def __call__(self, name: str, to: str, amount_micros: int) -> bytes:
        assert self.minted.setdefault(name, (to.lower(), amount_micros)) == (to.lower(), amount_micros)
        return sha256(name.encode()).digest()

    def to_treasury(self) -> int:
        return sum(amount for to, amount in self.minted.values() if to == f"0x{TREASURY.hex()}")


class PaperBooks:
    """payments.conversion.Books in memory; every posting is counted."""

    def __init__(self) -> None:
        self.payouts: dict[str, PayoutInTransit] = {}
        self.credits: list[tuple[str, str]] = []
        self.short_micros: dict[str, int] = {}
        self.receipts: list[tuple[str, str, bytes]] = []

    def pay_out(self, reference: str, *amounts_micros: int) -> PayoutInTransit:
        shares = tuple(Share(uuid4(), f"ch_{number}", micros) for number, micros in enumerate(amounts_micros))
        payout = self.payouts[reference] = PayoutInTransit(reference, sum(amounts_micros), shares)
        return payout

    async def in_transit(self, _connection: Connection) -> Sequence[PayoutInTransit]:
        moved = {reference for reference, _ in self.credits}
        return [payout for reference, payout in self.payouts.items() if reference not in moved]

    async def payout(self, _connection: Connection, reference: str) -> PayoutInTransit | None:
        return self.payouts.get(reference)

    async def credited(self, connection: Connection, reference: str, deposit_id: str, short_cents: int) -> None:
        assert connection.is_in_transaction()
        self.credits.append((reference, deposit_id))
        self.short_micros[reference] = short_cents * MICROS_PER_CENT

    async def received(
        self, connection: Connection, reference: str, transfer_id: str, transaction_hash: bytes, short_cents: int
    ) -> None:
        assert connection.is_in_transaction()
        assert self.short_micros[reference] == short_cents * MICROS_PER_CENT
        self.receipts.append((reference, transfer_id, transaction_hash))

    async def totals(self, _connection: Connection) -> Mapping[str, int]:
        moved = {reference for reference, _ in self.credits}
        there = {reference for reference, _, _ in self.receipts}

        def sum_of(references: set[str]) -> int:
            amounts = [self.payouts[each].amount_micros - self.short_micros.get(each, 0) for each in references]
            return sum(amounts)

        return {
            "bank_in_transit": sum_of(set(self.payouts) - moved),
            "circle_balance": sum_of(moved - there),
            "treasury_usdc": sum_of(there),
        }


@dataclass
class CircleWorld:
    """`status` of the webhook door is 200 unless a test closes it."""

    pool: Pool
    circle: Circle
    sandbox: Sandbox
    signer: Signer
    mint: PaperMint
    books: PaperBooks
    webhook: Webhook
    session: aiohttp.ClientSession
    url: str
    data_dir: Path
    answers: list[int] = field(default_factory=list)
    is_open: bool = True
    final: set[bytes] = field(default_factory=set)
    everything_is_final: bool = True

    def conversion(self) -> Conversion:
        return Conversion(self.pool, self.circle, self.books, TREASURY, self.final_transfer)

    async def final_transfer(self, transaction_hash: bytes, to: bytes, amount_micros: int) -> int | None:
        if not self.everything_is_final and transaction_hash not in self.final:
            return None
        minted = {sha256(name.encode()).digest(): sent for name, sent in self.mint.minted.items()}
        assert minted[transaction_hash] == (f"0x{to.hex()}", amount_micros)
        return 7

    async def control(self, path: str, **body: str) -> None:
        async with self.session.post(f"{self.url}/sandbox/{path}", json=body) as response:
            assert response.status == 200, await response.text()

    async def wire(self, amount: str, reference: str, **more: str) -> None:
        body = {"amount": {"amount": amount, "currency": "USD"}, "trackingRef": reference, **more}
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with self.session.post(f"{self.url}/v1/mocks/payments/wire", json=body, headers=headers) as response:
            assert response.status == 201, await response.text()

    async def told(self) -> None:
        """Until every notification has arrived once."""
        await until(lambda: self.sandbox.state.is_subscribed and all(e.arrived for e in self.sandbox.state.events))


@asynccontextmanager
async def circle_world(pool: Pool, data_dir: Path) -> AsyncIterator[CircleWorld]:
    url, target_port = f"http://127.0.0.1:{free_port()}", free_port()
    _put_keys(data_dir)
    mint, books, signer = PaperMint(), PaperBooks(), Signer.open(data_dir)
    account = Account(data_dir / "sandbox" / "circle.json")
    target = f"http://127.0.0.1:{target_port}/webhooks/circle"
    sandbox = Sandbox(account, signer, mint, api_key=API_KEY, url=url, target=target)
    async with aiohttp.ClientSession() as session:
        circle = Circle(session, url, API_KEY, timeout_s=5)
        certificates = Certificates(_no_fetch, (data_dir / CERTIFICATE).read_bytes())
        webhook = Webhook(pool, certificates, Keys(circle.public_key), fetching(session), url)
        world = CircleWorld(pool, circle, sandbox, signer, mint, books, webhook, session, url, data_dir)
        async with serving(sandbox.app(), int(url.rsplit(":", 1)[1])), serving(_door(world), target_port):
            work = asyncio.create_task(sandbox.run())
            try:
                yield world
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)


@cache
def _keys() -> dict[str, bytes]:
    """Made once for all worlds: an RSA key takes a second."""
    with TemporaryDirectory() as name:
        Signer.open(Path(name))
        return {str(path.relative_to(name)): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()}


def _put_keys(data_dir: Path) -> None:
    for name, content in _keys().items():
        (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (data_dir / name).write_bytes(content)


def _door(world: CircleWorld) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        if not world.is_open:
            world.answers.append(503)
            return web.Response(status=503)
        try:
            await world.webhook.take(request.headers, await request.read())
        except NotSigned as error:
            world.answers.append(401)
            return web.Response(status=401, text=str(error))
        world.answers.append(200)
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhooks/circle", take)
    return app


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def fetching(session: aiohttp.ClientSession) -> Callable[[str], Awaitable[bytes]]:
    async def fetch(url: str) -> bytes:
        async with session.get(url, allow_redirects=False) as response:
            assert response.status == 200
            return await response.read()

    return fetch


async def _no_fetch(url: str) -> bytes:
    raise AssertionError(f"{url} must not be fetched")


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come"
        await asyncio.sleep(0.01)


async def shown(_step: str, _done: int, _of: int) -> None:
    """A `show` that nobody watches."""
