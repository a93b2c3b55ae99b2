"""The exchange process as it is, started for an experiment and stopped after it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from bench.requests import records
from deedbook.layout import Layout
from deedbook.process import Process
from deedbook.settings import VARIABLES, Settings
from engine import types as t
from persistence.feed import FeedClient

SETUP_COMMANDS: Final = 2_000  # of one submission to the feed
READY_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """Its process, where its sockets are, and the core that is left for clients; None where there is only one."""

    pid: int
    port: int
    clients_core: int | None


@asynccontextmanager
async def running(layout: Layout, setup: bytes) -> AsyncIterator[Running]:
    """An exchange on the first core, once the commands of `setup` are durable."""
    cores = sorted(os.sched_getaffinity(0))
    settings = Settings(data_dir=layout.root, websocket_port=0, rest_port=0)
    environment = {
        name: value for name, value in os.environ.items() if name not in {name for name, _ in VARIABLES.values()}
    }
    exchange = Process(
        "exchange",
        [sys.executable, "-m", "deedbook.exchange"],
        environment=lambda: environment | settings.to_environment(),
        log_directory=layout.logs,
        say=lambda line: print(line, file=sys.stderr),
        ready_within_s=READY_WITHIN_S,
    )
    with _pinned(cores[0]):
        await exchange.start()
    try:
        await _set_up(layout, setup)
        port = int(exchange.detail.split()[0].rpartition(":")[2])
        yield Running(exchange.pid, port, cores[1] if len(cores) > 1 else None)
    finally:
        await exchange.stop()


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """Children started meanwhile run on this core alone; ours only meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _set_up(layout: Layout, setup: bytes) -> None:
    """Accounts, instrument, permissions, funds and the resting orders, by the same door as the other processes."""
    feed = FeedClient(layout.feed_socket)
    commands = records(setup)
    for start in range(0, len(commands), SETUP_COMMANDS):
        for answer in await feed.submit(commands[start : start + SETUP_COMMANDS]):
            assert all(event[1] != t.EventKind.REJECTED for event in answer.events), answer
    await feed.close()
