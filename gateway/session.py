"""The ws-api: requests with an id, each answered once, in whatever order they become durable; and user data events.

A session may log on with an Ed25519 key; without, each request carries its key and signature. Many requests may be
under way at once. Nothing that a client sends in a well-formed frame closes its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway import errors
from gateway import messages as m
from gateway import requests as r
from gateway.answers import Asked, error_json
from gateway.auth import check_time, verify
from gateway.connection import Connection, Cork, text_frame
from gateway.errors import ApiError
from gateway.keys import ED25519, READ, TRADE, Key
from gateway.questions import Questions
from gateway.services import Services
from gateway.subscriptions import Subscriptions

Handler = Callable[["ApiSession", Any, str, str | None, int], None]


class ApiSession(Connection):
    def __init__(
        self,
        services: Services,
        cork: Cork,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
        *,
        return_rate_limits: bool,
    ) -> None:
        super().__init__(cork, opened, closed)
        self._services = services
        self._authenticator = services.authenticator
        self._limits = services.limits
        self._desk = services.desk
        self._clock = services.clock
        self._return_rate_limits = return_rate_limits
        self._connected_ms = services.clock() // 10**6
        self._logon: str | None = None  # the key of session.logon
        self._logon_ms = 0
        self._subscriptions = Subscriptions(services.users, self)
        self._questions = Questions(self._send, self._send_error)

    # -- incoming

    def on_text(self, message: bytes) -> None:
        now = self._clock()
        try:
            request = r.DECODER.decode(message)
        except (ValueError, RecursionError):
            try:
                request = r.LAX_DECODER.decode(message)
            except (ValueError, RecursionError) as error:
                self._malformed(message, error, now)
                return
        self._handle(request, now)

    def _handle(self, request: Any, now: int) -> None:
        handler, weight = HANDLERS[request.__class__]
        params = request.params
        request_id, limits = "null", None
        try:
            request_id = r.id_text(request.id)
            used = self._limits.request(self.ip, weight or self._services.public.depth_weight(params), now)
            wanted = params.return_rate_limits
            if self._return_rate_limits if wanted is None else wanted:
                limits = self._limits.weight_json(used)
            handler(self, params, request_id, limits, now)
        except ApiError as error:
            self._send_error(request_id, error, limits)

    def _malformed(self, message: bytes, error: Exception, now: int) -> None:
        """Answer what fits no request: say what is wrong with it, to the id it names if it names one."""
        request_id = "null"
        try:
            self._limits.request(self.ip, 1, now)
            try:
                envelope = r.ENVELOPE.decode(message)
            except (ValueError, RecursionError):
                raise r.not_json() from None
            request_id = r.id_text(envelope.id)
            method = envelope.method.removeprefix("v3/")
            if method not in r.METHODS:
                raise errors.mandatory("method") if not method else r.unknown_method()
            if method == envelope.method:
                raise m.misfit(str(error)) if isinstance(error, msgspec.ValidationError) else r.not_json()
            request = r.without_version(envelope, method)
        except ApiError as failure:
            self._send_error(request_id, failure, None)
            return
        self._handle(request, now)

    def fail_binary(self) -> None:
        self._send_error("null", ApiError(errors.INVALID_JSON, "Requests are JSON in text frames."), None)

    def on_closed(self) -> None:
        self._subscriptions.forget_all()
        self._questions.forget_all()

    # -- outgoing

    def succeed(self, asked: Asked, result: str) -> None:
        if asked.limits:
            self.send(f'{{"id":{asked.request_id},"status":200,"result":{result},"rateLimits":[{asked.limits}]}}')
        else:
            self.send(f'{{"id":{asked.request_id},"status":200,"result":{result}}}')

    def fail(self, asked: Asked, error: ApiError) -> None:
        self._send_error(asked.request_id, error, asked.limits)

    def send_event(self, subscription_id: int, event: str) -> None:
        self.send_frame(text_frame(f'{{"subscriptionId":{subscription_id},"event":{event}}}'.encode()))

    def _send(self, request_id: str, result: str, limits: str | None) -> None:
        tail = f',"rateLimits":[{limits}]' if limits else ""
        self.send(f'{{"id":{request_id},"status":200,"result":{result}{tail}}}')

    def _send_error(self, request_id: str, error: ApiError, limits: str | None) -> None:
        tail = f',"rateLimits":[{limits}]' if limits else ""
        self.send(f'{{"id":{request_id},"status":{error.status},"error":{error_json(error)}{tail}}}')

    # -- who asks

    def _key(self, params: m.Signed, permission: str, now: int) -> Key:
        """The live key of a request: the session's, or the one it names and is signed with."""
        if params.api_key is None and params.signature is None and self._logon is not None:
            key = self._authenticator.key(self._logon, self.ip, permission)
            if params.timestamp is not None:
                check_time(params.timestamp, params.recv_window, now)
            return key
        key = self._authenticator.key(params.api_key, self.ip, permission)
        verify(key, m.signed_text(params), params.signature)
        check_time(params.timestamp, params.recv_window, now)
        return key

    # -- trading

    def _place(self, params: m.NewOrder, request_id: str, limits: str | None, now: int) -> None:
        self._desk.place(self._key(params, TRADE, now).account, params, self, request_id, limits, now)

    def _test(self, params: m.TestOrder, request_id: str, limits: str | None, now: int) -> None:
        self._key(params, TRADE, now)
        self._desk.test(params)
        self._send(request_id, "{}", limits)

    def _cancel(self, params: m.CancelOrder, request_id: str, limits: str | None, now: int) -> None:
        self._desk.cancel(self._key(params, TRADE, now).account, params, self, request_id, limits)

    def _replace(self, params: m.CancelReplace, request_id: str, limits: str | None, now: int) -> None:
        self._desk.replace(self._key(params, TRADE, now).account, params, self, request_id, limits, now)

    def _amend(self, params: m.AmendOrder, request_id: str, limits: str | None, now: int) -> None:
        self._desk.amend(self._key(params, TRADE, now).account, params, self, request_id, limits)

    def _cancel_all(self, params: m.SymbolSigned, request_id: str, limits: str | None, now: int) -> None:
        self._desk.cancel_all(self._key(params, TRADE, now).account, params, self, request_id, limits)

    # -- questions

    def _order(self, params: m.FindOrder, request_id: str, limits: str | None, now: int) -> None:
        key = self._key(params, READ, now)
        self._questions.ask(self._services.private.order(key.account, params), request_id, limits)

    def _open_orders(self, params: m.OpenOrders, request_id: str, limits: str | None, now: int) -> None:
        key = self._key(params, READ, now)
        self._send(request_id, self._services.private.open_orders(key.account, params), limits)

    def _all_orders(self, params: m.AllOrders, request_id: str, limits: str | None, now: int) -> None:
        key = self._key(params, READ, now)
        self._questions.ask(self._services.private.all_orders(key.account, params), request_id, limits)

    def _account(self, params: m.AccountStatus, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, self._services.private.account(self._key(params, READ, now), params), limits)

    def _my_trades(self, params: m.MyTrades, request_id: str, limits: str | None, now: int) -> None:
        key = self._key(params, READ, now)
        self._questions.ask(self._services.private.trades(key.account, params), request_id, limits)

    def _ping(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, "{}", limits)

    def _time(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, f'{{"serverTime":{now // 10**6}}}', limits)

    def _exchange_info(self, params: m.ExchangeInfo, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, self._services.public.exchange_info(params, now), limits)

    def _depth(self, params: m.Depth, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, self._services.public.depth(params), limits)

    def _trades(self, params: m.Trades, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, self._services.public.trades(params), limits)

    def _book_ticker(self, params: m.BookTicker, request_id: str, limits: str | None, now: int) -> None:
        self._send(request_id, self._services.public.book_ticker(params), limits)

    # -- the session itself

    def _log_on(self, params: m.Signed, request_id: str, limits: str | None, now: int) -> None:
        key = self._authenticator.any_key(params.api_key, self.ip)
        if key.kind != ED25519:
            raise ApiError(errors.UNSUPPORTED_OPERATION, "session.logon takes Ed25519 keys only; sign each request.")
        verify(key, m.signed_text(params), params.signature)
        check_time(params.timestamp, params.recv_window, now)
        self._logon, self._logon_ms = key.key, now // 10**6
        self._status(params, request_id, limits, now)

    def _log_out(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        self._logon = None
        for subscription_id, subscription in self._subscriptions:
            if subscription.by_logon:
                self._subscriptions.end(subscription_id, now)
        self._status(params, request_id, limits, now)

    def _status(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        key, since = (f'"{self._logon}"', str(self._logon_ms)) if self._logon else ("null", "null")
        result = (
            f'{{"apiKey":{key},"authorizedSince":{since},"connectedSince":{self._connected_ms},'
            f'"returnRateLimits":{"true" if self._return_rate_limits else "false"},"serverTime":{now // 10**6},'
            f'"userDataStream":{"true" if self._subscriptions else "false"}}}'
        )
        self._send(request_id, result, limits)

    def _list(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        rows = ",".join([f'{{"subscriptionId":{subscription_id}}}' for subscription_id, _ in self._subscriptions])
        self._send(request_id, f"[{rows}]", limits)

    def _subscribe(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        if self._logon is None:
            raise errors.not_permitted()
        key = self._authenticator.key(self._logon, self.ip, READ)
        subscription_id = self._subscriptions.begin(key, by_logon=True)
        self._send(request_id, f'{{"subscriptionId":{subscription_id}}}', limits)

    def _subscribe_signed(self, params: m.Signed, request_id: str, limits: str | None, now: int) -> None:
        subscription_id = self._subscriptions.begin(self._key(params, READ, now), by_logon=False)
        self._send(request_id, f'{{"subscriptionId":{subscription_id}}}', limits)

    def _unsubscribe(self, params: m.Unsubscribe, request_id: str, limits: str | None, now: int) -> None:
        for subscription_id in self._subscriptions.chosen(params.subscription_id):
            self._subscriptions.end(subscription_id, now)
        self._send(request_id, "{}", limits)

    def end_revoked(self, now: int) -> None:
        """Stop the streams of keys that no longer allow them."""
        for subscription_id, subscription in self._subscriptions:
            try:
                self._authenticator.key(subscription.api_key, self.ip, READ)
            except ApiError:
                self._subscriptions.end(subscription_id, now)


HANDLERS: Final[dict[type, tuple[Handler, int]]] = {  # with each request's weight; 0: by what it asks for
    r.OrderPlace: (ApiSession._place, 1),
    r.OrderTest: (ApiSession._test, 1),
    r.OrderCancel: (ApiSession._cancel, 1),
    r.OrderCancelReplace: (ApiSession._replace, 1),
    r.OrderAmend: (ApiSession._amend, 4),
    r.OpenOrdersCancelAll: (ApiSession._cancel_all, 1),
    r.OrderStatus: (ApiSession._order, 4),
    r.OpenOrdersStatus: (ApiSession._open_orders, 6),
    r.AllOrders: (ApiSession._all_orders, 20),
    r.AccountStatus: (ApiSession._account, 20),
    r.MyTrades: (ApiSession._my_trades, 20),
    r.Ping: (ApiSession._ping, 1),
    r.Time: (ApiSession._time, 1),
    r.ExchangeInfo: (ApiSession._exchange_info, 20),
    r.Depth: (ApiSession._depth, 0),
    r.TradesRecent: (ApiSession._trades, 25),
    r.TickerBook: (ApiSession._book_ticker, 4),
    r.SessionLogon: (ApiSession._log_on, 2),
    r.SessionStatus: (ApiSession._status, 2),
    r.SessionLogout: (ApiSession._log_out, 2),
    r.SessionSubscriptions: (ApiSession._list, 2),
    r.UserSubscribe: (ApiSession._subscribe, 2),
    r.UserSubscribeSignature: (ApiSession._subscribe_signed, 2),
    r.UserUnsubscribe: (ApiSession._unsubscribe, 2),
}
