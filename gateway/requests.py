"""Requests on the ws-api: `{"id", "method", "params"}`, decoded in one pass by method."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError

NULL: Final = msgspec.Raw(b"null")
REQUEST_ID_BYTES_MAX: Final = 256
_ID_STARTS: Final = frozenset(b'"-0123456789n')


class Request(msgspec.Struct, tag_field="method", forbid_unknown_fields=True, kw_only=True, gc=False):
    id: msgspec.Raw = NULL  # echoed as it came


class Ping(Request, tag="ping"):
    params: m.Params = m.Params()


class Time(Request, tag="time"):
    params: m.Params = m.Params()


class ExchangeInfo(Request, tag="exchangeInfo"):
    params: m.ExchangeInfo = m.ExchangeInfo()


class Depth(Request, tag="depth"):
    params: m.Depth


class TradesRecent(Request, tag="trades.recent"):
    params: m.Trades


class TickerBook(Request, tag="ticker.book"):
    params: m.BookTicker = m.BookTicker()


class SessionLogon(Request, tag="session.logon"):
    params: m.Signed


class SessionStatus(Request, tag="session.status"):
    params: m.Params = m.Params()


class SessionLogout(Request, tag="session.logout"):
    params: m.Params = m.Params()


class SessionSubscriptions(Request, tag="session.subscriptions"):
    params: m.Params = m.Params()


class OrderPlace(Request, tag="order.place"):
    params: m.NewOrder


class OrderTest(Request, tag="order.test"):
    params: m.TestOrder


class OrderCancel(Request, tag="order.cancel"):
    params: m.CancelOrder


class OrderCancelReplace(Request, tag="order.cancelReplace"):
    params: m.CancelReplace


class OrderAmend(Request, tag="order.amend.keepPriority"):
    params: m.AmendOrder


class OpenOrdersCancelAll(Request, tag="openOrders.cancelAll"):
    params: m.SymbolSigned


class OrderStatus(Request, tag="order.status"):
    params: m.FindOrder


class OpenOrdersStatus(Request, tag="openOrders.status"):
    params: m.OpenOrders = m.OpenOrders()


class AllOrders(Request, tag="allOrders"):
    params: m.AllOrders


class AccountStatus(Request, tag="account.status"):
    params: m.AccountStatus = m.AccountStatus()


class MyTrades(Request, tag="myTrades"):
    params: m.MyTrades


class UserSubscribe(Request, tag="userDataStream.subscribe"):
    params: m.Params = m.Params()


class UserSubscribeSignature(Request, tag="userDataStream.subscribe.signature"):
    params: m.Signed


class UserUnsubscribe(Request, tag="userDataStream.unsubscribe"):
    params: m.Unsubscribe = m.Unsubscribe()


AnyRequest = (
    OrderPlace
    | OrderCancel
    | OrderCancelReplace
    | OrderAmend
    | OrderTest
    | OpenOrdersCancelAll
    | OrderStatus
    | OpenOrdersStatus
    | AllOrders
    | AccountStatus
    | MyTrades
    | Ping
    | Time
    | ExchangeInfo
    | Depth
    | TradesRecent
    | TickerBook
    | SessionLogon
    | SessionStatus
    | SessionLogout
    | SessionSubscriptions
    | UserSubscribe
    | UserSubscribeSignature
    | UserUnsubscribe
)


class Envelope(msgspec.Struct, gc=False):
    """What can be told of a request that fits no method: whom to answer, and what was asked."""

    id: msgspec.Raw = NULL
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")


DECODER: Final = msgspec.json.Decoder(AnyRequest)
LAX_DECODER: Final = msgspec.json.Decoder(AnyRequest, strict=False)  # some clients send whole numbers as strings
ENVELOPE: Final = msgspec.json.Decoder(Envelope)
METHODS: Final = frozenset(str(kind.__struct_config__.tag) for kind in AnyRequest.__args__)


def id_text(raw: msgspec.Raw) -> str:
    """A request's id as JSON text to echo: a string, a number or null."""
    text = bytes(raw)
    if len(text) > REQUEST_ID_BYTES_MAX or text[0] not in _ID_STARTS:
        raise errors.mandatory("id")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise not_json() from None


def without_version(envelope: Envelope, method: str) -> Any:
    """`v3/order.place` is `order.place`."""
    params = bytes(envelope.params) or b"{}"
    try:
        return DECODER.decode(b'{"method":"%s","id":%s,"params":%s}' % (method.encode(), bytes(envelope.id), params))
    except msgspec.ValidationError as error:
        raise m.misfit(str(error)) from None
    except (ValueError, RecursionError):
        raise not_json() from None


def not_json() -> ApiError:
    return ApiError(errors.INVALID_JSON, "Invalid JSON Request")


def unknown_method() -> ApiError:
    return ApiError(errors.UNSUPPORTED_OPERATION, "This operation is not supported: the method is unknown.")
