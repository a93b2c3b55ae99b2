"""From trades of the real engine to settled batches on a real chain, and back."""

from engine import types as t
from tests.settlement.world import CASH_USDC_MICROS, OAK, TOKENS, World


async def test_trades_settle_and_the_engine_hears_it(world: World) -> None:
    first = await world.trade(buyer=0, seller=1, qty_lots=10)
    second = await world.trade(buyer=2, seller=0, qty_lots=4)
    await world.batcher.step()
    await world.batcher.step()
    assert await world.states() == ["MINED"]
    assert [each.state for each in world.progress] == ["SUBMITTED", "MINED"]
    await world.listen()
    assert world.settled() == {first: t.Reason.NONE, second: t.Reason.NONE}
    assert await world.states() == ["FINAL"]
    assert world.engine_balance(0, OAK).level == TOKENS + 6
    assert world.engine_balance(1, OAK).position_lots == TOKENS - 10
    assert world.engine_balance(2, OAK).level == TOKENS + 4
    assert world.engine_balance(1, t.USDC).level > CASH_USDC_MICROS
