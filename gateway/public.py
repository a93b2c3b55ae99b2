"""What anyone may ask: the listed instruments and their books. No account's data is in reach here."""

from __future__ import annotations

from typing import Final

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError
from gateway.filters import symbol_filters
from gateway.limits import Limits
from gateway.market_data import MarketFeed
from gateway.markets import QUOTE, USDC_DECIMALS, Market, Markets
from gateway.publisher import Publisher

DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 5_000
PERMISSION: Final = "SPOT"  # of every account and every market
PERMISSION_SETS: Final = f'[["{PERMISSION}"]]'
ORDER_TYPES: Final = '["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"]'
SELF_TRADE_MODES: Final = '["NONE","EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH","DECREMENT"]'


class PublicQueries:
    """Each answer is JSON text; ApiError where there is none."""

    def __init__(self, markets: Markets, publisher: Publisher, limits: Limits) -> None:
        self._markets = markets
        self._publisher = publisher
        self._limits = limits

    def feed(self, symbol: str) -> MarketFeed:
        return self._publisher.feeds[self._markets.of(symbol).number]

    def feeds(self, params: m.SomeSymbols) -> list[MarketFeed]:
        """Those asked for: one, several, or all; of several or all, those with the status asked for."""
        if params.symbol is not None and params.symbols is not None:
            raise _bad_combination()
        status = params.symbol_status
        if params.symbol is not None:
            feed = self.feed(params.symbol)
            self._check_status(feed, status)
            return [feed]
        symbols = params.symbols if params.symbols is not None else list(self._markets.by_symbol)
        feeds = [self.feed(symbol) for symbol in symbols]
        return [feed for feed in feeds if status in (None, self._markets.status(feed.market))]

    def _check_status(self, feed: MarketFeed, status: str | None) -> None:
        if status not in (None, self._markets.status(feed.market)):
            text = "The symbol's status does not match the requested symbolStatus."
            raise ApiError(errors.STATUS_MISMATCH, text)

    def depth(self, params: m.Depth) -> str:
        feed = self.feed(params.symbol)
        self._check_status(feed, params.symbol_status)
        return feed.depth_json(bounded(params.limit, DEPTH_DEFAULT, DEPTH_MAX))

    def auction(self, params: m.OneSymbol, unit_ns: int) -> str:
        feed = self.feed(params.symbol)
        return feed.auction.answer(self._markets.status(feed.market), unit_ns)

    def reference_price(self, params: m.OneSymbol, now_ns: int, unit_ns: int) -> str:
        """What the static band lies around."""
        market = self.feed(params.symbol).market
        if not market.reference_ticks:
            raise ApiError(errors.NO_REFERENCE_PRICE, "This symbol doesn't have a reference price.")
        price = market.price[market.reference_ticks]
        return f'{{"symbol":"{market.symbol}","referencePrice":"{price}","timestamp":{now_ns // unit_ns}}}'

    @staticmethod
    def depth_weight(params: m.Depth) -> int:
        limit = params.limit or DEPTH_DEFAULT
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250

    @staticmethod
    def symbols_weight(params: m.SomeSymbols) -> int:
        return 4 if params.symbol is None else 2

    def book_ticker(self, params: m.SomeSymbols) -> str:
        return _one_or_all(params, [feed.book_ticker() for feed in self.feeds(params)])

    def price(self, params: m.SomeSymbols) -> str:
        return _one_or_all(params, [_price_json(feed.market) for feed in self.feeds(params)])

    def exchange_info(self, params: m.ExchangeInfo, now_ns: int, unit_ns: int) -> str:
        named = params.symbol is not None or params.symbols is not None
        if named and (params.permissions is not None or params.symbol_status is not None):
            raise _bad_combination()
        wanted = params.permissions if params.permissions is not None else PERMISSION
        permitted = wanted == PERMISSION or PERMISSION in m.listed("permissions", wanted)
        chosen = [feed.market for feed in self.feeds(params)] if permitted else []
        shown = params.show_permission_sets is not False
        settings = self._limits.settings
        weight = f'"intervalNum":1,"limit":{settings.weight_per_minute}}}'
        return (
            f'{{"timezone":"UTC","serverTime":{now_ns // unit_ns},"rateLimits":['
            f'{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE",{weight},'
            f'{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{settings.orders_per_10s}}},'
            f'{{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{settings.orders_per_day}}}],'
            f'"exchangeFilters":[],"symbols":[{",".join([self._symbol(market, shown) for market in chosen])}]}}'
        )

    def _symbol(self, market: Market, show_permissions: bool) -> str:
        decimals = market.lot_decimals
        return (
            f'{{"symbol":"{market.symbol}","status":"{self._markets.status(market)}","baseAsset":"{market.base}",'
            f'"baseAssetPrecision":{decimals},"quoteAsset":"{QUOTE}","quotePrecision":{USDC_DECIMALS},'
            f'"quoteAssetPrecision":{USDC_DECIMALS},"baseCommissionPrecision":{decimals},'
            f'"quoteCommissionPrecision":{USDC_DECIMALS},"orderTypes":{ORDER_TYPES},"icebergAllowed":true,'
            f'"ocoAllowed":true,"otoAllowed":true,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":false,'
            f'"cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":false,'
            f'"isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":['
            f"{symbol_filters(market)}],"
            f'"permissions":[],"permissionSets":{PERMISSION_SETS if show_permissions else "[]"},'
            f'"defaultSelfTradePreventionMode":"EXPIRE_MAKER","allowedSelfTradePreventionModes":{SELF_TRADE_MODES}}}'
        )


def bounded(limit: int | None, default: int, most: int) -> int:
    """A `limit` parameter; more than the most is the most, as Binance does."""
    if limit is None:
        return default
    if limit < 1:
        raise m.illegal("limit")
    return min(limit, most)


def _one_or_all(params: m.SomeSymbols, texts: list[str]) -> str:
    return texts[0] if params.symbol is not None else f"[{','.join(texts)}]"


def _price_json(market: Market) -> str:
    return f'{{"symbol":"{market.symbol}","price":"{market.price[market.last_price_ticks]}"}}'


def _bad_combination() -> ApiError:
    return ApiError(errors.PARAMS_BAD_COMBINATION, "Combination of optional parameters invalid.")
