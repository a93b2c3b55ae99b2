"""The back office process: the office with its routes and jobs, projections of the journal, permissions, the pages."""

import asyncio
import logging
import os
import sys
import time

import uvloop
from aiohttp import web

from api.server import mount
from compliance.permissions import compile_permissions
from deedbook.credentials import Credentials
from deedbook.office.office import open_office
from deedbook.pages import PagesConfig, pages
from deedbook.process import announce_ready, stop_signals, until_stopped
from deedbook.sandboxes import sandbox_pages
from deedbook.settings import Settings
from persistence.commands import Submit
from persistence.database import Pool
from persistence.feed import CommandsRefused, FeedLost
from persistence.projections import DATABASE_AWAY, project

COMPILE_EVERY_S = 0.25
WAIT_AFTER_FAILURE_S = 1.0
_log = logging.getLogger(__name__)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.read(os.environ)
    logging.basicConfig(level=settings.log_level.upper(), format="%(message)s")
    uvloop.run(_serve(settings, Credentials.read(os.environ)))
    return 0


async def _serve(settings: Settings, credentials: Credentials) -> None:
    async with open_office(settings, credentials) as (office, r):
        app = pages(PagesConfig(settings.websocket_port, settings.rest_port, sandbox_pages(r.layout)))
        mount(app, office.routes, office.door)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", settings.port).start()
            work = asyncio.gather(
                office.run(),
                project(r.pool, r.feed.frames),
                _compile(r.pool, r.submit),
            )
            stopping = stop_signals()
            announce_ready(f"http://127.0.0.1:{settings.port}")
            await until_stopped(work, stopping)
        finally:
            await runner.cleanup()


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
