"""What traders ask about the past: their orders and trades, from the projected tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from persistence.database import Pool
from persistence.fold import ORDER_COLUMNS, AmendmentRow, ListRow, OrderRow, TradeRow

ROWS_MAX: Final = 1_000  # of one answer
_ORDERS: Final = f"SELECT {', '.join(ORDER_COLUMNS)} FROM orders"  # noqa: S608
_LISTS: Final = f"SELECT {', '.join(ListRow._fields)} FROM order_lists"  # noqa: S608
# Where a trade stands: the journal's word where it is final, else settlement's on the batch that holds it. A batch that
# is FINAL in settlement's table only is MINED here: the engine has not said yet what became of its trades.
_TRADES: Final = f"""
    SELECT {", ".join(f"t.{column}" for column in TradeRow._fields)},
        CASE WHEN s.reason = 0 THEN 'FINAL' WHEN s.reason > 0 THEN 'FAILED' WHEN b.state = 'SUBMITTED' THEN 'SUBMITTED'
            WHEN b.state IN ('MINED', 'FINAL') THEN 'MINED' ELSE 'MATCHED' END,
        coalesce(s.reason, 0), coalesce(s.batch_id, b.batch_id, 0), coalesce(s.block, b.mined_block, 0),
        coalesce(s.transaction_hash, b.mined_transaction, ''), taker.list_id, maker.list_id
    FROM trades AS t LEFT JOIN trade_settlements AS s USING (trade_id)
    JOIN orders AS taker ON taker.order_id = t.taker_order_id JOIN orders AS maker ON maker.order_id = t.maker_order_id
    LEFT JOIN LATERAL (
        SELECT * FROM settlement_batches
        WHERE s.trade_id IS NULL AND trade_after < t.trade_id ORDER BY batch_id DESC LIMIT 1
    ) AS b ON t.trade_id <= b.trade_last
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class PastTrade:
    """A trade as it stands on its way to the chain; cash in USDC micros, times in ns since 1970.

    state   MATCHED, SUBMITTED, MINED, FINAL or FAILED; `reason` (engine.types.Reason) says why it failed, else 0
    batch_id, block, transaction_hash   0 and empty while not known
    """

    trade_id: int
    seq: int
    time_ns: int
    instrument: int
    taker_side: int
    taker_account: int
    maker_account: int
    taker_order_id: int
    maker_order_id: int
    price_ticks: int
    qty_lots: int
    notional_usdc_micros: int
    taker_fee_usdc_micros: int
    maker_fee_usdc_micros: int
    state: str
    reason: int
    batch_id: int
    block: int
    transaction_hash: bytes
    taker_list_id: int  # of the order lists that the two orders are legs of; 0: of none
    maker_list_id: int


async def order_by_id(pool: Pool, account: int, order_id: int) -> OrderRow | None:
    """The account's order, or None; an order of another account is None too."""
    return _order(await pool.fetchrow(f"{_ORDERS} WHERE order_id = $1 AND account = $2", order_id, account))


async def order_by_client_id(pool: Pool, account: int, client_order_id: bytes) -> OrderRow | None:
    """The account's latest order with this client id: an id may be used again a day after its order closed."""
    if not client_order_id:
        return None
    return _order(
        await pool.fetchrow(
            f"{_ORDERS} WHERE account = $1 AND client_order_id = $2 AND client_order_id <> ''"
            " ORDER BY order_id DESC LIMIT 1",
            account,
            client_order_id,
        )
    )


async def orders_of(
    pool: Pool,
    account: int,
    instrument: int,
    *,
    from_order_id: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
) -> list[OrderRow]:
    """The account's orders in an instrument by order_id: the first `limit` with order_id >= from_order_id, or, without
    one, the last `limit`; accepted in [start_ns, end_ns]."""
    rows = await pool.fetch(
        f"{_ORDERS} WHERE account = $1 AND instrument = $2 AND order_id >= $3 AND accepted_ns BETWEEN $4 AND $5"
        f" ORDER BY order_id {_direction(from_order_id)} LIMIT $6",
        account,
        instrument,
        *_bounds(from_order_id, start_ns, end_ns, limit),
    )
    return sorted((OrderRow(*row) for row in rows), key=lambda order: order.order_id)


async def amendments_of(pool: Pool, account: int, order_id: int, *, from_seq: int, limit: int) -> list[AmendmentRow]:
    """The first `limit` amendments, from a seq on, of an order of the account."""
    rows = await pool.fetch(
        "SELECT a.order_id, seq, time_ns, a.qty_lots, removed_lots FROM order_amendments AS a"
        " JOIN orders AS o USING (order_id) WHERE order_id = $1 AND account = $2 AND seq >= $3 ORDER BY seq LIMIT $4",
        order_id,
        account,
        from_seq,
        min(limit, ROWS_MAX),
    )
    return [AmendmentRow(*row) for row in rows]


async def list_by_id(pool: Pool, account: int, list_id: int) -> ListRow | None:
    """The account's list, or None; a list of another account is None too."""
    return _list(await pool.fetchrow(f"{_LISTS} WHERE list_id = $1 AND account = $2", list_id, account))


async def list_by_client_id(pool: Pool, account: int, list_client_order_id: bytes) -> ListRow | None:
    """The account's latest list with this client id."""
    if not list_client_order_id:
        return None
    return _list(
        await pool.fetchrow(
            f"{_LISTS} WHERE account = $1 AND list_client_order_id = $2 AND list_client_order_id <> ''"
            " ORDER BY list_id DESC LIMIT 1",
            account,
            list_client_order_id,
        )
    )


async def lists_of(
    pool: Pool,
    account: int,
    *,
    from_list_id: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
) -> list[ListRow]:
    """The account's lists by list_id, bounded as `orders_of`, but placed or done in [start_ns, end_ns]."""
    rows = await pool.fetch(
        f"{_LISTS} WHERE account = $1 AND list_id >= $2 AND greatest(listed_ns, done_ns) BETWEEN $3 AND $4"
        f" ORDER BY list_id {_direction(from_list_id)} LIMIT $5",
        account,
        *_bounds(from_list_id, start_ns, end_ns, limit),
    )
    return sorted(ListRow(*row) for row in rows)


async def legs_of(pool: Pool, lists: Sequence[ListRow]) -> dict[int, list[tuple[int, bytes]]]:
    """By list: the order id and client order id of each leg, in their order."""
    rows = await pool.fetch(
        "SELECT list_id, order_id, client_order_id FROM unnest($1::bigint[], $2::int[]) AS l (id, legs)"
        " JOIN orders ON order_id BETWEEN l.id AND l.id + l.legs - 1 ORDER BY order_id",
        [each.list_id for each in lists],
        [each.legs for each in lists],
    )
    legs: dict[int, list[tuple[int, bytes]]] = {each.list_id: [] for each in lists}
    for list_id, order_id, client_order_id in rows:
        legs[list_id].append((order_id, client_order_id))
    return legs


async def trades_of(
    pool: Pool,
    account: int,
    instrument: int,
    *,
    order_id: int | None = None,
    from_trade_id: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
) -> list[PastTrade]:
    """The account's trades in an instrument by trade_id, bounded as `orders_of`, of one order if given.

    A trade between two orders of the same account comes once.
    """
    sides = (
        f"(SELECT trade_id FROM trades WHERE {side}_account = $1 AND instrument = $2 AND trade_id >= $3"  # noqa: S608
        f" AND time_ns BETWEEN $4 AND $5 AND ($7::bigint IS NULL OR {side}_order_id = $7)"
        f" ORDER BY trade_id {_direction(from_trade_id)} LIMIT $6)"
        for side in ("taker", "maker")
    )
    rows = await pool.fetch(
        f"{_TRADES} WHERE trade_id IN ({' UNION '.join(sides)}) ORDER BY trade_id {_direction(from_trade_id)} LIMIT $6",
        account,
        instrument,
        *_bounds(from_trade_id, start_ns, end_ns, limit),
        order_id,
    )
    return sorted((PastTrade(*row) for row in rows), key=lambda trade: trade.trade_id)


async def latest_orders(
    pool: Pool,
    accounts: Sequence[int],
    *,
    instrument: int | None = None,
    is_open: bool | None = None,
    before_order_id: int | None = None,
    limit: int = 100,
) -> list[OrderRow]:
    """Orders of all these accounts, newest first: of one instrument or of all, open or closed or both."""
    rows = await pool.fetch(
        "SELECT found.* FROM unnest($1::bigint[]) AS a (account) CROSS JOIN listings AS l"  # noqa: S608
        f" CROSS JOIN LATERAL ({_ORDERS} WHERE account = a.account AND instrument = l.instrument AND order_id < $2"
        " AND ($4::boolean IS NULL OR (open_lots > 0) = $4) ORDER BY order_id DESC LIMIT $3) AS found"
        " WHERE $5::int IS NULL OR l.instrument = $5 ORDER BY order_id DESC LIMIT $3",
        list(accounts),
        2**63 - 1 if before_order_id is None else before_order_id,
        min(limit, ROWS_MAX),
        is_open,
        instrument,
    )
    return [OrderRow(*row) for row in rows]


async def latest_trades(
    pool: Pool,
    accounts: Sequence[int],
    *,
    instrument: int | None = None,
    before_trade_id: int | None = None,
    limit: int = 100,
) -> list[PastTrade]:
    """Trades of all these accounts, newest first, of one instrument or of all; each comes once."""
    sides = (
        "(SELECT found.trade_id FROM unnest($1::bigint[]) AS a (account) CROSS JOIN listings AS l"  # noqa: S608
        f" CROSS JOIN LATERAL (SELECT trade_id FROM trades WHERE {side}_account = a.account"
        " AND instrument = l.instrument AND trade_id < $2 ORDER BY trade_id DESC LIMIT $3) AS found"
        " WHERE $4::int IS NULL OR l.instrument = $4 ORDER BY trade_id DESC LIMIT $3)"
        for side in ("taker", "maker")
    )
    rows = await pool.fetch(
        f"{_TRADES} WHERE trade_id IN ({' UNION '.join(sides)}) ORDER BY trade_id DESC LIMIT $3",
        list(accounts),
        2**63 - 1 if before_trade_id is None else before_trade_id,
        min(limit, ROWS_MAX),
        instrument,
    )
    return [PastTrade(*row) for row in rows]


def _direction(from_id: int | None) -> str:
    return "DESC" if from_id is None else "ASC"


def _bounds(from_id: int | None, start_ns: int | None, end_ns: int | None, limit: int) -> tuple[int, int, int, int]:
    return from_id or 0, start_ns or 0, 2**63 - 1 if end_ns is None else end_ns, min(limit, ROWS_MAX)


def _list(row: Any) -> ListRow | None:
    return None if row is None else ListRow(*row)


def _order(row: Any) -> OrderRow | None:
    return None if row is None else OrderRow(*row)
