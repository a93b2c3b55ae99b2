from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deedbook.jobs import purchase
from persistence.database import Pool
from tests.deedbook.jobs.payout_world import PayoutWorld
from tests.deedbook.jobs.sale_world import SaleWorld, sale_world
from tests.fixtures.postgres import empty_database, pool, postgres
from tests.settlement.conftest import deployed, world
from tests.settlement.world import World

__all__ = ["deployed", "empty_database", "pool", "postgres", "world"]


@pytest.fixture
async def payouts(world: World) -> PayoutWorld:
    """A market whose property can pay out."""
    made = PayoutWorld(world)
    await made.open()
    await made.follow()
    return made


@pytest.fixture
async def selling(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SaleWorld]:
    """A tokenized property that its manager can sell."""
    for wait in ("SOON_S", "REFUSED_S"):
        monkeypatch.setattr(purchase, wait, 0.02)
    async with sale_world(pool, tmp_path) as made:
        yield made
