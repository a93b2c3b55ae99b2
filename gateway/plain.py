"""The quick way in: order.place and order.cancel in their plain form, read by the core, of sessions that logged on.

What the core does not take as plain goes the way of all requests (gateway/requests.py), which is the rule; a plain
request has there the same outcome, to the byte of its command.
"""

from __future__ import annotations

from typing import Final, Protocol

from engine.engines import core_is_built
from engine.types import CommandKind
from gateway.answers import Sink
from gateway.auth import Authenticator, LogOn, check_time
from gateway.desk import Desk
from gateway.errors import ApiError
from gateway.keys import TRADE
from gateway.limits import Limits
from gateway.markets import Markets

WEIGHT: Final = 1  # of both requests
PLACE: Final = int(CommandKind.PLACE)
RESPONSES: Final = ("FULL", "ACK", "RESULT", "FULL")  # by the core's number: 0 where none was asked for


class Asker(Sink, Protocol):
    """A session."""

    ip: str
    wants_limits: bool

    def refuse(self, request_id: str, error: ApiError, limits: str | None) -> None: ...


class PlainRequests:
    def __init__(self, markets: Markets, authenticator: Authenticator, limits: Limits, desk: Desk) -> None:
        assert markets.reader is not None
        self._read = markets.reader.read
        self._authenticator = authenticator
        self._limits = limits
        self._desk = desk

    def take(self, message: bytes, log_on: LogOn, asker: Asker, now: int) -> bool:
        """Whether the message was plain; then it is on its way, or refused."""
        plain = self._read(message, log_on.account)
        if plain is None:
            return False
        kind, record, request_id, response, timestamp = plain
        limits = None
        try:
            used = self._limits.request(asker.ip, WEIGHT, now)
            if asker.wants_limits:
                limits = self._limits.weight_json(used)
            self._authenticator.check(log_on, asker.ip, TRADE)
            if timestamp:
                check_time(timestamp, None, now)
            if kind == PLACE:
                self._desk.send_place(log_on.account, record, RESPONSES[response], asker, request_id, limits, now)
            else:
                self._desk.send_cancel(record, None, asker, request_id, limits)
        except ApiError as error:
            asker.refuse(request_id, error, limits)
        return True


def plain_requests(markets: Markets, authenticator: Authenticator, limits: Limits, desk: Desk) -> PlainRequests | None:
    """None where the core is not built."""
    if not core_is_built():
        return None
    from engine._core import RequestReader

    markets.read_by(RequestReader())
    return PlainRequests(markets, authenticator, limits, desk)
