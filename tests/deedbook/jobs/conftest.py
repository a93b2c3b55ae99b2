import pytest

from tests.deedbook.jobs.payout_world import PayoutWorld
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
