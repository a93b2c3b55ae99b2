"""The exchange process as it is, and gateways before it, started for an experiment and stopped after it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from bench.requests import records
from deedbook.embedded.child import free_port
from deedbook.layout import Layout
from deedbook.process import Process
from deedbook.settings import VARIABLES, Settings
from engine import types as t
from persistence.feed import FeedClient

SETUP_COMMANDS: Final = 2_000  # of one submission to the feed
READY_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """Its processes, where its sockets are, and the core that is left for clients; None where there is only one."""

    pids: list[int]
    port: int
    clients_core: int | None


@asynccontextmanager
async def running(layout: Layout, setup: bytes, gateways: int = 0) -> AsyncIterator[Running]:
    """An exchange on the first core, once the commands of `setup` are durable; gateways on all but the last."""
    cores = sorted(os.sched_getaffinity(0))
    port = free_port() if gateways else 0
    settings = Settings(
        data_dir=layout.root, websocket_port=port, rest_port=free_port() if gateways else 0, gateways=gateways
    )
    async with AsyncExitStack() as started:
        exchange = await _start(started, "exchange", ["deedbook.exchange"], layout, settings, cores[0])
        await _set_up(layout, setup)
        pids = [exchange.pid]
        for number, core in zip(range(1, gateways + 1), cycle(cores[1:-1] or cores[:1]), strict=False):
            name = f"gateway-{number}"
            gateway = await _start(started, name, ["deedbook.gateway", name], layout, settings, core)
            pids.append(gateway.pid)
        port = port or int(exchange.detail.split()[0].rpartition(":")[2])
        yield Running(pids, port, cores[-1 if gateways else 1] if len(cores) > 1 else None)


async def _start(
    started: AsyncExitStack, name: str, words: list[str], layout: Layout, settings: Settings, core: int
) -> Process:
    environment = {
        variable: value
        for variable, value in os.environ.items()
        if variable not in {each for each, _ in VARIABLES.values()}
    }
    process = Process(
        name,
        [sys.executable, "-m", *words],
        environment=lambda: environment | settings.to_environment(),
        log_directory=layout.logs,
        say=lambda line: print(line, file=sys.stderr),
        ready_within_s=READY_WITHIN_S,
    )
    with _pinned(core):
        await process.start()
    started.push_async_callback(process.stop)
    return process


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
