"""What an operator does by hand to an instrument's phases, bands and calls, on the real engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deedbook import ops
from engine import types as t
from persistence.database import Pool
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import open_market

__all__ = ["pool", "postgres"]


async def test_phases_bands_and_periods_are_set_and_a_refusal_is_told(pool: Pool) -> None:
    market = Market()
    door = Door(market)
    await open_market(pool, door)
    (listed, *_) = market.exchange.state().instruments
    symbol = listed.terms.symbol.decode()
    running: Any = SimpleNamespace(pool=pool, submit=door.submit)
    until_ns = market.time_ns + 3600 * ops.NS
    assert "OPENING_CALL" in await ops.set_phase(running, symbol, t.Phase.OPENING_CALL, until_ns, t.Phase.LIMIT_ONLY)
    assert symbol in await ops.set_bands(running, symbol, 100, 2_000, 500, 300)
    assert symbol in await ops.set_period(running, symbol, 900)
    (state, *_) = market.exchange.state().instruments
    assert (state.phase, state.phase_ends_ns, state.phase_then) == (t.Phase.OPENING_CALL, until_ns, t.Phase.LIMIT_ONLY)
    assert (state.reference_ticks, state.static_bps, state.dynamic_bps) == (100, 2_000, 500)
    assert (state.volatility_call_ns, state.period_ns) == (300 * ops.NS, 900 * ops.NS)
    with pytest.raises(ops.OpsError, match="VALUE_OUT_OF_RANGE"):
        await ops.set_bands(running, symbol, 0, 0, 500, 0)
    with pytest.raises(ops.OpsError, match="no instrument NONE"):
        await ops.set_period(running, "NONE", 900)
