"""SelfTrade.DECREMENT: what would have traded makes both orders smaller. Accounts 4 and 5 are one owner's."""

from __future__ import annotations

from tests.engine.script import check


def test_the_larger_resting_order_stays_where_it_is_with_less() -> None:
    check(
        """
        sell 4 10 @ 50                 => accepted 1 rests 10 held 10
        sell 3 5 @ 50                  => accepted 2 rests 5 held 5
        buy 5 4 @ 50 stp decrement     => accepted 3, prevented 1 by 3 4 @ 50 rests 6 of 6, closed 3 self_trade 0
        funds 4 lots                   => free 94 held 6
        funds 5 usdc                   => free 10000
        buy 2 7 @ 50                   => accepted 4, trade 1 by 4 6 @ 50 filled, trade 2 by 4 1 @ 50
        """
    )


def test_the_larger_incoming_order_goes_on_with_less() -> None:
    check(
        """
        sell 4 3 @ 50                  => accepted 1 rests 3 held 3
        sell 3 5 @ 51                  => accepted 2 rests 5 held 5
        buy 4 10 @ 51 stp decrement    => accepted 3 rests 2 held 102, prevented 1 by 3 3 @ 50, closed 1 self_trade 3,
                                          trade 2 by 3 5 @ 51 filled
        amend 4 3 to 7                 => refused qty_not_reduced
        amend 4 3 to 6                 => amended 3 to 6 rests 1
        """
    )


def test_equal_orders_are_both_gone() -> None:
    check(
        """
        buy 4 5 @ 50                        => accepted 1 rests 5 held 250
        sell 5 5 @ 50 ioc stp decrement     => accepted 2, prevented 1 by 2 5 @ 50, closed 1 self_trade 5,
                                               closed 2 self_trade 0
        funds 4 usdc                        => free 10000
        """
    )


def test_a_market_order_counts_what_was_prevented_as_spent() -> None:
    check(
        """
        sell 4 2 @ 50                       => accepted 1 rests 2 held 2
        sell 3 9 @ 50                       => accepted 2 rests 9 held 9
        buy 4 usdc 250 market stp decrement => accepted 3, prevented 1 by 3 2 @ 50, closed 1 self_trade 2,
                                               trade 2 by 3 3 @ 50, closed 3 ioc_remainder 0
        sell 4 2 @ 49                       => accepted 4 rests 2 held 2
        buy 4 2 market stp decrement        => accepted 5, prevented 4 by 5 2 @ 49, closed 4 self_trade 2,
                                               closed 5 self_trade 0
        """
    )


def test_a_buyer_s_cap_is_free_again_for_what_was_prevented() -> None:
    market = check(
        """
        terms ownership_cap_lots 210        => applied
        sell 4 10 @ 50                      => accepted 1 rests 10 held 10
        buy 5 10 @ 50 stp decrement         => accepted 2, prevented 1 by 2 10 @ 50, closed 1 self_trade 10,
                                               closed 2 self_trade 0
        buy 5 10 @ 40                       => accepted 3 rests 10 held 400
        sell 4 4 @ 40 stp decrement         => accepted 4, prevented 3 by 4 4 @ 40 rests 6 of 6, closed 4 self_trade 0
        buy 5 4 @ 40                        => accepted 5 rests 4 held 160
        buy 5 1 @ 40                        => refused ownership_cap
        """
    )
    market.pair.check_state()


def test_an_order_that_must_fill_whole_does_not_where_it_would_get_smaller() -> None:
    check(
        """
        sell 3 5 @ 49                   => accepted 1 rests 5 held 5
        sell 4 5 @ 50                   => accepted 2 rests 5 held 5
        buy 4 6 @ 50 fok stp decrement  => accepted 3, closed 3 fok_unfilled 6
        buy 4 5 @ 50 fok stp decrement  => accepted 4, trade 1 by 4 5 @ 49 filled
        """
    )


def test_what_comes_into_a_call_is_decremented_at_once_with_the_oldest_first() -> None:
    check(
        """
        phase opening_call               => phase opening_call in 1
        sell 4 3 @ 40                    => accepted 1 rests 3 held 3
        sell 5 4 @ 30                    => accepted 2 rests 4 held 4
        sell 4 9 @ 60                    => accepted 3 rests 9 held 9
        buy 5 5 @ 50 stp decrement       => accepted 4, prevented 1 by 4 3 @ 40, closed 1 self_trade 3,
                                            prevented 2 by 4 2 @ 30 rests 2 of 2, closed 4 self_trade 0
        buy 4 6 @ 50 stp decrement       => accepted 5 rests 4 held 200, prevented 2 by 5 2 @ 30, closed 2 self_trade 2
        funds 5 usdc                     => free 10000
        funds 4 usdc                     => free 9800 held 200
        phase continuous                 => auction nothing, phase continuous in 1
        """
    ).pair.check_state()


def test_the_rest_of_an_order_that_reached_the_band_is_decremented_as_it_comes_into_the_call() -> None:
    check(
        """
        bands 50 0 1000 100              => applied
        sell 3 2 @ 50                    => accepted 1 rests 2 held 2
        sell 4 3 @ 60                    => accepted 2 rests 3 held 3
        buy 5 10 @ 60 stp decrement      => accepted 3 rests 5 held 300, trade 1 by 3 2 @ 50 filled,
                                            prevented 2 by 3 3 @ 60, closed 2 self_trade 3,
                                            phase volatility_call in 1 until 1100
        """
    ).pair.check_state()
