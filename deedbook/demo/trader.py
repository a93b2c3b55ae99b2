"""What all the demo's traders share: a session, a seed, a rate, a time to stop, and a clean way out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from deedbook.demo.client import TradingSession
from deedbook.demo.instrument import Instrument
from deedbook.demo.pacer import Pacer

NS: Final = 10**9
WAITING_MAX: Final = 1_000  # requests of one session without an answer; beyond, an action is left out and counted
STEP_NS: Final = 50_000_000  # how often the fair price moves
STEP_PPM: Final = 150  # and how far at most


class FairPrice:
    """What the traders of one instrument think it is worth: a seeded walk, drawn back to where it began.

    The same seed gives the same price at the same time since the start, whoever asks and however often.
    """

    def __init__(self, seed: int, start_ticks: int, start_ns: int) -> None:
        self.start_ticks = start_ticks
        self._random = Random(seed)
        self._start_ns = start_ns
        self._steps = 0
        self._offset_ppm = 0

    def ticks(self, now_ns: int) -> int:
        """In ticks, at least 1; `now_ns` of monotonic_ns, never going back."""
        due = max(now_ns - self._start_ns, 0) // STEP_NS
        while self._steps < due:
            self._steps += 1
            self._offset_ppm += self._random.randint(-STEP_PPM, STEP_PPM) - self._offset_ppm // 100
        return max(self.start_ticks * (10**6 + self._offset_ppm) // 10**6, 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """One trader's part: `actions_per_s` from `start_ns` until `end_ns` of monotonic_ns."""

    seed: int
    actions_per_s: float
    start_ns: int
    end_ns: int


class Trader:
    """Acts at seeded random times that do not wait for answers; `run` returns when its time is over and it has left."""

    def __init__(
        self, session: TradingSession, fair_prices: Mapping[Instrument, FairPrice], pacer: Pacer, plan: Plan
    ) -> None:
        assert fair_prices, "a trader trades something"
        self.session = session
        self.instruments = tuple(fair_prices)
        self.fair_prices = fair_prices
        self.random = Random(plan.seed)
        self._pacer = pacer
        self._plan = plan
        self._is_stopping = False

    def act(self, intended_ns: int) -> None:
        """One action: at most a few requests, none waited for."""
        raise NotImplementedError

    def stop(self) -> None:
        """Let `run` end with its next action instead of at the end of its plan."""
        self._is_stopping = True

    async def run(self) -> None:
        """Raises SessionError where the exchange does not answer at the end."""
        plan, session = self._plan, self.session
        mean_ns = NS / plan.actions_per_s
        intended_ns = plan.start_ns + int(self.random.expovariate(1 / mean_ns))
        while intended_ns < plan.end_ns and not session.is_lost:
            await self._pacer.until(intended_ns)
            if self._is_stopping:
                break
            if session.waiting_count < WAITING_MAX:
                self.act(intended_ns)
            else:
                session.seen.held_back += 1
            intended_ns += 1 + int(self.random.expovariate(1 / mean_ns))
        await session.leave()


async def run_traders(traders: Sequence[Trader]) -> None:
    """All of them to their end; the first that fails stops the others and is raised."""
    tasks = [asyncio.create_task(trader.run()) for trader in traders]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
