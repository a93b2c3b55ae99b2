"""Requests as they come in: one struct for the parameters of each method, shared by websocket and REST.

Names on the wire are Binance's camelCase. An unknown parameter is refused. Decimals are strings (whole numbers may be
JSON integers); a JSON float is refused, because its text is lost when it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from gateway import errors
from gateway.errors import ApiError

Decimal = str | int
Symbol = str
Side = Literal["BUY", "SELL"]
RespType = Literal["ACK", "RESULT", "FULL"]
SelfTradeMode = Literal["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]
CancelRestrictions = Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"]
NOT_SENT: Final = msgspec.Raw(b"")
is_request_id: Final = re.compile(rb'".*"|-?[0-9]{1,20}|null', re.DOTALL).fullmatch  # of JSON; it is echoed as it came


class Params(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True, gc=False):
    """What every request may carry."""

    return_rate_limits: bool | None = None


class Signed(Params, frozen=True, kw_only=True):
    """What a request carries that is signed, or sent in a session that has logged on."""

    api_key: str | None = None
    signature: str | None = None
    timestamp: int | str | None = None
    recv_window: int | float | str | None = None


class NewOrder(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    side: Side
    type: Literal["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
    time_in_force: Literal["GTC", "IOC", "FOK", "GTD", "DAY"] | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_order_qty: Decimal | None = None
    stop_price: Decimal | None = None
    iceberg_qty: Decimal | None = None
    new_client_order_id: str | None = None
    new_order_resp_type: RespType | None = None
    self_trade_prevention_mode: SelfTradeMode | None = None
    good_till_date: int | None = None  # ms; with time in force GTD (both are ours)


class TestOrder(NewOrder, frozen=True, kw_only=True):
    compute_commission_rates: bool | None = None


class CancelReplace(NewOrder, frozen=True, kw_only=True):
    cancel_replace_mode: Literal["STOP_ON_FAILURE", "ALLOW_FAILURE"]
    cancel_order_id: int | None = None
    cancel_orig_client_order_id: str | None = None
    cancel_new_client_order_id: str | None = None
    cancel_restrictions: CancelRestrictions | None = None


class CancelOrder(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    order_id: int | None = None
    orig_client_order_id: str | None = None
    new_client_order_id: str | None = None
    cancel_restrictions: CancelRestrictions | None = None


class AmendOrder(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    new_qty: Decimal
    order_id: int | None = None
    orig_client_order_id: str | None = None
    new_client_order_id: str | None = None  # only the one it has


class SymbolSigned(Signed, frozen=True, kw_only=True):
    symbol: Symbol


class Countdown(Signed, frozen=True, kw_only=True):
    countdown_time: int  # ms until all orders are cancelled; 0 stops it
    symbol: Symbol | None = None


class BatchOrders(Signed, frozen=True, kw_only=True):
    batch_orders: msgspec.Raw  # a JSON list, as sent: that is what is signed


class CancelBatch(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    order_id_list: msgspec.Raw = NOT_SENT
    orig_client_order_id_list: msgspec.Raw = NOT_SENT


class CancelOnDisconnect(Signed, frozen=True, kw_only=True):
    enabled: bool


class OpenOrders(Signed, frozen=True, kw_only=True):
    symbol: Symbol | None = None


class FindOrder(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    order_id: int | None = None
    orig_client_order_id: str | None = None


class AllOrders(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    order_id: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int | None = None


class OrderAmendments(SymbolSigned, frozen=True, kw_only=True):
    order_id: int
    from_execution_id: int | None = None
    limit: int | None = None


class AccountStatus(Signed, frozen=True, kw_only=True):
    omit_zero_balances: bool | None = None


class MyTrades(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    order_id: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    from_id: int | None = None
    limit: int | None = None


class MyPreventedMatches(Signed, frozen=True, kw_only=True):
    symbol: Symbol
    prevented_match_id: int | None = None
    order_id: int | None = None
    from_prevented_match_id: int | None = None
    limit: int | None = None


SymbolStatus = Literal["TRADING", "PRE_TRADING", "AUCTION_MATCH", "HALT", "BREAK"]


class OneSymbol(Params, frozen=True, kw_only=True):
    symbol: Symbol


class Depth(OneSymbol, frozen=True, kw_only=True):
    limit: int | None = None
    symbol_status: SymbolStatus | None = None


class Trades(OneSymbol, frozen=True, kw_only=True):
    limit: int | None = None


class HistoricalTrades(Trades, frozen=True, kw_only=True):
    from_id: int | None = None


class AggregateTrades(HistoricalTrades, frozen=True, kw_only=True):
    start_time: int | None = None
    end_time: int | None = None


class Klines(Trades, frozen=True, kw_only=True):
    interval: str
    start_time: int | None = None
    end_time: int | None = None
    time_zone: str | None = None


class SomeSymbols(Params, frozen=True, kw_only=True):
    """One, or several, or all where neither is sent."""

    symbol: Symbol | None = None
    symbols: list[str] | None = None
    symbol_status: SymbolStatus | None = None


class DayTicker(SomeSymbols, frozen=True, kw_only=True):
    type: Literal["FULL", "MINI"] | None = None


class RollingTicker(DayTicker, frozen=True, kw_only=True):
    window_size: str = "1d"


class TradingDayTicker(DayTicker, frozen=True, kw_only=True):
    time_zone: str | None = None


class ExchangeInfo(SomeSymbols, frozen=True, kw_only=True):
    permissions: str | list[str] | None = None
    show_permission_sets: bool | None = None


class Keyed(Params, frozen=True, kw_only=True):
    """What carries its key and no signature; over REST the key is a header."""

    api_key: str | None = None


class ListenKey(Keyed, frozen=True, kw_only=True):
    listen_key: str


class Subscribe(Params, frozen=True, kw_only=True):
    """`from_seq` (ours) asks for the events after that one of the stream `stream_id`."""

    from_seq: int | None = None
    stream_id: str | None = None


class SubscribeSigned(Signed, frozen=True, kw_only=True):
    from_seq: int | None = None
    stream_id: str | None = None


class Unsubscribe(Params, frozen=True, kw_only=True):
    subscription_id: int | None = None


# -- the parameters as signed and as REST sends them

_INTEGERS: Final = frozenset(
    {
        "orderId",
        "cancelOrderId",
        "orderListId",
        "fromId",
        "fromExecutionId",
        "preventedMatchId",
        "fromPreventedMatchId",
        "limit",
        "timestamp",
        "goodTillDate",
        "startTime",
        "endTime",
        "countdownTime",
    }
)
_BOOLEANS: Final = frozenset({"omitZeroBalances", "returnRateLimits", "computeCommissionRates", "showPermissionSets"})
_LISTS: Final = frozenset({"symbols"})
_RAW: Final = frozenset({"batchOrders", "orderIdList", "origClientOrderIdList"})
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}").fullmatch


def from_text(values: dict[str, str], params: type[Params]) -> Any:
    """A REST request's parameters as the method's struct. ApiError where they do not fit."""
    typed: dict[str, object] = {}
    for name, text in values.items():
        if name in _INTEGERS:
            if not _INTEGER(text):
                raise illegal(name)
            typed[name] = int(text)
        elif name in _BOOLEANS:
            if text.lower() not in ("true", "false"):
                raise illegal(name)
            typed[name] = text.lower() == "true"
        elif name in _LISTS:
            typed[name] = listed(name, text)
        elif name in _RAW:
            typed[name] = msgspec.Raw(text.encode())
        else:
            typed[name] = text
    try:
        return msgspec.convert(typed, params)
    except msgspec.ValidationError as error:
        raise misfit(str(error)) from None


def listed(name: str, text: str | list[str]) -> list[str]:
    """A list, or JSON text of one."""
    if isinstance(text, list):
        return text
    try:
        return msgspec.json.decode(text, type=list[str])
    except (ValueError, RecursionError):
        raise illegal(name) from None


def signed_text(params: Params) -> bytes:
    """What a ws-api signature is over: the parameters sent, sorted, as `k=v` joined by `&`, without the signature."""
    sorting = _SORTINGS.get(params.__class__)
    if sorting is None:
        sorting = _SORTINGS[params.__class__] = _sorting(params.__class__)
    prefixes, values_of = sorting
    parts = [
        f"{prefix}{value if value.__class__ is str else _text(value)}"
        for prefix, value in zip(prefixes, values_of(params), strict=True)
        if value is not None and value is not NOT_SENT
    ]
    return "&".join(parts).encode()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value, "utf-8", "replace") if isinstance(value, msgspec.Raw) else str(value)


_SORTINGS: Final[dict[type[Params], tuple[list[str], Callable[[Params], tuple[Any, ...]]]]] = {}


def _sorting(params: type[Params]) -> tuple[list[str], Callable[[Params], tuple[Any, ...]]]:
    """The `name=` of each parameter in sorted order, and what takes their values out of a struct in that order."""
    names = sorted((field.encode_name, field.name) for field in msgspec.structs.fields(params))
    signed = [(f"{wire}=", name) for wire, name in names if name != "signature"]
    return [prefix for prefix, _ in signed], attrgetter(*[name for _, name in signed])


# -- what does not fit, as Binance says it

_FIELD: Final = re.compile(r"field `([^`]{0,64})")
_PATH: Final = re.compile(r"`\$(?:\.params|\[[0-9]+\])?\.([A-Za-z]+)")
_ENUM_ERRORS: Final = dict.fromkeys(("side", "workingSide", "pendingSide"), (errors.INVALID_SIDE, "Invalid side.")) | {
    "type": (errors.INVALID_ORDER_TYPE, "Invalid orderType."),
    "timeInForce": (errors.INVALID_TIF, "Invalid timeInForce."),
    "cancelRestrictions": (errors.INVALID_CANCEL_RESTRICTIONS, "Invalid cancelRestrictions"),
}


def illegal(name: str) -> ApiError:
    return ApiError(errors.ILLEGAL_CHARS, f"Illegal characters found in parameter '{name}'.")


def misfit(error: str) -> ApiError:
    """Binance's error for msgspec's text about parameters that do not fit their struct."""
    field = _FIELD.search(error)
    if field is not None:
        return errors.unread(_plain(field[1])) if "unknown field" in error else errors.mandatory(field[1])
    path = _PATH.search(error)
    name = path[1] if path else "params"
    if error.startswith("Invalid enum value"):
        code, text = _ENUM_ERRORS.get(
            name, (errors.INVALID_PARAMETER, f"Data sent for parameter '{name}' is not valid.")
        )
        return ApiError(code, text)
    if "got `float`" in error:
        return ApiError(errors.ILLEGAL_CHARS, f"Illegal characters found in parameter '{name}'; send it as a string.")
    return errors.mandatory(name)


def _plain(name: str) -> str:
    """A stranger's parameter name, safe to echo."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)
