"""What the exchange acknowledged is there at the very next look, though the tables follow a moment later."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from api.problem import Problem
from persistence.database import Pool
from persistence.projections import CONSUMER

WAIT_S: Final = 3.0
LOOK_S: Final = 0.01
ACCOUNTS_MAX: Final = 100_000


class Acknowledged:
    """The last seq that each account had an answer of, here; the oldest are forgotten, as the tables have them long."""

    def __init__(self, pool: Pool, wait_s: float = WAIT_S) -> None:
        self._pool = pool
        self._wait_s = wait_s
        self._seqs: OrderedDict[int, int] = OrderedDict()
        self._projected_seq = 0

    def note(self, account: int, seq: int) -> None:
        self._seqs[account] = max(seq, self._seqs.pop(account, 0))
        if len(self._seqs) > ACCOUNTS_MAX:
            self._seqs.popitem(last=False)

    async def seen(self, accounts: Iterable[int]) -> None:
        """Return once the tables hold all that these accounts were told. Raises Problem 503 if that takes too long:
        better no answer than one without an order that was acknowledged."""
        seq = max((self._seqs.get(account, 0) for account in accounts), default=0)
        deadline_s = time.monotonic() + self._wait_s
        while self._projected_seq < seq:
            found = await self._pool.fetchval("SELECT seq FROM journal_cursors WHERE consumer = $1", CONSUMER)
            self._projected_seq = found or 0
            if self._projected_seq >= seq:
                return
            if time.monotonic() > deadline_s:
                raise Problem(
                    503, "CATCHING_UP", "The order books are being brought up to date: try again in a moment."
                )
            await asyncio.sleep(LOOK_S)
