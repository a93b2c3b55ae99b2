"""Snapshots of many orders: what the follower's replica takes to write one, and what the market notices of it.

The exchange writes none itself: a follower in another process does, from its own replica. So the pause is the slowest
batch of the exchange while another process encodes one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from time import perf_counter_ns

from bench.flow import Flow
from bench.footprint import BATCH, resting
from bench.report import percentiles_us
from engine.engines import Engine, engine_class


def measure(orders: int, batch: int, engine: str | None, seconds: float) -> Mapping[str, bool]:
    """Print the figures; the checks say whether what was restored is the same market."""
    kind = engine_class(engine)
    exchange = _filled(orders, kind)
    start_ns = perf_counter_ns()
    image = exchange.snapshot()
    encoded_ns = perf_counter_ns()
    again = kind.restore(image)
    restored_ns = perf_counter_ns()
    alone_ns = _applied(exchange, batch, seconds)
    context = get_context("spawn")
    ready, done = context.Event(), context.Event()
    replica = context.Process(target=_encode, args=(image, engine, ready, done))
    replica.start()
    try:
        ready.wait()
        beside_ns = _applied(exchange, batch, seconds)
    finally:
        done.set()
        replica.join()
    print(
        f"  snapshot     {orders:,} orders, {len(image) / 1e6:,.1f} MB: encoded by the replica in "
        f"{(encoded_ns - start_ns) / 1e6:,.1f} ms, restored in {(restored_ns - encoded_ns) / 1e9:,.3f} s"
    )
    print(
        f"    the market's batches of {batch} meanwhile  {percentiles_us(beside_ns)}; alone {percentiles_us(alone_ns)}"
    )
    return {"same_image_again": again.snapshot() == image, "replica_encoded": replica.exitcode == 0}


def _filled(orders: int, kind: type[Engine]) -> Engine:
    exchange = kind()
    exchange.apply(Flow(1, 0).setup())
    for done in range(0, orders, BATCH):
        exchange.apply(resting(exchange.seq + 1, min(BATCH, orders - done), with_ids=False))
    return exchange


def _applied(exchange: Engine, batch: int, seconds: float) -> list[int]:
    """Nanoseconds of each batch of further orders, for a while."""
    took_ns: list[int] = []
    end_ns = perf_counter_ns() + int(seconds * 1e9)
    while not took_ns or perf_counter_ns() < end_ns:
        commands = resting(exchange.seq + 1, batch, with_ids=False)
        start_ns = perf_counter_ns()
        exchange.apply(commands)
        took_ns.append(perf_counter_ns() - start_ns)
    return took_ns


def _encode(image: bytes, engine: str | None, ready: Event, done: Event) -> None:
    """The follower's part, in its own process: snapshots until it is told to stop."""
    replica = engine_class(engine).restore(image)
    ready.set()
    while not done.is_set():
        assert replica.snapshot() == image
