"""Where the intervals of candlesticks begin and end, in any time zone. Times are seconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
MONDAY_S: Final = 4 * DAY_S  # 1970 began on a Thursday
ZONE_S_MIN, ZONE_S_MAX = -12 * HOUR_S, 14 * HOUR_S
_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?").fullmatch
_WINDOW: Final = re.compile(r"([1-9][0-9]?)([mhd])").fullmatch
_WINDOWS_MAX: Final = {"m": (MINUTE_S, 59), "h": (HOUR_S, 23), "d": (DAY_S, 7)}


class Interval:
    """Candlesticks of one length; a month's is as long as the month."""

    __slots__ = ("name", "seconds", "start_s")

    def __init__(self, name: str, seconds: int, start_s: int = 0) -> None:
        self.name = name
        self.seconds = seconds  # 0: a month
        self.start_s = start_s  # of one of them, in UTC

    def open_s(self, at_s: int, zone_s: int) -> int:
        """When the candlestick began that holds `at_s`."""
        local_s = at_s + zone_s
        if not self.seconds:
            local = datetime.fromtimestamp(local_s, UTC)
            return int(datetime(local.year, local.month, 1, tzinfo=UTC).timestamp()) - zone_s
        return (local_s - self.start_s) // self.seconds * self.seconds + self.start_s - zone_s

    def next_s(self, open_s: int, zone_s: int) -> int:
        """When the one after it begins."""
        if self.seconds:
            return open_s + self.seconds
        local = datetime.fromtimestamp(open_s + zone_s, UTC)
        return int((local.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()) - zone_s

    def from_start(self, start_s: int, end_s: int, zone_s: int, count: int) -> list[int]:
        """The openings in [start_s, end_s], at most `count`, and when the last one ends; [] where there is none."""
        open_s = self.open_s(start_s, zone_s)
        bounds_s = [open_s if open_s == start_s else self.next_s(open_s, zone_s)]
        while len(bounds_s) <= count and bounds_s[-1] <= end_s:
            bounds_s.append(self.next_s(bounds_s[-1], zone_s))
        return bounds_s if len(bounds_s) > 1 else []

    def until(self, end_s: int, zone_s: int, count: int) -> list[int]:
        """The last `count` openings up to `end_s`, and when the last one ends."""
        open_s = self.open_s(end_s, zone_s)
        bounds_s = [self.next_s(open_s, zone_s), open_s]
        while len(bounds_s) <= count:
            bounds_s.append(self.open_s(bounds_s[-1] - 1, zone_s))
        return bounds_s[::-1]


INTERVALS: Final = {
    interval.name: interval
    for interval in (
        Interval("1s", 1),
        *(Interval(f"{minutes}m", minutes * MINUTE_S) for minutes in (1, 3, 5, 15, 30)),
        *(Interval(f"{hours}h", hours * HOUR_S) for hours in (1, 2, 4, 6, 8, 12)),
        *(Interval(f"{days}d", days * DAY_S) for days in (1, 3)),
        Interval("1w", 7 * DAY_S, MONDAY_S),
        Interval("1M", 0),
    )
}


def interval_of(name: str) -> Interval:
    interval = INTERVALS.get(name)
    if interval is None:
        raise ApiError(errors.BAD_INTERVAL, "Invalid interval.")
    return interval


def zone_seconds(text: str | None) -> int:
    """Seconds east of UTC of `8`, `-1:00`, `05:45`; ApiError where it is no time zone from -12:00 to +14:00."""
    match = _ZONE(text or "0")
    if match is None:
        raise m.illegal("timeZone")
    seconds = (int(match[2]) * HOUR_S + int(match[3] or 0) * MINUTE_S) * (-1 if match[1] == "-" else 1)
    if not ZONE_S_MIN <= seconds <= ZONE_S_MAX:
        raise m.illegal("timeZone")
    return seconds


def window_seconds(text: str) -> int:
    """The seconds of `1m` to `59m`, `1h` to `23h`, `1d` to `7d`; ApiError where it is none of them."""
    match = _WINDOW(text)
    if match is None or int(match[1]) > _WINDOWS_MAX[match[2]][1]:
        raise m.illegal("windowSize")
    return int(match[1]) * _WINDOWS_MAX[match[2]][0]
