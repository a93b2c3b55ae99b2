"""Market streams: `/ws/<stream>`, `/stream?streams=a/b`, and on either the requests to subscribe and to set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from picows import WSTransport

from gateway import messages as m
from gateway.all_markets import AllMarkets
from gateway.channels import StreamMessage, next_number
from gateway.connection import Connection
from gateway.cork import Cork
from gateway.errors import ApiError
from gateway.market_data import MarketFeed
from gateway.services import Services
from gateway.times import MS

STREAMS_MAX: Final = 1_024  # by connection
STREAM_CHARS_MAX: Final = 64
_UNKNOWN_PROPERTY, _INVALID_VALUE, _INVALID_REQUEST, _INVALID_JSON = 0, 1, 2, 3  # this protocol's own codes


class StreamRequest(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    params: list[Any] | None = None
    id: msgspec.Raw = msgspec.Raw(b"null")


_DECODER: Final = msgspec.json.Decoder(StreamRequest)


class StreamError(Exception):
    """A request that cannot be met; its text is for the client."""

    def __init__(self, text: str, code: int = _INVALID_REQUEST) -> None:
        super().__init__(text)
        self.code = code


class StreamSession(Connection):
    only_follows = True

    def __init__(
        self,
        services: Services,
        cork: Cork,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
        streams: list[str],
        *,
        wrapped: bool,
        unit_ns: int = MS,
    ) -> None:
        super().__init__(cork, opened, closed, unit_ns)
        self._services = services
        self._first = streams  # asked for by the address
        self._form = (wrapped, unit_ns)
        self._streams: dict[str, int] = {}  # with the moment from which on it follows each

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._subscribe(self._first)

    def on_text(self, message: bytes) -> None:
        request_id = "null"
        try:
            self._services.limits.request(self.ip, 1, self._services.clock())
            try:
                request = _DECODER.decode(message)
            except msgspec.ValidationError as error:
                raise StreamError("Invalid request: unknown or malformed field") from error
            request_id = _id_text(request.id)
            self._handle(request, request_id)
        except StreamError as error:
            self._fail(request_id, error.code, str(error))
        except ApiError as error:
            self._fail(request_id, error.code, error.msg)
        except (ValueError, RecursionError):
            self._fail("null", _INVALID_JSON, "Invalid JSON")

    def _handle(self, request: StreamRequest, request_id: str) -> None:
        params = request.params or []
        result = "null"
        match request.method:
            case "SUBSCRIBE":
                self._subscribe(_names(params))
            case "UNSUBSCRIBE":
                for name in _names(params):
                    self._unsubscribe(name)
            case "LIST_SUBSCRIPTIONS":
                rows = ",".join([f'"{name}"' for name in self._streams])
                result = f"[{rows}]"
            case "SET_PROPERTY":
                self._set_property(params)
            case "GET_PROPERTY":
                _check_property(params, 1)
                result = "true" if self._form[0] else "false"
            case _:
                raise StreamError("Invalid request: unknown method")
        self.send(f'{{"result":{result},"id":{request_id}}}')

    def _set_property(self, params: list[Any]) -> None:
        _check_property(params, 2)
        if not isinstance(params[1], bool):
            raise StreamError("Invalid value type: expected Boolean", _INVALID_VALUE)
        self._form = (params[1], self._form[1])

    def _fail(self, request_id: str, code: int, text: str) -> None:
        self.send(f'{{"error":{{"code":{code},"msg":"{text}"}},"id":{request_id}}}')

    def say_shutdown(self, event: str) -> None:
        self.send(f'{{"stream":"!serverShutdown","data":{event}}}' if self._form[0] else event)

    def fail_binary(self) -> None:
        self._fail("null", _INVALID_JSON, "Invalid JSON: text frames only")

    def _subscribe(self, names: Sequence[str]) -> None:
        """All of them or, where one does not exist, none."""
        if len(self._streams) + len(names) > STREAMS_MAX:
            raise StreamError(f"Invalid request: more than {STREAMS_MAX} streams")
        for name in names:
            if not stream_exists(self._services, name):
                raise StreamError("Invalid request: invalid stream")
        for name in names:
            if name not in self._streams:
                self._streams[name] = next_number()
                source, channel = self._source(name)
                source.subscribe(channel, self)

    def _unsubscribe(self, name: str) -> None:
        if name in self._streams:
            del self._streams[name]
            source, channel = self._source(name)
            source.unsubscribe(channel, self)

    def _source(self, name: str) -> tuple[MarketFeed | AllMarkets, str]:
        """Who makes a stream, and its name there."""
        if name.startswith("!"):
            return self._services.all_markets, name
        symbol, _, channel = name.partition("@")
        return self._services.public.feed(symbol.upper()), channel

    def on_closed(self) -> None:
        for name in list(self._streams):
            self._unsubscribe(name)

    def send_stream(self, message: StreamMessage) -> None:
        since = self._streams.get(message.stream)
        if since is not None and message.number > since:
            self.send_frame(message.frames(self._form))


def stream_exists(services: Services, name: str) -> bool:
    """Whether `<symbol in lower case>@<channel>`, or `!<channel>` of all markets, is one of ours."""
    if name.startswith("!"):
        return services.all_markets.has(name)
    symbol, _, channel = name.partition("@")
    if len(name) > STREAM_CHARS_MAX or symbol != symbol.lower():
        return False
    market = services.markets.by_symbol.get(symbol.upper())
    return market is not None and services.publisher.feeds[market.number].has(channel)


def _names(params: list[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in params):
        raise StreamError("Invalid request: unknown or malformed field")
    return params


def _check_property(params: list[Any], count: int) -> None:
    if len(params) > count:
        raise StreamError("Invalid request: too many parameters")
    if len(params) < count or not isinstance(params[0], str):
        raise StreamError("Invalid request: property name must be a string")
    if params[0] != "combined":
        raise StreamError("Unknown property", _UNKNOWN_PROPERTY)


def _id_text(raw: msgspec.Raw) -> str:
    text = bytes(raw)
    if len(text) > STREAM_CHARS_MAX or not m.is_request_id(text):
        raise StreamError("Invalid request: request ID must be an integer, a string or null")
    return text.decode()
