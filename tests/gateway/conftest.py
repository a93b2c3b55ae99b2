"""A venue for each test, torn down whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.venue import Venue, start_venue


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Venue]:
    async with aiohttp.ClientSession() as http:
        running = await start_venue(tmp_path, http)
        try:
            yield running
        finally:
            for socket in running.sockets:
                await socket.close()
            await running.gateway.stop()
