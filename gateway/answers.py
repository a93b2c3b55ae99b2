"""Whom to answer, and how: what goes to the sequencer with each command and comes back when it is durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from engine.types import CommandKind, Reason
from gateway import errors
from gateway.errors import ApiError, refused
from gateway.orders import Fill, Order
from gateway.reports import Reports

PLACE: Final = int(CommandKind.PLACE)
CANCEL: Final = int(CommandKind.CANCEL)
AMEND: Final = int(CommandKind.AMEND)
REPLACE: Final = int(CommandKind.REPLACE)
CANCEL_ALL: Final = int(CommandKind.CANCEL_ALL)


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

    order: Order | None = None  # accepted
    fills: list[Fill] | None = None  # the lists are made when there is something for them
    cancelled: list[Order] | None = None
    amended: Order | None = None
    refusals: list[tuple[int, int]] | None = None  # reason, and the first order's id for a used client id

    def add_fill(self, fill: Fill) -> None:
        if self.fills is None:
            self.fills = [fill]
        else:
            self.fills.append(fill)


def own(sink: Sink, outcome: Outcome) -> None:
    """Tell who wants to know of the order that was placed."""
    if outcome.order is not None and sink.owned is not None:
        sink.owned.add(outcome.order)


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
    elif asked.kind == AMEND:
        assert outcome.amended is not None, "an amend is done or refused"
        sink.succeed(asked, reports.amended(outcome.amended, seq))
    elif not outcome.cancelled:
        sink.fail(asked, refused(Reason.ORDER_NOT_FOUND))
    elif asked.kind == CANCEL:
        sink.succeed(asked, reports.cancelled(outcome.cancelled[0], asked.cancel_id))
    else:
        rows = ",".join([reports.cancelled(order, asked.cancel_id) for order in outcome.cancelled])
        sink.succeed(asked, f"[{rows}]")


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
        cancel_result, cancel_response = "SUCCESS", reports.cancelled(cancelled[0], asked.cancel_id)
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
