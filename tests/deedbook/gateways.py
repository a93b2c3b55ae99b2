"""An exchange with gateways in front of it, each a process as the supervisor starts it, and what its journal says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deedbook.embedded.child import free_port
from deedbook.layout import Layout
from deedbook.process import Process
from deedbook.settings import Settings
from engine import types as t
from engine.wire import decode_commands, encode_command
from gateway.keys import KeyStore
from persistence.feed import FeedClient
from persistence.journal_reader import JournalReader
from persistence.recovery import recovered
from tests.gateway.venue import ALICE, BOB, CAROL, DEADLINE_S, SYMBOL, Trader, market_commands

Levels = dict[str, dict[int, int]]  # lots by price, of bids and asks


class Market:
    """`names` are its processes; the first is the exchange."""

    def __init__(self, directory: Path, gateways: int, http: aiohttp.ClientSession) -> None:
        self.layout = Layout(directory / "data")
        self.settings = Settings(
            data_dir=self.layout.root, websocket_port=free_port(), rest_port=free_port(), gateways=gateways
        )
        self.http = http
        self.names = ["exchange", *(f"gateway-{number}" for number in range(1, gateways + 1))]
        self.processes = {name: self._process(name, directory / "logs") for name in self.names}
        self.layout.root.mkdir(mode=0o700)
        keys = KeyStore(self.layout.api_keys)
        self.keys = {account: keys.create_hmac(account) for account in (ALICE, BOB, CAROL)}

    def _process(self, name: str, logs: Path) -> Process:
        words = ["deedbook.exchange"] if name == "exchange" else ["deedbook.gateway", name]
        return Process(
            name,
            [sys.executable, "-m", *words],
            environment=lambda: dict(os.environ) | self.settings.to_environment(),
            log_directory=logs,
        )

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.settings.websocket_port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.rest_port}/api/v3"

    async def start(self) -> None:
        for name in self.names:
            await self.processes[name].start()
            if name == "exchange":
                await self.send([encode_command(command) for command in market_commands()])

    async def stop(self) -> None:
        for name in reversed(self.names):
            await self.processes[name].stop()

    async def send(self, commands: list[bytes]) -> None:
        """By the door of our other processes."""
        feed = FeedClient(self.layout.feed_socket)
        await feed.submit(commands)
        await feed.close()

    async def kill(self, name: str) -> None:
        """As hard as can be; nothing is started again yet."""
        os.kill(self.processes[name].pid, signal.SIGKILL)
        await self.processes[name].wait()
        await self.processes[name].stop()

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """As soon as somebody listens."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return await self.http.ws_connect(self.ws_url + path, max_msg_size=0)
                except (aiohttp.ClientError, ConnectionError):
                    await asyncio.sleep(0.02)

    async def trader(self, account: int) -> Listener:
        trader = Listener(await self.connect("/ws-api/v3"), self.keys[account])
        await trader.listen()
        return trader

    async def one_at_each(self, account: int) -> list[Listener]:
        """A session of the account at each gateway: the kernel chooses, so it is tried until there is one."""
        by_gateway: dict[str, Listener] = {}
        async with asyncio.timeout(DEADLINE_S):
            while len(by_gateway) < self.settings.gateways:
                trader = await self.trader(account)
                if by_gateway.setdefault(trader.gateway, trader) is not trader:
                    await trader.socket.close()
        return list(by_gateway.values())

    async def ask(self, path: str, **params: object) -> Any:
        """A public question over REST, on a connection of its own."""
        headers = {"Connection": "close"}
        texts = {name: str(value) for name, value in params.items()}
        async with self.http.get(f"{self.rest_url}/{path}", params=texts, headers=headers) as response:
            assert response.status == 200
            return await response.json()

    def levels(self) -> Levels:
        """The first instrument's book, by the journal."""
        state = recovered(self.layout.journal, self.layout.snapshots).state()
        levels: dict[str, Counter[int]] = {"bids": Counter(), "asks": Counter()}
        for order in state.orders:
            if order.instrument == 1:
                levels["asks" if order.side else "bids"][order.price_ticks] += order.open_lots
        return {side: dict(each) for side, each in levels.items()}

    def placed(self) -> Counter[str]:
        """How often each client order id was placed, by the journal."""
        with JournalReader(self.layout.journal) as reader:
            return Counter(
                command.client_order_id.decode()
                for frame in reader.read()
                for _, _, command in decode_commands(frame.commands)
                if isinstance(command, t.Place)
            )


class Follower:
    """A book by the public recipe: a snapshot, and then each change of the stream in turn, none left out."""

    def __init__(self, market: Market, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._market = market
        self._socket = socket
        self._update_id = 0
        self._levels: dict[str, dict[str, str]] = {}

    @classmethod
    async def start(cls, market: Market) -> Follower:
        return cls(market, await market.connect(f"/ws/{SYMBOL.lower()}@depth@100ms"))

    async def until(self, levels: Levels) -> None:
        """Raises TimeoutError where its book never becomes this one."""
        async with asyncio.timeout(DEADLINE_S):
            if not self._update_id:
                await self._begin()
            while self.levels() != levels:
                self._change(await self._socket.receive_json())

    def levels(self) -> Levels:
        return {
            side: {ticks(price): lots(quantity) for price, quantity in levels.items() if lots(quantity)}
            for side, levels in self._levels.items()
        }

    async def _begin(self) -> None:
        snapshot = await self._market.ask("depth", symbol=SYMBOL, limit=5_000)
        self._update_id = snapshot["lastUpdateId"]
        self._levels = {side: dict(snapshot[side]) for side in ("bids", "asks")}

    def _change(self, event: Any) -> None:
        if event["u"] <= self._update_id:
            return
        assert event["U"] <= self._update_id + 1, "a change is missing"
        self._update_id = event["u"]
        self._levels["bids"].update(event["b"])
        self._levels["asks"].update(event["a"])


def ticks(price: str) -> int:
    """A tick is 0.01 USDC a token."""
    return round(float(price) * 100)


def lots(quantity: str) -> int:
    """A lot is 0.01 token."""
    return round(float(quantity) * 100)


class Listener(Trader):
    """A trader who listens to the account's events, and so knows which gateway it is at."""

    gateway = ""

    async def listen(self) -> None:
        answer = await self.do("userDataStream.subscribe.signature")
        self.gateway = answer["result"]["streamId"].partition("-")[0]  # made when its process started

    async def until_closed(self) -> list[Any]:
        """What came until the server closed the socket."""
        return [message.json() async for message in self.socket]


@asynccontextmanager
async def market(directory: Path, gateways: int) -> AsyncIterator[Market]:
    async with aiohttp.ClientSession() as http:
        running = Market(directory, gateways, http)
        try:
            await running.start()
            yield running
        finally:
            await running.stop()
