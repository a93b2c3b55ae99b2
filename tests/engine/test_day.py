"""TimeInForce.DAY: an order rests, or a stop waits, until the command that ends the day."""

from __future__ import annotations

from engine import types as t
from tests.engine.script import check


def test_a_day_order_trades_and_rests_until_the_day_ends() -> None:
    check(
        """
        buy 2 5 @ 50 day                 => accepted 1 rests 5 held 250
        sell 3 2 @ 50                    => accepted 2, trade 1 by 2 2 @ 50
        buy 2 1 @ 49                     => accepted 3 rests 1 held 49
        sell 3 4 @ 60 day post           => accepted 4 rests 4 held 4
        phase cancel_only                => phase cancel_only in 1
        phase cancel_only ends-day       => phase cancel_only in 1, closed 1 expired 3, closed 4 expired 4
        funds 2 usdc                     => free 9851 held 49 owed_out 100
        phase cancel_only ends-day in 0  => phase cancel_only in 0
        """
    ).pair.check_state()


def test_a_day_order_takes_part_in_a_call_and_in_the_uncross_that_ends_the_day() -> None:
    check(
        """
        phase closing_call               => phase closing_call in 1
        buy 2 5 @ 50 day                 => accepted 1 rests 5 held 250
        sell 3 2 @ 40 day                => accepted 2 rests 2 held 2
        phase limit_only ends-day        => auction 2 @ 40 left 3, trade 1 by 2 2 @ 40 called done,
                                            phase limit_only in 1, closed 1 expired 3
        """
    ).pair.check_state()


def test_a_venue_s_day_ends_in_every_instrument() -> None:
    market = check(
        """
        buy 2 5 @ 50 day                 => accepted 1 rests 5 held 250
        phase halt ends-day in 0         => phase halt in 0, closed 1 expired 5
        phase halt ends-day in 9         => refused unknown_instrument
        """
    )
    (refused,) = market.pair.apply(t.SetPhase(1, 0, ends_day=2))
    assert refused == t.Rejected(0, 1, t.Reason.VALUE_OUT_OF_RANGE)


TRADED_AT_50 = """
        buy 4 1 @ 50                     => accepted 1 rests 1 held 50
        sell 5 1 @ 50                    => accepted 2, trade 1 by 2 1 @ 50 filled
"""


def test_a_day_stop_that_waits_closes_with_the_day_and_another_stays() -> None:
    market = check(
        TRADED_AT_50
        + """
        buy 2 1 @ 60 day stop 55         => accepted 3 waits held 60
        buy 2 1 @ 60 stop 56             => accepted 4 waits held 60
        sell 3 2 @ 40 day stop 45        => accepted 5 waits held 2
        buy 4 1 @ 44 day                 => accepted 6 rests 1 held 44
        phase cancel_only ends-day       => phase cancel_only in 1, closed 3 expired 1, closed 5 expired 2,
                                            closed 6 expired 1
        funds 2 usdc                     => free 9940 held 60
        funds 3 lots                     => free 100
        """
    )
    assert [order.order_id for order in market.pair.engine.state().orders] == [4]
    market.pair.check_state()


def test_a_day_stop_that_was_triggered_closes_as_the_younger_order_that_it_is() -> None:
    check(
        TRADED_AT_50
        + """
        buy 2 1 @ 60 day stop 55         => accepted 3 waits held 60
        buy 5 1 @ 40 day                 => accepted 4 rests 1 held 40
        sell 3 1 @ 55                    => accepted 5 rests 1 held 1
        buy 4 1 @ 55                     => accepted 6, trade 5 by 6 1 @ 55 filled, triggered 3 rests 1 held 60
        phase halt ends-day in 0         => phase halt in 0, closed 4 expired 1, closed 3 expired 1
        """
    ).pair.check_state()


def test_an_uncross_that_ends_the_day_triggers_no_day_stop() -> None:
    check(
        TRADED_AT_50
        + """
        buy 2 1 @ 60 day stop 55         => accepted 3 waits held 60
        buy 2 1 @ 60 stop 55             => accepted 4 waits held 60
        phase closing_call               => phase closing_call in 1
        buy 4 1 @ 56                     => accepted 5 rests 1 held 56
        sell 5 1 @ 56                    => accepted 6 rests 1 held 1
        phase limit_only ends-day        => auction 1 @ 56 left 0, trade 5 by 6 1 @ 56 filled called done,
                                            phase limit_only in 1, closed 3 expired 1, triggered 4 rests 1 held 60
        """
    ).pair.check_state()
