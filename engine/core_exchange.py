"""The exchange in C++ behind the same door as `engine.exchange.Exchange`: bytes in, bytes out."""

from __future__ import annotations

import hashlib

from engine import _core, snapshot
from engine.types import MarketState


class CoreExchange:
    """See `engine.exchange.Exchange`: a broken rule fails an assert, and the exchange is not used any further."""

    def __init__(self) -> None:
        self._core = _core.Exchange()
        self.apply = self._core.apply

    @property
    def seq(self) -> int:
        return self._core.seq

    @property
    def time_ns(self) -> int:
        return self._core.time_ns

    @property
    def next_due_ns(self) -> int:
        return self._core.next_due_ns

    def snapshot(self) -> bytes:
        return self._core.snapshot()

    def state_hash(self) -> bytes:
        return hashlib.sha256(self.snapshot()).digest()

    def state(self) -> MarketState:
        return snapshot.market_state(snapshot.decode(self.snapshot()))

    @classmethod
    def restore(cls, image: bytes) -> CoreExchange:
        """From a snapshot of either engine. Raises ValueError where it is not one of this version."""
        exchange = cls()
        exchange._core.restore(image)
        return exchange
