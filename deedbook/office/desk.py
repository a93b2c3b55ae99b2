"""One flow's part of the back office."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from api.doors import Declined, Executor
from api.route import Route
from deedbook.outages import AWAY
from persistence.jobs import Handler

Loop = Callable[[], Awaitable[None]]
ROUND_S: Final = 3_600.0
SOON_S: Final = 60.0  # after one that somebody was away for
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """
    jobs       handlers by kind of job
    executors  what two people's decision sets off, by kind of approval
    declined   what follows when they do not want it, by kind of approval
    loops      run until the office closes; none ends by itself
    """

    routes: Sequence[Route] = ()
    jobs: Mapping[str, Handler] = field(default_factory=dict)
    executors: Mapping[str, Executor] = field(default_factory=dict)
    declined: Mapping[str, Declined] = field(default_factory=dict)
    loops: Sequence[Loop] = ()


async def in_rounds(what: str, act: Callable[[], Awaitable[object]]) -> None:
    """Do it now and once an hour; if somebody is away that it needs, again soon. Until cancelled."""
    while True:
        try:
            await act()
            await asyncio.sleep(ROUND_S)
        except AWAY as error:
            _log.warning("%s: %s: %s", what, type(error).__name__, error)
            await asyncio.sleep(SOON_S)
