"""A whole machine with the demo's market and people, and the scripts of tests/web/browser on it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from deedbook.demo.flows import first_sale, rent, sign_up, tokenizing
from deedbook.demo.flows.outside import Outside
from deedbook.demo.flows.person import Person
from deedbook.demo.flows.play import PEOPLE
from deedbook.demo.flows.purse import Purse
from deedbook.demo.flows.stage import Stage
from deedbook.demo.flows.visitor import Visitor
from deedbook.deployment import give_gas_money
from deedbook.machine import Machine
from deedbook.running import Running, running
from deedbook.settings import Settings

SCRIPTS: Final = Path(__file__).parents[1] / "web" / "browser"
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE: Final = shutil.which("node")
WITHIN_S: Final = 600.0

BROWSER_TEST: Final = [
    pytest.mark.slow,
    pytest.mark.timeout(1_500),
    pytest.mark.skipif(CHROMIUM is None or NODE is None, reason="needs node and a Chromium: apt install chromium"),
]


async def ran(script: str, url: str, **environment: str) -> dict[str, Any]:
    """What a script of tests/web/browser prints."""
    assert NODE is not None
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(SCRIPTS / script),
        env={**os.environ, "DEEDBOOK_URL": url, "CHROMIUM": CHROMIUM, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 0, f"{script}:\n{told.decode()[-3_000:]}"
    printed: dict[str, Any] = json.loads(out)
    return printed


@asynccontextmanager
async def machine() -> AsyncIterator[Running]:
    """With the demo's market, so that somebody is on the other side of an order."""
    directory = Path(tempfile.mkdtemp(prefix="deedbook-browser-"))
    ports = {"port": 0, "websocket_port": 0, "rest_port": 0}
    started = Machine(Settings.read({}, {"data_dir": directory, **ports}), lambda _line: None)
    ready = asyncio.Event()

    async def when_ready() -> None:
        ready.set()

    run = asyncio.create_task(started.run(when_ready))
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((run, waiting), return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN_S)
        assert ready.is_set(), "the machine did not start"
        async with running(directory) as market:
            yield market
    finally:
        started.stop()
        await run
        started.remove()
        shutil.rmtree(directory, ignore_errors=True)


async def staged(market: Running, http: ClientSession) -> Stage:
    """A property that is tokenized, sold in part, let, and has paid its first dividend."""
    deployment = await market.deployment(lambda _line: None)
    outside = Outside.of(http, market.layout.sandboxes)
    assert market.settings.public_url is not None
    people = {
        name: Person(name, Visitor(market.settings.public_url), Purse(deployment.chain), outside) for name in PEOPLE
    }
    for person in people.values():
        await give_gas_money(deployment.chain, person.purse.address)
    stage = Stage(market, deployment, outside, people)
    for play in (sign_up.play, tokenizing.play, first_sale.play, rent.play):
        assert (await play(stage)).findings == []
    return stage
