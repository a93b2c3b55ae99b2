"""What an engine answered, in three numbers: two engines that agree in them did the same work."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from engine.types import EventKind
from engine.wire import EVENT_DTYPE


class Outcome(NamedTuple):
    """Trades, lots traded, and the SHA-256 of all events."""

    trades: int
    lots: int
    digest: str


class Tally:
    """Takes events batch by batch."""

    def __init__(self) -> None:
        self._trades = self._lots = 0
        self._sha256 = hashlib.sha256()

    def take(self, events: bytes) -> None:
        rows = np.frombuffer(events, EVENT_DTYPE)
        traded = rows["e"][rows["kind"] == EventKind.TRADE]
        self._trades += len(traded)
        self._lots += int(traded.sum())
        self._sha256.update(events)

    def outcome(self) -> Outcome:
        return Outcome(self._trades, self._lots, self._sha256.hexdigest())
