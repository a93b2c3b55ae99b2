"""What the engine's bench is fed with: made once for each variant, with the Python engine's answers to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bench.flow import AWAY_TICKS, Flow
from bench.tally import Outcome, Tally
from engine import types as t
from engine.engines import Engine
from engine.types import OrderType, Side, TimeInForce
from engine.wire import COMMAND_SIZE

SWEEP_TICKS: Final = 5_000  # the prices that a sweep goes through
ORDERS_A_TICK: Final = 100  # of a book of the flow, about; more would turn every limit order into a crossing one


class Workload(NamedTuple):
    """One variant's commands, stamped, and what must come of them."""

    name: str
    setup: bytes
    batches: list[bytes]
    kinds: dict[str, int]
    expected: Outcome

    @property
    def commands_count(self) -> int:
        return sum(map(len, self.batches)) // COMMAND_SIZE


class Sweeps(Flow):
    """Adds until `depth` orders rest on one side, then one order that takes them all; then the other side."""

    def __init__(self, seed: int, depth: int) -> None:
        super().__init__(seed, resting=0)
        self._depth = depth
        self._added = self._lots = 0
        self._side = Side.SELL

    def _next(self) -> t.Command:
        random, mid_ticks = self._random, self._mids_ticks[1]
        if self._added == self._depth:
            self.kinds["sweep"] += 1
            price_ticks = mid_ticks - SWEEP_TICKS if self._side is Side.BUY else mid_ticks + SWEEP_TICKS
            sweep = self._order(Side(1 - self._side), price_ticks, self._lots, TimeInForce.IOC)
            self._side, self._added, self._lots = Side(1 - self._side), 0, 0
            return sweep
        self.kinds["add"] += 1
        away_ticks, qty_lots = random.randint(1, SWEEP_TICKS), random.randint(1, 100)
        price_ticks = mid_ticks - away_ticks if self._side is Side.BUY else mid_ticks + away_ticks
        self._added, self._lots = self._added + 1, self._lots + qty_lots
        return self._order(self._side, price_ticks, qty_lots, TimeInForce.GTC)

    def _order(self, side: Side, price_ticks: int, qty_lots: int, time_in_force: TimeInForce) -> t.Place:
        account, instrument = self._where()
        return t.Place(account, instrument, side, OrderType.LIMIT, time_in_force, price_ticks, qty_lots)


def flow(seed: int, resting: int, commands: int, batch: int, instruments: int = 1) -> Workload:
    """The order flow; the deeper the book, the wider."""
    away_ticks = max(AWAY_TICKS, resting / instruments / ORDERS_A_TICK)
    places = f"{instruments:,} instruments, " if instruments > 1 else ""
    made = Flow(seed, resting, instruments=instruments, away_ticks=away_ticks)
    return _made(f"{places}{resting:,} resting", made, commands, batch)


def sweeps(seed: int, depth: int, commands: int, batch: int) -> Workload:
    return _made(f"sweeps of {depth:,}", Sweeps(seed, depth), commands, batch)


def _made(name: str, source: Flow, commands: int, batch: int) -> Workload:
    setup = source.setup()
    batches = list(source.batches(commands, batch))
    return Workload(name, setup, batches, dict(source.kinds), source.tally.outcome())


def outcome_of(workload: Workload, engine: Engine, on_events: Callable[[bytes, bytes], None] | None = None) -> Outcome:
    """Apply it all, untimed; `on_events` is told each batch with its events, the setup first."""
    tally = Tally()
    events = engine.apply(workload.setup)
    if on_events is not None:
        on_events(workload.setup, events)
    for batch in workload.batches:
        events = engine.apply(batch)
        tally.take(events)
        if on_events is not None:
            on_events(batch, events)
    return tally.outcome()
