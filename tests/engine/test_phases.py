"""What an instrument takes in which phase, how calls begin and end, and who is stricter."""

from __future__ import annotations

import pytest

from engine import types as t
from engine.exchange import Exchange
from engine.types import Phase, phase_in_force
from tests.engine.script import Market, check


@pytest.mark.parametrize("phase", ["pre_open", "opening_call", "volatility_call", "closing_call", "periodic_call"])
def test_calls_take_limit_orders_that_may_rest_and_nothing_else(phase: str) -> None:
    check(f"""
        phase {phase}            => phase {phase} in 1
        buy 2 1 @ 50             => accepted 1 rests 1 held 50
        sell 3 1 @ 40 gtd 9000   => accepted 2 rests 1 held 1
        buy 2 1 @ 50 ioc         => refused type_not_in_phase
        buy 2 1 @ 50 fok         => refused type_not_in_phase
        buy 2 1 @ 50 post        => refused type_not_in_phase
        buy 2 1 market           => refused type_not_in_phase
        amend 3 2 to 1           => refused qty_not_reduced
        replace 2 1 by buy 2 @ 50 => closed 1 cancelled_replaced 1, accepted 3 rests 2 held 100
        amend 2 3 to 1           => amended 3 to 1 rests 1
        cancel 3 2               => closed 2 cancelled 1
    """)


def test_limit_only_takes_all_but_market_orders() -> None:
    check("""
        phase limit_only         => phase limit_only in 1
        sell 3 2 @ 40            => accepted 1 rests 2 held 2
        buy 2 1 market           => refused type_not_in_phase
        buy 2 usdc 100 market    => refused type_not_in_phase
        buy 2 1 @ 40 ioc         => accepted 2, trade 1 by 2 1 @ 40
        buy 2 1 @ 30 post        => accepted 3 rests 1 held 30
    """)


def test_the_phase_is_told_before_the_permission_and_after_the_client_id() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 2 1 @ 50 id a        => accepted 1 rests 1 held 50
        permit 3 none            => applied
        buy 3 1 @ 50 ioc         => refused type_not_in_phase
        buy 2 1 @ 50 ioc id a    => refused client_order_id_in_use 1
        buy 3 1 @ 50             => refused not_permitted
    """)


def test_a_halt_in_a_call_opens_again_by_auction() -> None:
    check("""
        phase opening_call       => phase opening_call in 1
        buy 2 1 @ 50             => accepted 1 rests 1 held 50
        sell 3 1 @ 40            => accepted 2 rests 1 held 1
        phase halt               => phase halt in 1
        phase cancel_only        => phase cancel_only in 1
        phase continuous         => auction 1 @ 40 left 0, trade 1 by 2 1 @ 40 filled called done, phase continuous in 1
        phase halt               => phase halt in 1
        phase continuous         => phase continuous in 1
    """)


def test_from_pre_open_through_the_opening_to_the_market() -> None:
    check("""
        phase pre_open           => phase pre_open in 1
        buy 2 1 @ 50             => accepted 1 rests 1 held 50
        sell 3 1 @ 40            => accepted 2 rests 1 held 1
        at 200000000             => nothing
        phase opening_call until 300000000 => phase opening_call in 1 until 300000000
        at 299999999             => nothing
        at 300000000             => auction 1 @ 40 left 0, trade 1 by 2 1 @ 40 filled called done, phase continuous in 1
    """)


def test_a_closing_call_ends_with_an_uncross_and_the_market_is_closed() -> None:
    check("""
        phase closing_call until 2000 then cancel_only => phase closing_call in 1 until 2000
        buy 2 1 @ 50             => accepted 1 rests 1 held 50
        sell 3 1 @ 50            => accepted 2 rests 1 held 1
        at 2000                  => auction 1 @ 50 left 0, trade 1 by 2 1 @ 50 filled called done,
                                    phase cancel_only in 1
        buy 2 1 @ 50             => refused cancel_only
    """)


def test_what_expires_at_the_end_of_a_call_is_not_in_its_uncross() -> None:
    check("""
        phase opening_call until 2000 => phase opening_call in 1 until 2000
        buy 2 1 @ 50 gtd 2000    => accepted 1 rests 1 held 50
        sell 3 1 @ 50            => accepted 2 rests 1 held 1
        sell 3 1 @ 50            => accepted 3 rests 1 held 1
        permit 3 both until 1999 => applied
        at 2000                  => permission 3 ended, closed 2 permission_lost 1, closed 3 permission_lost 1,
                                    closed 1 expired 1, auction nothing, phase continuous in 1
    """)


def test_a_call_that_is_set_anew_forgets_its_end() -> None:
    check("""
        phase opening_call until 2000 => phase opening_call in 1 until 2000
        phase opening_call until 3000 => phase opening_call in 1 until 3000
        at 2000                  => nothing
        phase volatility_call    => phase volatility_call in 1
        at 3000                  => nothing
    """)


def test_a_periodic_call_is_uncrossed_at_each_multiple_and_goes_on() -> None:
    check("""
        period 700               => applied
        phase periodic_call      => phase periodic_call in 1 until 1400
        buy 2 2 @ 50             => accepted 1 rests 2 held 100
        sell 3 1 @ 50            => accepted 2 rests 1 held 1
        at 1400                  => auction 1 @ 50 left 1, trade 1 by 2 1 @ 50 called done,
                                    phase periodic_call in 1 until 2100
        sell 3 1 @ 50            => accepted 3 rests 1 held 1
        period 1000              => applied
        at 2999                  => auction 1 @ 50 left 0, trade 1 by 3 1 @ 50 filled called done,
                                    phase periodic_call in 1 until 3000
        at 5500                  => auction nothing, phase periodic_call in 1 until 6000
        period 0                 => applied
        at 6000                  => auction nothing, phase periodic_call in 1
        phase continuous         => auction nothing, phase continuous in 1
    """)


def test_an_opening_may_go_over_into_periodic_calls() -> None:
    check("""
        period 1000              => applied
        phase opening_call until 1500 then periodic_call => phase opening_call in 1 until 1500
        at 1500                  => auction nothing, phase periodic_call in 1 until 2000
    """)


def test_while_the_venue_stands_a_call_waits_with_its_uncross() -> None:
    check("""
        period 1000              => applied
        phase opening_call until 1500 => phase opening_call in 1 until 1500
        buy 2 1 @ 50             => accepted 1 rests 1 held 50
        sell 3 1 @ 50            => accepted 2 rests 1 held 1
        phase cancel_only in 0   => phase cancel_only in 0
        at 1500                  => nothing
        phase continuous         => refused cancel_only
        phase halt in 0          => phase halt in 0
        phase limit_only         => refused instrument_halted
        phase halt               => phase halt in 1
        phase opening_call until 1600 => phase opening_call in 1 until 1600
        at 1700                  => nothing
        phase continuous in 0    => phase continuous in 0, auction 1 @ 50 left 0,
                                    trade 1 by 2 1 @ 50 filled called done, phase continuous in 1
    """)


@pytest.mark.parametrize(
    "command",
    [
        t.SetPhase(0, Phase.PRE_OPEN),
        t.SetPhase(0, Phase.HALT, until_ns=5_000),
        t.SetPhase(0, Phase.HALT, then=Phase.HALT),
        t.SetPhase(1, 9),
        t.SetPhase(1, Phase.OPENING_CALL, 5_000, 9),
        t.SetPhase(1, Phase.OPENING_CALL, 5_000, Phase.VOLATILITY_CALL),
        t.SetPhase(1, Phase.OPENING_CALL, 1_000),
        t.SetPhase(1, Phase.OPENING_CALL, -1),
        t.SetPhase(1, Phase.OPENING_CALL, 0, Phase.HALT),
        t.SetPhase(1, Phase.PERIODIC_CALL, 5_000),
        t.SetPhase(1, Phase.PRE_OPEN, 5_000),
        t.SetPhase(1, Phase.CONTINUOUS, 5_000),
        t.SetAuctions(1, -1),
        t.SetAuctions(1, 24 * 3600 * 10**9 + 1),
    ],
)
def test_what_has_no_meaning_is_refused(command: t.SetPhase | t.SetAuctions) -> None:
    market = Market()
    assert market.pair.apply(command) == [t.Rejected(0, command.instrument, t.Reason.VALUE_OUT_OF_RANGE)]


def test_an_unknown_instrument_has_no_phases() -> None:
    check("""
        phase halt in 9          => refused unknown_instrument
        period 5 in 9            => refused unknown_instrument
        period 5 in 0            => refused unknown_instrument
    """)


def test_what_a_call_comes_to_is_told_at_most_each_tenth_of_a_second() -> None:
    check("""
        phase opening_call until 900000000 => phase opening_call in 1 until 900000000
        buy 2 3 @ 50             => accepted 1 rests 3 held 150
        at 100000999             => nothing
        at 100001000             => indicative nothing
        at 300000000             => nothing
        sell 3 1 @ 40            => accepted 2 rests 1 held 1
        at 350000000             => nothing
        sell 3 1 @ 45            => accepted 3 rests 1 held 1
        at 400000000             => indicative 2 @ 45 left 1
        amend 2 1 to 2           => amended 1 to 2 rests 2
        at 500000000             => indicative 2 @ 45 left 0
        cancel 3 2               => closed 2 cancelled 1
        phase halt               => phase halt in 1
        at 700000000             => nothing
    """)


def test_a_restored_engine_ends_the_call_and_tells_what_it_comes_to() -> None:
    market = check("""
        phase opening_call until 200000000 => phase opening_call in 1 until 200000000
        buy 2 3 @ 50             => accepted 1 rests 3 held 150
    """)
    market.pair.engine = Exchange.restore(market.pair.engine.snapshot())
    assert market.pair.engine.next_due_ns == 100_001_000
    check(
        """
        at 100001000             => indicative nothing
        at 200000000             => auction nothing, phase continuous in 1
        """,
        market,
    )


@pytest.mark.parametrize("phase", list(Phase))
def test_the_stricter_phase_counts(phase: Phase) -> None:
    assert phase_in_force(Phase.HALT, phase) == Phase.HALT
    assert phase_in_force(Phase.CONTINUOUS, phase) == phase
    assert phase_in_force(Phase.CANCEL_ONLY, phase) == (Phase.HALT if phase == Phase.HALT else Phase.CANCEL_ONLY)
