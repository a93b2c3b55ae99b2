"""A gateway on the real engine with a sequencer that is durable at once, its traders' keys, and small clients."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from engine import types as t
from engine.exchange import Exchange
from engine.wire import decode_events, encode_command, stamped
from gateway.api import Gateway
from gateway.keys import Key, KeyStore
from gateway.limits import LimitSettings
from gateway.listen_session import ListenSession
from gateway.session import ApiSession

FOREVER_NS: Final = 2**62
DEADLINE_S: Final = 20.0
FEE_ACCOUNT, ALICE, BOB, CAROL = 1, 2, 3, 4  # account numbers in order of opening
SYMBOL, OTHER_SYMBOL = "OAK12USDC", "ELM7USDC"  # lot 0.01 token and 1 token; tick 0.01 USDC a token in both
CASH_MICROS: Final = 10**12
LOTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Durable:
    first_seq: int
    commands: bytes
    events: bytes
    origins: list[object | None]


@dataclass(frozen=True, slots=True)
class Refusal:
    name: str


def wallet(account: int) -> bytes:
    return hashlib.sha256(b"wallet %d" % account).digest()[:20]


class Sequencer:
    """Stamps, applies, and calls it durable in the same turn of the loop; `refusal` makes it refuse."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.refusal: Refusal | None = None
        self.subscribers: list[Callable[[Durable], None]] = []
        self.held = False  # True: gather, answer nothing
        self._records: list[bytes] = []
        self._origins: list[object | None] = []
        self._log_index = 1_000

    def submit(self, record: bytes, origin: object | None) -> Refusal | None:
        if self.refusal is not None:
            return self.refusal
        if not self._records:
            asyncio.get_running_loop().call_soon(self._drain)
        self._records.append(record)
        self._origins.append(origin)
        return None

    def submit_together(self, records: Sequence[bytes], origin: object | None) -> Refusal | None:
        return next((refusal for record in records if (refusal := self.submit(record, origin))), None)

    def release(self) -> None:
        self.held = False
        self._drain()

    def send(self, *commands: t.Command) -> None:
        """Commands of the other rooms, at once; none may be refused."""
        events = self._apply([encode_command(each) for each in commands], [None] * len(commands))
        refused = [event for _, event in decode_events(events) if isinstance(event, t.Rejected)]
        assert not refused, refused

    def _drain(self) -> None:
        if self.held or not self._records:
            return
        records, origins = self._records, self._origins
        self._records, self._origins = [], []
        self._apply(records, origins)

    def _apply(self, records: list[bytes], origins: list[object | None]) -> bytes:
        first_seq = self.exchange.seq + 1
        commands = bytes(stamped(records, first_seq, max(time.time_ns(), self.exchange.time_ns)))
        durable = Durable(first_seq, commands, self.exchange.apply(commands), origins)
        for subscriber in self.subscribers:
            subscriber(durable)
        return durable.events

    def deposit(self, account: int, instrument: int, delta: int, level: int) -> None:
        self._log_index += 1
        self.send(deposit(account, instrument, delta, level, self._log_index))

    def open_market(self) -> None:
        self.send(*market_commands())


def deposit(account: int, instrument: int, delta: int, level: int, log_index: int) -> t.LevelChanged:
    return t.LevelChanged(instrument, delta, level, 0, 2, log_index, t.LevelCause.DEPOSIT, wallet(account))


def market_commands() -> Iterator[t.Command]:
    """Two instruments; Alice, Bob and Carol with cash, tokens and permissions in both."""
    traders = (ALICE, BOB, CAROL)
    for account in (FEE_ACCOUNT, *traders):
        yield t.OpenAccount(account, wallet(account))
    for number, symbol, decimals, tick_micros in ((1, SYMBOL, 2, 100), (2, OTHER_SYMBOL, 0, 10_000)):
        yield t.SetInstrument(
            instrument=number,
            fee_account=FEE_ACCOUNT,
            tick_value_usdc_micros=tick_micros,
            price_ticks_max=10**7,
            qty_lots_max=10**7,
            notional_usdc_micros_min=1_000_000,
            market_collar_bps=5_000,
            open_orders_max=10_000,
            resale=1,
            symbol=symbol.encode(),
            token=hashlib.sha256(symbol.encode()).digest()[:20],
            lot_decimals=decimals,
        )
        yield t.SetFees(number, 10, 20)
        for account in traders:
            yield t.SetPermission(account, number, 1, 1, FOREVER_NS)
            yield t.PositionChanged(number, LOTS, LOTS, number, 2 * account, wallet(account))
            yield t.LevelChanged(number, LOTS, LOTS, 0, number, 2 * account + 1, t.LevelCause.DEPOSIT, wallet(account))
    for account in traders:
        yield deposit(account, t.USDC, CASH_MICROS, CASH_MICROS, 100 + account)


@dataclass
class Venue:
    """A running exchange in one process."""

    sequencer: Sequencer
    gateway: Gateway
    store: KeyStore
    keys: dict[int, Key]
    http: aiohttp.ClientSession
    sockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.gateway.ws_port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.rest_port}"

    def end_revoked(self) -> None:
        """What the gateway does each second: close what its key no longer allows."""
        for connection in list(self.gateway._connections):
            if isinstance(connection, ApiSession | ListenSession):
                connection.end_revoked(time.time_ns())

    async def connect(self, path: str = "/ws-api/v3") -> Client:
        socket = await self.http.ws_connect(self.ws_url + path, max_msg_size=0)
        self.sockets.append(socket)
        return Client(socket)

    async def trader(self, account: int) -> Trader:
        return Trader((await self.connect()).socket, self.keys[account])

    async def rest(
        self, method: str, path: str, account: int | None = None, **params: object
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded body and headers; signed where an account is given."""
        query = urlencode({name: text_of(value) for name, value in params.items() if value is not None})
        headers = {}
        if account is not None:
            key = self.keys[account]
            query = f"{query}&" if query else query
            query += f"timestamp={time.time_ns() // 10**6}"
            query += f"&signature={hmac.digest(key.secret, query.encode(), 'sha256').hex()}"
            headers["X-MBX-APIKEY"] = key.key
        async with self.http.request(
            method, URL(f"{self.rest_url}{path}?{query}", encoded=True), headers=headers
        ) as response:
            return (
                response.status,
                msgspec.json.decode(await response.read()),
                {str(name): text for name, text in response.headers.items()},
            )


class Client:
    """A websocket that keeps what it reads."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.unread: list[Any] = []
        self._requests = 0

    async def read(self) -> Any:
        async with asyncio.timeout(DEADLINE_S):
            message = await self.socket.receive()
        assert message.type == aiohttp.WSMsgType.TEXT, f"{message.type}: {message.data} {message.extra}"
        return msgspec.json.decode(message.data)

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The first message, kept or new, that is wanted; the others stay in `unread`."""
        for index, message in enumerate(self.unread):
            if wanted(message):
                return self.unread.pop(index)
        while True:
            message = await self.read()
            if wanted(message):
                return message
            self.unread.append(message)

    async def ask(self, method: str, **params: object) -> Any:
        """Send a request as it is and wait for its answer."""
        self._requests += 1
        request_id = self._requests
        await self.socket.send_str(msgspec.json.encode({"id": request_id, "method": method, "params": params}).decode())
        return await self.until(lambda message: message.get("id") == request_id)

    async def event(self, kind: str) -> Any:
        """The next user-data event of this kind."""
        message = await self.until(lambda message: message.get("event", {}).get("e") == kind)
        return message["event"]


class Trader(Client):
    """A client that signs each request with its HMAC key."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, key: Key) -> None:
        super().__init__(socket)
        self.key = key

    def signed(self, **params: object) -> dict[str, object]:
        return sign(self.key, params)

    async def do(self, method: str, **params: object) -> Any:
        return await self.ask(method, **self.signed(**params))

    async def limit(self, side: str, quantity: str, price: str, symbol: str = SYMBOL, **more: object) -> Any:
        order = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"} | more
        return await self.do("order.place", **order, quantity=quantity, price=price)


def text_of(value: object) -> str:
    """A parameter as it is signed and as REST sends it: lists as JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode() if isinstance(value, list) else str(value)


def sign(key: Key, params: Mapping[str, object]) -> dict[str, object]:
    """The parameters with key, time and signature as the ws-api wants them."""
    full = {"apiKey": key.key, "timestamp": time.time_ns() // 1_000} | dict(params)
    texts = {name: text_of(value) for name, value in full.items()}
    payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
    return full | {"signature": hmac.digest(key.secret, payload.encode(), "sha256").hex()}


async def start_venue(
    directory: Path,
    http: aiohttp.ClientSession,
    limits: LimitSettings | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Venue:
    sequencer = Sequencer()
    sequencer.open_market()
    store = KeyStore(directory / "keys.jsonl")
    keys = {account: store.create_hmac(account) for account in (ALICE, BOB, CAROL)}
    gateway = Gateway(sequencer.submit, sequencer.submit_together, None, store, clock, limits)
    gateway.restore(sequencer.exchange.state())
    sequencer.subscribers.append(gateway.on_durable)
    await gateway.start("127.0.0.1", 0, 0)
    return Venue(sequencer, gateway, store, keys, http)
