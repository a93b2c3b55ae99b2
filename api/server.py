"""Routes on aiohttp: authenticate, authorize, limit, decode, call, encode; every mistake is a problem document."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from api.actor import Actor
from api.limits import Limits
from api.problem import CONTENT_TYPE, Problem, not_found
from api.route import Call, Kind, Route

BODY_BYTES_MAX: Final = 64 * 1024
WEBHOOK_BYTES_MAX: Final = 512 * 1024
SAFE_METHODS: Final = ("GET", "HEAD")
NO_ZERO: Final = "it holds the character U+0000, which no text of ours has"  # and which the database cannot keep
_ESCAPED_ZERO: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
Authenticate = Callable[[web.Request], Awaitable[Actor | None]]
Refusal = Callable[[str, str, Actor | None], Problem | None]
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """What every route passes through.

    authenticate  the session of a request, None without a valid one
    refusal       why a method and path is not for this actor, None if it is
    limits        calls by address
    away          errors of servers of ours that are away: answered with 503, never with 500
    """

    authenticate: Authenticate
    refusal: Refusal
    limits: Limits
    away: tuple[type[BaseException], ...] = ()


def mount(app: web.Application, routes: Iterable[Route], door: Door) -> None:
    """Add the routes to an application. Two routes with one method and path are a mistake of ours."""
    seen: set[tuple[str, str]] = set()
    for route in routes:
        assert (route.method, route.path) not in seen, f"{route.method} {route.path} stands twice"
        seen.add((route.method, route.path))
        app.router.add_route(route.method, route.path, _handler(route, door))


def _handler(route: Route, door: Door) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await _answer(route, door, request)
        except Problem as problem:
            return _refused(problem)
        except web.HTTPException:
            raise
        except door.away as error:
            _log.warning("%s %s: %s", route.method, route.path, type(error).__name__)
            return _refused(Problem(503, "AWAY", "A server that this needs is away; try again in a moment."))
        except Exception:
            number = secrets.token_hex(4)
            _log.exception("%s %s failed, trouble %s", route.method, route.path, number)
            detail = f"This is our mistake and is written down as {number}; nothing that you did causes it."
            return _refused(Problem(500, "OUR_MISTAKE", detail, trouble=number))

    return handle


async def _answer(route: Route, door: Door, request: web.Request) -> web.StreamResponse:
    wait_s = door.limits.wait_s(request.remote or "")
    if wait_s > 0:
        raise Problem(429, "TOO_MANY_CALLS", f"Wait {wait_s} s and call again.", retry_after_s=wait_s)
    if route.kind is not Kind.WEBHOOK and route.method not in SAFE_METHODS:
        _require_same_origin(request)
    actor = None if route.kind is Kind.WEBHOOK else await door.authenticate(request)
    if (problem := door.refusal(route.method, route.path, actor)) is not None:
        raise problem
    if any("\0" in member for member in request.match_info.values()):
        raise not_found("thing")
    raw = await _body(route, request)
    call = Call(request, actor, _decoded(route, request, raw), _query(route, request), raw)
    answer = await route.handler(call)
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=route.status_of_success, headers=NO_STORE)
    return web.Response(
        status=route.status, body=msgspec.json.encode(answer), content_type="application/json", headers=NO_STORE
    )


NO_STORE: Final = {"Cache-Control": "no-store"}  # answers are somebody's


def _require_same_origin(request: web.Request) -> None:
    """A browser says where a request comes from; another site's page may not act in its reader's name."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Problem(403, "OTHER_ORIGIN", "A page of another site cannot call this.")


async def _body(route: Route, request: web.Request) -> bytes:
    if route.kind in (Kind.UPLOAD, Kind.DOWNLOAD, Kind.STREAM) or (route.body is None and route.kind is Kind.JSON):
        return b""
    bytes_max = WEBHOOK_BYTES_MAX if route.kind is Kind.WEBHOOK else BODY_BYTES_MAX
    if route.kind is Kind.JSON and request.content_type != "application/json":
        raise Problem(415, "NOT_JSON", "Send the body as application/json.")
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > bytes_max:
            raise Problem(413, "BODY_TOO_LARGE", f"The body may have {bytes_max} bytes.")
    return bytes(data)


def _decoded(route: Route, request: web.Request, raw: bytes) -> Any:
    if route.body is None:
        return None
    if _ESCAPED_ZERO.search(raw):
        raise Problem(400, "BODY_MALFORMED", f"The body is not what this takes: {NO_ZERO}.")
    try:
        return msgspec.json.decode(raw, type=route.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "BODY_MALFORMED", f"The body is not what this takes: {error}.") from None


def _query(route: Route, request: web.Request) -> Any:
    given: Mapping[str, str] = request.query
    repeated = [name for name in given if len(request.query.getall(name)) > 1]
    if repeated:
        raise Problem(400, "QUERY_MALFORMED", f"{repeated[0]!r} is given more than once.")
    if any("\0" in text for text in given.values()):
        raise Problem(400, "QUERY_MALFORMED", f"The parameters are not what this takes: {NO_ZERO}.")
    if route.query is None:
        if given and route.kind is Kind.JSON:
            raise Problem(400, "QUERY_MALFORMED", f"This takes no parameter {next(iter(given))!r}.")
        return None
    try:
        return msgspec.convert(dict(given), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, "QUERY_MALFORMED", f"The parameters are not what this takes: {error}.") from None


def _refused(problem: Problem) -> web.Response:
    headers = dict(NO_STORE)
    if problem.status in (429, 503):
        headers["Retry-After"] = str(problem.extra.get("retry_after_s", 1))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=problem.status, body=problem.to_json(), content_type=CONTENT_TYPE, headers=headers)
