"""Which orders and which terms of an instrument have a meaning at all, whatever the state of the market."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine import types as t
from engine.types import OrderType, Reason, SelfTrade, Side, TimeInForce

NOTIONAL_MAX = 2**62
QUOTE_MAX = 2**62
LOT_DECIMALS_MAX = 12
AT_COLLAR = (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
ICEBERGS = (OrderType.LIMIT, OrderType.LIMIT_MAKER)
STOPS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


def is_malformed(terms: t.Place) -> bool:
    """Whether type, time in force, price, quantity and expiry are a combination without meaning."""
    known = (
        terms.side in list(Side)
        and terms.order_type in list(OrderType)
        and terms.time_in_force in list(TimeInForce)
        and terms.self_trade in list(SelfTrade)
    )
    by_quote = terms.quote_usdc_micros != 0
    if not known or terms.quote_usdc_micros < 0:
        return True
    if (terms.time_in_force == TimeInForce.GTD) != (terms.expire_time_ns != 0):
        return True
    if terms.stop_ticks and terms.order_type not in STOPS:
        return True
    ends_at_once = terms.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if terms.display_lots and (ends_at_once or terms.order_type not in ICEBERGS):
        return True
    match terms.order_type:
        case OrderType.STOP_LOSS | OrderType.TAKE_PROFIT:
            return terms.price_ticks != 0 or terms.time_in_force != TimeInForce.IOC or by_quote
        case OrderType.MARKET:
            is_both = by_quote and terms.qty_lots != 0
            return terms.price_ticks != 0 or terms.time_in_force != TimeInForce.IOC or is_both
        case OrderType.LIMIT_MAKER:
            return by_quote or ends_at_once
        case _:
            return by_quote


def terms_refusals(terms: t.Place, listed: t.SetInstrument, time_ns: int) -> Iterator[Reason]:
    """The reasons that lie in the order itself and in its instrument's limits, in order of precedence."""
    is_market = terms.order_type == OrderType.MARKET
    limit = terms.price_ticks
    if terms.order_type in AT_COLLAR:
        limit = collar(listed, terms.side, terms.stop_ticks)
    if is_malformed(terms):
        yield Reason.ORDER_MALFORMED
    by_quote = terms.quote_usdc_micros != 0
    if not by_quote and terms.qty_lots <= 0:
        yield Reason.QTY_NOT_POSITIVE
    if terms.qty_lots > listed.qty_lots_max or terms.quote_usdc_micros > QUOTE_MAX:
        yield Reason.QTY_TOO_LARGE
    if (not is_market and limit <= 0) or (terms.order_type in STOPS and terms.stop_ticks <= 0):
        yield Reason.PRICE_NOT_POSITIVE
    if max(limit, terms.stop_ticks) > listed.price_ticks_max:
        yield Reason.PRICE_TOO_HIGH
    if terms.expire_time_ns and terms.expire_time_ns <= time_ns:
        yield Reason.EXPIRE_TIME_PASSED
    notional = limit * terms.qty_lots * listed.tick_value_usdc_micros
    known_usdc_micros = terms.quote_usdc_micros if by_quote else notional
    if (by_quote or not is_market) and known_usdc_micros < listed.notional_usdc_micros_min:
        yield Reason.NOTIONAL_TOO_SMALL
    if terms.display_lots and not 0 < terms.display_lots < terms.qty_lots:
        yield Reason.DISPLAY_OUT_OF_RANGE
    if terms.display_lots and -(-terms.qty_lots // terms.display_lots) > t.ICEBERG_PARTS_MAX:
        yield Reason.DISPLAY_OUT_OF_RANGE


def terms_are_in_range(terms: t.SetInstrument) -> bool:
    largest = terms.price_ticks_max * terms.qty_lots_max * terms.tick_value_usdc_micros
    at_least_one = (
        terms.tick_value_usdc_micros,
        terms.price_ticks_max,
        terms.qty_lots_max,
        terms.open_orders_max,
    )
    at_least_zero = (terms.notional_usdc_micros_min, terms.ownership_cap_lots, terms.holder_cap)
    return (
        all(value >= 1 for value in at_least_one)
        and all(value >= 0 for value in at_least_zero)
        and largest <= NOTIONAL_MAX
        and 0 <= terms.market_collar_bps < t.BASIS_POINTS
        and terms.resale in (0, 1)
        and 0 <= terms.lot_decimals <= LOT_DECIMALS_MAX
        and re.fullmatch(rb"[A-Za-z0-9]{1,16}", terms.symbol) is not None
    )


def collar(listed: t.SetInstrument, side: int, price_ticks: int) -> int:
    if side == Side.BUY:
        return min(listed.price_ticks_max, price_ticks * (t.BASIS_POINTS + listed.market_collar_bps) // t.BASIS_POINTS)
    return max(1, -(-price_ticks * (t.BASIS_POINTS - listed.market_collar_bps) // t.BASIS_POINTS))
