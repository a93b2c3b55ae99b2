"""GET /openapi.json: what the office offers, made from its routes once."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from api.openapi import document
from api.route import Call, Kind, Route
from compliance.roles import roles_of

PATH: Final = "/openapi.json"


def document_route(routes: Sequence[Route]) -> Route:
    """Serves the document of these routes and itself."""

    async def shown(_: Call[None]) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    route = Route(method="GET", path=PATH, handler=shown, kind=Kind.DOWNLOAD, summary="This document.")
    body = msgspec.json.encode(api_document([*routes, route]))
    return route


def api_document(routes: Sequence[Route]) -> dict[str, Any]:
    return document(routes, roles_of, title="Deedbook", version=version("deedbook"))
