"""What the sandboxes share: answers, the headers of their pages, and how one is served as a process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from deedbook.process import announce_ready, stop_signals, until_stopped

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "same-origin",  # with none at all, a browser says "null" of where its own form came from
}


async def serve(app: web.Application, url: str, work: Coroutine[Any, Any, object]) -> None:
    """On the port of `url`, beside its work, until SIGTERM or SIGINT."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", urlsplit(url).port).start()
    stopping = stop_signals()
    announce_ready(url)
    await until_stopped(asyncio.create_task(work), stopping)
    await runner.cleanup()


async def json_body(request: web.Request) -> dict[str, Any]:
    """Raises msgspec's errors for what is no JSON object."""
    return msgspec.json.decode(await request.read(), type=dict[str, Any])


def json_answer(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
