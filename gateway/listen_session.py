"""A socket at a listen key's address: user data events as they are, and nothing to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from picows import WSCloseCode, WSTransport

from gateway.connection import Connection
from gateway.cork import Cork
from gateway.errors import ApiError
from gateway.keys import READ
from gateway.services import Services

_NOTHING_TO_ASK: Final = '{"error":{"code":2,"msg":"Invalid request: this stream takes no requests"},"id":null}'


class ListenSession(Connection):
    def __init__(
        self,
        services: Services,
        cork: Cork,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
        listen_key: str,
        *,
        wrapped: bool,
        unit_ns: int,
    ) -> None:
        super().__init__(cork, opened, closed, unit_ns)
        self._services = services
        self._listen_key = listen_key
        self._wrapped = wrapped  # whether events carry their stream's name
        self._account: int | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        try:
            key = self._services.authenticator.key(self._services.listen_keys.api_key(self._listen_key), self.ip, READ)
        except ApiError as error:
            self.close(WSCloseCode.POLICY_VIOLATION, error.msg)
            return
        self._account = key.account
        self._services.users.subscribe(key.account, self, 0)

    def on_text(self, message: bytes) -> None:
        try:
            self._services.limits.request(self.ip, 1, self._services.clock())
        except ApiError as error:
            self.close(WSCloseCode.POLICY_VIOLATION, error.msg)
            return
        self.send(_NOTHING_TO_ASK)

    def fail_binary(self) -> None:
        self.send(_NOTHING_TO_ASK)

    def say_shutdown(self, event: str) -> None:
        self.send(f'{{"stream":"!serverShutdown","data":{event}}}' if self._wrapped else event)

    def on_closed(self) -> None:
        if self._account is not None:
            self._services.users.unsubscribe(self._account, self, 0)

    def send_event(self, subscription_id: int, seq: int, event: str) -> None:
        self.send(f'{{"stream":"{self._listen_key}","data":{event}}}' if self._wrapped else event)

    def end_revoked(self, now: int) -> None:
        """Close it when its listen key has ended or its API key allows it no more."""
        try:
            self._services.authenticator.key(self._services.listen_keys.api_key(self._listen_key), self.ip, READ)
        except ApiError:
            ended = f'{{"e":"listenKeyExpired","E":{now // self.unit_ns},"listenKey":"{self._listen_key}"}}'
            self.send_event(0, 0, ended)
            self.close(WSCloseCode.POLICY_VIOLATION, "the listen key has ended")
