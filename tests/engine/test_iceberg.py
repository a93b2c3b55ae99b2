"""Orders of which a part is hidden: what takers meet, where the next part stands, and what counts whole."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.exchange import Exchange
from tests.engine.script import Market, check


def hidden(market: Market) -> list[tuple[int, int, int]]:
    """Order id, rank and hidden lots of each open order, in the order of the queue."""
    return [(order.order_id, order.rank, order.hidden_lots) for order in market.pair.engine.state().orders]


def test_the_next_part_stands_behind_the_others_at_its_price() -> None:
    market = check(
        """
        sell 2 10 @ 50 show 3         => accepted 1 rests 10 held 10
        sell 3 2 @ 50                 => accepted 2 rests 2 held 2
        buy 4 4 @ 50                  => accepted 3, trade 1 by 3 3 @ 50, replenished 1 shows 3, trade 2 by 3 1 @ 50
        """
    )
    assert hidden(market) == [(2, 2, 0), (1, 4, 4)]
    check(
        """
        buy 4 9 @ 50                  => accepted 5 rests 1 held 50, trade 2 by 5 1 @ 50 filled,
                                         trade 1 by 5 3 @ 50, replenished 1 shows 3,
                                         trade 1 by 5 3 @ 50, replenished 1 shows 1, trade 1 by 5 1 @ 50 filled
        """,
        market,
    )


def test_a_part_that_is_not_used_up_keeps_its_place() -> None:
    check(
        """
        buy 2 4 @ 50 show 3 gtd 5000  => accepted 1 rests 4 held 200
        buy 3 2 @ 50                  => accepted 2 rests 2 held 100
        sell 4 2 @ 50                 => accepted 3, trade 1 by 3 2 @ 50
        sell 4 2 @ 50                 => accepted 4, trade 1 by 4 1 @ 50, replenished 1 shows 1, trade 2 by 4 1 @ 50
        sell 4 1 market               => accepted 6, trade 2 by 6 1 @ 50 filled
        at 5000                       => closed 1 expired 1
        """
    )


def test_as_it_comes_all_of_it_takes() -> None:
    market = check(
        """
        sell 3 5 @ 50                 => accepted 1 rests 5 held 5
        sell 3 5 @ 52                 => accepted 2 rests 5 held 5
        buy 2 9 @ 51 show 3           => accepted 3 rests 4 held 204, trade 1 by 3 5 @ 50 filled
        funds 2 usdc                  => free 9546 held 204 owed_out 250
        buy 2 3 @ 52 post show 1      => refused post_only_would_take
        buy 2 3 @ 51 post day show 1  => accepted 4 rests 3 held 153
        """
    )
    assert hidden(market) == [(2, 2, 0), (3, 3, 1), (4, 4, 2)]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (t.Place(2, 1, 0, t.OrderType.LIMIT, t.TimeInForce.IOC, 10, 4, display_lots=2), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.LIMIT, t.TimeInForce.FOK, 10, 4, display_lots=2), t.Reason.ORDER_MALFORMED),
        (t.Place(2, 1, 0, t.OrderType.MARKET, t.TimeInForce.IOC, 0, 4, display_lots=2), t.Reason.ORDER_MALFORMED),
        (
            t.Place(2, 1, 0, t.OrderType.STOP_LOSS_LIMIT, t.TimeInForce.GTC, 10, 4, stop_ticks=9, display_lots=2),
            t.Reason.ORDER_MALFORMED,
        ),
        (t.Place(2, 1, 0, t.OrderType.LIMIT, t.TimeInForce.GTC, 10, 4, display_lots=-1), t.Reason.DISPLAY_OUT_OF_RANGE),
        (t.Place(2, 1, 0, t.OrderType.LIMIT, t.TimeInForce.GTC, 10, 4, display_lots=4), t.Reason.DISPLAY_OUT_OF_RANGE),
        (t.Place(2, 1, 0, t.OrderType.LIMIT, t.TimeInForce.GTC, 1, 901, display_lots=9), t.Reason.DISPLAY_OUT_OF_RANGE),
    ],
)
def test_what_cannot_be_an_iceberg_is_refused(place: t.Place, reason: t.Reason) -> None:
    assert Market().pair.apply(place) == [t.Rejected(2, 1, reason)]


def test_a_hundred_parts_are_taken_and_all_met_in_one_sweep() -> None:
    market = check("buy 2 900 @ 1 show 9 => accepted 1 rests 900 held 900")
    market.run("level 3 lots 900 to 1000")
    sold = market.run("sell 3 900 @ 1")
    assert (sold[1], sold[2], sold[-1]) == ("trade 1 by 2 9 @ 1", "replenished 1 shows 9", "trade 1 by 2 9 @ 1 filled")
    assert len(sold) == 1 + 2 * t.ICEBERG_PARTS_MAX - 1


def test_a_fok_counts_what_is_hidden_too() -> None:
    check(
        """
        sell 2 5 @ 50 show 1          => accepted 1 rests 5 held 5
        sell 3 1 @ 51                 => accepted 2 rests 1 held 1
        buy 4 7 @ 51 fok              => accepted 3, closed 3 fok_unfilled 7
        buy 4 2 @ 50 fok              => accepted 4, trade 1 by 4 1 @ 50, replenished 1 shows 1,
                                         trade 1 by 4 1 @ 50, replenished 1 shows 1
        """
    )


@pytest.mark.parametrize("mode", ["taker", "both", "decrement"])
def test_a_fok_does_not_count_what_comes_up_behind_an_own_order(mode: str) -> None:
    check(
        f"""
        sell 2 5 @ 49 show 2          => accepted 1 rests 5 held 5
        sell 2 5 @ 50 show 2          => accepted 2 rests 5 held 5
        sell 5 1 @ 50                 => accepted 3 rests 1 held 1
        buy 4 8 @ 50 fok stp {mode}   => accepted 4, closed 4 fok_unfilled 8
        buy 4 8 @ 50 fok stp maker    => accepted 5, trade 1 by 5 2 @ 49, replenished 1 shows 2,
                                         trade 1 by 5 2 @ 49, replenished 1 shows 1, trade 1 by 5 1 @ 49 filled,
                                         trade 2 by 5 2 @ 50, replenished 2 shows 2, closed 3 self_trade 1,
                                         trade 2 by 5 1 @ 50
        """
    )


def test_a_fok_takes_what_is_shown_before_an_own_order() -> None:
    check(
        """
        sell 2 5 @ 50 show 2          => accepted 1 rests 5 held 5
        sell 5 1 @ 50                 => accepted 2 rests 1 held 1
        buy 4 2 @ 50 fok stp taker    => accepted 3, trade 1 by 3 2 @ 50, replenished 1 shows 2
        """
    )


def test_money_runs_out_within_a_part() -> None:
    check(
        """
        sell 2 5 @ 50 show 2          => accepted 1 rests 5 held 5
        buy 3 usdc 170 market         => accepted 2, trade 1 by 2 2 @ 50, replenished 1 shows 2, trade 1 by 2 1 @ 50,
                                         closed 2 ioc_remainder 0
        """
    )


def test_an_amend_takes_from_what_is_hidden_first_and_the_book_looks_the_same() -> None:
    market = check(
        """
        sell 2 10 @ 50 show 4         => accepted 1 rests 10 held 10
        sell 3 1 @ 50                 => accepted 2 rests 1 held 1
        amend 2 1 to 5                => amended 1 to 5 rests 5
        """
    )
    [book] = market.pair.engine.state().instruments
    assert (hidden(market), book.update_id) == ([(1, 1, 1), (2, 2, 0)], 2)
    check(
        """
        amend 2 1 to 3                => amended 1 to 3 rests 3
        funds 2 lots                  => free 97 held 3
        buy 4 4 @ 50                  => accepted 3, trade 1 by 3 3 @ 50 filled, trade 2 by 3 1 @ 50 filled
        """,
        market,
    )


def test_in_a_call_an_amend_of_what_is_hidden_changes_what_it_comes_to() -> None:
    check(
        """
        phase opening_call            => phase opening_call in 1
        sell 2 10 @ 50 show 4         => accepted 1 rests 10 held 10
        buy 3 9 @ 50                  => accepted 2 rests 9 held 450
        at 100001000                  => indicative 9 @ 50 left -1
        amend 2 1 to 5                => amended 1 to 5 rests 5
        at 200001000                  => indicative 5 @ 50 left 4
        """
    )


def test_decrement_takes_what_would_have_traded_of_it() -> None:
    check(
        """
        sell 4 10 @ 50 show 4         => accepted 1 rests 10 held 10
        sell 3 2 @ 50                 => accepted 2 rests 2 held 2
        buy 5 3 @ 50 stp decrement    => accepted 3, prevented 1 by 3 3 @ 50 rests 7 of 7, closed 3 self_trade 0
        buy 5 4 @ 50 stp decrement    => accepted 4, prevented 1 by 4 1 @ 50 rests 6 of 6, replenished 1 shows 4,
                                         trade 2 by 4 2 @ 50 filled, prevented 1 by 4 1 @ 50 rests 5 of 5,
                                         closed 4 self_trade 0
        buy 5 9 @ 50 stp decrement    => accepted 6 rests 4 held 200, prevented 1 by 6 3 @ 50 rests 2 of 2,
                                         replenished 1 shows 2, prevented 1 by 6 2 @ 50, closed 1 self_trade 2
        """
    )


def test_the_other_modes_close_all_of_it() -> None:
    check(
        """
        sell 4 10 @ 50 show 4         => accepted 1 rests 10 held 10
        buy 5 3 @ 50 stp maker        => accepted 2 rests 3 held 150, closed 1 self_trade 10
        funds 4 lots                  => free 100
        """
    )


def test_an_auction_trades_all_of_it_by_its_place_and_shows_more_after() -> None:
    market = check(
        """
        phase opening_call            => phase opening_call in 1
        sell 2 10 @ 50 show 3         => accepted 1 rests 10 held 10
        sell 3 4 @ 50                 => accepted 2 rests 4 held 4
        buy 4 3 @ 50                  => accepted 3 rests 3 held 150
        buy 5 4 @ 51 show 1           => accepted 4 rests 4 held 204
        phase continuous              => auction 7 @ 50 left -7, trade 1 by 4 4 @ 50 called done,
                                         trade 1 by 3 3 @ 50 called done, replenished 1 shows 3,
                                         phase continuous in 1
        """
    )
    assert hidden(market) == [(2, 2, 0), (1, 5, 0)]


def test_what_an_auction_leaves_of_the_part_that_is_shown_keeps_its_place() -> None:
    market = check(
        """
        phase opening_call            => phase opening_call in 1
        buy 4 9 @ 50 show 3           => accepted 1 rests 9 held 450
        buy 5 1 @ 50                  => accepted 2 rests 1 held 50
        sell 2 2 @ 50                 => accepted 3 rests 2 held 2
        phase continuous              => auction 2 @ 50 left 8, trade 1 by 3 2 @ 50 called done,
                                         phase continuous in 1
        """
    )
    assert hidden(market) == [(1, 1, 6), (2, 2, 0)]


def test_in_a_call_decrement_counts_all_of_it() -> None:
    check(
        """
        phase opening_call            => phase opening_call in 1
        sell 4 10 @ 50 show 3         => accepted 1 rests 10 held 10
        buy 5 6 @ 50 stp decrement    => accepted 2, prevented 1 by 2 6 @ 50 rests 4 of 4, replenished 1 shows 3,
                                         closed 2 self_trade 0
        """
    )


def test_showing_more_makes_it_the_youngest_of_its_account_also_after_a_restart() -> None:
    market = check(
        """
        sell 2 5 @ 50 show 1          => accepted 1 rests 5 held 5
        sell 2 5 @ 60                 => accepted 2 rests 5 held 5
        buy 3 1 @ 50                  => accepted 3, trade 1 by 3 1 @ 50, replenished 1 shows 1
        phase closing_call            => phase closing_call in 1
        buy 4 1 @ 55                  => accepted 5 rests 1 held 55
        """
    )
    image = market.pair.engine.snapshot()
    market.pair.engine = Exchange.restore(image)
    assert market.pair.engine.snapshot() == image
    check(
        """
        phase continuous              => auction 1 @ 50 left -3, trade 1 by 5 1 @ 50 called done,
                                         replenished 1 shows 1, phase continuous in 1
        level 2 lots -93 to 7         => closed 1 cover_lost 3
        """,
        market,
    )


def test_within_the_band_all_of_it_trades() -> None:
    check(
        """
        buy 4 1 @ 50                  => accepted 1 rests 1 held 50
        sell 5 1 @ 50                 => accepted 2, trade 1 by 2 1 @ 50 filled
        bands 0 0 1000 500            => applied
        sell 2 3 @ 55 show 1          => accepted 3 rests 3 held 3
        sell 2 3 @ 56 show 1          => accepted 4 rests 3 held 3
        buy 3 5 @ 56 fok              => accepted 5, closed 5 fok_unfilled 5
        buy 3 5 @ 56 ioc              => accepted 6, trade 3 by 6 1 @ 55, replenished 3 shows 1,
                                         trade 3 by 6 1 @ 55, replenished 3 shows 1, trade 3 by 6 1 @ 55 filled,
                                         closed 6 band_reached 2, phase volatility_call in 1 until 1500
        """
    )


def test_replaced_is_all_of_it() -> None:
    check(
        """
        sell 2 5 @ 50 show 1 id a     => accepted 1 rests 5 held 5
        replace 2 1 by sell 4 @ 51 show 2 => closed 1 cancelled_replaced 5, accepted 2 rests 4 held 4
        buy 3 2 @ 51                  => accepted 3, trade 2 by 3 2 @ 51, replenished 2 shows 2
        cancel 2 2                    => closed 2 cancelled 2
        """
    )


def test_an_ex_date_lowers_all_of_it_and_it_keeps_its_place() -> None:
    market = check(
        """
        buy 2 5 @ 50 show 2           => accepted 1 rests 5 held 250
        buy 3 1 @ 50                  => accepted 2 rests 1 held 50
        ex 7 dividend 1               => ex 7 last 0 reference 0, repriced 1 5 @ 43, repriced 2 1 @ 43
        """
    )
    assert hidden(market) == [(1, 1, 3), (2, 2, 0)]
    check("sell 4 3 @ 43 => accepted 3, trade 1 by 3 2 @ 43, replenished 1 shows 2, trade 2 by 3 1 @ 43 filled", market)


def test_an_ex_date_lowers_what_is_hidden_too() -> None:
    market = check(
        """
        buy 2 10 @ 40 show 3          => accepted 1 rests 10 held 400
        buy 3 1 @ 40                  => accepted 2 rests 1 held 40
        ex 5 dividend 1               => ex 5 last 0 reference 0, repriced 1 10 @ 35, repriced 2 1 @ 35
        funds 2 usdc                  => free 9650 held 350
        """
    )
    assert hidden(market) == [(1, 1, 7), (2, 2, 0)]
    check(
        """
        sell 4 5 @ 35                 => accepted 3, trade 1 by 3 3 @ 35, replenished 1 shows 3,
                                         trade 2 by 3 1 @ 35 filled, trade 1 by 3 1 @ 35
        """,
        market,
    )
