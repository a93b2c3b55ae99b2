"""Circle put together for one treasury: its webhook, its job and an operator's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from api.doors import Audit
from api.route import Route
from deedbook.jobs import convert
from payments import circle_routes
from payments.circle import Circle
from payments.circle_webhooks import Keys, Webhook
from payments.conversion import Books, Conversion
from payments.sns import Certificates
from persistence.database import Pool
from persistence.jobs import Handler
from settlement.calls import balance_of_data, words
from settlement.chain import Chain, ChainRefused, ChainUnavailable
from settlement.trades import Wallet

FETCH_BYTES_MAX: Final = 64 * 1024
FETCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class CircleAccount:
    """How to reach it; `certificate` is the PEM file that signs its webhooks, None where Amazon's own does."""

    url: str
    api_key: str
    certificate: Path | None


@dataclass(frozen=True, slots=True)
class TreasuryParts:
    """`handler` is for jobs of the kind `convert.KIND`."""

    conversion: Conversion
    handler: Handler
    routes: list[Route]


def treasury_parts(
    pool: Pool,
    session: aiohttp.ClientSession,
    account: CircleAccount,
    chain: Chain,
    books: Books,
    audit: Audit,
    *,
    usdc: bytes,
    treasury: bytes,
) -> TreasuryParts:
    """usdc and treasury: the token, and the address that Circle sends it to."""
    circle = Circle(session, account.url, account.api_key)
    configured = None if account.certificate is None else account.certificate.read_bytes()
    fetch = fetcher(session)
    webhook = Webhook(pool, Certificates(fetch, configured), Keys(circle.public_key), fetch, account.url)
    conversion = Conversion(pool, circle, books, treasury, convert.final_transfer(chain, usdc))

    async def on_chain() -> int | None:
        try:
            return words(await chain.call(usdc, balance_of_data(Wallet(treasury))))[0]
        except (ChainUnavailable, ChainRefused):
            return None

    routes = circle_routes.routes(pool, webhook, conversion, circle, books, on_chain, audit)
    return TreasuryParts(conversion, convert.handler(conversion), routes)


def fetcher(session: aiohttp.ClientSession) -> Callable[[str], Awaitable[bytes]]:
    """Gets a small body from a URL that was allowed before; follows nothing. Raises OSError."""

    async def fetch(url: str) -> bytes:
        try:
            async with session.get(url, allow_redirects=False, timeout=FETCH_TIMEOUT) as response:
                body = await response.content.read(FETCH_BYTES_MAX)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(f"{type(error).__name__} at a provider's host") from error
        if status != 200:
            raise OSError(f"HTTP {status} at a provider's host")
        return body

    return fetch
