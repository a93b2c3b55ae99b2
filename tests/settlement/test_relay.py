"""What the chain says reaches the engine once and in order, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import types as t
from persistence.database import Pool
from settlement.artifacts import ours, trex
from settlement.chain import ChainUnavailable
from settlement.listener import ChainLostBlocks
from settlement.relay import CreditingRefused, StreamLost
from settlement.steps import Sender
from tests.settlement.local_chain import keys
from tests.settlement.world import CASH_USDC_MICROS, OAK, TOKENS, Deployed, World, account_of, investor, world_on


async def test_deposits_locks_and_positions_are_the_engines_levels(world: World) -> None:
    for number in range(5):
        assert world.engine_balance(number, t.USDC).level == CASH_USDC_MICROS
        assert world.engine_balance(number, OAK).level == TOKENS
        assert world.engine_balance(number, OAK).position_lots == TOKENS
    assert await world.mismatches() == []


async def test_reading_again_from_an_older_position_changes_nothing(world: World) -> None:
    before = world.feed.exchange.state()
    await world.pool.execute("UPDATE settlement_state SET engine_block = 0, engine_log_index = 0, seen_hash = NULL")
    await world.listen()
    after = world.feed.exchange.state()
    assert after.balances == before.balances
    assert (after.chain_block, after.chain_log_index) == (before.chain_block, before.chain_log_index)
    assert not after.crediting_stopped


async def test_both_ends_of_a_transfer_outside_settlement_are_told(world: World) -> None:
    token = trex("token/Token.sol/Token")
    data = token.call_data("forcedTransfer", [investor(0).address, investor(1).address, 30])
    await world.platform.sender.send(world.deployed.suite.token, data)
    await world.act(investor(2), "TokenLocker", "sync", world.deployed.suite.token, investor(0).address)
    await world.listen()
    assert world.engine_balance(0, OAK).position_lots == TOKENS - 30
    assert world.engine_balance(0, OAK).level == TOKENS - 30
    assert world.engine_balance(1, OAK).position_lots == TOKENS + 30
    assert world.engine_balance(1, OAK).level == TOKENS
    assert await world.mismatches() == []


async def test_an_issuers_partial_freeze_takes_from_the_lock(world: World) -> None:
    issuer = Sender(world.platform.chain, keys().issuer, world.platform.sender._steps)
    call = ours("TokenLocker").call_data("issuerFreeze", [world.deployed.suite.token, investor(3).address, 40])
    await issuer.send(world.deployed.infra.locker, call)
    await world.listen()
    assert world.engine_balance(3, OAK).level == TOKENS - 40
    assert await world.mismatches() == []


async def test_a_stream_that_lost_everything_is_read_again_from_the_chain(world: World) -> None:
    await world.fund(0, 5_000_000, 10)
    push = world.stream.push

    async def push_and_lose(entries: list[bytes]) -> None:
        await push(entries)
        world.stream.lose()

    world.stream.push = push_and_lose  # type: ignore[assignment,method-assign]
    with pytest.raises(StreamLost):
        await asyncio.wait_for(world.relay.session(), 30)
    world.stream.push = push  # type: ignore[method-assign]
    await world.listen()
    assert world.engine_balance(0, t.USDC).level == CASH_USDC_MICROS + 5_000_000
    assert world.engine_balance(0, OAK).level == TOKENS + 10
    assert await world.mismatches() == []


async def test_a_stream_that_lost_its_middle_is_noticed_before_anything_wrong_is_told(world: World) -> None:
    await world.fund(0, 5_000_000, 10)
    push = world.stream.push

    async def push_without_the_first(entries: list[bytes]) -> None:
        await push(entries[1:])

    world.stream.push = push_without_the_first  # type: ignore[assignment,method-assign]
    before = world.feed.exchange.seq
    with pytest.raises(StreamLost):
        await asyncio.wait_for(world.relay.session(), 30)
    assert world.feed.exchange.seq == before


async def test_a_level_that_does_not_add_up_stops_crediting_with_the_position(world: World) -> None:
    head = (await world.chain.head()).number
    wrong = t.LevelChanged(
        t.USDC, 7, CASH_USDC_MICROS + 7, 0, head, 10_000, t.LevelCause.DEPOSIT, bytes.fromhex(investor(0).address[2:])
    )
    await world.feed.send(wrong)  # a deposit that the chain never saw
    await world.caught_up()
    await world.fund(0, 5_000_000, 0)
    with pytest.raises(CreditingRefused, match=f"account {account_of(0)}"):
        await world.listen()
    state = world.feed.exchange.state()
    assert state.crediting_stopped
    assert state.venue_phase == t.Phase.CANCEL_ONLY


async def test_a_final_block_that_is_gone_is_never_guessed_about(world: World) -> None:
    await world.fund(0, 5_000_000, 0)
    await world.listen()
    await world.rpc("anvil_reorg", 2, [])  # the deposit is not in the blocks that take their place
    with pytest.raises(ChainLostBlocks):
        await world.listen()


async def test_a_wallet_that_is_linked_later_is_credited_then(world: World) -> None:
    stranger = keys().guardian
    await world.rpc("anvil_setBalance", stranger.address, hex(10**20))
    mint = ours("MockUSDC").call_data("mint", [stranger.address, 9_000_000])
    await world.platform.sender.send(world.deployed.infra.usdc, mint)
    await world.act(stranger, "MockUSDC", "approve", world.deployed.infra.vault, 9_000_000)
    await world.act(stranger, "CashVault", "deposit", 9_000_000)
    await world.listen()
    events = await world.feed.send(t.OpenAccount(99, bytes.fromhex(stranger.address[2:])))
    (balance,) = [event for event in events if isinstance(event, t.Balance)]
    assert balance.level == 9_000_000


async def test_the_node_may_be_killed_and_started_again(world: World) -> None:
    """A kill without a state file loses every block: that is said, and nothing is told to the engine."""
    before = world.feed.exchange.seq
    world.anvil.kill()
    with pytest.raises(ChainUnavailable):
        await world.chain.head()
    await world.anvil.start()
    with pytest.raises(ChainLostBlocks):
        await asyncio.wait_for(world.relay.session(), 30)
    assert world.feed.exchange.seq == before


async def test_a_lock_is_not_passed_over_while_the_tables_are_behind_on_its_token(
    deployed: Deployed, pool: Pool, tmp_path: Path
) -> None:
    async with world_on(deployed, pool, tmp_path) as world:
        await world.caught_up()
        await world.list_all()  # durable in the journal; the tables do not have it yet
        owner, locker = world.platform.owner, world.deployed.infra.locker
        await owner.send(locker, ours("TokenLocker").call_data("setListed", [world.deployed.suite.token, True]))
        await world.fund(0, 0, 30)
        assert await world.records.instruments() == {}
        await world.listen()
        assert world.engine_balance(0, OAK).level == 30
        assert world.engine_balance(0, OAK).position_lots == 30
