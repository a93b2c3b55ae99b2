"""A market whose property pays out: the settlement tests' world, plain books and people, a treasury with USDC."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from web3 import Web3

from api.actor import Actor, Role
from api.doors import Decision, Executor
from api.problem import Problem
from persistence.commands import Submit, in_words
from persistence.database import Connection
from persistence.jobs import Handler, Job, JobWaits
from persistence.projections import Projector
from settlement.artifacts import ours
from settlement.infrastructure import read
from settlement.payout_doors import PropertyFacts
from settlement.payout_events import PayoutEvents
from settlement.payouts import PayoutContract
from settlement.record_date import RecordDates
from settlement.steps import Sender, StepStore
from tests.settlement.killing import Killed
from tests.settlement.local_chain import keys, rich
from tests.settlement.world import INVESTORS, OAK, World, investor, raw_address, until

PROPERTY = UUID(int=12)
ADMIN, OTHER_ADMIN = UUID(int=1), UUID(int=2)
BOOKS = """
    CREATE TABLE bookings (what text, payout_id uuid, chunk int, wallet bytea, amount bigint, other bigint,
        UNIQUE NULLS NOT DISTINCT (what, payout_id, chunk, wallet));
    CREATE TABLE told (user_id uuid, kind text, text text, data jsonb);
    CREATE TABLE asked_jobs (kind text, key text, PRIMARY KEY (kind, key));
    CREATE TABLE proposals (subject text PRIMARY KEY, kind text, payload jsonb);
    CREATE TABLE property (state text NOT NULL);
    INSERT INTO property VALUES ('TOKENIZED');
"""


def admin(user_id: UUID = ADMIN) -> Actor:
    return Actor(user_id, 1, frozenset({Role.ADMIN}), UUID(int=9), True)


def wallet_of(number: int) -> bytes:
    return raw_address(investor(number).address)


def user_of(number: int) -> UUID:
    return UUID(int=100 + number)


@dataclass
class Points:
    """Where a process may die: once at each, before and after, and never again there."""

    is_deadly: bool = False
    died: set[str] = field(default_factory=set)

    def pass_by(self, name: str) -> None:
        if self.is_deadly and name not in self.died:
            self.died.add(name)
            raise Killed


@dataclass
class PlainBooks:
    """The ledger in its plainest form: one row a fact; a fact that is told twice breaks the table's rule."""

    points: Points

    async def _book(self, connection: Connection, what: str, *values: Any) -> None:
        self.points.pass_by(f"before {what} {values}")
        await connection.execute("INSERT INTO bookings VALUES ($1, $2, $3, $4, $5, $6)", what, *values)
        self.points.pass_by(f"after {what} {values}")

    async def set_aside(
        self, connection: Connection, property_id: UUID, usdc_micros: int, payout_id: UUID
    ) -> Sequence[tuple[str, int]]:
        await self._book(connection, "set aside", payout_id, None, None, usdc_micros, 0)
        return [("ch_1", usdc_micros - 1), ("ch_2", 1)]

    async def distributable(self, connection: Connection, property_id: UUID, period: str) -> int:
        return 5_000_000

    async def release(self, connection: Connection, payout_id: UUID) -> None:
        await self._book(connection, "release", payout_id, None, None, 0, 0)

    async def declared(
        self, connection: Connection, payout_id: UUID, usdc_micros: int, dust_usdc_micros: int, transaction: bytes
    ) -> None:
        await self._book(connection, "declared", payout_id, None, None, usdc_micros, dust_usdc_micros)

    async def paid(
        self, connection: Connection, payout_id: UUID, chunk: int, paid: int, owed: int, transaction: bytes
    ) -> None:
        await self._book(connection, "paid", payout_id, chunk, None, paid, owed)

    async def stopped(self, connection: Connection, payout_id: UUID, usdc_micros: int, transaction: bytes) -> None:
        await self._book(connection, "stopped", payout_id, None, None, usdc_micros, 0)

    async def claimed(
        self, connection: Connection, payout_id: UUID, wallet: bytes, usdc_micros: int, transaction: bytes
    ) -> None:
        await self._book(connection, "claimed", payout_id, None, wallet, usdc_micros, 0)


@dataclass
class PlainExitBooks(PlainBooks):
    async def set_aside(  # type: ignore[override]
        self, connection: Connection, property_id: UUID, sale_price: int, costs: int, payout_id: UUID
    ) -> int:
        await self._book(connection, "set aside", payout_id, None, None, sale_price, costs)
        return 0


class PlainPeople:
    async def users_of_wallets(self, connection: Connection, wallets: Sequence[bytes]) -> Mapping[bytes, UUID]:
        known = {wallet_of(number): user_of(number) for number in range(INVESTORS)}
        return {wallet: known[wallet] for wallet in wallets if wallet in known}

    async def wallets_of_user(self, connection: Connection, user_id: UUID) -> Sequence[bytes]:
        return [wallet_of(number) for number in range(INVESTORS) if user_of(number) == user_id]


class PayoutWorld:
    """`renew` gives fresh objects on the old database, chain and journal, as a new process has them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.points = Points()
        self.submit: Submit = in_words(world.feed.submit)
        self.people = PlainPeople()
        self.kills = 0

    @property
    def infra(self) -> Any:
        return self.world.deployed.infra

    def treasury(self, steps: StepStore, kind: type[Sender] = Sender) -> Sender:
        return kind(self.world.platform.chain, keys().treasury, steps)

    def contract(self, treasury: Sender, name: str) -> PayoutContract:
        address = self.infra.dividends if name == "DividendDistributor" else self.infra.redemption
        return PayoutContract(treasury, name, address, self.infra.usdc)

    def events(self) -> PayoutEvents:
        contracts = {"DIVIDEND": raw_address(self.infra.dividends), "EXIT": raw_address(self.infra.redemption)}
        books = {"DIVIDEND": PlainBooks(self.points), "EXIT": PlainBooks(self.points)}
        return PayoutEvents(self.world.pool, self.world.chain, contracts, books, self.people, self.notify)

    def dates(self) -> RecordDates:
        return RecordDates(self.world.pool, self.world.chain, self.world.feed.frames)

    # -- what the root hands over

    async def facts(self, connection: Connection, property_id: UUID) -> PropertyFacts | None:
        if property_id != PROPERTY:
            return None
        state = await connection.fetchval("SELECT state FROM property")
        issuer = wallet_of(INVESTORS - 1)
        return PropertyFacts(PROPERTY, "12 Oak Street", state, OAK, self.world.token, 0, issuer, UUID(int=3))

    async def move(self, connection: Connection, property_id: UUID, state: str, actor_name: str) -> None:
        before = {"LIQUIDATING": "TOKENIZED", "CLOSED": "LIQUIDATING"}[state]
        done = await connection.execute("UPDATE property SET state = $1 WHERE state = $2", state, before)
        if done != "UPDATE 1":
            raise Problem(409, "WRONG_STATE", "It is in another state.")

    async def audit(self, connection: Connection, actor: str, action: str, **_: Any) -> None:
        self.points.pass_by(f"audit {action}")

    async def notify(
        self, connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        await connection.execute("INSERT INTO told VALUES ($1, $2, $3, '{}')", user_id, kind, text)

    async def enqueue(
        self, connection: Connection, kind: str, key_text: str, payload: Mapping[str, Any] | None = None, /
    ) -> None:
        await connection.execute("INSERT INTO asked_jobs VALUES ($1, $2) ON CONFLICT DO NOTHING", kind, key_text)

    async def decide(
        self, connection: Connection, kind: str, subject: str, payload: Mapping[str, Any], actor: Actor, /
    ) -> Decision:
        self.points.pass_by(f"before proposing {subject}")
        text = json.dumps(dict(payload))
        await connection.execute("INSERT INTO proposals VALUES ($1, $2, $3)", subject, kind, text)
        self.points.pass_by(f"after proposing {subject}")
        expires_at = datetime(2030, 1, 1, tzinfo=UTC)
        return Decision(UUID(int=77), "PROPOSED", sha256(text.encode()).hexdigest(), actor.user_id, expires_at)

    async def approve(self, subject: UUID, executor: Executor) -> None:
        """The second person."""
        async with self.world.pool.acquire() as connection, connection.transaction():
            payload = await connection.fetchval("SELECT payload FROM proposals WHERE subject = $1", str(subject))
            await executor(connection, UUID(int=77), json.loads(payload), admin(OTHER_ADMIN))

    async def actor_of(self, connection: Connection, user_id: UUID) -> Actor:
        return admin(user_id)

    # -- acts and sights

    async def open(self) -> None:
        """Tables of the fakes, and gas money for the treasury."""
        await self.world.pool.execute(BOOKS)
        await rich(self.world.platform.chain, keys().treasury.address)

    async def fill_treasury(self, usdc_micros: int) -> None:
        data = ours("MockUSDC").call_data("mint", [keys().treasury.address, usdc_micros])
        await self.world.platform.sender.send(self.infra.usdc, data)

    async def blacklist(self, number: int, is_blacklisted: bool) -> None:
        data = ours("MockUSDC").call_data("setBlacklisted", [investor(number).address, is_blacklisted])
        await self.world.platform.sender.send(self.infra.usdc, data)

    async def usdc_of(self, address: str) -> int:
        micros: int = await read(
            self.world.platform.chain, ours("MockUSDC"), self.infra.usdc, "balanceOf", Web3.to_checksum_address(address)
        )
        return micros

    async def balances(self) -> list[int]:
        return [await self.usdc_of(investor(number).address) for number in range(INVESTORS)]

    async def follow(self) -> None:
        """Bring both sets of tables level with the journal."""
        await self.world.caught_up()
        await (await Projector.open(self.world.pool)).apply(self.world.feed.frame_list)

    async def perform(self, handler: Handler, kind: str, key_text: UUID | str, *, hears: bool = False) -> None:
        """Call it as the worker would, through its waits. Raises what it raises otherwise.

        hears  the engine is told meanwhile what the chain says
        """

        async def is_done() -> bool:
            if hears:
                await self.world.listen()
            await self.follow()
            try:
                await handler(Job(kind, str(key_text), {}, 1, no_show))
            except JobWaits:
                return False
            return True

        await until(is_done, kind)

    async def bookings(self, what: str) -> list[tuple[Any, ...]]:
        rows = await self.world.pool.fetch(
            "SELECT chunk, amount, other FROM bookings WHERE what = $1 ORDER BY chunk", what
        )
        return [tuple(row) for row in rows]

    async def told(self) -> list[tuple[UUID, str]]:
        rows = await self.world.pool.fetch("SELECT user_id, kind FROM told ORDER BY user_id, kind")
        return [tuple(row) for row in rows]


async def no_show(step: str, done: int, of: int) -> None:
    """Nobody looks."""
