"""Kill switches, and limits of orders and positions; docs/rules.md, "Kill switches and limits"."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.exchange import Exchange
from tests.engine.script import check


@pytest.mark.parametrize("scope", ["account 2", "account 2 in 1", "in 1", ""])
def test_a_kill_switch_closes_what_is_open_and_refuses_what_comes_until_it_is_off(scope: str) -> None:
    others_too = "account" not in scope
    market = check(
        f"""
        buy 2 5 @ 50      => accepted 1 rests 5 held 250
        sell 2 5 @ 60     => accepted 2 rests 5 held 5
        buy 3 5 @ 40      => accepted 3 rests 5 held 200
        kill {scope}      => kill switch on, closed 1 kill_switch 5, closed 2 kill_switch 5{
            ", closed 3 kill_switch 5" if others_too else ""
        }
        buy 2 5 @ 50      => refused killed
        buy 2 5 market  => refused killed
        cancel-all 2      => applied
        """
    )
    image = market.pair.engine.snapshot()
    assert Exchange.restore(image).snapshot() == image
    check(f"buy 3 1 @ 40 => {'refused killed' if others_too else 'accepted 4 rests 1 held 40'}", market)
    check(f"release {scope} => kill switch off", market)
    check(f"sell 2 5 @ 60 => accepted {4 if others_too else 5} rests 5 held 5", market)


def test_each_scope_is_its_own_switch_and_a_halt_holds_none_of_them_up() -> None:
    check(
        """
        buy 2 5 @ 50        => accepted 1 rests 5 held 250
        phase halt          => phase halt in 1
        kill account 2      => kill switch on, closed 1 kill_switch 5
        kill in 1           => kill switch on
        phase continuous    => phase continuous in 1
        release account 2   => kill switch off
        release account 3   => kill switch off
        buy 2 5 @ 50        => refused killed
        release in 1        => kill switch off
        buy 2 5 @ 50        => accepted 2 rests 5 held 250
        kill in 9           => refused unknown_instrument
        kill account 9      => refused unknown_account
        """
    ).pair.apply(t.KillSwitch(2, 1, 2))


def test_one_order_is_worth_at_most_its_limit() -> None:
    check(
        """
        limit order 500           => applied
        buy 2 10 @ 50             => accepted 1 rests 10 held 500
        sell 3 11 @ 50            => refused order_limit
        limit account 3 order 550 => applied
        sell 3 11 @ 50            => accepted 2 rests 1 held 1, trade 1 by 2 10 @ 50 filled
        cancel 3 2                => closed 2 cancelled 1
        sell 4 8 @ 70             => refused order_limit
        sell 4 7 @ 70             => accepted 3 rests 7 held 7
        buy 2 8 market            => refused order_limit
        buy 2 usdc 501 market     => refused order_limit
        buy 2 usdc 70 market      => accepted 4, trade 3 by 4 1 @ 70, closed 4 ioc_remainder 0
        limit                     => applied
        buy 2 50 @ 50             => accepted 5 rests 50 held 2500
        """
    )


def test_a_position_with_what_is_owed_and_asked_for_stays_within_its_limit() -> None:
    check(
        """
        limit account 2 position 120  => applied
        sell 3 5 @ 50                 => accepted 1 rests 5 held 5
        buy 2 15 @ 50                 => accepted 2 rests 10 held 500, trade 1 by 2 5 @ 50 filled
        buy 2 6 @ 40                  => refused position_limit
        buy 2 5 @ 40                  => accepted 3 rests 5 held 200
        sell 2 100 @ 90               => accepted 4 rests 100 held 100
        sell 3 1 @ 60                 => accepted 5 rests 1 held 1
        buy 2 1 market              => refused position_limit
        buy 4 1 market                => accepted 6, trade 5 by 6 1 @ 60 filled
        """
    )


def test_open_orders_are_limited_by_account_then_by_instrument_then_by_its_terms() -> None:
    check(
        """
        limit orders 1                => applied
        limit account 2 orders 2      => applied
        buy 2 1 @ 50                  => accepted 1 rests 1 held 50
        buy 2 1 @ 50                  => accepted 2 rests 1 held 50
        buy 2 1 @ 50                  => refused too_many_orders
        buy 3 1 @ 50                  => accepted 3 rests 1 held 50
        buy 3 1 @ 50                  => refused too_many_orders
        limit                         => applied
        buy 3 1 @ 50                  => accepted 4 rests 1 held 50
        """
    )


def test_limits_that_cannot_be_are_refused() -> None:
    check(
        """
        limit order -1          => refused value_out_of_range
        limit account 9 order 1 => refused unknown_account
        limit order 1 in 0      => refused unknown_instrument
        limit order 1 in 7      => refused unknown_instrument
        """
    )
