"""Whom to answer, and how: what goes to the sequencer with each command and comes back when it is durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from engine.types import CommandKind, Reason
from gateway import errors
from gateway.errors import ApiError, refused
from gateway.order_lists import OrderList
from gateway.orders import Fill, Order
from gateway.reports import Reports

PLACE: Final = int(CommandKind.PLACE)
CANCEL: Final = int(CommandKind.CANCEL)
AMEND: Final = int(CommandKind.AMEND)
REPLACE: Final = int(CommandKind.REPLACE)
CANCEL_ALL: Final = int(CommandKind.CANCEL_ALL)
LIST_LEG: Final = int(CommandKind.LIST_LEG)
PLACE_LIST: Final = int(CommandKind.PLACE_LIST)


class Owner(Protocol):
    def add(self, order: Order) -> None: ...


class Sink(Protocol):
    """Where an answer goes: a websocket session, or the future of a REST request."""

    @property
    def unit_ns(self) -> int:
        """Of the times in what it is told."""
        ...

    @property
    def owned(self) -> Owner | None:
        """Who wants to know of the orders that were placed here, if anybody."""
        ...

    def succeed(self, asked: Asked, result: str) -> None:
        """`result` is JSON text."""
        ...

    def fail(self, asked: Asked, error: ApiError) -> None: ...


class Asked(msgspec.Struct, gc=False, eq=False):
    """A trading request on its way: the `origin` of its command."""

    sink: Sink
    kind: int
    request_id: str  # JSON text, echoed
    response: str  # ACK, RESULT or FULL
    cancel_id: str
    limits: str  # the reply's rateLimits, JSON text; empty where none are wanted


class PlainAsked(Asked, gc=False, eq=False):
    """Of a plain request: of a session, which also takes an answer that the core has written, as a whole frame."""

    send_frame: Callable[[bytes], None]


class Outcome(msgspec.Struct, gc=False, eq=False):
    """What one command did, as far as its reply tells it."""

    order: Order | None = None  # accepted; of a list the first leg that is placed
    order_list: OrderList | None = None  # placed
    legs: list[Order] | None = None  # of that list; pending ones come first
    fills: list[Fill] | None = None  # the lists are made when there is something for them
    cancelled: list[Order] | None = None
    cancelled_lists: dict[int, OrderList] | None = None  # those that the cancelled orders belong to
    amended: Order | None = None
    refusals: list[tuple[int, int]] | None = None  # reason, and the first order's id for a used client id

    def add_leg(self, order: Order) -> None:
        if self.legs is None:
            self.legs = []
        self.legs.append(order)

    def add_cancelled(self, order: Order, order_list: OrderList | None) -> None:
        if self.cancelled is None:
            self.cancelled = []
        self.cancelled.append(order)
        if order_list is not None:
            if self.cancelled_lists is None:
                self.cancelled_lists = {}
            self.cancelled_lists[order_list.list_id] = order_list

    def fills_of(self, leg: Order) -> list[Fill]:
        return [fill for fill in self.fills or () if fill.taker_order_id == leg.order_id]

    def add_fill(self, fill: Fill) -> None:
        if self.fills is None:
            self.fills = [fill]
        else:
            self.fills.append(fill)


def own(sink: Sink, outcome: Outcome) -> None:
    """Tell who wants to know of the orders that were placed."""
    if sink.owned is None or outcome.order is None:
        return
    for order in outcome.legs or (outcome.order,):
        sink.owned.add(order)


def reply(reports_by_unit: Mapping[int, Reports], asked: Asked, outcome: Outcome, seq: int) -> None:
    """Answer a request whose command is durable."""
    order, sink = outcome.order, asked.sink
    reports = reports_by_unit[sink.unit_ns]
    own(sink, outcome)
    if asked.kind == REPLACE:
        _reply_replaced(reports, asked, outcome)
    elif outcome.refusals:
        reason, first_order_id = outcome.refusals[0]
        sink.fail(asked, refusal(asked.kind, reason, first_order_id))
    elif asked.kind == PLACE:
        assert order is not None, "a place is accepted or refused"
        sink.succeed(asked, reports.placed(order, asked.response, outcome.fills or ()))
    elif asked.kind == PLACE_LIST:
        assert outcome.order_list is not None, "a list is placed or refused"
        legs = sorted(outcome.legs or (), key=lambda leg: leg.order_id)
        orders = [reports.placed(leg, asked.response, outcome.fills_of(leg)) for leg in legs]
        sink.succeed(asked, reports.order_list(outcome.order_list, orders))
    elif asked.kind == AMEND:
        assert outcome.amended is not None, "an amend is done or refused"
        sink.succeed(asked, reports.amended(outcome.amended, seq))
    elif not outcome.cancelled:
        sink.fail(asked, refused(Reason.ORDER_NOT_FOUND))
    elif asked.kind == CANCEL:
        sink.succeed(asked, _cancelled(reports, asked, outcome)[0])
    else:
        sink.succeed(asked, f"[{','.join(_cancelled(reports, asked, outcome))}]")


def _cancelled(reports: Reports, asked: Asked, outcome: Outcome) -> list[str]:
    """Each order that was cancelled by itself, then each list with those of its orders that were open."""
    lists, texts = outcome.cancelled_lists or {}, list[str]()
    of_lists: dict[int, list[str]] = {list_id: [] for list_id in lists}
    for order in outcome.cancelled or ():
        of_lists.get(order.list_id, texts).append(reports.cancelled(order, asked.cancel_id))
    return texts + [reports.order_list(lists[list_id], orders) for list_id, orders in of_lists.items()]


def refusal(kind: int, reason: int, first_order_id: int = 0) -> ApiError:
    """The engine's refusal under the code of what was asked: an order, a cancel or an amend."""
    error = refused(reason, first_order_id)
    if kind in (CANCEL, CANCEL_ALL) and error.code == errors.NEW_ORDER_REJECTED:
        error.code = errors.CANCEL_REJECTED
    elif kind == AMEND and error.code in (errors.NEW_ORDER_REJECTED, errors.CANCEL_REJECTED):
        error.code = errors.AMEND_REJECTED
    return error


def _reply_replaced(reports: Reports, asked: Asked, outcome: Outcome) -> None:
    """Both halves have their own result; where one failed, the reply is an error that holds both."""
    cancelled, refusals = outcome.cancelled, list(outcome.refusals or ())
    if cancelled:
        cancel_result, cancel_response = "SUCCESS", _cancelled(reports, asked, outcome)[0]
    else:
        reason, _ = refusals.pop(0)
        cancel_result, cancel_response = "FAILURE", error_json(refusal(CANCEL, reason))
    if outcome.order is not None:
        order_result, order_response = "SUCCESS", reports.placed(outcome.order, asked.response, outcome.fills or ())
    elif refusals:
        order_result, order_response = "FAILURE", error_json(refused(*refusals[0]))
    else:
        order_result, order_response = "NOT_ATTEMPTED", "null"
    result = (
        f'{{"cancelResult":"{cancel_result}","newOrderResult":"{order_result}",'
        f'"cancelResponse":{cancel_response},"newOrderResponse":{order_response}}}'
    )
    if cancelled and outcome.order is not None:
        asked.sink.succeed(asked, result)
    elif cancelled or outcome.order is not None:
        text = "Order cancel-replace partially failed."
        asked.sink.fail(asked, ApiError(errors.CANCEL_REPLACE_PARTLY_FAILED, text, 409, result))
    else:
        asked.sink.fail(asked, ApiError(errors.CANCEL_REPLACE_FAILED, "Order cancel-replace failed.", 400, result))


def error_json(error: ApiError) -> str:
    data = f',"data":{error.data}' if error.data else ""
    return f'{{"code":{error.code},"msg":"{error.msg}"{data}}}'
