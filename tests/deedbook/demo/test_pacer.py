"""It wakes in order, never early, and lets go of everybody at the end."""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from deedbook.demo.pacer import Pacer


async def test_wakes_in_the_order_of_the_times_and_never_before_them() -> None:
    woken: list[tuple[int, int]] = []

    async def wait(due_ns: int) -> None:
        await pacer.until(due_ns)
        woken.append((due_ns, monotonic_ns()))

    with Pacer() as pacer:
        start_ns = monotonic_ns()
        due = [start_ns + offset for offset in (500_000_000, 300_000_000, 400_000_000, 400_000_000)]
        await asyncio.gather(*map(wait, due))
    assert [due_ns for due_ns, _ in woken] == sorted(due)
    assert all(at_ns >= due_ns for due_ns, at_ns in woken)
    await pacer.until(start_ns)  # has passed: needs no timer


async def test_nobody_waits_for_a_pacer_that_is_closed() -> None:
    with Pacer() as pacer:
        waiting = asyncio.create_task(pacer.until(monotonic_ns() + 3600 * 10**9))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await waiting
