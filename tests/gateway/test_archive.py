"""The past of a market from memory and database together: never less than what was traded, never a trade twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest

from gateway import candles as candles_file
from gateway import tape as tape_file
from gateway.archive import Archive
from gateway.candles import Candle, by_second, joined
from gateway.history import HistoryAwayError, Range
from gateway.intervals import INTERVALS
from gateway.klines import base_width_s
from gateway.market_data import MarketFeed
from gateway.orders import Fill, Projected
from gateway.times import NS
from tests.gateway.past import StoredPast
from tests.gateway.trades import START_S, listed, made_fill, random_fills

MARKET = listed()
OTHER = listed(2, b"ELM7USDC")


class World:
    """One market whose gateway was started after the trade `started_after_id`, and the database behind it."""

    def __init__(self, fills: Sequence[Fill], started_after_id: int, projected_id: int) -> None:
        self.fills = list(fills)
        self.past = StoredPast(self.fills)
        self.past.projected_id = projected_id
        self.feed = MarketFeed(MARKET, 0, started_after_id)
        self.now_ns = fills[-1].time_ns if fills else START_S * NS
        self.archive = Archive({1: self.feed}, self.past, lambda: self.now_ns, Projected(0, 0))
        for fill in self.fills[started_after_id:]:
            self._take(fill)

    def _take(self, fill: Fill) -> None:
        self.feed.tape.take(fill)
        self.feed.candles.take(fill)

    def trade(self, random: Random) -> None:
        """Several trades, and time goes on."""
        for _ in range(random.randint(1, 4)):
            self.now_ns += random.choice((1, NS, 50 * NS, 1_000 * NS))
            last_id = self.fills[-1].trade_id if self.fills else 0
            fill = made_fill(MARKET, last_id + 1, self.now_ns, random.randint(90, 110), random.randint(1, 9))
            self.fills.append(fill)
            self.past.fills.append(fill)
            self._take(fill)

    def trim(self) -> None:
        self.feed.candles.trim(self.now_ns // NS, self.past.projected_id)
        self.feed.tape.trim(self.past.projected_id)

    async def ask(self, random: Random) -> None:
        rows = random.choice(
            [
                Range(random.randint(1, 30)),
                Range(random.randint(1, 30), from_id=random.randint(0, len(self.fills) + 1)),
                Range(random.randint(1, 30), start_time_ns=random.choice(self.fills).time_ns),
                Range(random.randint(1, 30), end_time_ns=random.choice(self.fills).time_ns),
            ]
        )
        assert ids(await self.archive.trades(self.feed, rows)) == ids(self.expected_trades(rows))
        interval = INTERVALS[random.choice(["1s", "1m", "15m", "1h", "1d", "1w"])]
        zone_s = random.choice((0, 8 * 3_600, 20_700))
        at_s = random.choice(self.fills).time_ns // NS
        bounds_s = interval.until(at_s, zone_s, random.randint(1, 30))
        found, before = await self.archive.candles(
            self.feed, base_width_s(interval, zone_s), bounds_s, newest=random.random() < 0.5
        )
        assert found == self.expected_candles(bounds_s)
        earlier = [fill for fill in self.fills if fill.time_ns < bounds_s[0] * NS]
        assert (None if before is None else before.close_ticks) == (earlier[-1].price_ticks if earlier else None)

    def expected_trades(self, rows: Range) -> list[Fill]:
        inside = [
            fill
            for fill in self.fills
            if fill.trade_id >= (rows.from_id or 0)
            and (rows.start_time_ns or 0) <= fill.time_ns <= (rows.end_time_ns or 2**63)
        ]
        oldest_first = rows.from_id is not None or rows.start_time_ns is not None
        return inside[: rows.limit] if oldest_first else inside[-rows.limit :]

    def expected_candles(self, bounds_s: Sequence[int]) -> list[Candle | None]:
        return [
            joined(by_second(f for f in self.fills if start * NS <= f.time_ns < end * NS), start)
            for start, end in pairwise(bounds_s)
        ]


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few trades already reach the database."""
    monkeypatch.setattr(tape_file, "KEPT", 8)
    monkeypatch.setattr("gateway.archive.TRADES_KEPT", 8)
    for width_s, kept in ((1, 60), (60, 20), (900, 30), (86_400, 10)):
        monkeypatch.setitem(candles_file.KEPT, width_s, kept)


@pytest.mark.parametrize("seed", range(25))
async def test_answers_have_every_trade_once(seed: int) -> None:
    random = Random(seed)
    fills = random_fills(MARKET, seed, 40, random.choice([100, 3_000]))
    started = random.choice([0, 15, 40])
    world = World(fills, started, random.randint(started, 40))
    for _ in range(25):
        match random.randint(0, 3):
            case 0:
                world.trade(random)
            case 1:
                world.past.projected_id = random.randint(world.past.projected_id, len(world.fills))
            case 2:
                world.trim()
            case 3:
                await world.ask(random)


async def test_while_the_database_is_away_the_newest_are_told() -> None:
    world = World(random_fills(MARKET, 1, 40, 100), 30, 40)
    world.past.is_away = True
    now_s = world.now_ns // NS
    assert ids(await world.archive.trades(world.feed, Range(500))) == ids(world.fills[30:])
    found, before = await world.archive.candles(world.feed, 60, INTERVALS["1m"].until(now_s, 0, 5), newest=True)
    assert found[-1] is not None
    assert found[-1].last_trade_id == 40
    assert before is None
    with pytest.raises(HistoryAwayError):
        await world.archive.trades(world.feed, Range(5, from_id=1))
    with pytest.raises(HistoryAwayError):
        await world.archive.candles(world.feed, 60, INTERVALS["1m"].until(now_s, 0, 5), newest=False)
    with pytest.raises(HistoryAwayError):
        await world.archive.first_s(world.feed)
    assert ids(await world.archive.trades(world.feed, Range(5, from_id=35))) == ids(world.fills[34:39]), (
        "memory has those"
    )
    world.past.is_away = False
    assert ids(await world.archive.trades(world.feed, Range(500))) == ids(world.fills)
    assert await world.archive.first_s(world.feed) == world.fills[0].time_ns // NS


async def test_a_database_that_lags_behind_the_start_is_waited_for() -> None:
    world = World(random_fills(MARKET, 2, 40, 100), 30, 25)
    assert ids(await world.archive.trades(world.feed, Range(500))) == ids(world.fills[30:])
    assert not world.feed.is_joined
    with pytest.raises(HistoryAwayError, match="before the start"):
        await world.archive.trades(world.feed, Range(500, from_id=1))
    world.past.projected_id = 30
    assert ids(await world.archive.trades(world.feed, Range(500, from_id=1))) == ids(world.fills)
    assert world.feed.is_joined


async def test_what_memory_let_go_without_the_database_is_not_left_out_silently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(random_fills(MARKET, 3, 40, 100), 0, 40)
    await world.archive.first_s(world.feed)
    random = Random(1)
    for _ in range(40):
        world.trade(random)
    monkeypatch.setattr(tape_file, "KEPT_MAX", 10)
    monkeypatch.setattr(candles_file, "KEPT_MAX", 5)
    world.trim()
    bounds_s = INTERVALS["1s"].until(world.now_ns // NS, 0, 1_000)
    with pytest.raises(HistoryAwayError, match="not in memory any more"):
        await world.archive.trades(world.feed, Range(500, from_id=1))
    with pytest.raises(HistoryAwayError, match="not in memory any more"):
        await world.archive.candles(world.feed, 1, bounds_s, newest=False)
    world.past.projected_id = len(world.fills)
    assert ids(await world.archive.trades(world.feed, Range(500, from_id=1))) == ids(world.fills)
    found, _ = await world.archive.candles(world.feed, 1, bounds_s, newest=False)
    assert found == world.expected_candles(bounds_s)


async def test_memory_may_be_trimmed_while_the_database_answers() -> None:
    world = World(random_fills(MARKET, 4, 40, 30_000), 0, 40)
    await world.archive.first_s(world.feed)
    first_s = world.fills[0].time_ns // NS
    asked = world.past.candles

    async def slowly(number: int, width_s: int, bounds_s: Sequence[int]) -> object:
        answer = await asked(number, width_s, bounds_s)
        world.now_ns += 10_000 * NS
        world.trim()
        return answer

    world.past.candles = slowly  # type: ignore[method-assign, assignment]
    bounds_s = INTERVALS["15m"].from_start(INTERVALS["15m"].open_s(first_s, 0), world.now_ns // NS, 0, 100)
    found, _ = await world.archive.candles(world.feed, 900, bounds_s, newest=False)
    assert found == world.expected_candles(bounds_s)


async def test_it_joins_and_trims_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.archive.LOOK_EVERY_S", 0.001)
    world = World(random_fills(MARKET, 5, 40, 100), 20, 10)
    running = asyncio.create_task(world.archive.run())
    try:
        await until(lambda: world.past.asked > 3)
        assert not world.feed.is_joined
        world.past.is_away = True
        asked = world.past.asked
        await until(lambda: world.past.asked > asked)
        world.past.is_away, world.past.projected_id = False, 40
        await until(lambda: len(world.feed.tape) == 8)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_without_a_database_memory_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = MarketFeed(OTHER, 0)
    fills = random_fills(OTHER, 6, 10, 100)
    archive = Archive({2: feed}, None, lambda: fills[-1].time_ns, Projected(0, 0))
    assert await archive.first_s(feed) is None
    for fill in fills:
        feed.tape.take(fill)
        feed.candles.take(fill)
    assert ids(await archive.trades(feed, Range(500, from_id=1))) == ids(fills)
    assert await archive.first_s(feed) == fills[0].time_ns // NS
    [candle], before = await archive.candles(feed, 86_400, [0, 30_000 * 86_400], newest=False)
    assert candle is not None
    assert (candle.trades, before) == (10, None)
    running = asyncio.create_task(archive.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(feed.tape) == 10


def ids(fills: Sequence[Fill]) -> list[int]:
    return [fill.trade_id for fill in fills]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.001)
