"""Trading requests to the engine's records: symbols, decimals and ids become numbers here, exactly or not at all."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from engine import types as t
from engine.wire import COMMAND
from gateway import errors
from gateway import messages as m
from gateway.decimals import DecimalError, OffGridError, TooLargeError, TooPreciseError, Units
from gateway.errors import ApiError
from gateway.list_messages import CancelList, Leg, NewList
from gateway.markets import Markets
from gateway.orders import AT_COLLAR

MS: Final = 10**6  # nanoseconds
GOOD_TILL_MS_MAX: Final = t.INT64_MAX // MS
SIDES: Final = {side.name: int(side) for side in t.Side}
TYPES: Final = {kind.name: int(kind) for kind in t.OrderType}
TIMES_IN_FORCE: Final = {kind.name: int(kind) for kind in t.TimeInForce}
SELF_TRADES: Final = {mode.name: int(mode) for mode in t.SelfTrade}
SELF_TRADE_DEFAULT: Final = int(t.SelfTrade.EXPIRE_MAKER)
_CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}").fullmatch
_LIMIT, _MARKET, _LIMIT_MAKER = int(t.OrderType.LIMIT), int(t.OrderType.MARKET), int(t.OrderType.LIMIT_MAKER)
_STOPS: Final = frozenset(TYPES.values()) - {_LIMIT, _MARKET, _LIMIT_MAKER}
_GTC, _IOC, _GTD = int(t.TimeInForce.GTC), int(t.TimeInForce.IOC), int(t.TimeInForce.GTD)
ICEBERGS: Final = (_LIMIT, _LIMIT_MAKER)
RESTING: Final = (_GTC, _GTD, int(t.TimeInForce.DAY))
_PLACE, _CANCEL, _AMEND = int(t.CommandKind.PLACE), int(t.CommandKind.CANCEL), int(t.CommandKind.AMEND)
_REPLACE, _CANCEL_ALL = int(t.CommandKind.REPLACE), int(t.CommandKind.CANCEL_ALL)
_LIST_LEG, _PLACE_LIST = int(t.CommandKind.LIST_LEG), int(t.CommandKind.PLACE_LIST)


class Commands:
    """Makes the records. Every method raises ApiError for what cannot be one."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._id_prefix = f"auto-{secrets.token_hex(8)}-"
        self._ids_made = 0

    def place(self, account: int, params: m.NewOrder) -> bytes:
        return self._order(_PLACE, account, params, 0, b"", 0)

    def replace(self, account: int, params: m.CancelReplace) -> bytes:
        order_id, client_id = which(
            params.cancel_order_id, params.cancel_orig_client_order_id, "cancelOrigClientOrderId"
        )
        self.cancel_id(params.cancel_new_client_order_id)
        anyway = params.cancel_replace_mode == "ALLOW_FAILURE"
        return self._order(_REPLACE, account, params, order_id, client_id, anyway)

    def place_list(self, account: int, params: NewList) -> list[bytes]:
        """The legs, and what places them: nothing may come between."""
        records = [self._leg(account, leg, params, number) for number, leg in enumerate(params.legs(), 1)]
        client_id = self._made_id("listClientOrderId", params.list_client_order_id, params.signature)
        number = self._markets.of(params.symbol).number
        records.append(
            COMMAND.pack(
                0, 0, _PLACE_LIST, 0, 0, 0, number, 0, params.kind, account, 0, 0, 0, 0, 0, 0, 0, 0, client_id, b""
            )
        )
        return records

    def _leg(self, account: int, leg: Leg, params: NewList, number: int) -> bytes:
        order = leg.order(params, number)
        try:
            return self._order(_LIST_LEG, account, order, 0, b"", number)
        except ApiError as error:
            raise leg.in_words_of_list(error) from None

    def cancel(self, account: int, params: m.CancelOrder) -> bytes:
        number = self._markets.of(params.symbol).number
        order_id, client_id = which(params.order_id, params.orig_client_order_id, "origClientOrderId")
        return self.cancel_order(account, number, order_id, client_id)

    def cancel_list(self, account: int, params: CancelList) -> bytes:
        number = self._markets.of(params.symbol).number
        list_id, client_id = which(
            params.order_list_id, params.list_client_order_id, "listClientOrderId", "orderListId"
        )
        return self.cancel_order(account, number, list_id, client_id, is_list=1)

    @staticmethod
    def cancel_order(
        account: int, instrument: int, order_id: int, client_id: bytes = b"", *, is_list: int = 0
    ) -> bytes:
        return COMMAND.pack(
            0, 0, _CANCEL, 0, 0, 0, instrument, 0, is_list, account, 0, 0, 0, 0, 0, order_id, 0, 0, b"", client_id
        )

    def amend(self, account: int, params: m.AmendOrder) -> bytes:
        market = self._markets.of(params.symbol)
        order_id, client_id = which(params.order_id, params.orig_client_order_id, "origClientOrderId")
        lots = units(market.qty_lots, params.new_qty, "newQty", "LOT_SIZE")
        number = market.number
        return COMMAND.pack(
            0, 0, _AMEND, 0, 0, 0, number, 0, 0, account, 0, 0, lots, 0, 0, order_id, 0, 0, b"", client_id
        )

    def cancel_all(self, account: int, params: m.SymbolSigned) -> bytes:
        return self.cancel_all_of(account, self._markets.of(params.symbol).number)

    @staticmethod
    def cancel_all_of(account: int, instrument: int) -> bytes:
        """All the account's orders in the instrument, or in all of them: t.VENUE."""
        return COMMAND.pack(0, 0, _CANCEL_ALL, 0, 0, 0, instrument, 0, 0, account, 0, 0, 0, 0, 0, 0, 0, 0, b"", b"")

    def cancel_id(self, client_id: str | None) -> str:
        """The id that a cancel goes by in its reply: the client's or a new one."""
        if client_id is None:
            self._ids_made += 1
            return f"{self._id_prefix}{self._ids_made:x}"
        if not _CLIENT_ORDER_ID(client_id):
            raise m.illegal("newClientOrderId")
        return client_id

    def _order(
        self, kind: int, account: int, params: m.NewOrder, cancel_order_id: int, cancel_client_id: bytes, flags: int
    ) -> bytes:
        market = self._markets.of(params.symbol)
        order_type = TYPES[params.type]
        price_ticks = lots = quote_micros = 0
        if order_type == _MARKET or order_type in AT_COLLAR:
            if params.price is not None:
                raise _not_required("price")
        else:
            price_ticks = units(market.price_ticks, params.price, "price", "PRICE_FILTER")
        if order_type == _MARKET:
            if (params.quantity is None) == (params.quote_order_qty is None):
                text = "Param 'quantity' or 'quoteOrderQty' must be sent, and only one of them."
                raise ApiError(errors.MANDATORY_PARAM, text)
        elif params.quote_order_qty is not None:
            raise _not_required("quoteOrderQty")
        if params.quote_order_qty is not None:
            quote_micros = units(self._markets.usdc_micros, params.quote_order_qty, "quoteOrderQty", "NOTIONAL")
            if quote_micros == 0:
                raise ApiError(errors.INVALID_MESSAGE, "Filter failure: NOTIONAL")
        else:
            lots = units(market.qty_lots, params.quantity, "quantity", "LOT_SIZE")
        time_in_force = _time_in_force(params, order_type)
        stop_ticks = 0
        if order_type in _STOPS:
            stop_ticks = units(market.price_ticks, params.stop_price, "stopPrice", "PRICE_FILTER")
        elif params.stop_price is not None:
            raise _not_required("stopPrice")
        display_lots = 0
        if params.iceberg_qty is not None:
            if order_type not in ICEBERGS or time_in_force not in RESTING:
                raise _not_required("icebergQty")
            display_lots = units(market.qty_lots, params.iceberg_qty, "icebergQty", "LOT_SIZE")
        mode = params.self_trade_prevention_mode
        return COMMAND.pack(
            0,
            0,
            kind,
            SIDES[params.side],
            order_type,
            time_in_force,
            market.number,
            SELF_TRADE_DEFAULT if mode is None else SELF_TRADES[mode],
            flags,
            account,
            0,
            price_ticks,
            lots,
            quote_micros,
            _good_till_ns(params, time_in_force),
            cancel_order_id,
            stop_ticks,
            display_lots,
            self._made_id("newClientOrderId", params.new_client_order_id, params.signature),
            cancel_client_id,
        )

    def _made_id(self, name: str, client_id: str | None, signature: str | None) -> bytes:
        """The client's id, or one made from its signature, so that a signed request sent twice is placed once."""
        if client_id is not None:
            return _id_bytes(client_id, name)
        if signature is not None:
            return b"auto-" + hashlib.sha256(signature.encode()).hexdigest()[:31].encode()
        self._ids_made += 1
        return f"{self._id_prefix}{self._ids_made:x}".encode()


def which(order_id: int | None, client_id: str | None, client_name: str, name: str = "orderId") -> tuple[int, bytes]:
    """An order, or a list, by its number or, where there is none, by its client id."""
    if order_id is None:
        if client_id is None:
            text = f"Param '{client_name}' or '{name}' must be sent, but both were empty/null!"
            raise ApiError(errors.MANDATORY_PARAM, text)
        return 0, _id_bytes(client_id, client_name)
    if not 0 < order_id <= t.INT64_MAX:
        raise errors.mandatory(name)
    return order_id, b""


def units(table: Units, value: m.Decimal | None, name: str, filter_name: str) -> int:
    """The decimal as a whole number of ticks, lots or micros."""
    if value is None:
        raise errors.mandatory(name)
    try:
        return table[value if isinstance(value, str) else str(value)]
    except TooPreciseError:
        raise ApiError(errors.BAD_PRECISION, f"Parameter '{name}' has too much precision.") from None
    except (OffGridError, TooLargeError):
        raise ApiError(errors.INVALID_MESSAGE, f"Filter failure: {filter_name}") from None
    except DecimalError:
        raise m.illegal(name) from None


def _time_in_force(params: m.NewOrder, order_type: int) -> int:
    if params.time_in_force is not None:
        if order_type == _MARKET or order_type in AT_COLLAR:
            raise _not_required("timeInForce")
        return TIMES_IN_FORCE[params.time_in_force]
    if order_type == _LIMIT_MAKER:
        return _GTC
    if order_type == _MARKET or order_type in AT_COLLAR:
        return _IOC
    raise errors.mandatory("timeInForce")


def _good_till_ns(params: m.NewOrder, time_in_force: int) -> int:
    if time_in_force != _GTD:
        if params.good_till_date is not None:
            raise _not_required("goodTillDate")
        return 0
    if params.good_till_date is None or not 0 < params.good_till_date <= GOOD_TILL_MS_MAX:
        raise errors.mandatory("goodTillDate")
    return params.good_till_date * MS


def _id_bytes(client_id: str, name: str) -> bytes:
    if not _CLIENT_ORDER_ID(client_id):
        raise m.illegal(name)
    return client_id.encode()


def _not_required(name: str) -> ApiError:
    return ApiError(errors.PARAM_NOT_REQUIRED, f"Parameter '{name}' sent when not required.")
