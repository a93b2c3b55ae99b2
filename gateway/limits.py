"""Request weight by address, orders by account, connections by address: fixed windows, as Binance counts them.

A window's counters go when it ends, and a table has a largest size, so a flood of addresses costs no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway import errors
from gateway.errors import ApiError

NS: Final = 10**9
TABLE_MAX: Final = 100_000
MINUTE_S, TEN_SECONDS_S, DAY_S, FIVE_MINUTES_S = 60, 10, 86_400, 300


@dataclass(frozen=True, slots=True)
class LimitSettings:
    weight_per_minute: int = 600_000  # by address; placing an order weighs 1
    orders_per_10s: int = 100_000  # by account
    orders_per_day: int = 50_000_000
    connections_per_5_minutes: int = 30_000  # by address
    connections_open: int = 10_000  # in all


class Window:
    """Counts by name in the current interval of `seconds` since 1970."""

    def __init__(self, seconds: int, limit: int) -> None:
        self.seconds = seconds
        self.limit = limit
        self._span_ns = seconds * NS
        self._ends_ns = 0
        self._counts: dict[object, int] = {}

    def add(self, name: object, amount: int, now_ns: int) -> int:
        """The count with the amount added, or -1 (and nothing added) where that is over the limit."""
        if now_ns >= self._ends_ns:
            self._start(now_ns)
        counts = self._counts
        count = counts.get(name, 0) + amount
        if count > self.limit or (count == amount and len(counts) >= TABLE_MAX):
            return -1
        counts[name] = count
        return count

    def count(self, name: object, now_ns: int) -> int:
        if now_ns >= self._ends_ns:
            self._start(now_ns)
        return self._counts.get(name, 0)

    def retry_after_ms(self) -> int:
        return self._ends_ns // 10**6

    def _start(self, now_ns: int) -> None:
        self._counts = {}
        self._ends_ns = (now_ns // self._span_ns + 1) * self._span_ns


class Limits:
    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self.weight = Window(MINUTE_S, settings.weight_per_minute)
        self.orders_10s = Window(TEN_SECONDS_S, settings.orders_per_10s)
        self.orders_day = Window(DAY_S, settings.orders_per_day)
        self.connections = Window(FIVE_MINUTES_S, settings.connections_per_5_minutes)

    def request(self, ip: str, weight: int, now_ns: int) -> int:
        """Count a request; returns the weight used in this minute. ApiError 429 where that is too much."""
        used = self.weight.add(ip, weight, now_ns)
        if used < 0:
            limit = self.weight.limit
            text = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
            raise self._too_many(errors.TOO_MANY_REQUESTS, text, self.weight, now_ns)
        return used

    def order(self, account: int, now_ns: int) -> tuple[int, int]:
        """Count an order; returns how many in these ten seconds and today. ApiError 429 where that is too many."""
        short = self.orders_10s.add(account, 1, now_ns)
        if short < 0:
            text = f"Too many new orders; current limit is {self.orders_10s.limit} orders per 10 SECOND."
            raise self._too_many(errors.TOO_MANY_ORDERS, text, self.orders_10s, now_ns)
        day = self.orders_day.add(account, 1, now_ns)
        if day < 0:
            text = f"Too many new orders; current limit is {self.orders_day.limit} orders per 1 DAY."
            raise self._too_many(errors.TOO_MANY_ORDERS, text, self.orders_day, now_ns)
        return short, day

    def retry_after_s(self, code: int, now_ns: int) -> int:
        """Seconds until the window ends that this error is about."""
        window = self.weight if code == errors.TOO_MANY_REQUESTS else self.orders_10s
        return max(1, window.retry_after_ms() // 1_000 - now_ns // NS)

    def connection(self, ip: str, now_ns: int) -> bool:
        return self.connections.add(ip, 1, now_ns) >= 0

    def _too_many(self, code: int, text: str, window: Window, now_ns: int) -> ApiError:
        data = f'{{"serverTime":{now_ns // 10**6},"retryAfter":{window.retry_after_ms()}}}'
        return ApiError(code, text, 429, data)

    def weight_json(self, used: int) -> str:
        """The REQUEST_WEIGHT entry of a reply's `rateLimits`."""
        return (
            '{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,'
            f'"limit":{self.settings.weight_per_minute},"count":{used}}}'
        )

    def orders_json(self, short: int, day: int) -> str:
        """The two ORDERS entries."""
        settings = self.settings
        return (
            '{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,'
            f'"limit":{settings.orders_per_10s},"count":{short}}},'
            '{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,'
            f'"limit":{settings.orders_per_day},"count":{day}}}'
        )
