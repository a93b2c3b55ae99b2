"""What the exchange counts of itself, as Prometheus reads it: from durable frames alone, so no order waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from engine.types import EventKind
from engine.wire import COMMAND_SIZE, EVENT_SIZE, STAMP
from persistence.sequencer import Durable

EVENT_KIND_AT: Final = 8  # behind the event's seq
TRADE: Final = int(EventKind.TRADE)
BUCKETS_S: Final = (
    *(0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.007),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0, 5.0),
)


class Measures:
    """`on_durable` hears of every frame; `now_ns` is the sequencer's clock."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._registry = registry = CollectorRegistry()
        self._commands = Counter("deedbook_commands", "Commands that are durable.", registry=registry)
        self._trades = Counter("deedbook_trades", "Trades that are durable.", registry=registry)
        self._bytes = Counter("deedbook_journal_bytes", "Bytes of commands and events journalled.", registry=registry)
        self._seq = Gauge("deedbook_journal_seq", "The last durable command.", registry=registry)
        self._durable_s = Histogram(
            "deedbook_durable_seconds",
            "From the sequencing of a frame's first command until the frame is on disk and answered.",
            buckets=BUCKETS_S,
            registry=registry,
        )

    def on_durable(self, durable: Durable) -> None:
        commands = len(durable.commands) // COMMAND_SIZE
        self._commands.inc(commands)
        self._trades.inc(durable.events[EVENT_KIND_AT::EVENT_SIZE].count(TRADE))
        self._bytes.inc(len(durable.commands) + len(durable.events))
        self._seq.set(durable.first_seq + commands - 1)
        _, sequenced_ns = STAMP.unpack_from(durable.commands)
        self._durable_s.observe(max(0, self._now_ns() - sequenced_ns) / 10**9)

    def text(self) -> str:
        """As Prometheus reads them."""
        return generate_latest(self._registry).decode()
