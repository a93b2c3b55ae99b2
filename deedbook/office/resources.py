"""What the desks share: the database, the exchange, the chain, providers' connections, keys and documents."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from eth_utils.address import to_canonical_address

from deedbook.chain_keys import chain_key
from deedbook.credentials import Credentials
from deedbook.deployment import Deployment, chain_of, deployed
from deedbook.layout import Layout
from deedbook.settings import Settings
from gateway.keys import KeyStore
from persistence.commands import Submit, in_words
from persistence.database import Pool, connect
from persistence.document_store import document_store
from persistence.documents import Documents
from persistence.feed import FeedClient
from persistence.streams import connect as connect_redis
from settlement.chain import Chain
from settlement.steps import PostgresSteps, Sender

CONNECTIONS_MAX: Final = 24


@dataclass(frozen=True, slots=True)
class Resources:
    """`http` is for providers, `redis` for streams between processes, `secret` the platform's own 32 bytes."""

    settings: Settings
    credentials: Credentials
    layout: Layout
    pool: Pool
    feed: FeedClient
    submit: Submit
    redis: Any
    http: aiohttp.ClientSession
    chain: Chain
    chain_id: int
    deployment: Deployment
    treasury: Sender
    documents: Documents
    keys: KeyStore
    secret: bytes
    public_url: str

    def address_of(self, role: str) -> bytes:
        """One of our own wallets."""
        return bytes(to_canonical_address(chain_key(self.layout.signer_keys, role).address))


@asynccontextmanager
async def resources(settings: Settings, credentials: Credentials) -> AsyncIterator[Resources]:
    """Open until the `async with` ends. `settings` has every URL."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    assert settings.chain_rpc_url is not None
    assert settings.documents_url is not None
    assert settings.public_url is not None
    layout, secret = Layout(settings.data_dir), bytes.fromhex(credentials.platform_secret)
    async with AsyncExitStack() as stack:
        pool = await connect(settings.database_url, connections_max=CONNECTIONS_MAX)
        stack.push_async_callback(pool.close)
        feed = FeedClient(layout.feed_socket)
        stack.push_async_callback(feed.close)
        redis = connect_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        chain = chain_of(settings)
        stack.push_async_callback(chain.close)
        deployment = await deployed(layout, pool, settings.chain_rpc_url, settings.chain_is_local, print)
        stack.push_async_callback(deployment.close)
        yield Resources(
            settings=settings,
            credentials=credentials,
            layout=layout,
            pool=pool,
            feed=feed,
            submit=in_words(feed.submit),
            redis=redis,
            http=http,
            chain=chain,
            chain_id=await chain.chain_id(),
            deployment=deployment,
            treasury=Sender(deployment.chain, chain_key(layout.signer_keys, "treasury"), PostgresSteps(pool)),
            documents=Documents(pool, document_store(settings.documents_url), secret, time.time),
            keys=KeyStore(layout.api_keys),
            secret=secret,
            public_url=settings.public_url,
        )
