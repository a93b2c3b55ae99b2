"""What an order is refused for, and which reason is the answer where several apply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import types as t
from engine.types import OrderType, Reason, SelfTrade, Side, TimeInForce
from engine.wire import encode_command
from tests.engine.script import Market, check

MAX_INT64 = 2**63 - 1


def test_a_buy_that_is_wrong_in_every_way_hears_of_one_after_the_other() -> None:
    """Each line mends what the line before was refused for, and nothing else."""
    check("""
        open 9 6                             => account 6          # it has lots to sell, and no cash
        level 6 lots 50 to 50                => nothing
        permit 6 sell                        => applied
        sell 6 1 @ 900 id taken              => accepted 1 rests 1 held 1
        sell 3 5 @ 20                        => accepted 2 rests 5 held 5
        at 2000                              => nothing
        terms open_orders_max 1 ownership_cap_lots 5 holder_cap 1 notional_usdc_micros_min 15 => applied
        phase halt                           => phase halt in 1

        buy 9 -1 @ -1 post ioc in 9          => refused unknown_instrument
        buy 9 -1 @ -1 post ioc               => refused unknown_account
        buy 6 -1 @ -1 post ioc id taken      => refused order_malformed
        buy 6 -1 @ -1 post gtd 1999 id taken => refused qty_not_positive
        buy 6 1001 @ -1 post gtd 1999 id taken => refused qty_too_large
        buy 6 10 @ -1 post gtd 1999 id taken => refused price_not_positive
        buy 6 10 @ 1001 post gtd 1999 id taken => refused price_too_high
        buy 6 10 @ 1 post gtd 2000 id taken  => refused expire_time_passed
        buy 6 10 @ 1 post gtd 2001 id taken  => refused notional_too_small
        buy 6 10 @ 20 post gtd 2001 id taken => refused client_order_id_in_use 1
        buy 6 10 @ 20 post gtd 2001 id new   => refused instrument_halted
        phase cancel_only                    => phase cancel_only in 1
        buy 6 10 @ 20 post gtd 2001 id new   => refused cancel_only
        phase continuous                     => phase continuous in 1
        buy 6 10 @ 20 post gtd 2001 id new   => refused not_permitted
        permit 6 both                        => applied
        buy 6 10 @ 20 post gtd 2001 id new   => refused post_only_would_take
        buy 6 10 @ 19 post gtd 2001 id new   => refused too_many_orders
        terms open_orders_max 2              => applied
        buy 6 10 @ 19 post gtd 2001 id new   => refused ownership_cap
        terms ownership_cap_lots 10          => applied
        buy 6 10 @ 19 post gtd 2001 id new   => refused holder_cap
        terms holder_cap 5                   => applied
        buy 6 10 @ 19 post gtd 2001 id new   => refused insufficient_cash
        level 6 usdc 190 to 190              => nothing
        buy 6 10 @ 19 post gtd 2001 id new   => accepted 3 rests 10 held 190
    """)


def test_a_sell_that_is_wrong_in_every_way_hears_of_one_after_the_other() -> None:
    check("""
        open 9 6                         => account 6
        permit 6 buy locked 1            => applied
        level 6 lots 1 to 1              => nothing
        level 6 usdc 500 to 500          => nothing
        buy 6 1 @ 1                      => accepted 1 rests 1 held 1
        buy 3 5 @ 20                     => accepted 2 rests 5 held 100
        terms open_orders_max 1          => applied
        sell 6 1 @ 20 post               => refused not_permitted
        permit 6 both locked 1           => applied
        sell 6 1 @ 20 post               => refused locked_up
        level 6 lots -1 to 0             => nothing
        sell 6 1 @ 20 post               => refused post_only_would_take
        sell 6 1 @ 21 post               => refused too_many_orders
        terms open_orders_max 2          => applied
        sell 6 1 @ 21 post               => refused insufficient_tokens
        level 6 lots 2 to 2              => nothing
        sell 6 1 @ 21 post               => accepted 3 rests 1 held 1
    """)


def test_a_market_order_has_the_same_order_of_reasons() -> None:
    check("""
        sell 3 5 @ 20 id ask           => accepted 1 rests 5 held 5
        open 9 6                       => account 6
        terms notional_usdc_micros_min 15 ownership_cap_lots 7 holder_cap 3 qty_lots_max 9 => applied
        phase halt                     => phase halt in 1
        buy 6 0 market                 => refused qty_not_positive
        buy 6 -1 market                => refused qty_not_positive
        buy 6 10 market                => refused qty_too_large
        buy 6 usdc 14 market           => refused notional_too_small      # below the minimum
        buy 6 usdc 19 market           => refused notional_too_small      # not one lot at the best price
        buy 6 8 market                 => refused instrument_halted
        phase continuous               => phase continuous in 1
        buy 6 8 market                 => refused not_permitted
        permit 6 both                  => applied
        buy 6 8 market                 => refused ownership_cap
        buy 6 usdc 160 market          => refused ownership_cap           # 8 lots at the best price
        buy 6 7 market                 => refused holder_cap
        terms holder_cap 4             => applied
        buy 6 7 market                 => refused insufficient_cash
        buy 6 usdc 20 market           => refused insufficient_cash
        sell 6 1 market                => accepted 2, closed 2 no_liquidity 1  # nobody bids: no funds are asked for
        terms ownership_cap_lots 0     => applied
        buy 2 1 @ 15                   => accepted 3 rests 1 held 15
        sell 6 1 market                => refused insufficient_tokens
        sell 6 usdc 15 market          => refused insufficient_tokens
    """)


def test_a_market_order_of_a_locked_up_seller_is_refused() -> None:
    check("""
        permit 2 both locked 60 => applied
        sell 2 41 market        => accepted 1, closed 1 no_liquidity 41  # nobody bids: no funds are asked for
        buy 3 99 @ 10           => accepted 2 rests 99 held 990
        sell 2 41 market        => refused locked_up
        sell 2 usdc 369 market  => refused locked_up                    # 41 lots at the collar
        sell 2 40 market        => accepted 3, trade 2 by 3 40 @ 10
        sell 2 1 market         => refused locked_up
        sell 2 61 market        => refused insufficient_tokens
    """)


def test_what_is_not_locked_up_can_be_sold_and_each_release_frees_more() -> None:
    check("""
        permit 2 both locked 100 => applied
        sell 2 1 @ 20            => refused locked_up
        sell 2 101 @ 20          => refused insufficient_tokens  # the lock-up is not what it lacks
        buy 2 1 @ 5              => accepted 1 rests 1 held 5
        permit 2 both locked 70  => applied
        sell 2 20 @ 20           => accepted 2 rests 20 held 20
        sell 2 11 @ 20 post      => refused locked_up
        sell 2 10 @ 5 stop 6     => accepted 3 waits held 10
        replace 2 2 by sell 21 @ 20 => closed 2 cancelled_replaced 20, refused locked_up
        buy 3 4 @ 21             => accepted 4 rests 4 held 84
        sell 2 4 @ 21            => accepted 5, trade 4 by 5 4 @ 21 filled
        permit 2 both            => applied
        sell 2 86 @ 20           => accepted 6 rests 86 held 86
    """)


def test_what_was_bought_is_free_before_what_is_locked_up() -> None:
    check("""
        terms resale 1          => applied
        permit 2 both locked 100 => applied
        sell 3 5 @ 10           => accepted 1 rests 5 held 5
        buy 2 5 @ 10            => accepted 2, trade 1 by 2 5 @ 10 filled
        sell 2 6 @ 10           => refused locked_up
        sell 2 5 @ 10           => accepted 3 rests 5 held 5
    """)


ORDER = t.Place(2, 1, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 10, 1)
MARKET = t.Place(2, 1, Side.BUY, OrderType.MARKET, TimeInForce.IOC, 0, 1)
POST = replace(ORDER, order_type=OrderType.LIMIT_MAKER)


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, side=2),
        replace(ORDER, order_type=0),
        replace(ORDER, order_type=4),
        replace(ORDER, time_in_force=0),
        replace(ORDER, time_in_force=6),
        replace(ORDER, self_trade=5),
        replace(ORDER, quote_usdc_micros=1),
        replace(ORDER, quote_usdc_micros=-1),
        replace(ORDER, expire_time_ns=5_000),
        replace(ORDER, time_in_force=TimeInForce.GTD),
        replace(POST, time_in_force=TimeInForce.IOC),
        replace(POST, time_in_force=TimeInForce.FOK),
        replace(POST, quote_usdc_micros=1),
        replace(MARKET, price_ticks=10),
        replace(MARKET, price_ticks=-1),
        replace(MARKET, quote_usdc_micros=10),
        replace(MARKET, quote_usdc_micros=-10, qty_lots=0),
        replace(MARKET, quote_usdc_micros=10, qty_lots=-1),
        replace(MARKET, time_in_force=TimeInForce.GTC),
        replace(MARKET, time_in_force=TimeInForce.FOK),
        replace(MARKET, time_in_force=TimeInForce.GTD, expire_time_ns=5_000),
        replace(MARKET, expire_time_ns=5_000),
    ],
)
def test_a_combination_without_meaning_is_malformed(order: t.Place) -> None:
    assert Market().pair.apply(order) == [t.Rejected(2, 1, Reason.ORDER_MALFORMED)]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (replace(ORDER, qty_lots=MAX_INT64), Reason.QTY_TOO_LARGE),
        (replace(ORDER, qty_lots=-MAX_INT64 - 1), Reason.QTY_NOT_POSITIVE),
        (replace(ORDER, price_ticks=MAX_INT64), Reason.PRICE_TOO_HIGH),
        (replace(ORDER, price_ticks=-MAX_INT64 - 1), Reason.PRICE_NOT_POSITIVE),
        (replace(ORDER, time_in_force=TimeInForce.GTD, expire_time_ns=-1), Reason.EXPIRE_TIME_PASSED),
        (replace(MARKET, qty_lots=MAX_INT64), Reason.QTY_TOO_LARGE),
        (replace(MARKET, qty_lots=0, quote_usdc_micros=MAX_INT64), Reason.QTY_TOO_LARGE),
        (replace(MARKET, qty_lots=0, quote_usdc_micros=2**62 + 1), Reason.QTY_TOO_LARGE),
        (replace(ORDER, instrument=2**16 - 1), Reason.UNKNOWN_INSTRUMENT),
        (replace(ORDER, instrument=0), Reason.UNKNOWN_INSTRUMENT),
        (replace(ORDER, account=2**32 - 1), Reason.UNKNOWN_ACCOUNT),
        (replace(ORDER, account=0), Reason.UNKNOWN_ACCOUNT),
    ],
)
def test_numbers_at_the_ends_of_their_range_are_refused(order: t.Place, reason: Reason) -> None:
    answer = t.Rejected(order.account, order.instrument, reason)
    assert Market().pair.apply(order) == [answer]


@pytest.mark.parametrize("self_trade", SelfTrade)
def test_every_self_trade_mode_is_taken(self_trade: SelfTrade) -> None:
    events = Market().pair.apply(replace(ORDER, self_trade=self_trade))
    assert isinstance(events[0], t.Accepted)


def test_limits_are_inclusive() -> None:
    check("""
        level 2 usdc 990000 to 1000000 => nothing
        buy 2 1000 @ 1000              => accepted 1 rests 1000 held 1000000
        terms notional_usdc_micros_min 12 => applied
        buy 3 3 @ 4                    => accepted 2 rests 3 held 12
        buy 3 11 @ 1                   => refused notional_too_small
        buy 3 usdc 11 market           => refused notional_too_small
    """)


def test_the_minimum_does_not_apply_to_market_orders_by_lots() -> None:
    check("""
        terms notional_usdc_micros_min 50 => applied
        sell 3 5 @ 20                     => accepted 1 rests 5 held 5
        buy 2 1 market                    => accepted 2, trade 1 by 2 1 @ 20
    """)


def test_open_orders_are_counted_by_account_and_instrument_and_only_for_orders_that_may_rest() -> None:
    check("""
        terms open_orders_max 1               => applied
        terms in 2 open_orders_max 1          => applied
        permit 2 both in 2                    => applied
        buy 2 1 @ 10                          => accepted 1 rests 1 held 10
        buy 2 1 @ 10                          => refused too_many_orders
        buy 2 1 @ 10 gtd 9000                 => refused too_many_orders
        buy 2 1 @ 10 ioc                      => accepted 2, closed 2 ioc_remainder 1
        buy 2 1 @ 10 fok                      => accepted 3, closed 3 fok_unfilled 1
        buy 2 1 market                        => accepted 4, closed 4 no_liquidity 1
        buy 2 1 @ 10 in 2                     => accepted 5 rests 1 held 10
        buy 3 1 @ 10                          => accepted 6 rests 1 held 10
        cancel 2 1                            => closed 1 cancelled 1
        buy 2 1 @ 10                          => accepted 7 rests 1 held 10
        buy 2 1 @ 10                          => refused too_many_orders
    """)


# -- client order ids


def test_a_client_order_id_is_refused_while_its_order_is_open_and_a_day_after_it_closed() -> None:
    day = t.CLIENT_ORDER_ID_KEPT_NS
    check(f"""
        buy 2 1 @ 10 id mine           => accepted 1 rests 1 held 10
        buy 2 1 @ 10 id mine           => refused client_order_id_in_use 1
        buy 3 1 @ 10 id mine           => accepted 2 rests 1 held 10        # ids are an account's own
        cancel 2 id mine               => closed 1 cancelled 1
        sell 2 1 @ 99 id mine          => refused client_order_id_in_use 1
        at {1_000 + day - 1}           => nothing
        buy 2 1 @ 10 id mine           => refused client_order_id_in_use 1
        at {1_000 + day}               => nothing
        buy 2 1 @ 10 id mine           => accepted 3 rests 1 held 10
        buy 2 1 @ 10 id mine           => refused client_order_id_in_use 3  # the newer order is named now
    """)


def test_a_filled_orders_id_is_kept_too_and_a_refused_orders_is_not() -> None:
    check("""
        buy 2 1000 @ 1000 id big       => refused insufficient_cash
        buy 2 1 @ 10 id big            => accepted 1 rests 1 held 10
        sell 3 1 @ 10 id taker         => accepted 2, trade 1 by 2 1 @ 10 filled
        buy 2 1 @ 10 id big            => refused client_order_id_in_use 1
        sell 3 1 @ 10 id taker         => refused client_order_id_in_use 2
        buy 3 1 market id none         => accepted 3, closed 3 no_liquidity 1
        buy 3 1 market id none         => refused client_order_id_in_use 3
    """)


def test_ids_are_an_accounts_over_all_instruments() -> None:
    check("""
        terms in 2 open_orders_max 10  => applied
        permit 2 both in 2             => applied
        buy 2 1 @ 10 id mine           => accepted 1 rests 1 held 10
        buy 2 1 @ 10 id mine in 2      => refused client_order_id_in_use 1
        cancel 2 id mine in 2          => refused order_not_found
    """)


def test_ten_thousand_closed_ids_are_kept_and_the_oldest_goes_first() -> None:
    market = Market()
    engine_only = market.pair.engine  # the oracle would take minutes for as many
    place = replace(ORDER, time_in_force=TimeInForce.IOC)

    def placed(name: bytes) -> bytes:
        command = encode_command(replace(place, client_order_id=name), engine_only.seq + 1, market.pair.time_ns)
        return engine_only.apply(command)

    accepted = [placed(b"%d" % i)[8] for i in range(t.CLIENT_ORDER_ID_KEPT_MAX)]
    assert set(accepted) == {t.EventKind.ACCEPTED}
    assert placed(b"0")[8:10] == bytes([t.EventKind.REJECTED, Reason.CLIENT_ORDER_ID_IN_USE])
    assert placed(b"one more")[8] == t.EventKind.ACCEPTED
    assert placed(b"0")[8] == t.EventKind.ACCEPTED  # it was forgotten; closing it forgets the next
    assert placed(b"1")[8] == t.EventKind.ACCEPTED
    assert placed(b"3")[8:10] == bytes([t.EventKind.REJECTED, Reason.CLIENT_ORDER_ID_IN_USE])


# -- permissions, caps, holds


def test_permission_is_by_side_and_ends_at_its_time() -> None:
    check("""
        permit 2 buy until 2000        => applied
        sell 2 1 @ 90                  => refused not_permitted
        buy 2 1 @ 10                   => accepted 1 rests 1 held 10
        at 1999                        => nothing
        buy 2 1 @ 10                   => accepted 2 rests 1 held 10
        at 2000                        => permission 2 ended, closed 1 permission_lost 1, closed 2 permission_lost 1
        buy 2 1 @ 10                   => refused not_permitted
    """)


def test_the_ownership_cap_counts_an_owners_positions_what_is_owed_and_open_buys() -> None:
    check("""
        terms ownership_cap_lots 210   => applied          # owner 4 has 100 in account 4 and 100 in account 5
        buy 4 4 @ 10                   => accepted 1 rests 4 held 40
        buy 5 7 @ 10                   => refused ownership_cap
        buy 5 6 @ 10                   => accepted 2 rests 6 held 60
        sell 3 3 @ 10                  => accepted 3, trade 1 by 3 3 @ 10    # 3 owed in, 7 open buys
        buy 5 1 @ 10                   => refused ownership_cap
        amend 5 2 to 5                 => amended 2 to 5 rests 5
        buy 5 1 @ 10                   => accepted 4 rests 1 held 10
        cancel 4 1                     => closed 1 cancelled 1
        buy 5 2 @ 10                   => refused ownership_cap
        sell 5 50 @ 90                 => accepted 5 rests 50 held 50        # to offer is not to have sold
        buy 5 1 @ 10                   => accepted 6 rests 1 held 10
        buy 5 1 @ 10                   => refused ownership_cap
    """)


def test_the_holder_cap_counts_owners() -> None:
    check("""
        terms holder_cap 4             => applied          # owners 2, 3 and 4 hold
        open 9 6                       => account 6
        open 9 7                       => account 7
        open 8 8                       => account 8
        permit 6 both                  => applied
        permit 7 both                  => applied
        permit 8 both                  => applied
        level 6 usdc 100 to 100        => nothing
        level 7 usdc 100 to 100        => nothing
        level 8 usdc 100 to 100        => nothing
        buy 6 1 @ 10                   => accepted 1 rests 1 held 10         # owner 9 is the fourth
        buy 8 1 @ 10                   => refused holder_cap
        buy 7 1 @ 10                   => accepted 2 rests 1 held 10         # the same owner again
        cancel 6 1                     => closed 1 cancelled 1
        buy 8 1 @ 10                   => refused holder_cap
        cancel 7 2                     => closed 2 cancelled 1
        buy 8 1 @ 10                   => accepted 3 rests 1 held 10
        buy 6 1 @ 10                   => refused holder_cap
        buy 3 1 @ 10                   => accepted 4 rests 1 held 10         # a holder may buy more
    """)


def test_a_hold_covers_notional_and_the_higher_fee_rounded_up() -> None:
    check("""
        fees 10 25                     => applied
        buy 2 3 @ 33                   => accepted 1 rests 3 held 100        # 99 + 0.2475
        funds 2 usdc                   => free 9900 held 100
        fees 50 25                     => applied
        buy 2 3 @ 33                   => accepted 2 rests 3 held 100        # 99 + 0.495
        sell 2 3 @ 99                  => accepted 3 rests 3 held 3
        funds 2 lots                   => free 97 held 3
        buy 2 900 @ 11                 => refused insufficient_cash          # 9800 free, 9900 + 49.5 needed
        buy 2 886 @ 11                 => accepted 4 rests 886 held 9795
        funds 2 usdc                   => free 5 held 9995
    """)


def test_what_is_held_is_freed_to_the_micro_when_a_part_is_filled() -> None:
    check("""
        fees 100 100                   => applied
        buy 2 10 @ 101                 => accepted 1 rests 10 held 1021      # 1010 + 10.1
        sell 3 3 @ 101                 => accepted 2, trade 1 by 2 3 @ 101 fees 3 3
        funds 2 usdc                   => free 8979 held 715 owed_out 306    # 707 + 7.07; 303 + 3
        funds 3 usdc                   => free 10000 owed_in 300
        funds 1 usdc                   => owed_in 6
    """)
