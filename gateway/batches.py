"""Several orders, or several cancels, in one request: each is judged by itself, one answer has them all in order."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway import errors
from gateway import messages as m
from gateway.answers import PLACE, Asked, Owner, Sink, error_json
from gateway.desk import Desk
from gateway.errors import ApiError

ITEMS_MAX: Final = 20
_ORDERS: Final = msgspec.json.Decoder(list[m.NewOrder])
_ORDER_IDS: Final = msgspec.json.Decoder(list[int])
_CLIENT_IDS: Final = msgspec.json.Decoder(list[str])


class Batch:
    """Gathers the answers to `count` requests; request i carries i as its id."""

    def __init__(self, sink: Sink, request_id: str, limits: str, count: int) -> None:
        self._sink = sink
        self._asked = Asked(sink, PLACE, request_id, "", "", limits)
        self._results = [""] * count
        self._missing = count

    @property
    def unit_ns(self) -> int:
        return self._sink.unit_ns

    @property
    def owned(self) -> Owner | None:
        return self._sink.owned

    def succeed(self, asked: Asked, result: str) -> None:
        self._take(asked.request_id, result)

    def fail(self, asked: Asked, error: ApiError) -> None:
        self._take(asked.request_id, error_json(error))

    def refuse(self, number: str, error: ApiError) -> None:
        """A request that was not even taken."""
        self._take(number, error_json(error))

    def _take(self, number: str, text: str) -> None:
        self._results[int(number)] = text
        self._missing -= 1
        if not self._missing:
            self._sink.succeed(self._asked, f"[{','.join(self._results)}]")


def place(
    desk: Desk, account: int, params: m.BatchOrders, sink: Sink, request_id: str, limits: str | None, now: int
) -> None:
    orders: list[m.NewOrder] = _decoded(_ORDERS, params.batch_orders, "batchOrders")
    if any(order.api_key is not None or order.signature is not None for order in orders):
        raise errors.unread("signature")
    batch = Batch(sink, request_id, limits or "", len(orders))
    for number, order in enumerate(orders):
        if params.signature is not None:  # so that each order's own id is made from what was signed
            order = msgspec.structs.replace(order, signature=f"{params.signature}-{number}")
        try:
            desk.place(account, order, batch, str(number), None, now)
        except ApiError as error:
            batch.refuse(str(number), error)


def cancel(
    desk: Desk, account: int, params: m.CancelBatch, sink: Sink, request_id: str, limits: str | None, now: int
) -> None:
    cancels = [*_by_order_id(params), *_by_client_id(params)]
    if not 0 < len(cancels) <= ITEMS_MAX:
        raise errors.mandatory("orderIdList")
    batch = Batch(sink, request_id, limits or "", len(cancels))
    for number, each in enumerate(cancels):
        try:
            desk.cancel(account, each, batch, str(number), None, now)
        except ApiError as error:
            batch.refuse(str(number), error)


def _by_order_id(params: m.CancelBatch) -> list[m.CancelOrder]:
    if params.order_id_list is m.NOT_SENT:
        return []
    ids: list[int] = _decoded(_ORDER_IDS, params.order_id_list, "orderIdList")
    return [m.CancelOrder(symbol=params.symbol, order_id=each) for each in ids]


def _by_client_id(params: m.CancelBatch) -> list[m.CancelOrder]:
    if params.orig_client_order_id_list is m.NOT_SENT:
        return []
    ids: list[str] = _decoded(_CLIENT_IDS, params.orig_client_order_id_list, "origClientOrderIdList")
    return [m.CancelOrder(symbol=params.symbol, orig_client_order_id=each) for each in ids]


def _decoded(decoder: Any, raw: msgspec.Raw, name: str) -> Any:
    """The list's items, at least one and not too many."""
    try:
        items = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise m.misfit(str(error)) from None
    except (ValueError, RecursionError):
        raise m.illegal(name) from None
    if not 0 < len(items) <= ITEMS_MAX:
        raise ApiError(errors.MANDATORY_PARAM, f"'{name}' takes 1 to {ITEMS_MAX} items.")
    return items
