"""The pages: files of `web/` from memory, with headers that let a browser do nothing else than what they need.

A module `x.page.js` is a page: `/x` serves the one document, `page.html`, that loads it; `index.page.js` is `/`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

WEB_DIRECTORY: Final = Path(__file__).resolve().parents[1] / "web"
CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
HOSTS: Final = ("127.0.0.1", "localhost")  # what a browser may call this machine
NOT_FOUND: Final = "/404"
PAGE_SUFFIX: Final = ".page.js"
TEMPLATE: Final = "page.html"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PagesConfig:
    """Where a browser finds the trading API: ports on the host that the page came from. No secret.

    sandboxes  pages on which a person plays the outside world, by name; none where the providers are the real ones
    """

    websocket_port: int
    rest_port: int
    sandboxes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    content_type: str
    etag: str


def pages(config: PagesConfig, directory: Path = WEB_DIRECTORY) -> web.Application:
    """An application that serves the files and pages of `directory`, and `/config.json`; all else is a 404 page.

    Only what stood there at the start is served, so no path can lead anywhere else.
    """
    files = _files(directory) | {"/config.json": _config_file(config)}
    headers = security_headers(config)
    app = web.Application(middlewares=[_middleware(files[NOT_FOUND], headers)])
    for path, file in files.items():
        app.router.add_get(path, _handler(file))
    return app


def security_headers(config: PagesConfig) -> dict[str, str]:
    """No script, style or image but our own, no frame around us, and connections to the trading API only."""
    doors = [f"ws://{host}:{config.websocket_port} http://{host}:{config.rest_port}" for host in HOSTS]
    wallet = [
        url for name, url in config.sandboxes.items() if name == "wallet"
    ]  # spoken to; the others are only linked to
    policy = (
        "default-src 'self'",
        f"connect-src 'self' {' '.join([*doors, *wallet])}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }


def _files(directory: Path) -> dict[str, _File]:
    """By path on the server; a file of another kind than ours is not served."""
    served = {}
    template = (directory / TEMPLATE).read_text()
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_file() or path.suffix not in CONTENT_TYPES or name == TEMPLATE:
            continue
        served[f"/{name}"] = _file(path.read_bytes(), CONTENT_TYPES[path.suffix])
        if name.endswith(PAGE_SUFFIX):
            document = template.replace("{module}", name).encode()
            served[_page_path(name.removesuffix(PAGE_SUFFIX))] = _file(document, CONTENT_TYPES[".html"])
    return served


def _page_path(name: str) -> str:
    return "/" if name == "index" else f"/{name}"


def _config_file(config: PagesConfig) -> _File:
    shown = {
        "websocketPort": config.websocket_port,
        "restPort": config.rest_port,
        "sandboxes": dict(config.sandboxes),
    }
    return _file(json.dumps(shown).encode(), "application/json")


def _file(content: bytes, content_type: str) -> _File:
    return _File(
        content, gzip.compress(content, mtime=0), content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    )


def _handler(file: _File) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        body = file.content
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.packed, "gzip"
        return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)

    return handle


def _middleware(not_found: _File, headers: Mapping[str, str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def secure(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPNotFound:
            response = web.Response(
                status=404, body=not_found.content, content_type=not_found.content_type, charset="utf-8"
            )
        except web.HTTPException as error:  # a method that is not taken
            response = web.Response(status=error.status, text=error.reason)
        response.headers.update(headers)
        return response

    return secure
