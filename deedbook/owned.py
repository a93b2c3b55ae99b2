"""Orders that end with the gateway which they came through, as the exchange sees them: open, and whose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np

from engine.types import EventKind, TradeFlag
from engine.wire import EVENT, EVENT_DTYPE
from gateway.commands import Commands
from persistence.feed import Peer

ACCEPTED: Final = int(EventKind.ACCEPTED)
PENDING: Final = int(EventKind.PENDING)


class Owned:
    """By order id: its gateway, and the command that cancels it."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[Peer, bytes]] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def take(self, events: bytes, owned: Mapping[int, Peer]) -> None:
        """A frame's events; `owned` has the seqs of commands whose orders end with their gateway."""
        if owned:
            for event in EVENT.iter_unpack(events):
                is_open = event[1] == PENDING or (event[1] == ACCEPTED and event[8] < event[7])  # not executed at once
                if is_open and event[0] in owned:
                    account, instrument, order_id = event[4], event[3], event[5]
                    self._orders[order_id] = (owned[event[0]], Commands.cancel_order(account, instrument, order_id))
        if self._orders:
            for order_id in _done(events):
                self._orders.pop(order_id, None)

    def forget(self, peer: Peer, order_ids: Collection[int] = ()) -> list[bytes]:
        """These orders of a gateway's, or all, are owned no more; returns what cancels them, oldest first."""
        chosen = order_ids or list(self._orders)
        mine = [order_id for order_id in chosen if self._orders.get(order_id, (None,))[0] is peer]
        return [self._orders.pop(order_id)[1] for order_id in mine]


def _done(events: bytes) -> list[int]:
    """The orders that closed or were filled, of those that a frame names."""
    slots = np.frombuffer(events, EVENT_DTYPE)
    kinds, flags = slots["kind"], slots["flags"]
    trades = kinds == EventKind.TRADE
    filled_at_once = (kinds == EventKind.TRIGGERED) & (slots["e"] == 0)
    return [
        *slots["a"][(kinds == EventKind.CLOSED) | filled_at_once].tolist(),
        *slots["b"][trades & ((flags & TradeFlag.MAKER_FILLED) != 0)].tolist(),
        *slots["c"][trades & ((flags & TradeFlag.TAKER_FILLED) != 0)].tolist(),
    ]
