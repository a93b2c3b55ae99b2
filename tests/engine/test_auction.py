"""The uncross: at which price, who trades, who pays what; and that its price costs levels, not orders."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from engine.auction import crossing
from engine.book import BookSide, Order
from engine.core_exchange import CoreExchange
from engine.engines import Engine
from engine.exchange import Exchange
from engine.types import CommandKind, EventKind, Phase, Side
from engine.wire import COMMAND, EVENT, encode_command
from tests.engine.script import check

STORM_ORDERS = 500_000
LEVELS = 2_000
Lots = tuple[int, int]  # price, lots


def side_of(side: Side, orders: list[Lots]) -> BookSide:
    book = BookSide(side)
    for order_id, (price, lots) in enumerate(orders):
        seat = cast(Any, None)
        book.add(Order(order_id, seat, side, 1, 1, 0, price, lots, lots, 0, 0, price, 0, 0, bytes(36), order_id))
    return book


def tried_everywhere(bids: list[Lots], asks: list[Lots], reference: int) -> tuple[int, int, int]:
    """Each tick as the price; the best of them."""
    best, found = (0, 0, 0, 0), (0, 0, 0)
    for price in range(1, 40):
        demand = sum(lots for limit, lots in bids if limit >= price)
        supply = sum(lots for limit, lots in asks if limit <= price)
        volume, imbalance = min(demand, supply), demand - supply
        key = (volume, -abs(imbalance), -abs(price - reference), -price)
        if volume and key > best:
            best, found = key, (price, volume, imbalance)
    return found


ORDERS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6)), max_size=12)


@given(bids=ORDERS, asks=ORDERS, reference=st.integers(0, 35))
def test_the_price_is_the_one_that_trying_every_tick_finds(bids: list[Lots], asks: list[Lots], reference: int) -> None:
    assert crossing(side_of(Side.BUY, bids), side_of(Side.SELL, asks), reference) == tried_everywhere(
        bids, asks, reference
    )


def test_the_largest_volume_counts_first() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 2 5 @ 60             => accepted 1 rests 5 held 300
        buy 4 5 @ 50             => accepted 2 rests 5 held 250
        sell 3 9 @ 50            => accepted 3 rests 9 held 9
        phase continuous         => auction 9 @ 50 left 1, trade 1 by 3 5 @ 50 filled called,
                                    trade 2 by 3 4 @ 50 called done, phase continuous in 1
        funds 2 usdc             => free 9750 owed_out 250
        funds 4 usdc             => free 9750 held 50 owed_out 200
    """)


def test_then_the_least_is_left_over_and_then_the_last_price_is_nearest() -> None:
    check("""
        buy 2 1 @ 55             => accepted 1 rests 1 held 55
        sell 3 1 @ 55            => accepted 2, trade 1 by 2 1 @ 55 filled
        phase closing_call       => phase closing_call in 1
        buy 2 5 @ 60             => accepted 3 rests 5 held 300
        sell 3 5 @ 50            => accepted 4 rests 5 held 5
        sell 3 2 @ 58            => accepted 5 rests 2 held 2
        phase limit_only         => auction 5 @ 55 left 0, trade 3 by 4 5 @ 55 filled called done, phase limit_only in 1
    """)


def test_without_a_last_price_the_lower_one() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 2 5 @ 60             => accepted 1 rests 5 held 300
        sell 3 5 @ 50            => accepted 2 rests 5 held 5
        phase continuous         => auction 5 @ 50 left 0, trade 1 by 2 5 @ 50 filled called done, phase continuous in 1
    """)


def test_a_call_without_a_crossing_tells_so() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 2 5 @ 40             => accepted 1 rests 5 held 200
        sell 3 5 @ 50            => accepted 2 rests 5 held 5
        phase continuous         => auction nothing, phase continuous in 1
    """)


def test_price_then_time_decide_who_trades() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        sell 3 6 @ 50            => accepted 1 rests 6 held 6
        buy 2 3 @ 50             => accepted 2 rests 3 held 150
        buy 4 3 @ 50             => accepted 3 rests 3 held 150
        buy 2 2 @ 51             => accepted 4 rests 2 held 102
        phase continuous         => auction 6 @ 50 left 2, trade 1 by 4 2 @ 50 called done,
                                    trade 1 by 2 3 @ 50 called done, trade 1 by 3 1 @ 50 filled called,
                                    phase continuous in 1
    """)


def test_both_pay_the_maker_rate_they_came_with_and_what_was_held_above_is_free() -> None:
    check("""
        fees 100 500             => applied
        phase opening_call       => phase opening_call in 1
        buy 2 10 @ 200           => accepted 1 rests 10 held 2100
        fees 200 500             => applied
        sell 3 10 @ 100          => accepted 2 rests 10 held 10
        phase continuous         => auction 10 @ 100 left 0, trade 1 by 2 10 @ 100 fees 10 20 filled called done,
                                    phase continuous in 1
        funds 2 usdc             => free 8990 owed_out 1010
        funds 3 usdc             => free 10000 owed_in 980
        funds 1 usdc             => owed_in 30
        funds 3 lots             => free 90 owed_out 10
    """)


@pytest.mark.parametrize(
    ("mode", "answer", "uncross"),
    [
        ("taker", "accepted 4, closed 4 self_trade 5", "auction 2 @ 51 left 2"),
        ("maker", "closed 1 self_trade 3, closed 2 self_trade 4", "auction 2 @ 50 left -3"),
        ("both", "closed 1 self_trade 3, closed 2 self_trade 4, closed 4 self_trade 5", "auction nothing"),
    ],
)
def test_own_orders_do_not_come_to_face_each_other(mode: str, answer: str, uncross: str) -> None:
    """Accounts 4 and 5 are one owner's."""
    entering = answer if mode == "taker" else f"accepted 4{' rests 5 held 5' if mode == 'maker' else ''}, {answer}"
    buys, sells = "buy 2 2 @ 50 => accepted 5 rests 2 held 100", "sell 3 2 @ 50 => accepted 5 rests 2 held 2"
    other = sells if mode == "taker" else buys
    market = check(f"""
        phase opening_call       => phase opening_call in 1
        buy 4 3 @ 50             => accepted 1 rests 3 held 150
        buy 5 4 @ 51             => accepted 2 rests 4 held 204
        buy 4 1 @ 49             => accepted 3 rests 1 held 49
        sell 5 5 @ 50 stp {mode} => {entering}
        {other}
    """)
    happened = market.run("phase continuous")
    assert happened[0] == uncross


def test_with_none_they_meet_as_anyone() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 4 3 @ 50             => accepted 1 rests 3 held 150
        sell 5 3 @ 50            => accepted 2 rests 3 held 3
        phase continuous         => auction 3 @ 50 left 0, trade 1 by 2 3 @ 50 filled called done, phase continuous in 1
    """)


# -- a storm


def stormed() -> bytes:
    """A call in which half a million orders cross, at 2,000 prices."""
    listed = t.SetInstrument(1, 1, 1, 10_000, 1_000, 1, 0, STORM_ORDERS, symbol=b"OAK1USDC", token=bytes(20))
    commands: list[t.Command] = [t.OpenAccount(1, bytes([1]) * 20), t.OpenAccount(2, bytes([2]) * 20), listed]
    for account in (1, 2):
        commands.append(t.SetPermission(account, 1, 1, 1, t.INT64_MAX))
        wallet, lots = bytes([account]) * 20, STORM_ORDERS
        commands.append(t.PositionChanged(1, lots, lots, 2 * account, 0, wallet))
        commands.append(t.LevelChanged(1, lots, lots, 0, 2 * account, 1, 1, wallet))
        commands.append(t.LevelChanged(0, 2**50, 2**50, 0, 2 * account, 2, 1, wallet))
    commands.append(t.SetPhase(1, Phase.OPENING_CALL))
    records = [encode_command(command) for command in commands]
    slots = [0] * 7
    for number in range(STORM_ORDERS):
        side, price = number % 2, 5_000 + number // 2 % LEVELS
        who = (side, 1, 1, 1, 0, 0, 1 + side, 0)
        records.append(COMMAND.pack(0, 0, CommandKind.PLACE, *who, price, 1, *slots[2:], b"", b""))
    return b"".join(records)


def cancels(first_seq: int, time_ns: int, order_ids: range) -> bytes:
    who = (0, 0, 0, 1, 0, 0)
    return b"".join(
        COMMAND.pack(seq, time_ns, CommandKind.CANCEL, *who, 2 - number % 2, 0, 0, 0, 0, 0, number, 0, 0, b"", b"")
        for seq, number in enumerate(order_ids, first_seq)
    )


def with_seqs(records: bytes) -> bytes:
    batch = bytearray(records)
    for at in range(0, len(batch), 160):
        batch[at : at + 8] = (at // 160 + 1).to_bytes(8, "little")
    return bytes(batch)


@pytest.mark.slow
@pytest.mark.parametrize("engine_class", [Exchange, CoreExchange])
def test_a_storm_of_cancels_costs_one_walk_of_the_levels_in_a_tenth_of_a_second(
    engine_class: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted, not timed: events told, and in Python the levels looked at."""
    engine = engine_class()
    engine.apply(with_seqs(stormed()))
    walked = [0]
    depth = BookSide.depth

    def counted(side: BookSide, limit_ticks: int) -> Any:
        for level in depth(side, limit_ticks):
            walked[0] += 1
            yield level

    monkeypatch.setattr(BookSide, "depth", counted)
    storm, told = STORM_ORDERS // 5, 0
    for part in range(5):
        time_ns = part * 100_000_000
        events = engine.apply(cancels(engine.seq + 1, time_ns, range(1 + part * storm, 1 + (part + 1) * storm)))
        told += sum(row[1] == EventKind.INDICATIVE for row in EVENT.iter_unpack(events))
    assert told == 4  # of the four tenths of a second that went by
    assert walked[0] <= told * 2 * LEVELS


@pytest.mark.slow
def test_half_a_million_orders_uncross_alike_in_both_engines() -> None:
    commands = with_seqs(stormed())
    seq = len(commands) // 160 + 1
    uncross = encode_command(t.SetPhase(1, Phase.CONTINUOUS), seq, 0)
    answers = []
    for engine in (Exchange(), CoreExchange()):
        engine.apply(commands)
        answers.append(engine.apply(uncross))
        trades = sum(row[1] == EventKind.TRADE for row in EVENT.iter_unpack(answers[-1]))
        assert trades == STORM_ORDERS // 4
    assert answers[0] == answers[1]
