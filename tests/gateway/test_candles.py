"""Candles in memory are sums of trades, whatever the window and whatever was let go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import candles as candles_file
from gateway.candles import KEPT, Candle, Candles, Series, by_second, joined
from gateway.orders import Fill
from gateway.times import NS
from tests.gateway.trades import START_S, listed, made_fill, random_fills

MARKET = listed()


def added_up(fills: Sequence[Fill], open_s: int) -> Candle | None:
    if not fills:
        return None
    prices, bought = [fill.price_ticks for fill in fills], [fill for fill in fills if fill.taker_side == 0]
    return Candle(
        open_s,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(fill.qty_lots for fill in fills),
        sum(fill.notional_usdc_micros for fill in fills),
        len(fills),
        fills[0].trade_id,
        fills[-1].trade_id,
        sum(fill.qty_lots for fill in bought),
        sum(fill.notional_usdc_micros for fill in bought),
    )


def within(fills: Sequence[Fill], from_s: int, to_s: int) -> list[Fill]:
    return [fill for fill in fills if from_s * NS <= fill.time_ns < to_s * NS]


@given(
    seed=st.integers(0, 10**6),
    span_s=st.sampled_from([1, 5, 1_000, 200_000]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
    batch=st.integers(1, 30),
)
def test_a_window_is_the_sum_of_its_trades(seed: int, span_s: int, cuts: list[tuple[float, float]], batch: int) -> None:
    fills, market = random_fills(MARKET, seed, 60, span_s), Candles()
    for number, fill in enumerate(fills):
        market.take(fill)
        if number % batch == 0:
            market.catch_up()
    assert market.first_s == fills[0].time_ns // NS
    for first, second in cuts:
        from_s, to_s = sorted((START_S + int(first * span_s), START_S + int(second * span_s) + 1))
        assert market.window(from_s, to_s) == added_up(within(fills, from_s, to_s), from_s)
    assert market.last_trade_id == fills[-1].trade_id


def test_what_came_before_a_moment_is_found() -> None:
    market = Candles()
    assert market.before(START_S) is None
    for trade_id, second in ((1, 0), (2, 30), (3, 61)):
        market.take(made_fill(MARKET, trade_id, (60 + second) * NS, price_ticks=trade_id))
    assert market.before(60) is None
    before = market.before(120)
    assert before is not None
    assert (before.close_ticks, before.trades) == (2, 2)


def test_old_candles_go_when_the_database_has_them() -> None:
    market = Candles()
    for number in range(10):
        market.take(made_fill(MARKET, number + 1, (START_S + number) * NS))
    seconds, now_s = market.series[1], START_S + 10 + KEPT[1]
    market.trim(now_s - 10, projected_id=10)
    assert (len(seconds.candles), seconds.since_s) == (10, 0), "none is too old yet"
    market.trim(now_s - 4, projected_id=3)
    assert [candle.last_trade_id for candle in seconds.candles] == [3, *range(4, 11)], "4 is not in the database"
    assert (seconds.since_s, seconds.older_id) == (START_S + 3, 3)
    market.trim(now_s, projected_id=10)
    assert [candle.last_trade_id for candle in seconds.candles] == [10], "the last price is kept"
    assert (seconds.since_s, seconds.older_id) == (START_S + 10, 10)
    assert len(market.series[86_400].candles) == 1


def test_without_a_database_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles_file, "KEPT_MAX", 5)
    series = Series(1)
    for second in by_second(made_fill(MARKET, number + 1, number * NS) for number in range(20)):
        series.add(second)
    series.trim(0, projected_id=0)
    assert [candle.open_s for candle in series.candles] == list(range(14, 20))
    assert (series.since_s, series.older_id) == (15, 15)


def test_a_series_begins_anew_with_what_was_stored() -> None:
    fills = [made_fill(MARKET, number + 1, (START_S + number * 20) * NS) for number in range(20)]
    stored = [joined([second], second.open_s // 60 * 60) for second in by_second(fills[:7])]
    series, whole = Series(60), Series(60)
    for second in by_second(fills):
        whole.add(second)
    minutes: dict[int, list[Candle]] = {}
    for candle in stored:
        assert candle is not None
        minutes.setdefault(candle.open_s, []).append(candle)
    older = [candle for minute, parts in minutes.items() if (candle := joined(parts, minute)) is not None]
    since_s = (START_S // 60 + 2) * 60
    series.restart(older, since_s, by_second(fills[7:]))
    assert series.candles == whole.candles
    assert (series.since_s, series.older_id) == (since_s, max(f.trade_id for f in fills if f.time_ns < since_s * NS))
    series.restart([], since_s, [])
    assert (series.candles, series.older_id) == ([], 0)
