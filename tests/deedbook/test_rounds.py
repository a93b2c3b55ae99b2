"""What the office does in rounds goes on after an outage, and stops at a mistake of ours."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from deedbook.office import desk
from deedbook.office.desk import in_rounds


async def test_a_round_that_somebody_was_away_for_is_made_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "SOON_S", 0.0)
    rounds, done = 0, asyncio.Event()

    async def act() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise asyncpg.CannotConnectNowError("starting")
        done.set()

    running = asyncio.create_task(in_rounds("nothing is done", act))
    await asyncio.wait_for(done.wait(), 30)
    assert not running.done()
    running.cancel()
    assert rounds == 3


async def test_a_mistake_of_ours_ends_it() -> None:
    async def act() -> None:
        raise AssertionError("ours")

    with pytest.raises(AssertionError, match="ours"):
        await in_rounds("nothing is done", act)
