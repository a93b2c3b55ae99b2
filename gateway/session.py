"""The ws-api: requests with an id, each answered once, in whatever order they become durable; and user data events.

A session may log on with an Ed25519 key; without, each request carries its key and signature. Many requests may be
under way at once. Nothing that a client sends in a well-formed frame closes its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from picows import WSCloseCode

from gateway import errors
from gateway import messages as m
from gateway import requests as r
from gateway.answers import Asked, error_json
from gateway.auth import LogOn, check_time, verify
from gateway.cancels import OwnedOrders
from gateway.connection import Connection
from gateway.cork import Cork
from gateway.errors import ApiError
from gateway.keys import ED25519, READ, TRADE, Key
from gateway.methods import METHODS, Answer, Keyed, Method, Private, Public, Trading, Weight, weight_of
from gateway.questions import Questions
from gateway.services import Services
from gateway.subscriptions import Subscriptions
from gateway.times import MS

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
        unit_ns: int = MS,
    ) -> None:
        super().__init__(cork, opened, closed, unit_ns)
        self.services = services
        self._plain = services.plain if unit_ns == MS else None  # the core writes milliseconds
        self._authenticator = services.authenticator
        self._limits = services.limits
        self._clock = services.clock
        self.wants_limits = return_rate_limits
        self._connected_ns = services.clock()
        self._log_on_now: LogOn | None = None
        self._subscriptions = Subscriptions(services.users, self)
        self._questions = Questions(self._send, self.refuse)
        self.owned: OwnedOrders | None = None

    # -- incoming

    def on_text(self, message: bytes) -> None:
        now = self._clock()
        plain, log_on = self._plain, self._log_on_now
        if plain is not None and log_on is not None and plain.take(message, log_on, self, now):
            return
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
            used = self._limits.request(self.ip, weight if weight.__class__ is int else weight_of(weight, params), now)
            wanted = params.return_rate_limits
            if self.wants_limits if wanted is None else wanted:
                limits = self._limits.weight_json(used)
            handler(self, params, request_id, limits, now)
        except ApiError as error:
            self.refuse(request_id, error, limits)

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
            if method not in r.REQUESTS:
                raise errors.mandatory("method") if not method else r.unknown_method()
            if method == envelope.method:
                raise m.misfit(str(error)) if isinstance(error, msgspec.ValidationError) else r.not_json()
            request = r.without_version(envelope, method)
        except ApiError as failure:
            self.refuse(request_id, failure, None)
            return
        self._handle(request, now)

    def say_shutdown(self, event: str) -> None:
        self.send(f'{{"event":{event}}}')

    def fail_binary(self) -> None:
        self.refuse("null", ApiError(errors.INVALID_JSON, "Requests are JSON in text frames."), None)

    def on_closed(self) -> None:
        self._subscriptions.forget_all()
        self._questions.forget_all()
        if self.owned is not None:
            self.owned.end()

    # -- outgoing

    def succeed(self, asked: Asked, result: str) -> None:
        if asked.limits:
            self.send(f'{{"id":{asked.request_id},"status":200,"result":{result},"rateLimits":[{asked.limits}]}}')
        else:
            self.send(f'{{"id":{asked.request_id},"status":200,"result":{result}}}')

    def answer(self, answer: Answer, request_id: str, limits: str | None) -> None:
        if isinstance(answer, str):
            self._send(request_id, answer, limits)
        else:
            self._questions.ask(answer, request_id, limits)

    def fail(self, asked: Asked, error: ApiError) -> None:
        self.refuse(asked.request_id, error, asked.limits)

    def send_event(self, subscription_id: int, seq: int, event: str) -> None:
        number = f'"seq":{seq},' if seq else ""
        self.send(f'{{"subscriptionId":{subscription_id},{number}"event":{event}}}')

    def _send(self, request_id: str, result: str, limits: str | None) -> None:
        tail = f',"rateLimits":[{limits}]' if limits else ""
        self.send(f'{{"id":{request_id},"status":200,"result":{result}{tail}}}')

    def refuse(self, request_id: str, error: ApiError, limits: str | None) -> None:
        tail = f',"rateLimits":[{limits}]' if limits else ""
        self.send(f'{{"id":{request_id},"status":{error.status},"error":{error_json(error)}{tail}}}')
        if error.retry_after_s:
            self.end_turn()
        if error.status == errors.BANNED:
            self.close(WSCloseCode.POLICY_VIOLATION, "banned for a while")

    # -- who asks

    def key(self, params: m.Signed, permission: str, now: int) -> Key:
        """The live key of a request: the session's, or the one it names and is signed with."""
        if params.api_key is None and params.signature is None and self._log_on_now is not None:
            key = self._authenticator.key(self._log_on_now.api_key, self.ip, permission)
            if params.timestamp is not None:
                check_time(params.timestamp, params.recv_window, now)
            return key
        key = self._authenticator.key(params.api_key, self.ip, permission)
        verify(key, m.signed_text(params), params.signature)
        check_time(params.timestamp, params.recv_window, now)
        return key

    # -- the session itself

    def _log_on(self, params: m.Signed, request_id: str, limits: str | None, now: int) -> None:
        key = self._authenticator.any_key(params.api_key, self.ip)
        if key.kind != ED25519:
            raise ApiError(errors.UNSUPPORTED_OPERATION, "session.logon takes Ed25519 keys only; sign each request.")
        verify(key, m.signed_text(params), params.signature)
        check_time(params.timestamp, params.recv_window, now)
        self._log_on_now = LogOn(key, now)
        self._status(params, request_id, limits, now)

    def _log_out(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        self._log_on_now = None
        for subscription_id, subscription in self._subscriptions:
            if subscription.by_logon:
                self._subscriptions.end(subscription_id, now)
        self._status(params, request_id, limits, now)

    def _status(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        log_on, unit_ns, key, since = self._log_on_now, self.unit_ns, "null", "null"
        if log_on is not None:
            key, since = f'"{log_on.api_key}"', str(log_on.since_ns // unit_ns)
        result = (
            f'{{"apiKey":{key},"authorizedSince":{since},"connectedSince":{self._connected_ns // unit_ns},'
            f'"returnRateLimits":{"true" if self.wants_limits else "false"},"serverTime":{now // unit_ns},'
            f'"userDataStream":{"true" if self._subscriptions else "false"}}}'
        )
        self._send(request_id, result, limits)

    def _list(self, params: m.Params, request_id: str, limits: str | None, now: int) -> None:
        rows = ",".join([f'{{"subscriptionId":{subscription_id}}}' for subscription_id, _ in self._subscriptions])
        self._send(request_id, f"[{rows}]", limits)

    def _cancel_on_disconnect(
        self, params: m.CancelOnDisconnect, request_id: str, limits: str | None, now: int
    ) -> None:
        """From now on, or no more; orders that were placed before are not concerned."""
        self.key(params, TRADE, now)
        if not params.enabled:
            if self.owned is not None:
                self.owned.release()
            self.owned = None
        elif self.owned is None:
            self.owned = OwnedOrders(self.services.cancels)
        self._send(request_id, f'{{"enabled":{"true" if params.enabled else "false"}}}', limits)

    def _subscribe(self, params: m.Subscribe, request_id: str, limits: str | None, now: int) -> None:
        if self._log_on_now is None:
            raise errors.not_permitted()
        key = self._authenticator.key(self._log_on_now.api_key, self.ip, READ)
        self._begin(key, params, request_id, limits, by_logon=True)

    def _subscribe_signed(self, params: m.SubscribeSigned, request_id: str, limits: str | None, now: int) -> None:
        self._begin(self.key(params, READ, now), params, request_id, limits, by_logon=False)

    def _begin(
        self, key: Key, params: m.Subscribe | m.SubscribeSigned, request_id: str, limits: str | None, *, by_logon: bool
    ) -> None:
        subscription_id, stream, missed = self._subscriptions.begin(key, params, by_logon=by_logon)
        result = f'{{"subscriptionId":{subscription_id},"streamId":"{stream.stream_id}","seq":{stream.seq}}}'
        self._send(request_id, result, limits)
        for seq, event in enumerate(missed, stream.seq - len(missed) + 1):
            self.send_event(subscription_id, seq, event)

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


def _public(method: Public) -> Handler:
    answer = method.answer

    def handle(session: ApiSession, params: Any, request_id: str, limits: str | None, now: int) -> None:
        session.answer(answer(session.services, params, now, session.unit_ns), request_id, limits)

    return handle


def _keyed(method: Keyed) -> Handler:
    answer = method.answer

    def handle(session: ApiSession, params: m.Keyed, request_id: str, limits: str | None, now: int) -> None:
        key = session.services.authenticator.key(params.api_key, session.ip, READ)
        session.answer(answer(session.services, key, params), request_id, limits)

    return handle


def _private(method: Private) -> Handler:
    answer, permission = method.answer, method.permission

    def handle(session: ApiSession, params: Any, request_id: str, limits: str | None, now: int) -> None:
        key = session.key(params, permission, now)
        session.answer(answer(session.services, key, params, now, session.unit_ns), request_id, limits)

    return handle


def _trading(method: Trading) -> Handler:
    act = method.act

    def handle(session: ApiSession, params: Any, request_id: str, limits: str | None, now: int) -> None:
        act(session.services.desk, session.key(params, TRADE, now).account, params, session, request_id, limits, now)

    return handle


def _handler(method: Method) -> Handler:
    if isinstance(method, Trading):
        return _trading(method)
    if isinstance(method, Keyed):
        return _keyed(method)
    return _private(method) if isinstance(method, Private) else _public(method)


_SESSION_HANDLERS: Final[dict[str, Handler]] = {
    "session.logon": ApiSession._log_on,
    "session.status": ApiSession._status,
    "session.logout": ApiSession._log_out,
    "session.subscriptions": ApiSession._list,
    "session.cancelOnDisconnect": ApiSession._cancel_on_disconnect,
    "userDataStream.subscribe": ApiSession._subscribe,
    "userDataStream.subscribe.signature": ApiSession._subscribe_signed,
    "userDataStream.unsubscribe": ApiSession._unsubscribe,
}
SESSION_WEIGHT: Final = 2
HANDLERS: Final[dict[type, tuple[Handler, Weight]]] = {
    r.REQUESTS[method.name]: (_handler(method), method.weight) for method in METHODS if method.name
} | {r.REQUESTS[name]: (handler, SESSION_WEIGHT) for name, handler in _SESSION_HANDLERS.items()}
