"""Both sides of a trade are told: when it matched, and when it became final on the chain or failed.

A consumer of the journal of its own, with its cursor in the transaction that writes the notices: each is written once,
whatever is killed, and the projections never wait for it. Only people who can sign in are told: an account of a program
has nobody who reads. What one order did, and what one batch settled for an account, is one notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from api.amounts import text, usdc
from api.doors import Notify
from engine import types as t
from engine.types import EventKind, Reason, Side
from engine.wire import COMMAND, COMMAND_SIZE, EVENT, EVENT_SIZE, decode_events
from persistence import projections
from persistence.database import Connection, Pool
from persistence.fold import NO_SEQ_HASH, JournalGapError
from persistence.frame import DurableFrame
from persistence.projections import DATABASE_AWAY, RETRY_S, CursorMovedError, follow

CONSUMER: Final = "trade-notices"
PAUSE_S: Final = 0.5  # between transactions: what many small takers did to one order meanwhile is one notice
NOBODY_KEPT_S: Final = 60.0  # how long an account is believed to have no reader
TRADE_IDS_MAX: Final = 50  # in one notice's data
NAME_CHARS_MAX: Final = 100
_KIND_OFFSET: Final = 8  # of an event's record
_WANTED: Final = frozenset({int(EventKind.TRADE), int(EventKind.TRADE_SETTLED)})
_DONE: Final = {Side.BUY: "bought", Side.SELL: "sold"}
# Why a trade failed, for both of its sides.
FAILURES: Final[dict[Reason, str]] = {
    Reason.SELLER_NOT_VERIFIED: "the seller's identity is not valid on the chain any more",
    Reason.BUYER_NOT_VERIFIED: "the buyer's identity is not valid on the chain any more",
    Reason.SELLER_FROZEN: "the seller's wallet was frozen",
    Reason.BUYER_FROZEN: "the buyer's wallet was frozen",
    Reason.TOKEN_PAUSED: "the property's token was paused",
    Reason.LOCK_TOO_SMALL: "the issuer took tokens that were locked for it",
    Reason.CASH_TOO_SMALL: "the cash for it was not there",
    Reason.COMPLIANCE_REFUSED: "the token's rules did not allow it",
    Reason.UPSTREAM_FAILED: "a trade that it rested on failed",
    Reason.CHAIN_REFUSED: "the chain refused it",
}
_log: Final = logging.getLogger(__name__)


class _Key(NamedTuple):
    """What one notice is about: an order (matched), or an account's side of a batch (settled)."""

    account: int
    instrument: int
    side: int
    kind: str
    number: int  # order_id or batch_id
    reason: int


@dataclass(slots=True)
class _Sum:
    qty_lots: int = 0
    notional_usdc_micros: int = 0
    fee_usdc_micros: int = 0
    trades: int = 0
    trade_ids: list[int] = field(default_factory=list)
    transaction: bytes = b""

    def add(self, qty_lots: int, notional_usdc_micros: int, fee_usdc_micros: int, trade_id: int) -> None:
        self.qty_lots += qty_lots
        self.notional_usdc_micros += notional_usdc_micros
        self.fee_usdc_micros += fee_usdc_micros
        self.trades += 1
        if len(self.trade_ids) < TRADE_IDS_MAX:
            self.trade_ids.append(trade_id)


class _Record(NamedTuple):
    """A trade or settlement, not decoded yet: its two accounts (slots `account` and `peer`) and where it stands."""

    accounts: tuple[int, int]
    event: bytes
    frame: DurableFrame


class _Instrument(NamedTuple):
    name: str
    symbol: str
    lot_decimals: int
    tick_value_usdc_micros: int


async def tell(pool: Pool, notify: Notify, frames_from: Callable[[int], AsyncIterator[DurableFrame]]) -> None:
    """Follow the journal until cancelled; waits while the database is away."""
    while True:
        try:
            notices = await TradeNotices.open(pool, notify)
            return await follow(notices, frames_from(notices.seq + 1))
        except DATABASE_AWAY as error:
            _log.warning("trade notices wait: %s: %s", type(error).__name__, error)
            await asyncio.sleep(RETRY_S)


class TradeNotices:
    """Writes the notices of consecutive frames in one transaction each run. After an error make a new one."""

    def __init__(
        self,
        pool: Pool,
        notify: Notify,
        seq: int,
        pause_s: float = PAUSE_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seq = seq
        self._pool = pool
        self._notify = notify
        self._pause_s = pause_s
        self._clock_s = clock_s
        self._readers: dict[int, UUID] = {}
        self._nobody_s: dict[int, float] = {}
        self._instruments: dict[int, _Instrument] = {}

    @classmethod
    async def open(cls, pool: Pool, notify: Notify, pause_s: float = PAUSE_S) -> Self:
        """One that goes on after its cursor; the first ever begins where the projections are: nothing old is told."""
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO journal_cursors (consumer, seq, frame_hash) SELECT $1, coalesce(max(seq), 0),"
                " coalesce(max(frame_hash), $2) FROM journal_cursors WHERE consumer = $3 ON CONFLICT DO NOTHING",
                CONSUMER,
                NO_SEQ_HASH,
                projections.CONSUMER,
            )
            seq = await connection.fetchval("SELECT seq FROM journal_cursors WHERE consumer = $1", CONSUMER)
        return cls(pool, notify, seq, pause_s)

    async def apply(self, frames: Sequence[DurableFrame]) -> None:
        """Raises JournalGapError, CursorMovedError and the database's errors; nothing was written then."""
        new = [frame for frame in frames if _last_seq(frame) > self.seq]
        if not new:
            return
        if new[0].first_seq != self.seq + 1:
            raise JournalGapError(f"frame {new[0].first_seq} does not follow seq {self.seq}")
        records = _records(new)
        await self._find_readers(account for record in records for account in record.accounts)
        trades, settled = _decoded(record for record in records if not self._readers.keys().isdisjoint(record.accounts))
        await self._find_instruments({each.instrument for each in trades} | {each.instrument for each, _ in settled})
        sums = self._sums(trades, settled)
        last = _last_seq(new[-1])
        async with self._pool.acquire() as connection, connection.transaction():
            moved = await connection.execute(
                "UPDATE journal_cursors SET seq = $3, frame_hash = $4, moved_at = now()"
                " WHERE consumer = $1 AND seq = $2",
                *(CONSUMER, self.seq, last, new[-1].hash),
            )
            if moved != "UPDATE 1":
                raise CursorMovedError(f"the cursor of {CONSUMER} is not at seq {self.seq} any more")
            for key, total in sums.items():
                await self._write(connection, key, total)
        self.seq = last
        await asyncio.sleep(self._pause_s)

    def _sums(self, trades: Iterable[t.Trade], settled: Iterable[tuple[t.TradeSettled, bytes]]) -> dict[_Key, _Sum]:
        sums: defaultdict[_Key, _Sum] = defaultdict(_Sum)
        for trade in trades:
            tick_value = self._instruments[trade.instrument].tick_value_usdc_micros
            notional = trade.price_ticks * trade.qty_lots * tick_value
            maker_side = Side.BUY + Side.SELL - trade.taker_side
            for account, side, order_id, fee in (
                (trade.account, trade.taker_side, trade.taker_order_id, trade.taker_fee_usdc_micros),
                (trade.maker_account, maker_side, trade.maker_order_id, trade.maker_fee_usdc_micros),
            ):
                if account in self._readers:
                    key = _Key(account, trade.instrument, side, "TRADE_MATCHED", order_id, 0)
                    sums[key].add(trade.qty_lots, notional, fee, trade.trade_id)
        for event, transaction in settled:
            kind = "TRADE_FAILED" if event.reason else "TRADE_FINAL"
            for account, side, fee in (
                (event.buyer_account, Side.BUY, event.buyer_fee_usdc_micros),
                (event.seller_account, Side.SELL, event.seller_fee_usdc_micros),
            ):
                if account in self._readers:
                    total = sums[_Key(account, event.instrument, side, kind, event.batch_id, event.reason)]
                    total.add(event.qty_lots, event.notional_usdc_micros, fee, event.trade_id)
                    total.transaction = transaction
        return sums

    async def _write(self, connection: Connection, key: _Key, total: _Sum) -> None:
        instrument = self._instruments[key.instrument]
        qty = text(total.qty_lots, instrument.lot_decimals)
        data: dict[str, Any] = {
            "symbol": instrument.symbol,
            "side": Side(key.side).name,
            "qty": qty,
            "usdc": usdc(total.notional_usdc_micros),
            "fee_usdc": usdc(total.fee_usdc_micros),
            "trades": total.trades,
            "trade_ids": total.trade_ids,
        }
        if key.kind == "TRADE_MATCHED":
            data["order_id"] = key.number
        else:
            data |= {"batch_id": key.number, "transaction": f"0x{total.transaction.hex()}"}
        if key.reason:
            data["reason"] = Reason(key.reason).name
        tokens = "token" if qty == "1" else "tokens"
        sentence = _sentence(key, f"{qty} {tokens} of {instrument.name[:NAME_CHARS_MAX]}", data["usdc"])
        await self._notify(connection, self._readers[key.account], key.kind, sentence, data)

    async def _find_readers(self, accounts: Iterable[int]) -> None:
        """Who of these is a person that can sign in."""
        now_s = self._clock_s()
        asked = [
            account
            for account in set(accounts)
            if account not in self._readers and self._nobody_s.get(account, float("-inf")) <= now_s
        ]
        if not asked:
            return
        rows = await self._pool.fetch(
            "SELECT account, user_id FROM wallets JOIN credentials USING (user_id) WHERE account = ANY($1)", asked
        )
        self._readers |= {row["account"]: row["user_id"] for row in rows}
        self._nobody_s |= {account: now_s + NOBODY_KEPT_S for account in asked if account not in self._readers}

    async def _find_instruments(self, numbers: set[int]) -> None:
        missing = numbers - self._instruments.keys()
        if missing:
            rows = await self._pool.fetch(
                "SELECT instrument, name, symbol, lot_decimals, tick_value_usdc_micros FROM instruments"
                " WHERE instrument = ANY($1)",
                list(missing),
            )
            self._instruments |= {row[0]: _Instrument(*row[1:]) for row in map(tuple, rows)}


def _records(frames: Iterable[DurableFrame]) -> list[_Record]:
    """The trades and settlements, as they are: most are of programs, and nobody is told of those."""
    records = []
    for frame in frames:
        events = bytes(frame.events)
        for place, kind in enumerate(events[_KIND_OFFSET::EVENT_SIZE]):
            if kind in _WANTED:
                event = events[place * EVENT_SIZE : (place + 1) * EVENT_SIZE]
                row = EVENT.unpack(event)
                records.append(_Record((row[4], row[13]), event, frame))
    return records


def _decoded(records: Iterable[_Record]) -> tuple[list[t.Trade], list[tuple[t.TradeSettled, bytes]]]:
    """The trades, and the settled ones with their batch's transaction."""
    trades: list[t.Trade] = []
    settled: list[tuple[t.TradeSettled, bytes]] = []
    for record in records:
        ((seq, event),) = decode_events(record.event)
        if isinstance(event, t.Trade):
            trades.append(event)
        elif isinstance(event, t.TradeSettled):
            command = COMMAND.unpack_from(record.frame.commands, (seq - record.frame.first_seq) * COMMAND_SIZE)
            settled.append((event, command[19][:32]))
    return trades, settled


def _sentence(key: _Key, tokens: str, usdc_text: str) -> str:
    done = f"{tokens} {_DONE[Side(key.side)]} for {usdc_text} USDC"
    if key.kind == "TRADE_MATCHED":
        return f"{done}. The trade is on its way to the chain."
    if key.kind == "TRADE_FINAL":
        return f"{done}: final on the chain."
    back = "cash" if key.side == Side.BUY else "tokens"
    return f"{done} did not settle: {FAILURES[Reason(key.reason)]}. The trade is undone and your {back} given back."


def _last_seq(frame: DurableFrame) -> int:
    return frame.first_seq + len(frame.commands) // COMMAND_SIZE - 1
