"""What the gateway knows of orders and trades: all that are open, and for each account the newest that are done.

Built from the engine's state at start and its durable events since; older ones come from `History` (SQL).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from engine import types as t
from engine.types import Reason
from gateway.markets import Market, Markets

CLOSED_KEPT: Final = 2_000  # done orders by account; a multiple of it are let go at once
TRADES_KEPT: Final = 5_000  # by account
UNSETTLED_KEPT: Final = 1_000_000  # trades waiting for their settlement, in all

NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH = (
    "NEW",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "EXPIRED",
    "EXPIRED_IN_MATCH",
)
_ENDS: Final[dict[int, str]] = {
    Reason.CANCELLED: CANCELED,
    Reason.CANCELLED_REPLACED: CANCELED,
    Reason.SELF_TRADE: EXPIRED_IN_MATCH,
}


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

    @property
    def is_open(self) -> bool:
        return self.status in (NEW, PARTIALLY_FILLED)


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


class AccountOrders:
    """One account's orders and trades, oldest first."""

    __slots__ = ("by_client_id", "closed", "closed_forgotten", "fills", "fills_forgotten", "open")

    def __init__(self, *, forgotten: bool) -> None:
        self.open: dict[int, Order] = {}
        self.closed: dict[int, Order] = {}
        self.by_client_id: dict[str, Order] = {}  # the newest that had the id
        self.fills: deque[Fill] = deque(maxlen=TRADES_KEPT)
        self.closed_forgotten = forgotten  # whether history may hold more than is here
        self.fills_forgotten = forgotten

    def find(self, order_id: int | None, client_order_id: str | None) -> Order | None:
        """By either id; with both, the order must have both."""
        if order_id is not None:
            order = self.open.get(order_id) or self.closed.get(order_id)
            return order if order is None or client_order_id in (None, order.client_order_id) else None
        return self.by_client_id.get(client_order_id) if client_order_id is not None else None

    def close(self, order: Order) -> None:
        del self.open[order.order_id]
        closed = self.closed
        closed[order.order_id] = order
        if len(closed) > 2 * CLOSED_KEPT:
            self._forget()

    def _forget(self) -> None:
        self.closed_forgotten = True
        for order_id in list(self.closed)[:CLOSED_KEPT]:
            order = self.closed.pop(order_id)
            if self.by_client_id.get(order.client_order_id) is order:
                del self.by_client_id[order.client_order_id]

    def add_fill(self, fill: Fill) -> None:
        if len(self.fills) == TRADES_KEPT:
            self.fills_forgotten = True
        self.fills.append(fill)


class Orders:
    """Every account's."""

    def __init__(self) -> None:
        self._accounts: dict[int, AccountOrders] = {}
        self._opened_after_start = -1  # accounts numbered above this were opened while we looked: nothing is forgotten
        self.unsettled: dict[int, Fill] = {}

    def restore(self, state: t.MarketState, markets: Markets) -> None:
        self._opened_after_start = max((account.account for account in state.accounts), default=0)
        for resting in state.orders:
            order = Order(
                resting.order_id,
                resting.account,
                markets.by_number[resting.instrument],
                resting.side,
                resting.order_type,
                resting.time_in_force,
                resting.price_ticks,
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
            )
            self.add(order)

    def of(self, account: int) -> AccountOrders:
        orders = self._accounts.get(account)
        if orders is None:
            forgotten = account <= self._opened_after_start
            orders = self._accounts[account] = AccountOrders(forgotten=forgotten)
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

    def resting(self, market: Market) -> Iterator[tuple[int, int, int, int]]:
        """Order id, side, price in ticks and open lots of each order in a market's book."""
        for orders in self._accounts.values():
            for order in orders.open.values():
                if order.market is market:
                    yield order.order_id, order.side, order.price_ticks, order.qty_lots - order.executed_lots

    def open_of(self, account: int, market: Market | None) -> Iterator[Order]:
        for order in self.of(account).open.values():
            if market is None or order.market is market:
                yield order


def end_status(reason: int) -> str:
    """The status of an order that closed for this reason."""
    return _ENDS.get(reason, EXPIRED)
