"""What those who run the market look at: settlement's books, the journal's readers, and the reserves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from api.amounts import text, usdc
from deedbook.checks import TOTAL_SUPPLY
from engine.types import USDC, Reason
from persistence.database import Pool
from settlement.calls import solvency_data, words
from settlement.chain import Chain, ChainRefused, ChainUnavailable

PAGE: Final = 20
_BATCHES: Final = """
    SELECT b.batch_id, b.trade_after, b.trade_last, b.state, b.mined_block, b.mined_transaction, b.gas_used,
        b.changed_at, a.attempt, a.gas_estimated, a.fills, a.legs,
        (SELECT count(*) FROM settlement_ejected AS e WHERE (e.batch_id, e.attempt) = (a.batch_id, a.attempt))
            AS ejected
    FROM settlement_batches AS b
    LEFT JOIN LATERAL (
        SELECT * FROM settlement_attempts AS t WHERE t.batch_id = b.batch_id
        ORDER BY t.attempt = b.mined_attempt DESC NULLS LAST, t.attempt DESC LIMIT 1
    ) AS a ON true
    WHERE $1::bigint IS NULL OR b.batch_id < $1 ORDER BY b.batch_id DESC LIMIT $2
"""
_FAILED: Final = """
    SELECT s.trade_id, i.symbol, i.lot_decimals, t.qty_lots, t.notional_usdc_micros, t.time_ns, s.reason, s.batch_id,
        s.time_ns AS failed_ns, s.block, t.taker_side, t.taker_account, t.maker_account
    FROM trade_settlements AS s JOIN trades AS t USING (trade_id) JOIN instruments AS i USING (instrument)
    WHERE s.reason <> 0 AND ($1::bigint IS NULL OR s.trade_id < $1) ORDER BY s.trade_id DESC LIMIT $2
"""
_STANDING: Final = """
    SELECT engine_block, seen_block, trouble,
        (SELECT max(block) FROM chain_blocks) AS recorded_block,
        (SELECT max(block) FROM chain_blocks WHERE is_final) AS recorded_final_block,
        (SELECT count(*) FROM chain_events WHERE state = 'REMOVED') AS removed_events,
        (SELECT count(*) FROM settlement_trades AS s WHERE failed_seq IS NULL) AS open_trades,
        (SELECT min(time_ns) FROM settlement_trades WHERE failed_seq IS NULL) AS oldest_ns,
        (SELECT count(*) FROM settlement_batches WHERE state <> 'FINAL') AS open_batches,
        (SELECT count(*) FROM settlement_transactions WHERE NOT is_done) AS open_transactions,
        (SELECT min(recorded_at) FROM settlement_transactions WHERE NOT is_done) AS oldest_transaction_at
    FROM settlement_state
"""
_TOKENS: Final = """
    SELECT i.instrument, i.symbol, i.token, i.lot_base_units, i.lot_decimals, i.token_decimals,
        coalesce(sum(b.level), 0)::bigint AS locked_lots, coalesce(sum(b.position_lots), 0)::bigint AS position_lots
    FROM instruments AS i LEFT JOIN balances AS b USING (instrument)
    WHERE i.listed_seq IS NOT NULL GROUP BY i.instrument ORDER BY i.instrument
"""


class ReaderView(msgspec.Struct, frozen=True):
    """Who reads the journal, and up to which command."""

    consumer: str
    seq: int
    moved_at: datetime


class SettlementView(msgspec.Struct, frozen=True):
    """`head_block`, `final_block` and `confirmations` are the chain's, null while it is away; `trouble` '' for none.

    engine_block                        up to which the engine has credited
    recorded_block, recorded_final_block  up to which events of the chain are recorded, of them for ever
    removed_events                      events whose blocks were reorganized away, ever
    """

    head_block: int | None
    final_block: int | None
    confirmations: int | None
    engine_block: int
    recorded_block: int | None
    recorded_final_block: int | None
    removed_events: int
    trouble: str
    open_trades: int
    oldest_open_trade_at: datetime | None
    open_batches: int
    open_transactions: int
    oldest_open_transaction_at: datetime | None
    readers: list[ReaderView]


class BatchView(msgspec.Struct, frozen=True):
    """Trades `trade_after` + 1 to `trade_last` in one transaction; `gas_used` once it is mined."""

    batch_id: int
    state: str
    trade_after: int
    trade_last: int
    attempt: int | None
    fills: int | None
    legs: int | None
    ejected: int
    gas_estimated: int | None
    gas_used: int | None
    block: int | None
    transaction: str | None
    changed_at: datetime


class FailedTradeView(msgspec.Struct, frozen=True):
    """A trade that the chain did not settle; the accounts are numbers, not people."""

    trade_id: int
    symbol: str
    qty: str
    usdc: str
    buyer_account: int
    seller_account: int
    traded_at: datetime
    reason: str
    batch_id: int
    block: int
    failed_at: datetime


class TokenReserve(msgspec.Struct, frozen=True):
    """Tokens of one instrument: all on the chain, and the accounts' and their locks as the journal has them."""

    instrument: int
    symbol: str
    supply: str
    held: str
    locked: str


class ReservesView(msgspec.Struct, frozen=True):
    """At the chain's `block`: what the vault owns and owes; and what the accounts have by the journal up to `seq`."""

    block: int
    reserves_usdc: str
    liabilities_usdc: str
    surplus_usdc: str
    journal_usdc: str
    seq: int
    engine_block: int
    tokens: list[TokenReserve]


class InstrumentView(msgspec.Struct, frozen=True):
    """One that the engine lists, with its rates; its phase is what the trading API says."""

    instrument: int
    symbol: str
    name: str
    maker_fee_bps: int
    taker_fee_bps: int


class Watching:
    """`vault`: the contract that holds the traders' USDC."""

    def __init__(self, pool: Pool, chain: Chain, vault: bytes) -> None:
        self._pool = pool
        self._chain = chain
        self._vault = vault

    async def settlement(self) -> SettlementView:
        row = await self._pool.fetchrow(_STANDING)
        assert row is not None
        readers = await self._pool.fetch("SELECT consumer, seq, moved_at FROM journal_cursors ORDER BY consumer")
        head, final = await self._blocks()
        return SettlementView(
            head_block=head,
            final_block=final,
            confirmations=None if head is None or final is None else head - final,
            engine_block=row["engine_block"],
            recorded_block=row["recorded_block"],
            recorded_final_block=row["recorded_final_block"],
            removed_events=row["removed_events"],
            trouble=row["trouble"],
            open_trades=row["open_trades"],
            oldest_open_trade_at=None if row["oldest_ns"] is None else _at(row["oldest_ns"]),
            open_batches=row["open_batches"],
            open_transactions=row["open_transactions"],
            oldest_open_transaction_at=row["oldest_transaction_at"],
            readers=[ReaderView(*each) for each in readers],
        )

    async def batches(self, before: int | None) -> list[BatchView]:
        """A page, the newest first, from the one before `before` on."""
        return [_batch(row) for row in await self._pool.fetch(_BATCHES, before, PAGE)]

    async def failed_trades(self, before: int | None) -> list[FailedTradeView]:
        return [_failed(row) for row in await self._pool.fetch(_FAILED, before, PAGE)]

    async def instruments(self) -> list[InstrumentView]:
        rows = await self._pool.fetch(
            "SELECT instrument, symbol, name, maker_fee_bps, taker_fee_bps FROM instruments"
            " WHERE listed_seq IS NOT NULL ORDER BY instrument"
        )
        return [InstrumentView(*row) for row in rows]

    async def reserves(self) -> ReservesView:
        """Raises ChainUnavailable, ChainRefused."""
        block = (await self._chain.head()).number
        reserves, liabilities = words(await self._chain.call(self._vault, solvency_data(), block))
        row = await self._pool.fetchrow(
            "SELECT (SELECT coalesce(sum(level), 0)::bigint FROM balances WHERE instrument = $1) AS level,"
            " (SELECT coalesce(max(seq), 0) FROM journal_cursors WHERE consumer = 'projections') AS seq,"
            " (SELECT engine_block FROM settlement_state) AS engine_block",
            USDC,
        )
        assert row is not None
        return ReservesView(
            block=block,
            reserves_usdc=usdc(reserves),
            liabilities_usdc=usdc(liabilities),
            surplus_usdc=usdc(reserves - liabilities),
            journal_usdc=usdc(row["level"]),
            seq=row["seq"],
            engine_block=row["engine_block"],
            tokens=[await self._token(each, block) for each in await self._pool.fetch(_TOKENS)],
        )

    async def _token(self, row: Any, block: int) -> TokenReserve:
        (supply,) = words(await self._chain.call(row["token"], TOTAL_SUPPLY, block))
        return TokenReserve(
            row["instrument"],
            row["symbol"],
            text(supply, row["token_decimals"]),
            text(row["position_lots"], row["lot_decimals"]),
            text(row["locked_lots"], row["lot_decimals"]),
        )

    async def _blocks(self) -> tuple[int | None, int | None]:
        try:
            return (await self._chain.head()).number, await self._chain.final_block()
        except (ChainUnavailable, ChainRefused):
            return None, None


def _batch(row: Any) -> BatchView:
    transaction = row["mined_transaction"]
    return BatchView(
        batch_id=row["batch_id"],
        state=row["state"],
        trade_after=row["trade_after"],
        trade_last=row["trade_last"],
        attempt=row["attempt"],
        fills=row["fills"],
        legs=row["legs"],
        ejected=row["ejected"],
        gas_estimated=row["gas_estimated"],
        gas_used=row["gas_used"],
        block=row["mined_block"],
        transaction=None if transaction is None else f"0x{transaction.hex()}",
        changed_at=row["changed_at"],
    )


def _failed(row: Any) -> FailedTradeView:
    taker, maker = row["taker_account"], row["maker_account"]
    buyer, seller = (taker, maker) if row["taker_side"] == 0 else (maker, taker)
    return FailedTradeView(
        trade_id=row["trade_id"],
        symbol=row["symbol"],
        qty=text(row["qty_lots"], row["lot_decimals"]),
        usdc=usdc(row["notional_usdc_micros"]),
        buyer_account=buyer,
        seller_account=seller,
        traded_at=_at(row["time_ns"]),
        reason=Reason(row["reason"]).name,
        batch_id=row["batch_id"],
        block=row["block"],
        failed_at=_at(row["failed_ns"]),
    )


def _at(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 10**9, UTC)
