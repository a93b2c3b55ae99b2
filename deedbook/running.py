"""A running machine as our own commands reach it: its database, its chain and its exchange."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from deedbook.deployment import Deployment, deployed
from deedbook.layout import Layout
from deedbook.machine import running_settings
from deedbook.settings import Settings
from gateway.keys import KeyStore
from persistence.commands import Submit, in_words
from persistence.database import Pool, connect
from persistence.feed import FeedClient


class NotRunning(Exception):  # noqa: N818 - what the user is told
    """No machine runs on the data directory."""


class Running:
    """Its settings say how to reach everything; `deployment` connects to the chain when it is first asked for."""

    def __init__(self, settings: Settings, layout: Layout, pool: Pool, submit: Submit) -> None:
        self.settings = settings
        self.layout = layout
        self.pool = pool
        self.submit = submit
        self.keys = KeyStore(layout.api_keys)
        self._deployment: Deployment | None = None

    async def deployment(self, say: Callable[[str], None] = print) -> Deployment:
        """The platform's senders."""
        if self._deployment is None:
            assert self.settings.chain_rpc_url is not None
            is_local = self.settings.chain_is_local
            self._deployment = await deployed(self.layout, self.pool, self.settings.chain_rpc_url, is_local, say)
        return self._deployment

    async def close(self) -> None:
        if self._deployment is not None:
            await self._deployment.close()


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Running]:
    """Raises NotRunning with one sentence."""
    try:
        settings = running_settings(data_dir)
    except FileNotFoundError:
        raise NotRunning(f"Nothing runs on {data_dir}: start it with `deedbook run --data {data_dir}`.") from None
    assert settings.database_url is not None
    layout = Layout(settings.data_dir)
    pool = await connect(settings.database_url)
    client = FeedClient(layout.feed_socket)
    market = Running(settings, layout, pool, in_words(client.submit))
    try:
        yield market
    finally:
        await market.close()
        await client.close()
        await pool.close()
