"""The book alone: the same orders and cancels without accounts, and the fills they must bring.

The records are those of engine/core/bare_book.hpp. A market order becomes a limit order at the collar that the whole
engine gave it and that does not rest; what was refused is left out, so that both number their orders alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import CommandKind, EventKind, TimeInForce
from engine.wire import COMMAND_DTYPE, EVENT_DTYPE

BARE_COMMAND: Final = np.dtype(
    [("price_ticks", "<i8"), ("qty_lots", "<i8"), ("is_cancel", "u1"), ("side", "u1"), ("rests", "u1"), ("zero", "V5")]
)
BARE_FILL: Final = np.dtype([("maker", "<u8"), ("taker", "<u8"), ("price_ticks", "<i8"), ("lots", "<i8")])


class BareFlow:
    """A workload's commands for a bare book, and its fills as the whole engine told them."""

    def __init__(self) -> None:
        self.setup = b""
        self.batches: list[bytes] = []
        self.fills: list[bytes] = []
        self._setup_taken = False

    def take(self, commands: bytes, events: bytes) -> None:
        """One batch and what it brought; the first is the setup."""
        rows = np.frombuffer(events, EVENT_DTYPE)
        bare = _bare_commands(np.frombuffer(commands, COMMAND_DTYPE), rows).tobytes()
        if not self._setup_taken:
            self.setup, self._setup_taken = bare, True
            return
        self.batches.append(bare)
        trades = rows[rows["kind"] == EventKind.TRADE]
        fills = np.zeros(len(trades), BARE_FILL)
        for name, slot in (("maker", "b"), ("taker", "c"), ("price_ticks", "d"), ("lots", "e")):
            fills[name] = trades[slot]
        self.fills.append(fills.tobytes())


def _bare_commands(commands: npt.NDArray[np.void], events: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    accepted = events[events["kind"] == EventKind.ACCEPTED]
    at = (accepted["seq"] - commands["seq"][0]).astype(np.int64)
    bare = np.zeros(len(commands), BARE_COMMAND)
    cancels = commands["kind"] == CommandKind.CANCEL
    bare["is_cancel"] = cancels
    bare["qty_lots"] = np.where(cancels, commands["e"], 0)
    bare["side"] = commands["side"]
    bare["rests"] = commands["time_in_force"] == TimeInForce.GTC
    bare["price_ticks"][at] = accepted["b"]
    bare["qty_lots"][at] = accepted["c"]
    taken = cancels.copy()
    taken[at] = True
    refused = events[events["kind"] == EventKind.REJECTED]
    taken[(refused["seq"] - commands["seq"][0]).astype(np.int64)] = False
    kept: npt.NDArray[np.void] = bare[taken]
    return kept
