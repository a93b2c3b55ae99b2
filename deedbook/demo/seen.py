"""What traders saw through their own sockets: for people to read, never for the checks of the demo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Seen:
    """Counts of one session, or of several added up. `rejects` is by code and reason, like `-2010 NOT_PERMITTED`."""

    orders_sent: int = 0
    cancels_sent: int = 0
    amends_sent: int = 0
    acks: int = 0  # answers that took the request
    rejects: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    fills_repeated: int = 0  # must stay 0: a fill is reported once
    filled_usdc_micros: int = 0
    closed: Counter[str] = field(default_factory=Counter)  # orders that ended unfilled, by reason
    settled: Counter[str] = field(default_factory=Counter)  # trades by state, with the reason of a failed one
    held_back: int = 0  # actions left out because too many requests waited for an answer
    sessions_lost: int = 0

    def add(self, other: Seen) -> None:
        for name in ("orders_sent", "cancels_sent", "amends_sent", "acks", "fills", "fills_repeated"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.filled_usdc_micros += other.filled_usdc_micros
        self.held_back += other.held_back
        self.sessions_lost += other.sessions_lost
        self.rejects.update(other.rejects)
        self.closed.update(other.closed)
        self.settled.update(other.settled)


def total(seen: Iterable[Seen]) -> Seen:
    summed = Seen()
    for each in seen:
        summed.add(each)
    return summed
