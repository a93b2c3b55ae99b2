"""How far prices may go: limits outside the static band, and the call that the dynamic one starts."""

from __future__ import annotations

import pytest

from engine import types as t
from tests.engine.script import Market, check

CALL = "phase volatility_call in 1 until 1500"


def test_a_limit_outside_the_static_band_is_refused_on_either_side() -> None:
    check("""
        bands 105 1000 0 0       => applied
        buy 2 1 @ 95             => accepted 1 rests 1 held 95
        sell 3 1 @ 115           => accepted 2 rests 1 held 1
        buy 2 1 @ 94             => refused price_outside_band
        sell 3 1 @ 116           => refused price_outside_band
        buy 2 1 @ 116 ioc        => refused price_outside_band
        buy 2 1 market           => accepted 3, trade 2 by 3 1 @ 115 filled
        bands 0 0 0 0            => applied
        buy 2 1 @ 94             => accepted 4 rests 1 held 94
        bands 0 1000 0 0         => applied
        buy 2 1 @ 94             => refused price_outside_band
    """)


def test_without_a_reference_there_is_no_static_band() -> None:
    check("""
        bands 0 1 0 0            => applied
        buy 2 1 @ 94             => accepted 1 rests 1 held 94
    """)


def test_an_auction_with_a_trade_makes_a_new_reference() -> None:
    check("""
        bands 100 1000 0 0       => applied
        phase opening_call       => phase opening_call in 1
        buy 2 1 @ 110            => accepted 1 rests 1 held 110
        sell 3 1 @ 110           => accepted 2 rests 1 held 1
        phase continuous         => auction 1 @ 110 left 0, trade 1 by 2 1 @ 110 filled called done,
                                    phase continuous in 1
        buy 2 1 @ 121            => accepted 3 rests 1 held 121
        buy 2 1 @ 98             => refused price_outside_band
        phase closing_call       => phase closing_call in 1
        phase continuous         => auction nothing, phase continuous in 1
        buy 2 1 @ 99             => accepted 4 rests 1 held 99
    """)


def test_the_permission_is_told_before_the_band_and_that_before_post_only() -> None:
    check("""
        bands 100 1000 0 0       => applied
        sell 3 1 @ 105           => accepted 1 rests 1 held 1
        buy 2 1 @ 111 post       => refused price_outside_band
        permit 2 none            => applied
        buy 2 1 @ 111            => refused not_permitted
    """)


def test_an_order_trades_up_to_the_dynamic_band_and_its_rest_starts_a_call() -> None:
    check("""
        bands 100 0 1000 500     => applied
        sell 3 1 @ 104           => accepted 1 rests 1 held 1
        sell 3 1 @ 110           => accepted 2 rests 1 held 1
        sell 3 2 @ 111           => accepted 3 rests 2 held 2
        buy 2 4 @ 120            => accepted 4 rests 2 held 240, trade 1 by 4 1 @ 104 filled,
                                    trade 2 by 4 1 @ 110 filled, phase volatility_call in 1 until 1500
        sell 4 2 @ 109           => accepted 5 rests 2 held 2
        at 1500                  => auction 2 @ 110 left 0, trade 4 by 5 2 @ 110 filled called done,
                                    phase continuous in 1
    """)


def test_the_band_is_around_the_last_trade_once_there_is_one() -> None:
    check("""
        bands 100 0 1000 500     => applied
        sell 3 1 @ 110           => accepted 1 rests 1 held 1
        buy 2 1 @ 110            => accepted 2, trade 1 by 2 1 @ 110 filled
        sell 3 1 @ 121           => accepted 3 rests 1 held 1
        buy 2 1 @ 121            => accepted 4, trade 3 by 4 1 @ 121 filled
        buy 4 1 @ 100            => accepted 5 rests 1 held 100
        phase limit_only         => phase limit_only in 1
        sell 3 1 @ 100           => accepted 6 rests 1 held 1, phase volatility_call in 1 until 1500
        at 1500                  => auction 1 @ 100 left 0, trade 5 by 6 1 @ 100 filled called done,
                                    phase limit_only in 1
    """)


@pytest.mark.parametrize(
    ("order", "answer"),
    [
        (
            "buy 2 2 @ 120 ioc",
            "trade 1 by 3 1 @ 105 filled, closed 3 band_reached 1, phase volatility_call in 1 until 1500",
        ),
        (
            "buy 2 2 market",
            "trade 1 by 3 1 @ 105 filled, closed 3 band_reached 1, phase volatility_call in 1 until 1500",
        ),
        (
            "buy 2 usdc 300 market",
            "trade 1 by 3 1 @ 105 filled, closed 3 band_reached 0, phase volatility_call in 1 until 1500",
        ),
        ("buy 2 usdc 110 market", "trade 1 by 3 1 @ 105 filled, closed 3 ioc_remainder 0"),
        ("buy 2 2 @ 120 fok", "closed 3 fok_unfilled 2"),
        ("buy 2 1 @ 120 fok", "trade 1 by 3 1 @ 105 filled"),
    ],
)
def test_what_does_not_rest_is_closed_at_the_band(order: str, answer: str) -> None:
    check(f"""
        bands 100 0 1000 500     => applied
        sell 3 1 @ 105           => accepted 1 rests 1 held 1
        sell 3 1 @ 112           => accepted 2 rests 1 held 1
        {order}                  => accepted 3, {answer}
    """)


def test_own_orders_beyond_the_band_are_prevented_before_the_call() -> None:
    """Accounts 4 and 5 are one owner's; within the band nothing of theirs is met."""
    check("""
        bands 100 0 1000 500     => applied
        sell 4 1 @ 112           => accepted 1 rests 1 held 1
        sell 3 1 @ 113           => accepted 2 rests 1 held 1
        buy 5 2 @ 115 stp maker  => accepted 3 rests 2 held 230, closed 1 self_trade 1,
                                    phase volatility_call in 1 until 1500
    """)
    check("""
        bands 100 0 1000 500     => applied
        sell 4 1 @ 112           => accepted 1 rests 1 held 1
        buy 5 2 @ 115 stp taker  => accepted 2, closed 2 self_trade 2, phase volatility_call in 1 until 1500
    """)


@pytest.mark.parametrize(
    "command",
    [
        t.SetBands(1, -1, 0, 0, 0),
        t.SetBands(1, 1_001, 0, 0, 0),
        t.SetBands(1, 0, -1, 0, 0),
        t.SetBands(1, 0, 10_000, 0, 0),
        t.SetBands(1, 0, 0, 10_000, 5),
        t.SetBands(1, 0, 0, 1, 0),
        t.SetBands(1, 0, 0, 0, -1),
        t.SetBands(1, 0, 0, 0, 24 * 3600 * 10**9 + 1),
    ],
)
def test_bands_without_a_meaning_are_refused(command: t.SetBands) -> None:
    assert Market().pair.apply(command) == [t.Rejected(0, 1, t.Reason.VALUE_OUT_OF_RANGE)]


def test_an_unknown_instrument_has_no_bands() -> None:
    check("bands 1 0 0 0 in 9 => refused unknown_instrument")
