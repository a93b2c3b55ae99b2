"""A session over a real socket: it trades, knows its orders from reports only, and survives what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns

import pytest

from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import HmacKey
from deedbook.demo.socket import LOST, SessionError
from tests.deedbook.demo.floor import CASH_MICROS, ELM, LOTS, OAK, Floor


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_both_kinds_of_key_trade_and_see_their_fills(floor: Floor) -> None:
    seller, buyer = await floor.session(2), await floor.ed25519_session(3)
    oak = seller.instruments[OAK]
    assert (oak.price(10_025), oak.qty(150), oak.tick_value_usdc_micros) == ("100.25", "1.50", 100)
    assert (seller.instruments[ELM].qty(7), seller.instruments[ELM].tick_value_usdc_micros) == ("7", 10_000)
    placed = await seller.place_limit(oak, is_buy=False, price_ticks=10_025, qty_lots=150)
    taken = await buyer.place_market(buyer.instruments[OAK], is_buy=True, qty_lots=50)
    assert (placed.reason, taken.reason) == ("", "")
    await until(lambda: seller.seen.fills == 1 and buyer.seen.fills == 1)
    (resting,) = seller.open_orders.values()
    assert (resting.qty_lots, resting.executed_lots, resting.price) == (150, 50, "100.25")
    assert buyer.open_orders == {}
    assert seller.seen.filled_usdc_micros == 50 * 10_025 * 100
    await until(lambda: buyer.free_lots[OAK] == LOTS + 50)
    assert buyer.free_usdc_micros == CASH_MICROS - 50 * 10_025 * 100 - 50 * 10_025 * 100 * 10 // 10_000
    await asyncio.gather(seller.close(), buyer.close())


async def test_amend_replace_and_cancel_are_known_from_reports(floor: Floor) -> None:
    session = await floor.session(2)
    oak = session.instruments[OAK]
    session.place_limit(oak, is_buy=True, price_ticks=9_000, qty_lots=100, client_order_id="first")
    session.amend("first", oak, 40)
    await until(lambda: "first" in session.open_orders and session.open_orders["first"].qty_lots == 40)
    session.replace("first", oak, is_buy=True, price_ticks=9_001, qty_lots=5, new_client_order_id="second")
    await until(lambda: list(session.open_orders) == ["second"])
    session.cancel("second", oak)
    await until(lambda: not session.open_orders)
    await session.drain()
    seen = session.seen
    assert (seen.orders_sent, seen.cancels_sent, seen.amends_sent, seen.acks) == (2, 2, 1, 4)
    assert dict(seen.closed) == {"CANCELLED_REPLACED": 1, "CANCELLED": 1}
    await session.close()


async def test_a_refusal_is_an_answer_with_the_exchanges_reason(floor: Floor) -> None:
    session = await floor.session(2)
    oak = session.instruments[OAK]
    floor.permit(2, may_trade=False)
    answer = await session.place_limit(oak, is_buy=True, price_ticks=9_000, qty_lots=100)
    assert (answer.code, answer.reason) == (-2010, "NOT_PERMITTED")
    assert dict(session.seen.rejects) == {"-2010 NOT_PERMITTED": 1}
    await session.close()


async def test_many_orders_are_under_way_at_once_and_latency_counts_from_the_intended_send(floor: Floor) -> None:
    session = await floor.session(2)
    oak = session.instruments[OAK]
    late_ns = monotonic_ns() - 500_000_000
    floor.sequencer.held = True
    for level in range(300):
        session.place_limit(oak, is_buy=True, price_ticks=9_000 - level, qty_lots=1, intended_ns=late_ns)
    assert session.waiting_count == 300
    with pytest.raises(SessionError, match="300 requests have no answer after 0"):
        await session.drain(within_s=0.05)
    floor.sequencer.release()
    await session.drain()
    await until(lambda: len(session.open_orders) == 300)
    assert len(session.latencies_ns) == 300
    assert min(session.latencies_ns) >= 500_000_000
    await session.close()


async def test_who_waits_when_the_connection_ends_is_told_so(floor: Floor) -> None:
    session = await floor.session(2)
    floor.sequencer.held = True
    waiting = session.place_limit(session.instruments[OAK], is_buy=True, price_ticks=9_000, qty_lots=1)
    await floor.gateway.stop()
    assert (await waiting).reason == LOST
    assert session.is_lost
    assert session.seen.sessions_lost == 1
    later = await session.place_limit(session.instruments[OAK], is_buy=True, price_ticks=9_000, qty_lots=1)
    assert later.reason == LOST
    await session.close()


async def test_a_wrong_key_opens_no_session(floor: Floor) -> None:
    with pytest.raises(SessionError, match=r"userDataStream.subscribe.signature was refused: -2015"):
        await TradingSession.open(floor.url, HmacKey("a" * 64, b"secret"), "x")
