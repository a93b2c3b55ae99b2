"""Every event of the chain is told and recorded once, whatever is lost, killed or reorganized on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from persistence.database import Pool
from settlement.artifacts import ours
from settlement.chain import Chain
from settlement.chain_book import ChainBook
from settlement.chain_notes import EventState, note_of
from settlement.listener import ChainLostBlocks
from settlement.observer import NotRecorded, Observer
from settlement.tokenization import set_wallet_frozen
from settlement.watched import Contract
from tests.settlement.world import Deployed, World, investor, raw_address, world_on

DEADLINE_S = 60.0
EFFECTS = ("Token.AddressFrozen",)


class LosableStream:
    """What Redis would hold, with a reader that records; `lose` is a flush, `reads` False a reader that is away."""

    def __init__(self, book: ChainBook) -> None:
        self._book = book
        self.entries: dict[str, Mapping[str, bytes | str | int]] = {}
        self.published = 0
        self.reads = True
        self.on_publish: Callable[[int], None] = lambda _count: None

    async def publish(self, fields: Mapping[str, bytes | str | int]) -> str:
        self.published += 1
        self.on_publish(self.published)
        message_id = f"{self.published}-0"
        self.entries[message_id] = fields
        return message_id

    async def holds(self, message_id: str) -> bool:
        return message_id in self.entries

    def lose(self) -> None:
        self.entries.clear()

    async def read(self) -> None:
        """For ever, in order, each message once; it stays afterwards, as in Redis."""
        done: set[str] = set()
        while True:
            for message_id, fields in list(self.entries.items()):
                if self.reads and message_id not in done and message_id in self.entries:
                    await self._book.record(note_of({k: v for k, v in fields.items() if isinstance(v, bytes)}))
                    done.add(message_id)
            await asyncio.sleep(0.002)


class Killed(Exception):  # noqa: N818
    """What a kill of the observer looks like from inside."""


class Observation:
    def __init__(self, world: World, confirmations: int) -> None:
        infra = world.deployed.infra
        self.world = world
        self.chain = Chain(world.anvil.url, confirmations=confirmations, timeout_s=5)
        self.book = ChainBook(world.pool, EFFECTS)
        self.stream = LosableStream(self.book)
        self.contracts = {
            raw_address(infra.vault): Contract.VAULT,
            raw_address(infra.locker): Contract.LOCKER,
            raw_address(infra.bridge): Contract.BRIDGE,
            raw_address(infra.identity_storage): Contract.IDENTITIES,
            raw_address(infra.claim_issuer): Contract.CLAIMS,
        }
        self.renew()

    def renew(self) -> None:
        self.observer = Observer(self.chain, self.book, self.stream, self.contracts, recorded_within_s=2)

    async def all(self) -> None:
        """Step to the head and to finality."""
        deadline = time.monotonic() + DEADLINE_S
        while await self.observer.step():
            assert time.monotonic() < deadline

    async def rows(self, where: str = "true") -> list[Any]:
        rows: list[Any] = await self.world.pool.fetch(
            f"SELECT * FROM chain_events WHERE {where} ORDER BY block, log_index"
        )
        return rows

    async def check(self) -> None:
        """The tables have exactly the chain's logs, by asking the node block by block and without the observer."""
        head = await self.chain.head()
        final = await self.chain.final_block()
        watched = [*self.contracts, self.world.token]
        wanted: dict[tuple[bytes, int], str] = {}
        for number in range(head.number + 1):
            header = await self.chain.header(number)
            for log in await self.chain.logs(watched, number, header):
                wanted[log.block_hash, log.log_index] = "FINAL" if number <= final else "MINED"
        found = {(row["block_hash"], row["log_index"]): row["state"] for row in await self.rows("state <> 'REMOVED'")}
        assert found.items() <= wanted.items()
        unwatched = wanted.keys() - found.keys()
        assert not [key for key in unwatched if await self._is_watched(key)], "an event is missing"
        hashes = {(await self.chain.header(number)).hash for number in range(head.number + 1)}
        assert all(row["block_hash"] not in hashes for row in await self.rows("state = 'REMOVED'"))

    async def _is_watched(self, key: tuple[bytes, int]) -> bool:
        from settlement.watched import chain_event

        (log,) = [log for log in await self._logs_of(key[0]) if log.log_index == key[1]]
        return chain_event(log, self.contracts.get(log.address, Contract.TOKEN)) is not None

    async def _logs_of(self, block_hash: bytes) -> list[Any]:
        head = await self.chain.head()
        logs = await self.chain.logs([*self.contracts, self.world.token], 0, head)
        return [log for log in logs if log.block_hash == block_hash]


@asynccontextmanager
async def observed(
    deployed: Deployed, pool: Pool, directory: Path, confirmations: int = 2
) -> AsyncIterator[Observation]:
    async with world_on(deployed, pool, directory) as world:
        observation = Observation(world, confirmations)
        reading = asyncio.create_task(observation.stream.read())
        try:
            yield observation
            assert not reading.done(), "the reader goes on"
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await observation.chain.close()


@pytest.fixture
async def observation(deployed: Deployed, pool: Pool, tmp_path: Path) -> AsyncIterator[Observation]:
    async with observed(deployed, pool, tmp_path) as made:
        yield made


async def test_from_the_first_block_to_the_head_each_event_is_told_once(observation: Observation) -> None:
    await observation.world.fund(0, 5_000_000, 10)
    await observation.all()
    await observation.check()
    names = [row["name"] for row in await observation.rows()]
    assert names.count("Identities.IdentityStored") == 5
    assert names.count("Vault.CashChanged") == 1
    assert names.count("Token.Transfer") == 1
    assert names.count("Locker.LockChanged") == 1
    states = {row["name"]: row["state"] for row in await observation.rows()}
    assert (states["Identities.IdentityStored"], states["Locker.LockChanged"]) == ("FINAL", "MINED")
    told = observation.stream.published
    assert not await observation.observer.step()
    assert observation.stream.published == told


async def test_what_is_mined_becomes_final_and_then_has_its_effect_pending(observation: Observation) -> None:
    world = observation.world
    await set_wallet_frozen(world.platform, world.deployed.suite, investor(2).address, True)
    await observation.all()
    (frozen,) = await observation.rows("name = 'Token.AddressFrozen'")
    assert (frozen["state"], frozen["effect"]) == ("MINED", "NONE")
    await world.mine(2)
    await observation.all()
    (frozen,) = await observation.rows("name = 'Token.AddressFrozen'")
    assert (frozen["state"], frozen["effect"]) == ("FINAL", "PENDING")
    await observation.check()


async def test_a_reorg_takes_events_back_and_brings_others(observation: Observation) -> None:
    world = observation.world
    await observation.all()
    await world.mine(3)
    await world.fund(1, 7_000_000, 0)
    await observation.all()
    (deposit,) = await observation.rows("name = 'Vault.CashChanged'")
    assert deposit["state"] == "MINED"
    await world.rpc("anvil_reorg", 2, [])
    await observation.all()
    await observation.check()
    (deposit,) = await observation.rows("name = 'Vault.CashChanged'")
    assert deposit["state"] == "REMOVED"
    await world.fund(2, 3_000_000, 0)
    await world.mine(3)
    await observation.all()
    await observation.check()
    final = await observation.rows("name = 'Vault.CashChanged' AND state = 'FINAL'")
    assert [row["data"].count("3000000") > 0 for row in final] == [True]


async def test_a_reorg_that_is_met_in_the_midst_of_telling_leaves_nothing_of_the_dead_branch(
    observation: Observation,
) -> None:
    """The notes of the dead branch are in the stream, unread, when the new one is told."""
    world = observation.world
    await observation.all()
    await world.mine(3)
    await observation.all()
    observation.stream.reads = False
    await world.fund(1, 7_000_000, 0)
    with pytest.raises(NotRecorded):
        await observation.all()
    await world.rpc("anvil_reorg", 2, [])
    await world.fund(2, 3_000_000, 0)
    observation.stream.reads = True
    await observation.all()
    await observation.check()


async def test_a_reorg_below_final_is_said_and_nothing_is_guessed(observation: Observation) -> None:
    world = observation.world
    await world.mine(5)
    await observation.all()
    before = await observation.rows()
    await world.rpc("anvil_reorg", 4, [])
    with pytest.raises(ChainLostBlocks):
        await observation.observer.step()
    assert await observation.rows() == before


async def test_a_stream_that_loses_everything_in_the_midst_is_told_again(observation: Observation) -> None:
    stream = observation.stream
    await observation.world.fund(0, 5_000_000, 10)
    await observation.world.fund(1, 5_000_000, 10)
    stream.on_publish = lambda count: stream.lose() if count % 7 == 0 else None
    lost = 0
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert time.monotonic() < deadline
        try:
            if not await observation.observer.step():
                break
        except NotRecorded:
            lost += 1
            if lost > 3:
                stream.on_publish = lambda _count: None
    assert lost > 0
    await observation.check()


async def test_a_kill_after_each_note_loses_nothing_and_tells_nothing_twice(observation: Observation) -> None:
    world, stream = observation.world, observation.stream
    await observation.all()
    start = stream.published
    await world.fund(0, 5_000_000, 10)
    await set_wallet_frozen(world.platform, world.deployed.suite, investor(0).address, True)
    await world.mine(3)
    kills, at = 0, 1

    def kill(count: int) -> None:
        if count - start >= at:
            raise Killed

    stream.on_publish = kill
    while True:
        try:
            await observation.all()
            break
        except Killed:
            kills += 1
            start, at = stream.published, at % 6 + 1
            observation.renew()
            if kills > 40:
                stream.on_publish = lambda _count: None
    assert kills > 5
    await observation.check()
    assert [row["effect"] for row in await observation.rows("name = 'Token.AddressFrozen'")] == ["PENDING"]


async def test_old_notes_change_nothing(observation: Observation) -> None:
    world = observation.world
    await world.fund(0, 5_000_000, 10)
    await world.mine(3)
    await observation.all()
    before = [dict(row) for row in await observation.rows()]
    blocks = await observation.book.blocks()
    for fields in list(observation.stream.entries.values()):
        await observation.book.record(note_of({k: v for k, v in fields.items() if isinstance(v, bytes)}))
    assert [dict(row) for row in await observation.rows()] == before
    assert await observation.book.blocks() == blocks


async def test_a_new_tokens_events_are_told_from_its_listing_on(observation: Observation) -> None:
    assert await observation.book.tokens() == set()
    await observation.all()
    assert await observation.book.tokens() == {observation.world.token}
    owner = observation.world.platform.owner
    listed = [observation.world.deployed.suite.token, False]
    await owner.send(observation.world.deployed.infra.locker, ours("TokenLocker").call_data("setListed", listed))
    await observation.all()
    await observation.world.fund(3, 0, 0)
    await set_wallet_frozen(observation.world.platform, observation.world.deployed.suite, investor(3).address, True)
    await observation.all()
    assert len(await observation.rows("name = 'Token.AddressFrozen'")) == 1


async def test_events_are_read_by_their_state(observation: Observation) -> None:
    await observation.world.fund(0, 5_000_000, 0)
    await observation.all()
    head = await observation.chain.head()
    mined = await observation.book.events(-1, head.number, EventState.MINED)
    assert [event.name for event, _ in mined] == ["Vault.CashChanged"]
