"""What the gateway knows of orders and trades: all that are open, and for each account the newest that are done.

Built from the engine's state at start and its durable events since; older ones come from `History` (SQL).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from engine import types as t
from engine.types import Reason
from gateway.markets import Market, Markets
from gateway.order_lists import AccountLists, Member, OrderList

CLOSED_KEPT: Final = 2_000  # done orders by account, also when the database has them; let go in one go
TRADES_KEPT: Final = 5_000  # by account, also when the database has them
AMENDMENTS_KEPT: Final = 1_000  # by order; older ones only the database has
KEPT_MAX: Final = 200_000  # of each, by account, while the database is away
UNSETTLED_KEPT: Final = 1_000_000  # trades waiting for their settlement, in all

PENDING_NEW, NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH = (
    "PENDING_NEW",
    "NEW",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "EXPIRED",
    "EXPIRED_IN_MATCH",
)
AT_COLLAR: Final = (t.OrderType.STOP_LOSS, t.OrderType.TAKE_PROFIT)  # they wait, and name no limit
_ENDS: Final[dict[int, str]] = {
    Reason.CANCELLED: CANCELED,
    Reason.CANCELLED_REPLACED: CANCELED,
    Reason.SELF_TRADE: EXPIRED_IN_MATCH,
}


class Amendment(msgspec.Struct, gc=False, frozen=True):
    """An order that its trader made smaller."""

    execution_id: int  # the command's seq
    time_ns: int
    qty_lots: int  # from then on
    removed_lots: int


class Order(msgspec.Struct, gc=False, eq=False):
    """One order as it stands now."""

    order_id: int
    account: int
    market: Market
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int  # as sent: 0 for MARKET
    qty_lots: int
    quote_usdc_micros: int
    expire_time_ns: int
    self_trade: int
    time_ns: int
    update_time_ns: int
    client_order_id: str
    executed_lots: int = 0
    executed_usdc_micros: int = 0
    status: str = NEW
    closed_seq: int = 0  # of the command that closed it
    prevented_lots: int = 0  # that DECREMENT took off qty_lots, as far as memory knows
    stop_ticks: int = 0
    rank: int = 0  # its place in the queue: its number, or the one that it was triggered or replenished with
    display_lots: int = 0  # 0: it is no iceberg
    hidden_lots: int = 0  # of the open ones, where it rests
    triggered_ns: int = 0
    amendments: deque[Amendment] | None = None
    unkept_seq: int = -1  # up to where only history has its amendments; -1: they are all here
    list_id: int = -1  # of the order list that it is a leg of; -1: of none

    @property
    def is_open(self) -> bool:
        return self.status in (NEW, PARTIALLY_FILLED, PENDING_NEW)

    def shown_of(self, lots: int) -> int:
        """Of so many of its lots that trade, as many as its book shows."""
        if not self.hidden_lots:
            return lots
        return min(lots, max(0, self.qty_lots - self.executed_lots - self.hidden_lots))

    @property
    def waits(self) -> bool:
        """A stop that was not triggered, or a leg of a list whose turn has not come."""
        return (self.stop_ticks != 0 and self.rank == self.order_id) or self.status == PENDING_NEW

    def amend(self, amendment: Amendment) -> None:
        if self.amendments is None:
            self.amendments = deque()
        self.amendments.append(amendment)
        if len(self.amendments) > AMENDMENTS_KEPT:
            self.unkept_seq = self.amendments.popleft().execution_id
        self.qty_lots, self.update_time_ns = amendment.qty_lots, amendment.time_ns


class Fill(msgspec.Struct, gc=False, eq=False):
    """One maker meeting one taker; the two accounts share it."""

    trade_id: int
    market: Market
    taker_account: int
    maker_account: int
    taker_order_id: int
    maker_order_id: int
    taker_side: int
    price_ticks: int
    qty_lots: int
    notional_usdc_micros: int
    taker_fee_usdc_micros: int
    maker_fee_usdc_micros: int
    time_ns: int
    settlement: str = "MATCHED"
    reason: str = ""
    transaction: str = ""
    taker_list_id: int = -1  # of the order lists that the two orders are legs of
    maker_list_id: int = -1


class Prevention(msgspec.Struct, gc=False, eq=False):
    """Two orders of one owner that would have traded, and got smaller instead; the two accounts share it."""

    prevented_id: int
    market: Market
    taker_account: int
    maker_account: int
    taker_order_id: int
    maker_order_id: int
    taker_side: int
    price_ticks: int
    lots: int
    mode: int
    time_ns: int


class Projected:
    """A point in the journal: up to where the database is, say; what it does not have must stay in memory."""

    __slots__ = ("seq", "trade_id")

    def __init__(self, seq: int, trade_id: int) -> None:
        self.seq = seq
        self.trade_id = trade_id


class AccountOrders:
    """One account's orders and trades, oldest first."""

    __slots__ = (
        "_forget_at",
        "_projected",
        "by_client_id",
        "closed",
        "fills",
        "forgotten_seq",
        "forgotten_trade_id",
        "lists",
        "open",
        "preventions",
    )

    def __init__(self, projected: Projected, forgotten: Projected) -> None:
        """`forgotten` is what only history has, up to where: -1 for nothing."""
        self.open: dict[int, Order] = {}
        self.closed: dict[int, Order] = {}
        self.by_client_id: dict[str, Order] = {}  # the newest that had the id
        self.fills: deque[Fill] = deque()
        self.preventions: deque[Prevention] = deque(maxlen=TRADES_KEPT)
        self.lists: Final = AccountLists()
        self.forgotten_seq = forgotten.seq
        self.forgotten_trade_id = forgotten.trade_id
        self._projected = projected
        self._forget_at = 2 * CLOSED_KEPT

    def find(self, order_id: int | None, client_order_id: str | None) -> Order | None:
        """By either id; with both, the order must have both."""
        if order_id is not None:
            order = self.open.get(order_id) or self.closed.get(order_id)
            return order if order is None or client_order_id in (None, order.client_order_id) else None
        return self.by_client_id.get(client_order_id) if client_order_id is not None else None

    def close(self, order: Order, seq: int) -> None:
        del self.open[order.order_id]
        closed = self.closed
        order.closed_seq = seq
        closed[order.order_id] = order
        if len(closed) > self._forget_at:
            self._forget()

    def _forget(self) -> None:
        """Let go of the oldest that the database has, and beyond KEPT_MAX also of those that it has not."""
        closed = self.closed
        for order_id in list(closed)[:-CLOSED_KEPT]:
            order = closed[order_id]
            if order.closed_seq > self._projected.seq and len(closed) <= KEPT_MAX:
                break
            del closed[order_id]
            self.forgotten_seq = order.closed_seq
            if self.by_client_id.get(order.client_order_id) is order:
                del self.by_client_id[order.client_order_id]
        self.lists.forget(self.forgotten_seq)
        self._forget_at = len(closed) + CLOSED_KEPT

    def add_fill(self, fill: Fill) -> None:
        fills = self.fills
        fills.append(fill)
        while len(fills) > TRADES_KEPT and (fills[0].trade_id <= self._projected.trade_id or len(fills) > KEPT_MAX):
            self.forgotten_trade_id = fills.popleft().trade_id


class Orders:
    """Every account's."""

    def __init__(self, *, has_history: bool = False) -> None:
        far = 0 if has_history else t.INT64_MAX  # nothing is kept for a database that is not there
        self.projected: Final = Projected(far, far)
        self._accounts: dict[int, AccountOrders] = {}
        self._opened_after_start = -1  # accounts numbered above this were opened while we looked: nothing is forgotten
        self._at_start = Projected(-1, -1)
        self.unsettled: dict[int, Fill] = {}
        self.pending: Final[set[int]] = set()  # legs of lists whose turn has not come

    def restore(self, state: t.MarketState, markets: Markets) -> None:
        self._at_start = Projected(state.seq, state.last_trade_id)
        self._opened_after_start = max((account.account for account in state.accounts), default=0)
        for resting in state.orders:
            order = Order(
                resting.order_id,
                resting.account,
                markets.by_number[resting.instrument],
                resting.side,
                resting.order_type,
                resting.time_in_force,
                0 if resting.order_type in AT_COLLAR else resting.price_ticks,
                resting.qty_lots,
                0,
                resting.expire_time_ns,
                resting.self_trade,
                resting.time_ns,
                resting.time_ns,
                resting.client_order_id.decode("ascii"),
                resting.qty_lots - resting.open_lots,
                resting.executed_usdc_micros,
                NEW if resting.qty_lots == resting.open_lots else PARTIALLY_FILLED,
                stop_ticks=resting.stop_ticks,
                rank=resting.rank,
                display_lots=resting.display_lots,
                hidden_lots=resting.hidden_lots,
                unkept_seq=state.seq,
                list_id=resting.list_id or -1,
            )
            if resting.pending:
                order.status = PENDING_NEW
                self.pending.add(order.order_id)
            self.add(order)
        for listed in state.lists:
            orders = self.of(listed.account)
            orders.lists.add(self._restored(listed, markets.by_number[listed.instrument], orders.open))

    @staticmethod
    def _restored(listed: t.OpenList, market: Market, open_orders: Mapping[int, Order]) -> OrderList:
        """Its members' names as far as they are open: those of the others only history has."""
        order_ids = range(listed.list_id, listed.list_id + listed.legs)
        members = [Member(each, open_orders[each].client_order_id) for each in order_ids if each in open_orders]
        client_id = listed.list_client_order_id.decode("ascii")
        return OrderList(
            listed.list_id,
            listed.account,
            market,
            listed.list_kind,
            client_id,
            tuple(members),
            listed.time_ns,
            listed.time_ns,
            legs=listed.legs,
        )

    def of(self, account: int) -> AccountOrders:
        orders = self._accounts.get(account)
        if orders is None:
            forgotten = self._at_start if account <= self._opened_after_start else Projected(-1, -1)
            orders = self._accounts[account] = AccountOrders(self.projected, forgotten)
        return orders

    def add(self, order: Order) -> None:
        orders = self.of(order.account)
        orders.open[order.order_id] = order
        orders.by_client_id[order.client_order_id] = order

    def add_fill(self, fill: Fill) -> None:
        self.of(fill.taker_account).add_fill(fill)
        if fill.maker_account != fill.taker_account:
            self.of(fill.maker_account).add_fill(fill)
        self.unsettled[fill.trade_id] = fill
        if len(self.unsettled) > UNSETTLED_KEPT:
            del self.unsettled[next(iter(self.unsettled))]

    def add_prevention(self, prevention: Prevention) -> None:
        for account in {prevention.taker_account, prevention.maker_account}:
            self.of(account).preventions.append(prevention)

    def resting(self, market: Market) -> Iterator[tuple[int, int, int, int]]:
        """Rank, side, price in ticks and lots that are shown of each order in a market's book."""
        for orders in self._accounts.values():
            for order in orders.open.values():
                if order.market is market and not order.waits:
                    shown_lots = order.qty_lots - order.executed_lots - order.hidden_lots
                    yield order.rank, order.side, order.price_ticks, shown_lots

    def open_of(self, account: int, market: Market | None) -> Iterator[Order]:
        for order in self.of(account).open.values():
            if market is None or order.market is market:
                yield order


def end_status(reason: int) -> str:
    """The status of an order that closed for this reason."""
    return _ENDS.get(reason, EXPIRED)
