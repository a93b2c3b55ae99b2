"""Durable events to everyone whom they concern: one pass over the rows of a frame.

For each command: the read model, the books, the reports on user data streams, and at last the reply to who asked.
Rows are tuples in the order of wire.EVENT_SLOTS and wire.COMMAND_SLOTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, Protocol

import numpy as np

from engine import types as t
from engine.types import CommandKind, EventKind, Reason, TradeFlag
from engine.wire import COMMAND, COMMAND_DTYPE, COMMAND_SIZE, EVENT, EVENT_DTYPE, EVENT_SIZE, decode_commands
from gateway.answers import LIST_LEG, PLACE_LIST, Asked, Outcome, PlainAsked, own, reply
from gateway.balances import Balances, free_and_locked
from gateway.channels import Spread
from gateway.market_data import MarketFeed
from gateway.markets import Market, Markets
from gateway.order_lists import placed
from gateway.orders import (
    EXPIRED_IN_MATCH,
    FILLED,
    NEW,
    PARTIALLY_FILLED,
    PENDING_NEW,
    Amendment,
    Fill,
    Order,
    Orders,
    Prevention,
    end_status,
)
from gateway.reports import Reports, reports_by_unit
from gateway.times import MS, US
from gateway.users import UserStreams

Row = tuple[Any, ...]
P = ParamSpec("P")
LEVEL_CHANGED: Final = int(CommandKind.LEVEL_CHANGED)
MAKER_FILLED: Final = int(TradeFlag.MAKER_FILLED)
IN_AUCTION: Final = int(TradeFlag.IN_AUCTION)
TRIGGERED: Final = int(EventKind.TRIGGERED)
BALANCE: Final = int(EventKind.BALANCE)
CANCELLED: Final = frozenset({int(Reason.CANCELLED), int(Reason.CANCELLED_REPLACED)})
OPERATORS: Final = (CommandKind.SET_INSTRUMENT, CommandKind.SET_FEES, CommandKind.SET_BANDS, CommandKind.SET_LIMITS)
LARGE_FRAME_BYTES: Final = 50 * EVENT_SIZE  # below, arrays cost more than they save
EXECUTION_PREVENTED: Final = "TRADE_PREVENTION"
_REPORTS: Final = {"CANCELED": "CANCELED", "EXPIRED": "EXPIRED", EXPIRED_IN_MATCH: EXECUTION_PREVENTED}


class Durable(Protocol):
    """One frame, on disk: stamped commands, their events, and whom to answer."""

    @property
    def first_seq(self) -> int: ...
    @property
    def commands(self) -> bytes: ...
    @property
    def events(self) -> bytes: ...
    @property
    def origins(self) -> Sequence[object | None]: ...


class Publisher:
    def __init__(
        self, markets: Markets, orders: Orders, balances: Balances, users: UserStreams, spread: Spread
    ) -> None:
        self._markets = markets
        self._orders = orders
        self._balances = balances
        self._users = users
        self._followed = users.streams
        self._spread = spread
        self.reports: Final = reports_by_unit(markets)
        self.feeds: dict[int, MarketFeed] = {}
        self._changed: list[MarketFeed] = []  # by this frame
        self._row: Row = ()
        self._outcome = Outcome()
        self._positions: dict[int, dict[int, tuple[int, int]]] = {}  # changed in this command, of who is followed
        self._staged: dict[tuple[int, int], Row] = {}  # by account and number: legs that wait for their list
        self._legs: dict[int, Row] = {}  # of the list at hand, by order id
        self._executions = 0
        self._commands = b""
        self._first_seq = 0
        ignore: Callable[[Row], None] = _ignore
        self._handlers: list[Callable[[Row], None]] = [ignore] * 256
        for kind, handler in (
            (EventKind.REJECTED, self._rejected),
            (EventKind.ACCEPTED, self._accepted),
            (EventKind.TRIGGERED, self._comes),
            (EventKind.TRADE, self._trade),
            (EventKind.CLOSED, self._closed),
            (EventKind.AMENDED, self._amended),
            (EventKind.REPRICED, self._repriced),
            (EventKind.PREVENTED, self._prevented),
            (EventKind.REPLENISHED, self._replenished),
            (EventKind.LISTED, self._listed),
            (EventKind.PENDING, self._pending),
            (EventKind.LIST_DONE, self._list_done),
            (EventKind.BALANCE, self._balance),
            (EventKind.APPLIED, self._applied),
            (EventKind.PHASE_CHANGED, self._phase_changed),
            (EventKind.INDICATIVE, self._called),
            (EventKind.AUCTION, self._called),
            (EventKind.WENT_EX, self._went_ex),
            (EventKind.TRADE_SETTLED, self._trade_settled),
        ):
            self._handlers[kind] = handler

    def publish(self, durable: Durable) -> None:
        first_seq, origins, handlers = durable.first_seq, durable.origins, self._handlers
        rows = list(COMMAND.iter_unpack(durable.commands))
        self._commands, self._first_seq = durable.commands, first_seq
        codec = self._markets.codec
        written = codec.answers(durable.commands, durable.events, origins, PlainAsked) if codec is not None else None
        frames = written or [None] * len(origins)
        seq = 0
        for event in EVENT.iter_unpack(self._without_balances(durable)):
            if event[0] != seq:
                if seq:
                    self._finish(origins[seq - first_seq], frames[seq - first_seq])
                seq = event[0]
                self._row = rows[seq - first_seq]
                self._outcome = Outcome()
            handlers[event[1]](event)
        if seq:
            self._finish(origins[seq - first_seq], frames[seq - first_seq])
        if self._changed:
            changed, self._changed = self._changed, []
            for feed in changed:
                feed.publish(rows[-1][1])

    def open_feed(self, market: Market, update_id: int, complete_after_id: int, phase_ends_ns: int) -> MarketFeed:
        """A feed of a market that has none; see MarketFeed for the trade id."""
        resting = partial(self._orders.resting, market)
        feed = MarketFeed(market, update_id, complete_after_id, self._mark, resting, phase_ends_ns, self._spread)
        self.feeds[market.number] = feed
        return feed

    def _mark(self, feed: MarketFeed) -> None:
        self._changed.append(feed)

    def _without_balances(self, durable: Durable) -> bytes:
        """The events of a large frame less the balances of those who are not followed: they need no turn each."""
        if len(durable.events) < LARGE_FRAME_BYTES:
            return durable.events
        slots = np.frombuffer(durable.events, EVENT_DTYPE)
        lone = slots["kind"] == BALANCE
        if self._followed:
            lone &= ~np.isin(slots["account"], np.fromiter(self._followed, np.uint32, len(self._followed)))
        events = np.frombuffer(durable.events, np.uint8).reshape(
            -1, EVENT_SIZE
        )  # plain bytes are quicker to choose from
        times_ns = np.frombuffer(durable.commands, COMMAND_DTYPE)["time_ns"]
        self._balances.take(events[lone], times_ns[slots["seq"][lone] - np.uint64(durable.first_seq)])
        others: bytes = events[~lone].tobytes()
        return others

    def _finish(self, origin: object | None, frame: bytes | None) -> None:
        """The command at hand has been told: `frame` is its answer where the core has written it."""
        if self._positions:
            for account, changed in self._positions.items():
                self._tell(account, Reports.position, changed, self._row[1])
            self._positions = {}
        if frame is not None:
            assert isinstance(origin, PlainAsked)
            own(origin.sink, self._outcome)
            origin.send_frame(frame)
        elif isinstance(origin, Asked) and self._row[2] != LIST_LEG:  # what places the list is the answer
            reply(self.reports, origin, self._outcome, self._row[0])

    # -- orders

    def _rejected(self, event: Row) -> None:
        outcome = self._outcome
        outcome.refusals = [*(outcome.refusals or ()), (event[2], event[5])]

    def _accepted(self, event: Row) -> None:
        if event[5] in self._orders.pending:
            return self._comes(event)
        self._works(event, self._open(event, self._legs[event[5]] if self._row[2] == PLACE_LIST else self._row))

    def _open(self, event: Row, row: Row, status: str = NEW) -> Order:
        """A new order; `row` is the command that told of it."""
        outcome, time_ns = self._outcome, self._row[1]
        order = Order(
            event[5],
            event[4],
            self._markets.by_number[event[3]],
            event[14],
            row[4],
            row[5],
            row[11],
            row[12] or event[7],  # before what is prevented in this command; by quote what is executed in it
            row[13],
            row[14],
            row[7],
            time_ns,
            time_ns,
            row[18].rstrip(b"\0").decode("ascii"),
            status=status,
            stop_ticks=row[16],
            rank=event[5],
            display_lots=row[17],
        )
        if outcome.order_list is not None:
            order.list_id = outcome.order_list.list_id
            outcome.add_leg(order)
        self._orders.add(order)
        if outcome.order is None and status == NEW:
            outcome.order = order
        return order

    def _comes(self, event: Row) -> None:
        """A stop comes to the market, or a pending leg: there, or only to wait for its price. Its trades follow."""
        order = self._orders.of(event[4]).open[event[5]]
        if event[1] == TRIGGERED:
            order.rank = event[7]
        if order.status == PENDING_NEW:
            order.status = NEW
            self._orders.pending.discard(order.order_id)
        order.triggered_ns = order.update_time_ns = self._row[1]
        self._works(event, order)

    def _works(self, event: Row, order: Order) -> None:
        """What is left of it after this command comes into the book, and its trader hears of it."""
        open_lots = event[9]
        if open_lots:
            if order.display_lots:
                order.hidden_lots = max(0, open_lots - order.display_lots)
            self.feeds[event[3]].level(order.rank, order.side, event[6], open_lots - order.hidden_lots, event[10])
        if order.account in self._followed:
            self._report(order, "NEW")

    def _trade(self, event: Row) -> None:
        (_, _, _, number, taker_account, trade_id, maker_order_id, taker_order_id, price_ticks, lots) = event[:10]
        update_id, maker_fee, taker_fee, maker_account, taker_side, flags = event[10:16]
        time_ns = self._row[1]
        market = self._markets.by_number[number]
        fill = Fill(
            trade_id,
            market,
            taker_account,
            maker_account,
            taker_order_id,
            maker_order_id,
            taker_side,
            price_ticks,
            lots,
            price_ticks * lots * market.tick_value_usdc_micros,
            taker_fee,
            maker_fee,
            time_ns,
        )
        orders = self._orders
        orders.add_fill(fill)
        makers = orders.of(maker_account)
        maker = makers.open[maker_order_id]
        feed = self.feeds[number]
        feed.trade(fill, update_id, maker.rank, maker.price_ticks, maker.shown_of(lots))
        if flags & IN_AUCTION:
            taker = orders.of(taker_account).open[taker_order_id]
            feed.level(taker.rank, taker_side, taker.price_ticks, -taker.shown_of(lots), update_id)
        else:
            taker = self._taker(taker_account, taker_order_id)
            if taker is self._outcome.order or taker in (self._outcome.legs or ()):
                self._outcome.add_fill(fill)
        fill.taker_list_id, fill.maker_list_id = taker.list_id, maker.list_id
        _fill(taker, fill)
        _fill(maker, fill)
        if taker.executed_lots == taker.qty_lots:
            taker.status = FILLED
            orders.of(taker_account).close(taker, self._row[0])
        if flags & MAKER_FILLED:
            maker.status = FILLED
            makers.close(maker, self._row[0])
        if taker_account in self._followed:
            self._report(taker, "TRADE", fill=fill)
        if maker_account in self._followed:
            self._report(maker, "TRADE", fill=fill, is_maker=True)

    def _taker(self, account: int, order_id: int) -> Order:
        """The order that the command at hand placed, or a stop that it triggered."""
        placed = self._outcome.order
        return placed if placed is not None and placed.order_id == order_id else self._orders.of(account).open[order_id]

    def _closed(self, event: Row) -> None:
        orders = self._orders.of(event[4])
        order = orders.open.get(event[5])
        if order is None:
            return  # a market order by quote: filled with all that its money buys, and so done at its last trade
        reason = event[2]
        order.status = end_status(reason)
        order.update_time_ns = self._row[1]
        orders.close(order, self._row[0])
        self._orders.pending.discard(order.order_id)
        if event[15]:
            self.feeds[event[3]].level(order.rank, event[14], event[9], order.hidden_lots - event[6], event[10])
        cancel_id = ""
        if reason in CANCELLED:
            self._outcome.add_cancelled(order, orders.lists.open.get(order.list_id))
            cancel_id = order.client_order_id
        if order.account in self._followed:
            self._report(order, _REPORTS[order.status], reason=reason, cancel_id=cancel_id)

    def _listed(self, event: Row) -> None:
        """Its orders follow, under the numbers from the list's own on."""
        account, list_id, count = event[4:7]
        self._legs = {list_id + number: self._staged.pop((account, number + 1)) for number in range(count)}
        listed = placed(self._row, list_id, self._markets.by_number[event[3]], self._legs)
        self._orders.of(account).lists.add(listed)
        self._outcome.order_list = listed
        if account in self._followed:
            self._tell(account, Reports.list_status, listed, self._row[1])

    def _pending(self, event: Row) -> None:
        order = self._open(event, self._legs[event[5]], PENDING_NEW)
        self._orders.pending.add(order.order_id)
        if order.account in self._followed:
            self._report(order, "NEW")

    def _list_done(self, event: Row) -> None:
        account, (seq, time_ns) = event[4], self._row[:2]
        done = self._orders.of(account).lists.close(event[5], seq, time_ns)
        if account in self._followed:
            self._tell(account, Reports.list_status, done, time_ns)

    def _amended(self, event: Row) -> None:
        order = self._orders.of(event[4]).open[event[5]]
        order.amend(Amendment(event[0], self._row[1], event[6], event[8]))
        hidden_lots = min(order.hidden_lots, event[8])
        order.hidden_lots -= hidden_lots
        if event[10]:
            self.feeds[event[3]].level(order.rank, event[14], event[9], hidden_lots - event[8], event[10])
        self._outcome.amended = order
        if order.account in self._followed:
            self._report(order, "REPLACED")

    def _repriced(self, event: Row) -> None:
        """An ex-date has lowered it; one that names no limit of its own goes on naming none."""
        price_ticks, stop_ticks, lots, lowered_ticks, update_id = event[6:11]
        order = self._orders.of(event[4]).open[event[5]]
        order.price_ticks, order.stop_ticks = price_ticks if order.price_ticks else 0, stop_ticks
        order.update_time_ns = self._row[1]
        if not order.waits:
            feed, shown_lots = self.feeds[event[3]], lots - order.hidden_lots
            feed.level(order.rank, order.side, price_ticks + lowered_ticks, -shown_lots, update_id)
            feed.level(order.rank, order.side, price_ticks, shown_lots, update_id)
        if order.account in self._followed:
            self._report(order, "REPLACED", reason=Reason.EX_DATE)

    def _prevented(self, event: Row) -> None:
        """Both got smaller, and are told so; a maker of which nothing is left closes by its next event instead."""
        (_, _, _, number, taker_account, prevented_id, maker_order_id, taker_order_id, price_ticks, lots) = event[:10]
        update_id, qty_lots, _, maker_account, taker_side, maker_closes = event[10:16]
        taker = self._taker(taker_account, taker_order_id)
        maker = self._orders.of(maker_account).open[maker_order_id]
        market, time_ns = taker.market, self._row[1]
        prevention = Prevention(
            *(prevented_id, market, taker_account, maker_account, taker_order_id, maker_order_id),
            *(taker_side, price_ticks, lots, taker.self_trade, time_ns),
        )
        self._orders.add_prevention(prevention)
        if not taker.quote_usdc_micros:
            taker.qty_lots -= lots
        if not maker_closes:
            self.feeds[number].level(maker.rank, maker.side, price_ticks, -maker.shown_of(lots), update_id)
            maker.qty_lots = qty_lots
        for order in (taker, maker):
            order.prevented_lots += lots
            order.update_time_ns = time_ns
            if order.account in self._followed:
                self._report(order, EXECUTION_PREVENTED, prevention=prevention)

    def _replenished(self, event: Row) -> None:
        """The public sees a new order; its trader, that it goes on."""
        order = self._orders.of(event[4]).open[event[5]]
        order.rank = event[7]
        order.hidden_lots = order.qty_lots - order.executed_lots - event[8]
        self.feeds[event[3]].level(order.rank, order.side, event[6], event[8], event[10])

    def _report(
        self,
        order: Order,
        execution: str,
        *,
        fill: Fill | None = None,
        is_maker: bool = False,
        reason: int = 0,
        cancel_id: str = "",
        prevention: Prevention | None = None,
    ) -> None:
        self._executions += 1
        self._tell(
            order.account,
            Reports.execution,
            order,
            execution,
            self._executions,
            self._row[1],
            cancel_id=cancel_id,
            fill=fill,
            is_maker=is_maker,
            reason=reason,
            prevention=prevention,
        )

    def _tell(
        self, account: int, write: Callable[Concatenate[Reports, P], str], *facts: P.args, **more: P.kwargs
    ) -> None:
        """An event on the stream of an account that is followed."""
        micros = write(self.reports[US], *facts, **more) if self._followed[account].micros is not None else ""
        self._users.emit(account, write(self.reports[MS], *facts, **more), micros)

    # -- money

    def _balance(self, event: Row) -> None:
        row, account, asset = self._row, event[4], event[3]
        self._balances.set(account, asset, event, row[1])
        if account not in self._followed:
            return
        self._positions.setdefault(account, {})[asset] = free_and_locked(event)
        if row[2] == LEVEL_CHANGED and row[6] == asset and row[11]:
            self._tell(account, Reports.balance_change, asset, row[11], row[1])

    def _trade_settled(self, event: Row) -> None:
        """FINAL, or FAILED: then both sides get back what they gave and lose what they got."""
        (_, _, reason, number, buyer, trade_id, _, lots, notional, buyer_fee, seller_fee) = event[:11]
        seller, time_ns = event[13], self._row[1]
        state, why = ("FAILED", Reason(reason).name) if reason else ("FINAL", "")
        transaction = "" if reason else f"0x{self._row[19][:32].hex()}"
        fill = self._orders.unsettled.pop(trade_id, None)
        if fill is not None:
            fill.settlement, fill.reason, fill.transaction = state, why, transaction
        for account, cash, tokens in ((buyer, notional + buyer_fee, -lots), (seller, seller_fee - notional, lots)):
            if account not in self._followed:
                continue
            self._tell(account, Reports.settlement, number, trade_id, state, why, transaction, time_ns)
            if reason:
                self._tell(account, Reports.balance_change, t.USDC, cash, time_ns)
                self._tell(account, Reports.balance_change, number, tokens, time_ns)

    def settling(self, trade_ids: range, left_out: frozenset[int], state: str, transaction: str, time_ns: int) -> None:
        """A batch on its way: SUBMITTED or MINED, or SUBMITTED again after a reorg. FINAL comes from the journal."""
        for trade_id in trade_ids:
            fill = self._orders.unsettled.get(trade_id)
            if fill is None or trade_id in left_out or (fill.settlement, fill.transaction) == (state, transaction):
                continue
            fill.settlement, fill.transaction = state, transaction
            number = fill.market.number
            for account in {fill.taker_account, fill.maker_account}:
                if account in self._followed:
                    self._tell(account, Reports.settlement, number, trade_id, state, "", transaction, time_ns)

    # -- the venue

    def _applied(self, event: Row) -> None:
        """The rare commands of operators, and legs: what they set is read from the command itself."""
        if self._row[2] == LIST_LEG:
            self._staged[event[4], self._row[8]] = self._row
        if self._row[2] not in OPERATORS:
            return
        start = (self._row[0] - self._first_seq) * COMMAND_SIZE
        _, _, command = next(decode_commands(self._commands[start : start + COMMAND_SIZE]))
        if isinstance(command, t.SetInstrument):
            market = self._markets.list(command)
            if market.number not in self.feeds:
                self.open_feed(market, 0, 0, 0)
        elif isinstance(command, t.SetFees | t.SetBands | t.SetLimits):
            self._markets.by_number[command.instrument].set(command)

    def _phase_changed(self, event: Row) -> None:
        if event[3] == t.VENUE:
            self._markets.venue_phase = event[15]
        else:
            self._called(event)

    def _went_ex(self, event: Row) -> None:
        market = self._markets.by_number[event[3]]
        market.last_price_ticks, market.reference_ticks = event[6], event[7]

    def _called(self, event: Row) -> None:
        self.feeds[event[3]].call(event, self._row[1])


def _ignore(event: Row) -> None:
    """An event that no client is told of."""


def _fill(order: Order, fill: Fill) -> None:
    order.executed_lots += fill.qty_lots
    order.executed_usdc_micros += fill.notional_usdc_micros
    order.status = PARTIALLY_FILLED
    order.update_time_ns = fill.time_ns
