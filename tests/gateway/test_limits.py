"""Windows, their ends, and the bound on their tables."""

from __future__ import annotations

import msgspec
import pytest

from gateway import errors, limits
from gateway.errors import ApiError
from gateway.limits import Limits, LimitSettings, Window

MINUTE_NS = 60 * 10**9
START_NS = 29_166_666 * MINUTE_NS  # a whole minute


def test_a_window_counts_up_to_its_limit_and_starts_afresh() -> None:
    window = Window(60, 3)
    assert [window.add("a", 1, START_NS + each) for each in range(4)] == [1, 2, 3, -1]
    assert window.add("b", 3, START_NS) == 3
    assert window.add("a", 1, START_NS + MINUTE_NS) == 1


def test_what_is_over_the_limit_is_not_counted() -> None:
    window = Window(60, 10)
    assert window.add("a", 8, START_NS) == 8
    assert window.add("a", 5, START_NS) == -1
    assert window.add("a", 2, START_NS) == 10


def test_a_flood_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_MAX", 5)
    window = Window(60, 100)
    assert [window.add(name, 1, START_NS) for name in range(7)] == [1, 1, 1, 1, 1, -1, -1]
    assert window.add(3, 1, START_NS) == 2


def test_too_much_weight_says_when_to_come_back() -> None:
    counted = Limits(LimitSettings(weight_per_minute=10))
    assert counted.request("ip", 10, START_NS + 1) == 10
    with pytest.raises(ApiError) as caught:
        counted.request("ip", 1, START_NS + 1)
    assert (caught.value.code, caught.value.status) == (errors.TOO_MANY_REQUESTS, 429)
    data = msgspec.json.decode(caught.value.data)
    assert data["retryAfter"] == (START_NS + MINUTE_NS) // 10**6
    assert counted.retry_after_s(caught.value.code, START_NS + 1) == 60
    assert counted.request("other", 1, START_NS + 1) == 1


def test_orders_are_counted_by_account_in_both_windows() -> None:
    counted = Limits(LimitSettings(orders_per_10s=2, orders_per_day=3))
    assert counted.order(1, START_NS) == (1, 1)
    assert counted.order(1, START_NS) == (2, 2)
    with pytest.raises(ApiError) as caught:
        counted.order(1, START_NS)
    assert caught.value.code == errors.TOO_MANY_ORDERS
    assert counted.order(2, START_NS) == (1, 1)
    assert counted.order(1, START_NS + 10 * 10**9) == (1, 3)
    with pytest.raises(ApiError, match="DAY"):
        counted.order(1, START_NS + 20 * 10**9)
