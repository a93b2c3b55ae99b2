"""An instrument's trading day in its own time zone: which phase it should be in at any moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine.types import Phase

TIMED: Final = frozenset({Phase.OPENING_CALL, Phase.VOLATILITY_CALL, Phase.CLOSING_CALL})  # calls that may end by time
CLOSED: Final = Phase.CANCEL_ONLY
MIDNIGHT: Final = time(0)


class Slot(NamedTuple):
    """From `starts_at` to `ends_at` (UTC) the instrument is in `phase`, and in `then` from there on."""

    starts_at: datetime
    phase: Phase
    ends_at: datetime
    then: Phase


@dataclass(frozen=True, slots=True)
class Schedule:
    """Local times of a trading day, none before the one above it; a part of no length is left out.

    weekdays   ISO numbers, 1 is Monday
    holidays   days without trading
    trading    the phase between `continuous` and `closing_call`
    """

    zone: ZoneInfo
    weekdays: frozenset[int]
    holidays: frozenset[date]
    pre_open: time
    opening_call: time
    continuous: time
    closing_call: time
    close: time
    trading: Phase

    def slot_at(self, now: datetime) -> Slot:
        """`now` with its zone."""
        today = now.astimezone(self.zone).date()
        parts = list(self._in_order(part for days in (-1, 0, 1, 2) for part in self._day(today + timedelta(days))))
        starts_at, phase = [part for part in parts if part[0] <= now][-1]
        ends_at = next(at for at, _ in parts if at > now)
        then = [following for at, following in parts if at == ends_at][-1]
        return Slot(starts_at, phase, ends_at, CLOSED if phase in TIMED and then in TIMED else then)

    def _day(self, day: date) -> Iterator[tuple[datetime, Phase]]:
        """A day's parts as they begin; the closed time before the first runs from midnight."""
        yield self._moment(day, MIDNIGHT), CLOSED
        if day.isoweekday() in self.weekdays and day not in self.holidays:
            yield self._moment(day, self.pre_open), Phase.PRE_OPEN
            yield self._moment(day, self.opening_call), Phase.OPENING_CALL
            yield self._moment(day, self.continuous), self.trading
            yield self._moment(day, self.closing_call), Phase.CLOSING_CALL
            yield self._moment(day, self.close), CLOSED

    def _moment(self, day: date, at: time) -> datetime:
        """A time that the clocks leave out counts as if they had not been put forward yet; of two, the first."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    @staticmethod
    def _in_order(parts: Iterable[tuple[datetime, Phase]]) -> Iterator[tuple[datetime, Phase]]:
        """None begins before the one above it, also where the clocks are put forward between them."""
        latest = datetime.min.replace(tzinfo=UTC)
        for at, phase in parts:
            latest = max(latest, at)
            yield latest, phase
