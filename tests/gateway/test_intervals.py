"""Where candlesticks begin, in every time zone and over every month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ApiError
from gateway.intervals import INTERVALS, interval_of, window_seconds, zone_seconds
from gateway.klines import base_width_s

ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: minutes * 60)
MOMENTS = st.integers(0, 4 * 10**9)


def local(at_s: int, zone_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, timezone(timedelta(seconds=zone_s)))


@given(name=st.sampled_from(sorted(INTERVALS)), zone_s=ZONES, at_s=MOMENTS)
def test_a_moment_is_in_the_interval_that_holds_it(name: str, zone_s: int, at_s: int) -> None:
    interval = INTERVALS[name]
    open_s = interval.open_s(at_s, zone_s)
    next_s = interval.next_s(open_s, zone_s)
    assert open_s <= at_s < next_s
    assert interval.open_s(open_s, zone_s) == open_s
    assert interval.open_s(next_s, zone_s) == next_s
    assert interval.open_s(next_s - 1, zone_s) == open_s
    width_s = base_width_s(interval, zone_s)
    assert open_s % width_s == next_s % width_s == 0


@given(zone_s=ZONES, at_s=MOMENTS)
def test_days_weeks_and_months_begin_at_local_midnight(zone_s: int, at_s: int) -> None:
    day = local(INTERVALS["1d"].open_s(at_s, zone_s), zone_s)
    week = local(INTERVALS["1w"].open_s(at_s, zone_s), zone_s)
    month = local(INTERVALS["1M"].open_s(at_s, zone_s), zone_s)
    assert (day.hour, day.minute, day.second) == (week.hour, week.minute, week.second) == (0, 0, 0)
    assert week.weekday() == 0
    assert (month.day, month.hour, month.minute) == (1, 0, 0)
    after = local(INTERVALS["1M"].next_s(INTERVALS["1M"].open_s(at_s, zone_s), zone_s), zone_s)
    assert (after.year * 12 + after.month) == month.year * 12 + month.month + 1


@given(
    name=st.sampled_from(sorted(INTERVALS)),
    zone_s=ZONES,
    start_s=MOMENTS,
    more_s=st.integers(-10, 10**7),
    count=st.integers(1, 40),
)
def test_bounds_are_consecutive_and_within_what_was_asked(
    name: str, zone_s: int, start_s: int, more_s: int, count: int
) -> None:
    interval, end_s = INTERVALS[name], start_s + more_s
    until = interval.until(end_s, zone_s, count)
    assert len(until) == count + 1
    assert until[-2] <= end_s < until[-1]
    since = interval.from_start(start_s, end_s, zone_s, count)
    assert len(since) <= count + 1
    if since:
        assert start_s <= since[0] < interval.next_s(interval.open_s(start_s, zone_s), zone_s) + 1
        assert since[-2] <= end_s
        assert len(since) == count + 1 or since[-1] > end_s
    else:
        first = interval.open_s(start_s, zone_s)
        assert (first if first == start_s else interval.next_s(first, zone_s)) > end_s
    for bounds in (until, since):
        assert [interval.next_s(bound, zone_s) for bound in bounds[:-1]] == bounds[1:]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("8", 28_800),
        ("-1:00", -3_600),
        ("05:45", 20_700),
        ("+08:00", 28_800),
        ("14", 50_400),
    ],
)
def test_time_zones_are_read(text: str | None, seconds: int) -> None:
    assert zone_seconds(text) == seconds


@pytest.mark.parametrize("text", ["15", "-12:01", "14:01", "1:60", "8:0", "eight", "UTC", "1:00:00", "--1", " 1"])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="timeZone"):
        zone_seconds(text)


def test_windows_and_intervals_are_those_of_the_document() -> None:
    assert [window_seconds(text) for text in ("1m", "59m", "1h", "23h", "1d", "7d")] == [
        60,
        3_540,
        3_600,
        82_800,
        86_400,
        604_800,
    ]
    for text in ("60m", "24h", "8d", "0m", "1w", "1d2h", "", "01h"):
        with pytest.raises(ApiError, match="windowSize"):
            window_seconds(text)
    with pytest.raises(ApiError, match="Invalid interval") as refused:
        interval_of("2m")
    assert refused.value.code == -1120
    assert datetime.fromtimestamp(INTERVALS["1w"].open_s(0, 0), UTC).isoformat() == "1969-12-29T00:00:00+00:00"
