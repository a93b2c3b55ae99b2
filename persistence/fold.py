"""The journal's records folded into the rows of orders, trades, balances, accounts, listings and batches.

Pure: no database and no clock. The rows' fields are the columns of the tables in migrations/001_market.sql.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from engine.types import CommandKind, EventKind, TradeFlag
from engine.wire import COMMAND, COMMAND_SIZE, EVENT
from persistence.frame import DurableFrame
from persistence.structure import TOLD, Structure

ACCEPTED: Final = int(EventKind.ACCEPTED)
TRIGGERED: Final = int(EventKind.TRIGGERED)
TRADE: Final = int(EventKind.TRADE)
CLOSED: Final = int(EventKind.CLOSED)
AMENDED: Final = int(EventKind.AMENDED)
PREVENTED: Final = int(EventKind.PREVENTED)
REPRICED: Final = int(EventKind.REPRICED)
LISTED: Final = int(EventKind.LISTED)
PENDING: Final = int(EventKind.PENDING)
LIST_DONE: Final = int(EventKind.LIST_DONE)
PLACE_LIST: Final = int(CommandKind.PLACE_LIST)
BALANCE: Final = int(EventKind.BALANCE)
ACCOUNT_OPENED: Final = int(EventKind.ACCOUNT_OPENED)
WALLET_MIGRATED: Final = int(EventKind.WALLET_MIGRATED)
APPLIED: Final = int(EventKind.APPLIED)
MAKER_FILLED: Final = int(TradeFlag.MAKER_FILLED)
TAKER_FILLED: Final = int(TradeFlag.TAKER_FILLED)
IN_AUCTION: Final = int(TradeFlag.IN_AUCTION)
TRADE_SETTLED: Final = int(EventKind.TRADE_SETTLED)

Command = tuple[Any, ...]  # in the order of wire.COMMAND_SLOTS
NO_SEQ_HASH: Final = bytes(32)  # the hash before the first frame


class JournalGapError(Exception):
    """A frame does not follow the last one that was folded."""


@dataclass(slots=True)
class OrderRow:
    order_id: int
    accepted_seq: int
    accepted_ns: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade: int
    price_ticks: int
    qty_lots: int
    quote_usdc_micros: int
    expire_ns: int
    client_order_id: bytes
    open_lots: int
    executed_lots: int
    executed_usdc_micros: int
    close_reason: int
    changed_seq: int
    changed_ns: int
    stop_ticks: int
    display_lots: int
    list_id: int = 0  # 0: it is no leg of an order list
    is_pending: bool = False  # a leg whose turn has not come


ORDER_COLUMNS: Final = tuple(column.name for column in fields(OrderRow))
order_record: Final = attrgetter(*ORDER_COLUMNS)


class AmendmentRow(NamedTuple):
    order_id: int
    seq: int
    time_ns: int
    qty_lots: int
    removed_lots: int


class ListRow(NamedTuple):
    list_id: int
    listed_seq: int
    listed_ns: int
    account: int
    instrument: int
    list_kind: int
    legs: int
    list_client_order_id: bytes
    done_seq: int = 0
    done_ns: int = 0


class TradeRow(NamedTuple):
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


class SettlementRow(NamedTuple):
    trade_id: int
    seq: int
    time_ns: int
    batch_id: int
    reason: int
    block: int
    transaction_hash: bytes


class BalanceRow(NamedTuple):
    account: int
    instrument: int
    free: int
    held: int
    owed_in: int
    owed_out: int
    requested: int
    level: int
    advanced: int
    position_lots: int
    changed_seq: int


class AccountRow(NamedTuple):
    account: int
    owner: int
    wallet: bytes
    opened_seq: int


class ListingRow(NamedTuple):
    instrument: int
    symbol: str
    token: bytes
    tick_value_usdc_micros: int


class BatchRow(NamedTuple):
    batch_id: int
    composed_seq: int
    attempt: int
    trade_after: int
    trade_last: int
    ejected_count: int
    payload_hash: bytes


class FinalRow(NamedTuple):
    """Which composition of a batch was mined and is final, and where."""

    batch_id: int
    payload_hash: bytes
    final_seq: int
    final_block: int
    final_transaction_hash: bytes


@dataclass(slots=True)
class Changes:
    """What became new or different since the last `Fold.take`."""

    opened_orders: dict[int, OrderRow] = field(default_factory=dict)
    changed_orders: dict[int, OrderRow] = field(default_factory=dict)  # of those that were there before
    amendments: list[AmendmentRow] = field(default_factory=list)
    opened_lists: dict[int, ListRow] = field(default_factory=dict)
    done_lists: list[tuple[int, int, int]] = field(default_factory=list)  # of those that were there before: id, seq, ns
    trades: list[TradeRow] = field(default_factory=list)
    settlements: list[SettlementRow] = field(default_factory=list)
    balances: dict[tuple[int, int], BalanceRow] = field(default_factory=dict)
    accounts: list[AccountRow] = field(default_factory=list)
    new_wallets: dict[int, bytes] = field(default_factory=dict)  # by account
    listings: dict[int, ListingRow] = field(default_factory=dict)
    batches: list[BatchRow] = field(default_factory=list)
    finals: list[FinalRow] = field(default_factory=list)
    structure: Structure = field(default_factory=Structure)


class Fold:
    """The open orders and tick values at `seq`, and the rows that changed on the way there."""

    def __init__(
        self,
        seq: int = 0,
        frame_hash: bytes = NO_SEQ_HASH,
        open_orders: Iterable[OrderRow] = (),
        tick_values_usdc_micros: dict[int, int] | None = None,
    ) -> None:
        self.seq = seq
        self.frame_hash = frame_hash
        self.open_orders = {order.order_id: order for order in open_orders}
        self._tick_values_usdc_micros = dict(tick_values_usdc_micros or {})
        self._staged: dict[
            tuple[int, int], Command
        ] = {}  # by account and number: legs, and their list is in this frame
        self._legs: dict[int, Command] = {}  # of the list at hand, by order id
        self._came: set[int] = set()  # those of them that were pending, and came to the market in the same command
        self._changes = Changes()

    def take(self) -> Changes:
        changes, self._changes = self._changes, Changes()
        return changes

    def apply(self, frame: DurableFrame) -> None:
        """Fold one frame; one that was folded already changes nothing.

        Raises JournalGapError for one that does not follow.
        """
        count = len(frame.commands) // COMMAND_SIZE
        last_seq = frame.first_seq + count - 1
        if last_seq <= self.seq:
            return
        if frame.first_seq != self.seq + 1:
            raise JournalGapError(f"frame {frame.first_seq}..{last_seq} does not follow seq {self.seq}")
        self._fold(frame.first_seq, frame.commands, frame.events)
        self.seq, self.frame_hash = last_seq, frame.hash

    def _fold(self, first_seq: int, commands: bytes | memoryview, events: bytes | memoryview) -> None:
        balances = self._changes.balances
        settled_seq = 0
        for row in EVENT.iter_unpack(events):
            kind = row[1]
            if kind == BALANCE:
                balances[row[4], row[3]] = BalanceRow._make((row[4], row[3], *row[5:13], row[0]))
                continue
            command = COMMAND.unpack_from(commands, (row[0] - first_seq) * COMMAND_SIZE)
            assert command[0] == row[0], "an event names a command of another seq"
            if kind == ACCEPTED:
                self._accepted(row, command)
            elif kind == TRIGGERED:
                self._triggered(row, command[1])
            elif kind == TRADE:
                self._trade(row, command[1])
            elif kind == CLOSED:
                self._closed(row, command[1])
            elif kind == AMENDED:
                self._amended(row, command[1])
            elif kind == LISTED:
                self._listed(row, command)
            elif kind == PENDING:
                self._pending(row, command)
            elif kind == LIST_DONE:
                self._list_done(row, command[1])
            elif kind == REPRICED:
                self._repriced(row, command[1])
            elif kind == PREVENTED:
                self._prevented(row, command[1])
            elif kind == ACCOUNT_OPENED:
                self._changes.accounts.append(AccountRow(row[4], row[13], command[18][:20], row[0]))
            elif kind == WALLET_MIGRATED:
                self._changes.new_wallets[row[4]] = command[19][:20]
            elif kind == TRADE_SETTLED:
                self._changes.settlements.append(
                    SettlementRow(row[5], row[0], command[1], row[6], row[2], row[11], command[19][:32])
                )
            elif kind in TOLD:
                self._changes.structure.take_event(row, command[1])
            if kind in (APPLIED, TRADE_SETTLED) and settled_seq != row[0]:
                settled_seq = row[0]
                self._applied(command)

    def _accepted(self, row: tuple[Any, ...], command: tuple[Any, ...]) -> None:
        seq, _, _, _, _, order_id, price_ticks, qty_lots, executed_lots, open_lots, _, held, usdc = row[:13]
        if (pending := self.open_orders.get(order_id)) is not None:  # a leg that waits for its price from now on
            pending.is_pending, pending.price_ticks = False, price_ticks
            return self._changed(pending, seq, command[1])
        open_lots = open_lots or (qty_lots if held else 0)  # a stop waits with all of it
        self._open(row, command, price_ticks, qty_lots, open_lots, executed_lots, usdc)

    def _pending(self, row: tuple[Any, ...], command: Command) -> None:
        _, _, price_ticks, qty_lots = row[5:9]
        self._open(row, command, price_ticks, qty_lots, qty_lots, 0, 0, is_pending=True)

    def _open(
        self,
        row: tuple[Any, ...],
        command: Command,
        price_ticks: int,
        qty_lots: int,
        open_lots: int,
        executed_lots: int,
        executed_usdc_micros: int,
        *,
        is_pending: bool = False,
    ) -> None:
        order_id, is_leg = row[5], command[2] == PLACE_LIST
        told = self._legs[order_id] if is_leg else command
        order = OrderRow(
            order_id=order_id,
            accepted_seq=row[0],
            accepted_ns=command[1],
            account=row[4],
            instrument=row[3],
            side=row[14],
            order_type=told[4],
            time_in_force=told[5],
            self_trade=told[7],
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            quote_usdc_micros=told[13],
            expire_ns=told[14],
            client_order_id=told[18].rstrip(b"\0"),
            open_lots=open_lots,
            executed_lots=executed_lots,
            executed_usdc_micros=executed_usdc_micros,
            close_reason=0,
            changed_seq=row[0],
            changed_ns=command[1],
            stop_ticks=told[16],
            display_lots=told[17],
            list_id=min(self._legs) if is_leg else 0,
            is_pending=is_pending,
        )
        self._changes.opened_orders[order_id] = order
        if open_lots:
            self.open_orders[order_id] = order

    def _listed(self, row: tuple[Any, ...], command: Command) -> None:
        account, list_id, legs = row[4:7]
        self._legs = {list_id + number: self._staged.pop((account, number + 1)) for number in range(legs)}
        self._came = set()
        self._changes.opened_lists[list_id] = ListRow(
            list_id=list_id,
            listed_seq=row[0],
            listed_ns=command[1],
            account=account,
            instrument=row[3],
            list_kind=command[8],
            legs=legs,
            list_client_order_id=command[18].rstrip(b"\0"),
        )

    def _list_done(self, row: tuple[Any, ...], time_ns: int) -> None:
        list_id, opened = row[5], self._changes.opened_lists
        if list_id in opened:
            opened[list_id] = opened[list_id]._replace(done_seq=row[0], done_ns=time_ns)
        else:
            self._changes.done_lists.append((list_id, row[0], time_ns))

    def _triggered(self, row: tuple[Any, ...], time_ns: int) -> None:
        """What it traded; where the rest of it does not go into the book, its Closed follows."""
        order = self.open_orders[row[5]]
        order.is_pending, order.price_ticks = False, row[6]
        if order.accepted_seq == row[0]:
            self._came.add(order.order_id)
        order.executed_lots, order.executed_usdc_micros = row[8], row[12]
        order.open_lots = order.qty_lots - order.executed_lots
        self._changed(order, row[0], time_ns)

    def _trade(self, row: tuple[Any, ...], time_ns: int) -> None:
        seq, _, _, instrument, taker, trade_id, maker_order_id, taker_order_id, price_ticks, qty_lots = row[:10]
        notional_usdc_micros = price_ticks * qty_lots * self._tick_values_usdc_micros[instrument]
        self._changes.trades.append(
            TradeRow(
                trade_id=trade_id,
                seq=seq,
                time_ns=time_ns,
                instrument=instrument,
                taker_side=row[14],
                taker_account=taker,
                maker_account=row[13],
                taker_order_id=taker_order_id,
                maker_order_id=maker_order_id,
                price_ticks=price_ticks,
                qty_lots=qty_lots,
                notional_usdc_micros=notional_usdc_micros,
                taker_fee_usdc_micros=row[12],
                maker_fee_usdc_micros=row[11],
            )
        )
        flags = row[15]
        resting = [(maker_order_id, MAKER_FILLED)]
        if flags & IN_AUCTION:
            resting.append((taker_order_id, TAKER_FILLED))
        for order_id, filled in resting:
            order = self.open_orders[order_id]
            order.open_lots -= qty_lots
            order.executed_lots += qty_lots
            order.executed_usdc_micros += notional_usdc_micros
            assert (order.open_lots == 0) == bool(flags & filled), "an order is done exactly when its trade says so"
            self._changed(order, seq, time_ns)

    def _closed(self, row: tuple[Any, ...], time_ns: int) -> None:
        order = self.open_orders.get(row[5]) or self._changes.opened_orders[row[5]]  # the latter if it never rested
        order.open_lots, order.close_reason = 0, row[2]
        order.executed_lots, order.executed_usdc_micros = row[7], row[8]
        self._changed(order, row[0], time_ns)

    def _amended(self, row: tuple[Any, ...], time_ns: int) -> None:
        order = self.open_orders[row[5]]
        order.qty_lots, order.open_lots = row[6], row[7]
        self._changed(order, row[0], time_ns)
        self._changes.amendments.append(AmendmentRow(row[5], row[0], time_ns, row[6], row[8]))

    def _repriced(self, row: tuple[Any, ...], time_ns: int) -> None:
        order = self.open_orders[row[5]]
        order.price_ticks, order.stop_ticks = row[6], row[7]
        self._changed(order, row[0], time_ns)

    def _prevented(self, row: tuple[Any, ...], time_ns: int) -> None:
        """The taker was accepted with what is left; a maker of which nothing is left closes by its own event."""
        if not row[15]:
            maker = self.open_orders[row[6]]
            maker.qty_lots, maker.open_lots = row[11], row[12]
            self._changed(maker, row[0], time_ns)
        taker = self.open_orders.get(row[7])
        came_later = taker is not None and (taker.accepted_seq != row[0] or taker.order_id in self._came)
        if taker is not None and came_later:  # by Triggered; its Closed follows where nothing is left
            taker.qty_lots -= row[9]
            taker.open_lots -= row[9]

    def _changed(self, order: OrderRow, seq: int, time_ns: int) -> None:
        order.changed_seq, order.changed_ns = seq, time_ns
        if order.order_id not in self._changes.opened_orders:
            self._changes.changed_orders[order.order_id] = order
        if order.open_lots == 0:
            self.open_orders.pop(order.order_id, None)

    def _applied(self, command: tuple[Any, ...]) -> None:
        """The rows of a command that says itself what became of it."""
        seq, kind = command[0], command[2]
        if kind == CommandKind.LIST_LEG:
            self._staged[command[9], command[8]] = command
            return
        a, b, c, d, e = command[11:16]
        text, text2 = command[18], command[19]
        if kind == CommandKind.SET_INSTRUMENT:
            symbol = text.rstrip(b"\0").decode("ascii")
            self._changes.listings[command[6]] = ListingRow(command[6], symbol, text2[:20], a)
            self._tick_values_usdc_micros[command[6]] = a
        elif kind == CommandKind.COMPOSE_BATCH:
            self._changes.batches.append(BatchRow(a, seq, b, c, d, e, text[:32]))
        elif kind == CommandKind.BATCH_FINAL:
            self._changes.finals.append(FinalRow(a, text[:32], seq, d, text2[:32]))
        else:
            self._changes.structure.take_command(command)
