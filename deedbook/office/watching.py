"""What those who run the market look at."""

from __future__ import annotations

from typing import Final

import aiohttp
from eth_utils.address import to_canonical_address

from deedbook.office.desk import Desk
from deedbook.office.resources import Resources
from deedbook.operating.watching import Watching
from deedbook.operating.watching_routes import routes

MEASURES_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


def watching_desk(r: Resources) -> Desk:
    vault = bytes(to_canonical_address(r.deployment.infrastructure.vault))

    async def measures() -> str:
        url = f"http://127.0.0.1:{r.settings.rest_port}/metrics"
        async with r.http.get(url, timeout=MEASURES_TIMEOUT) as response:
            response.raise_for_status()
            return await response.text()

    return Desk(routes=routes(Watching(r.pool, r.chain, vault), measures))
