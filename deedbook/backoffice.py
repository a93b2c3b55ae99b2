"""The back office process: projections of the journal, permissions compiled from facts, and the pages."""

import asyncio
import logging
import os
import signal
import sys
import time

import uvloop
from aiohttp import web

from compliance.permissions import compile_permissions
from deedbook import freezes
from deedbook.layout import Layout
from deedbook.pages import PagesConfig, pages
from deedbook.process import announce_ready
from deedbook.settings import Settings
from persistence.commands import Submit, in_words
from persistence.database import Pool, connect
from persistence.feed import CommandsRefused, FeedClient, FeedLost
from persistence.projections import DATABASE_AWAY, project
from persistence.streams import Stream
from persistence.streams import connect as connect_redis

COMPILE_EVERY_S = 0.25
WAIT_AFTER_FAILURE_S = 1.0
_log = logging.getLogger(__name__)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.read(os.environ)
    logging.basicConfig(level=settings.log_level.upper(), format="%(message)s")
    uvloop.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    pool = await connect(settings.database_url)
    client = FeedClient(Layout(settings.data_dir).feed_socket)
    redis = connect_redis(settings.redis_url)
    runner = web.AppRunner(pages(PagesConfig(settings.websocket_port, settings.rest_port)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.port).start()
    work = asyncio.gather(
        project(pool, client.frames),
        _compile(pool, in_words(client.submit)),
        freezes.take(pool, Stream(redis, freezes.STREAM)),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    announce_ready(f"http://127.0.0.1:{settings.port}")
    wish = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((work, wish), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()  # it never ends well by itself
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await runner.cleanup()
    await client.close()
    await redis.aclose()
    await pool.close()


async def _compile(pool: Pool, submit: Submit) -> None:
    """Bring every changed fact to the engine soon; wait while the database or the exchange is away."""
    while True:
        try:
            done = await compile_permissions(pool, submit, time.time_ns())
            for account, instrument, reason in done.refused:
                _log.error("permission of account %d in instrument %d refused: %s", account, instrument, reason.name)
            await asyncio.sleep(COMPILE_EVERY_S)
        except (FeedLost, CommandsRefused, *DATABASE_AWAY) as error:
            _log.warning("permissions wait: %s: %s", type(error).__name__, error)
            await asyncio.sleep(WAIT_AFTER_FAILURE_S)


if __name__ == "__main__":
    sys.exit(main())
