"""What a new order is held against, in Binance's words: a market's rules for all accounts, or for one of them."""

from __future__ import annotations

from typing import Final

from engine.types import BASIS_POINTS, ICEBERG_PARTS_MAX
from gateway.decimals import format_units
from gateway.markets import USDC_DECIMALS, Market

EVERY_ACCOUNT: Final = 0
USDC_MICROS_MAX: Final = 2**62
LEGS_MIN: Final = 2  # of an order list; each counts as an order


def symbol_filters(market: Market, account: int = EVERY_ACCOUNT) -> str:
    """The filters as JSON objects, joined by commas; an account's own limits come before the market's."""
    terms, price, qty = market.terms, market.price, market.qty
    lots = f'"minQty":"{qty[1]}","maxQty":"{qty[terms.qty_lots_max]}","stepSize":"{qty[1]}"'
    own, general = market.limits.get(account), market.limits.get(EVERY_ACCOUNT)
    set_limits = [limits for limits in (own, general) if limits is not None]
    notional_max = next((each.notional_usdc_micros_max for each in set_limits if each.notional_usdc_micros_max), 0)
    position_max = next((each.position_lots_max for each in set_limits if each.position_lots_max), 0)
    orders_max = next((each.open_orders_max for each in set_limits if each.open_orders_max), terms.open_orders_max)
    filters = [
        f'{{"filterType":"PRICE_FILTER","minPrice":"{price[1]}","maxPrice":"{price[terms.price_ticks_max]}",'
        f'"tickSize":"{price[1]}"}}',
        f'{{"filterType":"LOT_SIZE",{lots}}}',
        f'{{"filterType":"MARKET_LOT_SIZE",{lots}}}',
        f'{{"filterType":"NOTIONAL","minNotional":"{format_units(terms.notional_usdc_micros_min, USDC_DECIMALS)}",'
        f'"applyMinToMarket":true,'
        f'"maxNotional":"{format_units(notional_max or USDC_MICROS_MAX, USDC_DECIMALS)}",'
        f'"applyMaxToMarket":{"true" if notional_max else "false"},"avgPriceMins":0}}',
        f'{{"filterType":"ICEBERG_PARTS","limit":{ICEBERG_PARTS_MAX}}}',
        f'{{"filterType":"MAX_NUM_ORDERS","maxNumOrders":{orders_max}}}',
        f'{{"filterType":"MAX_NUM_ORDER_LISTS","maxNumOrderLists":{orders_max // LEGS_MIN}}}',
        f'{{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":{orders_max}}}',
    ]
    if market.static_bps and market.reference_ticks:
        up, down = _ratio(BASIS_POINTS + market.static_bps), _ratio(BASIS_POINTS - market.static_bps)
        filters.append(
            f'{{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"{up}","bidMultiplierDown":"{down}",'
            f'"askMultiplierUp":"{up}","askMultiplierDown":"{down}","avgPriceMins":0}}'
        )
    positions = [lots for lots in (position_max, terms.ownership_cap_lots) if lots]
    if positions:
        filters.append(f'{{"filterType":"MAX_POSITION","maxPosition":"{qty[min(positions)]}"}}')
    return ",".join(filters)


def _ratio(bps: int) -> str:
    return f"{bps // BASIS_POINTS}.{bps % BASIS_POINTS:04d}"
