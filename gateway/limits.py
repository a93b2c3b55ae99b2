"""Request weight by address, orders by account, connections by address: fixed windows, as Binance counts them.

A window's counters go when it ends, and a table has a largest size, so a flood of addresses costs no memory. An address
that goes on after it was told to stop (429) is banned for a while (418): two minutes, then twice as long each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NoReturn

from gateway import errors
from gateway.errors import ApiError

NS: Final = 10**9
TABLE_MAX: Final = 100_000
BAN_S_FIRST: Final = 120
BAN_S_MAX: Final = 3 * 86_400
BAN_FORGOTTEN_S: Final = 86_400  # after its end: then the next ban is a first one
MINUTE_S, TEN_SECONDS_S, DAY_S, FIVE_MINUTES_S = 60, 10, 86_400, 300


@dataclass(frozen=True, slots=True)
class LimitSettings:
    weight_per_minute: int = 600_000  # by address; placing an order weighs 1
    orders_per_10s: int = 100_000  # by account
    orders_per_day: int = 50_000_000
    connections_per_5_minutes: int = 30_000  # by address
    connections_open: int = 10_000  # in all
    refusals_per_minute: int = 10_000  # by address: 429s before it is banned

    def divided(self, parts: int) -> LimitSettings:
        """For one of several gateways: what counts by address is divided, for they do not tell each other of it."""
        return replace(
            self,
            weight_per_minute=self.weight_per_minute // parts,
            connections_per_5_minutes=self.connections_per_5_minutes // parts,
            refusals_per_minute=self.refusals_per_minute // parts,
        )


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

    def heard(self, name: object, time_ns: int) -> None:
        """One more at a time that may be past; it was let through elsewhere, so no limit counts."""
        if time_ns >= self._ends_ns:
            self._start(time_ns)
        if time_ns >= self._ends_ns - self._span_ns and (name in self._counts or len(self._counts) < TABLE_MAX):
            self._counts[name] = self._counts.get(name, 0) + 1

    def count(self, name: object, now_ns: int) -> int:
        if now_ns >= self._ends_ns:
            self._start(now_ns)
        return self._counts.get(name, 0)

    @property
    def ends_ms(self) -> int:
        return self._ends_ns // 10**6

    def _start(self, now_ns: int) -> None:
        self._counts = {}
        self._ends_ns = (now_ns // self._span_ns + 1) * self._span_ns


@dataclass(slots=True)
class _Ban:
    until_ns: int
    seconds: int


class Bans:
    """Addresses that may not ask for a while."""

    def __init__(self, refusals_per_minute: int) -> None:
        self._refusals = Window(MINUTE_S, refusals_per_minute)
        self.by_ip: Final[dict[str, _Ban]] = {}

    def until_ns(self, ip: str, now_ns: int) -> int:
        """When the address may come again; 0: now."""
        ban = self.by_ip.get(ip)
        if ban is None or ban.until_ns <= now_ns:
            return 0
        return ban.until_ns

    def refused(self, ip: str, now_ns: int) -> None:
        """It was refused for asking too much; too often, and it is banned."""
        if self._refusals.add(ip, 1, now_ns) >= 0 or self.until_ns(ip, now_ns):
            return
        bans = self.by_ip
        before = bans.pop(ip, None)
        is_repeated = before is not None and now_ns < before.until_ns + BAN_FORGOTTEN_S * NS
        seconds = min(2 * before.seconds, BAN_S_MAX) if before is not None and is_repeated else BAN_S_FIRST
        if len(bans) >= TABLE_MAX:
            del bans[next(iter(bans))]
        bans[ip] = _Ban(now_ns + seconds * NS, seconds)


class Limits:
    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self.weight = Window(MINUTE_S, settings.weight_per_minute)
        self.orders_10s = Window(TEN_SECONDS_S, settings.orders_per_10s)
        self.orders_day = Window(DAY_S, settings.orders_per_day)
        self.connections = Window(FIVE_MINUTES_S, settings.connections_per_5_minutes)
        self.bans = Bans(settings.refusals_per_minute)
        self._banned = self.bans.by_ip

    def request(self, ip: str, weight: int, now_ns: int) -> int:
        """Count a request; returns the weight used in this minute. ApiError 429 where that is too much, 418 where it
        went on too long.
        """
        used = -1 if self._banned and self.bans.until_ns(ip, now_ns) else self.weight.add(ip, weight, now_ns)
        return used if used >= 0 else self._refuse(ip, now_ns)

    def _refuse(self, ip: str, now_ns: int) -> NoReturn:
        self.bans.refused(ip, now_ns)
        until_ms = self.bans.until_ns(ip, now_ns) // 10**6
        if until_ms:
            text = f"Way too much request weight used; IP banned until {until_ms}."
            raise _come_back(errors.TOO_MANY_REQUESTS, text, errors.BANNED, until_ms, now_ns)
        text = f"Too much request weight used; current limit is {self.weight.limit} request weight per 1 MINUTE."
        raise _come_back(errors.TOO_MANY_REQUESTS, text, 429, self.weight.ends_ms, now_ns)

    def order(self, account: int, now_ns: int, orders: int = 1) -> tuple[int, int]:
        """Count new orders; returns how many in these ten seconds and today. ApiError 429 where that is too many."""
        short = self.orders_10s.add(account, orders, now_ns)
        if short < 0:
            text = f"Too many new orders; current limit is {self.orders_10s.limit} orders per 10 SECOND."
            raise _come_back(errors.TOO_MANY_ORDERS, text, 429, self.orders_10s.ends_ms, now_ns)
        day = self.orders_day.add(account, orders, now_ns)
        if day < 0:
            text = f"Too many new orders; current limit is {self.orders_day.limit} orders per 1 DAY."
            raise _come_back(errors.TOO_MANY_ORDERS, text, 429, self.orders_day.ends_ms, now_ns)
        return short, day

    def heard_order(self, account: int, time_ns: int) -> None:
        """An order of the account's came in elsewhere."""
        self.orders_10s.heard(account, time_ns)
        self.orders_day.heard(account, time_ns)

    def connection(self, ip: str, now_ns: int) -> bool:
        return not self.bans.until_ns(ip, now_ns) and self.connections.add(ip, 1, now_ns) >= 0

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


def _come_back(code: int, text: str, status: int, retry_at_ms: int, now_ns: int) -> ApiError:
    error = ApiError(code, text, status, f'{{"serverTime":{now_ns // 10**6},"retryAfter":{retry_at_ms}}}')
    error.retry_after_s = max(1, -(-(retry_at_ms - now_ns // 10**6) // 1_000))
    return error
