"""A dividend's ex-date: bids and stops that wait for a fall are lowered by it, and keep their places."""

from __future__ import annotations

from engine import types as t
from tests.engine.script import Market, check


def test_bids_are_lowered_and_their_holds_shrink_and_asks_stay() -> None:
    check("""
        buy 2 5 @ 40          => accepted 1 rests 5 held 200
        sell 3 5 @ 50         => accepted 2 rests 5 held 5
        ex 7 dividend 1       => ex 7 last 0 reference 0, repriced 1 5 @ 33
        funds 2 usdc          => free 9835 held 165
        funds 3 lots          => free 95 held 5
        sell 4 5 @ 33         => accepted 3, trade 1 by 3 5 @ 33 filled
        funds 2 usdc          => free 9835 owed_out 165
    """)


def test_fees_are_held_on_the_new_price() -> None:
    check("""
        fees 0 100            => applied
        buy 2 10 @ 50         => accepted 1 rests 10 held 505
        ex 20 dividend 1      => ex 20 last 0 reference 0, repriced 1 10 @ 30
        funds 2 usdc          => free 9697 held 303
    """)


def test_a_price_is_rounded_down_to_the_tick() -> None:
    check("""
        terms tick_value_usdc_micros 10 in 2                => applied
        permit 2 both in 2                                  => applied
        buy 2 1 @ 40 in 2                                   => accepted 1 rests 1 held 400
        ex 1 dividend 1 in 2                                => ex 1 last 0 reference 0, repriced 1 1 @ 39
        ex 30 dividend 2 in 2                               => ex 3 last 0 reference 0, repriced 1 1 @ 36
    """)


def test_orders_keep_their_places() -> None:
    check("""
        buy 2 1 @ 40          => accepted 1 rests 1 held 40
        buy 3 1 @ 45          => accepted 2 rests 1 held 45
        buy 4 1 @ 40          => accepted 3 rests 1 held 40
        buy 5 1 @ 45          => accepted 4 rests 1 held 45
        ex 5 dividend 1       => ex 5 last 0 reference 0, repriced 2 1 @ 40, repriced 4 1 @ 40,
            repriced 1 1 @ 35, repriced 3 1 @ 35
        buy 2 1 @ 40          => accepted 5 rests 1 held 40
        sell 3 5 @ 1          => accepted 6, trade 2 by 6 1 @ 40 filled, trade 4 by 6 1 @ 40 filled,
            trade 5 by 6 1 @ 40 filled, trade 1 by 6 1 @ 35 filled, trade 3 by 6 1 @ 35 filled
    """)


def test_an_order_whose_price_would_be_below_one_tick_closes() -> None:
    check("""
        buy 2 5 @ 10          => accepted 1 rests 5 held 50
        buy 3 5 @ 11          => accepted 2 rests 5 held 55
        ex 10 dividend 1      => ex 10 last 0 reference 0, repriced 2 5 @ 1, closed 1 ex_date 5
        funds 2 usdc          => free 10000
    """)


def test_of_an_order_filled_in_part_the_rest_is_lowered() -> None:
    check("""
        buy 2 5 @ 40          => accepted 1 rests 5 held 200
        sell 3 2 @ 40         => accepted 2, trade 1 by 2 2 @ 40
        ex 10 dividend 1      => ex 10 last 30 reference 0, repriced 1 3 @ 30
        funds 2 usdc          => free 9830 held 90 owed_out 80
    """)


def test_stops_that_wait_for_a_fall_are_lowered_and_others_stay() -> None:
    """A sell's limit goes along: it would be left behind by the price that triggers it."""
    check("""
        sell 3 1 @ 50                 => accepted 1 rests 1 held 1
        buy 2 1 @ 50                  => accepted 2, trade 1 by 2 1 @ 50 filled
        sell 3 5 @ 38 stop 40         => accepted 3 waits held 5
        buy 2 5 @ 42 take 41          => accepted 4 waits held 210
        sell 3 5 market stop 40       => accepted 5 waits held 5
        buy 2 5 @ 62 stop 60          => accepted 6 waits held 310
        sell 3 5 @ 58 take 60         => accepted 7 waits held 5
        ex 10 dividend 1              => ex 10 last 40 reference 0, repriced 4 5 @ 32 stop 31,
            repriced 3 5 @ 28 stop 30, repriced 5 5 @ 26 stop 30
        funds 2 usdc                  => free 9480 held 470 owed_out 50
    """)


def test_a_stop_of_which_any_price_would_be_below_one_tick_closes() -> None:
    check("""
        sell 3 5 @ 12 stop 10         => accepted 1 waits held 5
        sell 3 5 @ 10 stop 12         => accepted 2 waits held 5
        ex 10 dividend 1              => ex 10 last 0 reference 0, closed 2 ex_date 5, closed 1 ex_date 5
        funds 3 lots                  => free 100
    """)


def test_a_stop_that_was_triggered_is_lowered_as_the_bid_that_it_is() -> None:
    check("""
        buy 2 5 @ 42 stop 40          => accepted 1 waits held 210
        sell 3 1 @ 40                 => accepted 2 rests 1 held 1
        buy 4 1 @ 40                  => accepted 3, trade 2 by 3 1 @ 40 filled, triggered 1 rests 5 held 210
        ex 10 dividend 1              => ex 10 last 30 reference 0, repriced 1 5 @ 32 stop 40
    """)


def test_stops_and_bands_are_judged_by_the_lowered_prices() -> None:
    check("""
        bands 100 1000 0 0            => applied
        sell 3 1 @ 100                => accepted 1 rests 1 held 1
        buy 2 1 @ 100                 => accepted 2, trade 1 by 2 1 @ 100 filled
        sell 3 1 @ 90 stop 95         => accepted 3 waits held 1
        ex 20 dividend 1              => ex 20 last 80 reference 80, repriced 3 1 @ 70 stop 75
        sell 3 1 @ 90                 => refused price_outside_band
        sell 3 1 @ 75 stop 80         => refused stop_would_trigger
        buy 2 1 @ 88 stop 80          => refused stop_would_trigger
        buy 2 1 @ 72                  => accepted 4 rests 1 held 72
    """)


def test_prices_do_not_fall_below_one_tick() -> None:
    check("""
        bands 10 1000 0 0             => applied
        sell 3 1 @ 10                 => accepted 1 rests 1 held 1
        buy 2 1 @ 10                  => accepted 2, trade 1 by 2 1 @ 10 filled
        ex 10 dividend 1              => ex 10 last 1 reference 1
    """)


def test_a_call_that_it_uncrosses_comes_to_something_else() -> None:
    check("""
        phase opening_call            => phase opening_call in 1
        sell 3 5 @ 40                 => accepted 1 rests 5 held 5
        buy 2 5 @ 45                  => accepted 2 rests 5 held 225
        at 100001000                  => indicative 5 @ 40 left 0
        ex 10 dividend 1              => ex 10 last 0 reference 0, repriced 2 5 @ 35
        at 200002000                  => indicative nothing
        phase continuous              => auction nothing, phase continuous in 1
    """)


def test_it_happens_in_a_halt_too() -> None:
    check("""
        buy 2 5 @ 40                  => accepted 1 rests 5 held 200
        phase halt                    => phase halt in 1
        ex 10 dividend 1              => ex 10 last 0 reference 0, repriced 1 5 @ 30
    """)


def test_other_instruments_are_not_concerned() -> None:
    check("""
        terms tick_value_usdc_micros 1 in 2  => applied
        buy 2 5 @ 40                         => accepted 1 rests 5 held 200
        ex 10 dividend 1 in 2                => ex 10 last 0 reference 0
    """)


def test_a_dividend_has_one_ex_date() -> None:
    market = check("""
        buy 2 5 @ 40                  => accepted 1 rests 5 held 200
        ex 10 dividend 1              => ex 10 last 0 reference 0, repriced 1 5 @ 30
    """)
    seq = market.pair.engine.seq
    check(
        f"""
        ex 10 dividend 1              => refused ex_date_done {seq}
        ex 10 dividend 2              => ex 10 last 0 reference 0, repriced 1 5 @ 20
        ex 5 dividend 1               => refused ex_date_done {seq}
        """,
        market,
    )


def test_the_oldest_ex_dates_are_forgotten() -> None:
    market = Market()
    first = market.pair.engine.seq + 1
    for number in range(t.EX_DATES_KEPT_MAX):
        market.run(f"ex 1 dividend {number}")
    assert market.run("ex 1 dividend 0") == [f"refused ex_date_done {first}"]
    market.run("ex 1 dividend 5000")
    assert market.run("ex 1 dividend 0") == ["ex 1 last 0 reference 0"]


def test_what_is_no_ex_date_is_refused() -> None:
    check("""
        ex 0 dividend 1               => refused value_out_of_range
        ex -1 dividend 1              => refused value_out_of_range
        ex 1 dividend 1 in 2          => refused unknown_instrument
        ex 9223372036854775807 dividend 1 => ex 9223372036854775807 last 0 reference 0
    """)
