"""Times as clients write and read them: milliseconds, or microseconds where they ask for those."""

from __future__ import annotations

from typing import Final

from engine.types import INT64_MAX
from gateway import errors
from gateway.errors import ApiError
from gateway.messages import illegal

NS: Final = 10**9
MS: Final = 10**6  # nanoseconds of a millisecond
US: Final = 10**3
TIME_NS_MAX: Final = INT64_MAX - MS
MICROSECONDS_FROM: Final = 10**14  # a number as large is microseconds: in milliseconds it would be the year 5138


def time_unit_ns(text: str | None) -> int:
    """Nanoseconds of the unit that a client asks for by its name; milliseconds where it names none."""
    if text is None or text in ("MILLISECOND", "millisecond"):
        return MS
    if text in ("MICROSECOND", "microsecond"):
        return US
    raise ApiError(errors.INVALID_TIME_UNIT, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def time_ns(name: str, number: int) -> int:
    """A parameter's time, in either unit, as nanoseconds since 1970; ApiError where it is none."""
    at_ns = number * _unit_ns(number)
    if not 0 <= at_ns <= TIME_NS_MAX:
        raise illegal(name)
    return at_ns


def time_end_ns(name: str, number: int) -> int:
    """The last nanosecond of the moment that a parameter names."""
    return time_ns(name, number) + _unit_ns(number) - 1


def _unit_ns(number: int) -> int:
    return US if number >= MICROSECONDS_FROM else MS
