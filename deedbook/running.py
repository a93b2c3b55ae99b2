"""A running machine as our own commands reach it: its database, its chain and its exchange."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Running:
    settings: Settings
    layout: Layout
    pool: Pool
    submit: Submit
    keys: KeyStore

    async def deployment(self, say: Callable[[str], None] = print) -> Deployment:
        """The platform's senders; one process at a time may send with them."""
        assert self.settings.chain_rpc_url is not None
        return await deployed(self.layout, self.settings.chain_rpc_url, True, say)


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
    try:
        yield Running(settings, layout, pool, in_words(client.submit), KeyStore(layout.api_keys))
    finally:
        await client.close()
        await pool.close()
