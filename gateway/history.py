"""Orders and trades that the gateway has let go, from the database; injected, and never awaited on the order path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.candles import Candle
from gateway.markets import Market
from gateway.order_lists import Member, OrderList
from gateway.orders import Amendment, Fill


class HistoryAwayError(Exception):
    """The database does not answer, or is not yet so far."""


@dataclass(frozen=True, slots=True)
class PastOrder:
    """An order that is done. `status` is one of gateway.orders' words."""

    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int  # 0 for MARKET
    qty_lots: int
    quote_usdc_micros: int
    executed_lots: int
    executed_usdc_micros: int
    expire_time_ns: int
    self_trade: int
    status: str
    time_ns: int
    update_time_ns: int
    client_order_id: str
    stop_ticks: int = 0
    display_lots: int = 0
    list_id: int = -1  # -1: it was no leg of an order list


@dataclass(frozen=True, slots=True)
class PastList:
    """An order list, done or open."""

    list_id: int
    account: int
    instrument: int
    kind: int
    client_order_id: str
    members: tuple[Member, ...]
    time_ns: int
    update_time_ns: int
    closed_seq: int  # 0: open

    def order_list(self, market: Market) -> OrderList:
        """As the gateway has lists itself."""
        return OrderList(
            self.list_id,
            self.account,
            market,
            self.kind,
            self.client_order_id,
            self.members,
            self.time_ns,
            self.update_time_ns,
            self.closed_seq,
            len(self.members),
        )


@dataclass(frozen=True, slots=True)
class PastTrade:
    """A trade; `settlement` is MATCHED, SUBMITTED, MINED, FINAL or FAILED."""

    trade_id: int
    instrument: int
    taker_account: int
    maker_account: int
    taker_order_id: int
    maker_order_id: int
    taker_side: int
    price_ticks: int
    qty_lots: int
    taker_fee_usdc_micros: int
    maker_fee_usdc_micros: int
    time_ns: int
    settlement: str
    reason: str
    transaction: str  # 0x and hex, or empty
    taker_list_id: int = -1
    maker_list_id: int = -1

    def fill(self, market: Market) -> Fill:
        """As the gateway has trades itself."""
        return Fill(
            self.trade_id,
            market,
            self.taker_account,
            self.maker_account,
            self.taker_order_id,
            self.maker_order_id,
            self.taker_side,
            self.price_ticks,
            self.qty_lots,
            self.price_ticks * self.qty_lots * market.tick_value_usdc_micros,
            self.taker_fee_usdc_micros,
            self.maker_fee_usdc_micros,
            self.time_ns,
            self.settlement,
            self.reason,
            self.transaction,
            self.taker_list_id,
            self.maker_list_id,
        )


@dataclass(frozen=True, slots=True)
class Range:
    """Which rows: by id and time, newest first unless `from_id` or `start_time_ns` is given; then oldest first."""

    limit: int
    from_id: int | None = None
    order_id: int | None = None
    start_time_ns: int | None = None
    end_time_ns: int | None = None


class MarketHistory(Protocol):
    """What anyone may ask of an instrument's past. Every method raises HistoryAwayError.

    Where an answer comes with a trade id, that is the last trade of any instrument that the database has.
    """

    async def last_trade_id(self) -> int: ...

    async def projected_seq(self) -> int:
        """The last command of the journal that the database has."""
        ...

    async def first_trade_s(self, instrument: int) -> int | None:
        """The second of the instrument's first trade."""
        ...

    async def market_trades(self, instrument: int, rows: Range) -> tuple[Sequence[PastTrade], int]: ...

    async def candles(
        self, instrument: int, width_s: int, bounds_s: Sequence[int]
    ) -> tuple[Sequence[Candle], Candle | None, int]:
        """One of each interval [bounds_s[i], bounds_s[i + 1]) that has a trade, added up from those of the width; and
        the last one of the width before them all."""
        ...


class History(MarketHistory, Protocol):
    """Only rows of this account and instrument; an id of someone else's finds nothing. Raises HistoryAwayError."""

    async def order(
        self, account: int, instrument: int, order_id: int | None, client_order_id: str | None
    ) -> PastOrder | None: ...

    async def orders(self, account: int, instrument: int, rows: Range) -> Sequence[PastOrder]: ...

    async def amendments(self, account: int, order_id: int, from_execution_id: int, limit: int) -> Sequence[Amendment]:
        """The first ones of the order with that execution id or a later one."""
        ...

    async def trades(self, account: int, instrument: int, rows: Range) -> Sequence[PastTrade]: ...

    async def order_list(self, account: int, list_id: int | None, client_order_id: str | None) -> PastList | None:
        """In whatever instrument; of several that had the client id the newest."""
        ...

    async def order_lists(self, account: int, rows: Range) -> Sequence[PastList]:
        """By the time of their last change, where it is by time."""
        ...
