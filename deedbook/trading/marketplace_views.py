"""Orders, trades and holdings as the web shows them: decimals as text, times as RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from api.amounts import usdc
from deedbook.trading.funds import ToSign
from deedbook.trading.marketplace import Placed
from deedbook.trading.seats import Listing
from engine.types import OrderType, Reason, Side, TimeInForce
from gateway.orders import FILLED, NEW, PARTIALLY_FILLED, PENDING_NEW, end_status
from persistence.fold import OrderRow
from persistence.history import PastTrade


class TradeAnswer(msgspec.Struct):
    """One of the caller's trades. `settlement` is MATCHED, SUBMITTED, MINED, FINAL or FAILED, then with a reason."""

    trade_id: int
    order_id: int
    symbol: str
    side: str
    role: str
    price: str
    qty: str
    usdc: str
    fee_usdc: str
    traded_at: datetime
    settlement: str
    reason: str | None
    transaction: str | None
    block: int | None


class OrderAnswer(msgspec.Struct):
    """`status` is PENDING_NEW, NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED or EXPIRED_IN_MATCH; `reason` says
    why it ended."""

    order_id: int
    client_order_id: str
    wallet: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    price: str | None
    qty: str
    quote_qty: str | None
    open_qty: str
    executed_qty: str
    executed_usdc: str
    status: str
    reason: str | None
    expires_at: datetime | None
    created_at: datetime
    changed_at: datetime
    trades: list[TradeAnswer] = []


class TransactionAnswer(msgspec.Struct):
    """A transaction for the wallet to sign; `what` is what it does."""

    to: str
    data: str
    value: str
    what: str


class HoldingAnswer(msgspec.Struct):
    """One asset: free to use, held by open orders, what trades bring and take that are not FINAL, and asked back.

    outside  in the wallet itself; None while the chain does not answer
    """

    symbol: str
    free: str
    held: str
    owed_in: str
    owed_out: str
    requested: str
    outside: str | None


class LockUpAnswer(msgspec.Struct):
    """So many tokens cannot be sold until then."""

    symbol: str
    qty: str
    released_at: datetime


class WalletAnswer(msgspec.Struct):
    """One linked wallet; `is_open` once the exchange knows it. `locked_up`: the next release first."""

    wallet: str
    is_open: bool
    cash: HoldingAnswer
    tokens: list[HoldingAnswer]
    locked_up: list[LockUpAnswer]


def order_answer(placed: Placed, trades: list[TradeAnswer]) -> OrderAnswer:
    order, market = placed.order, placed.listing.market
    names_no_limit = order.order_type in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
    return OrderAnswer(
        order_id=order.order_id,
        client_order_id=order.client_order_id.decode("ascii"),
        wallet=f"0x{placed.wallet.hex()}",
        symbol=market.symbol,
        side=Side(order.side).name,
        type=OrderType(order.order_type).name,
        time_in_force=TimeInForce(order.time_in_force).name,
        price=None if names_no_limit else market.price[order.price_ticks],
        qty=market.qty[order.qty_lots],
        quote_qty=usdc(order.quote_usdc_micros) if order.quote_usdc_micros else None,
        open_qty=market.qty[order.open_lots],
        executed_qty=market.qty[order.executed_lots],
        executed_usdc=usdc(order.executed_usdc_micros),
        status=_status(order),
        reason=Reason(order.close_reason).name if order.close_reason else None,
        expires_at=_time(order.expire_ns) if order.expire_ns else None,
        created_at=_time(order.accepted_ns),
        changed_at=_time(order.changed_ns),
        trades=trades,
    )


def own_trades(placed: Placed) -> list[TradeAnswer]:
    """The trades that an order made at once."""
    market = placed.listing.market
    tick_value = placed.listing.instrument.tick_value_usdc_micros
    return [
        TradeAnswer(
            trade_id=trade.trade_id,
            order_id=placed.order.order_id,
            symbol=market.symbol,
            side=Side(trade.taker_side).name,
            role="TAKER",
            price=market.price[trade.price_ticks],
            qty=market.qty[trade.qty_lots],
            usdc=usdc(trade.price_ticks * trade.qty_lots * tick_value),
            fee_usdc=usdc(trade.taker_fee_usdc_micros),
            traded_at=_time(placed.order.accepted_ns),
            settlement="MATCHED",
            reason=None,
            transaction=None,
            block=None,
        )
        for trade in placed.trades
    ]


def trade_answer(trade: PastTrade, listing: Listing, *, is_taker: bool) -> TradeAnswer:
    """From the side of one of its two."""
    side = trade.taker_side if is_taker else Side.BUY + Side.SELL - trade.taker_side
    market = listing.market
    return TradeAnswer(
        trade_id=trade.trade_id,
        order_id=trade.taker_order_id if is_taker else trade.maker_order_id,
        symbol=market.symbol,
        side=Side(side).name,
        role="TAKER" if is_taker else "MAKER",
        price=market.price[trade.price_ticks],
        qty=market.qty[trade.qty_lots],
        usdc=usdc(trade.notional_usdc_micros),
        fee_usdc=usdc(trade.taker_fee_usdc_micros if is_taker else trade.maker_fee_usdc_micros),
        traded_at=_time(trade.time_ns),
        settlement=trade.state,
        reason=Reason(trade.reason).name if trade.reason else None,
        transaction=f"0x{trade.transaction_hash.hex()}" if trade.transaction_hash else None,
        block=trade.block or None,
    )


def transaction_answers(steps: list[ToSign]) -> list[TransactionAnswer]:
    return [TransactionAnswer(**step.to_json()) for step in steps]


def holding_answer(symbol: str, row: Any, scale: int, decimals: Any, outside: str | None) -> HoldingAnswer:
    """`row` is of balances, or None where nothing was there yet; `decimals` writes `scale` times its numbers."""
    columns = ("free", "held", "owed_in", "owed_out", "requested")
    values = {column: decimals(0 if row is None else row[column] * scale) for column in columns}
    return HoldingAnswer(symbol=symbol, **values, outside=outside)


def _status(order: OrderRow) -> str:
    if order.close_reason:
        return end_status(order.close_reason)
    if order.is_pending:
        return PENDING_NEW
    if order.open_lots:
        return PARTIALLY_FILLED if order.executed_lots else NEW
    return FILLED


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).replace(microsecond=time_ns % 10**9 // 1_000)
