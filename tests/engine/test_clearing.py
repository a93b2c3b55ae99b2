"""What the chain says: levels, positions and batches; and that what is held stays covered."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.types import Reason
from tests.engine.script import Market, check, wallet

# -- levels


def test_a_deposit_is_free_at_once() -> None:
    check("""
        level 2 usdc 500 to 10500       => nothing
        funds 2 usdc all                => free 10500 level 10500
        level 2 lots 5 to 105           => nothing
        funds 2 lots all                => free 105 level 105 position_lots 100
    """)


def test_a_requested_withdrawal_takes_what_is_free_first() -> None:
    check("""
        buy 2 10 @ 100                         => accepted 1 rests 10 held 1000
        level 2 usdc 0 to 10000 requested 9000 => ready 2 usdc 9000
        funds 2 usdc                           => held 1000 requested 9000
        level 2 usdc -9000 to 1000             => nothing
        funds 2 usdc all                       => held 1000 level 1000
        cancel 2 1                             => closed 1 cancelled 10
    """)


def test_then_it_cancels_the_youngest_orders_until_it_is_covered() -> None:
    check("""
        terms in 2 open_orders_max 5           => applied
        permit 2 both in 2                     => applied
        buy 2 10 @ 100                         => accepted 1 rests 10 held 1000
        sell 2 10 @ 300                        => accepted 2 rests 10 held 10
        buy 2 10 @ 200 in 2                    => accepted 3 rests 10 held 2000
        buy 2 10 @ 150                         => accepted 4 rests 10 held 1500
        level 2 usdc 0 to 10000 requested 8000 => closed 4 cover_lost 10, closed 3 cover_lost 10, ready 2 usdc 8000
        funds 2 usdc                           => free 1000 held 1000 requested 8000
        level 2 lots 0 to 100 requested 91     => closed 2 cover_lost 10, ready 2 lots 91
        funds 2 lots                           => free 9 requested 91
    """)


def test_what_is_owed_out_is_never_set_aside() -> None:
    check("""
        sell 3 60 @ 100                         => accepted 1 rests 60 held 60
        buy 2 60 @ 100                          => accepted 2, trade 1 by 2 60 @ 100 filled
        level 2 usdc 0 to 10000 requested 10000 => nothing
        funds 2 usdc                            => owed_out 6000 requested 4000
        compose 1 1 0 1                         => applied
        final 1                                 => settled 1, ready 2 usdc 4000, applied
        funds 2 usdc all                        => requested 4000 level 4000
    """)


def test_a_cancelled_request_is_free_again_and_a_new_one_is_told_again() -> None:
    check("""
        level 2 usdc 0 to 10000 requested 500 => ready 2 usdc 500
        level 2 usdc 1 to 10001 requested 500 => nothing              # told already
        level 2 usdc 0 to 10001               => nothing
        funds 2 usdc                          => free 10001
        level 2 usdc 0 to 10001 requested 500 => ready 2 usdc 500
        level 2 usdc 0 to 10001 requested 600 => ready 2 usdc 600
    """)


def test_the_issuer_takes_what_orders_were_held_against() -> None:
    check("""
        sell 2 40 @ 300           => accepted 1 rests 40 held 40
        sell 2 40 @ 301           => accepted 2 rests 40 held 40
        level 2 lots -50 to 50    => closed 2 cover_lost 40
        funds 2 lots              => free 10 held 40
        level 2 lots -50 to 0     => closed 1 cover_lost 40
        funds 2 lots all          => position_lots 100
    """)


# -- lock-up


def test_more_locked_up_closes_the_youngest_sells_that_it_no_longer_leaves_room_for() -> None:
    check("""
        sell 2 40 @ 300           => accepted 1 rests 40 held 40
        buy 2 1 @ 10              => accepted 2 rests 1 held 10
        sell 2 40 @ 301           => accepted 3 rests 40 held 40
        permit 2 both locked 20   => applied
        permit 2 both locked 21   => applied, closed 3 cover_lost 40
        permit 2 buy locked 21    => applied, closed 1 permission_lost 40
        permit 9 both locked 1    => refused unknown_account
        permit 2 both locked -1   => refused value_out_of_range
        permit 2 both locked 9223372036854775807 => applied
        sell 2 1 @ 300            => refused locked_up
        permit 2 both             => applied
        funds 2 lots              => free 100
    """)


def test_a_failed_trade_and_the_issuer_close_sells_before_what_is_locked_up_is_touched() -> None:
    check("""
        terms resale 1             => applied
        permit 2 both locked 60    => applied
        sell 3 20 @ 100            => accepted 1 rests 20 held 20
        buy 2 20 @ 100             => accepted 2, trade 1 by 2 20 @ 100 filled
        sell 2 30 @ 200            => accepted 3 rests 30 held 30
        sell 2 30 @ 201            => accepted 4 rests 30 held 30
        eject 1 1 1 token_paused   => applied
        compose 1 1 0 1 ejected 1  => applied
        final 1                    => failed 1 token_paused, closed 4 cover_lost 30, applied
        level 2 lots -11 to 89     => closed 3 cover_lost 30
        sell 2 29 @ 200            => accepted 5 rests 29 held 29
    """)


def test_what_is_locked_up_can_be_taken_out_but_not_while_a_sale_is_owed() -> None:
    check("""
        position 2 50 to 150                 => nothing   # of which 50 are not in the locker, and can be sent away
        permit 2 both locked 60              => applied
        sell 2 40 @ 100                      => accepted 1 rests 40 held 40
        level 2 lots 0 to 100 requested 1    => closed 1 cover_lost 40, ready 2 lots 1
        level 2 lots 0 to 100 requested 100  => ready 2 lots 100
        level 2 lots 0 to 100                => nothing
        sell 2 40 @ 100                      => accepted 2 rests 40 held 40
        buy 3 30 @ 100                       => accepted 3, trade 2 by 3 30 @ 100
        level 2 lots 0 to 100 requested 20   => closed 2 cover_lost 10
        funds 2 lots                         => free 60 owed_out 30 requested 10
        permit 2 both locked 59              => applied
        funds 2 lots                         => free 59 owed_out 30 requested 11
        permit 2 both locked 50              => applied, ready 2 lots 20
        permit 2 both locked 60              => applied
        compose 1 1 0 1                      => applied
        final 1                              => settled 1, ready 2 lots 20, applied
        funds 2 lots                         => free 50 requested 20
    """)


def test_free_stays_negative_while_a_trade_owes_what_is_gone() -> None:
    check("""
        sell 2 80 @ 100           => accepted 1 rests 80 held 80
        buy 3 80 @ 100            => accepted 2, trade 1 by 2 80 @ 100 filled
        level 2 lots -50 to 50    => nothing
        funds 2 lots              => free -30 owed_out 80
        sell 2 1 @ 100            => refused insufficient_tokens
        eject 1 1 1 lock_too_small => applied
        compose 1 1 0 1 ejected 1 => applied
        final 1                   => failed 1 lock_too_small, applied
        funds 2 lots              => free 50
        funds 3 usdc              => free 10000
        funds 3 lots              => free 100
    """)


def test_a_position_counts_for_the_caps_only() -> None:
    check("""
        position 2 50 to 150          => nothing
        funds 2 lots all              => free 100 level 100 position_lots 150
        terms ownership_cap_lots 150  => applied
        buy 2 1 @ 10                  => refused ownership_cap
        position 2 -51 to 99          => nothing
        buy 2 51 @ 10                 => accepted 1 rests 51 held 510
        position 9 7 to 7             => applied
    """)


def test_a_position_on_chain_that_has_passed_is_ignored() -> None:
    check("""
        level 2 usdc 1 to 10001 block 50     => nothing
        level 2 usdc 1 to 10002 block 50     => refused chain_position_passed
        level 2 usdc 1 to 10002 block 49     => refused chain_position_passed
        position 2 1 to 101 block 50         => refused chain_position_passed
        compose 1 1 0 0                      => applied
        final 1 block 50                     => refused chain_position_passed
        final 1 block 51                     => applied
        level 2 usdc 1 to 10002 in 9         => nothing
        level 2 lots 1 to 101 in 9           => refused unknown_instrument
        position 2 1 to 101 in 9             => refused unknown_instrument
        funds 2 usdc                         => free 10002
    """)
    later = t.LevelChanged(t.USDC, 1, 10_001, 0, block=50, log_index=1, cause=1, wallet=wallet(2))
    market = check("level 2 usdc 0 to 10000 block 50 => nothing")
    assert isinstance(market.pair.apply(later)[0], t.Balance)  # the same block, a later log


# -- when the chain and we disagree


@pytest.mark.parametrize(
    ("line", "expected", "got"),
    [
        ("level 2 usdc 5 to 10006", 10_005, 10_006),
        ("level 9 usdc 5 to 6", 5, 6),
        ("level 2 lots -1 to 100", 99, 100),
        ("position 2 1 to 100", 101, 100),
        ("position 9 0 to 1", 0, 1),
    ],
)
def test_a_level_that_is_not_ours_plus_the_change_stops_crediting(line: str, expected: int, got: int) -> None:
    check(f"""
        buy 3 1 @ 10    => accepted 1 rests 1 held 10
        {line} block 70 => refused level_mismatch, crediting stopped, expected {expected} got {got},
                           phase cancel_only in 0
        level 2 usdc 5 to 10005 block 80     => refused crediting_halted
        position 2 5 to 105 block 81         => refused crediting_halted
        compose 1 1 0 0                      => applied
        final 1 block 82                     => refused crediting_halted
        buy 3 1 @ 10                         => refused cancel_only
        cancel 3 1                           => closed 1 cancelled 1
        funds 2 usdc all                     => free 10000 level 10000
    """)


def test_where_crediting_stopped_is_told() -> None:
    events = Market().pair.apply(t.LevelChanged(t.USDC, 5, 9, 0, 70, 3, t.LevelCause.DEPOSIT, wallet(2)))
    assert events[:2] == [
        t.Rejected(2, 0, Reason.LEVEL_MISMATCH),
        t.CreditingStopped(2, 0, block=70, log_index=3, expected_level=10_005, level=9),
    ]


MOST = 2**62
LAST = t.INT64_MAX


@pytest.mark.parametrize(
    ("command", "expected", "level"),
    [
        (t.LevelChanged(0, -10_001, -1, 0, 70, 3, 1, wallet(2)), -1, -1),
        (t.LevelChanged(0, MOST - 9_999, MOST + 1, 0, 70, 3, 1, wallet(2)), MOST + 1, MOST + 1),
        (t.LevelChanged(0, 0, 10_000, -1, 70, 3, 1, wallet(2)), 10_000, 10_000),
        (t.LevelChanged(0, 0, 10_000, -LAST - 1, 70, 3, 1, wallet(2)), 10_000, 10_000),
        (t.LevelChanged(0, 0, 10_000, MOST + 1, 70, 3, 1, wallet(2)), 10_000, 10_000),
        (t.LevelChanged(0, LAST, LAST, 0, 70, 3, 1, wallet(2)), LAST, LAST),
        (t.LevelChanged(0, LAST, LAST, 0, 70, 3, 1, bytes(20)), LAST, LAST),
        (t.LevelChanged(0, -1, -1, 0, 70, 3, 1, bytes(20)), -1, -1),
        (t.PositionChanged(1, -101, -1, 70, 3, wallet(2)), -1, -1),
        (t.PositionChanged(1, -1, -1, 70, 3, bytes(20)), -1, -1),
        (t.PositionChanged(1, LAST, LAST, 70, 3, bytes(20)), LAST, LAST),
    ],
)
def test_a_level_that_cannot_be_stops_crediting(command: t.Command, expected: int, level: int) -> None:
    """It would leave the records, and the engine with it."""
    events = Market().pair.apply(command)
    stopped = next(each for each in events if isinstance(each, t.CreditingStopped))
    assert (stopped.block, stopped.log_index, stopped.expected_level, stopped.level) == (70, 3, expected, level)
    assert not any(isinstance(each, t.Balance | t.Parked) for each in events)


def test_the_largest_level_is_credited() -> None:
    check(f"""
        level 2 usdc {MOST - 10_000} to {MOST} => nothing
        funds 2 usdc all => free {MOST} level {MOST}
    """)


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.COVER_LOST, 95, 106, 255])
def test_an_ejection_has_a_reason_why_a_trade_failed(reason: int) -> None:
    """With none the failed trade would be told as settled."""
    market = three_trades()
    assert market.pair.apply(t.EjectTrade(1, 1, 1, reason)) == [t.Rejected(0, 0, Reason.VALUE_OUT_OF_RANGE)]


def test_a_venue_that_is_halted_stays_halted_when_crediting_stops() -> None:
    check("""
        phase halt in 0         => phase halt in 0
        level 2 usdc 5 to 10006 => refused level_mismatch, crediting stopped, expected 10005 got 10006
    """)


def test_an_adjust_sets_the_levels_and_crediting_goes_on() -> None:
    check("""
        sell 2 60 @ 300                   => accepted 1 rests 60 held 60
        buy 2 10 @ 10                     => accepted 2 rests 10 held 100
        level 2 usdc 5 to 10006 block 70  => refused level_mismatch, crediting stopped, expected 10005 got 10006,
                                             phase cancel_only in 0
        adjust 2 usdc 10006 requested 9950 => closed 2 cover_lost 10, ready 2 usdc 9950, applied
        funds 2 usdc all                  => free 56 requested 9950 level 10006
        adjust 2 lots 50 position 70      => closed 1 cover_lost 60, applied
        funds 2 lots all                  => free 50 level 50 position_lots 70
        level 2 usdc 1 to 10007 requested 9950 => nothing
        phase continuous in 0             => phase continuous in 0
    """)


@pytest.mark.parametrize(
    ("adjust", "reason"),
    [
        (t.Adjust(9, 9, -1, 0, 0, 1, 1), Reason.UNKNOWN_INSTRUMENT),
        (t.Adjust(9, 1, -1, 0, 0, 1, 1), Reason.UNKNOWN_ACCOUNT),
        (t.Adjust(2, 0, -1, 0, 0, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 0, 10, -1, 0, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 0, 10, 11, 0, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 0, 10, 0, 1, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 1, 0, 0, -1, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 1, 10, 0, 9, 1, 1), Reason.VALUE_OUT_OF_RANGE),  # no lock without its tokens
        (t.Adjust(2, 1, 10, 0, 10, -1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 0, 2**62 + 1, 0, 0, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 1, 0, 0, 2**62 + 1, 1, 1), Reason.VALUE_OUT_OF_RANGE),
        (t.Adjust(2, 1, 10, 0, 10, 1, -1), Reason.VALUE_OUT_OF_RANGE),
    ],
)
def test_an_adjust_out_of_range_is_refused(adjust: t.Adjust, reason: Reason) -> None:
    market = Market()
    assert market.pair.apply(adjust) == [t.Rejected(adjust.account, adjust.instrument, reason)]


# -- batches


def three_trades() -> Market:
    """3 sells 10 to 2 (trade 1) and 10 to 4 (trade 2), then 4 sells 5 to 2 (trade 3); resale, fees 1% and 2%."""
    return check("""
        fees 100 200     => applied
        terms resale 1   => applied
        sell 3 20 @ 100  => accepted 1 rests 20 held 20
        buy 2 10 @ 100   => accepted 2, trade 1 by 2 10 @ 100 fees 10 20
        buy 4 10 @ 100   => accepted 3, trade 1 by 3 10 @ 100 fees 10 20 filled
        sell 4 5 @ 100   => accepted 4 rests 5 held 5
        buy 2 5 @ 100    => accepted 5, trade 4 by 5 5 @ 100 fees 5 10 filled
    """)


def test_a_final_batch_moves_what_was_owed_into_the_levels() -> None:
    check(
        """
        funds 2 usdc all => free 8470 owed_out 1530 level 10000
        funds 4 usdc all => free 9475 owed_in 495 owed_out 1020 level 10000 advanced 495
        funds 4 lots all => free 105 owed_in 10 owed_out 5 level 100 advanced 10 position_lots 100
        compose 1 1 0 3  => applied
        final 1          => settled 1, settled 2, settled 3, applied
        funds 2 usdc all => free 8470 level 8470
        funds 2 lots all => free 115 level 115 position_lots 115
        funds 3 usdc all => free 11980 level 11980
        funds 3 lots all => free 80 level 80 position_lots 80
        funds 4 usdc all => free 9475 level 9475
        funds 4 lots all => free 105 level 105 position_lots 105
        funds 1 usdc all => free 75 level 75
        """,
        three_trades(),
    )


def test_an_ejected_trade_fails_and_gives_everything_back_fees_included() -> None:
    check(
        """
        eject 1 1 2 buyer_frozen    => applied
        eject 1 1 3 upstream_failed => applied
        compose 1 1 0 3 ejected 2   => applied
        final 1                     => settled 1, failed 2 buyer_frozen, failed 3 upstream_failed, applied
        funds 4 usdc all            => free 10000 level 10000
        funds 4 lots all            => free 100 level 100 position_lots 100
        funds 2 usdc all            => free 8980 level 8980
        funds 3 lots all            => free 90 level 90 position_lots 90
        funds 1 usdc all            => free 30 level 30
        """,
        three_trades(),
    )


def test_a_failed_trade_takes_back_what_was_advanced_and_closes_what_was_held_against_it() -> None:
    check(
        """
        sell 2 115 @ 300         => accepted 6 rests 115 held 115
        eject 1 1 1 seller_frozen => applied
        compose 1 1 0 1 ejected 1 => applied
        final 1                  => failed 1 seller_frozen, closed 6 cover_lost 115, applied
        funds 2 lots all         => free 105 owed_in 5 level 100 advanced 5 position_lots 100
        """,
        three_trades(),
    )


def test_a_settled_trade_tells_everything() -> None:
    market = three_trades()
    check("compose 1 1 0 1 => applied", market)
    events = market.pair.apply(t.BatchFinal(1, 90, 4, b"h".ljust(32, b"\0"), bytes(32)))
    assert events[0] == t.TradeSettled(2, 3, 1, Reason.NONE, 1, 1, 10, 1_000, 20, 10, 90)
    assert events[1] == t.Applied(0, 0)
    assert {(each.account, each.instrument) for each in events[2:] if isinstance(each, t.Balance)} == {
        *((1, 0), (2, 0), (2, 1), (3, 0), (3, 1))
    }


def test_a_batch_lowers_a_request_to_the_level_as_the_vault_does() -> None:
    market = three_trades()
    check(
        """
        level 2 usdc 0 to 10000 requested 9900 => nothing           # 1530 are owed: 8470 are set aside
        funds 2 usdc                           => owed_out 1530 requested 8470
        compose 1 1 0 1                        => applied
        final 1                                => settled 1, applied
        funds 2 usdc all                       => owed_out 510 requested 8470 level 8980
        compose 2 1 1 3                        => applied
        final 2                                => settled 2, settled 3, ready 2 usdc 8470, applied
        """,
        market,
    )


def test_batches_are_composed_in_order_and_one_may_cut_inside_a_command() -> None:
    check(
        """
        compose 2 1 0 1 => refused batch_out_of_order      # the first is 1
        compose 1 0 0 1 => refused batch_out_of_order      # attempts count from 1
        compose 1 1 1 2 => refused batch_out_of_order      # it starts after trade 0
        compose 1 1 0 4 => refused batch_out_of_order      # there is no trade 4 yet
        compose 1 1 0 -1 => refused batch_out_of_order
        compose 1 1 0 1 hash a => applied
        compose 2 1 0 2 => refused batch_out_of_order
        compose 2 1 1 2 hash b => applied
        final 2 hash b  => refused batch_unknown           # 1 comes first
        final 1 hash b  => refused batch_unknown
        final 1 hash a  => settled 1, applied
        final 1 hash a  => refused batch_unknown
        compose 1 2 0 1 hash c => refused batch_out_of_order
        final 2 hash b  => settled 2, applied
        compose 3 1 2 2 => applied                         # an empty one
        final 3         => applied
        final 4         => refused batch_unknown
        """,
        three_trades(),
    )


def test_a_further_attempt_keeps_the_range_and_may_only_eject_more() -> None:
    check(
        """
        eject 1 1 1 buyer_frozen         => applied
        compose 1 1 0 2 ejected 1 hash a => applied
        compose 1 2 0 3 hash b           => refused batch_out_of_order
        eject 1 2 2 token_paused         => applied
        compose 1 2 0 2 ejected 1 hash b => refused ejected_mismatch     # trade 1 must stay out
        eject 1 2 1 buyer_frozen         => applied
        eject 1 2 2 token_paused         => applied
        compose 1 2 0 2 ejected 1 hash b => refused ejected_mismatch     # 2 were named
        compose 1 2 0 2 ejected 2 hash b => refused ejected_mismatch     # and are forgotten after each attempt
        eject 1 2 1 buyer_frozen         => applied
        eject 1 2 2 token_paused         => applied
        compose 1 2 0 2 ejected 2 hash b => applied
        eject 1 1 1 buyer_frozen         => applied
        compose 1 1 0 2 ejected 1 hash c => refused batch_out_of_order   # attempts do not go back
        final 1 hash a                   => failed 1 buyer_frozen, settled 2, applied   # the first was mined after all
        """,
        three_trades(),
    )


def test_ejections_belong_to_one_attempt_and_to_trades_of_its_range() -> None:
    check(
        """
        eject 1 1 9 buyer_frozen         => refused batch_out_of_order   # no such trade
        eject 1 1 3 buyer_frozen         => applied
        compose 1 1 0 2 ejected 1        => refused ejected_mismatch     # trade 3 is not in it
        eject 1 2 1 buyer_frozen         => applied
        compose 1 1 0 2 ejected 1        => refused ejected_mismatch     # it was for attempt 2
        eject 1 1 1 buyer_frozen         => applied
        eject 1 1 1 seller_frozen        => applied                      # the later reason counts
        compose 1 1 0 2 ejected 1        => applied
        final 1                          => failed 1 seller_frozen, settled 2, applied
        eject 2 1 1 buyer_frozen         => refused batch_out_of_order   # it is done
        """,
        three_trades(),
    )


def test_a_trade_of_an_earlier_batch_cannot_be_ejected_from_a_later_one() -> None:
    check(
        """
        compose 1 1 0 1           => applied
        eject 2 1 1 buyer_frozen  => applied
        compose 2 1 1 3 ejected 1 => refused ejected_mismatch
        eject 2 1 2 buyer_frozen  => applied
        compose 2 1 1 3 ejected 1 => applied
        """,
        three_trades(),
    )


def test_the_order_of_a_batchs_answer() -> None:
    """Trades by id, then what each balance frees or closes, by account and asset, then Applied, then balances."""
    market = three_trades()
    check("compose 1 1 0 3 => applied", market)
    events = market.pair.apply(t.BatchFinal(1, 90, 4, b"h".ljust(32, b"\0"), bytes(32)))
    assert [type(event) for event in events] == [t.TradeSettled] * 3 + [t.Applied] + [t.Balance] * 7
    balances = [(event.account, event.instrument) for event in events if isinstance(event, t.Balance)]
    assert balances == sorted(balances)
