"""A whole machine for one play: started, played on, and gone again, or kept."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from deedbook.machine import Machine
from deedbook.running import Running, running
from deedbook.settings import Settings

BLOCK_TIME_MS: Final = 500
Play = Callable[[Running], Awaitable[dict[str, Any]]]


async def on_a_machine(
    play: Play, is_good: Callable[[Mapping[str, Any]], bool], keep: Path | None, *, as_json: bool, gateways: int = 0
) -> int:
    """0 when what `play` says is good, 1 otherwise; progress goes to stderr, the JSON object to stdout.

    keep  the data directory is kept there, and everything goes on until SIGINT or SIGTERM.
    """
    directory = keep if keep is not None else Path(tempfile.mkdtemp(prefix="deedbook-demo-"))
    ports = {"port": 0, "websocket_port": 0, "rest_port": 0}
    settings = Settings.read({}, {"data_dir": directory, "demo_market": "no", "gateways": gateways} | ports)
    machine = Machine(replace(settings, block_time_ms=BLOCK_TIME_MS), say)
    result: dict[str, Any] = {}

    async def when_ready() -> None:
        async with running(directory) as market:
            result.update(await play(market))
        print(json.dumps(result, indent=None if as_json else 2), flush=True)
        if keep is None:
            machine.stop()
        else:
            say(f"Kept in {directory}; the chain answers at {machine.settings.chain_rpc_url}. Ctrl-C stops it.")

    try:
        status = await machine.run(when_ready)
    finally:
        if keep is None:
            machine.remove()
            shutil.rmtree(directory, ignore_errors=True)
    return status or (0 if result and is_good(result) else 1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
