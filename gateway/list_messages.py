"""The parameters of order lists: several orders in one request, each with a prefix of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

import msgspec

from engine.types import ListKind
from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError

Legs = tuple["Leg", ...]
_QUOTED: Final = re.compile(r"'([A-Za-z]+)'")
_STOP_LOSS: Final = ("stop loss", errors.OCO_STOP_LOSS_SIDE)
_TAKE_PROFIT: Final = ("take profit", errors.OCO_TAKE_PROFIT_SIDE)
_OCO_TYPES: Final = {
    "LIMIT_MAKER": ("limit", errors.OCO_LIMIT_SIDE),
    "STOP_LOSS": _STOP_LOSS,
    "STOP_LOSS_LIMIT": _STOP_LOSS,
    "TAKE_PROFIT": _TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": _TAKE_PROFIT,
}


class Leg(NamedTuple):
    """One order of a list: where in the list's parameters its own stand, by their names on the wire."""

    fields: Mapping[str, str]
    constants: dict[str, str]

    def order(self, params: NewList, number: int) -> m.NewOrder:
        """As a request of its own. ApiError, in the list's words, where it is none."""
        sent = {name: getattr(params, field) for name, field in self.fields.items()}
        values = {name: value for name, value in sent.items() if value is not None} | self.constants
        if params.self_trade_prevention_mode is not None:
            values["selfTradePreventionMode"] = params.self_trade_prevention_mode
        if params.signature is not None:  # so that each leg's own id is made from what was signed
            values["signature"] = f"{params.signature}-{number}"
        try:
            return msgspec.convert(values | {"symbol": params.symbol}, m.NewOrder)
        except msgspec.ValidationError as error:
            raise self.in_words_of_list(m.misfit(str(error))) from None

    def in_words_of_list(self, error: ApiError) -> ApiError:
        """An error about a parameter of the order, by the name that it has in the list."""
        error.msg = _QUOTED.sub(lambda found: f"'{_camel(self.fields.get(found[1], found[1]))}'", error.msg)
        return error


def _leg(prefix: str, shared: str = "", *, may_stop: bool = True) -> Leg:
    """Of parameters that begin with the prefix, but for side and quantity."""
    own = ["type", "price", "iceberg_qty", "time_in_force", *(["stop_price"] if may_stop else [])]
    fields = {_camel(name): f"{prefix}_{name}" for name in own} | {"newClientOrderId": f"{prefix}_client_order_id"}
    return Leg(fields | {"side": f"{shared}side", "quantity": f"{shared}quantity"}, {})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


class NewList(m.Signed, frozen=True, kw_only=True):
    """What every list has. Types and times in force are judged with each leg, as those of a single order are."""

    kind: ClassVar[ListKind]
    symbol: m.Symbol
    list_client_order_id: str | None = None
    new_order_resp_type: m.RespType | None = None
    self_trade_prevention_mode: m.SelfTradeMode | None = None

    def legs(self) -> Legs:
        """In the order of their numbers."""
        raise NotImplementedError


class Oco(NewList, frozen=True, kw_only=True):
    kind: ClassVar[ListKind] = ListKind.OCO
    side: m.Side
    quantity: m.Decimal
    above_type: str
    above_price: m.Decimal | None = None
    above_stop_price: m.Decimal | None = None
    above_iceberg_qty: m.Decimal | None = None
    above_time_in_force: str | None = None
    above_client_order_id: str | None = None
    below_type: str
    below_price: m.Decimal | None = None
    below_stop_price: m.Decimal | None = None
    below_iceberg_qty: m.Decimal | None = None
    below_time_in_force: str | None = None
    below_client_order_id: str | None = None

    def legs(self) -> Legs:
        check_pair(self.side, self.above_type, self.below_type)
        return _ABOVE, _BELOW


class OldOco(NewList, frozen=True, kw_only=True):
    """As it was before the legs had types: a limit order that rests, and a stop."""

    kind: ClassVar[ListKind] = ListKind.OCO
    side: m.Side
    quantity: m.Decimal
    price: m.Decimal
    limit_client_order_id: str | None = None
    limit_iceberg_qty: m.Decimal | None = None
    stop_price: m.Decimal
    stop_client_order_id: str | None = None
    stop_limit_price: m.Decimal | None = None
    stop_limit_time_in_force: str | None = None
    stop_iceberg_qty: m.Decimal | None = None

    def legs(self) -> Legs:
        stop = _OLD_STOP if self.stop_limit_price is None else _OLD_STOP_LIMIT
        return (stop, _OLD_LIMIT) if self.side == "BUY" else (_OLD_LIMIT, stop)


class Working(NewList, frozen=True, kw_only=True):
    """Of a list whose first order is to be filled before the others come."""

    working_type: str
    working_side: m.Side
    working_price: m.Decimal
    working_quantity: m.Decimal
    working_iceberg_qty: m.Decimal | None = None
    working_time_in_force: str | None = None
    working_client_order_id: str | None = None
    pending_side: m.Side
    pending_quantity: m.Decimal

    def legs(self) -> Legs:
        if self.working_type not in ("LIMIT", "LIMIT_MAKER"):
            raise ApiError(errors.INVALID_ORDER_TYPE, "Invalid orderType.")
        return (_WORKING,)


class Oto(Working, frozen=True, kw_only=True):
    kind: ClassVar[ListKind] = ListKind.OTO
    pending_type: str
    pending_price: m.Decimal | None = None
    pending_stop_price: m.Decimal | None = None
    pending_iceberg_qty: m.Decimal | None = None
    pending_time_in_force: str | None = None
    pending_client_order_id: str | None = None

    def legs(self) -> Legs:
        return (*Working.legs(self), _PENDING)


class Otoco(Working, frozen=True, kw_only=True):
    kind: ClassVar[ListKind] = ListKind.OTOCO
    pending_above_type: str
    pending_above_price: m.Decimal | None = None
    pending_above_stop_price: m.Decimal | None = None
    pending_above_iceberg_qty: m.Decimal | None = None
    pending_above_time_in_force: str | None = None
    pending_above_client_order_id: str | None = None
    pending_below_type: str
    pending_below_price: m.Decimal | None = None
    pending_below_stop_price: m.Decimal | None = None
    pending_below_iceberg_qty: m.Decimal | None = None
    pending_below_time_in_force: str | None = None
    pending_below_client_order_id: str | None = None

    def legs(self) -> Legs:
        check_pair(self.pending_side, self.pending_above_type, self.pending_below_type)
        return (*Working.legs(self), _PENDING_ABOVE, _PENDING_BELOW)


class CancelList(m.Signed, frozen=True, kw_only=True):
    symbol: m.Symbol
    order_list_id: int | None = None
    list_client_order_id: str | None = None
    new_client_order_id: str | None = None


class FindList(m.Signed, frozen=True, kw_only=True):
    order_list_id: int | None = None
    orig_client_order_id: str | None = None


class AllLists(m.Signed, frozen=True, kw_only=True):
    from_id: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int | None = None


_ABOVE: Final = _leg("above")
_BELOW: Final = _leg("below")
_WORKING: Final = _leg("working", "working_", may_stop=False)
_PENDING: Final = _leg("pending", "pending_")
_PENDING_ABOVE: Final = _leg("pending_above", "pending_")
_PENDING_BELOW: Final = _leg("pending_below", "pending_")
_SHARED: Final = {"side": "side", "quantity": "quantity"}
_OLD_LIMIT: Final = Leg(
    _SHARED | {"price": "price", "icebergQty": "limit_iceberg_qty", "newClientOrderId": "limit_client_order_id"},
    {"type": "LIMIT_MAKER"},
)
_OLD_STOP_FIELDS: Final = _SHARED | {
    "stopPrice": "stop_price",
    "price": "stop_limit_price",
    "timeInForce": "stop_limit_time_in_force",
    "icebergQty": "stop_iceberg_qty",
    "newClientOrderId": "stop_client_order_id",
}
_OLD_STOP: Final = Leg(_OLD_STOP_FIELDS, {"type": "STOP_LOSS"})
_OLD_STOP_LIMIT: Final = Leg(_OLD_STOP_FIELDS, {"type": "STOP_LOSS_LIMIT"})


def check_pair(side: m.Side, above_type: str, below_type: str) -> None:
    """An OCO is an order that takes a profit and one that stops a loss, each on its side of the market."""
    if above_type not in _OCO_TYPES or below_type not in _OCO_TYPES:
        raise ApiError(errors.OCO_ORDER_TYPE_REJECTED, "Order type not supported in OCO.")
    if above_type == below_type == "LIMIT_MAKER":
        raise ApiError(errors.BOTH_OCO_ORDERS_CANNOT_BE_LIMIT, "At least one OCO order must be contingent.")
    for place, order_type in (("above", above_type), ("below", below_type)):
        name, codes = _OCO_TYPES[order_type]
        wanted = "above" if (name == "stop loss") == (side == "BUY") else "below"
        if place != wanted:
            raise ApiError(codes[side], f"A {name} order in a {side.lower()} OCO must be {wanted}.")
