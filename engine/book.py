"""One instrument's order book: price levels, first come first served within each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from sortedcontainers import SortedList

from engine.accounts import Seat
from engine.types import BASIS_POINTS, INT64_MAX, OrderType, SelfTrade, Side

BUY: Final = int(Side.BUY)
EXPIRE_MAKER: Final = int(SelfTrade.EXPIRE_MAKER)
TAKE_PROFIT: Final = int(OrderType.TAKE_PROFIT)


class Order(Struct, eq=False, gc=False):
    """An open order; it keeps the fee rates it was accepted with.

    The collector does not walk it: an order is in a cycle only while it is open, and an engine ends with its process.
    """

    order_id: int
    seat: Seat
    side: int
    order_type: int
    time_in_force: int
    self_trade: int
    price_ticks: int
    qty_lots: int
    open_lots: int
    expire_time_ns: int
    time_ns: int
    usdc_micros_per_lot: int
    maker_fee_bps: int
    hold_fee_bps: int  # the higher of the two rates
    client_order_id: bytes
    rank: (
        int  # its place in the queue: its number, or a later one that it was triggered or replenished with; 0: pending
    )
    stop_ticks: int = 0
    waits: bool = False  # it is a stop whose price has not been reached, and so in no book
    executed_usdc_micros: int = 0
    display_lots: int = 0  # 0: it is no iceberg
    hidden_lots: int = 0  # of the open ones; nothing before it rests
    list_id: int = 0  # 0: it is no leg

    def hold_for(self, lots: int) -> int:
        """What `lots` of it must have held: USDC micros with the fee rounded up (buy), or lots (sell)."""
        if self.side != BUY:
            return lots
        notional = lots * self.usdc_micros_per_lot
        return notional - (-notional * self.hold_fee_bps // BASIS_POINTS)

    def crosses(self, other: Order) -> bool:
        """Whether the two could trade with each other."""
        if self.side == other.side or self.waits:
            return False
        buy, sell = (self, other) if self.side == BUY else (other, self)
        return buy.price_ticks >= sell.price_ticks


def must_rise(side: int, order_type: int) -> bool:
    """Whether the price must rise to a stop, or else fall."""
    return (side == BUY) == (order_type < TAKE_PROFIT)


class BookSide:
    """The bids or the asks; `best` is the best price in ticks, 0 when empty."""

    __slots__ = ("_keys", "_sign", "best", "levels", "lots")

    def __init__(self, side: int) -> None:
        self._sign = -1 if side == BUY else 1
        self._keys: SortedList[int] = SortedList()
        self.levels: dict[int, OrderedDict[int, Order]] = {}
        self.lots: dict[int, int] = {}  # open at each price
        self.best = 0

    def add(self, order: Order) -> None:
        price = order.price_ticks
        level = self.levels.get(price)
        if level is None:
            self.levels[price] = level = OrderedDict()
            self.lots[price] = 0
            key = price * self._sign
            self._keys.add(key)
            if self._keys[0] == key:
                self.best = price
        level[order.order_id] = order
        self.lots[price] += order.open_lots
        assert self.lots[price] <= INT64_MAX, "an amount leaves the records"

    def reduce(self, price_ticks: int, lots: int) -> None:
        """Of an order at this price; one without any left is removed after it."""
        self.lots[price_ticks] -= lots

    def move_back(self, order: Order) -> None:
        """Behind the others at its price."""
        self.levels[order.price_ticks].move_to_end(order.order_id)

    def first(self) -> Order:
        """The order that fills first; only where there are orders."""
        return next(iter(self.levels[self.best].values()))

    def remove(self, order: Order) -> None:
        price = order.price_ticks
        level = self.levels[price]
        del level[order.order_id]
        self.lots[price] -= order.open_lots
        if not level:
            del self.levels[price]
            del self.lots[price]
            self._keys.remove(price * self._sign)
            if price == self.best:
                self.best = self._keys[0] * self._sign if self._keys else 0

    def reaches(self, limit_ticks: int) -> bool:
        """Whether an incoming order with this limit would trade with the best of this side."""
        return self.best != 0 and self.best * self._sign <= limit_ticks * self._sign

    def orders(self) -> Iterator[Order]:
        """In the order in which they would fill."""
        for key in self._keys:
            yield from self.levels[key * self._sign].values()

    def depth(self, limit_ticks: int) -> Iterator[tuple[int, int]]:
        """Price and open lots of each level that an incoming order with this limit would trade with, best first."""
        for key in self._keys:
            if key > limit_ticks * self._sign:
                break
            yield key * self._sign, self.lots[key * self._sign]

    def fillable_lots(self, limit_ticks: int, owner: int, self_trade: int, enough_lots: int) -> int:
        """How many lots an order of `owner` could take up to its limit; counts no further than enough."""
        lots = hidden_lots = price_ticks = 0
        for maker in self.orders():
            if maker.price_ticks != price_ticks:
                lots, hidden_lots, price_ticks = lots + hidden_lots, 0, maker.price_ticks
            if price_ticks * self._sign > limit_ticks * self._sign or lots >= enough_lots:
                return lots
            if self_trade and maker.seat.account.owner == owner:
                if self_trade != EXPIRE_MAKER:
                    return lots  # what is hidden before it comes up behind it
                continue
            lots += maker.open_lots - maker.hidden_lots
            hidden_lots += maker.hidden_lots
        return lots + hidden_lots
