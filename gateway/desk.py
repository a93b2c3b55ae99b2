"""What the order API can do, whichever way a request came: trade and ask. Sessions and REST only decode and encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway import messages as m
from gateway.answers import AMEND, CANCEL, CANCEL_ALL, PLACE, PLACE_LIST, REPLACE, Asked, Sink
from gateway.commands import Commands
from gateway.errors import AMEND_REJECTED, CANCEL_REJECTED, CLIENT_ORDER_ID_INVALID, ApiError, not_taken
from gateway.limits import Limits
from gateway.list_messages import CancelList, NewList
from gateway.markets import Markets
from gateway.orders import Orders


class Refusal(Protocol):
    """The sequencer's: OVERLOADED, DISK_FULL or STOPPING; AWAY where it is another process's and cannot be reached."""

    @property
    def name(self) -> str: ...


Submit = Callable[[bytes, object], Refusal | None]
SubmitTogether = Callable[[Sequence[bytes], object], Refusal | None]  # with nothing between them, or none
FULL_BY_DEFAULT = ("LIMIT", "MARKET")


class Desk:
    """Takes an authenticated account's trading requests to the sequencer; the answer comes when they are durable.

    Every method raises ApiError where the request is not taken; then nothing was done.
    """

    def __init__(
        self, markets: Markets, orders: Orders, limits: Limits, submit: Submit, submit_together: SubmitTogether
    ) -> None:
        self._commands = Commands(markets)
        self.cancel_id: Final = self._commands.cancel_id  # what a cancel goes by in its reply
        self._orders = orders
        self._limits = limits
        self._submit = submit
        self._submit_together = submit_together

    def place(
        self, account: int, params: m.NewOrder, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        """`limits` is the REQUEST_WEIGHT part of the reply's rateLimits, None where it wants none; `now` is in ns."""
        record = self._commands.place(account, params)
        limits = self.count(account, limits, now)
        self.send(record, Asked(sink, PLACE, request_id, response_to(params), "", limits))

    def replace(
        self, account: int, params: m.CancelReplace, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        record = self._commands.replace(account, params)
        self._check_ids(account, params.cancel_order_id, params.cancel_orig_client_order_id)
        self._check_restrictions(
            account, params.cancel_order_id, params.cancel_orig_client_order_id, params.cancel_restrictions
        )
        limits = self.count(account, limits, now)
        cancel_id = self.cancel_id(params.cancel_new_client_order_id)
        self.send(record, Asked(sink, REPLACE, request_id, response_to(params), cancel_id, limits))

    def test(self, params: m.NewOrder) -> None:
        """Everything about a new order that the gateway itself checks."""
        self._commands.place(0, params)

    def cancel(
        self, account: int, params: m.CancelOrder, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        record = self._commands.cancel(account, params)
        self._check_ids(account, params.order_id, params.orig_client_order_id)
        self._check_restrictions(account, params.order_id, params.orig_client_order_id, params.cancel_restrictions)
        cancel_id = self.cancel_id(params.new_client_order_id)
        self.send(record, Asked(sink, CANCEL, request_id, "", cancel_id, limits or ""))

    def amend(
        self, account: int, params: m.AmendOrder, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        record = self._commands.amend(account, params)
        self._check_ids(account, params.order_id, params.orig_client_order_id)
        if params.new_client_order_id not in (None, params.orig_client_order_id):
            raise ApiError(
                AMEND_REJECTED, "An amended order keeps its client order id; newClientOrderId must equal it."
            )
        self.send(record, Asked(sink, AMEND, request_id, "", "", limits or ""))

    def place_list(
        self, account: int, params: NewList, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        records = self._commands.place_list(account, params)
        limits = self.count(account, limits, now, len(records) - 1)
        asked = Asked(sink, PLACE_LIST, request_id, params.new_order_resp_type or "FULL", "", limits)
        refusal = self._submit_together(records, asked)
        if refusal is not None:
            raise not_taken(refusal.name)

    def cancel_list(
        self, account: int, params: CancelList, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        record = self._commands.cancel_list(account, params)
        found = self._orders.of(account).lists.find(params.order_list_id, None)
        if found is not None and params.list_client_order_id not in (None, found.client_order_id):
            raise ApiError(CLIENT_ORDER_ID_INVALID, "Client order ID is not correct for this order ID.")
        cancel_id = self.cancel_id(params.new_client_order_id)
        self.send(record, Asked(sink, CANCEL, request_id, "", cancel_id, limits or ""))

    def cancel_all(
        self, account: int, params: m.SymbolSigned, sink: Sink, request_id: str, limits: str | None, now: int
    ) -> None:
        record = self._commands.cancel_all(account, params)
        self.send(record, Asked(sink, CANCEL_ALL, request_id, "", self.cancel_id(None), limits or ""))

    def _check_ids(self, account: int, order_id: int | None, client_id: str | None) -> None:
        """Where both ids are sent they must be one order's; the engine looks at the number alone."""
        if order_id is None or client_id is None:
            return
        order = self._orders.of(account).find(order_id, None)
        if order is not None and order.client_order_id != client_id:
            raise ApiError(CLIENT_ORDER_ID_INVALID, "Client order ID is not correct for this order ID.")

    def _check_restrictions(
        self, account: int, order_id: int | None, client_id: str | None, only: m.CancelRestrictions | None
    ) -> None:
        """Judged by what is durable now: a fill that is under way is not seen."""
        if only is None:
            return
        order = self._orders.of(account).find(order_id, client_id)
        if order is not None and order.is_open and order.status != only.removeprefix("ONLY_"):
            raise ApiError(CANCEL_REJECTED, "Order was not canceled due to cancel restrictions.")

    def count(self, account: int, limits: str | None, now: int, orders: int = 1) -> str:
        """Count new orders; returns their reply's rateLimits."""
        short, day = self._limits.order(account, now, orders)
        return "" if limits is None else f"{self._limits.orders_json(short, day)},{limits}"

    def send(self, record: bytes, asked: Asked) -> None:
        refusal = self._submit(record, asked)
        if refusal is not None:
            raise not_taken(refusal.name)


def response_to(params: m.NewOrder) -> str:
    """ACK, RESULT or FULL: what is asked for, or what the type brings."""
    return params.new_order_resp_type or ("FULL" if params.type in FULL_BY_DEFAULT else "ACK")
