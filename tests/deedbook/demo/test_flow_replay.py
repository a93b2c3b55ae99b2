"""Order flow through real sockets does to the engine's book exactly what it does to the plain one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deedbook.demo.flow import FlowOrder, Op
from deedbook.demo.flow_book import FlowBook
from deedbook.demo.flow_cast import Cast, Needs, needs
from deedbook.demo.flow_replay import FlowReplay, depends
from deedbook.demo.flow_synthetic import synthetic_flow
from deedbook.demo.pacer import Pacer
from engine import types as t
from engine.wire import decode_events
from tests.deedbook.demo.floor import OAK, Floor, open_floor
from tests.gateway.venue import Durable

CAST = Cast(makers=4, takers=2)
TAKER_FEE_BPS = 10


def place(order_id: int, is_buy: bool, price_ticks: int, qty_lots: int) -> FlowOrder:
    return FlowOrder(0, Op.PLACE, order_id, is_buy, price_ticks, qty_lots)


def row(op: Op, order_id: int, is_buy: bool, price_ticks: int, qty_lots: int) -> FlowOrder:
    return FlowOrder(0, op, order_id, is_buy, price_ticks, qty_lots)


def test_needs_are_the_most_that_is_ever_held_and_paid() -> None:
    cast = Cast(makers=1, takers=1)
    rows = [
        place(1, True, 100, 10),  # holds 1000 ticks
        row(Op.REDUCE, 1, True, 100, 4),  # 600
        place(2, True, 99, 4),  # 996
        row(Op.TAKE, 3, False, 99, 8),  # pays 600 + 2 * 99
        row(Op.CANCEL, 2, True, 99, 2),
        place(4, False, 101, 5),
        row(Op.TAKE, 5, True, 120, 3),  # holds 360, pays 303
        row(Op.TAKE, 6, True, 101, 1),  # 303 + 101
    ]
    assert needs(rows, cast, tick_value_usdc_micros=7, fee_bps=0) == [
        Needs(1_000 * 7 + 2, 5),  # and one micro for each order
        Needs(404 * 7 + 2, 8),
    ]
    (maker, _) = needs(rows, cast, tick_value_usdc_micros=1, fee_bps=5_000)
    assert maker.cash_usdc_micros == 1_502


def test_rows_depend_where_changing_places_would_show() -> None:
    bid, ask = place(1, True, 100, 1), place(2, False, 101, 1)
    assert depends(row(Op.TAKE, 9, True, 1, 1), bid)
    assert depends(bid, row(Op.TAKE, 9, True, 1, 1))
    assert depends(bid, place(3, True, 100, 1))
    assert not depends(bid, place(3, True, 99, 1))
    assert not depends(bid, ask)
    assert depends(place(4, True, 101, 1), row(Op.CANCEL, 2, False, 101, 1))
    assert not depends(bid, row(Op.CANCEL, 2, False, 101, 1))
    assert not depends(bid, row(Op.CANCEL, 5, True, 100, 1))
    assert not depends(row(Op.REDUCE, 1, True, 100, 1), row(Op.CANCEL, 5, True, 100, 1))


@pytest.mark.parametrize("seconds", [None, 0.5])
async def test_the_exchange_makes_the_recordings_own_fills(tmp_path: Path, seconds: float | None) -> None:
    rows = synthetic_flow(seed=5, events=1_500)
    expected = FlowBook()
    fills = [(fill.price_ticks, fill.qty_lots) for each in rows for fill in expected.apply(each)]
    bounds = needs(rows, CAST, tick_value_usdc_micros=100, fee_bps=TAKER_FEE_BPS)
    most_cash = max(bound.cash_usdc_micros for bound in bounds)
    floor = await open_floor(tmp_path, len(CAST), most_cash, max(bound.tokens_lots for bound in bounds))
    try:
        trades = await played(floor, rows, seconds)
        assert [(trade.price_ticks, trade.qty_lots) for trade in trades] == fills
        state = floor.sequencer.exchange.state()
        assert sorted((order.price_ticks, order.open_lots, not order.side) for order in state.orders) == sorted(
            (order.price_ticks, order.open_lots, order.is_buy) for order in expected.orders.values()
        )
    finally:
        await floor.gateway.stop()


async def played(floor: Floor, rows: list[FlowOrder], seconds: float | None) -> list[t.Trade]:
    """Play the rows, look at the books, leave; returns the engine's trades. Nothing may be refused."""
    trades: list[t.Trade] = []

    def watch(durable: Durable) -> None:
        trades.extend(event for _, event in decode_events(durable.events) if isinstance(event, t.Trade))

    floor.sequencer.subscribers.append(watch)
    sessions = [await floor.session(account) for account in floor.accounts]
    with Pacer() as pacer:
        replay = FlowReplay(sessions, CAST, sessions[0].instruments[OAK], "r1")
        await replay.play(rows, seconds, pacer)
    assert replay.rows_played == len(rows)
    assert [dict(session.seen.rejects) for session in sessions] == [{}] * len(CAST)
    await asyncio.gather(*(session.close() for session in sessions))
    return trades


async def test_leaving_takes_everything_out(floor: Floor) -> None:
    cast = Cast(makers=2, takers=1)
    sessions = [await floor.session(account) for account in floor.accounts[:3]]
    replay = FlowReplay(sessions, cast, sessions[0].instruments[OAK], "r1")
    with Pacer() as pacer:
        await replay.play(synthetic_flow(seed=1, events=200), None, pacer)
        assert any(session.open_orders for session in sessions)
        await replay.leave()
        assert not any(session.open_orders for session in sessions)
        assert floor.sequencer.exchange.state().orders == ()
    assert replay.rows_played == 200
    await asyncio.gather(*(session.close() for session in sessions))
