"""Waiting for what comes by itself, and saying what did not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

POLL_S: Final = 0.1
Value = TypeVar("Value")


async def until(condition: Callable[[], Awaitable[Value | None]], what: str, within_s: float = 120.0) -> Value:
    """Poll until the condition has a value that is true. Raises TimeoutError that says what did not come."""
    deadline = time.monotonic() + within_s
    while not (value := await condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(POLL_S)
    return value
