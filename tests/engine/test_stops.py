"""Orders that wait for a price: what they hold, when they come to the market, and how they leave before that."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.exchange import Exchange
from tests.engine.script import Market, check

TRADED_AT_50 = """
        buy 4 1 @ 50                  => accepted 1 rests 1 held 50
        sell 5 1 @ 50                 => accepted 2, trade 1 by 2 1 @ 50 filled
"""


def traded() -> Market:
    return check(TRADED_AT_50)


def test_a_stop_waits_outside_the_book_and_holds_at_its_collar() -> None:
    market = check(
        """
        buy 2 3 market ioc stop 60    => accepted 3 waits held 198
        funds 2 usdc                  => free 9802 held 198
        sell 3 4 market stop 41       => accepted 4 waits held 4
        buy 4 1 market                => accepted 5, closed 5 no_liquidity 1
        """,
        traded(),
    )
    waiting = market.pair.engine.state().orders
    assert [(order.order_id, order.price_ticks, order.stop_ticks, order.rank) for order in waiting] == [
        (3, 66, 60, 3),
        (4, 37, 41, 4),
    ]


def test_a_trade_at_its_price_or_beyond_triggers_it_in_the_same_command() -> None:
    check(
        """
        buy 2 2 @ 56 stop 52          => accepted 3 waits held 112
        sell 3 1 @ 51                 => accepted 4 rests 1 held 1
        sell 3 1 @ 53                 => accepted 5 rests 1 held 1
        sell 3 1 @ 55                 => accepted 6 rests 1 held 1
        buy 4 1 @ 51                  => accepted 7, trade 4 by 7 1 @ 51 filled
        buy 4 1 @ 53                  => accepted 8, trade 5 by 8 1 @ 53 filled,
                                         triggered 3 rests 1 held 56, trade 6 by 3 1 @ 55 filled
        funds 2 usdc                  => free 9889 held 56 owed_out 55
        """,
        traded(),
    )


@pytest.mark.parametrize("side", ["buy 2 1 market stop 50", "sell 3 1 market stop 50", "sell 3 1 market take 50"])
def test_a_stop_whose_price_is_reached_already_is_refused(side: str) -> None:
    check(f"{side} => refused stop_would_trigger", traded())


def test_a_take_profit_waits_for_the_other_direction() -> None:
    check(
        """
        buy 2 1 market take 45        => accepted 3 waits held 49
        sell 3 1 @ 54 take 55         => accepted 4 waits held 1
        buy 2 1 @ 50 take 50          => refused stop_would_trigger
        buy 4 1 @ 45                  => accepted 5 rests 1 held 45
        sell 5 2 @ 45                 => accepted 6 rests 1 held 1, trade 5 by 6 1 @ 45 filled,
                                         triggered 3, trade 6 by 3 1 @ 45 filled
        """,
        traded(),
    )


def test_before_the_first_trade_any_stop_waits_and_risen_ones_come_first() -> None:
    check("""
        sell 3 1 @ 5 stop 60          => accepted 1 waits held 1
        buy 2 1 @ 70 stop 40          => accepted 2 waits held 70
        buy 4 1 @ 50                  => accepted 3 rests 1 held 50
        sell 5 1 @ 50                 => accepted 4, trade 3 by 4 1 @ 50 filled, triggered 2 rests 1 held 70,
                                         triggered 1, trade 2 by 1 1 @ 70 filled
    """)


def test_the_price_that_is_reached_first_goes_first_and_of_one_price_the_oldest() -> None:
    check(
        """
        buy 2 1 market stop 54        => accepted 3 waits held 59
        buy 2 1 market stop 53        => accepted 4 waits held 58
        buy 4 1 market stop 53        => accepted 5 waits held 58
        sell 3 4 @ 55                 => accepted 6 rests 4 held 4
        buy 5 1 @ 55                  => accepted 7, trade 6 by 7 1 @ 55,
                                         triggered 4, trade 6 by 4 1 @ 55,
                                         triggered 5, trade 6 by 5 1 @ 55,
                                         triggered 3, trade 6 by 3 1 @ 55 filled
        """,
        traded(),
    )


def test_one_stop_may_reach_the_next() -> None:
    check(
        """
        sell 2 1 @ 40 stop 48         => accepted 3 waits held 1
        sell 3 1 @ 40 stop 45         => accepted 4 waits held 1
        buy 4 1 @ 48                  => accepted 5 rests 1 held 48
        buy 4 1 @ 44                  => accepted 6 rests 1 held 44
        buy 4 1 @ 43                  => accepted 7 rests 1 held 43
        sell 5 1 @ 48                 => accepted 8, trade 5 by 8 1 @ 48 filled,
                                         triggered 3, trade 6 by 3 1 @ 44 filled,
                                         triggered 4, trade 7 by 4 1 @ 43 filled
        """,
        traded(),
    )


def test_it_comes_behind_those_that_rest_at_its_price_also_after_a_restart() -> None:
    market = check(
        """
        buy 2 1 @ 60 stop 55          => accepted 3 waits held 60
        buy 4 1 @ 55                  => accepted 4 rests 1 held 55
        buy 5 1 @ 54                  => accepted 5 rests 1 held 54
        sell 3 1 @ 55                 => accepted 6, trade 4 by 6 1 @ 55 filled, triggered 3 rests 1 held 60
        buy 5 1 @ 60                  => accepted 8 rests 1 held 60
        cancel 5 7                    => refused order_not_found
        """,
        traded(),
    )
    image = market.pair.engine.snapshot()
    market.pair.engine = Exchange.restore(image)
    assert market.pair.engine.snapshot() == image
    assert [(order.order_id, order.rank) for order in market.pair.engine.state().orders] == [(5, 5), (3, 7), (8, 8)]
    check(
        "sell 3 3 @ 54 => accepted 9, trade 3 by 9 1 @ 60 filled, trade 8 by 9 1 @ 60 filled,"
        " trade 5 by 9 1 @ 54 filled",
        market,
    )


def test_without_liquidity_within_its_collar_it_closes() -> None:
    check(
        """
        buy 2 2 market stop 60        => accepted 3 waits held 132
        sell 3 1 @ 60                 => accepted 4 rests 1 held 1
        sell 3 1 @ 66                 => accepted 5 rests 1 held 1
        sell 3 1 @ 67                 => accepted 6 rests 1 held 1
        buy 4 1 @ 60                  => accepted 7, trade 4 by 7 1 @ 60 filled,
                                         triggered 3, trade 5 by 3 1 @ 66 filled, closed 3 ioc_remainder 1
        buy 2 1 market stop 67        => accepted 9 waits held 73
        buy 4 1 @ 67                  => accepted 10, trade 6 by 10 1 @ 67 filled, triggered 9, closed 9 no_liquidity 1
        """,
        traded(),
    )


def test_a_fok_that_cannot_be_filled_closes_when_it_is_triggered() -> None:
    check(
        """
        buy 2 2 @ 60 fok stop 55      => accepted 3 waits held 120
        sell 3 2 @ 55                 => accepted 4 rests 2 held 2
        buy 4 1 @ 55                  => accepted 5, trade 4 by 5 1 @ 55, triggered 3, closed 3 fok_unfilled 2
        """,
        traded(),
    )


def test_it_pays_todays_rates_and_closes_where_it_cannot() -> None:
    check(
        """
        buy 2 100 @ 100 stop 60       => accepted 3 waits held 10000
        buy 5 1 @ 100 stop 60         => accepted 4 waits held 100
        fees 0 100                    => applied
        sell 3 1 @ 60                 => accepted 5 rests 1 held 1
        sell 3 2 @ 100                => accepted 6 rests 2 held 2
        buy 4 1 @ 60                  => accepted 7, trade 5 by 7 1 @ 60 filled,
                                         triggered 3, closed 3 cover_lost 100,
                                         triggered 4, trade 6 by 4 1 @ 100 fees 0 1
        funds 2 usdc                  => free 10000
        """,
        traded(),
    )


def test_a_waiting_stop_is_cancelled_amended_replaced_and_expires() -> None:
    check(
        """
        buy 2 5 @ 60 stop 60 id s     => accepted 3 waits held 300
        amend 2 id s to 2             => amended 3 to 2 rests 2
        funds 2 usdc                  => free 9880 held 120
        replace 2 3 by buy 1 @ 70 gtd 2000 stop 70   => closed 3 cancelled_replaced 2, accepted 4 waits held 70
        buy 2 1 market stop 80        => accepted 5 waits held 88
        cancel 2 5                    => closed 5 cancelled 1
        sell 3 1 market stop 20       => accepted 6 waits held 1
        cancel-all 3                  => closed 6 cancelled 1, applied
        at 2000                       => closed 4 expired 1
        funds 2 usdc                  => free 10000
        """,
        traded(),
    )


def test_what_closes_orders_closes_those_that_wait() -> None:
    check(
        """
        buy 2 1 market stop 60        => accepted 3 waits held 66
        permit 2 sell                 => applied, closed 3 permission_lost 1
        sell 3 1 market stop 20       => accepted 4 waits held 1
        kill account 3                => kill switch on, closed 4 kill_switch 1
        sell 4 100 @ 40 stop 45       => accepted 5 waits held 100
        level 4 lots -100 to 0 requested 0 => closed 5 cover_lost 100
        """,
        traded(),
    )


def test_they_count_for_the_owners_limits() -> None:
    check(
        """
        limit orders 1 position 110   => applied
        sell 2 1 market stop 20       => accepted 3 waits held 1
        sell 2 1 @ 90                 => refused too_many_orders
        sell 2 1 market stop 20       => refused too_many_orders
        buy 3 8 @ 60 stop 60          => accepted 4 waits held 480
        limit position 110            => applied
        buy 3 3 @ 5                   => refused position_limit
        """,
        traded(),
    )


def test_a_call_takes_no_stops_and_those_that_wait_are_triggered_after_it() -> None:
    check(
        """
        sell 2 1 @ 40 stop 45         => accepted 3 waits held 1
        phase opening_call            => phase opening_call in 1
        sell 2 1 @ 40 stop 45         => refused type_not_in_phase
        buy 4 2 @ 44 stp maker        => accepted 4 rests 2 held 88
        sell 5 1 @ 44                 => accepted 5 rests 1 held 1
        phase continuous              => auction 1 @ 44 left 1, trade 4 by 5 1 @ 44 called done, phase continuous in 1,
                                         triggered 3, trade 4 by 3 1 @ 44 filled
        """,
        traded(),
    )


def test_a_call_that_ends_by_time_triggers_before_the_command_at_hand() -> None:
    check(
        """
        sell 2 1 @ 40 stop 45         => accepted 3 waits held 1
        phase opening_call until 2000 => phase opening_call in 1 until 2000
        buy 4 2 @ 44                  => accepted 4 rests 2 held 88
        sell 5 1 @ 44                 => accepted 5 rests 1 held 1
        at 2000                       => auction 1 @ 44 left 1, trade 4 by 5 1 @ 44 called done, phase continuous in 1,
                                         triggered 3, trade 4 by 3 1 @ 44 filled
        """,
        traded(),
    )


def test_own_stops_that_wait_are_not_met_in_a_call() -> None:
    check(
        """
        sell 2 1 @ 40 stop 45         => accepted 3 waits held 1
        phase opening_call            => phase opening_call in 1
        sell 3 1 @ 49                 => accepted 4 rests 1 held 1
        buy 2 1 @ 49 stp both         => accepted 5 rests 1 held 49
        """,
        traded(),
    )


def test_while_a_band_stops_the_market_stops_wait_too() -> None:
    check(
        """
        bands 0 0 1000 500            => applied
        buy 2 1 @ 90 stop 54          => accepted 3 waits held 90
        buy 2 1 @ 90 stop 55          => accepted 4 waits held 90
        sell 3 1 @ 55                 => accepted 5 rests 1 held 1
        sell 3 1 @ 62                 => accepted 6 rests 1 held 1
        buy 4 1 @ 55                  => accepted 7, trade 5 by 7 1 @ 55 filled,
                                         triggered 3 rests 1 held 90, phase volatility_call in 1 until 1500
        at 1500                       => auction 1 @ 62 left 0, trade 6 by 3 1 @ 62 filled called done,
                                         phase continuous in 1, triggered 4 rests 1 held 90
        """,
        traded(),
    )


def test_after_a_halt_it_is_judged_by_the_last_price_then() -> None:
    check(
        """
        sell 2 1 @ 40 stop 45         => accepted 3 waits held 1
        phase halt                    => phase halt in 1
        cancel 2 3                    => refused instrument_halted
        phase opening_call            => phase opening_call in 1
        buy 4 1 @ 44                  => accepted 4 rests 1 held 44
        sell 5 1 @ 44                 => accepted 5 rests 1 held 1
        phase halt in 0               => phase halt in 0
        phase limit_only              => refused instrument_halted
        phase continuous in 0         => phase continuous in 0
        phase limit_only              => auction 1 @ 44 left 0, trade 4 by 5 1 @ 44 filled called done,
                                         phase limit_only in 1, triggered 3 rests 1 held 1
        """,
        traded(),
    )


def test_the_venue_going_on_triggers_what_is_due() -> None:
    check(
        """
        sell 2 1 @ 40 stop 45         => accepted 3 waits held 1
        phase opening_call until 2000 => phase opening_call in 1 until 2000
        buy 4 1 @ 44                  => accepted 4 rests 1 held 44
        sell 5 1 @ 44                 => accepted 5 rests 1 held 1
        phase halt in 0               => phase halt in 0
        at 2000                       => nothing
        phase continuous in 0         => phase continuous in 0, auction 1 @ 44 left 0,
                                         trade 4 by 5 1 @ 44 filled called done, phase continuous in 1,
                                         triggered 3 rests 1 held 1
        """,
        traded(),
    )


def test_the_static_band_is_for_limits_only() -> None:
    check(
        """
        bands 50 1000 0 0             => applied
        buy 2 1 @ 56 stop 54          => refused price_outside_band
        buy 2 1 market stop 54        => accepted 3 waits held 59
        """,
        traded(),
    )


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (t.Place(2, 1, 0, t.OrderType.LIMIT, 1, 10, 1, stop_ticks=20), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.MARKET, 2, 0, 1, stop_ticks=20), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.STOP_LOSS, 2, 10, 1, stop_ticks=20), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.STOP_LOSS, 1, 0, 1, stop_ticks=20), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.STOP_LOSS, 2, 0, 0, 20, stop_ticks=20), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.STOP_LOSS, 2, 0, 1), t.Reason.PRICE_NOT_POSITIVE),
        (t.Place(2, 1, 1, t.OrderType.TAKE_PROFIT, 2, 0, 1, stop_ticks=-5), t.Reason.PRICE_NOT_POSITIVE),
        (t.Place(2, 1, 0, t.OrderType.STOP_LOSS_LIMIT, 1, 10, 1, stop_ticks=1_001), t.Reason.PRICE_TOO_HIGH),
    ],
)
def test_what_has_no_meaning_is_refused(place: t.Place, reason: t.Reason) -> None:
    assert Market().pair.apply(place) == [t.Rejected(2, 1, reason)]


def test_in_a_call_an_order_that_gets_smaller_meets_a_triggered_one_as_the_younger() -> None:
    check(
        """
        buy 2 1 @ 60 stop 55          => accepted 3 waits held 60
        buy 2 1 @ 40                  => accepted 4 rests 1 held 40
        sell 3 1 @ 55                 => accepted 5 rests 1 held 1
        buy 4 1 @ 55                  => accepted 6, trade 5 by 6 1 @ 55 filled, triggered 3 rests 1 held 60
        phase closing_call            => phase closing_call in 1
        sell 2 1 @ 40 stp decrement   => accepted 8, prevented 4 by 8 1 @ 40, closed 4 self_trade 1,
                                         closed 8 self_trade 0
        """,
        traded(),
    )
