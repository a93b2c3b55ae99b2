"""The door itself: what it refuses to go on from, its clock, and that an answer is only what the commands say."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.exchange import Exchange
from engine.venue import DUE_FORGOTTEN_MAX
from engine.wire import decode_events, encode_command
from tests.engine.script import START_NS, Market, check


def test_a_fresh_exchange_has_seen_nothing() -> None:
    exchange = Exchange()
    assert (exchange.seq, exchange.time_ns, exchange.next_due_ns) == (0, 0, 0)
    assert exchange.apply(b"") == b""
    assert exchange.state().accounts == ()


@pytest.mark.parametrize("seq", [0, 2, 99])
def test_a_gap_or_a_repeat_in_seq_is_our_mistake(seq: int) -> None:
    with pytest.raises(AssertionError, match=f"seq {seq} after 0"):
        Exchange().apply(encode_command(t.Clock(), seq, 1))


def test_time_never_runs_back() -> None:
    exchange = Exchange()
    exchange.apply(encode_command(t.Clock(), 1, 5) + encode_command(t.Clock(), 2, 5))
    with pytest.raises(AssertionError, match="time runs back at seq 3"):
        exchange.apply(encode_command(t.Clock(), 3, 4))


@pytest.mark.parametrize("kind", [0, 8, 62, 64, 255])
def test_a_kind_that_is_not_ours_is_our_mistake(kind: int) -> None:
    record = bytearray(encode_command(t.Clock(), 1, 5))
    record[16] = kind
    with pytest.raises(AssertionError, match=f"command kind {kind} is unknown at seq 1"):
        Exchange().apply(record)


def test_events_of_an_expiry_carry_the_seq_of_the_command_that_came() -> None:
    market = check("""
        buy 2 1 @ 10 gtd 2000 => accepted 1 rests 1 held 10
        buy 2 1 @ 10 gtd 1500 => accepted 2 rests 1 held 10
    """)
    engine = market.pair.engine
    assert engine.next_due_ns == 1_500
    seq = engine.seq + 1
    events = list(decode_events(engine.apply(encode_command(t.Clock(), seq, 2_000))))
    assert [event_seq for event_seq, _ in events] == [seq] * 3
    assert [type(event) for _, event in events] == [t.Closed, t.Closed, t.Balance]


def test_next_due_is_the_next_order_or_permission_that_expires() -> None:
    market = check("""
        permit 2 both until 5000 => applied
        permit 3 both until 9000 => applied
    """)
    assert market.pair.engine.next_due_ns == 5_000
    check("buy 3 1 @ 10 gtd 4000 => accepted 1 rests 1 held 10", market)
    assert market.pair.engine.next_due_ns == 4_000
    check("at 4000 => closed 1 expired 1", market)
    assert market.pair.engine.next_due_ns == 5_000


def test_orders_and_permissions_that_ended_early_do_not_pile_up() -> None:
    """A trader may place and cancel orders that expire in ten years as often as they like."""
    market = check("""
        buy 2 1 @ 10 gtd 5000    => accepted 1 rests 1 held 10
        permit 3 both until 6000 => applied
        permit 5 both until 1000 => applied
    """)
    engine, far_ns = market.pair.engine, 10**18
    for order_id in range(2, 2 + 3 * DUE_FORGOTTEN_MAX):
        seq = engine.seq + 1
        place = t.Place(2, 1, 0, 1, 4, price_ticks=10, qty_lots=1, expire_time_ns=far_ns)
        engine.apply(encode_command(place, seq, START_NS) + encode_command(t.Cancel(2, 1, order_id), seq + 1, START_NS))
    for _ in range(3 * DUE_FORGOTTEN_MAX):
        engine.apply(encode_command(t.SetPermission(4, 1, 1, 1, far_ns), engine.seq + 1, START_NS))
    standing = 4  # the order and three permissions: of accounts 2, 3 and 4
    assert len(engine._venue.due) <= 2 * (DUE_FORGOTTEN_MAX + standing)
    events = [event for _, event in decode_events(engine.apply(encode_command(t.Clock(), engine.seq + 1, 6_000)))]
    assert [type(event) for event in events] == [t.Closed, t.PermissionEnded, t.Balance]


def test_numbers_are_dense_and_refused_orders_take_none() -> None:
    market = check("""
        buy 2 0 @ 10      => refused qty_not_positive
        buy 2 1 @ 10      => accepted 1 rests 1 held 10
        buy 2 1 @ 10 fok  => accepted 2, closed 2 fok_unfilled 1
        sell 3 1 @ 10     => accepted 3, trade 1 by 3 1 @ 10 filled
    """)
    state = market.pair.engine.state()
    assert (state.last_order_id, state.last_trade_id) == (3, 1)


def test_balances_come_last_sorted_and_once_each() -> None:
    market = Market()
    check("sell 4 1 @ 10 => accepted 1 rests 1 held 1", market)
    check("sell 3 1 @ 10 => accepted 2 rests 1 held 1", market)
    events = market.pair.apply(t.Place(2, 1, 0, 1, 1, price_ticks=10, qty_lots=3))
    kinds = [type(event) for event in events]
    first = kinds.index(t.Balance)
    assert set(kinds[first:]) == {t.Balance}
    balances = [(event.account, event.instrument) for event in events if isinstance(event, t.Balance)]
    assert balances == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)]
