import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.database import Pool
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.settlement.world import Deployed, World, deploy, world_on

__all__ = ["empty_database", "pool", "postgres"]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return asyncio.run(deploy(tmp_path_factory.mktemp("deploy")))


@pytest.fixture
async def world(deployed: Deployed, pool: Pool, tmp_path: Path) -> AsyncIterator[World]:
    """Everything open, everybody funded."""
    async with world_on(deployed, pool, tmp_path) as made:
        await made.open()
        yield made
