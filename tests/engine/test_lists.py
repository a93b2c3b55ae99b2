"""Orders that belong together: pairs of which one ends the other, and legs that wait until a working one is filled."""

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


# -- one cancels the other


def test_a_pair_holds_once_and_the_first_trade_of_one_ends_the_other_before_it() -> None:
    check(
        """
        oco 2 sell 5 @ 60 post / sell 5 market stop 40  => listed 3 oco,
            accepted 3 rests 5 held 5, accepted 4 waits held 5
        funds 2 lots                  => free 95 held 5
        buy 3 2 @ 60                  => accepted 5, closed 4 list_leg_done 5, trade 3 by 5 2 @ 60
        funds 2 lots                  => free 95 held 3 owed_out 2
        buy 3 3 @ 60                  => accepted 6, trade 3 by 6 3 @ 60 filled, list 3 done
        funds 2 lots                  => free 95 owed_out 5
        """,
        traded(),
    )


def test_of_two_buys_the_larger_need_is_held_until_one_is_left() -> None:
    check(
        """
        oco 2 buy 5 @ 70 stop 65 / buy 5 @ 40 post      => listed 3 oco,
            accepted 3 waits held 350, accepted 4 rests 5 held 200
        funds 2 usdc                  => free 9650 held 350
        limit account 2 position 110  => applied
        buy 2 6 @ 10                  => refused position_limit
        buy 2 5 @ 10                  => accepted 5 rests 5 held 50
        sell 3 1 @ 40                 => accepted 6, closed 3 list_leg_done 5, trade 4 by 6 1 @ 40
        funds 2 usdc                  => free 9750 held 210 owed_out 40
        """,
        traded(),
    )


def test_a_stop_that_is_triggered_ends_the_other_before_it_trades() -> None:
    check(
        """
        oco 2 buy 5 @ 40 post / buy 5 @ 70 stop 65      => listed 3 oco,
            accepted 3 rests 5 held 200, accepted 4 waits held 350
        sell 3 1 @ 65                 => accepted 5 rests 1 held 1
        sell 3 2 @ 66                 => accepted 6 rests 2 held 2
        buy 5 1 @ 65                  => accepted 7, trade 5 by 7 1 @ 65 filled,
                                         closed 3 list_leg_done 5, triggered 4 rests 3 held 210,
                                         trade 6 by 4 2 @ 66 filled
        cancel 2 4                    => closed 4 cancelled 3, list 3 done
        funds 2 usdc                  => free 9868 owed_out 132
        """,
        traded(),
    )


def test_a_stop_that_finds_nobody_ends_the_list() -> None:
    check(
        """
        oco 2 sell 5 market stop 45 / sell 5 @ 60 take 55   => listed 3 oco,
            accepted 3 waits held 5, accepted 4 waits held 5
        buy 4 1 @ 45                  => accepted 5 rests 1 held 45
        sell 5 1 @ 45                 => accepted 6, trade 5 by 6 1 @ 45 filled,
                                         closed 4 list_leg_done 5, triggered 3, closed 3 no_liquidity 5, list 3 done
        funds 2 lots                  => free 100
        """,
        traded(),
    )


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ("cancel 2 4", "closed 4 cancelled 5, closed 3 cancelled 5, list 3 done"),
        ("cancel 2 id stop", "closed 4 cancelled 5, closed 3 cancelled 5, list 3 done"),
        ("cancel-list 2 3", "closed 3 cancelled 5, closed 4 cancelled 5, list 3 done"),
        ("cancel-list 2 id both", "closed 3 cancelled 5, closed 4 cancelled 5, list 3 done"),
        ("cancel-list 2 4", "refused order_not_found"),
        ("cancel-list 3 3", "refused order_not_found"),
        ("cancel-all 2", "closed 3 cancelled 5, closed 4 cancelled 5, list 3 done, applied"),
        (
            "replace 2 3 by sell 1 @ 80",
            "closed 3 cancelled_replaced 5, closed 4 cancelled_replaced 5, list 3 done, accepted 5 rests 1 held 1",
        ),
        ("amend 2 3 to 2", "refused list_malformed"),
        ("amend 2 3 to 0", "refused qty_not_positive"),
        ("kill account 2", "kill switch on, closed 3 kill_switch 5, closed 4 kill_switch 5, list 3 done"),
        ("kill", "kill switch on, closed 3 kill_switch 5, closed 4 kill_switch 5, list 3 done"),
        ("permit 2 buy", "applied, closed 3 permission_lost 5, closed 4 permission_lost 5, list 3 done"),
        ("level 2 lots -96 to 4", "closed 4 cover_lost 5, closed 3 cover_lost 5, list 3 done"),
    ],
)
def test_what_closes_one_closes_both(line: str, closed: str) -> None:
    market = check(
        """
        oco 2 sell 5 @ 60 post / sell 5 market stop 40 id stop / id both => listed 3 oco,
            accepted 3 rests 5 held 5, accepted 4 waits held 5
        """,
        traded(),
    )
    check(f"{line} => {closed}", market)


def test_a_prevented_trade_takes_both_along_or_one() -> None:
    check(
        """
        oco 2 sell 5 @ 60 post / sell 5 market stop 40  => listed 3 oco,
            accepted 3 rests 5 held 5, accepted 4 waits held 5
        buy 2 2 @ 60 stp decrement    => accepted 5, closed 4 list_leg_done 5, prevented 3 by 5 2 @ 60 rests 3 of 3,
                                         closed 5 self_trade 0
        buy 2 3 @ 60 stp maker        => accepted 6 rests 3 held 180, closed 3 self_trade 3, list 3 done
        """,
        traded(),
    )


def test_in_a_call_a_resting_leg_takes_part() -> None:
    check(
        """
        oco 2 sell 5 @ 60 post / sell 5 market stop 40  => listed 3 oco,
            accepted 3 rests 5 held 5, accepted 4 waits held 5
        phase opening_call            => phase opening_call in 1
        oco 2 sell 5 @ 60 post / sell 5 market stop 40  => refused type_not_in_phase
        buy 3 5 @ 61                  => accepted 5 rests 5 held 305
        phase continuous              => auction 5 @ 60 left 0, closed 4 list_leg_done 5,
                                         trade 3 by 5 5 @ 60 filled called done, list 3 done, phase continuous in 1
        """,
        traded(),
    )


def test_an_ex_date_lowers_what_a_pair_holds_with_its_bid() -> None:
    check(
        """
        oco 2 buy 5 @ 49 post / buy 5 @ 10 stop 65      => listed 3 oco,
            accepted 3 rests 5 held 245, accepted 4 waits held 50
        funds 2 usdc                  => free 9755 held 245
        ex 44 dividend 1              => ex 44 last 6 reference 0, repriced 3 5 @ 5
        funds 2 usdc                  => free 9950 held 50
        ex 5 dividend 2               => ex 5 last 1 reference 0, closed 3 ex_date 5, closed 4 ex_date 5, list 3 done
        funds 2 usdc                  => free 10000
        """,
        traded(),
    )


# -- one triggers the other


def test_a_pending_leg_is_in_no_book_holds_nothing_and_comes_when_all_of_the_working_one_is_filled() -> None:
    market = check(
        """
        oto 2 buy 5 @ 45 / sell 5 @ 60 id exit          => listed 3 oto, pending 4, accepted 3 rests 5 held 225
        funds 2 lots                  => free 100
        buy 5 1 @ 60                  => accepted 5 rests 1 held 60
        """,
        traded(),
    )
    pending = market.pair.engine.state().orders[-1]
    assert (pending.order_id, pending.pending, pending.list_id, pending.client_order_id) == (4, 1, 3, b"exit")
    market.pair.engine = Exchange.restore(market.pair.engine.snapshot())
    check(
        """
        sell 3 5 @ 45                 => accepted 6, trade 5 by 6 1 @ 60 filled, trade 3 by 6 4 @ 45
        sell 4 1 @ 60                 => accepted 7 rests 1 held 1
        sell 3 1 @ 45                 => accepted 8, trade 3 by 8 1 @ 45 filled, triggered 4 rests 5 held 5
        buy 5 3 @ 60                  => accepted 10, trade 7 by 10 1 @ 60 filled, trade 4 by 10 2 @ 60
        cancel 2 id exit              => closed 4 cancelled 3, list 3 done
        """,
        market,
    )


def test_a_pending_stop_begins_to_wait_and_may_be_triggered_at_once() -> None:
    check(
        """
        oto 2 buy 5 @ 45 / sell 5 market stop 40        => listed 3 oto, pending 4, accepted 3 rests 5 held 225
        oto 2 buy 5 @ 44 / sell 5 market stop 44        => listed 5 oto, pending 6, accepted 5 rests 5 held 220
        buy 4 9 @ 43                  => accepted 7 rests 9 held 387
        sell 3 10 @ 44                => accepted 8, trade 3 by 8 5 @ 45 filled, trade 5 by 8 5 @ 44 filled,
                                         accepted 4 waits held 5, accepted 6 waits held 5,
                                         triggered 6, trade 7 by 6 5 @ 43, list 5 done
        cancel-list 2 3               => closed 4 cancelled 5, list 3 done
        """,
        traded(),
    )


def test_a_pending_market_order_trades_or_finds_nobody() -> None:
    check(
        """
        oto 2 buy 5 @ 45 / sell 5 market                => listed 3 oto, pending 4, accepted 3 rests 5 held 225
        oto 2 buy 5 @ 45 / sell 5 market                => listed 5 oto, pending 6, accepted 5 rests 5 held 225
        buy 4 5 @ 44                  => accepted 7 rests 5 held 220
        sell 3 10 @ 45                => accepted 8, trade 3 by 8 5 @ 45 filled, trade 5 by 8 5 @ 45 filled,
                                         triggered 4, trade 7 by 4 5 @ 44 filled, list 3 done,
                                         triggered 6, closed 6 no_liquidity 5, list 5 done
        """,
        traded(),
    )


def test_a_working_leg_that_takes_all_it_wants_places_the_others_in_its_own_command() -> None:
    check(
        """
        sell 3 5 @ 51                 => accepted 3 rests 5 held 5
        otoco 2 buy 5 @ 51 ioc / sell 5 @ 60 post / sell 5 market stop 40 => listed 4 otoco,
            pending 5, pending 6, accepted 4, trade 3 by 4 5 @ 51 filled,
            triggered 5 rests 5 held 5, accepted 6 waits held 5
        funds 2 lots                  => free 95 held 5 owed_in 5
        buy 5 1 @ 60                  => accepted 9, closed 6 list_leg_done 5, trade 5 by 9 1 @ 60
        """,
        traded(),
    )


@pytest.mark.parametrize(
    ("line", "happens"),
    [
        ("cancel 2 3", "closed 3 cancelled 5, closed 4 cancelled 5, closed 5 cancelled 5, list 3 done"),
        ("cancel 2 5", "closed 5 cancelled 5, closed 3 cancelled 5, closed 4 cancelled 5, list 3 done"),
        ("cancel 2 id profit", "closed 4 cancelled 5, closed 3 cancelled 5, closed 5 cancelled 5, list 3 done"),
        ("cancel 3 5", "refused order_not_found"),
        ("amend 2 5 to 1", "refused list_malformed"),
        (
            "permit 2 sell",
            "applied, closed 3 permission_lost 5, closed 4 list_ended 5, closed 5 list_ended 5, list 3 done",
        ),
        ("permit 2 buy", "applied"),
        ("buy 2 5 @ 1", "accepted 6 rests 5 held 5"),
    ],
)
def test_pending_legs_end_with_the_working_one(line: str, happens: str) -> None:
    market = check(
        """
        otoco 2 buy 5 @ 45 / sell 5 @ 60 post id profit / sell 5 market stop 40 => listed 3 otoco,
            pending 4, pending 5, accepted 3 rests 5 held 225
        """,
        traded(),
    )
    check(f"{line} => {happens}", market)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("permit 2 buy", "permission_lost"),
        ("level 2 lots -100 to 0", "cover_lost"),
        ("permit 2 both locked 96", "cover_lost"),
        ("limit account 2 order 290", "cover_lost"),
    ],
)
def test_a_leg_that_cannot_be_placed_ends_and_its_partner_with_it(first: str, why: str) -> None:
    market = check(
        """
        otoco 2 buy 5 @ 49 / sell 5 market stop 40 / sell 5 @ 60 post => listed 3 otoco,
            pending 4, pending 5, accepted 3 rests 5 held 245
        """,
        traded(),
    )
    market.run(first)
    happened = ", ".join(market.run("sell 3 5 @ 49"))
    assert happened.endswith(f" 5 @ 49 filled, closed 4 {why} 5, closed 5 {why} 5, list 3 done")


def test_a_pending_leg_that_may_only_rest_ends_where_it_would_take() -> None:
    check(
        """
        otoco 2 buy 5 @ 49 / sell 5 market stop 40 / sell 5 @ 48 post => listed 3 otoco,
            pending 4, pending 5, accepted 3 rests 5 held 245
        buy 4 1 @ 49                  => accepted 6 rests 1 held 49
        sell 3 5 @ 49                 => accepted 7, trade 3 by 7 5 @ 49 filled,
                                         closed 4 list_ended 5, closed 5 list_ended 5, list 3 done
        """,
        traded(),
    )


def test_a_working_leg_that_does_not_fill_ends_the_list() -> None:
    check(
        """
        oto 2 buy 5 @ 45 ioc / sell 5 @ 60              => listed 3 oto,
            pending 4, accepted 3, closed 3 ioc_remainder 5,
                                                           closed 4 list_ended 5, list 3 done
        oto 2 buy 5 @ 45 fok / sell 5 market            => listed 5 oto, pending 6, accepted 5, closed 5 fok_unfilled 5,
                                                           closed 6 list_ended 5, list 5 done
        """,
        traded(),
    )


def test_pending_legs_count_as_open_orders() -> None:
    check(
        """
        limit account 2 orders 3      => applied
        otoco 2 buy 5 @ 45 / sell 5 @ 60 post / sell 5 market stop 40 => listed 3 otoco,
            pending 4, pending 5, accepted 3 rests 5 held 225
        buy 2 1 @ 1                   => refused too_many_orders
        cancel 2 3                    => closed 3 cancelled 5, closed 4 cancelled 5, closed 5 cancelled 5, list 3 done
        buy 2 1 @ 1                   => accepted 6 rests 1 held 1
        oto 2 buy 5 @ 45 / sell 5 @ 60       => listed 7 oto, pending 8, accepted 7 rests 5 held 225
        sell 3 5 @ 45                 => accepted 9, trade 7 by 9 5 @ 45 filled, triggered 8 rests 5 held 5
        oto 2 buy 5 @ 45 / sell 5 @ 60       => refused too_many_orders
        """,
        traded(),
    )


def test_after_a_call_pending_legs_come_in_the_phase_that_follows() -> None:
    check(
        """
        oto 2 buy 5 @ 45 / sell 5 @ 60                  => listed 3 oto, pending 4, accepted 3 rests 5 held 225
        oto 2 buy 5 @ 45 / sell 5 market                => listed 5 oto, pending 6, accepted 5 rests 5 held 225
        oto 2 buy 5 @ 45 / sell 5 @ 44 fok              => listed 7 oto, pending 8, accepted 7 rests 5 held 225
        oto 2 buy 5 @ 45 / sell 5 market stop 48        => listed 9 oto, pending 10, accepted 9 rests 5 held 225
        buy 4 1 @ 44                  => accepted 11 rests 1 held 44
        phase closing_call until 2000 then halt => phase closing_call in 1 until 2000
        sell 3 20 @ 45                => accepted 12 rests 20 held 20
        at 2000                       => auction 20 @ 45 left 0, trade 3 by 12 5 @ 45 filled called,
                                         trade 5 by 12 5 @ 45 filled called, trade 7 by 12 5 @ 45 filled called,
                                         trade 9 by 12 5 @ 45 filled called done, phase halt in 1,
                                         triggered 4 rests 5 held 5,
                                         triggered 6, closed 6 no_liquidity 5, list 5 done,
                                         triggered 8, closed 8 fok_unfilled 5, list 7 done, accepted 10 waits held 5
        phase continuous              => phase continuous in 1, triggered 10, trade 11 by 10 1 @ 44 filled,
                                         closed 10 ioc_remainder 4, list 9 done
        """,
        traded(),
    )


def test_an_ex_date_lowers_pending_legs_as_if_they_were_placed() -> None:
    check(
        """
        otoco 2 buy 5 @ 45 / sell 5 @ 60 post / sell 5 @ 39 stop 40 => listed 3 otoco,
            pending 4, pending 5, accepted 3 rests 5 held 225
        oto 2 sell 5 @ 70 / buy 5 market     => listed 6 oto, pending 7, accepted 6 rests 5 held 5
        oto 2 sell 5 @ 70 / buy 5 @ 9        => listed 8 oto, pending 9, accepted 8 rests 5 held 5
        ex 8 dividend 1               => ex 8 last 42 reference 0, repriced 3 5 @ 37, repriced 5 5 @ 31 stop 32,
                                         repriced 9 5 @ 1
        ex 8 dividend 2               => ex 8 last 34 reference 0, repriced 3 5 @ 29, repriced 5 5 @ 23 stop 24,
                                         closed 9 ex_date 5, closed 8 ex_date 5, list 8 done
        ex 24 dividend 3              => ex 24 last 10 reference 0, repriced 3 5 @ 5, closed 5 ex_date 5,
                                         closed 3 ex_date 5, closed 4 list_ended 5, list 3 done
        """,
        traded(),
    )


# -- refusals


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("oco 2 sell 5 @ 60 post / sell 5 market stop 50", "list_prices"),
        ("oco 2 sell 5 @ 50 post / sell 5 market stop 40", "list_prices"),
        ("oco 2 sell 5 @ 60 take 50 / sell 5 market stop 40", "list_prices"),
        ("oco 2 buy 5 @ 60 post / buy 5 market stop 40", "list_prices"),
        ("otoco 2 buy 5 @ 45 / sell 5 @ 40 post / sell 5 market stop 40", "list_prices"),
        ("oco 2 sell 5 @ 60 / sell 5 market stop 40", "list_malformed"),
        ("oco 2 sell 5 @ 60 post / sell 5 @ 61 post", "list_malformed"),
        ("oco 2 sell 5 market stop 30 / sell 5 market stop 40", "list_malformed"),
        ("oco 2 sell 5 @ 60 post / sell 4 market stop 40", "list_malformed"),
        ("oco 2 sell 5 @ 60 post / buy 5 market stop 40", "list_malformed"),
        ("oco 2 sell 5 @ 60 post day / sell 5 market stop 40", "list_malformed"),
        ("oco 2 sell 5 @ 60 post id a / sell 5 market stop 40 id a", "list_malformed"),
        ("oco 2 sell 5 @ 60 post id a / sell 5 market stop 40 / id a", "list_malformed"),
        ("oco 2 sell 5 @ 60 post", "list_malformed"),
        ("oco 2 sell 5 @ 60 post / sell 5 market stop 40 / sell 5 market stop 40", "list_malformed"),
        ("oto 2 buy 5 market / sell 5 @ 60", "list_malformed"),
        ("oto 2 buy 5 @ 45 / sell usdc 500 market", "list_malformed"),
        ("oto 2 buy 0 @ 45 / sell 5 @ 60", "qty_not_positive"),
        ("oto 2 buy 5 @ 45 / sell 0 @ 60", "qty_not_positive"),
        ("oto 2 buy 5 @ 45 / sell 0 market", "qty_not_positive"),
        ("oto 2 buy 5 @ 45 / sell 2000 market", "qty_too_large"),
        ("oto 2 buy 5 @ 45 / sell 5 @ 2000", "price_too_high"),
        ("oto 2 buy 5 @ 45 / sell 5 market ioc show 2", "order_malformed"),
        ("oco 2 sell 5 @ 60 post / sell 5 @ 40 stop 40 show 2", "order_malformed"),
        ("oco 2 sell 101 @ 60 post / sell 101 market stop 40", "insufficient_tokens"),
        ("otoco 2 buy 5 @ 45 / sell 101 @ 60 post / sell 101 market stop 40", None),
        ("oto 9 buy 5 @ 45 / sell 5 @ 60", "unknown_account"),
    ],
)
def test_all_of_a_list_is_taken_or_nothing(line: str, why: str | None) -> None:
    market = traded()
    if why == "unknown_account":
        with pytest.raises(AssertionError):
            market.run(line)
        assert market.run("cancel-all 9") == ["refused unknown_account"]
        return
    before = market.pair.engine.state()
    happened = market.run(line)
    if why is None:
        assert happened[0] == "listed 3 otoco"
    else:
        assert happened == [f"refused {why}"]
        assert market.pair.engine.state().orders == before.orders
        assert market.pair.engine.state().last_order_id == before.last_order_id


def test_a_pending_leg_outside_the_band_or_without_permission_is_refused() -> None:
    check(
        """
        bands 50 1000 0 0             => applied
        oto 2 buy 5 @ 49 / sell 5 @ 60                  => refused price_outside_band
        oto 2 buy 5 @ 49 / sell 5 market stop 30        => listed 3 oto, pending 4, accepted 3 rests 5 held 245
        permit 2 buy                  => applied
        oto 2 buy 5 @ 49 / sell 5 @ 52                  => refused not_permitted
        """,
        traded(),
    )


def test_a_list_said_again_is_refused_with_the_number_of_the_first_also_when_it_is_done() -> None:
    check(
        """
        oco 2 sell 5 @ 60 post / sell 5 market stop 40 id s / id L  => listed 3 oco,
            accepted 3 rests 5 held 5, accepted 4 waits held 5
        oco 2 sell 5 @ 60 post / sell 5 market stop 40 id s / id L  => refused client_order_id_in_use 3
        oco 2 sell 5 @ 60 post / sell 5 market stop 40 id s         => refused client_order_id_in_use 4
        buy 2 1 @ 1 id L              => refused client_order_id_in_use 3
        cancel-list 2 id L            => closed 3 cancelled 5, closed 4 cancelled 5, list 3 done
        oco 2 sell 5 @ 60 post / sell 5 market stop 40 / id L       => refused client_order_id_in_use 3
        cancel-list 2 id L            => refused order_not_found
        """,
        traded(),
    )


def leg(number: int, **changes: int) -> t.ListLeg:
    values = {
        "account": 2,
        "instrument": 1,
        "side": 1,
        "order_type": 3,
        "time_in_force": 1,
        "price_ticks": 60,
        "qty_lots": 1,
    }
    return t.ListLeg(**(values | changes), leg=number)  # type: ignore[arg-type]


def test_legs_wait_for_their_list_and_no_longer() -> None:
    market = traded()
    apply = market.pair.apply
    assert apply(leg(0)) == apply(leg(4)) == [t.Rejected(2, 1, t.Reason.LIST_MALFORMED)]
    assert apply(leg(1, account=9)) == [t.Rejected(9, 1, t.Reason.UNKNOWN_ACCOUNT)]
    assert apply(leg(1, instrument=9)) == [t.Rejected(2, 9, t.Reason.UNKNOWN_INSTRUMENT)]
    assert apply(leg(1, price_ticks=99)) == apply(leg(1)) == [t.Applied(2, 1)]
    assert apply(leg(3, order_type=4, time_in_force=2, price_ticks=0, stop_ticks=40)) == [t.Applied(2, 1)]
    market.pair.engine = Exchange.restore(market.pair.engine.snapshot())
    assert apply(t.PlaceList(2, 1, t.ListKind.OCO)) == [t.Rejected(2, 1, t.Reason.LIST_MALFORMED)]
    assert (
        apply(leg(1)) == apply(leg(2, order_type=4, time_in_force=2, price_ticks=0, stop_ticks=40)) == [t.Applied(2, 1)]
    )
    assert apply(t.PlaceList(2, 9, t.ListKind.OCO)) == [t.Rejected(2, 9, t.Reason.UNKNOWN_INSTRUMENT)]
    assert apply(t.PlaceList(2, 1, t.ListKind.OCO)) == [t.Rejected(2, 1, t.Reason.LIST_MALFORMED)]


def test_an_open_list_is_part_of_the_state() -> None:
    market = check(
        """
        oto 2 buy 5 @ 45 / sell 5 @ 60 / id L           => listed 3 oto, pending 4, accepted 3 rests 5 held 225
        """,
        traded(),
    )
    state = Exchange.restore(market.pair.engine.snapshot()).state()
    assert state == market.pair.engine.state()
    assert state.lists == (t.OpenList(3, 2, 1, t.ListKind.OTO, 2, b"L", 1_000),)
    assert [(order.order_id, order.rank, order.list_id, order.pending) for order in state.orders] == [
        (3, 3, 3, 0),
        (4, 4, 3, 1),
    ]
