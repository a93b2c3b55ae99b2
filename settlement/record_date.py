"""Who held a token at a record date: (seq, last confirmed block at that seq), as DESIGN defines it.

A holder's tokens are the wallet's balance at that block, plus and minus the trades up to that seq that became FINAL
after it. Nothing is fixed before every such trade is FINAL or FAILED.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, cast

from engine import types as t
from persistence.database import Connection, Pool
from persistence.frame import DurableFrame
from settlement.chain import Chain, Log
from settlement.chain_events import NOBODY, TRANSFER
from settlement.intake import CONSUMER as SETTLEMENT
from settlement.journal_fold import chain_commands, last_seq
from settlement.log_ranges import find_in_ranges
from settlement.records import Records
from settlement.trades import Token, Wallet

PROJECTIONS: Final = "projections"
COMMANDS_FIRST: Final = 1_024  # how far back the last chain command is looked for at first
COMMANDS_GROWTH: Final = 4
_WORD_BYTES: Final = 32
FramesFrom = Callable[[int], AsyncIterator[DurableFrame]]


class RecordOpen(Exception):  # noqa: N818 - a state of the world that is waited out
    """The holders cannot be told yet; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A trade as a record date sees it. `block` is where it became FINAL; None: it failed."""

    seq: int
    buyer: Wallet
    seller: Wallet
    qty_base_units: int
    block: int | None


@dataclass(frozen=True, slots=True)
class HoldersOfRecord:
    """Everybody who held something, the issuer included, sorted by wallet; quantities in base units, none zero.

    issuer_wallet  what it holds is the supply that is not sold yet
    """

    instrument: int
    record_seq: int
    record_block: int
    entries: tuple[tuple[Wallet, int], ...]
    issuer_wallet: Wallet

    @property
    def unsold_issuer_base_units(self) -> int:
        return dict(self.entries).get(self.issuer_wallet, 0)


def holdings(
    balances: Mapping[Wallet, int], trades: Iterable[Moved], record_seq: int, record_block: int
) -> tuple[tuple[Wallet, int], ...]:
    """Holdings in base units by wallet, none zero, sorted by wallet.

    balances  of every wallet at `record_block`
    trades    at least those up to `record_seq` that became FINAL after `record_block`; others change nothing
    """
    held = Counter(dict(balances))
    for trade in trades:
        if trade.seq > record_seq:
            # The block was confirmed before the record's seq, so nothing that was traded later can stand in it.
            assert trade.block is None or trade.block > record_block, f"seq {trade.seq} settled before it was traded"
        elif trade.block is not None and trade.block > record_block:
            held[trade.seller] -= trade.qty_base_units
            held[trade.buyer] += trade.qty_base_units
    assert all(units >= 0 for units in held.values()), "a trade became FINAL that its seller could not cover"
    return tuple(sorted((wallet, units) for wallet, units in held.items() if units))


def balances_from(transfers: Iterable[Log]) -> dict[Wallet, int]:
    """Balances that all Transfer events of a token from its first block on leave, in base units."""
    held: Counter[Wallet] = Counter()
    for log in transfers:
        sender, receiver = (Wallet(each[-20:]) for each in log.topics[1:3])
        units = int.from_bytes(log.data[:_WORD_BYTES], "big")
        held[sender] -= units
        held[receiver] += units
    del held[NOBODY]  # mints and burns
    assert all(units >= 0 for units in held.values()), "Transfer events are missing"
    return dict(held)


class RecordDates:
    """Fixes record dates from the tables, the journal and the chain.

    frames_from  durable frames from a seq on, without end
    first_block  no token of ours is older
    """

    def __init__(self, pool: Pool, chain: Chain, frames_from: FramesFrom, first_block: int = 0) -> None:
        self._pool = pool
        self._chain = chain
        self._frames_from = frames_from
        self._first_block = first_block

    async def fix(self, instrument: int, record_seq: int, issuer_wallet: Wallet) -> HoldersOfRecord:
        """The holders at a seq. Asked again it answers the same.

        Raises RecordOpen; ChainUnavailable, ChainRefused; errors of the database.
        """
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            await _require_done(connection, instrument, record_seq)
            listed = await connection.fetchrow(
                "SELECT token, lot_base_units FROM settlement_instruments WHERE instrument = $1", instrument
            )
            assert listed is not None, f"instrument {instrument} is not listed"
            record_block = await block_at(self._frames_from, record_seq)
            trades = await self._trades_after(
                connection, instrument, record_seq, record_block, int(listed["lot_base_units"])
            )
        balances = await self.balances_at(Token(listed["token"]), record_block)
        entries = holdings(balances, trades, record_seq, record_block)
        return HoldersOfRecord(instrument, record_seq, record_block, entries, issuer_wallet)

    async def dividend_of_lot(self, instrument: int, pool_usdc_micros: int, without: Wallet | None) -> int:
        """What one lot gets of a pool, in USDC micros, rounded up, as the last FINAL block has the holders; 0: none.

        without  a holder who gets nothing
        Raises ChainUnavailable, ChainRefused; errors of the database.
        """
        listed = await self._pool.fetchrow(
            "SELECT token, lot_base_units FROM settlement_instruments WHERE instrument = $1", instrument
        )
        assert listed is not None, f"instrument {instrument} is not listed"
        balances = await self.balances_at(Token(listed["token"]), await self._chain.final_block())
        units = sum(held for wallet, held in balances.items() if wallet != without)
        if not units:
            return 0
        return min(t.INT64_MAX, -(-pool_usdc_micros * int(listed["lot_base_units"]) // units))

    async def balances_at(self, token: Token, block: int) -> dict[Wallet, int]:
        """Balances in base units after a FINAL block, from the token's events: a node forgets the state of old blocks.

        Raises ChainUnavailable, ChainRefused.
        """
        found = await find_in_ranges(self._chain, token, [TRANSFER], self._first_block, block)
        return balances_from(found)

    async def _trades_after(
        self, connection: Connection, instrument: int, record_seq: int, record_block: int, lot_base_units: int
    ) -> list[Moved]:
        """Trades up to the record's seq that became FINAL after its block, of the wallets that were theirs then."""
        rows = await connection.fetch(
            "SELECT t.seq, t.qty_lots, s.block,"
            " CASE t.taker_side WHEN 0 THEN t.taker_account ELSE t.maker_account END AS buyer,"
            " CASE t.taker_side WHEN 0 THEN t.maker_account ELSE t.taker_account END AS seller"
            " FROM trade_settlements AS s JOIN trades AS t USING (trade_id)"
            " WHERE s.batch_id >= (SELECT min(batch_id) FROM batches WHERE final_block > $3)"
            "   AND s.block > $3 AND s.reason = 0 AND t.instrument = $1 AND t.seq <= $2",
            *(instrument, record_seq, record_block),
        )
        accounts = {row[side] for row in rows for side in ("buyer", "seller")}
        wallets = await Records(self._pool).wallets(accounts, record_seq)
        return [
            Moved(
                row["seq"],
                wallets.of(row["buyer"], instrument),
                wallets.of(row["seller"], instrument),
                row["qty_lots"] * lot_base_units,
                row["block"],
            )
            for row in rows
        ]


async def block_at(frames_from: FramesFrom, seq: int) -> int:
    """The engine's chain position at a durable seq: the block of the last chain command up to there; 0 before any."""
    last, width = seq, COMMANDS_FIRST
    while last >= 1:
        first = max(1, last - width + 1)
        if (block := await _last_block(frames_from(first), first, last)) is not None:
            return block
        last, width = first - 1, width * COMMANDS_GROWTH
    return 0


async def _last_block(frames: AsyncIterator[DurableFrame], first: int, last: int) -> int | None:
    block: int | None = None
    async with aclosing(cast(AsyncGenerator[DurableFrame, None], frames)):
        async for frame in frames:
            told = chain_commands(frame)
            told = told[(told["seq"] >= first) & (told["seq"] <= last)]
            if len(told):
                block = int(told["d"][-1])
            if last_seq(frame) >= last:
                return block
    raise RecordOpen(f"the journal ends before seq {last}")


async def _require_done(connection: Connection, instrument: int, record_seq: int) -> None:
    """Everything up to the record's seq is in the tables, and every trade of it is FINAL or FAILED."""
    cursors = dict(await connection.fetch("SELECT consumer, seq FROM journal_cursors"))
    settled_seq, projected_seq = cursors.get(SETTLEMENT, 0), cursors.get(PROJECTIONS, 0)
    if settled_seq < record_seq:
        raise RecordOpen(f"settlement has read the journal up to seq {settled_seq}, the record date is {record_seq}")
    open_trades = await connection.fetchval(
        "SELECT count(*) FROM settlement_trades WHERE instrument = $1 AND seq <= $2 AND failed_seq IS NULL",
        *(instrument, record_seq),
    )
    if open_trades:
        raise RecordOpen(f"{open_trades} trades up to the record date are neither final nor failed yet")
    if projected_seq < settled_seq:
        raise RecordOpen(f"the tables have the journal up to seq {projected_seq} of {settled_seq}")
