"""Memory of a resting order: what a process of its own grows by, resident, while orders rest in its engine."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from bench.flow import INSTRUMENT, START_NS, Flow
from engine.engines import engine_class
from engine.types import CommandKind, OrderType, TimeInForce
from engine.wire import COMMAND_DTYPE

BATCH: Final = 4_096
ACCOUNTS: Final = 200
LEVELS: Final = 20_000  # prices on each side
MID_TICKS: Final = 100_000
BATCHES_BEFORE: Final = 2  # applied before the first look, so that buffers have their size


def bytes_an_order(orders: int, engine: str | None, with_ids: bool) -> float:
    """Of `orders` resting ones; with_ids: each with a client order id of its own."""
    with get_context("spawn").Pool(1) as pool:
        grown, count = pool.apply(_grown, (orders, engine, with_ids))
    return grown / count


def _grown(orders: int, engine_name: str | None, with_ids: bool) -> tuple[int, int]:
    engine = engine_class(engine_name)()
    engine.apply(Flow(1, 0, ACCOUNTS).setup())
    for _ in range(BATCHES_BEFORE):
        engine.apply(resting(engine.seq + 1, BATCH, with_ids))
    before = _resident_bytes()
    batches = max(1, orders // BATCH)
    for _ in range(batches):
        engine.apply(resting(engine.seq + 1, BATCH, with_ids))
    return _resident_bytes() - before, batches * BATCH


def resting(first_seq: int, count: int, with_ids: bool) -> bytes:
    """`count` limit orders that meet nothing, spread over accounts and prices."""
    rows = np.zeros(count, COMMAND_DTYPE)
    seqs = np.arange(first_seq, first_seq + count)
    mixed = (seqs * 2_654_435_761) % 2**32
    rows["seq"], rows["time_ns"], rows["kind"] = seqs, START_NS * 2, CommandKind.PLACE
    rows["side"], rows["order_type"], rows["time_in_force"] = seqs % 2, OrderType.LIMIT, TimeInForce.GTC
    rows["instrument"], rows["account"] = INSTRUMENT, 2 + mixed % (ACCOUNTS - 1)
    away_ticks = 1 + mixed % LEVELS
    rows["a"] = np.where(seqs % 2 == 0, MID_TICKS - away_ticks, MID_TICKS + away_ticks)
    rows["b"] = 1 + mixed % 100
    if with_ids:
        rows["text"] = np.array([b"%036d" % seq for seq in seqs.tolist()], "S36").view("V36")
    return rows.tobytes()


def _resident_bytes() -> int:
    """Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
