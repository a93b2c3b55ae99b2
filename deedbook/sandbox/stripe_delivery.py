"""Stripe's webhooks: each event posted and signed until it arrives, and otherwise than in order when asked to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal

import aiohttp
import msgspec

from deedbook.sandbox.stripe_account import Object
from payments.stripe_signature import signature

RETRY_S: Final = 0.5  # after a first failure, then twice as long each time
RETRY_S_MAX: Final = 60.0
TIMEOUT_S: Final = 10.0
Mode = Literal["normal", "duplicate", "reorder", "hold"]


class Waiting(msgspec.Struct):
    """An event that has not arrived yet; `not_before_s` counts as the loop's clock and starts anew with the process."""

    event_id: str
    failures: int = 0
    not_before_s: float = 0.0


class Deliveries:
    """The queue of events.

    mode     duplicate posts each twice, reorder the newest first, hold none
    delay_s  between an event and its first post
    """

    def __init__(
        self, event: Callable[[str], Object], target: str, secret: str, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._event = event
        self._target = target
        self._secret = secret
        self._changed = changed
        self._news = asyncio.Event()
        self.waiting: list[Waiting] = []
        self.mode: Mode = "normal"
        self.delay_s = 0.0
        self.posted = 0  # repeated ones too

    def add(self, event_id: str) -> None:
        self.waiting.append(Waiting(event_id, not_before_s=_loop_s() + self.delay_s))
        self._news.set()

    def set_mode(self, mode: Mode, delay_s: float) -> None:
        self.mode, self.delay_s = mode, delay_s
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
            while True:
                self._news.clear()
                due = [] if self.mode == "hold" else [each for each in self.waiting if each.not_before_s <= _loop_s()]
                for each in reversed(due) if self.mode == "reorder" else due:
                    await self._deliver(session, each)
                if due:
                    self._changed()
                await self._pause()

    async def _deliver(self, session: aiohttp.ClientSession, each: Waiting) -> None:
        arrived = False
        for _ in range(2 if self.mode == "duplicate" else 1):
            arrived = await self._post(session, each.event_id)
        if arrived:
            self.waiting.remove(each)
            return
        each.not_before_s = _loop_s() + min(RETRY_S * 2**each.failures, RETRY_S_MAX)
        each.failures += 1

    async def _pause(self) -> None:
        """Until there is news, or the next one is due."""
        wait_s = None
        if self.waiting and self.mode != "hold":
            wait_s = max(0.0, min(each.not_before_s for each in self.waiting) - _loop_s())
        try:
            await asyncio.wait_for(self._news.wait(), wait_s)
        except TimeoutError:
            return

    async def _post(self, session: aiohttp.ClientSession, event_id: str) -> bool:
        body = msgspec.json.encode(self._event(event_id))
        time_s = int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={time_s},v1={signature(self._secret, body, time_s)}",
        }
        self.posted += 1
        try:
            async with session.post(self._target, data=body, headers=headers, allow_redirects=False) as response:
                return response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def _loop_s() -> float:
    return time.monotonic()
