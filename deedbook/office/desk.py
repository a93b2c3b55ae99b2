"""One flow's part of the back office."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from api.doors import Executor
from api.route import Route
from persistence.jobs import Handler

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Desk:
    """
    jobs       handlers by kind of job
    executors  what two people's decision sets off, by kind of approval
    loops      run until the office closes; none ends by itself
    """

    routes: Sequence[Route] = ()
    jobs: Mapping[str, Handler] = field(default_factory=dict)
    executors: Mapping[str, Executor] = field(default_factory=dict)
    loops: Sequence[Loop] = ()
