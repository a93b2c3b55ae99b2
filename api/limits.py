"""Calls by address: a bucket that fills with time, for a bounded number of addresses."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

CALLS_A_SECOND: Final = 100
CALLS_AT_ONCE: Final = 400
ADDRESSES_MAX: Final = 100_000


class Limits:
    """An address that was not seen for long is forgotten: its bucket would be full."""

    def __init__(
        self,
        clock_s: Callable[[], float],
        *,
        calls_a_second: float = CALLS_A_SECOND,
        calls_at_once: int = CALLS_AT_ONCE,
        addresses_max: int = ADDRESSES_MAX,
    ) -> None:
        self._clock_s = clock_s
        self._rate = calls_a_second
        self._at_once = calls_at_once
        self._addresses_max = addresses_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # calls left, as of when

    def wait_s(self, address: str) -> int:
        """0 and the call counts, or the whole seconds to wait and it does not."""
        now_s = self._clock_s()
        left, then_s = self._buckets.pop(address, (float(self._at_once), now_s))
        left = min(float(self._at_once), left + (now_s - then_s) * self._rate)
        waits = left < 1
        self._buckets[address] = (left if waits else left - 1, now_s)
        if len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        return math.ceil((1 - left) / self._rate) if waits else 0
