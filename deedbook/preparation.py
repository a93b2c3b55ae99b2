"""What must stand before the processes start: the database's schema and the contracts on the chain."""

import asyncio
from collections.abc import Callable
from typing import Final

from web3.exceptions import Web3Exception

from deedbook.deployment import deployed
from deedbook.embedded.child import ServerError
from deedbook.layout import Layout
from deedbook.settings import Settings
from persistence.database import MigrationError, connect, migrate
from settlement.infrastructure import ChainLostError, OtherVersionError
from settlement.steps import StepFailedError

UNPREPARED: Final = (MigrationError, ChainLostError, OtherVersionError, StepFailedError, Web3Exception, OSError)


class Preparation:
    """A step of the start that the supervisor runs like a service: done when started, and then it only stands there."""

    name = "preparation"

    def __init__(self, settings: Settings, say: Callable[[str], None] = print) -> None:
        self._settings = settings
        self._say = say

    async def start(self) -> None:
        """Raises ServerError with one sentence."""
        settings = self._settings
        assert settings.database_url is not None
        assert settings.chain_rpc_url is not None
        try:
            pool = await connect(settings.database_url)
            try:
                await migrate(pool)
                layout, url = Layout(settings.data_dir), settings.chain_rpc_url
                deployment = await deployed(layout, pool, url, settings.chain_is_local, self._say)
                await deployment.close()
            finally:
                await pool.close()
        except UNPREPARED as error:
            raise ServerError(f"The start is not prepared: {error}") from error

    async def stop(self) -> None:
        """Nothing of it runs."""

    async def wait(self) -> int:
        """It never ends by itself."""
        await asyncio.Event().wait()
        return 0
