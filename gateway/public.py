"""What anyone may ask: the listed instruments and their books. No account's data is in reach here."""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.types import INT64_MAX
from gateway import errors
from gateway import messages as m
from gateway.decimals import format_units
from gateway.errors import ApiError
from gateway.limits import Limits
from gateway.market_data import MarketFeed
from gateway.markets import QUOTE, USDC_DECIMALS, Market, Markets
from gateway.orders import Fill
from gateway.publisher import Publisher

MS: Final = 10**6  # nanoseconds
DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 5_000
TRADES_DEFAULT: Final = 500
TRADES_MAX: Final = 1_000
ORDER_TYPES: Final = '["LIMIT","LIMIT_MAKER","MARKET"]'
SELF_TRADE_MODES: Final = '["NONE","EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH"]'


class PublicQueries:
    """Each answer is JSON text; ApiError where there is none."""

    def __init__(self, markets: Markets, publisher: Publisher, limits: Limits) -> None:
        self._markets = markets
        self._publisher = publisher
        self._limits = limits

    def feed(self, symbol: str) -> MarketFeed:
        market = self._markets.by_symbol.get(symbol)
        if market is None:
            raise ApiError(errors.BAD_SYMBOL, "Invalid symbol.")
        return self._publisher.feeds[market.number]

    def depth(self, params: m.Depth) -> str:
        return self.feed(params.symbol).depth_json(bounded(params.limit, DEPTH_DEFAULT, DEPTH_MAX))

    @staticmethod
    def depth_weight(params: m.Depth) -> int:
        limit = params.limit or DEPTH_DEFAULT
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250

    def trades(self, params: m.Trades) -> str:
        recent = self.feed(params.symbol).recent_trades
        return _tail_json(recent, bounded(params.limit, TRADES_DEFAULT, TRADES_MAX), self._publisher)

    def aggregate_trades(self, params: m.AggregateTrades) -> str:
        """Each trade is an aggregate of its own; only the recent ones are here."""
        start_ns, end_ns = (params.start_time or 0) * MS, (params.end_time or INT64_MAX // MS) * MS + MS - 1
        chosen = [
            fill
            for fill in self.feed(params.symbol).recent_trades
            if fill.trade_id >= (params.from_id or 0) and start_ns <= fill.time_ns <= end_ns
        ]
        limit = bounded(params.limit, TRADES_DEFAULT, TRADES_MAX)
        oldest_first = params.from_id is not None or params.start_time is not None
        rows = chosen[:limit] if oldest_first else chosen[-limit:]
        return "[" + ",".join([self._publisher.reports.trade_aggregate(fill) for fill in rows]) + "]"

    def book_ticker(self, params: m.BookTicker) -> str:
        if params.symbol is not None:
            return self.feed(params.symbol).ticker_json(with_update_id=False)
        symbols = params.symbols if params.symbols is not None else list(self._markets.by_symbol)
        return "[" + ",".join([self.feed(symbol).ticker_json(with_update_id=False) for symbol in symbols]) + "]"

    def price(self, params: m.BookTicker) -> str:
        if params.symbol is not None:
            return _price_json(self.feed(params.symbol).market)
        symbols = params.symbols if params.symbols is not None else list(self._markets.by_symbol)
        return "[" + ",".join([_price_json(self.feed(symbol).market) for symbol in symbols]) + "]"

    def exchange_info(self, params: m.ExchangeInfo, now_ns: int) -> str:
        if params.symbol is not None and params.symbols is not None:
            raise ApiError(errors.PARAMS_BAD_COMBINATION, "Combination of optional parameters invalid.")
        wanted = params.symbols if params.symbols is not None else [params.symbol] if params.symbol else None
        chosen = list(self._markets) if wanted is None else [self.feed(symbol).market for symbol in wanted]
        settings = self._limits.settings
        weight = f'"intervalNum":1,"limit":{settings.weight_per_minute}}}'
        return (
            f'{{"timezone":"UTC","serverTime":{now_ns // 10**6},"rateLimits":['
            f'{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE",{weight},'
            f'{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{settings.orders_per_10s}}},'
            f'{{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{settings.orders_per_day}}}],'
            f'"exchangeFilters":[],"symbols":[{",".join([self._symbol(market) for market in chosen])}]}}'
        )

    def _symbol(self, market: Market) -> str:
        terms, usdc, price, qty = market.terms, self._markets.usdc, market.price, market.qty
        decimals = market.lot_decimals
        return (
            f'{{"symbol":"{market.symbol}","status":"{self._markets.status(market)}","baseAsset":"{market.base}",'
            f'"baseAssetPrecision":{decimals},"quoteAsset":"{QUOTE}","quotePrecision":{USDC_DECIMALS},'
            f'"quoteAssetPrecision":{USDC_DECIMALS},"baseCommissionPrecision":{decimals},'
            f'"quoteCommissionPrecision":{USDC_DECIMALS},"orderTypes":{ORDER_TYPES},"icebergAllowed":false,'
            f'"ocoAllowed":false,"otoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":false,'
            f'"cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":false,'
            f'"isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":['
            f'{{"filterType":"PRICE_FILTER","minPrice":"{price[1]}","maxPrice":"{price[terms.price_ticks_max]}",'
            f'"tickSize":"{price[1]}"}},'
            f'{{"filterType":"LOT_SIZE","minQty":"{qty[1]}","maxQty":"{qty[terms.qty_lots_max]}","stepSize":"{qty[1]}"}},'
            f'{{"filterType":"NOTIONAL","minNotional":"{usdc[terms.notional_usdc_micros_min]}",'
            f'"applyMinToMarket":true,"maxNotional":"{format_units(2**62, USDC_DECIMALS)}","applyMaxToMarket":false,'
            f'"avgPriceMins":0}},'
            f'{{"filterType":"MAX_NUM_ORDERS","maxNumOrders":{terms.open_orders_max}}}],'
            f'"permissions":[],"permissionSets":[["SPOT"]],"defaultSelfTradePreventionMode":"EXPIRE_MAKER",'
            f'"allowedSelfTradePreventionModes":{SELF_TRADE_MODES}}}'
        )


def bounded(limit: int | None, default: int, most: int) -> int:
    """A `limit` parameter; more than the most is the most, as Binance does."""
    if limit is None:
        return default
    if limit < 1:
        raise m.illegal("limit")
    return min(limit, most)


def _tail_json(fills: deque[Fill], count: int, publisher: Publisher) -> str:
    newest = list(fills)[-count:]
    return "[" + ",".join([publisher.reports.trade_public(fill) for fill in newest]) + "]"


def _price_json(market: Market) -> str:
    return f'{{"symbol":"{market.symbol}","price":"{market.price[market.last_price_ticks]}"}}'
