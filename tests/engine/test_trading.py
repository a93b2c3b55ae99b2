"""What a trader may do with an order that rests: cancel, reduce, replace; and with all of them."""

from __future__ import annotations

from engine import types as t
from tests.engine.script import Market, check


def test_cancel_by_order_id_or_by_client_id() -> None:
    check("""
        buy 2 5 @ 50 id mine => accepted 1 rests 5 held 250
        buy 2 5 @ 50         => accepted 2 rests 5 held 250
        cancel 2 2           => closed 2 cancelled 5
        cancel 2 id mine     => closed 1 cancelled 5
        cancel 2 id mine     => refused order_not_found
        funds 2 usdc         => free 10000
    """)


def test_only_the_own_order_in_the_named_instrument_can_be_cancelled() -> None:
    check("""
        terms in 2 open_orders_max 5 => applied
        buy 2 5 @ 50 id mine         => accepted 1 rests 5 held 250
        cancel 2 1 in 9              => refused unknown_instrument
        cancel 9 1                   => refused unknown_account
        cancel 3 1                   => refused order_not_found
        cancel 2 1 in 2              => refused order_not_found
        cancel 2 id mine in 2        => refused order_not_found
        cancel 2 2                   => refused order_not_found
        cancel 2 0                   => refused order_not_found
        cancel 2 -1                  => refused order_not_found
        cancel 2 id other            => refused order_not_found
    """)


def test_an_order_id_counts_before_a_client_id() -> None:
    market = check("""
        buy 2 1 @ 50 id a => accepted 1 rests 1 held 50
        buy 2 1 @ 50 id b => accepted 2 rests 1 held 50
    """)
    (first, _) = market.pair.apply(t.Cancel(2, 1, order_id=2, client_order_id=b"a"))
    assert isinstance(first, t.Closed)
    assert first.order_id == 2


def test_cancels_go_through_in_cancel_only_and_not_in_a_halt() -> None:
    check("""
        buy 2 1 @ 50          => accepted 1 rests 1 held 50
        buy 2 2 @ 50          => accepted 2 rests 2 held 100
        phase halt            => phase halt in 1
        cancel 2 1            => refused instrument_halted
        cancel 2 9            => refused order_not_found
        phase cancel_only     => phase cancel_only in 1
        cancel 2 1            => closed 1 cancelled 1
        phase continuous      => phase continuous in 1
        phase halt in 0       => phase halt in 0
        cancel 2 2            => refused instrument_halted
        amend 2 2 to 1        => refused instrument_halted
        phase cancel_only in 0 => phase cancel_only in 0
        amend 2 2 to 1        => amended 2 to 1 rests 1
        cancel 2 2            => closed 2 cancelled 1
    """)


def test_less_quantity_keeps_its_place() -> None:
    check("""
        sell 2 5 @ 50    => accepted 1 rests 5 held 5
        sell 3 5 @ 50    => accepted 2 rests 5 held 5
        amend 2 1 to 3   => amended 1 to 3 rests 3
        funds 2 lots     => free 97 held 3
        buy 4 4 @ 50     => accepted 3, trade 1 by 3 3 @ 50 filled, trade 2 by 3 1 @ 50
    """)


def test_an_amend_names_the_new_total_of_which_something_must_be_left() -> None:
    check("""
        fees 100 0           => applied
        buy 2 10 @ 100 id x  => accepted 1 rests 10 held 1010
        sell 3 4 @ 100       => accepted 2, trade 1 by 2 4 @ 100 fees 4 0
        amend 2 1 to 10      => refused qty_not_reduced
        amend 2 1 to 11      => refused qty_not_reduced
        amend 2 1 to 4       => refused qty_not_reduced
        amend 2 id x to 5    => amended 1 to 5 rests 1
        funds 2 usdc         => free 9495 held 101 owed_out 404
        sell 3 1 @ 100       => accepted 3, trade 1 by 3 1 @ 100 fees 1 0 filled
        funds 2 usdc         => free 9495 owed_out 505
    """)


def test_the_reasons_of_an_amend_in_their_order() -> None:
    check("""
        buy 2 5 @ 50     => accepted 1 rests 5 held 250
        phase halt       => phase halt in 1
        amend 9 9 to 0 in 9 => refused unknown_instrument
        amend 9 9 to 0   => refused unknown_account
        amend 2 9 to 0   => refused qty_not_positive
        amend 2 1 to -1  => refused qty_not_positive
        amend 2 9 to 5   => refused order_not_found
        amend 2 1 to 5   => refused qty_not_reduced
        amend 2 1 to 4   => refused instrument_halted
    """)


def test_replace_cancels_and_places_as_one_step() -> None:
    check("""
        buy 2 100 @ 100 id old                  => accepted 1 rests 100 held 10000
        replace 2 1 by buy 50 @ 200 id new      => closed 1 cancelled_replaced 100, accepted 2 rests 50 held 10000
        sell 3 10 @ 300                         => accepted 3 rests 10 held 10
        replace 2 id new by buy 10 @ 300        => closed 2 cancelled_replaced 50,
                                                   accepted 4, trade 3 by 4 10 @ 300 filled
        funds 2 usdc                            => free 7000 owed_out 3000
    """)


def test_a_replaced_orders_id_is_taken_like_any_closed_orders() -> None:
    check("""
        buy 2 1 @ 50 id x                => accepted 1 rests 1 held 50
        replace 2 1 by buy 1 @ 51 id x   => closed 1 cancelled_replaced 1, refused client_order_id_in_use 1
        funds 2 usdc                     => free 10000
    """)


def test_when_the_cancel_fails_the_new_order_is_placed_only_if_asked_for() -> None:
    check("""
        buy 2 1 @ 50                              => accepted 1 rests 1 held 50
        replace 2 7 by buy 1 @ 51                 => refused order_not_found
        replace 2 7 by buy 1 @ 51 anyway          => refused order_not_found, accepted 2 rests 1 held 51
        replace 2 7 by buy 0 @ 51 anyway          => refused order_not_found, refused qty_not_positive
        replace 2 1 by buy 1 @ 51 in 9 anyway     => refused unknown_instrument, refused unknown_instrument
        replace 9 1 by buy 1 @ 51 anyway          => refused unknown_account, refused unknown_account
        phase halt                                => phase halt in 1
        replace 2 1 by buy 1 @ 51                 => refused instrument_halted
        replace 2 1 by buy 1 @ 51 anyway          => refused instrument_halted, refused instrument_halted
        phase cancel_only                         => phase cancel_only in 1
        replace 2 1 by buy 1 @ 51                 => closed 1 cancelled_replaced 1, refused cancel_only
    """)


def test_cancel_all_closes_an_accounts_orders_by_number() -> None:
    check("""
        terms in 2 open_orders_max 5 => applied
        permit 2 both in 2           => applied
        sell 2 1 @ 50                => accepted 1 rests 1 held 1
        buy 2 1 @ 40 in 2            => accepted 2 rests 1 held 40
        buy 2 1 @ 40                 => accepted 3 rests 1 held 40
        buy 3 1 @ 40                 => accepted 4 rests 1 held 40
        cancel-all 2 in 1            => closed 1 cancelled 1, closed 3 cancelled 1, applied
        cancel-all 2 in 1            => applied
        buy 2 1 @ 40                 => accepted 5 rests 1 held 40
        cancel-all 2                 => closed 2 cancelled 1, closed 5 cancelled 1, applied
        cancel-all 9                 => refused unknown_account
        cancel-all 9 in 9            => refused unknown_instrument
        cancel 3 4                   => closed 4 cancelled 1
    """)


def test_cancel_all_leaves_halted_instruments_alone() -> None:
    check("""
        terms in 2 open_orders_max 5 => applied
        permit 2 both in 2           => applied
        buy 2 1 @ 40                 => accepted 1 rests 1 held 40
        buy 2 1 @ 40 in 2            => accepted 2 rests 1 held 40
        phase halt                   => phase halt in 1
        cancel-all 2 in 1            => refused instrument_halted
        cancel-all 2                 => closed 2 cancelled 1, applied
        phase halt in 0              => phase halt in 0
        cancel-all 2                 => applied
        phase continuous in 0        => phase continuous in 0
        phase cancel_only            => phase cancel_only in 1
        cancel-all 2                 => closed 1 cancelled 1, applied
    """)


# -- the whole answer, with its numbers


def test_the_answer_to_an_order_tells_everything() -> None:
    market = Market()
    market.run("fees 100 200")
    market.run("sell 3 2 @ 500")
    events = market.pair.apply(t.Place(2, 1, 0, 1, 1, price_ticks=600, qty_lots=5))
    assert events == [
        t.Accepted(2, 1, 0, 2, 600, 5, 2, 3, 3, 1_836, 1_000),
        t.Trade(2, 3, 1, 0, 1, 1, 2, 500, 2, 2, 10, 20, 1),
        t.Balance(1, 0, 0, 0, 30, 0, 0, 0, 0, 0),
        t.Balance(2, 0, 7_144, 1_836, 0, 1_020, 0, 10_000, 0, 0),
        t.Balance(2, 1, 100, 0, 2, 0, 0, 100, 0, 100),
        t.Balance(3, 0, 10_000, 0, 990, 0, 0, 10_000, 0, 0),
        t.Balance(3, 1, 98, 0, 0, 2, 0, 100, 0, 100),
    ]


def test_update_ids_count_the_changes_of_a_book_one_by_one() -> None:
    market = Market()
    for line in ("sell 3 2 @ 50", "sell 4 1 @ 50", "sell 3 2 @ 51", "buy 2 1 @ 10"):  # 1 to 4
        market.run(line)
    events = market.pair.apply(t.Place(5, 1, 0, 1, 1, price_ticks=51, qty_lots=9, self_trade=2))
    changes = [event.update_id for event in events if isinstance(event, t.Accepted | t.Trade | t.Closed)]
    assert changes == [8, 5, 6, 7]  # trade, own maker closed, trade; then the rest enters: told first, numbered last
    (amended, *_) = market.pair.apply(t.Amend(5, 1, 8, order_id=5))
    assert isinstance(amended, t.Amended)
    assert amended.update_id == 9
    (accepted, closed, *_) = market.pair.apply(t.Place(2, 1, 0, 1, 2, price_ticks=9, qty_lots=1))
    assert isinstance(accepted, t.Accepted)
    assert isinstance(closed, t.Closed)
    assert (accepted.update_id, closed.update_id, closed.rested) == (0, 0, 0)  # the book did not change


def test_an_unfilled_fok_or_ioc_touches_no_balance() -> None:
    market = Market()
    for time_in_force in (2, 3):
        events = market.pair.apply(t.Place(2, 1, 0, 1, time_in_force, price_ticks=9, qty_lots=1))
        assert [type(event) for event in events] == [t.Accepted, t.Closed]
