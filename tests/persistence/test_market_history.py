"""A market's trades and candles, from the tables: against sums over the journal's own trades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from engine.types import EventKind
from engine.wire import COMMAND, EVENT
from persistence.database import Pool
from persistence.fold import TradeRow
from persistence.market_history import CandleRow, candles, first_trade_s, last_trade_id, market_trades
from persistence.projections import Projector
from tests.fixtures.market import INSTRUMENTS, DurableFrame, Market, Traffic

NS = 10**9


def market_after(seed: int, frames: int = 200) -> Market:
    market = Market().open()
    Traffic(market, seed).run(frames)
    return market


def trades_of(frames: Sequence[DurableFrame], instrument: int) -> list[TradeRow]:
    """The instrument's trades as the events say them."""
    found = []
    for frame in frames:
        times = {row[0]: row[1] for row in COMMAND.iter_unpack(frame.commands)}
        for e in EVENT.iter_unpack(frame.events):
            if e[1] == EventKind.TRADE and e[3] == instrument:
                row = (e[5], e[0], times[e[0]], e[3], e[14], e[4], e[13], e[7], e[6], e[8], e[9])
                found.append(TradeRow(*row, e[8] * e[9] * 10_000, e[12], e[11]))
    return found


def added_up(open_s: int, trades: Sequence[TradeRow]) -> CandleRow:
    prices = [trade.price_ticks for trade in trades]
    bought = [trade for trade in trades if trade.taker_side == 0]
    return CandleRow(
        open_s,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(trade.qty_lots for trade in trades),
        sum(trade.notional_usdc_micros for trade in trades),
        len(trades),
        trades[0].trade_id,
        trades[-1].trade_id,
        sum(trade.qty_lots for trade in bought),
        sum(trade.notional_usdc_micros for trade in bought),
    )


def expected(trades: Sequence[TradeRow], bounds_s: Sequence[int]) -> list[CandleRow]:
    grouped = [
        (start, [trade for trade in trades if start <= trade.time_ns // NS < end]) for start, end in pairwise(bounds_s)
    ]
    return [added_up(start, inside) for start, inside in grouped if inside]


@pytest.fixture
async def market(pool: Pool) -> Market:
    """Written in several transactions, so that candles grow."""
    market = market_after(3)
    projector = await Projector.open(pool)
    for at in range(0, len(market.frames), 7):
        await projector.apply(market.frames[at : at + 7])
    return market


@pytest.mark.parametrize(("width_s", "interval_s"), [(1, 3_601), (60, 3_600), (900, 4_500), (86_400, 86_400)])
async def test_candles_of_any_interval_add_up_the_trades(
    pool: Pool, market: Market, width_s: int, interval_s: int
) -> None:
    for instrument in INSTRUMENTS:
        trades = trades_of(market.frames, instrument)
        start = trades[0].time_ns // NS // interval_s * interval_s
        bounds = [start + number * interval_s for number in range(1_001)]
        found, before, last = await candles(pool, instrument, width_s, bounds)
        assert found == expected(trades, bounds)
        assert len(found) > 1
        assert before is None
        assert last == market.exchange.state().last_trade_id
        later, before, _ = await candles(pool, instrument, width_s, [found[1].open_s, found[1].open_s + interval_s])
        assert later == [found[1]]
        assert before is not None
        assert before.close_ticks == found[0].close_ticks


async def test_a_markets_trades_are_bounded_by_id_time_and_limit(pool: Pool, market: Market) -> None:
    for instrument in INSTRUMENTS:
        trades = trades_of(market.frames, instrument)
        last = market.exchange.state().last_trade_id
        assert await market_trades(pool, instrument, limit=5) == (trades[-5:], last)
        middle = trades[len(trades) // 2]
        index = trades.index(middle)
        assert (await market_trades(pool, instrument, from_trade_id=middle.trade_id, limit=3))[0] == trades[
            index : index + 3
        ]
        since = [trade for trade in trades if trade.time_ns >= middle.time_ns]
        assert (await market_trades(pool, instrument, start_ns=middle.time_ns, limit=4))[0] == since[:4]
        until = [trade for trade in trades if trade.time_ns <= middle.time_ns]
        assert (await market_trades(pool, instrument, end_ns=middle.time_ns, limit=4))[0] == until[-4:]
        assert (await market_trades(pool, instrument, start_ns=2**62))[0] == []
        assert (await market_trades(pool, instrument, end_ns=0))[0] == []
        assert await first_trade_s(pool, instrument) == trades[0].time_ns // NS
    assert await last_trade_id(pool) == last


async def test_without_trades_there_is_nothing(pool: Pool) -> None:
    assert await last_trade_id(pool) == 0
    assert await first_trade_s(pool, 1) is None
    assert await market_trades(pool, 1) == ([], 0)
    assert await candles(pool, 1, 60, [0, 60]) == ([], None, 0)
