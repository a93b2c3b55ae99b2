from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from compliance.permissions import compile_permissions
from deedbook.jobs.trade_notices import FAILURES, TradeNotices, tell
from deedbook.notices.notify import notify
from engine import types as t
from engine.types import Reason
from persistence.database import Connection, Pool
from persistence.fold import JournalGapError
from persistence.frame import DurableFrame
from persistence.projections import CursorMovedError
from tests.deedbook.trading.marketplace_world import MarketWorld, market_world
from tests.fixtures.market import START_NS
from tests.fixtures.registered import add_investor


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> AsyncIterator[MarketWorld]:
    """Alice and Bob can sign in; a bot with every permission cannot."""
    async with market_world(pool, tmp_path) as made:
        made.users["bot"] = await add_investor(pool, "bot")
        await compile_permissions(pool, made.submit, START_NS)
        for name in made.users:
            await made.fund(name, cash_micros=10**12)
            await made.fund(name, lots=10_000)
        yield made


async def told(world: MarketWorld) -> list[tuple[str, str, str, dict[str, Any]]]:
    names = {user_id: name for name, user_id in world.users.items()}
    rows = await world.pool.fetch("SELECT user_id, kind, text, data FROM notifications ORDER BY position")
    return [(names[row["user_id"]], row["kind"], row["text"], json.loads(row["data"])) for row in rows]


async def notices(world: MarketWorld, after: int) -> TradeNotices:
    """A consumer that begins after a frame, so that the test says what is new."""
    made = await TradeNotices.open(world.pool, notify, pause_s=0)
    await world.pool.execute("UPDATE journal_cursors SET seq = $1 WHERE consumer = 'trade-notices'", after)
    made.seq = after
    return made


def frames_after(world: MarketWorld, seq: int) -> list[DurableFrame]:
    return [frame for frame in world.market.frames if frame.first_seq > seq]


def settle(world: MarketWorld, *ejected: tuple[int, Reason]) -> None:
    state = world.market.exchange.state()
    batch = state.last_final_batch_id + 1
    world.market.send(
        *(t.EjectTrade(batch, 1, trade_id, reason) for trade_id, reason in ejected),
        t.ComposeBatch(batch, 1, state.last_final_trade_id, state.last_trade_id, len(ejected), bytes([batch]) * 32),
    )
    world.market.send(
        t.BatchFinal(batch, *world.market.chain_position(), bytes([batch]) * 32, bytes([batch + 100]) * 32)
    )


async def test_both_sides_are_told_at_match_at_final_and_at_failure(world: MarketWorld) -> None:
    start = world.market.exchange.seq
    await world.order("bob", side="SELL", price="10", qty="50")
    await world.order("alice", side="BUY", price="11", qty="50")
    settle(world)
    await world.order("bob", side="SELL", price="10", qty="1")
    await world.order("alice", side="BUY", price="10", qty="1")
    settle(world, (2, Reason.BUYER_FROZEN))
    await (await notices(world, start)).apply(frames_after(world, start))
    found = await told(world)
    sentences = {(name, kind): sentence for name, kind, sentence, _ in found}
    assert sentences["bob", "TRADE_FINAL"] == "50 tokens of 2 Oak Street sold for 500 USDC: final on the chain."
    assert sentences["alice", "TRADE_FINAL"] == "50 tokens of 2 Oak Street bought for 500 USDC: final on the chain."
    assert sentences["bob", "TRADE_FAILED"] == (
        "1 token of 2 Oak Street sold for 10 USDC did not settle: the buyer's wallet was frozen."
        " The trade is undone and your tokens given back."
    )
    matched = [(name, sentence) for name, kind, sentence, _ in found if kind == "TRADE_MATCHED"]
    assert ("bob", "50 tokens of 2 Oak Street sold for 500 USDC. The trade is on its way to the chain.") in matched
    assert len(matched) == 4
    final = next(data for name, kind, _, data in found if (name, kind) == ("alice", "TRADE_FINAL"))
    assert final["transaction"] == f"0x{'65' * 32}"
    assert (final["qty"], final["usdc"], final["trade_ids"]) == ("50", "500", [1])


async def test_a_sweep_is_one_notice_an_order_and_a_bot_is_told_nothing(world: MarketWorld) -> None:
    start = world.market.exchange.seq
    account = await world.account("bot")
    for number in range(40):
        world.market.send(t.Place(account, 2, 1, 1, 1, 10 + number % 3, 100, client_order_id=b"bot-%d" % number))
    await world.follow()
    await world.order("alice", side="BUY", price="12", qty="40")
    settle(world)
    await (await notices(world, start)).apply(frames_after(world, start))
    found = await told(world)
    assert [(name, kind, data["trades"]) for name, kind, _, data in found] == [
        ("alice", "TRADE_MATCHED", 40),
        ("alice", "TRADE_FINAL", 40),
    ]
    assert sum(int(data["usdc"]) for _, kind, _, data in found if kind == "TRADE_FINAL") == 14 * 10 + 13 * 11 + 13 * 12


async def test_a_kill_at_any_frame_tells_each_once(world: MarketWorld) -> None:
    start = world.market.exchange.seq
    for price in range(10, 16):
        await world.order("bob", side="SELL", price=str(price), qty="1")
        await world.order("alice", side="BUY", price=str(price), qty="1")
        settle(world)
    frames = frames_after(world, start)
    deaths = 0

    async def dying(
        connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        nonlocal deaths
        await notify(connection, user_id, kind, text, data)
        deaths += 1
        if deaths % 3 == 0:
            raise RuntimeError("killed")

    await notices(world, start)
    for _ in range(100):
        consumer = await TradeNotices.open(world.pool, dying, pause_s=0)
        try:
            for frame in frames:
                await consumer.apply([frame])
            break
        except RuntimeError:
            continue
    found = await told(world)
    assert deaths > 24
    assert len(found) == 6 * 4
    assert len({(name, kind, tuple(data["trade_ids"])) for name, kind, _, data in found}) == 6 * 4


async def test_frames_that_were_told_are_passed_over_and_gaps_are_seen(world: MarketWorld) -> None:
    start = world.market.exchange.seq
    await world.order("bob", side="SELL", price="10", qty="1")
    await world.order("alice", side="BUY", price="10", qty="1")
    frames = frames_after(world, start)
    consumer = await notices(world, start)
    await consumer.apply(frames)
    await consumer.apply(frames)
    assert len(await told(world)) == 2
    await world.order("alice", price="1")
    await world.order("alice", price="1")
    with pytest.raises(JournalGapError):
        await consumer.apply(frames_after(world, consumer.seq + 1))
    other = await TradeNotices.open(world.pool, notify, pause_s=0)
    await other.apply(frames_after(world, other.seq))
    with pytest.raises(CursorMovedError):
        await consumer.apply(frames_after(world, consumer.seq))


async def test_the_first_ever_begins_where_the_projections_are(world: MarketWorld) -> None:
    await world.order("bob", side="SELL", price="10", qty="1")
    await world.order("alice", side="BUY", price="10", qty="1")

    async def frames_from(seq: int) -> AsyncIterator[DurableFrame]:
        for frame in world.market.frames:
            if frame.first_seq >= seq:
                yield frame

    await tell(world.pool, notify, frames_from)
    assert await told(world) == []


def test_every_reason_for_which_a_trade_fails_has_words() -> None:
    assert set(FAILURES) == {reason for reason in Reason if reason >= Reason.SELLER_NOT_VERIFIED}
