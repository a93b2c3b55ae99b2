"""Wakes coroutines at exact times without spinning.

The event loop's own timers round up to whole milliseconds, which an open-loop latency would count as the exchange's.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from heapq import heappop, heappush
from time import CLOCK_MONOTONIC, monotonic_ns
from typing import Final

TIMER_ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME of linux/timerfd.h
NS: Final = 10**9


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Schedule(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("due", _Timespec)]


class Pacer:
    """One kernel timer for all that wait, by monotonic_ns. A context manager, for a running loop."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = 0
        self._descriptor = -1

    def __enter__(self) -> Pacer:
        self._descriptor = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        asyncio.get_running_loop().add_reader(self._descriptor, self._wake)
        return self

    def __exit__(self, *error: object) -> None:
        """Whoever still waits goes on at once."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        for _, _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def until(self, due_ns: int) -> None:
        """Return at `due_ns`; at once where it has passed."""
        if due_ns <= monotonic_ns():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets += 1
        heappush(self._waiting, (due_ns, self._tickets, waiter))
        if self._waiting[0][2] is waiter:
            self._arm()
        await waiter

    def _wake(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        now_ns = monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, _, waiter = heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)
        if self._waiting:
            self._arm()

    def _arm(self) -> None:
        seconds, nanoseconds = divmod(self._waiting[0][0], NS)
        schedule = _Schedule(_Timespec(0, 0), _Timespec(seconds, nanoseconds))
        if self._libc.timerfd_settime(self._descriptor, TIMER_ABSOLUTE, ctypes.byref(schedule), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
