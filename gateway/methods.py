"""Every method of the order API, once: its names on both doors, its parameters and weight, and what answers it.

The ws-api calls a method by its `name`, REST by its `route` (verb and path under /api/v3); either may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway import messages as m
from gateway.answers import Sink
from gateway.desk import Desk
from gateway.keys import READ, TRADE, Key
from gateway.public import PublicQueries
from gateway.services import Services

Weight = int | Callable[[Any], int]  # a number, or what its parameters make it
Answer = str | Coroutine[Any, Any, str]  # JSON text, at once or when the database has answered


@dataclass(frozen=True, slots=True)
class Public:
    """Anyone may ask; the answer takes the parameters and the time in ns."""

    name: str
    route: str
    params: type[m.Params]
    weight: Weight
    answer: Callable[[Services, Any, int], Answer]


@dataclass(frozen=True, slots=True)
class Private:
    """Needs a signature by a key with the permission."""

    name: str
    route: str
    params: type[m.Signed]
    weight: Weight
    answer: Callable[[Services, Key, Any, int], Answer]
    permission: str = READ


@dataclass(frozen=True, slots=True)
class Trading:
    """Needs a signature by a key that may trade; the desk answers the sink when its command is durable."""

    name: str
    route: str
    params: type[m.Signed]
    weight: Weight
    act: Callable[[Desk, int, Any, Sink, str, str | None, int], None]


Method = Public | Private | Trading

PUBLIC: Final = (
    Public("ping", "GET ping", m.Params, 1, lambda s, p, now: "{}"),
    Public("time", "GET time", m.Params, 1, lambda s, p, now: f'{{"serverTime":{now // 10**6}}}'),
    Public("exchangeInfo", "GET exchangeInfo", m.ExchangeInfo, 20, lambda s, p, now: s.public.exchange_info(p, now)),
    Public("depth", "GET depth", m.Depth, PublicQueries.depth_weight, lambda s, p, now: s.public.depth(p)),
    Public("trades.recent", "GET trades", m.Trades, 25, lambda s, p, now: s.public.trades(p)),
    Public("", "GET aggTrades", m.AggregateTrades, 4, lambda s, p, now: s.public.aggregate_trades(p)),
    Public("ticker.book", "GET ticker/bookTicker", m.BookTicker, 4, lambda s, p, now: s.public.book_ticker(p)),
    Public("", "GET ticker/price", m.BookTicker, 4, lambda s, p, now: s.public.price(p)),
)

PRIVATE: Final = (
    Private("order.status", "GET order", m.FindOrder, 4, lambda s, key, p, now: s.private.order(key.account, p)),
    Private(
        "openOrders.status",
        "GET openOrders",
        m.OpenOrders,
        6,
        lambda s, key, p, now: s.private.open_orders(key.account, p),
    ),
    Private("allOrders", "GET allOrders", m.AllOrders, 20, lambda s, key, p, now: s.private.all_orders(key.account, p)),
    Private("account.status", "GET account", m.AccountStatus, 20, lambda s, key, p, now: s.private.account(key, p)),
    Private("myTrades", "GET myTrades", m.MyTrades, 20, lambda s, key, p, now: s.private.trades(key.account, p)),
    Private("order.test", "POST order/test", m.TestOrder, 1, lambda s, key, p, now: s.desk.test(p), TRADE),
)

TRADING: Final = (
    Trading("order.place", "POST order", m.NewOrder, 1, Desk.place),
    Trading("order.cancel", "DELETE order", m.CancelOrder, 1, Desk.cancel),
    Trading("order.cancelReplace", "POST order/cancelReplace", m.CancelReplace, 1, Desk.replace),
    Trading("order.amend.keepPriority", "PUT order/amend/keepPriority", m.AmendOrder, 4, Desk.amend),
    Trading("openOrders.cancelAll", "DELETE openOrders", m.SymbolSigned, 1, Desk.cancel_all),
)

METHODS: Final[tuple[Method, ...]] = (*PUBLIC, *PRIVATE, *TRADING)


def weight_of(weight: Weight, params: m.Params) -> int:
    return weight if isinstance(weight, int) else weight(params)
