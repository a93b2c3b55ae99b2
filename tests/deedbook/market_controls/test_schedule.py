"""A trading day in its zone: every part, days without trading, and the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deedbook.market_controls.schedule import TIMED, Schedule
from engine.types import Phase

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = frozenset({1, 2, 3, 4, 5})
EVERY_DAY = frozenset(range(1, 8))


def schedule(
    *times: str, zone: ZoneInfo = BERLIN, weekdays: frozenset[int] = WEEK, holidays: tuple[str, ...] = ()
) -> Schedule:
    given = times or ("08:00", "08:50", "09:00", "17:25", "17:30")
    pre_open, opening_call, continuous, closing_call, close = map(time.fromisoformat, given)
    return Schedule(
        zone=zone,
        weekdays=weekdays,
        holidays=frozenset(map(date.fromisoformat, holidays)),
        pre_open=pre_open,
        opening_call=opening_call,
        continuous=continuous,
        closing_call=closing_call,
        close=close,
        trading=Phase.CONTINUOUS,
    )


@pytest.mark.parametrize(
    ("now", "phase", "ends", "then"),
    [
        ("2026-11-23T06:59:59Z", Phase.CANCEL_ONLY, "2026-11-23T07:00:00Z", Phase.PRE_OPEN),
        ("2026-11-23T07:00:00Z", Phase.PRE_OPEN, "2026-11-23T07:50:00Z", Phase.OPENING_CALL),
        ("2026-11-23T07:50:00Z", Phase.OPENING_CALL, "2026-11-23T08:00:00Z", Phase.CONTINUOUS),
        ("2026-11-23T08:00:00Z", Phase.CONTINUOUS, "2026-11-23T16:25:00Z", Phase.CLOSING_CALL),
        ("2026-11-23T16:29:59Z", Phase.CLOSING_CALL, "2026-11-23T16:30:00Z", Phase.CANCEL_ONLY),
        ("2026-11-23T16:30:00Z", Phase.CANCEL_ONLY, "2026-11-23T23:00:00Z", Phase.CANCEL_ONLY),
        ("2026-11-22T12:00:00Z", Phase.CANCEL_ONLY, "2026-11-22T23:00:00Z", Phase.CANCEL_ONLY),  # a Sunday
        ("2026-12-24T12:00:00Z", Phase.CANCEL_ONLY, "2026-12-24T23:00:00Z", Phase.CANCEL_ONLY),  # a holiday
    ],
)
def test_each_part_of_a_day(now: str, phase: Phase, ends: str, then: Phase) -> None:
    slot = schedule(holidays=("2026-12-24",)).slot_at(datetime.fromisoformat(now))
    assert (slot.phase, slot.ends_at, slot.then) == (phase, datetime.fromisoformat(ends), then)


def test_a_part_of_no_length_is_left_out() -> None:
    plain = schedule("09:00", "09:00", "09:00", "17:30", "17:30")
    at_open = plain.slot_at(datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert (at_open.phase, at_open.then) == (Phase.CONTINUOUS, Phase.CANCEL_ONLY)
    assert plain.slot_at(at_open.ends_at).phase == Phase.CANCEL_ONLY


@pytest.mark.parametrize(
    ("day", "opens"),
    [("2026-03-27", "08:00"), ("2026-03-30", "07:00"), ("2026-10-23", "07:00"), ("2026-10-26", "08:00")],
)
def test_nine_is_nine_before_and_after_the_clocks_change(day: str, opens: str) -> None:
    at = datetime.fromisoformat(f"{day}T{opens}:00Z")
    assert schedule().slot_at(at - timedelta(seconds=1)).phase == Phase.OPENING_CALL
    assert schedule().slot_at(at).phase == Phase.CONTINUOUS


def test_what_falls_into_the_hour_that_is_left_out_does_not_turn_the_day_round() -> None:
    """On this day 2:00 to 3:00 does not exist: 2:30 is the moment of 3:30, and 3:00 waits for it."""
    night = schedule("01:00", "02:30", "03:00", "10:00", "10:00", weekdays=EVERY_DAY)
    before = night.slot_at(datetime.fromisoformat("2026-03-29T01:29:59Z"))
    assert (before.phase, before.then) == (Phase.PRE_OPEN, Phase.CONTINUOUS)
    assert night.slot_at(before.ends_at).phase == Phase.CONTINUOUS
    assert before.ends_at == datetime.fromisoformat("2026-03-29T01:30:00Z")


def test_an_hour_that_comes_twice_opens_once() -> None:
    twice = schedule("02:30", "02:30", "02:30", "10:00", "10:00", weekdays=EVERY_DAY)
    slot = twice.slot_at(datetime.fromisoformat("2026-10-25T00:30:00Z"))
    assert (slot.phase, slot.ends_at) == (Phase.CONTINUOUS, datetime.fromisoformat("2026-10-25T09:00:00Z"))


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Chatham",
]


@given(
    zone=st.sampled_from(ZONES),
    minutes=st.lists(st.integers(0, 24 * 60 - 1), min_size=5, max_size=5),
    now=st.datetimes(datetime(2010, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_slots_follow_each_other_without_a_gap(zone: str, minutes: list[int], now: datetime) -> None:
    times = [f"{each // 60:02}:{each % 60:02}" for each in sorted(minutes)]
    day = schedule(*times, zone=ZoneInfo(zone), weekdays=EVERY_DAY)
    slot = day.slot_at(now)
    assert slot.starts_at <= now < slot.ends_at
    assert slot.phase not in TIMED or slot.then not in TIMED, "the engine takes no call after a call"
    following = day.slot_at(slot.ends_at)
    assert following.starts_at == slot.ends_at
    assert following.phase == slot.then or slot.phase in TIMED
