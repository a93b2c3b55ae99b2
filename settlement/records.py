"""Settlement's rows: batches, attempts, transactions and releases. Everything is here before it is sent anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.types import INT64_MAX
from persistence.database import Connection, Pool
from settlement.chain import Fees, Header
from settlement.trades import Ejected, Instrument, Token, Trade, Wallet, Wallets


@dataclass(frozen=True, slots=True)
class Attempt:
    """One composition of a batch: the call that settles it, and what it leaves out."""

    batch_id: int
    attempt: int
    call_data: bytes
    payload_hash: bytes
    gas_estimated: int
    fills: int
    legs: int
    ejected: tuple[Ejected, ...]
    composed_seq: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch on its way. `journal_seq` and `journal_hash` name the journal frame that holds `trade_last`."""

    batch_id: int
    trade_after: int
    trade_last: int
    journal_seq: int
    journal_hash: bytes
    state: str
    mined_attempt: int | None = None
    mined_block: int | None = None
    mined_block_hash: bytes | None = None
    mined_transaction: bytes | None = None
    gas_used: int | None = None


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    transaction: bytes  # its hash
    purpose: str
    attempt: int
    sender: bytes
    nonce: int
    gas_limit: int
    fees: Fees
    raw: bytes
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Release:
    release_id: int
    seq: int
    account: int
    instrument: int
    amount: int
    known_block: int
    state: str
    mined_block: int | None


class Records:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # -- trades

    async def unbatched_trades(self, trade_after: int, count_max: int) -> list[Trade]:
        """The next trades after one, in order; they follow each other without a gap."""
        rows = await self._pool.fetch(
            f"SELECT {_TRADE} FROM settlement_trades WHERE trade_id > $1 ORDER BY trade_id LIMIT $2",  # noqa: S608
            *(trade_after, count_max),
        )
        return [Trade(*row) for row in rows]

    async def trades_between(self, trade_after: int, trade_last: int) -> list[Trade]:
        rows = await self._pool.fetch(
            f"SELECT {_TRADE} FROM settlement_trades WHERE trade_id > $1 AND trade_id <= $2 ORDER BY trade_id",  # noqa: S608
            *(trade_after, trade_last),
        )
        return [Trade(*row) for row in rows]

    async def failed_before(self, trade_after: int) -> list[tuple[Trade, int | None]]:
        """Trades up to `trade_after` that were left out, with the seq at which the engine heard so, if it did.

        Only those that a trade after `trade_after` may rest on: unheard, or heard after the oldest open trade was made.
        """
        rows = await self._pool.fetch(
            f"SELECT {_TRADE}, failed_seq FROM settlement_trades t WHERE trade_id <= $1 AND ("  # noqa: S608
            " failed_seq > (SELECT min(seq) FROM settlement_trades WHERE trade_id > $1)"
            " OR failed_seq IS NULL AND EXISTS (SELECT FROM settlement_ejected e WHERE e.trade_id = t.trade_id))"
            " ORDER BY trade_id",
            trade_after,
        )
        return [(Trade(*row[:-1]), row[-1]) for row in rows]

    async def oldest_open_trade_time_ns(self) -> int | None:
        """When the oldest trade was made that is neither FINAL nor FAILED."""
        value: int | None = await self._pool.fetchval(
            "SELECT time_ns FROM settlement_trades WHERE failed_seq IS NULL ORDER BY trade_id LIMIT 1"
        )
        return value

    async def instruments(self) -> dict[int, Instrument]:
        rows = await self._pool.fetch("SELECT * FROM settlement_instruments")
        return {
            row["instrument"]: Instrument(
                row["instrument"],
                Token(row["token"]),
                row["fee_account"],
                row["tick_value_usdc_micros"],
                int(row["lot_base_units"]),
            )
            for row in rows
        }

    async def wallets(self, accounts: Iterable[int], until_seq: int = INT64_MAX) -> Wallets:
        """As they were at `until_seq`."""
        rows = await self._pool.fetch(
            "SELECT account, instrument, seq, wallet FROM settlement_wallets"
            " WHERE account = ANY($1::bigint[]) AND seq <= $2",
            list(set(accounts)),
            until_seq,
        )
        return Wallets((row["account"], row["instrument"], row["seq"], Wallet(row["wallet"])) for row in rows)

    # -- batches

    async def open_batches(self) -> list[BatchRow]:
        """Those that are not FINAL, in order."""
        rows = await self._pool.fetch(
            f"SELECT {_BATCH} FROM settlement_batches WHERE state <> 'FINAL' ORDER BY batch_id"  # noqa: S608
        )
        return [BatchRow(*row) for row in rows]

    async def last_batch(self) -> BatchRow | None:
        row = await self._pool.fetchrow(f"SELECT {_BATCH} FROM settlement_batches ORDER BY batch_id DESC LIMIT 1")  # noqa: S608
        return None if row is None else BatchRow(*row)

    async def last_final_trade_id(self) -> int:
        """The last trade of the last FINAL batch; 0 before there is one."""
        value: int | None = await self._pool.fetchval(
            "SELECT trade_last FROM settlement_batches WHERE state = 'FINAL' ORDER BY batch_id DESC LIMIT 1"
        )
        return value or 0

    async def batch_of(self, trade_after: int, trade_last: int) -> int | None:
        """The batch that has exactly this range."""
        value: int | None = await self._pool.fetchval(
            "SELECT batch_id FROM settlement_batches WHERE trade_after = $1 AND trade_last = $2",
            *(trade_after, trade_last),
        )
        return value

    async def prepare(self, batch: BatchRow, attempt: Attempt) -> None:
        """Write a composition down before the journal hears of it; a batch's first one brings the batch."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self.insert_attempt(connection, batch, attempt)

    async def insert_attempt(self, connection: Connection, batch: BatchRow, attempt: Attempt) -> None:
        await connection.execute(
            "INSERT INTO settlement_batches (batch_id, trade_after, trade_last, journal_seq, journal_hash, state)"
            " VALUES ($1, $2, $3, $4, $5, 'PREPARED') ON CONFLICT DO NOTHING",
            *(batch.batch_id, batch.trade_after, batch.trade_last, batch.journal_seq, batch.journal_hash),
        )
        await connection.execute(
            "INSERT INTO settlement_attempts (batch_id, attempt, call_data, payload_hash, gas_estimated, fills, legs)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(attempt.batch_id, attempt.attempt, attempt.call_data, attempt.payload_hash, attempt.gas_estimated),
            *(attempt.fills, attempt.legs),
        )
        await connection.executemany(
            "INSERT INTO settlement_ejected (batch_id, attempt, trade_id, reason, revert_data)"
            " VALUES ($1, $2, $3, $4, $5)",
            [
                (attempt.batch_id, attempt.attempt, each.trade_id, each.reason, each.revert_data)
                for each in attempt.ejected
            ],
        )

    async def attempts(self, batch_id: int) -> list[Attempt]:
        rows = await self._pool.fetch(
            "SELECT batch_id, attempt, call_data, payload_hash, gas_estimated, fills, legs, composed_seq"
            " FROM settlement_attempts WHERE batch_id = $1 ORDER BY attempt",
            batch_id,
        )
        ejected = await self._pool.fetch(
            "SELECT attempt, trade_id, reason, revert_data FROM settlement_ejected"
            " WHERE batch_id = $1 ORDER BY trade_id",
            batch_id,
        )
        by_attempt: dict[int, list[Ejected]] = {row["attempt"]: [] for row in rows}
        for attempt, trade_id, reason, revert_data in ejected:
            by_attempt[attempt].append(Ejected(trade_id, reason, revert_data))
        return [Attempt(**row, ejected=tuple(by_attempt[row["attempt"]])) for row in rows]

    async def forget_attempt(self, batch_id: int, attempt: int) -> None:
        """Take back a composition that the journal refused."""
        async with self._pool.acquire() as connection, connection.transaction():
            which = (batch_id, attempt)
            row = await connection.fetchrow(
                "SELECT composed_seq FROM settlement_attempts WHERE batch_id = $1 AND attempt = $2 FOR UPDATE", *which
            )
            assert row is not None
            assert row["composed_seq"] is None, "the journal has it"
            await connection.execute("DELETE FROM settlement_ejected WHERE batch_id = $1 AND attempt = $2", *which)
            await connection.execute("DELETE FROM settlement_attempts WHERE batch_id = $1 AND attempt = $2", *which)
            await connection.execute(
                "DELETE FROM settlement_batches b WHERE batch_id = $1 AND state = 'PREPARED'"
                " AND NOT EXISTS (SELECT FROM settlement_attempts a WHERE a.batch_id = b.batch_id)",
                batch_id,
            )

    async def mark_submitted(self, batch_id: int) -> None:
        """On its way to a block, for the first time or again after a reorg took its block."""
        await self._pool.execute(
            "UPDATE settlement_batches SET state = 'SUBMITTED', mined_attempt = NULL, mined_block = NULL,"
            " mined_block_hash = NULL, mined_transaction = NULL, gas_used = NULL, changed_at = now()"
            " WHERE batch_id = $1 AND state IN ('COMPOSED', 'MINED')",
            batch_id,
        )

    async def mark_mined(
        self, batch_id: int, attempt: int, block: int, block_hash: bytes, transaction: bytes, gas_used: int
    ) -> None:
        await self._pool.execute(
            "UPDATE settlement_batches SET state = 'MINED', mined_attempt = $2, mined_block = $3,"
            " mined_block_hash = $4, mined_transaction = $5, gas_used = $6, changed_at = now()"
            " WHERE batch_id = $1 AND state <> 'FINAL'",
            *(batch_id, attempt, block, block_hash, transaction, gas_used),
        )

    async def final_without_gas(self) -> list[tuple[int, bytes]]:
        """Batch and transaction of those that became FINAL before their receipt was read."""
        rows = await self._pool.fetch(
            "SELECT batch_id, mined_transaction FROM settlement_batches WHERE state = 'FINAL' AND gas_used IS NULL"
        )
        return [(row["batch_id"], row["mined_transaction"]) for row in rows]

    async def set_gas(self, batch_id: int, gas_used: int) -> None:
        await self._pool.execute("UPDATE settlement_batches SET gas_used = $2 WHERE batch_id = $1", batch_id, gas_used)

    # -- transactions

    async def record_transaction(self, signed: SignedTransaction) -> None:
        """Durable when this returns; only then may it be sent."""
        await self._pool.execute(
            "INSERT INTO settlement_transactions (transaction, purpose, attempt, sender, nonce, gas_limit, max_fee_wei,"
            " priority_fee_wei, raw) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            *(signed.transaction, signed.purpose, signed.attempt, signed.sender, signed.nonce, signed.gas_limit),
            *(signed.fees.max_wei, signed.fees.priority_wei, signed.raw),
        )

    async def transactions(self, purpose: str) -> list[SignedTransaction]:
        """All that were ever signed for a purpose, by nonce and age."""
        rows = await self._pool.fetch(
            f"SELECT {_TRANSACTION} FROM settlement_transactions WHERE purpose = $1 ORDER BY nonce, recorded_at",  # noqa: S608
            purpose,
        )
        return [_signed(row) for row in rows]

    async def open_transactions(self, sender: bytes, nonce_from: int) -> list[SignedTransaction]:
        """A sender's that are not done, from a nonce on."""
        rows = await self._pool.fetch(
            f"SELECT {_TRANSACTION} FROM settlement_transactions"  # noqa: S608
            " WHERE sender = $1 AND nonce >= $2 AND NOT is_done ORDER BY nonce, recorded_at",
            *(sender, nonce_from),
        )
        return [_signed(row) for row in rows]

    async def transactions_done(self, purpose: str) -> None:
        await self._pool.execute("UPDATE settlement_transactions SET is_done = true WHERE purpose = $1", purpose)

    # -- releases

    async def open_releases(self) -> list[Release]:
        rows = await self._pool.fetch(
            "SELECT release_id, seq, account, instrument, amount, known_block, state, mined_block"
            " FROM settlement_releases WHERE state NOT IN ('FINAL', 'DROPPED') ORDER BY release_id"
        )
        return [Release(*row) for row in rows]

    async def mark_release(self, release_id: int, state: str, mined_block: int | None = None, detail: str = "") -> None:
        await self._pool.execute(
            "UPDATE settlement_releases SET state = $2, mined_block = $3, detail = $4 WHERE release_id = $1",
            *(release_id, state, mined_block, detail),
        )

    # -- the one row

    async def engine_position(self) -> tuple[int, int]:
        """The (block, log index) of the last chain command in the journal, as far as it was read."""
        row = await self._pool.fetchrow("SELECT engine_block, engine_log_index FROM settlement_state")
        return row["engine_block"], row["engine_log_index"]

    async def seen(self) -> Header | None:
        """The highest header that was read as FINAL."""
        row = await self._pool.fetchrow("SELECT seen_block, seen_hash FROM settlement_state")
        return None if row["seen_hash"] is None else Header(row["seen_block"], row["seen_hash"], b"", 0, 0)

    async def set_seen(self, header: Header) -> None:
        await self._pool.execute(
            "UPDATE settlement_state SET seen_block = $1, seen_hash = $2", header.number, header.hash
        )

    async def set_trouble(self, trouble: str) -> None:
        """What keeps settlement from working, in words for its users; '' for nothing."""
        await self._pool.execute("UPDATE settlement_state SET trouble = $1 WHERE trouble <> $1", trouble)


_TRADE = (
    "trade_id, instrument, buyer_account, seller_account, qty_lots, notional_usdc_micros, buyer_fee_usdc_micros,"
    " seller_fee_usdc_micros, seq, frame_seq, frame_hash"
)
_BATCH = (
    "batch_id, trade_after, trade_last, journal_seq, journal_hash, state, mined_attempt, mined_block, mined_block_hash,"
    " mined_transaction, gas_used"
)
_TRANSACTION = (
    "transaction, purpose, attempt, sender, nonce, gas_limit, max_fee_wei, priority_fee_wei, raw,"
    " extract(epoch FROM now() - recorded_at)::float8 AS age_s"
)


def _signed(row: Sequence[Any]) -> SignedTransaction:
    transaction, purpose, attempt, sender, nonce, gas_limit, max_fee_wei, priority_wei, raw, age_s = row
    fees = Fees(int(max_fee_wei), int(priority_wei))
    return SignedTransaction(transaction, purpose, attempt, sender, nonce, gas_limit, fees, raw, age_s)
