"""Routes of the instruments' schedules."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from api.problem import Problem, not_found
from api.route import Call, Route
from deedbook.market_controls.schedule import Schedule
from deedbook.market_controls.schedules import Schedules
from engine.types import Phase

HOLIDAYS_MAX: Final = 400
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII).fullmatch
LocalTime = Annotated[time, msgspec.Meta(tz=False)]


class ScheduleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trading day in local times of an IANA zone; one that is the same as the next leaves that part out.

    From `close` to the next day's `pre_open` only cancels are taken; `trading`: the phase from `continuous` on.
    """

    zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    weekdays: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=7)]], msgspec.Meta(max_length=7)]
    pre_open: LocalTime
    opening_call: LocalTime
    continuous: LocalTime
    closing_call: LocalTime
    close: LocalTime
    holidays: Annotated[list[date], msgspec.Meta(max_length=HOLIDAYS_MAX)] = []
    trading: Literal["CONTINUOUS", "LIMIT_ONLY", "PERIODIC_CALL"] = "CONTINUOUS"


def schedule_routes(schedules: Schedules) -> list[Route]:
    async def put(call: Call[ScheduleBody]) -> None:
        await schedules.put(_number(call), _schedule(call.body), call.signed_in)

    async def remove(call: Call[None]) -> None:
        await schedules.remove(_number(call), call.signed_in)

    async def resume(call: Call[None]) -> None:
        await schedules.give_back(_number(call), call.signed_in)

    # fmt: off
    return [
        Route(method="PUT", path="/operations/schedules/{instrument_id}", handler=put, body=ScheduleBody,
              summary="Set an instrument's trading days and the times of its phases."),
        Route(method="DELETE", path="/operations/schedules/{instrument_id}", handler=remove,
              summary="Remove an instrument's schedule; its phase stays."),
        Route(method="POST", path="/operations/schedules/{instrument_id}/resume", handler=resume,
              summary="Give an instrument that somebody has in hand back to its schedule."),
    ]
    # fmt: on


def _number(call: Call[Any]) -> int:
    text = call.path["instrument_id"]
    if _NUMBER(text) is None:
        raise not_found("instrument")
    return int(text)


def _schedule(body: ScheduleBody) -> Schedule:
    """Raises Problem 400."""
    times = (body.pre_open, body.opening_call, body.continuous, body.closing_call, body.close)
    if sorted(times) != list(times) or body.continuous == body.closing_call:
        raise Problem(400, "TIMES_OUT_OF_ORDER", "The times of a day follow each other, and there is a time to trade.")
    try:
        zone = ZoneInfo(body.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Problem(400, "ZONE_UNKNOWN", "This is no time zone such as Europe/Berlin.", field="zone") from None
    return Schedule(zone, frozenset(body.weekdays), frozenset(body.holidays), *times, Phase[body.trading])
