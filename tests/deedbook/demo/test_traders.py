"""A market of seeded traders on the real engine: they trade, are refused, wait, and leave nothing behind."""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from deedbook.demo.client import TradingSession
from deedbook.demo.instrument import Instrument
from deedbook.demo.pacer import Pacer
from deedbook.demo.seen import total
from deedbook.demo.trader import FairPrice, Plan, run_traders
from deedbook.demo.traders import MarketMaker, Refused, Taker, Waiter
from engine import types as t
from engine.wire import decode_events
from tests.deedbook.demo.floor import ELM, OAK, Floor
from tests.gateway.venue import Durable

SECONDS = 2


def test_the_fair_price_is_the_same_for_everybody_who_asks() -> None:
    asked_often, asked_once = FairPrice(7, 10_000, 0), FairPrice(7, 10_000, 0)
    often = [asked_often.ticks(now_ns) for now_ns in range(0, 60 * 10**9, 10**7)]
    assert asked_once.ticks(60 * 10**9 - 10**7) == often[-1]
    assert len(set(often)) > 10
    assert all(9_500 < ticks < 10_500 for ticks in often)
    assert FairPrice(7, 1, 0).ticks(10**12) >= 1


def fair_prices(session: TradingSession, start_ns: int) -> dict[Instrument, FairPrice]:
    starts = {OAK: 10_000, ELM: 25_000}
    return {each: FairPrice(1, starts[symbol], start_ns) for symbol, each in session.instruments.items()}


def plan(seed: int, actions_per_s: float, start_ns: int) -> Plan:
    return Plan(seed, actions_per_s, start_ns, start_ns + SECONDS * 10**9)


async def test_a_market_trades_refuses_and_leaves_clean(floor: Floor) -> None:
    trades: list[t.Trade] = []

    def watch(durable: Durable) -> None:
        trades.extend(event for _, event in decode_events(durable.events) if isinstance(event, t.Trade))

    floor.sequencer.subscribers.append(watch)
    sessions = [await floor.session(account) for account in floor.accounts[:7]]
    floor.permit(7, may_trade=False)
    with Pacer() as pacer:
        start_ns = monotonic_ns()
        prices = fair_prices(sessions[0], start_ns)
        makers = [MarketMaker(each, prices, pacer, plan(n, 200, start_ns)) for n, each in enumerate(sessions[:2])]
        takers = [Taker(each, prices, pacer, plan(9 + n, 60, start_ns)) for n, each in enumerate(sessions[2:5])]
        refused = Refused(sessions[5], prices, pacer, plan(20, 10, start_ns))
        waiter = Waiter(sessions[6], prices, pacer, plan(30, 50, start_ns))
        running = asyncio.create_task(run_traders([*makers, *takers, refused, waiter]))
        async with asyncio.timeout(30):
            await waiter.rested.wait()
            floor.permit(8, may_trade=False)
            await waiter.expired.wait()
            await running
    seen = total(session.seen for session in sessions)
    assert trades
    assert seen.fills == 2 * len(trades)
    assert seen.fills_repeated == seen.sessions_lost == 0
    assert all(session.seen.fills for session in sessions[2:5])
    assert all(maker.session.seen.amends_sent and maker.session.seen.cancels_sent for maker in makers)
    assert set(refused.session.seen.rejects) == {"-2010 NOT_PERMITTED"}
    assert refused.session.seen.orders_sent == refused.session.seen.rejects.total() > 0
    assert waiter.session.seen.closed == {"PERMISSION_LOST": 5}
    assert "-2010 POST_ONLY_WOULD_TAKE" in seen.rejects
    assert len(sessions[0].latencies_ns) > 0
    state = floor.sequencer.exchange.state()
    assert state.orders == ()
    await asyncio.gather(*(session.close() for session in sessions))


async def test_a_trader_that_is_told_to_stop_leaves_with_its_next_action(floor: Floor) -> None:
    session = await floor.session(2)
    with Pacer() as pacer:
        start_ns = monotonic_ns()
        forever = Plan(1, 500, start_ns, start_ns + 10**15)
        maker = MarketMaker(session, fair_prices(session, start_ns), pacer, forever)
        running = asyncio.create_task(maker.run())
        async with asyncio.timeout(20):
            while not session.open_orders:
                await asyncio.sleep(0.01)
            maker.stop()
            await running
    assert session.open_orders == {}
    assert floor.sequencer.exchange.state().orders == ()
    await session.close()


async def test_a_lost_session_ends_the_trader(floor: Floor) -> None:
    session = await floor.session(2)
    with Pacer() as pacer:
        start_ns = monotonic_ns()
        maker = MarketMaker(session, fair_prices(session, start_ns), pacer, Plan(1, 500, start_ns, start_ns + 10**15))
        running = asyncio.create_task(maker.run())
        await floor.gateway.stop()
        async with asyncio.timeout(20):
            await running
    assert session.is_lost
    await session.close()
