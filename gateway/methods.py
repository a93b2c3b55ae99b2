"""Every method of the order API, once: its names on both doors, its parameters and weight, and what answers it.

The ws-api calls a method by its `name`, REST by its `route` (verb, and path under /api/v3 or from the root);
either may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway import batches
from gateway import messages as m
from gateway.answers import Sink
from gateway.desk import Desk
from gateway.keys import READ, TRADE, Key
from gateway.list_messages import AllLists, CancelList, FindList, Oco, OldOco, Oto, Otoco
from gateway.market_queries import day_weight, window_weight
from gateway.public import PublicQueries
from gateway.services import Services

Weight = int | Callable[[Any], int]  # a number, or what its parameters make it
Answer = str | Coroutine[Any, Any, str]  # JSON text, at once or when the database has answered


@dataclass(frozen=True, slots=True)
class Public:
    """Anyone may ask; the answer takes the parameters, the time in ns, and the ns of the time unit asked for."""

    name: str
    route: str
    params: type[m.Params]
    weight: Weight
    answer: Callable[[Services, Any, int, int], Answer]


@dataclass(frozen=True, slots=True)
class Keyed:
    """Needs a key that may READ, and no signature: it tells and changes nothing about an account."""

    name: str
    route: str
    params: type[m.Keyed]
    weight: Weight
    answer: Callable[[Services, Key, Any], Answer]


@dataclass(frozen=True, slots=True)
class Private:
    """Needs a signature by a key with the permission; the answer takes what a public one does, and the key."""

    name: str
    route: str
    params: type[m.Signed]
    weight: Weight
    answer: Callable[[Services, Key, Any, int, int], Answer]
    permission: str = READ


@dataclass(frozen=True, slots=True)
class Trading:
    """Needs a signature by a key that may trade; the desk answers the sink when its command is durable."""

    name: str
    route: str
    params: type[m.Signed]
    weight: Weight
    act: Callable[[Desk, int, Any, Sink, str, str | None, int], None]


Method = Public | Keyed | Private | Trading

PUBLIC: Final = (
    Public("ping", "GET ping", m.Params, 1, lambda s, p, now, unit: "{}"),
    Public("time", "GET time", m.Params, 1, lambda s, p, now, unit: f'{{"serverTime":{now // unit}}}'),
    Public(
        "exchangeInfo",
        "GET exchangeInfo",
        m.ExchangeInfo,
        20,
        lambda s, p, now, unit: s.public.exchange_info(p, now, unit),
    ),
    Public("depth", "GET depth", m.Depth, PublicQueries.depth_weight, lambda s, p, now, unit: s.public.depth(p)),
    Public("auction", "GET auction", m.OneSymbol, 2, lambda s, p, now, unit: s.public.auction(p, unit)),
    Public("trades.recent", "GET trades", m.Trades, 25, lambda s, p, now, unit: s.market.trades(p, unit)),
    Public(
        "trades.historical",
        "GET historicalTrades",
        m.HistoricalTrades,
        25,
        lambda s, p, now, unit: s.market.historical_trades(p, unit),
    ),
    Public(
        "trades.aggregate",
        "GET aggTrades",
        m.AggregateTrades,
        4,
        lambda s, p, now, unit: s.market.aggregate_trades(p, unit),
    ),
    Public("klines", "GET klines", m.Klines, 2, lambda s, p, now, unit: s.market.klines(p, now, unit)),
    Public("uiKlines", "GET uiKlines", m.Klines, 2, lambda s, p, now, unit: s.market.klines(p, now, unit)),
    Public(
        "referencePrice",
        "GET referencePrice",
        m.OneSymbol,
        2,
        lambda s, p, now, unit: s.public.reference_price(p, now, unit),
    ),
    Public("avgPrice", "GET avgPrice", m.OneSymbol, 2, lambda s, p, now, unit: s.market.average(p, now, unit)),
    Public(
        "ticker.24hr", "GET ticker/24hr", m.DayTicker, day_weight, lambda s, p, now, unit: s.market.day(p, now, unit)
    ),
    Public(
        "ticker.tradingDay",
        "GET ticker/tradingDay",
        m.TradingDayTicker,
        window_weight,
        lambda s, p, now, unit: s.market.trading_day(p, now, unit),
    ),
    Public(
        "ticker",
        "GET ticker",
        m.RollingTicker,
        window_weight,
        lambda s, p, now, unit: s.market.rolling(p, now, unit),
    ),
    Public(
        "ticker.price",
        "GET ticker/price",
        m.SomeSymbols,
        PublicQueries.symbols_weight,
        lambda s, p, now, unit: s.public.price(p),
    ),
    Public(
        "ticker.book",
        "GET ticker/bookTicker",
        m.SomeSymbols,
        PublicQueries.symbols_weight,
        lambda s, p, now, unit: s.public.book_ticker(p),
    ),
)

KEYED: Final = (
    Keyed("userDataStream.start", "POST userDataStream", m.Keyed, 2, lambda s, key, p: s.listen_keys.start(key)),
    Keyed(
        "userDataStream.ping",
        "PUT userDataStream",
        m.ListenKey,
        2,
        lambda s, key, p: s.listen_keys.keep(key, p.listen_key),
    ),
    Keyed(
        "userDataStream.stop",
        "DELETE userDataStream",
        m.ListenKey,
        2,
        lambda s, key, p: s.listen_keys.stop(key, p.listen_key),
    ),
)


def _test(services: Services, key: Key, params: m.TestOrder, now: int, unit_ns: int) -> str:
    services.desk.test(params)
    return services.terms.order_commission(params.symbol) if params.compute_commission_rates else "{}"


def _test_weight(params: m.TestOrder) -> int:
    return 20 if params.compute_commission_rates else 1


def _prevented_weight(params: m.MyPreventedMatches) -> int:
    return 2 if params.order_id is None else 20


PRIVATE: Final = (
    Private(
        "order.status", "GET order", m.FindOrder, 4, lambda s, key, p, now, unit: s.private.order(key.account, p, unit)
    ),
    Private(
        "openOrders.status",
        "GET openOrders",
        m.OpenOrders,
        6,
        lambda s, key, p, now, unit: s.private.open_orders(key.account, p, unit),
    ),
    Private(
        "allOrders",
        "GET allOrders",
        m.AllOrders,
        20,
        lambda s, key, p, now, unit: s.private.all_orders(key.account, p, unit),
    ),
    Private(
        "order.amendments",
        "GET order/amendments",
        m.OrderAmendments,
        4,
        lambda s, key, p, now, unit: s.private.amendments(key.account, p, unit),
    ),
    Private(
        "account.status", "GET account", m.AccountStatus, 20, lambda s, key, p, now, unit: s.terms.account(key, p, unit)
    ),
    Private(
        "myTrades", "GET myTrades", m.MyTrades, 20, lambda s, key, p, now, unit: s.private.trades(key.account, p, unit)
    ),
    Private(
        "myPreventedMatches",
        "GET myPreventedMatches",
        m.MyPreventedMatches,
        _prevented_weight,
        lambda s, key, p, now, unit: s.private.prevented_matches(key.account, p, unit),
    ),
    Private("order.test", "POST order/test", m.TestOrder, _test_weight, _test, TRADE),
    Private(
        "account.commission",
        "GET account/commission",
        m.SymbolSigned,
        20,
        lambda s, key, p, now, unit: s.terms.commission(p),
    ),
    Private(
        "myFilters", "GET myFilters", m.SymbolSigned, 40, lambda s, key, p, now, unit: s.terms.filters(key.account, p)
    ),
    Private(
        "account.rateLimits.orders",
        "GET rateLimit/order",
        m.Signed,
        40,
        lambda s, key, p, now, unit: s.terms.order_counts(key.account, now),
    ),
    Private(
        "orderList.status", "GET orderList", FindList, 4, lambda s, key, p, now, unit: s.lists.one(key.account, p, unit)
    ),
    Private(
        "openOrderLists.status",
        "GET openOrderList",
        m.Signed,
        6,
        lambda s, key, p, now, unit: s.lists.open(key.account, unit),
    ),
    Private(
        "allOrderLists",
        "GET allOrderList",
        AllLists,
        20,
        lambda s, key, p, now, unit: s.lists.all(key.account, p, unit),
    ),
    Private(
        "openOrders.cancelAllAfter",
        "POST countdownCancelAll",
        m.Countdown,
        10,
        lambda s, key, p, now, unit: s.countdowns.set(key.account, p, unit),
        TRADE,
    ),
    # What clients ask of the wallet when they start; it is a part of REST alone.
    Private(
        "", "GET /sapi/v1/capital/config/getall", m.Signed, 10, lambda s, key, p, now, unit: s.terms.coins(key.account)
    ),
    Private("", "GET /sapi/v1/asset/tradeFee", m.OpenOrders, 1, lambda s, key, p, now, unit: s.terms.trade_fees(p)),
)

TRADING: Final = (
    Trading("order.place", "POST order", m.NewOrder, 1, Desk.place),
    Trading("order.cancel", "DELETE order", m.CancelOrder, 1, Desk.cancel),
    Trading("order.cancelReplace", "POST order/cancelReplace", m.CancelReplace, 1, Desk.replace),
    Trading("order.amend.keepPriority", "PUT order/amend/keepPriority", m.AmendOrder, 4, Desk.amend),
    Trading("batchOrders.place", "POST batchOrders", m.BatchOrders, 5, batches.place),
    Trading("batchOrders.cancel", "DELETE batchOrders", m.CancelBatch, 5, batches.cancel),
    Trading("openOrders.cancelAll", "DELETE openOrders", m.SymbolSigned, 1, Desk.cancel_all),
    Trading("orderList.place.oco", "POST orderList/oco", Oco, 1, Desk.place_list),
    Trading("orderList.place.oto", "POST orderList/oto", Oto, 1, Desk.place_list),
    Trading("orderList.place.otoco", "POST orderList/otoco", Otoco, 1, Desk.place_list),
    Trading("orderList.place", "POST order/oco", OldOco, 1, Desk.place_list),
    Trading("orderList.cancel", "DELETE orderList", CancelList, 1, Desk.cancel_list),
)

METHODS: Final[tuple[Method, ...]] = (*PUBLIC, *KEYED, *PRIVATE, *TRADING)


def weight_of(weight: Weight, params: m.Params) -> int:
    return weight if isinstance(weight, int) else weight(params)
