"""A chain that lost what we saw is said in one sentence; trades that wait too long stop entry."""

from __future__ import annotations

import pytest

from settlement.chain import ChainUnavailable
from settlement.listener import ChainLostBlocks
from settlement.watch import exit_delay_s, lag_sentence, require_same_chain
from tests.settlement.world import START_NS, World


async def test_the_chain_that_we_know_is_taken(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.mine_batches()
    await world.listen()
    await require_same_chain(world.chain, world.records, world.addresses)


async def test_a_chain_that_ends_before_what_we_saw_is_refused(world: World) -> None:
    world.anvil.kill()
    with pytest.raises(ChainUnavailable):
        await require_same_chain(world.chain, world.records, world.addresses)
    await world.anvil.start()
    with pytest.raises(ChainLostBlocks, match="the chain ends at block 0"):
        await require_same_chain(world.chain, world.records, world.addresses)


async def test_a_bridge_that_forgot_a_final_batch_is_refused(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.mine_batches()
    await world.listen()
    await world.pool.execute("UPDATE settlement_state SET seen_hash = NULL")
    last_trade_slot = await slot_of_last_trade(world)
    await world.rpc("anvil_setStorageAt", world.deployed.infra.bridge, hex(last_trade_slot), "0x" + bytes(32).hex())
    with pytest.raises(ChainLostBlocks, match="the bridge is at trade 0"):
        await require_same_chain(world.chain, world.records, world.addresses)


async def slot_of_last_trade(world: World) -> int:
    for slot in range(8):
        stored = await world.rpc("eth_getStorageAt", world.deployed.infra.bridge, hex(slot), "latest")
        if int(stored, 16) == 1:
            return slot
    raise AssertionError("no slot holds the last trade")


async def test_a_bridge_that_is_ahead_of_us_is_refused(world: World) -> None:
    slot = "0x" + (5).to_bytes(32, "big").hex()
    for number in range(8):
        stored = await world.rpc("eth_getStorageAt", world.deployed.infra.bridge, hex(number), "latest")
        if int(stored, 16) == 0:
            await world.rpc("anvil_setStorageAt", world.deployed.infra.bridge, hex(number), slot)
    with pytest.raises(ChainLostBlocks, match="the bridge is at trade 5"):
        await require_same_chain(world.chain, world.records, world.addresses)


async def test_entry_stops_when_the_oldest_trade_is_half_the_exit_delay_old(world: World) -> None:
    delay_s = await exit_delay_s(world.chain, world.addresses)
    assert delay_s == 24 * 3600
    assert await lag_sentence(world.records, delay_s, START_NS + 10**18) == ""
    await world.trade(buyer=0, seller=1, qty_lots=10)
    made_ns = await world.records.oldest_open_trade_time_ns()
    assert made_ns is not None
    half_ns = delay_s * 10**9 // 2
    assert await lag_sentence(world.records, delay_s, made_ns + half_ns - 10**9) == ""
    assert "43200 s old" in await lag_sentence(world.records, delay_s, made_ns + half_ns)
    await world.mine_batches()
    await world.listen()
    assert await lag_sentence(world.records, delay_s, made_ns + half_ns) == ""
