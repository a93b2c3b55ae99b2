"""The floor under the gateway's figures: a bare aiohttp websocket server that answers each request with its id.

`python -m bench.floor` listens on a free port, says which, and ends with its stdin. It reads no JSON, knows no session,
matches nothing and keeps nothing: what it takes is websocket frames, the event loop and the kernel.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from aiohttp import WSMsgType, web


@asynccontextmanager
async def running(core: int) -> AsyncIterator[tuple[int, int]]:
    """The server's process id and its port; it has the core for itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.floor", str(core), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        await process.communicate(b"")


async def _answer(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(compress=False)
    await websocket.prepare(request)
    async for message in websocket:
        if message.type is WSMsgType.TEXT:
            await websocket.send_str(message.data[: message.data.index(",")] + ',"status":200}')
    return websocket


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/ws-api/v3", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    await runner.cleanup()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    uvloop.run(_serve())
