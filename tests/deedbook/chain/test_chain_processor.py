"""From the stream to the tables to what follows: exactly once, whatever is flushed, killed, late or failing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from compliance.lost_wallets import CASH_ACCOUNT_JOB
from deedbook.chain.chain_effects import ChainEffects
from deedbook.chain.chain_processor import ChainProcessor, Effects
from deedbook.embedded.valkey import Valkey
from deedbook.notices.notify import latest, notify
from deedbook.operating.dead_letters import DeadLetterMissing, DeadLetters
from engine import types as t
from persistence.database import Connection, Pool
from persistence.streams import Stream, connect
from settlement.chain_book import ChainBook
from settlement.chain_notes import EventNote, EventState, Finalized, Seen, fields_of
from settlement.watched import ChainEvent
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_investor, address_of, open_market

__all__ = ["pool", "postgres"]
DEADLINE_S = 20.0
OAK = bytes([2]) * 20  # the token of instrument 2
FROZEN = "Token.AddressFrozen"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
async def client(valkey: str) -> AsyncIterator[Redis]:
    client = connect(valkey)
    await client.flushall()
    yield client
    await client.aclose()


def block_hash(block: int) -> bytes:
    return bytes([block]) * 32


def note(name: str, data: Mapping[str, Any], block: int = 1, index: int = 0, contract: bytes = OAK) -> EventNote:
    transaction = bytes([block, index]) + bytes(30)
    return EventNote(EventState.FINAL, block, block_hash(block), index, transaction, contract, name, dict(data))


def frozen(name: str, is_frozen: bool, block: int = 1, index: int = 0) -> EventNote:
    return note(FROZEN, {"wallet": hexed(address_of(name)), "is_frozen": is_frozen, "by": "0x"}, block, index)


def hexed(address: bytes) -> str:
    return "0x" + address.hex()


async def record(pool: Pool, effects: Effects, *notes: EventNote) -> None:
    """A FINAL stretch of all these notes."""
    book = ChainBook(pool, effects.names)
    recorded = await book.blocks()
    for each in notes:
        await book.record(each)
    first = recorded[-1].number + 1 if recorded else 0
    after = recorded[-1].hash if recorded else b""
    last = notes[-1].block
    assert await book.record(Seen(first, last, block_hash(last), after, len(notes), is_final=True))


def processor(pool: Pool, effects: Effects, client: Redis | None = None) -> ChainProcessor:
    stream = Stream(client, "chain-events")  # type: ignore[arg-type]  # a test that has no stream uses none
    return ChainProcessor(pool, stream, effects, failures_max=3, back_off_s=0)


async def all_steps(processor: ChainProcessor) -> None:
    while await processor.step():
        pass


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await holds():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(processor: ChainProcessor) -> AsyncIterator[None]:
    task = asyncio.create_task(processor.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Office:
    """A market, alice with everything in order, and the effects."""

    def __init__(self, pool: Pool, door: Door, alice: UUID) -> None:
        self.pool, self.door, self.alice = pool, door, alice
        self.effects = Effects()
        ChainEffects(door.submit, notify).register(self.effects)
        self.processor = processor(pool, self.effects)

    async def final(self, *notes: EventNote) -> None:
        await record(self.pool, self.effects, *notes)
        await all_steps(self.processor)

    async def told(self) -> list[tuple[str, str]]:
        return [(each.kind, each.text) for each in await latest(self.pool, self.alice)]


@pytest.fixture
async def office(pool: Pool) -> Office:
    door = Door(Market())
    await open_market(pool, door)
    return Office(pool, door, await add_investor(pool, "alice"))


async def test_a_freeze_becomes_a_fact_and_its_owner_is_told_once(office: Office) -> None:
    await office.final(frozen("alice", True))
    assert await office.pool.fetchval("SELECT block FROM wallet_freezes WHERE address = $1", address_of("alice")) == 1
    assert [kind for kind, _ in await office.told()] == ["WALLET_FROZEN"]
    await all_steps(office.processor)
    assert len(await office.told()) == 1


async def test_what_comes_late_does_not_undo_what_is_newer(office: Office) -> None:
    """The thaw of block 1 failed at first, and is tried again after the freeze of block 2."""
    fails = True

    async def failing(_connection: Connection, event: ChainEvent) -> None:
        if fails and event.data["is_frozen"] is False:
            raise ValueError("not yet")

    effects = Effects()
    effects.on_event(FROZEN, failing)
    ChainEffects(office.door.submit, notify).register(effects)
    slow = ChainProcessor(office.pool, Stream(None, "s"), effects, back_off_s=0.2)  # type: ignore[arg-type]
    await record(office.pool, effects, frozen("alice", False, 1), frozen("alice", True, 2))
    await all_steps(slow)
    fails = False

    async def done() -> bool:
        await all_steps(slow)
        return bool(await office.pool.fetchval("SELECT count(*) = 2 FROM chain_events WHERE effect = 'DONE'"))

    await until(done)
    assert await office.pool.fetchval("SELECT count(*) FROM wallet_freezes") == 1


async def test_an_ordered_freeze_is_not_lifted_by_an_older_thaw(office: Office) -> None:
    await office.pool.execute("INSERT INTO wallet_freezes VALUES ($1, 2, 0)", address_of("alice"))
    await office.final(frozen("alice", False, 1))
    assert await office.pool.fetchval("SELECT block FROM wallet_freezes") == 0
    await office.final(frozen("alice", True, 2), frozen("alice", False, 3))
    assert await office.pool.fetchval("SELECT count(*) FROM wallet_freezes") == 1  # the freeze was not the newest
    await office.final(frozen("alice", True, 4))
    await office.final(frozen("alice", False, 5))
    assert await office.pool.fetchval("SELECT count(*) FROM wallet_freezes") == 0


async def test_a_paused_token_is_halted_and_those_with_orders_are_told(office: Office) -> None:
    account = await office.pool.fetchval("SELECT account FROM wallets WHERE address = $1", address_of("alice"))
    if account is None:
        account = 7
        await office.pool.execute("UPDATE wallets SET account = 7 WHERE address = $1", address_of("alice"))
    await office.pool.execute(
        "INSERT INTO orders VALUES (1, 1, 1, $1, 2, 0, 0, 0, 0, 5, 5, 0, 0, '', 5, 0, 0, 0, 1, 1)", account
    )
    await office.final(note("Token.Paused", {"by": "0x"}))
    assert t.SetPhase(2, t.Phase.HALT) in office.door.submitted
    assert [kind for kind, _ in await office.told()] == ["TRADING_HALTED"]
    halts = len(office.door.submitted)
    await office.final(note("Token.Paused", {"by": "0x"}, 2), note("Token.Unpaused", {"by": "0x"}, 2, 1))
    assert len(office.door.submitted) == halts, "it is not paused any more when that is seen"


async def test_money_and_tokens_that_come_are_told(office: Office) -> None:
    wallet = hexed(address_of("alice"))
    moved = {"from": hexed(address_of("bob")), "to": wallet, "value": "2500000000000000000"}
    cash = {"account": wallet, "deltaUsdcMicros": "12500000", "balance": "0", "requested": "0"}
    settled = note("Bridge.BatchSettled", {}, 2, 1)
    of_settlement = EventNote(EventState.FINAL, 2, block_hash(2), 0, settled.transaction, OAK, "Token.Transfer", moved)
    await office.final(
        note("Vault.CashChanged", cash, 1, 0), note("Token.Transfer", moved, 1, 1), of_settlement, settled
    )
    assert await office.told() == [
        ("DEPOSITED", "Your deposit of 12.5 USDC is final: you can trade with it."),
        ("TOKENS_RECEIVED", "2.5 of OAK2USDC came to your wallet."),
    ]


async def test_an_identity_that_was_removed_is_a_fact_unless_it_came_back(office: Office) -> None:
    names = {"wallet": hexed(address_of("alice")), "identity": "0x"}
    registered = "SELECT count(*) FROM identity_registrations WHERE address = $1"
    await office.final(note("Identities.IdentityUnstored", names, 1, 0), note("Identities.IdentityStored", names, 1, 1))
    assert await office.pool.fetchval(registered, address_of("alice")) == 1
    await office.final(note("Identities.IdentityUnstored", names, 2))
    assert await office.pool.fetchval(registered, address_of("alice")) == 0
    assert [kind for kind, _ in await office.told()] == ["IDENTITY_REMOVED"]


async def test_a_recovered_wallet_takes_the_lost_one_s_place(office: Office) -> None:
    lost, fresh = address_of("alice"), address_of("alice's new")
    before = await office.pool.fetchrow("SELECT user_id, account FROM wallets WHERE address = $1", lost)
    names = {"lost": hexed(lost), "new": hexed(fresh), "identity": "0x"}
    unstored = {"wallet": hexed(lost), "identity": "0x"}
    recovery = note("Token.RecoverySuccess", names, 1, 1)
    removal = EventNote(
        *(EventState.FINAL, 1, block_hash(1), 0, recovery.transaction, OAK, "Identities.IdentityUnstored", unstored)
    )
    await office.final(removal, recovery)
    ((kind, text),) = await office.told()
    assert (kind, "OAK2USDC" in text) == ("WALLET_RECOVERED", True)
    assert await office.pool.fetchrow("SELECT user_id, account FROM wallets WHERE address = $1", fresh) == before
    assert not await office.pool.fetchval("SELECT count(*) FROM wallets WHERE address = $1", lost)
    registered = await office.pool.fetch("SELECT address FROM identity_registrations")
    assert fresh in [row["address"] for row in registered]
    assert lost not in [row["address"] for row in registered]
    asked = await office.pool.fetchval("SELECT key FROM jobs WHERE kind = $1", CASH_ACCOUNT_JOB)
    assert asked == fresh.hex()
    await office.final(note("Token.RecoverySuccess", names, 2, 0, contract=bytes([1]) * 20))  # another token of it
    assert [kind for kind, _ in await office.told()] == ["WALLET_RECOVERED"] * 2
    wallets = {"lost": hexed(lost), "fresh": hexed(fresh)}
    carried = {**wallets, "movedUsdcMicros": "12500000", "balance": "12500000", "requested": "0"}
    await office.final(
        note("Vault.MigrationQueued", {**wallets, "readyAt": "1800000000"}, 3), note("Vault.CashMigrated", carried, 4)
    )
    queued, migrated = (await office.told())[2:]
    assert (queued[0], hexed(lost) in queued[1]) == ("CASH_MIGRATION_QUEUED", True)
    assert migrated == ("CASH_MIGRATED", "12.5 USDC of your lost wallet are your new wallet's: you can withdraw them.")


async def test_a_failing_effect_holds_up_nobody_becomes_a_dead_letter_and_can_be_tried_again(pool: Pool) -> None:
    effects, seen = Effects(), list[bool]()

    async def effect(connection: Connection, event: ChainEvent) -> None:
        await connection.execute("CREATE TABLE IF NOT EXISTS done (block bigint UNIQUE)")
        await connection.execute("INSERT INTO done VALUES ($1)", event.block)
        seen.append(event.data["is_frozen"])
        if event.data["is_frozen"] and len(seen) < 6:
            raise ValueError("cannot take it")

    effects.on_event(FROZEN, effect)
    await record(pool, effects, frozen("alice", True, 1), frozen("alice", False, 2))
    await all_steps(processor(pool, effects))
    assert sorted(seen) == [False, True, True, True]
    assert [row["block"] for row in await pool.fetch("SELECT block FROM done")] == [2], "what failed wrote nothing"
    letters = DeadLetters(pool, [])
    (letter,) = await letters.list()
    assert (letter.name, letter.error) == (FROZEN, "ValueError: cannot take it")
    with pytest.raises(DeadLetterMissing):
        await letters.retry("event.00.0")
    await letters.retry(letter.message_id)
    with pytest.raises(DeadLetterMissing):
        await letters.retry(letter.message_id)
    await all_steps(processor(pool, effects))
    assert await letters.list() == []
    assert len(await pool.fetch("SELECT block FROM done")) == 2


async def test_an_effect_waits_for_its_whole_stretch(pool: Pool) -> None:
    effects, seen = Effects(), list[int]()

    async def effect(_connection: Connection, event: ChainEvent) -> None:
        seen.append(event.block)

    effects.on_event(FROZEN, effect)
    await ChainBook(pool, effects.names).record(frozen("alice", True, 1))
    await all_steps(processor(pool, effects))
    assert seen == []
    await record(pool, effects, frozen("alice", True, 1))
    await all_steps(processor(pool, effects))
    assert seen == [1]


async def test_notes_come_by_redis_and_a_malformed_one_is_set_aside(client: Redis, pool: Pool) -> None:
    effects, seen = Effects(), list[int]()

    async def effect(_connection: Connection, event: ChainEvent) -> None:
        seen.append(event.block)

    effects.on_event(FROZEN, effect)
    stream = Stream(client, "chain-events")
    letters = DeadLetters(pool, [stream])
    async with running(processor(pool, effects, client)):
        await stream.publish({"note": "nonsense"})
        for each in (
            frozen("alice", True, 1),
            Seen(0, 1, block_hash(1), b"", 1, is_final=True),
            EventNote(EventState.MINED, 2, block_hash(2), 0, bytes(32), OAK, FROZEN, {}),
            Seen(2, 2, block_hash(2), block_hash(1), 1, is_final=False),
        ):
            await stream.publish(fields_of(each))
        await until(lambda: _is(seen, [1]))
        await until(lambda: _is_recorded(pool, 2))
        await client.flushall()  # what it held is recorded: only what comes is to come
        await stream.publish(fields_of(EventNote(EventState.FINAL, 2, block_hash(2), 0, bytes(32), OAK, FROZEN, {})))
        await stream.publish(fields_of(Finalized(2, block_hash(2), 1)))
        await until(lambda: _is(seen, [1, 2]))
    await stream.dead.publish({"note": "nonsense", "dead_error": "DecodeError()", "dead_id": "1-0", "dead_group": "g"})
    (letter,) = await letters.list()
    assert (letter.name, letter.error) == ("chain-events", "DecodeError()")
    before = await client.xlen("chain-events")
    await letters.retry(letter.message_id)
    assert (await letters.list(), await client.xlen("chain-events")) == ([], before + 1)
    assert (await stream.messages())[-1].fields == {"note": b"nonsense"}
    for nothing in (letter.message_id, "chain-events.x", "other.1-0", "x"):
        with pytest.raises(DeadLetterMissing):
            await letters.retry(nothing)


async def _is_recorded(pool: Pool, block: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM chain_blocks WHERE block = $1", block))


async def _is(found: list[int], wanted: list[int]) -> bool:
    return found == wanted


def test_only_what_is_watched_can_have_an_effect() -> None:
    async def effect(_connection: Connection, _event: ChainEvent) -> None: ...

    with pytest.raises(AssertionError):
        Effects().on_event("Token.Nothing", effect)


async def test_events_go_forward_only(pool: Pool, tmp_path: Path) -> None:
    await record(pool, Effects(), frozen("alice", True, 1))
    with pytest.raises(Exception, match="cannot go back"):
        await pool.execute("UPDATE chain_events SET state = 'REMOVED'")
