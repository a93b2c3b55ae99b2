"""Follows the journal: each run of frames becomes rows and the cursor in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from persistence.database import Connection, Pool
from persistence.frame import DurableFrame
from settlement.journal_fold import Changes, Composed, Fold, WalletChange, last_seq
from settlement.records import Records
from settlement.restoration import restore_attempt
from settlement.trades import Token

CONSUMER: Final = "settlement"
FRAMES_WAITING_MAX: Final = 1_000
FRAMES_TOGETHER_MAX: Final = 500
_log: Final = logging.getLogger(__name__)


LotOf = Callable[[Token], Awaitable[int | None]]


class LotUnknown(Exception):  # noqa: N818
    """A token is listed whose lot size was never recorded: settlement cannot go on before it is."""


class Intake:
    """Keeps settlement's tables level with the journal.

    frames_from  durable frames from a seq on, without end
    lot_of       how many base units one lot of a token has; None if nobody said so yet
    """

    def __init__(
        self,
        pool: Pool,
        frames_from: Callable[[int], AsyncIterator[DurableFrame]],
        lot_of: LotOf,
    ) -> None:
        self._pool = pool
        self._frames_from = frames_from
        self._lot_of = lot_of
        self._fold: Fold | None = None
        self._arrived = asyncio.Condition()
        self.seq = 0

    async def open(self) -> None:
        """Go on after the last seq in the database."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO journal_cursors (consumer, seq, frame_hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
                CONSUMER,
                bytes(32),
            )
            self.seq = await connection.fetchval("SELECT seq FROM journal_cursors WHERE consumer = $1", CONSUMER)
            rows = await connection.fetch("SELECT instrument, tick_value_usdc_micros FROM settlement_instruments")
            block = await connection.fetchval("SELECT engine_block FROM settlement_state")
        self._fold = Fold({row["instrument"]: row["tick_value_usdc_micros"] for row in rows}, block)

    async def run(self) -> None:
        """Until cancelled or the feed ends. Raises asyncpg errors, OSError, LotUnknown; open a new one then."""
        waiting: asyncio.Queue[DurableFrame | None] = asyncio.Queue(FRAMES_WAITING_MAX)
        reader = asyncio.create_task(self._read(waiting))
        try:
            while (frame := await waiting.get()) is not None:
                gathered = [frame]
                while len(gathered) < FRAMES_TOGETHER_MAX and not waiting.empty():
                    if (frame := waiting.get_nowait()) is None:
                        waiting.put_nowait(None)
                        break
                    gathered.append(frame)
                await self.apply(gathered)
            await reader
        finally:
            reader.cancel()

    async def _read(self, waiting: asyncio.Queue[DurableFrame | None]) -> None:
        try:
            async for frame in self._frames_from(self.seq + 1):
                await waiting.put(frame)
        finally:
            await waiting.put(None)

    async def apply(self, frames: Sequence[DurableFrame]) -> None:
        """Write consecutive frames; those that were written before are passed over."""
        assert self._fold is not None, "not opened"
        before = self.seq
        for frame in frames:
            if last_seq(frame) <= self.seq:
                continue
            assert frame.first_seq == self.seq + 1, "a gap in the feed"
            self._fold.apply(frame)
            self.seq = last_seq(frame)
        if self.seq == before:
            return
        changes = self._fold.take()
        async with self._pool.acquire() as connection, connection.transaction():
            moved: str = await connection.execute(
                "UPDATE journal_cursors SET seq = $3, frame_hash = $4, moved_at = now()"
                " WHERE consumer = $1 AND seq = $2",
                *(CONSUMER, before, self.seq, frames[-1].hash),
            )
            assert moved == "UPDATE 1", "another settlement process moved the cursor"
            await write(connection, changes, self._lot_of)
        async with self._arrived:
            self._arrived.notify_all()

    async def wait_for(self, seq: int) -> None:
        """Until everything up to `seq` is in the tables."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.seq >= seq)


async def write(connection: Connection, changes: Changes, lot_of: LotOf) -> None:
    for listing in changes.listings:
        lot = await lot_of(listing.token)
        if lot is None:
            raise LotUnknown(
                f"instrument {listing.instrument}: no lot size is recorded for token 0x{listing.token.hex()}"
            )
        await connection.execute(
            "INSERT INTO settlement_instruments VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (instrument) DO UPDATE SET fee_account = excluded.fee_account",
            *(listing.instrument, listing.token, listing.fee_account, listing.tick_value_usdc_micros, lot),
        )
    for each in changes.wallets:
        await _write_wallet(connection, each)
    await _copy(connection, "settlement_trades", _TRADE_COLUMNS, [_trade_row(*each) for each in changes.trades])
    await connection.executemany(
        "UPDATE settlement_releases SET state = 'DROPPED', detail = 'a later request took its place'"
        " WHERE account = $1 AND instrument = $2 AND state = 'READY'",
        [(each.account, each.instrument) for each in changes.ready],
    )
    await connection.executemany(
        "INSERT INTO settlement_releases (seq, account, instrument, amount, known_block, state)"
        " VALUES ($1, $2, $3, $4, $5, 'READY') ON CONFLICT DO NOTHING",
        [(each.seq, each.account, each.instrument, each.amount, each.known_block) for each in changes.ready],
    )
    await _write_batches(connection, changes)
    if changes.chain_position is not None:
        await connection.execute(
            "UPDATE settlement_state SET engine_block = $1, engine_log_index = $2", *changes.chain_position
        )


async def _write_wallet(connection: Connection, change: WalletChange) -> None:
    account, instrument, seq, wallet = change.account, change.instrument, change.seq, change.wallet
    if wallet is None:
        wallet = (await Records(connection).wallets([account], seq - 1)).of(account, instrument)
    await connection.execute(
        "INSERT INTO settlement_wallets (account, instrument, seq, wallet) VALUES ($1, $2, $3, $4)",
        *(account, instrument, seq, wallet),
    )


async def _write_batches(connection: Connection, changes: Changes) -> None:
    for composed in changes.composed:
        if not await _mark_composed(connection, composed):
            await restore_attempt(connection, composed)
            assert await _mark_composed(connection, composed)
        await connection.execute(
            "UPDATE settlement_batches SET state = 'COMPOSED', changed_at = now()"
            " WHERE batch_id = $1 AND state = 'PREPARED'",
            composed.batch.batch_id,
        )
    for final in changes.final_batches:
        await connection.execute(
            "UPDATE settlement_batches SET state = 'FINAL', changed_at = now(), mined_block = $2,"
            " mined_transaction = $3, mined_attempt = (SELECT max(attempt) FROM settlement_attempts"
            " WHERE batch_id = $1 AND payload_hash = $4)"
            " WHERE batch_id = $1",
            *(final.batch_id, final.block, final.transaction, final.payload_hash),
        )
        await connection.execute(
            "UPDATE settlement_transactions SET is_done = true WHERE purpose = $1", f"batch/{final.batch_id}"
        )
    await connection.execute("DELETE FROM settlement_trades WHERE trade_id = ANY($1::bigint[])", changes.settled_trades)
    await connection.executemany(
        "UPDATE settlement_trades SET failed_seq = $2 WHERE trade_id = $1", changes.failed_trades
    )


async def _mark_composed(connection: Connection, composed: Composed) -> bool:
    batch = composed.batch
    marked: str = await connection.execute(
        "UPDATE settlement_attempts SET composed_seq = $4 WHERE batch_id = $1 AND attempt = $2 AND payload_hash = $3",
        *(batch.batch_id, batch.attempt, batch.payload_hash, composed.seq),
    )
    return marked == "UPDATE 1"


_TRADE_COLUMNS: Final = (
    *("trade_id", "instrument", "buyer_account", "seller_account", "qty_lots", "notional_usdc_micros"),
    *("buyer_fee_usdc_micros", "seller_fee_usdc_micros", "seq", "time_ns", "frame_seq", "frame_hash"),
)


def _trade_row(trade: object, time_ns: int) -> tuple[object, ...]:
    return tuple(time_ns if name == "time_ns" else getattr(trade, name) for name in _TRADE_COLUMNS)


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await connection.copy_records_to_table(table, columns=list(columns), records=rows)
