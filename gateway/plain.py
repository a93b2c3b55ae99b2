"""The quick way in and out: order.place and order.cancel in their plain form, read and answered by the core, of
sessions that logged on.

What the core does not take as plain goes the way of all requests (gateway/requests.py), which is the rule; a plain
request has there the same outcome, to the byte of its command. What the core does not answer is answered as all is
(gateway/answers.py), again to the byte.
"""

from __future__ import annotations

from typing import Final, Protocol

from engine.engines import core_is_built
from engine.types import Reason
from gateway.answers import CANCEL, PLACE, PlainAsked, Sink, error_json, refusal
from gateway.auth import Authenticator, LogOn, check_time
from gateway.desk import Desk
from gateway.errors import ApiError
from gateway.keys import TRADE
from gateway.limits import Limits
from gateway.markets import PlainCodec

WEIGHT: Final = 1  # of both requests
RESPONSES: Final = ("FULL", "ACK", "RESULT", "FULL")  # by the core's number: 0 where none was asked for


class Asker(Sink, Protocol):
    """A session."""

    ip: str
    wants_limits: bool

    def refuse(self, request_id: str, error: ApiError, limits: str | None) -> None: ...
    def send_frame(self, frame: bytes) -> None: ...


class PlainRequests:
    def __init__(self, codec: PlainCodec, authenticator: Authenticator, limits: Limits, desk: Desk) -> None:
        self._read = codec.read
        self._authenticator = authenticator
        self._limits = limits
        self._desk = desk

    def take(self, message: bytes, log_on: LogOn, asker: Asker, now: int) -> bool:
        """Whether the message was plain; then it is on its way, or refused."""
        plain = self._read(message, log_on.account)
        if plain is None:
            return False
        kind, record, request_id, response, timestamp = plain
        desk, limits = self._desk, None
        try:
            used = self._limits.request(asker.ip, WEIGHT, now)
            if asker.wants_limits:
                limits = self._limits.weight_json(used)
            self._authenticator.check(log_on, asker.ip, TRADE)
            if timestamp:
                check_time(timestamp, None, now)
            if kind == PLACE:
                limits, cancel_id = desk.count(log_on.account, limits, now), ""
            else:
                cancel_id = desk.cancel_id(None)
            asked = PlainAsked(asker, kind, request_id, RESPONSES[response], cancel_id, limits or "", asker.send_frame)
            desk.send(record, asked)
        except ApiError as error:
            asker.refuse(request_id, error, limits)
        return True


def plain_codec() -> PlainCodec | None:
    """The core's, who knows how refusals are told; None where the core is not built."""
    if not core_is_built():
        return None
    from engine import _core

    codec = _core.PlainCodec()
    for kind in (PLACE, CANCEL):
        for reason in Reason:
            codec.refuse_with(kind, reason, error_json(refusal(kind, reason)))
    return codec
