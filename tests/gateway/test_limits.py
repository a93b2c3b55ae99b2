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


def test_what_was_let_through_elsewhere_counts_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window(60, 2)
    assert window.add("a", 1, START_NS) == 1
    window.heard("a", START_NS - 1)  # of the minute before
    assert window.count("a", START_NS) == 1
    for _ in range(3):
        window.heard("a", START_NS + 1)
    assert window.count("a", START_NS) == 4  # it is done; but nothing more is let through here
    assert window.add("a", 1, START_NS) == -1
    window.heard("a", START_NS + MINUTE_NS)
    assert window.count("a", START_NS + MINUTE_NS) == 1
    monkeypatch.setattr(limits, "TABLE_MAX", 1)
    window.heard("b", START_NS + MINUTE_NS)
    assert window.count("b", START_NS + MINUTE_NS) == 0


def test_several_gateways_divide_what_counts_by_address_and_nothing_else() -> None:
    whole, part = LimitSettings(), LimitSettings().divided(4)
    assert part.weight_per_minute * 4 == whole.weight_per_minute
    assert part.connections_per_5_minutes * 4 == whole.connections_per_5_minutes
    assert part.refusals_per_minute * 4 == whole.refusals_per_minute
    assert (part.orders_per_10s, part.orders_per_day) == (whole.orders_per_10s, whole.orders_per_day)


def test_too_much_weight_says_when_to_come_back() -> None:
    counted = Limits(LimitSettings(weight_per_minute=10))
    assert counted.request("ip", 10, START_NS + 1) == 10
    with pytest.raises(ApiError) as caught:
        counted.request("ip", 1, START_NS + 1)
    assert (caught.value.code, caught.value.status) == (errors.TOO_MANY_REQUESTS, 429)
    data = msgspec.json.decode(caught.value.data)
    assert data["retryAfter"] == (START_NS + MINUTE_NS) // 10**6
    assert caught.value.retry_after_s == 60
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


def refusal(counted: Limits, now_ns: int) -> ApiError:
    with pytest.raises(ApiError) as caught:
        counted.request("ip", 1, now_ns)
    return caught.value


def test_who_goes_on_after_a_429_is_banned_for_longer_each_time() -> None:
    counted = Limits(LimitSettings(weight_per_minute=10, refusals_per_minute=3))
    now_ns = START_NS
    for minutes in (2, 4, 8):
        counted.request("ip", 10, now_ns)
        assert [refusal(counted, now_ns).status for _ in range(5)] == [429, 429, 429, 418, 418]
        banned = refusal(counted, now_ns + MINUTE_NS)  # the window's end does not end the ban
        assert (banned.code, banned.status, banned.retry_after_s) == (-1003, 418, 60 * (minutes - 1))
        assert not counted.connection("ip", now_ns)
        assert counted.connection("other", now_ns)
        now_ns += minutes * MINUTE_NS
    assert counted.connection("ip", now_ns)
    now_ns += 2 * limits.BAN_FORGOTTEN_S * 10**9
    counted.request("ip", 10, now_ns)
    assert [refusal(counted, now_ns).status for _ in range(4)] == [429, 429, 429, 418]
    assert refusal(counted, now_ns).retry_after_s == limits.BAN_S_FIRST


def test_a_flood_of_banned_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_MAX", 3)
    bans = limits.Bans(0)
    for number in range(10):
        bans.refused(f"ip{number}", START_NS)
    assert len(bans.by_ip) == 3
