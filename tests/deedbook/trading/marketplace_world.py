"""The web's routes on the real engine, a real database and a chain on paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher

from api.actor import Actor, Role
from api.limits import Limits
from api.server import Door as HttpDoor
from api.server import mount
from compliance.audit import record
from compliance.passwords import Passwords
from compliance.permissions import compile_permissions
from compliance.roles import refusal
from deedbook.trading import api_key_routes, market_routes, marketplace_routes
from deedbook.trading.acknowledged import Acknowledged
from deedbook.trading.funds import Funds
from deedbook.trading.marketplace import Marketplace
from deedbook.trading.seats import Seats
from engine import types as t
from gateway.keys import KeyStore
from persistence.commands import Answer
from persistence.database import Pool
from persistence.projections import Projector
from settlement.calls import selector
from settlement.chain import Chain, ChainUnavailable
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.registered import add_investor, address_of, open_market

USDC, VAULT, LOCKER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
PASSWORD = "a long enough password"
LOTS = 100  # of a token


@dataclass
class PaperChain:
    """`values` by contract and selector; every read is of one number."""

    values: dict[tuple[bytes, str], int] = field(default_factory=dict)
    is_away: bool = False

    async def call(self, to: bytes, data: bytes) -> bytes:
        if self.is_away:
            raise ChainUnavailable("no chain today")
        names = {selector(name): name for name in ("balanceOf(address)", "allowance(address,address)")}
        name = names.get(data[:4], "getFrozenTokens(address)")
        return self.values.get((to, name), 0).to_bytes(32)


@dataclass
class MarketWorld:
    """`users` by name; `follow` brings the tables up to what the engine did."""

    pool: Pool
    market: Market
    door: Door
    chain: PaperChain
    http: TestClient[web.Request, web.Application]
    keys: KeyStore
    acknowledged: Acknowledged
    users: dict[str, UUID]
    projects: bool = True
    second_factor: set[str] = field(default_factory=set)
    _projector: Projector | None = None
    _frames: Counter[str] = field(default_factory=Counter)

    async def submit(self, commands: Sequence[t.Command]) -> list[Answer]:
        answers = await self.door.submit(commands)
        if self.projects:
            await self.follow()
        return answers

    async def follow(self) -> None:
        if self._projector is None:
            self._projector = await Projector.open(self.pool)
        new = self.market.frames[self._frames["done"] :]
        if new:
            await self._projector.apply(new)
        self._frames["done"] += len(new)

    async def account(self, name: str) -> int:
        account: int = await self.pool.fetchval("SELECT account FROM wallets WHERE address = $1", address_of(name))
        return account

    async def fund(self, name: str, *, cash_micros: int = 0, lots: int = 0, instrument: int = 2) -> None:
        """What came to the vault and the locker, told by the chain."""
        for asset, level in ((t.USDC, cash_micros), (instrument, lots)):
            if level:
                block, log_index = self.market.chain_position()
                cause, wallet = t.LevelCause.DEPOSIT, address_of(name)
                self.market.send(t.LevelChanged(asset, level, level, 0, block, log_index, cause, wallet))
        if lots:
            block, log_index = self.market.chain_position()
            self.market.send(t.PositionChanged(instrument, lots, lots, block, log_index, address_of(name)))
        await self.follow()

    async def call(self, name: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        headers = {"X-User": name}
        async with self.http.request(method, path, json=body, headers=headers) as response:
            answer = await response.json() if response.content_length != 0 and response.status != 204 else None
            assert response.status == status, answer
            return answer

    async def order(self, name: str, status: int = 201, **members: Any) -> Any:
        body = {"symbol": "OAK2USDC", "side": "BUY", "price": "10", "qty": "1"} | members
        given = {key: value for key, value in body.items() if value is not None}
        return await self.call(name, "POST", "/marketplace/orders", given, status)


@asynccontextmanager
async def market_world(pool: Pool, directory: Path) -> AsyncIterator[MarketWorld]:
    """Two investors with every fact in order, and one who is no more than signed up."""
    market = Market()
    door = Door(market)
    await open_market(pool, door)
    users = {name: await add_investor(pool, name) for name in ("alice", "bob")}
    await compile_permissions(pool, door.submit, START_NS)
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for user_id in users.values():
        await pool.execute(
            "INSERT INTO credentials (user_id, password_hash, email_verified_at, changed_at)"
            " VALUES ($1, $2, now(), now())",
            user_id,
            await passwords.hash(PASSWORD),
        )
    chain, seats = PaperChain(), Seats(pool)
    funds = Funds(cast(Chain, chain), USDC, VAULT, LOCKER)
    acknowledged = Acknowledged(pool)
    keys = KeyStore(directory / "api-keys.jsonl")
    app = web.Application()
    world = MarketWorld(pool, market, door, chain, cast(Any, None), keys, acknowledged, users)
    marketplace = Marketplace(pool, world.submit, seats, funds, acknowledged, lambda: START_NS)
    routes = [
        *marketplace_routes.routes(pool, marketplace, seats, funds, acknowledged),
        *market_routes.routes(pool, seats, lambda: START_NS),
        *api_key_routes.routes(pool, seats, keys, passwords, record),
    ]

    async def authenticate(request: web.Request) -> Actor | None:
        name = request.headers.get("X-User", "")
        if name not in users:
            return None
        second = name in world.second_factor
        return Actor(users[name], 1, frozenset({Role.INVESTOR}), uuid4(), has_second_factor=second)

    mount(app, routes, HttpDoor(authenticate, refusal, Limits(lambda: 0.0)))
    async with TestClient(TestServer(app)) as client:
        world.http = client
        await world.follow()
        yield world
