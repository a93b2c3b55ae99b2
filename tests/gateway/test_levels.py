"""A side of the book by level, against the plainest one: a dict, sorted on every question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.levels import BUY, HEAP_SLACK, SELL, Levels

CHANGES = st.lists(st.tuples(st.integers(1, 8), st.integers(-5, 5)), max_size=200)


@given(side=st.sampled_from([BUY, SELL]), changes=CHANGES)
def test_best_and_top_agree_with_a_sorted_dict(side: int, changes: list[tuple[int, int]]) -> None:
    levels, oracle = Levels(side), dict[int, int]()
    for price, lots in changes:
        if oracle.get(price, 0) + lots < 0 or (price not in oracle and lots <= 0):
            continue
        levels.add(price, lots)
        oracle[price] = oracle.get(price, 0) + lots
        if not oracle[price]:
            del oracle[price]
        ordered = sorted(oracle, reverse=side == BUY)
        assert levels.lots == oracle
        assert levels.best() == (ordered[0] if ordered else 0)
        assert levels.top(3) == ordered[:3]
        assert levels.top(100) == ordered


def test_levels_that_come_and_go_leave_nothing_behind() -> None:
    levels = Levels(SELL)
    levels.add(1, 1)
    for price in range(2, 10_000):
        levels.add(price, 1)
        levels.add(price, -1)
    assert len(levels._heap) <= 2 * len(levels.lots) + HEAP_SLACK + 2
    assert levels.best() == 1


def test_more_lots_leaving_than_there_are_is_our_mistake() -> None:
    levels = Levels(BUY)
    levels.add(5, 2)
    with pytest.raises(AssertionError):
        levels.add(5, -3)
    with pytest.raises(AssertionError):
        levels.add(6, -1)
