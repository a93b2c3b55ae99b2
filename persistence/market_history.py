"""What anyone may ask about the past of a market: its trades, and its candles of every interval.

Each answer comes with the last trade of any instrument that the tables have, read in the same snapshot: whoever keeps
newer ones in memory knows from it what is missing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from persistence.database import Pool
from persistence.fold import TradeRow
from persistence.history import ROWS_MAX
from persistence.projections import CONSUMER

WIDTHS_S: Final = (1, 60, 900, 86_400)  # of the stored candles
_LAST_TRADE: Final = "SELECT coalesce(max(trade_id), 0) FROM trades"
_TRADES: Final = f"SELECT {', '.join(TradeRow._fields)} FROM trades"  # noqa: S608


class CandleRow(NamedTuple):
    """The trades of an interval that opens at `open_s`, seconds since 1970 UTC; there is at least one."""

    open_s: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    qty_lots: int
    quote_usdc_micros: int
    trades: int
    first_trade_id: int
    last_trade_id: int
    taker_buy_lots: int
    taker_buy_usdc_micros: int


async def last_trade_id(pool: Pool) -> int:
    """Of all instruments; 0 where there is none."""
    return int(await pool.fetchval(_LAST_TRADE))


async def projected_seq(pool: Pool) -> int:
    """The last command that the tables have; 0 where they have none."""
    return int(await pool.fetchval("SELECT seq FROM journal_cursors WHERE consumer = $1", CONSUMER) or 0)


async def market_trades(
    pool: Pool,
    instrument: int,
    *,
    from_trade_id: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
) -> tuple[list[TradeRow], int]:
    """Trades in [start_ns, end_ns] by trade_id: the first `limit` with trade_id >= from_trade_id or from the start
    on, or, without either, the last `limit`; and the last trade that the tables have."""
    oldest_first = from_trade_id is not None or start_ns is not None
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        low, high = from_trade_id or 0, 2**63 - 1
        if start_ns is not None:
            found = await connection.fetchval(
                "SELECT first_trade_id FROM candles WHERE instrument = $1 AND width_s = 1 AND open_s >= $2"
                " ORDER BY open_s LIMIT 1",
                instrument,
                start_ns // 10**9,
            )
            low = max(low, high if found is None else found)
        if end_ns is not None:
            found = await connection.fetchval(
                "SELECT last_trade_id FROM candles WHERE instrument = $1 AND width_s = 1 AND open_s <= $2"
                " ORDER BY open_s DESC LIMIT 1",
                instrument,
                end_ns // 10**9,
            )
            high = -1 if found is None else found
        rows = await connection.fetch(
            f"{_TRADES} WHERE instrument = $1 AND trade_id BETWEEN $2 AND $3 AND time_ns BETWEEN $4 AND $5"
            f" ORDER BY trade_id {'ASC' if oldest_first else 'DESC'} LIMIT $6",
            instrument,
            low,
            high,
            start_ns or 0,
            2**63 - 1 if end_ns is None else end_ns,
            min(limit, ROWS_MAX),
        )
        last = await connection.fetchval(_LAST_TRADE)
    return sorted(TradeRow(*row) for row in rows), last


async def candles(
    pool: Pool, instrument: int, width_s: int, bounds_s: Sequence[int]
) -> tuple[list[CandleRow], CandleRow | None, int]:
    """The candles of the intervals [bounds_s[i], bounds_s[i + 1]), by time, without those that have no trade; the last
    stored candle before them all; and the last trade that the tables have.

    width_s   of the stored candles to add up, one of WIDTHS_S
    bounds_s  n >= 2, ascending, multiples of width_s
    """
    assert width_s in WIDTHS_S
    assert all(bound % width_s == 0 for bound in bounds_s)
    columns = ", ".join(CandleRow._fields)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(
            "SELECT ($3::bigint[])[width_bucket(open_s, $3::bigint[])], (array_agg(open_ticks ORDER BY open_s))[1],"
            " max(high_ticks), min(low_ticks), (array_agg(close_ticks ORDER BY open_s DESC))[1],"
            " sum(qty_lots)::bigint, sum(quote_usdc_micros)::bigint, sum(trades)::bigint, min(first_trade_id),"
            " max(last_trade_id), sum(taker_buy_lots)::bigint, sum(taker_buy_usdc_micros)::bigint"
            " FROM candles WHERE instrument = $1 AND width_s = $2 AND open_s >= $4 AND open_s < $5"
            " GROUP BY 1 ORDER BY 1",
            instrument,
            width_s,
            list(bounds_s),
            bounds_s[0],
            bounds_s[-1],
        )
        before = await connection.fetchrow(
            f"SELECT {columns} FROM candles WHERE instrument = $1 AND width_s = $2 AND open_s < $3"  # noqa: S608
            " ORDER BY open_s DESC LIMIT 1",
            instrument,
            width_s,
            bounds_s[0],
        )
        last = await connection.fetchval(_LAST_TRADE)
    return [CandleRow(*row) for row in rows], None if before is None else CandleRow(*before), last


async def first_trade_s(pool: Pool, instrument: int) -> int | None:
    """The second of the instrument's first trade; None where it has none."""
    found: int | None = await pool.fetchval(
        "SELECT open_s FROM candles WHERE instrument = $1 AND width_s = 1 ORDER BY open_s LIMIT 1", instrument
    )
    return found
