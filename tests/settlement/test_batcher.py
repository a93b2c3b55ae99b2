"""From trades of the real engine to settled batches on a real chain, and back, whatever happens on the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine import types as t
from engine.types import Reason
from engine.wire import decode_events
from settlement import composition
from settlement.artifacts import ours, trex
from settlement.chain_events import BATCH_SETTLED
from settlement.composition import BatchStuck, fills_of
from settlement.journal_fold import last_seq
from settlement.simulation import SettlementMisconfigured, simulate
from settlement.steps import Sender
from settlement.tokenization import revoke_claim, set_wallet_frozen
from settlement.trades import Fill
from tests.settlement.local_chain import keys
from tests.settlement.world import (
    CASH_USDC_MICROS,
    OAK,
    TICK_VALUE_USDC_MICROS,
    TOKENS,
    World,
    investor,
    until,
)


async def settle(world: World) -> None:
    """Step until everything is mined, then let the engine hear of it."""
    await world.mine_batches()
    await world.listen()


async def freeze(world: World, number: int, frozen: bool = True) -> None:
    await set_wallet_frozen(world.platform, world.deployed.suite, investor(number).address, frozen)


async def pause_token(world: World, function: str) -> None:
    data = trex("token/Token.sol/Token").call_data(function, [])
    await world.platform.sender.send(world.deployed.suite.token, data)


async def require_chain_and_engine_agree(world: World) -> None:
    found = await world.mismatches()
    assert not found, found


async def test_trades_settle_and_the_engine_hears_it(world: World) -> None:
    first = await world.trade(buyer=0, seller=1, qty_lots=10)
    second = await world.trade(buyer=2, seller=0, qty_lots=4)
    await settle(world)
    assert [each.state for each in world.progress] == ["SUBMITTED", "MINED"]
    assert world.settled() == {first: Reason.NONE, second: Reason.NONE}
    assert await world.states() == ["FINAL"]
    assert world.engine_balance(0, OAK).level == TOKENS + 6
    assert world.engine_balance(1, OAK).position_lots == TOKENS - 10
    assert world.engine_balance(1, t.USDC).level > CASH_USDC_MICROS
    await require_chain_and_engine_agree(world)


async def test_the_gas_of_a_batch_that_is_final_before_it_was_seen_mined_is_read_later(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.batcher.step()

    async def mined() -> bool:
        (signed,) = await world.records.transactions("batch/1")
        return await world.chain.receipt(signed.transaction) is not None

    await until(mined, "the batch's block")
    await world.listen()
    assert await world.states() == ["FINAL"]
    assert [batch_id for batch_id, _ in await world.records.final_without_gas()] == [1]
    await world.batcher.step()
    batch = await world.records.last_batch()
    assert batch is not None
    receipt = await world.chain.receipt(batch.mined_transaction or b"")
    assert receipt is not None
    assert (batch.state, batch.gas_used) == ("FINAL", receipt.gas_used)


async def test_batches_follow_each_other(world: World) -> None:
    for round_number in range(3):
        await world.trade(buyer=round_number, seller=round_number + 1, qty_lots=3)
        await settle(world)
    assert await world.states() == ["FINAL"] * 3
    assert set(world.settled().values()) == {Reason.NONE}
    await require_chain_and_engine_agree(world)


async def test_a_frozen_seller_fails_alone_and_what_rests_on_it_fails_as_upstream(world: World) -> None:
    innocent = await world.trade(buyer=0, seller=1, qty_lots=10)
    failing = await world.trade(buyer=3, seller=2, qty_lots=TOKENS, price_ticks=40)
    resting = await world.trade(buyer=4, seller=3, qty_lots=TOKENS + 1, price_ticks=40)  # needs one of what 2 sold
    partly = await world.trade(buyer=0, seller=4, qty_lots=5)  # needs nothing that failed
    await freeze(world, 2)
    await settle(world)
    assert world.settled() == {
        innocent: Reason.NONE,
        failing: Reason.SELLER_FROZEN,
        resting: Reason.UPSTREAM_FAILED,
        partly: Reason.NONE,
    }
    await require_chain_and_engine_agree(world)


async def test_what_rests_on_a_trade_of_an_earlier_batch_that_failed_fails_as_upstream(world: World) -> None:
    failing = await world.trade(buyer=3, seller=2, qty_lots=TOKENS, price_ticks=40)
    await freeze(world, 2)
    await world.batcher.step()
    await freeze(world, 2, False)
    resting = await world.trade(buyer=4, seller=3, qty_lots=TOKENS + 1, price_ticks=40)
    await settle(world)
    assert world.settled() == {failing: Reason.SELLER_FROZEN, resting: Reason.UPSTREAM_FAILED}
    await require_chain_and_engine_agree(world)


async def test_cash_that_a_failed_sale_would_have_brought_is_upstream(world: World) -> None:
    all_cash_lots = CASH_USDC_MICROS // (TICK_VALUE_USDC_MICROS * 200)  # 500 lots at 200 ticks
    failing = await world.trade(buyer=1, seller=0, qty_lots=10, price_ticks=200)
    spending = await world.trade(buyer=0, seller=2, qty_lots=all_cash_lots, price_ticks=200)
    await freeze(world, 1)
    await settle(world)
    assert world.settled() == {failing: Reason.BUYER_FROZEN, spending: Reason.UPSTREAM_FAILED}


async def test_an_unverified_buyer_and_a_paused_token_have_their_reasons(world: World) -> None:
    first = await world.trade(buyer=0, seller=1, qty_lots=10)
    await revoke_claim(world.platform, world.deployed.infra, investor(0).address)
    await settle(world)
    await pause_token(world, "pause")
    second = await world.trade(buyer=2, seller=3, qty_lots=10)
    await settle(world)
    assert world.settled() == {first: Reason.BUYER_NOT_VERIFIED, second: Reason.TOKEN_PAUSED}
    await require_chain_and_engine_agree(world)


async def test_tokens_that_the_issuer_took_fail_their_sale_only(world: World) -> None:
    selling = await world.trade(buyer=0, seller=1, qty_lots=TOKENS, price_ticks=40)
    innocent = await world.trade(buyer=2, seller=3, qty_lots=10)
    token = trex("token/Token.sol/Token")
    taken = token.call_data("forcedTransfer", [investor(1).address, investor(4).address, 50])
    await world.platform.sender.send(world.deployed.suite.token, taken)
    await settle(world)
    assert world.settled() == {selling: Reason.LOCK_TOO_SMALL, innocent: Reason.NONE}


async def test_blacklisted_usdc_does_not_stop_settlement(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    data = ours("MockUSDC").call_data("setBlacklisted", [investor(0).address, True])
    await world.platform.sender.send(world.deployed.infra.usdc, data)
    await settle(world)
    assert world.settled() == {trade: Reason.NONE}


async def test_a_batch_of_nothing_but_failures_settles_empty(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    await freeze(world, 0)
    await settle(world)
    assert world.settled() == {trade: Reason.BUYER_FROZEN}
    assert await world.states() == ["FINAL"]


async def test_a_paused_bridge_ejects_nothing_and_says_why(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    guardian = keys().guardian
    await world.rpc("anvil_setBalance", guardian.address, hex(10**20))
    sender = Sender(world.platform.chain, guardian, world.platform.sender._steps)
    await sender.send(world.deployed.infra.bridge, ours("SettlementBridge").call_data("pause", []))
    with pytest.raises(BatchStuck, match="BridgePaused"):
        await world.batcher.step()
    await sender.send(world.deployed.infra.bridge, ours("SettlementBridge").call_data("unpause", []))
    await settle(world)
    assert world.settled() == {trade: Reason.NONE}


async def test_a_wallet_frozen_between_compose_and_mined_gets_a_further_attempt(world: World) -> None:
    innocent = await world.trade(buyer=0, seller=1, qty_lots=10)
    failing = await world.trade(buyer=3, seller=2, qty_lots=10)
    await world.rpc("evm_setAutomine", False)
    await world.batcher.step()
    assert await world.states() == ["SUBMITTED"]
    # The freeze gets into a block before our transaction does.
    waiting = world.signer.signed[-1]
    raw = (await world.records.transactions("batch/1"))[-1]
    await world.rpc("anvil_dropTransaction", "0x" + raw.transaction.hex())
    await world.rpc("evm_setAutomine", True)
    await freeze(world, 2)
    await world.rpc("evm_setAutomine", False)
    await world.batcher.step()
    replacement = world.signer.signed[-1]
    assert replacement.nonce == waiting.nonce
    assert int(replacement.max_fee_wei) * 1000 >= int(waiting.max_fee_wei) * 1125
    await world.mine()
    await settle(world)
    assert world.settled() == {innocent: Reason.NONE, failing: Reason.SELLER_FROZEN}
    assert [each.attempt for each in await world.records.attempts(1)] == [1, 2]
    await require_chain_and_engine_agree(world)


async def test_a_mined_revert_gets_a_further_attempt_under_a_new_nonce(world: World) -> None:
    innocent = await world.trade(buyer=0, seller=1, qty_lots=10)
    failing = await world.trade(buyer=3, seller=2, qty_lots=10)
    await world.rpc("evm_setAutomine", False)
    await world.batcher.step()
    (sent,) = await world.records.transactions("batch/1")
    await world.rpc("anvil_dropTransaction", "0x" + sent.transaction.hex())
    await world.rpc("evm_setAutomine", True)
    await freeze(world, 2)
    await world.chain.send(sent.raw)  # it is mined after all, and reverts
    async with asyncio.timeout(20):
        while (receipt := await world.chain.receipt(sent.transaction)) is None:  # a node mines soon, not at once
            await asyncio.sleep(0.02)
    assert not receipt.succeeded
    await settle(world)
    assert world.settled() == {innocent: Reason.NONE, failing: Reason.SELLER_FROZEN}
    assert [each.nonce for each in await world.records.transactions("batch/1")] == [sent.nonce, sent.nonce + 1]


async def test_a_dropped_transaction_is_sent_again(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.rpc("evm_setAutomine", False)
    await world.batcher.step()
    (sent,) = await world.records.transactions("batch/1")
    await world.rpc("anvil_dropTransaction", "0x" + sent.transaction.hex())
    assert not await world.chain.is_pending(sent.transaction)
    await world.batcher.step()
    assert await world.chain.is_pending(sent.transaction)
    await world.mine()
    await settle(world)
    assert world.settled() == {trade: Reason.NONE}
    assert len(await world.records.transactions("batch/1")) == 1


async def test_a_transaction_that_waits_too_long_is_replaced_under_its_nonce_with_a_higher_fee(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.rpc("evm_setAutomine", False)
    await world.batcher.step()
    await world.pool.execute("UPDATE settlement_transactions SET recorded_at = now() - interval '1 day' * 100000")
    await world.batcher.step()
    first, second = await world.records.transactions("batch/1")
    assert second.nonce == first.nonce
    assert second.fees.max_wei * 1000 >= first.fees.max_wei * 1125
    assert second.fees.priority_wei * 1000 >= first.fees.priority_wei * 1125
    await world.mine()
    await settle(world)
    assert set(world.settled().values()) == {Reason.NONE}


async def test_a_reorg_of_three_blocks_takes_a_mined_batch_back_and_it_is_mined_again(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.mine(3)
    await world.mine_batches()
    assert await world.states() == ["MINED"]
    await world.rpc("anvil_reorg", 3, [])
    await world.batcher.step()
    assert [each.state for each in world.progress] == ["SUBMITTED", "MINED", "SUBMITTED"]
    await world.mine()
    await world.mine(3)
    await settle(world)
    assert world.settled() == {trade: Reason.NONE}
    assert [each.state for each in world.progress] == ["SUBMITTED", "MINED", "SUBMITTED", "MINED"]
    await require_chain_and_engine_agree(world)


async def test_a_reorg_under_two_mined_batches_settles_both_once(world: World) -> None:
    first = await world.trade(buyer=0, seller=1, qty_lots=10)
    await world.mine_batches()
    second = await world.trade(buyer=2, seller=3, qty_lots=7)
    await world.mine_batches()
    await world.mine()
    assert await world.states() == ["MINED", "MINED"]
    await world.rpc("anvil_reorg", 3, [])
    await world.batcher.step()
    await world.mine(4)
    await settle(world)
    assert world.settled() == {first: Reason.NONE, second: Reason.NONE}
    await require_chain_and_engine_agree(world)


async def test_batches_stop_when_too_many_wait_to_be_final(world: World) -> None:
    world.terms = replace(world.terms, batches_unfinal_max=2)
    world.renew()
    for number in range(3):
        await world.trade(buyer=0, seller=1, qty_lots=number + 1)
        await world.mine_batches()
    assert await world.states() == ["MINED", "MINED"]
    await world.listen()
    await settle(world)
    assert await world.states() == ["FINAL"] * 3


class KilledError(Exception):
    """The process is gone at this line."""


KILLS = (
    "prepare",
    "announce",
    "announced",
    "sign",
    "record",
    "recorded",
    "send",
    "sent",
    "mark_submitted",
    "mark_mined",
)


def kill_at(world: World, step: str) -> None:
    """Make the settlement process die right before (or, for the past tenses, right after) one of its steps."""

    def dying(function: object, after: bool) -> object:
        async def die(*arguments: object, **named: object) -> object:
            if after:
                await function(*arguments, **named)  # type: ignore[operator]
            raise KilledError(step)

        return die

    places: dict[str, tuple[object, str, bool]] = {
        "prepare": (world.records, "prepare", False),
        "announce": (world.batcher, "_submit", False),
        "announced": (world.batcher, "_submit", True),
        "sign": (world.signer, "sign", False),
        "record": (world.records, "record_transaction", False),
        "recorded": (world.records, "record_transaction", True),
        "send": (world.chain, "send", False),
        "sent": (world.chain, "send", True),
        "mark_submitted": (world.records, "mark_submitted", False),
        "mark_mined": (world.records, "mark_mined", False),
    }
    owner, name, after = places[step]
    setattr(owner, name, dying(getattr(owner, name), after))


@pytest.mark.parametrize("step", KILLS)
async def test_a_kill_at_any_step_settles_each_trade_once(world: World, step: str) -> None:
    innocent = await world.trade(buyer=0, seller=1, qty_lots=10)
    failing = await world.trade(buyer=3, seller=2, qty_lots=10)
    await freeze(world, 2)
    kill_at(world, step)
    with pytest.raises(KilledError):
        await world.mine_batches()
    for name in ("sign", "send"):
        for owner in (world.signer, world.chain):
            vars(owner).pop(name, None)
    world.renew()
    await world.caught_up()
    later = await world.trade(buyer=0, seller=1, qty_lots=3)
    for _ in range(2):
        await settle(world)
    assert world.settled() == {innocent: Reason.NONE, failing: Reason.SELLER_FROZEN, later: Reason.NONE}
    assert set(await world.states()) == {"FINAL"}
    nonces = [each.nonce for each in await world.records.transactions("batch/1")]
    assert len(nonces) == len(set(nonces)) == 1
    await require_chain_and_engine_agree(world)


async def test_two_hundred_fills_of_one_property_fit_one_batch(world: World) -> None:
    for number in range(200):
        await world.trade(buyer=number % 5, seller=(number + 1 + number // 5 % 4) % 5, qty_lots=1 + number % 3)
    await settle(world)
    assert await world.states() == ["FINAL"]
    assert len(world.settled()) == 200
    assert set(world.settled().values()) == {Reason.NONE}
    await require_chain_and_engine_agree(world)


async def test_nothing_to_do_is_no_batch(world: World) -> None:
    await world.batcher.step()
    assert await world.states() == []


@pytest.mark.parametrize("is_final", [False, True])
async def test_rows_that_are_lost_are_made_again_from_the_journal_and_the_chain(world: World, is_final: bool) -> None:
    innocent = await world.trade(buyer=0, seller=1, qty_lots=10)
    failing = await world.trade(buyer=3, seller=2, qty_lots=10)
    await freeze(world, 2)
    await world.mine_batches()
    if is_final:
        await world.listen()
    tables = "batches, attempts, ejected, transactions, releases, trades, wallets, instruments"
    names = ", ".join(f"settlement_{table}" for table in tables.split(", "))
    await world.pool.execute(f"TRUNCATE {names}")
    await world.pool.execute("UPDATE settlement_state SET engine_block = 0, engine_log_index = 0, seen_hash = NULL")
    await world.pool.execute("DELETE FROM journal_cursors")
    world.renew()
    await world.caught_up()
    later = await world.trade(buyer=0, seller=1, qty_lots=3)
    for _ in range(2):
        await settle(world)
    assert world.settled() == {innocent: Reason.NONE, failing: Reason.SELLER_FROZEN, later: Reason.NONE}
    assert await world.states() == ["FINAL", "FINAL"]
    assert len(await world.records.transactions("batch/1")) == (0 if is_final else 1)
    await require_chain_and_engine_agree(world)


async def test_contracts_that_do_not_take_our_calls_eject_nothing(world: World) -> None:
    trade = await world.trade(buyer=0, seller=1, qty_lots=10)
    right, stranger = world.addresses, b"\x99" * 20  # the vault and the locker do not obey this bridge
    world.addresses = replace(right, bridge=stranger)
    world.renew()
    with pytest.raises(SettlementMisconfigured, match="NotHolder"):
        await simulate(world.chain, world.addresses, await fills(world), (await world.chain.head()).number)
    world.addresses = right
    world.renew()
    await settle(world)
    assert world.settled() == {trade: Reason.NONE}


async def fills(world: World) -> list[Fill]:
    await world.caught_up()
    instruments = await world.records.instruments()
    wallets = await world.records.wallets(range(1, 10))
    return fills_of(await world.records.unbatched_trades(0, 10), instruments, wallets)


async def test_a_batch_over_the_gas_target_is_cut_into_several(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        await world.trade(buyer=number % 2, seller=2 + number % 3, qty_lots=1 + number)
    monkeypatch.setattr(composition, "GAS_TARGET", 450_000)
    await world.mine_batches()
    await world.listen()
    assert set(world.settled().values()) == {Reason.NONE}
    assert len(world.settled()) == 8
    attempts = await world.pool.fetch("SELECT gas_estimated, fills FROM settlement_attempts ORDER BY batch_id")
    assert len(attempts) > 1
    assert all(row["gas_estimated"] <= 450_000 or row["fills"] == 1 for row in attempts)
    await require_chain_and_engine_agree(world)


async def test_the_batch_on_chain_carries_the_journal_frame_of_its_last_trade(world: World) -> None:
    await world.trade(buyer=0, seller=1, qty_lots=10)
    last = await world.trade(buyer=2, seller=1, qty_lots=10)
    await settle(world)
    (log,) = await world.chain.find_logs(world.addresses.bridge, [BATCH_SETTLED])
    assert int.from_bytes(log.topics[2], "big") == last
    journal_seq, journal_hash = int.from_bytes(log.data[:32], "big"), log.data[32:64]
    frame = next(each for each in world.feed.frame_list if each.hash == journal_hash)
    assert last_seq(frame) == journal_seq
    assert last in [event.trade_id for _, event in decode_events(frame.events) if isinstance(event, t.Trade)]
