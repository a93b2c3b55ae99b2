"""How orders meet: price, then time, at the resting order's price; and what each type does with the rest."""

from __future__ import annotations

from tests.engine.script import check


def test_at_one_price_the_earlier_order_fills_first() -> None:
    check("""
        sell 2 5 @ 50  => accepted 1 rests 5 held 5
        sell 3 5 @ 50  => accepted 2 rests 5 held 5
        buy 4 7 @ 50   => accepted 3, trade 1 by 3 5 @ 50 filled, trade 2 by 3 2 @ 50
        cancel 3 2     => closed 2 cancelled 3
    """)


def test_the_better_price_fills_first_and_the_resting_price_counts() -> None:
    check("""
        sell 2 1 @ 52  => accepted 1 rests 1 held 1
        sell 2 1 @ 50  => accepted 2 rests 1 held 1
        sell 2 1 @ 51  => accepted 3 rests 1 held 1
        buy 4 9 @ 51   => accepted 4 rests 7 held 357, trade 2 by 4 1 @ 50 filled, trade 3 by 4 1 @ 51 filled
        funds 4 usdc   => free 9542 held 357 owed_out 101
        buy 3 1 @ 50   => accepted 5 rests 1 held 50
        buy 3 1 @ 49   => accepted 6 rests 1 held 49
        sell 2 9 @ 49  => accepted 7, trade 4 by 7 7 @ 51 filled, trade 5 by 7 1 @ 50 filled, trade 6 by 7 1 @ 49 filled
    """)


def test_one_tick_apart_nothing_meets() -> None:
    check("""
        sell 2 1 @ 51  => accepted 1 rests 1 held 1
        buy 3 1 @ 50   => accepted 2 rests 1 held 50
        sell 2 1 @ 51  => accepted 3 rests 1 held 1
        buy 3 1 @ 50   => accepted 4 rests 1 held 50
    """)


def test_ioc_closes_what_does_not_trade_at_once() -> None:
    check("""
        buy 2 1 @ 50 ioc   => accepted 1, closed 1 ioc_remainder 1
        sell 3 2 @ 50      => accepted 2 rests 2 held 2
        buy 2 5 @ 50 ioc   => accepted 3, trade 2 by 3 2 @ 50 filled, closed 3 ioc_remainder 3
        sell 3 2 @ 50      => accepted 4 rests 2 held 2
        buy 2 2 @ 50 ioc   => accepted 5, trade 4 by 5 2 @ 50 filled
        funds 2 usdc       => free 9800 owed_out 200
    """)


def test_fok_trades_all_of_it_or_nothing() -> None:
    check("""
        sell 3 2 @ 50      => accepted 1 rests 2 held 2
        sell 3 2 @ 51      => accepted 2 rests 2 held 2
        buy 2 4 @ 50 fok   => accepted 3, closed 3 fok_unfilled 4
        buy 2 5 @ 51 fok   => accepted 4, closed 4 fok_unfilled 5
        buy 2 3 @ 51 fok   => accepted 5, trade 1 by 5 2 @ 50 filled, trade 2 by 5 1 @ 51
        buy 2 1 @ 49 fok   => accepted 6, closed 6 fok_unfilled 1
        sell 3 1 @ 60 fok  => accepted 7, closed 7 fok_unfilled 1
    """)


def test_post_only_rests_or_is_refused() -> None:
    check("""
        sell 3 2 @ 50        => accepted 1 rests 2 held 2
        buy 2 1 @ 50 post    => refused post_only_would_take
        buy 2 1 @ 49 post    => accepted 2 rests 1 held 49
        sell 3 1 @ 49 post   => refused post_only_would_take
        sell 3 1 @ 50 post gtd 2000 => accepted 3 rests 1 held 1
        at 2000              => closed 3 expired 1
    """)


def test_gtd_rests_until_its_time() -> None:
    check("""
        buy 2 2 @ 50 gtd 2000 => accepted 1 rests 2 held 100
        at 1999               => nothing
        sell 3 1 @ 50         => accepted 2, trade 1 by 2 1 @ 50
        at 2000               => closed 1 expired 1
        funds 2 usdc          => free 9950 owed_out 50
    """)


def test_a_command_first_expires_what_its_time_makes_due() -> None:
    market = check("""
        sell 3 1 @ 50 gtd 2000 => accepted 1 rests 1 held 1
        sell 3 1 @ 51 gtd 1500 => accepted 2 rests 1 held 1
        sell 3 1 @ 52 gtd 1500 => accepted 3 rests 1 held 1
        permit 4 both until 1500 => applied
        buy 4 1 @ 10 gtd 1500  => accepted 4 rests 1 held 10
        buy 4 1 @ 10 gtd 2000  => accepted 5 rests 1 held 10
        sell 2 1 @ 53          => accepted 6 rests 1 held 1
    """)
    market.pair.time_ns = 2_000  # by due time, orders before permissions, then by number
    check(
        "buy 5 1 @ 53 => closed 2 expired 1, closed 3 expired 1, closed 4 expired 1, permission 4 ended,"
        " closed 5 permission_lost 1, closed 1 expired 1, accepted 7, trade 6 by 7 1 @ 53 filled",
        market,
    )


# -- market orders


def test_a_market_order_takes_up_to_its_collar() -> None:
    check("""
        sell 3 1 @ 50      => accepted 1 rests 1 held 1
        sell 3 1 @ 55      => accepted 2 rests 1 held 1
        sell 3 1 @ 56      => accepted 3 rests 1 held 1
        buy 2 3 market     => accepted 4, trade 1 by 4 1 @ 50 filled, trade 2 by 4 1 @ 55 filled,
                              closed 4 ioc_remainder 1
        buy 2 1 market     => accepted 5, trade 3 by 5 1 @ 56 filled
        buy 2 1 market     => accepted 6, closed 6 no_liquidity 1
        buy 3 1 @ 51       => accepted 7 rests 1 held 51
        buy 3 1 @ 46       => accepted 8 rests 1 held 46
        buy 3 1 @ 45       => accepted 9 rests 1 held 45
        sell 2 3 market    => accepted 10, trade 7 by 10 1 @ 51 filled, trade 8 by 10 1 @ 46 filled,
                              closed 10 ioc_remainder 1
    """)


def test_the_collar_keeps_within_the_price_limits() -> None:
    check("""
        sell 3 1 @ 1000                => accepted 1 rests 1 held 1
        buy 2 1 market                 => accepted 2, trade 1 by 2 1 @ 1000 filled
        terms market_collar_bps 9999   => applied
        buy 3 1 @ 1                    => accepted 3 rests 1 held 1
        sell 2 1 market                => accepted 4, trade 3 by 4 1 @ 1 filled
        sell 3 1 @ 900                 => accepted 5 rests 1 held 1
        terms price_ticks_max 800      => applied      # the limit was lowered under a resting order
        buy 2 1 market                 => accepted 6, closed 6 no_liquidity 1
    """)


def test_a_market_buy_by_quote_spends_at_most_that_much_before_fees() -> None:
    check("""
        fees 0 100             => applied
        sell 3 1 @ 50          => accepted 1 rests 1 held 1
        sell 3 9 @ 52          => accepted 2 rests 9 held 9
        buy 2 usdc 200 market  => accepted 3, trade 1 by 3 1 @ 50 filled, trade 2 by 3 2 @ 52 fees 0 1,
                                  closed 3 ioc_remainder 0
        funds 2 usdc           => free 9845 owed_out 155
        buy 2 usdc 52 market   => accepted 4, trade 2 by 4 1 @ 52, closed 4 ioc_remainder 0
        buy 2 usdc 51 market   => refused notional_too_small
    """)


def test_a_market_sell_by_quote_raises_at_most_that_much() -> None:
    check("""
        buy 3 1 @ 50           => accepted 1 rests 1 held 50
        buy 3 9 @ 48           => accepted 2 rests 9 held 432
        sell 2 usdc 150 market => accepted 3, trade 1 by 3 1 @ 50 filled, trade 2 by 3 2 @ 48, closed 3 ioc_remainder 0
        funds 2 lots           => free 97 owed_out 3
        buy 3 1 @ 60           => accepted 4 rests 1 held 60
        sell 2 usdc 55 market  => accepted 5, closed 5 no_liquidity 0      # pays a lot at the collar, none at the best
        sell 2 usdc 53 market  => refused notional_too_small               # the collar is 54
    """)


def test_a_market_order_by_quote_is_bounded_by_the_largest_quantity() -> None:
    check("""
        terms qty_lots_max 5    => applied
        sell 3 5 @ 50           => accepted 1 rests 5 held 5
        sell 3 5 @ 50           => accepted 2 rests 5 held 5
        buy 2 usdc 500 market   => accepted 3, trade 1 by 3 5 @ 50 filled, closed 3 ioc_remainder 0
    """)


def test_a_market_buy_by_quote_must_have_the_quote_and_its_fee() -> None:
    check("""
        fees 0 100                => applied
        sell 3 100 @ 100          => accepted 1 rests 100 held 100
        buy 2 usdc 9901 market    => refused insufficient_cash         # 9901 + 99.01
        buy 2 usdc 9900 market    => accepted 2, trade 1 by 2 99 @ 100 fees 0 99, closed 2 ioc_remainder 0
        funds 2 usdc              => free 1 owed_out 9999
    """)


# -- self-trade prevention: accounts 4 and 5 have one owner


def test_without_prevention_an_owner_trades_with_themself() -> None:
    check("""
        sell 4 1 @ 50  => accepted 1 rests 1 held 1
        buy 5 1 @ 50   => accepted 2, trade 1 by 2 1 @ 50 filled
    """)


def test_expire_taker_closes_what_is_left_of_the_incoming_order() -> None:
    check("""
        sell 3 1 @ 50            => accepted 1 rests 1 held 1
        sell 4 1 @ 50            => accepted 2 rests 1 held 1
        buy 5 5 @ 51 stp taker   => accepted 3, trade 1 by 3 1 @ 50 filled, closed 3 self_trade 4
        buy 5 1 market stp taker => accepted 4, closed 4 self_trade 1
        buy 5 usdc 90 market stp taker => accepted 5, closed 5 self_trade 0
        cancel 4 2               => closed 2 cancelled 1
    """)


def test_expire_maker_closes_the_resting_order_and_goes_on() -> None:
    check("""
        sell 4 1 @ 50            => accepted 1 rests 1 held 1
        sell 3 1 @ 50            => accepted 2 rests 1 held 1
        buy 5 1 @ 50 stp maker   => accepted 3, closed 1 self_trade 1, trade 2 by 3 1 @ 50 filled
        sell 4 1 @ 50            => accepted 4 rests 1 held 1
        buy 5 1 market stp maker => accepted 5, closed 4 self_trade 1, closed 5 no_liquidity 1
    """)


def test_expire_both_closes_the_resting_order_first() -> None:
    check("""
        sell 4 1 @ 50           => accepted 1 rests 1 held 1
        sell 4 1 @ 51           => accepted 2 rests 1 held 1
        buy 5 5 @ 51 stp both   => accepted 3, closed 1 self_trade 1, closed 3 self_trade 5
        cancel 4 2              => closed 2 cancelled 1
    """)


def test_only_the_incoming_orders_mode_counts() -> None:
    check("""
        sell 4 1 @ 50 stp both  => accepted 1 rests 1 held 1
        buy 5 1 @ 50            => accepted 2, trade 1 by 2 1 @ 50 filled
    """)


def test_fok_counts_what_it_could_really_take() -> None:
    check("""
        sell 3 2 @ 50                => accepted 1 rests 2 held 2
        sell 4 2 @ 51                => accepted 2 rests 2 held 2
        sell 3 2 @ 52                => accepted 3 rests 2 held 2
        buy 5 3 @ 52 fok stp taker   => accepted 4, closed 4 fok_unfilled 3   # only 2 stand before its own
        buy 5 3 @ 52 fok stp both    => accepted 5, closed 5 fok_unfilled 3
        buy 5 5 @ 52 fok stp maker   => accepted 6, closed 6 fok_unfilled 5   # nothing is closed by it
        buy 5 4 @ 52 fok stp maker   => accepted 7, trade 1 by 7 2 @ 50 filled, closed 2 self_trade 2,
                                        trade 3 by 7 2 @ 52 filled
    """)


def test_an_own_order_that_could_not_trade_is_left_alone() -> None:
    check("""
        sell 3 1 @ 50                   => accepted 1 rests 1 held 1
        sell 4 1 @ 55                   => accepted 2 rests 1 held 1
        buy 5 usdc 104 market stp maker => accepted 3, trade 1 by 3 1 @ 50 filled, closed 3 ioc_remainder 0
        cancel 4 2                      => closed 2 cancelled 1
    """)


# -- money


def test_fees_are_floored_by_fill_and_go_to_the_fee_account() -> None:
    check("""
        fees 15 40     => applied
        sell 3 2 @ 500 => accepted 1 rests 2 held 2
        buy 2 1 @ 500  => accepted 2, trade 1 by 2 1 @ 500 fees 0 2
        buy 2 1 @ 500  => accepted 3, trade 1 by 3 1 @ 500 fees 0 2 filled
        funds 2 usdc   => free 8996 owed_out 1004
        funds 3 usdc   => free 10000 owed_in 1000
        funds 1 usdc   => owed_in 4
    """)


def test_an_order_keeps_the_maker_rate_it_was_accepted_with() -> None:
    check("""
        fees 100 0     => applied
        sell 3 2 @ 500 => accepted 1 rests 2 held 2
        fees 0 200     => applied
        buy 2 1 @ 500  => accepted 2, trade 1 by 2 1 @ 500 fees 5 10
    """)


def test_without_resale_a_fill_is_owed_and_unusable() -> None:
    check("""
        sell 2 100 @ 50 => accepted 1 rests 100 held 100
        buy 3 100 @ 50  => accepted 2, trade 1 by 2 100 @ 50 filled
        funds 3 lots    => free 100 owed_in 100
        funds 2 usdc    => free 10000 owed_in 5000
        sell 3 101 @ 60 => refused insufficient_tokens
        buy 2 201 @ 50  => refused insufficient_cash
    """)


def test_with_resale_a_fill_is_usable_at_once() -> None:
    check("""
        fees 0 100      => applied
        terms resale 1  => applied
        sell 2 100 @ 50 => accepted 1 rests 100 held 100
        buy 3 100 @ 50  => accepted 2, trade 1 by 2 100 @ 50 fees 0 50 filled
        funds 3 lots    => free 200 owed_in 100 advanced 100
        funds 2 usdc    => free 15000 owed_in 5000 advanced 5000
        funds 1 usdc    => owed_in 50                       # fees are never advanced
        sell 3 200 @ 60 => accepted 3 rests 200 held 200
        buy 2 200 @ 60  => accepted 4, trade 3 by 4 200 @ 60 fees 0 120 filled
        funds 2 usdc    => free 2880 owed_in 5000 owed_out 12120 advanced 5000
    """)


def test_resale_is_the_instruments_at_the_time_of_the_trade() -> None:
    check("""
        terms resale 1      => applied
        sell 2 10 @ 50      => accepted 1 rests 10 held 10
        buy 3 5 @ 50        => accepted 2, trade 1 by 2 5 @ 50
        terms resale 0      => applied
        buy 3 5 @ 50        => accepted 3, trade 1 by 3 5 @ 50 filled
        funds 3 lots        => free 105 owed_in 10 advanced 5
        compose 1 1 0 2     => applied
        final 1             => settled 1, settled 2, applied
        funds 3 lots all    => free 110 level 110 position_lots 110
        funds 2 usdc all    => free 10500 level 10500
    """)


def test_an_account_may_trade_with_itself_and_the_fee_account_may_trade() -> None:
    check("""
        fees 100 100    => applied
        permit 1 both   => applied
        level 1 usdc 1000 to 1000 => nothing
        sell 2 5 @ 100  => accepted 1 rests 5 held 5
        buy 1 5 @ 100   => accepted 2, trade 1 by 2 5 @ 100 fees 5 5 filled
        funds 1 usdc    => free 495 owed_in 10 owed_out 505
        sell 2 1 @ 100  => accepted 3 rests 1 held 1
        buy 2 1 @ 100   => accepted 4, trade 3 by 4 1 @ 100 fees 1 1 filled
        funds 2 usdc    => free 9899 owed_in 594 owed_out 101
        funds 2 lots    => free 94 owed_in 1 owed_out 6
    """)
