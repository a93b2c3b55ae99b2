"""One session's questions that may have to wait for the database; each is answered when its rows are there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateway import errors
from gateway.errors import ApiError

log = logging.getLogger("gateway")
QUESTIONS_MAX: Final = 64  # that wait at once


class Questions:
    """`answer` and `fail` take the request's id, the result or the error, and the reply's rateLimits."""

    def __init__(
        self, answer: Callable[[str, str, str | None], None], fail: Callable[[str, ApiError, str | None], None]
    ) -> None:
        self._answer = answer
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, question: Coroutine[Any, Any, str], request_id: str, limits: str | None) -> None:
        if len(self._tasks) >= QUESTIONS_MAX:
            question.close()
            raise ApiError(errors.TOO_MANY_REQUESTS, "Too many requests queued.", 429)
        task = asyncio.get_running_loop().create_task(self._wait(question, request_id, limits))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget_all(self) -> None:
        """The connection is gone."""
        for task in self._tasks:
            task.cancel()

    async def _wait(self, question: Coroutine[Any, Any, str], request_id: str, limits: str | None) -> None:
        try:
            self._answer(request_id, await question, limits)
        except ApiError as error:
            self._fail(request_id, error, limits)
        except Exception:  # the database is away: the session goes on
            log.exception("a question could not be answered")
            away = errors.away()
            self._fail(request_id, away, limits)
