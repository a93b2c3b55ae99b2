"""What the gateway asks of the database: orders, trades and candles that it has let go itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from engine.types import Reason
from gateway.candles import Candle
from gateway.history import HistoryAwayError, PastList, PastOrder, PastTrade, Range
from gateway.order_lists import Member
from gateway.orders import FILLED, NEW, PARTIALLY_FILLED, PENDING_NEW, Amendment, end_status
from persistence import history, market_history
from persistence.database import Pool, connect
from persistence.fold import ListRow, OrderRow, TradeRow
from persistence.projections import DATABASE_AWAY

CONNECTIONS_MAX = 2  # beside the market's work, never in its way
ANSWER_S_MAX = 2.0
AWAY_S = 1.0  # how long nobody waits again for a database that did not answer


class Past:
    """A `gateway.history.History` from the projected tables; it connects when it is first asked."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pool: Pool | None = None
        self._away_until_s = 0.0

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def order(
        self, account: int, instrument: int, order_id: int | None, client_order_id: str | None
    ) -> PastOrder | None:
        async with self._asking() as pool:
            if order_id is not None:
                row = await history.order_by_id(pool, account, order_id)
            else:
                row = await history.order_by_client_id(pool, account, (client_order_id or "").encode())
        return None if row is None or row.instrument != instrument else _order(row)

    async def orders(self, account: int, instrument: int, rows: Range) -> Sequence[PastOrder]:
        async with self._asking() as pool:
            found = await history.orders_of(
                pool,
                account,
                instrument,
                from_order_id=rows.from_id,
                start_ns=rows.start_time_ns,
                end_ns=rows.end_time_ns,
                limit=rows.limit,
            )
        return [_order(row) for row in found]

    async def amendments(self, account: int, order_id: int, from_execution_id: int, limit: int) -> Sequence[Amendment]:
        async with self._asking() as pool:
            found = await history.amendments_of(pool, account, order_id, from_seq=from_execution_id, limit=limit)
        return [Amendment(row.seq, row.time_ns, row.qty_lots, row.removed_lots) for row in found]

    async def trades(self, account: int, instrument: int, rows: Range) -> Sequence[PastTrade]:
        async with self._asking() as pool:
            found = await history.trades_of(
                pool,
                account,
                instrument,
                order_id=rows.order_id,
                from_trade_id=rows.from_id,
                start_ns=rows.start_time_ns,
                end_ns=rows.end_time_ns,
                limit=rows.limit,
            )
        return [_trade(row) for row in found]

    async def order_list(self, account: int, list_id: int | None, client_order_id: str | None) -> PastList | None:
        async with self._asking() as pool:
            if list_id is not None:
                row = await history.list_by_id(pool, account, list_id)
            else:
                row = await history.list_by_client_id(pool, account, (client_order_id or "").encode())
            return None if row is None else (await _lists(pool, [row]))[0]

    async def order_lists(self, account: int, rows: Range) -> Sequence[PastList]:
        async with self._asking() as pool:
            found = await history.lists_of(
                pool,
                account,
                from_list_id=rows.from_id,
                start_ns=rows.start_time_ns,
                end_ns=rows.end_time_ns,
                limit=rows.limit,
            )
            return await _lists(pool, found)

    async def last_trade_id(self) -> int:
        async with self._asking() as pool:
            return await market_history.last_trade_id(pool)

    async def projected_seq(self) -> int:
        async with self._asking() as pool:
            return await market_history.projected_seq(pool)

    async def first_trade_s(self, instrument: int) -> int | None:
        async with self._asking() as pool:
            return await market_history.first_trade_s(pool, instrument)

    async def market_trades(self, instrument: int, rows: Range) -> tuple[Sequence[PastTrade], int]:
        async with self._asking() as pool:
            found, last_id = await market_history.market_trades(
                pool,
                instrument,
                from_trade_id=rows.from_id,
                start_ns=rows.start_time_ns,
                end_ns=rows.end_time_ns,
                limit=rows.limit,
            )
        return [_public_trade(row) for row in found], last_id

    async def candles(
        self, instrument: int, width_s: int, bounds_s: Sequence[int]
    ) -> tuple[Sequence[Candle], Candle | None, int]:
        async with self._asking() as pool:
            found, before, last_id = await market_history.candles(pool, instrument, width_s, bounds_s)
        return [Candle(*row) for row in found], None if before is None else Candle(*before), last_id

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Pool]:
        """The pool; HistoryAwayError where the database does not answer, at once if it did not a moment ago."""
        if time.monotonic() < self._away_until_s:
            raise HistoryAwayError("the database did not answer")
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                yield await self._connected()
        except DATABASE_AWAY as error:
            self._away_until_s = time.monotonic() + AWAY_S
            raise HistoryAwayError(f"the database does not answer: {type(error).__name__}") from error

    async def _connected(self) -> Pool:
        if self._pool is None:
            self._pool = await connect(self._database_url, connections_max=CONNECTIONS_MAX)
        return self._pool


def _order(row: OrderRow) -> PastOrder:
    if row.close_reason:
        status = end_status(row.close_reason)
    elif row.is_pending:
        status = PENDING_NEW
    elif row.open_lots:
        status = PARTIALLY_FILLED if row.executed_lots else NEW
    else:
        status = FILLED
    return PastOrder(
        order_id=row.order_id,
        account=row.account,
        instrument=row.instrument,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        price_ticks=row.price_ticks,
        qty_lots=row.qty_lots,
        quote_usdc_micros=row.quote_usdc_micros,
        executed_lots=row.executed_lots,
        executed_usdc_micros=row.executed_usdc_micros,
        expire_time_ns=row.expire_ns,
        self_trade=row.self_trade,
        status=status,
        time_ns=row.accepted_ns,
        update_time_ns=row.changed_ns,
        client_order_id=row.client_order_id.decode("ascii"),
        stop_ticks=row.stop_ticks,
        display_lots=row.display_lots,
        list_id=row.list_id or -1,
    )


async def _lists(pool: Pool, rows: Sequence[ListRow]) -> Sequence[PastList]:
    legs = await history.legs_of(pool, rows)
    return [
        PastList(
            list_id=row.list_id,
            account=row.account,
            instrument=row.instrument,
            kind=row.list_kind,
            client_order_id=row.list_client_order_id.decode("ascii"),
            members=tuple(Member(order_id, client_id.decode("ascii")) for order_id, client_id in legs[row.list_id]),
            time_ns=row.listed_ns,
            update_time_ns=max(row.listed_ns, row.done_ns),
            closed_seq=row.done_seq,
        )
        for row in rows
    ]


def _trade(row: history.PastTrade) -> PastTrade:
    return replace(
        _public_trade(row),
        settlement=row.state,
        reason=Reason(row.reason).name if row.reason else "",
        transaction=f"0x{row.transaction_hash.hex()}" if row.transaction_hash else "",
        taker_list_id=row.taker_list_id or -1,
        maker_list_id=row.maker_list_id or -1,
    )


def _public_trade(row: TradeRow | history.PastTrade) -> PastTrade:
    """Without its settlement, which the public is not told."""
    return PastTrade(
        trade_id=row.trade_id,
        instrument=row.instrument,
        taker_account=row.taker_account,
        maker_account=row.maker_account,
        taker_order_id=row.taker_order_id,
        maker_order_id=row.maker_order_id,
        taker_side=row.taker_side,
        price_ticks=row.price_ticks,
        qty_lots=row.qty_lots,
        taker_fee_usdc_micros=row.taker_fee_usdc_micros,
        maker_fee_usdc_micros=row.maker_fee_usdc_micros,
        time_ns=row.time_ns,
        settlement="",
        reason="",
        transaction="",
    )
