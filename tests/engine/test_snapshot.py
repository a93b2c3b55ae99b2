"""The state as bytes: canonical, whole or refused, and enough to go on from (test_oracle does that at random)."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.core_exchange import CoreExchange
from engine.exchange import Exchange
from tests.engine.script import Market, check


def busy() -> Market:
    """Orders, kept ids, parked levels, unsettled trades, two attempts at a batch, and an ejection under way."""
    return check("""
        buy 2 5 @ 10 id open gtd 9000    => accepted 1 rests 5 held 50
        buy 2 5 @ 11 id done             => accepted 2 rests 5 held 55
        cancel 2 id done                 => closed 2 cancelled 5
        sell 3 5 @ 50                    => accepted 3 rests 5 held 5
        buy 4 3 @ 50                     => accepted 4, trade 3 by 4 3 @ 50
        buy 5 1 @ 50                     => accepted 5, trade 3 by 5 1 @ 50
        permit 5 both until 8000         => applied
        permit 3 both locked 86          => applied
        permit 4 both until 1000         => applied
        level 9 usdc 7 to 7 requested 2  => parked 7 requested 2
        level 2 usdc 0 to 10000 requested 30 => ready 2 usdc 30
        eject 1 1 1 buyer_frozen         => applied
        compose 1 1 0 1 ejected 1 hash a => applied
        eject 1 2 1 buyer_frozen         => applied
        compose 1 2 0 1 ejected 1 hash b => applied
        eject 2 1 2 token_paused         => applied
    """)


def test_a_restored_engine_has_the_same_state_and_goes_on() -> None:
    market = busy()
    engine = market.pair.engine
    image = engine.snapshot()
    restored = Exchange.restore(image)
    assert restored.snapshot() == image
    assert restored.state() == engine.state()
    assert restored.state_hash() == engine.state_hash()
    assert restored.next_due_ns == engine.next_due_ns == 8_000
    market.pair.engine = restored
    check(
        """
        sell 3 10 @ 50                   => refused locked_up
        buy 2 1 @ 9 id done              => refused client_order_id_in_use 2
        buy 2 1 @ 9 id open              => refused client_order_id_in_use 1
        level 2 usdc 0 to 10000 requested 30 => nothing
        compose 2 1 1 2 ejected 1 hash c => applied
        final 1 hash a                   => failed 1 buyer_frozen, applied
        final 2 hash c                   => failed 2 token_paused, applied
        open 7 9                         => account 6, ready 6 usdc 2
        at 9000                          => permission 5 ended, closed 1 expired 5
        """,
        market,
    )


@pytest.mark.parametrize("engine", [Exchange, CoreExchange])
def test_a_position_below_zero_is_kept(engine: type[Exchange | CoreExchange]) -> None:
    """Only a chain that settles what it said was gone makes one; what the owner has otherwise makes up for it."""
    market = check("""
        position 4 -100 to 0 => nothing
        sell 4 5 @ 50        => accepted 1 rests 5 held 5
        buy 2 5 @ 50         => accepted 2, trade 1 by 2 5 @ 50 filled
        compose 1 1 0 1      => applied
        final 1              => settled 1, applied
        funds 4 lots all     => free 95 level 95 position_lots -5
    """)
    image = market.pair.engine.snapshot()
    assert engine.restore(image).snapshot() == image


def test_every_cut_and_every_addition_is_refused() -> None:
    image = busy().pair.engine.snapshot()
    for size in range(len(image)):
        with pytest.raises(ValueError, match="snapshot"):
            Exchange.restore(image[:size])
    with pytest.raises(ValueError, match="longer than its rows"):
        Exchange.restore(image + b"\0")


def test_another_version_is_refused() -> None:
    image = bytearray(Exchange().snapshot())
    image[7] ^= 1
    with pytest.raises(ValueError, match="no snapshot of this version"):
        Exchange.restore(bytes(image))


def test_the_state_is_complete_and_in_order() -> None:
    state = busy().pair.engine.state()
    assert [order.order_id for order in state.orders] == [1, 3]
    assert state.orders[0] == t.OpenOrder(1, 2, 1, 0, 1, 4, 10, 5, 5, 0, 9_000, 0, 1_000, b"open", 1)
    assert [account.account for account in state.accounts] == [1, 2, 3, 4, 5]
    assert [(each.account, each.valid_until_ns) for each in state.permissions][2:] == [(4, 1_000), (5, 8_000)]
    assert [each.locked_lots for each in state.permissions] == [0, 86, 0, 0]
    assert (state.last_composed_trade_id, state.last_final_trade_id, state.last_final_batch_id) == (1, 0, 0)
    assert state.instruments[0].last_price_ticks == 50
    balances = [(each.account, each.instrument) for each in state.balances]
    assert balances == sorted(balances)
