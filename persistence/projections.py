"""The projector: writes what the journal says into the tables, its cursor in the same transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import astuple
from typing import Final, Protocol, Self

import asyncpg

from engine.wire import COMMAND_SIZE
from persistence.database import Connection, Pool
from persistence.fold import (
    NO_SEQ_HASH,
    ORDER_COLUMNS,
    AccountRow,
    AmendmentRow,
    BatchRow,
    Changes,
    Fold,
    ListRow,
    OrderRow,
    SettlementRow,
    TradeRow,
    order_record,
)
from persistence.frame import DurableFrame
from persistence.structure import LimitsRow, Structure

CONSUMER: Final = "projections"
COMMANDS_MAX: Final = 50_000  # in one transaction
FRAMES_WAITING_MAX: Final = 1_000
RETRY_S: Final = 1.0
DATABASE_AWAY: Final = (  # it is down, stopping or full, or two wait for each other: another try may succeed
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that died in the midst of a call, when it is given back
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
)
_log: Final = logging.getLogger(__name__)


class CursorMovedError(Exception):
    """Another projector has moved the cursor: two of them run, and this one must stop."""


class Projector:
    """Folds durable frames and writes each run of them in one transaction. After an error make a new one."""

    def __init__(self, pool: Pool, fold: Fold) -> None:
        self._pool = pool
        self._fold = fold
        self._failed = False

    @classmethod
    async def open(cls, pool: Pool) -> Self:
        """A projector that goes on after the last seq in the database."""
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            await connection.execute(
                "INSERT INTO journal_cursors (consumer, seq, frame_hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
                CONSUMER,
                NO_SEQ_HASH,
            )
            cursor = await connection.fetchrow(
                "SELECT seq, frame_hash FROM journal_cursors WHERE consumer = $1", CONSUMER
            )
            orders = await connection.fetch(f"SELECT {', '.join(ORDER_COLUMNS)} FROM orders WHERE open_lots > 0")  # noqa: S608
            listings = await connection.fetch("SELECT instrument, tick_value_usdc_micros FROM listings")
        open_orders = [OrderRow(*order) for order in orders]
        return cls(pool, Fold(cursor["seq"], cursor["frame_hash"], open_orders, dict(map(tuple, listings))))

    @property
    def seq(self) -> int:
        """The last seq that is in the database."""
        return self._fold.seq

    async def apply(self, frames: Sequence[DurableFrame]) -> None:
        """Write consecutive frames in one transaction; those that were written before are passed over.

        Raises  JournalGapError, CursorMovedError, asyncpg.PostgresError or OSError; nothing was written then.
        """
        assert not self._failed, "the fold is ahead of the database"
        self._failed = True
        before = self._fold.seq
        for frame in frames:
            self._fold.apply(frame)
        changes = self._fold.take()
        if self._fold.seq > before:
            async with self._pool.acquire() as connection, connection.transaction():
                await _move_cursor(connection, before, self._fold)
                await write(connection, changes)
        self._failed = False


async def project(pool: Pool, frames_from: Callable[[int], AsyncIterator[DurableFrame]]) -> None:
    """Follow the journal until cancelled, or until `frames_from(first_seq)` ends; waits while the database is away."""
    while True:
        try:
            projector = await Projector.open(pool)
            return await follow(projector, frames_from(projector.seq + 1))
        except DATABASE_AWAY as error:
            _log.warning("projections wait: %s: %s", type(error).__name__, error)
            await asyncio.sleep(RETRY_S)


class Applies(Protocol):
    """Whoever takes consecutive frames in one transaction."""

    async def apply(self, frames: Sequence[DurableFrame]) -> None: ...


async def follow(projector: Applies, frames: AsyncIterator[DurableFrame]) -> None:
    """Write frames as they come; what comes while one transaction runs goes into the next."""
    waiting: asyncio.Queue[DurableFrame | None] = asyncio.Queue(FRAMES_WAITING_MAX)
    reader = asyncio.create_task(_read(frames, waiting))
    try:
        while (frame := await waiting.get()) is not None:
            gathered = [frame]
            size_bytes = len(frame.commands)
            while size_bytes < COMMANDS_MAX * COMMAND_SIZE and not waiting.empty():
                if (frame := waiting.get_nowait()) is None:
                    waiting.put_nowait(None)
                    break
                gathered.append(frame)
                size_bytes += len(frame.commands)
            await projector.apply(gathered)
        await reader
    finally:
        reader.cancel()


async def _read(frames: AsyncIterator[DurableFrame], waiting: asyncio.Queue[DurableFrame | None]) -> None:
    try:
        async for frame in frames:
            await waiting.put(frame)
    finally:
        await waiting.put(None)


async def _move_cursor(connection: Connection, before: int, fold: Fold) -> None:
    moved: str = await connection.execute(
        "UPDATE journal_cursors SET seq = $3, frame_hash = $4, moved_at = now() WHERE consumer = $1 AND seq = $2",
        CONSUMER,
        before,
        fold.seq,
        fold.frame_hash,
    )
    if moved != "UPDATE 1":
        raise CursorMovedError(f"the cursor of {CONSUMER} is not at seq {before} any more: does another projector run?")


async def write(connection: Connection, changes: Changes) -> None:
    """Write the changes into the tables that the connection's search path finds first."""
    await _copy(connection, "accounts", AccountRow._fields, changes.accounts)
    if changes.new_wallets:
        await connection.executemany(
            "UPDATE accounts SET wallet = $2 WHERE account = $1", list(changes.new_wallets.items())
        )
    await _copy(connection, "orders", ORDER_COLUMNS, list(map(order_record, changes.opened_orders.values())))
    await _copy(connection, "order_amendments", AmendmentRow._fields, changes.amendments)
    await _copy(connection, "order_lists", ListRow._fields, list(changes.opened_lists.values()))
    await connection.executemany(
        "UPDATE order_lists SET done_seq = $2, done_ns = $3 WHERE list_id = $1", changes.done_lists
    )
    await _copy(connection, "trades", TradeRow._fields, changes.trades)
    if changes.trades:
        await connection.execute(
            "SELECT add_to_candles($1, $2)", changes.trades[0].trade_id, changes.trades[-1].trade_id
        )
    await _copy(connection, "trade_settlements", SettlementRow._fields, changes.settlements)
    await _copy(connection, "batches", BatchRow._fields, changes.batches)
    await _update_orders(connection, list(changes.changed_orders.values()))
    await _upsert_balances(connection, changes)
    await _upsert_listings(connection, changes)
    await _write_structure(connection, changes.structure)
    for final in changes.finals:
        marked: str = await connection.execute(
            "UPDATE batches SET final_seq = $3, final_block = $4, final_transaction_hash = $5 WHERE batch_id = $1"
            " AND composed_seq = (SELECT max(composed_seq) FROM batches WHERE batch_id = $1 AND payload_hash = $2)",
            *final,
        )
        assert marked == "UPDATE 1", "the engine takes no BatchFinal of a composition that it does not know"


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=columns)


async def _update_orders(connection: Connection, orders: list[OrderRow]) -> None:
    if orders:
        await connection.execute(
            "UPDATE orders SET price_ticks = n.price, stop_ticks = n.stop, qty_lots = n.qty, open_lots = n.open,"
            " executed_lots = n.executed, executed_usdc_micros = n.usdc, close_reason = n.reason, changed_seq = n.seq,"
            " changed_ns = n.ns, is_pending = n.pending FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],"
            " $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::smallint[], $9::bigint[], $10::bigint[],"
            " $11::boolean[])"
            " AS n (id, price, stop, qty, open, executed, usdc, reason, seq, ns, pending) WHERE order_id = n.id",
            [order.order_id for order in orders],
            [order.price_ticks for order in orders],
            [order.stop_ticks for order in orders],
            [order.qty_lots for order in orders],
            [order.open_lots for order in orders],
            [order.executed_lots for order in orders],
            [order.executed_usdc_micros for order in orders],
            [order.close_reason for order in orders],
            [order.changed_seq for order in orders],
            [order.changed_ns for order in orders],
            [order.is_pending for order in orders],
        )


async def _upsert_balances(connection: Connection, changes: Changes) -> None:
    if changes.balances:
        await connection.execute(
            "INSERT INTO balances (account, instrument, free, held, owed_in, owed_out, requested, level, advanced,"
            " position_lots, changed_seq) SELECT * FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[],"
            " $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])"
            " ON CONFLICT (account, instrument) DO UPDATE SET free = excluded.free, held = excluded.held,"
            " owed_in = excluded.owed_in, owed_out = excluded.owed_out, requested = excluded.requested,"
            " level = excluded.level, advanced = excluded.advanced, position_lots = excluded.position_lots,"
            " changed_seq = excluded.changed_seq",
            *map(list, zip(*changes.balances.values(), strict=True)),
        )


async def _upsert_listings(connection: Connection, changes: Changes) -> None:
    await connection.executemany(
        "INSERT INTO listings (instrument, symbol, token, tick_value_usdc_micros) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (instrument) DO UPDATE SET symbol = excluded.symbol, token = excluded.token,"
        " tick_value_usdc_micros = excluded.tick_value_usdc_micros",
        list(changes.listings.values()),
    )


async def _write_structure(connection: Connection, structure: Structure) -> None:
    """After the listings: the rules are theirs."""
    if structure == Structure():
        return
    await connection.executemany(
        "INSERT INTO phases (instrument, phase, ends_ns, changed_ns) VALUES ($1, $2, $3, $4) ON CONFLICT (instrument)"
        " DO UPDATE SET phase = excluded.phase, ends_ns = excluded.ends_ns, changed_ns = excluded.changed_ns",
        list(structure.phases.values()),
    )
    await connection.executemany(
        "UPDATE listings SET reference_ticks = coalesce($2, reference_ticks), static_bps = coalesce($3, static_bps),"
        " dynamic_bps = coalesce($4, dynamic_bps), volatility_call_ns = coalesce($5, volatility_call_ns),"
        " period_ns = coalesce($6, period_ns) WHERE instrument = $1",
        [(number, *astuple(rules)) for number, rules in structure.rules.items()],
    )
    off = [scope for scope, since_ns in structure.switched.items() if since_ns is None]
    await connection.executemany("DELETE FROM kill_switches WHERE (account, instrument) = ($1, $2)", off)
    await connection.executemany(
        "INSERT INTO kill_switches (account, instrument, since_ns) VALUES ($1, $2, $3)"
        " ON CONFLICT (account, instrument) DO UPDATE SET since_ns = excluded.since_ns",
        [(*scope, since_ns) for scope, since_ns in structure.switched.items() if since_ns is not None],
    )
    await connection.executemany(
        "DELETE FROM order_limits WHERE (account, instrument) = ($1, $2)", list(structure.limits)
    )
    limited = [row for row in structure.limits.values() if any(row[2:])]
    await _copy(connection, "order_limits", LimitsRow._fields, limited)
