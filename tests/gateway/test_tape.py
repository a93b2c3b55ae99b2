"""The newest trades and those that only memory has; and trades of one order at one price taken together."""

from __future__ import annotations

import pytest

from gateway import tape as tape_file
from gateway.history import Range
from gateway.tape import KEPT, Tape, aggregated
from tests.gateway.trades import listed, made_fill, random_fills

MARKET = listed()


def test_trades_go_when_the_database_has_them_but_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape(0)
    for fill in random_fills(MARKET, 1, KEPT + 100, 1_000):
        tape.take(fill)
    tape.trim(projected_id=40)
    assert (len(tape), tape.complete_after_id) == (KEPT + 60, 40)
    tape.trim(projected_id=10**6)
    assert (len(tape), tape.complete_after_id) == (KEPT, 100)
    assert [fill.trade_id for fill in tape.newest(2)] == [KEPT + 99, KEPT + 100]
    assert [fill.trade_id for fill in tape.after(KEPT + 98)] == [KEPT + 99, KEPT + 100]
    monkeypatch.setattr(tape_file, "KEPT", 10)
    monkeypatch.setattr(tape_file, "KEPT_MAX", 50)
    tape.trim(projected_id=0)
    assert (len(tape), tape.complete_after_id) == (50, KEPT + 50), "without a database there is a bound"


def test_what_was_stored_comes_before_what_is_here() -> None:
    fills = random_fills(MARKET, 2, KEPT + 20, 1_000)
    tape = Tape(10)
    for fill in fills[KEPT:]:
        tape.take(fill)
    tape.restart(fills[5 : KEPT + 5])
    assert [fill.trade_id for fill in tape.after(0)] == [fill.trade_id for fill in fills[5:]]
    assert tape.complete_after_id == 5
    tape = Tape(10)
    tape.restart(fills[:7])
    assert (len(tape), tape.complete_after_id) == (7, 0), "those were all"
    tape = Tape(10)
    tape.restart([])
    assert (len(tape), tape.complete_after_id) == (0, 0)


def test_it_knows_whether_it_has_all() -> None:
    fills = random_fills(MARKET, 3, 10, 1_000, first_id=101)
    tape = Tape(100)
    assert not tape.has_all(Range(5, start_time_ns=0), [], newest=False)
    for fill in fills:
        tape.take(fill)
    assert tape.has_all(Range(5), fills[-5:], newest=True)
    assert not tape.has_all(Range(11), fills, newest=True)
    assert tape.has_all(Range(5, from_id=101), [], newest=False)
    assert not tape.has_all(Range(5, from_id=100), [], newest=False)
    assert tape.has_all(Range(5, start_time_ns=fills[0].time_ns + 1), [], newest=False)
    assert not tape.has_all(Range(5, start_time_ns=fills[0].time_ns), [], newest=False)
    assert Tape(0).has_all(Range(5), [], newest=True)


def test_neighbours_of_one_order_at_one_price_are_one_aggregate() -> None:
    prices = [(7, 100), (7, 100), (7, 101), (8, 101), (8, 101), (9, 100)]
    fills = [made_fill(MARKET, number + 1, number, price, 5, 0, taker) for number, (taker, price) in enumerate(prices)]
    found = [(each.first.trade_id, each.last_trade_id, each.qty_lots) for each in aggregated(fills)]
    assert found == [(1, 2, 10), (3, 3, 5), (4, 5, 10), (6, 6, 5)]
    assert list(aggregated([])) == []
