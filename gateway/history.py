"""Orders and trades that the gateway has let go, from the database; injected, and never awaited on the order path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class Range:
    """Which rows: by id and time, newest first unless `from_id` or `start_time_ns` is given; then oldest first."""

    limit: int
    from_id: int | None = None
    order_id: int | None = None
    start_time_ns: int | None = None
    end_time_ns: int | None = None


class History(Protocol):
    """Only rows of this account and instrument; an id of someone else's finds nothing."""

    async def order(
        self, account: int, instrument: int, order_id: int | None, client_order_id: str | None
    ) -> PastOrder | None: ...

    async def orders(self, account: int, instrument: int, rows: Range) -> Sequence[PastOrder]: ...

    async def trades(self, account: int, instrument: int, rows: Range) -> Sequence[PastTrade]: ...
