"""The order API over REST: `/api/v3/...`, on a port of its own because its requests have bodies.

A signature is over the raw percent-encoded query and body as they were sent, without the signature itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
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
from gateway.services import Services

log = logging.getLogger("gateway")
ANSWER_S_MAX: Final = 10.0
FIELDS_MAX: Final = 64
NONE: Final = ""  # the permission of what anyone may ask
Answer = Callable[[Any, Key | None, int], Awaitable[str] | str]


class Waiting:
    """A trading request that waits until its command is durable."""

    def __init__(self) -> None:
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
        public, private = services.public, services.private
        self._get("ping", m.Params, NONE, 1, lambda p, key, now: "{}")
        self._get("time", m.Params, NONE, 1, lambda p, key, now: f'{{"serverTime":{now // 10**6}}}')
        self._get("exchangeInfo", m.ExchangeInfo, NONE, 20, lambda p, key, now: public.exchange_info(p, now))
        self._get("depth", m.Depth, NONE, 0, lambda p, key, now: public.depth(p))
        self._get("trades", m.Trades, NONE, 25, lambda p, key, now: public.trades(p))
        self._get("aggTrades", m.AggregateTrades, NONE, 4, lambda p, key, now: public.aggregate_trades(p))
        self._get("ticker/bookTicker", m.BookTicker, NONE, 4, lambda p, key, now: public.book_ticker(p))
        self._get("ticker/price", m.BookTicker, NONE, 4, lambda p, key, now: public.price(p))
        self._get("order", m.FindOrder, READ, 4, lambda p, key, now: private.order(key.account, p))
        self._get("openOrders", m.OpenOrders, READ, 6, lambda p, key, now: private.open_orders(key.account, p))
        self._get("allOrders", m.AllOrders, READ, 20, lambda p, key, now: private.all_orders(key.account, p))
        self._get("account", m.AccountStatus, READ, 20, lambda p, key, now: private.account(key, p))
        self._get("myTrades", m.MyTrades, READ, 20, lambda p, key, now: private.trades(key.account, p))
        self._add("POST", "order", m.NewOrder, TRADE, 1, self._place)
        self._add("POST", "order/test", m.TestOrder, TRADE, 1, self._test)
        self._add("DELETE", "order", m.CancelOrder, TRADE, 1, self._cancel)
        self._add("POST", "order/cancelReplace", m.CancelReplace, TRADE, 1, self._replace)
        self._add("PUT", "order/amend/keepPriority", m.AmendOrder, TRADE, 4, self._amend)
        self._add("DELETE", "openOrders", m.SymbolSigned, TRADE, 1, self._cancel_all)

    # -- trading

    async def _place(self, params: m.NewOrder, key: Key, now: int) -> str:
        waiting = Waiting()
        self._services.desk.place(key.account, params, waiting, "", None, now)
        return await _answer(waiting)

    def _test(self, params: m.TestOrder, key: Key, now: int) -> str:
        self._services.desk.test(params)
        return "{}"

    async def _cancel(self, params: m.CancelOrder, key: Key, now: int) -> str:
        waiting = Waiting()
        self._services.desk.cancel(key.account, params, waiting, "", None)
        return await _answer(waiting)

    async def _replace(self, params: m.CancelReplace, key: Key, now: int) -> str:
        waiting = Waiting()
        self._services.desk.replace(key.account, params, waiting, "", None, now)
        return await _answer(waiting)

    async def _amend(self, params: m.AmendOrder, key: Key, now: int) -> str:
        waiting = Waiting()
        self._services.desk.amend(key.account, params, waiting, "", None)
        return await _answer(waiting)

    async def _cancel_all(self, params: m.SymbolSigned, key: Key, now: int) -> str:
        waiting = Waiting()
        self._services.desk.cancel_all(key.account, params, waiting, "", None)
        return await _answer(waiting)

    # -- routes

    def _get(self, path: str, params: type[m.Params], permission: str, weight: int, answer: Any) -> None:
        self._add("GET", path, params, permission, weight, answer)

    def _add(self, method: str, path: str, kind: type[m.Params], permission: str, weight: int, answer: Any) -> None:
        async def handle(request: web.Request) -> web.Response:
            return await self._respond(request, kind, permission, weight, answer)

        self.app.router.add_route(method, f"/api/v3/{path}", handle)

    async def _respond(
        self, request: web.Request, kind: type[m.Params], permission: str, weight: int, answer: Any
    ) -> web.Response:
        now, ip = self._services.clock(), request.remote or ""
        key: Key | None = None
        try:
            query, body = request.raw_path.partition("?")[2], await _body(request)
            params = m.from_text(_fields(query, body), kind)
            if not weight:
                weight = self._services.public.depth_weight(params)
            self._services.limits.request(ip, weight, now)
            if permission:
                key = self._authenticate(request, params, query, body, permission, now)
            text = answer(params, key, now)
            if not isinstance(text, str):
                text = await text
            return self._response(200, text, ip, key, now)
        except ApiError as error:
            return self._response(error.status, error_json(error), ip, key, now, error)
        except Exception:  # the database is away: the other routes go on
            log.exception("a question could not be answered")
            away = ApiError(errors.DISCONNECTED, "Internal error; please try again.", 503)
            return self._response(away.status, error_json(away), ip, key, now, away)

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
        headers = {"X-MBX-USED-WEIGHT-1M": str(limits.weight.count(ip, now)), "Cache-Control": "no-store"}
        if key is not None:
            headers["X-MBX-ORDER-COUNT-10S"] = str(limits.orders_10s.count(key.account, now))
            headers["X-MBX-ORDER-COUNT-1D"] = str(limits.orders_day.count(key.account, now))
        else:
            headers["Access-Control-Allow-Origin"] = "*"  # public data, for pages served elsewhere
        if error is not None and error.status == 429:
            headers["Retry-After"] = str(limits.retry_after_s(error.code, now))
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)


async def _answer(waiting: Waiting) -> str:
    """The answer, or -1007 where the journal takes too long: the command may still become durable."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            return await waiting.result
    except TimeoutError:
        text = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        raise ApiError(errors.TIMEOUT, text, 504) from None


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
