"""Market streams: `/ws/<stream>`, `/stream?streams=a/b`, and SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS on either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from picows import WSTransport

from gateway.connection import Connection, Cork
from gateway.errors import ApiError
from gateway.market_data import StreamMessage
from gateway.services import Services

STREAMS_MAX: Final = 1_024  # by connection
STREAM_CHARS_MAX: Final = 64
_ID_STARTS: Final = frozenset(b'"-0123456789n')
_INVALID_REQUEST, _INVALID_JSON = 2, 3  # this protocol's own codes


class StreamRequest(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    params: list[str] | None = None
    id: msgspec.Raw = msgspec.Raw(b"null")


_DECODER: Final = msgspec.json.Decoder(StreamRequest)


class StreamError(Exception):
    """A request that cannot be met; its text is for the client."""


class StreamSession(Connection):
    def __init__(
        self,
        services: Services,
        cork: Cork,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
        streams: list[str],
        *,
        wrapped: bool,
    ) -> None:
        super().__init__(cork, opened, closed)
        self._services = services
        self._first = streams  # asked for by the address
        self._wrapped = wrapped  # whether events carry their stream's name
        self._streams: dict[str, None] = {}

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
            self._fail(request_id, _INVALID_REQUEST, str(error))
        except ApiError as error:
            self._fail(request_id, error.code, error.msg)
        except (ValueError, RecursionError):
            self._fail("null", _INVALID_JSON, "Invalid JSON")

    def _handle(self, request: StreamRequest, request_id: str) -> None:
        names = request.params or []
        if request.method == "SUBSCRIBE":
            self._subscribe(names)
            self.send(f'{{"result":null,"id":{request_id}}}')
        elif request.method == "UNSUBSCRIBE":
            for name in names:
                self._unsubscribe(name)
            self.send(f'{{"result":null,"id":{request_id}}}')
        elif request.method == "LIST_SUBSCRIPTIONS":
            rows = ",".join([f'"{name}"' for name in self._streams])
            self.send(f'{{"result":[{rows}],"id":{request_id}}}')
        else:
            raise StreamError("Invalid request: unknown method")

    def _fail(self, request_id: str, code: int, text: str) -> None:
        self.send(f'{{"error":{{"code":{code},"msg":"{text}"}},"id":{request_id}}}')

    def say_shutdown(self, event: str) -> None:
        self.send(f'{{"stream":"!serverShutdown","data":{event}}}' if self._wrapped else event)

    def fail_binary(self) -> None:
        self._fail("null", _INVALID_JSON, "Invalid JSON: text frames only")

    def _subscribe(self, names: list[str]) -> None:
        """All of them or, where one does not exist, none."""
        if len(self._streams) + len(names) > STREAMS_MAX:
            raise StreamError(f"Invalid request: more than {STREAMS_MAX} streams")
        for name in names:
            if not stream_exists(self._services, name):
                raise StreamError("Invalid request: invalid stream")
        for name in names:
            if name not in self._streams:
                symbol, _, channel = name.partition("@")
                self._services.public.feed(symbol.upper()).subscribe(channel, self)
                self._streams[name] = None

    def _unsubscribe(self, name: str) -> None:
        if name in self._streams:
            del self._streams[name]
            symbol, _, channel = name.partition("@")
            self._services.public.feed(symbol.upper()).unsubscribe(channel, self)

    def on_closed(self) -> None:
        for name in list(self._streams):
            self._unsubscribe(name)

    def send_stream(self, message: StreamMessage) -> None:
        self.send_frame(message.frame(wrapped=self._wrapped))


def stream_exists(services: Services, name: str) -> bool:
    """Whether `<symbol in lower case>@<channel>` is one of ours."""
    symbol, _, channel = name.partition("@")
    if len(name) > STREAM_CHARS_MAX or symbol != symbol.lower():
        return False
    market = services.markets.by_symbol.get(symbol.upper())
    return market is not None and services.publisher.feeds[market.number].has(channel)


def _id_text(raw: msgspec.Raw) -> str:
    text = bytes(raw)
    if len(text) > STREAM_CHARS_MAX or text[0] not in _ID_STARTS:
        raise StreamError("Invalid request: request ID must be an integer, a string or null")
    return text.decode()
