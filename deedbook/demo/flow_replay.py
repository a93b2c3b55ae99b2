"""Plays order flow onto one instrument through real websockets, so that the book goes through what the rows say.

Rows of different accounts travel on different sockets and may overtake each other. Where that would change what
happens, the later row waits for the answer to the earlier one; otherwise many are under way at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic_ns
from typing import Final

from deedbook.demo.client import TradingSession
from deedbook.demo.flow import FlowOrder, Op
from deedbook.demo.flow_cast import Cast
from deedbook.demo.instrument import Instrument
from deedbook.demo.pacer import Pacer
from deedbook.demo.socket import LOST, Answer, SessionError

WINDOW: Final = 128  # rows under way
Waiting = tuple[FlowOrder, int, asyncio.Future[Answer]]  # with the account's index


class FlowReplay:
    """One tick and one lot of the file are one tick and one lot of the instrument; sessions are in the cast's order.

    A file's order id becomes a client order id, so an account can play a row once only.
    """

    def __init__(self, sessions: Sequence[TradingSession], cast: Cast, instrument: Instrument, run_id: str) -> None:
        assert len(sessions) == len(cast), "one session for each account of the cast"
        self._sessions = sessions
        self._cast = cast
        self._instrument = instrument
        self._run_id = run_id
        self._waiting: deque[Waiting] = deque()
        self._totals: dict[int, int] = {}  # lots of an order by id, reductions taken off
        self.rows_played = 0

    async def play(self, rows: Sequence[FlowOrder], seconds: float | None, pacer: Pacer) -> None:
        """Send every row, with its time compressed to fit `seconds`; None: as fast as answers come.

        Returns when all are answered; what rests then is left resting. Raises SessionError where a session is lost.
        """
        start_ns = monotonic_ns()
        first_ns, span_ns = rows[0].ts_ns, max(rows[-1].ts_ns - rows[0].ts_ns, 1)
        for row in rows:
            intended_ns = None
            if seconds is not None:
                intended_ns = start_ns + (row.ts_ns - first_ns) * int(seconds * 10**9) // span_ns
                await pacer.until(intended_ns)
            await self._clear_the_way(row)
            account = self._cast.account_of(row)
            self._waiting.append((row, account, self._send(self._sessions[account], row, intended_ns)))
            self.rows_played += 1
        while self._waiting:
            await self._oldest()

    async def leave(self) -> None:
        """Cancel all that rests; returns when the sessions know it."""
        await asyncio.gather(*(session.leave() for session in self._sessions))

    async def _clear_the_way(self, row: FlowOrder) -> None:
        account = self._cast.account_of(row)
        while len(self._waiting) >= WINDOW or self._must_wait(row, account):
            await self._oldest()

    def _must_wait(self, row: FlowOrder, account: int) -> bool:
        return any(
            other != account and not answer.done() and depends(row, earlier) for earlier, other, answer in self._waiting
        )

    async def _oldest(self) -> None:
        _, _, answer = self._waiting.popleft()
        if (await answer).reason == LOST:
            raise SessionError("a session of the replay is lost")

    def _send(self, session: TradingSession, row: FlowOrder, intended_ns: int | None) -> asyncio.Future[Answer]:
        instrument, client_order_id = self._instrument, f"{self._run_id}-{row.order_id}"
        if row.op is Op.CANCEL:
            return session.cancel(client_order_id, instrument, intended_ns=intended_ns)
        if row.op is Op.REDUCE:
            self._totals[row.order_id] -= row.qty_lots
            total_lots = self._totals[row.order_id]
            return session.amend(client_order_id, instrument, total_lots, intended_ns=intended_ns)
        self._totals[row.order_id] = row.qty_lots
        return session.place_limit(
            instrument,
            is_buy=row.is_buy,
            price_ticks=row.price_ticks,
            qty_lots=row.qty_lots,
            time_in_force="IOC" if row.op is Op.TAKE else "GTC",
            client_order_id=client_order_id,
            intended_ns=intended_ns,
        )


def depends(row: FlowOrder, earlier: FlowOrder) -> bool:
    """Whether the book, or a fill, could come out differently if these two rows changed places.

    A take depends on everything and everything on it; an order on those that queue at its price, and on what leaves the
    other side where it would have crossed. Two rows of one account travel on one socket and keep their order anyway.
    """
    if Op.TAKE in (row.op, earlier.op):
        return True
    if Op.PLACE not in (row.op, earlier.op):
        return False
    if row.is_buy == earlier.is_buy:
        return row.op is earlier.op and row.price_ticks == earlier.price_ticks
    bid, ask = (row, earlier) if row.is_buy else (earlier, row)
    return bid.price_ticks >= ask.price_ticks
