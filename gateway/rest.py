"""The order API over REST: `/api/v3/...`, on a port of its own because its requests have bodies.

A signature is over the raw percent-encoded query and body as they were sent, without the signature itself.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway import errors
from gateway import messages as m
from gateway.answers import Asked, error_json
from gateway.auth import check_time, verify
from gateway.connection import MESSAGE_BYTES_MAX
from gateway.errors import ApiError
from gateway.keys import READ, TRADE, Key
from gateway.methods import METHODS, Answer, Keyed, Method, Private, Public, weight_of
from gateway.services import Services
from gateway.times import time_unit_ns

log = logging.getLogger("gateway")
ANSWER_S_MAX: Final = 10.0
FIELDS_MAX: Final = 64


class Waiting:
    """A trading request that waits until its command is durable."""

    owned = None

    def __init__(self, unit_ns: int) -> None:
        self.unit_ns = unit_ns
        self.result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def succeed(self, asked: Asked, result: str) -> None:
        if not self.result.done():
            self.result.set_result(result)

    def fail(self, asked: Asked, error: ApiError) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class Rest:
    def __init__(self, services: Services) -> None:
        self._services = services
        self.app = web.Application(client_max_size=MESSAGE_BYTES_MAX)
        for method in METHODS:
            if method.route:
                verb, path = method.route.split()
                full_path = path if path.startswith("/") else f"/api/v3/{path}"
                self.app.router.add_route(verb, full_path, partial(self._respond, method))

    async def _respond(self, method: Method, request: web.Request) -> web.Response:
        now, ip = self._services.clock(), request.remote or ""
        key: Key | None = None
        try:
            query, body = request.raw_path.partition("?")[2], await _body(request)
            params = m.from_text(_fields(query, body), method.params)
            self._services.limits.request(ip, weight_of(method.weight, params), now)
            if isinstance(method, Keyed):
                key = self._services.authenticator.key(request.headers.get("X-MBX-APIKEY"), ip, READ)
            elif not isinstance(method, Public):
                permission = method.permission if isinstance(method, Private) else TRADE
                key = self._authenticate(request, params, query, body, permission, now)
                if isinstance(method, Private) and self._services.catch_up is not None:
                    await self._services.catch_up()
            text = self._answer(method, params, key, now, time_unit_ns(request.headers.get("X-MBX-TIME-UNIT")))
            return self._response(200, text if isinstance(text, str) else await text, ip, key, now)
        except ApiError as error:
            return self._response(error.status, error_json(error), ip, key, now, error)
        except Exception:  # the database is away: the other routes go on
            log.exception("a question could not be answered")
            away = errors.away()
            return self._response(away.status, error_json(away), ip, key, now, away)

    def _answer(self, method: Method, params: Any, key: Key | None, now: int, unit_ns: int) -> Answer:
        if isinstance(method, Public):
            return method.answer(self._services, params, now, unit_ns)
        assert key is not None
        if isinstance(method, Keyed):
            return method.answer(self._services, key, params)
        if isinstance(method, Private):
            return method.answer(self._services, key, params, now, unit_ns)
        waiting = Waiting(unit_ns)
        method.act(self._services.desk, key.account, params, waiting, "", None, now)
        return _durable(waiting)

    def _authenticate(
        self, request: web.Request, params: m.Signed, query: str, body: str, permission: str, now: int
    ) -> Key:
        key = self._services.authenticator.key(request.headers.get("X-MBX-APIKEY"), request.remote or "", permission)
        verify(key, (_unsigned(query) + _unsigned(body)).encode(), params.signature)
        check_time(params.timestamp, params.recv_window, now)
        return key

    def _response(
        self, status: int, text: str, ip: str, key: Key | None, now: int, error: ApiError | None = None
    ) -> web.Response:
        limits = self._services.limits
        used = str(limits.weight.count(ip, now))
        # Some clients read the older name, without an interval.
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used, "Cache-Control": "no-store"}
        if key is not None:
            headers["X-MBX-ORDER-COUNT-10S"] = str(limits.orders_10s.count(key.account, now))
            headers["X-MBX-ORDER-COUNT-1D"] = str(limits.orders_day.count(key.account, now))
        else:
            headers["Access-Control-Allow-Origin"] = "*"  # public data, for pages served elsewhere
        if error is not None and error.retry_after_s:
            headers["Retry-After"] = str(error.retry_after_s)
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)


async def _durable(waiting: Waiting) -> str:
    """The answer, or -1007 where the journal takes too long: the command may still become durable."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            return await waiting.result
    except TimeoutError:
        raise errors.outcome_unknown() from None


async def _body(request: web.Request) -> str:
    try:
        return (await request.read()).decode("ascii")
    except UnicodeDecodeError:
        raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in the body; percent-encode it.") from None
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(errors.TOO_MANY_PARAMETERS, "The body is too large.", 413) from None


def _fields(query: str, body: str) -> dict[str, str]:
    """The parameters of query and body together, each at most once."""
    fields: dict[str, str] = {}
    for text in (query, body):
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
        except UnicodeDecodeError:
            raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.") from None
        except ValueError:
            raise ApiError(errors.TOO_MANY_PARAMETERS, "Too many parameters.") from None
        for name, value in pairs:
            if name in fields:
                raise ApiError(errors.TOO_MANY_PARAMETERS, "Duplicate values for a parameter detected.")
            fields[name] = value
    return fields


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
