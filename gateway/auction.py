"""A market's call auctions as the public sees them: the phase, what a call comes to so far, and the last uncross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.types import EventKind, Phase
from gateway.channels import Events, Payload
from gateway.markets import Market

PHASE: Final = int(EventKind.PHASE_CHANGED)
INDICATIVE: Final = int(EventKind.INDICATIVE)
UNCROSS: Final = int(EventKind.AUCTION)
NAMES: Final = {PHASE: "PHASE", INDICATIVE: "INDICATIVE", UNCROSS: "UNCROSS"}
Row = tuple[Any, ...]  # an event's slots in the order of wire.EVENT_SLOTS


@dataclass(frozen=True, slots=True)
class Crossing:
    """Zeros: nothing would trade, or did."""

    price_ticks: int = 0
    volume_lots: int = 0
    imbalance_lots: int = 0  # buys less sells
    time_ns: int = 0  # 0: none was told since the exchange started


class AuctionStream(Events):
    """The stream `<symbol>@auction`, and how things stand for who asks."""

    def __init__(self, market: Market, until_ns: int) -> None:
        super().__init__(f"{market.symbol.lower()}@auction")
        self._market = market
        self._until_ns = until_ns
        self._indicative = Crossing()
        self._last = Crossing()

    def take(self, event: Row, time_ns: int) -> None:
        """A phase, an indicative price or an uncross of this market."""
        kind = event[1]
        crossing = Crossing(event[5], event[6], event[7], time_ns)
        if kind == PHASE:
            self._market.phase, self._until_ns, self._indicative = event[15], event[5], Crossing()
            crossing = Crossing()
        elif kind == INDICATIVE:
            self._indicative = crossing
        else:
            self._last = crossing
            self._market.reference_ticks = crossing.price_ticks or self._market.reference_ticks
        if self.subscribers:
            self.add(self._payload(NAMES[kind], crossing, Phase(event[15]).name, time_ns))

    def _payload(self, name: str, crossing: Crossing, phase: str, time_ns: int) -> Payload:
        head, until_ns, body = f'"s":"{self._market.symbol}","x":"{name}","P":"{phase}"', self._until_ns, ""
        if name != "PHASE":
            market = self._market
            body = (
                f',"p":"{market.price[crossing.price_ticks]}","q":"{market.qty[crossing.volume_lots]}",'
                f'"i":"{market.qty[crossing.imbalance_lots]}"'
            )
        return lambda unit_ns: (
            f'{{"e":"auction","E":{time_ns // unit_ns},{head},"T":{until_ns // unit_ns if until_ns else "null"}{body}}}'
        )

    def answer(self, status: str, unit_ns: int) -> str:
        """How it stands, as JSON."""
        market, until_ns = self._market, self._until_ns
        return (
            f'{{"symbol":"{market.symbol}","status":"{status}","phase":"{Phase(market.phase).name}",'
            f'"endTime":{until_ns // unit_ns if until_ns else "null"},'
            f'"indicative":{self._crossing_json(self._indicative, unit_ns)},'
            f'"lastUncross":{self._crossing_json(self._last, unit_ns)}}}'
        )

    def _crossing_json(self, crossing: Crossing, unit_ns: int) -> str:
        if not crossing.time_ns:
            return "null"
        market = self._market
        return (
            f'{{"price":"{market.price[crossing.price_ticks]}","qty":"{market.qty[crossing.volume_lots]}",'
            f'"imbalance":"{market.qty[crossing.imbalance_lots]}","time":{crossing.time_ns // unit_ns}}}'
        )
