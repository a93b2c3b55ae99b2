"""One workload through the book alone and through the whole engine: checked against the Python engine, then timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from bench.bare import BARE_COMMAND, BareFlow
from bench.report import percentiles
from bench.sound import balances_add_up, book_not_crossed
from bench.timing import one_by_one, timed
from bench.workload import Workload, outcome_of
from engine.engines import Engine
from engine.exchange import Exchange
from engine.wire import COMMAND_SIZE

SINGLES_MAX: Final = 200_000


def measure(workload: Workload, kind: type[Engine], passes: int) -> Mapping[str, bool]:
    """Check, then print a line a figure. Returns the checks; nothing is timed where one fails."""
    bare = BareFlow()
    engine = kind()
    outcome = outcome_of(workload, engine, bare.take)
    checks = {
        "as_the_python_engine": outcome == workload.expected,
        "balances_add_up": balances_add_up(engine),
        "book_not_crossed": book_not_crossed(engine),
    }
    with_core = kind is not Exchange
    if with_core:
        checks["same_fills_alone"] = _fills_alone(bare)
    print(f"  {workload.name}: {workload.kinds}; {outcome.trades:,} trades of {outcome.lots:,} lots")
    if not all(checks.values()):
        return checks

    def set_up() -> Callable[[bytes], bytes]:
        engine = kind()
        engine.apply(workload.setup)
        return engine.apply

    if with_core:
        alone = timed(lambda: _book(bare), bare.batches, BARE_COMMAND.itemsize, passes)
        print(f"    book alone        {alone}")
    print(f"    whole engine      {timed(set_up, workload.batches, COMMAND_SIZE, passes)}")
    singles = _split(workload.batches)
    print(f"    one a call        {1e3 / one_by_one(set_up, singles, passes):6.2f} M/s of the first {len(singles):,}")
    if with_core:
        print(f"    inside a batch    {percentiles(_service_times_ns(workload))} ns, a clock read each time in it")
    return checks


def _book(bare: BareFlow) -> Callable[[bytes], bytes]:
    from engine._core import BareBook

    book = BareBook()
    book.apply(bare.setup)
    return book.apply


def _fills_alone(bare: BareFlow) -> bool:
    apply = _book(bare)
    return all(apply(commands) == fills for commands, fills in zip(bare.batches, bare.fills, strict=True))


def _service_times_ns(workload: Workload) -> list[int]:
    from engine import _core

    core = _core.Exchange()
    core.apply(workload.setup)
    times = [np.frombuffer(core.service_times_ns(batch), "<u4") for batch in workload.batches]
    took_ns: list[int] = np.concatenate(times).tolist()
    return took_ns


def _split(batches: list[bytes]) -> list[bytes]:
    records = (batch[at : at + COMMAND_SIZE] for batch in batches for at in range(0, len(batch), COMMAND_SIZE))
    return [record for record, _ in zip(records, range(SINGLES_MAX), strict=False)]
