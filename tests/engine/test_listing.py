"""Accounts, permissions, instruments, fees, phases: what operators and compliance may set, and what follows at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import types as t
from engine.types import Reason
from tests.engine.script import Market, check, terms, wallet


def test_accounts_are_numbered_and_a_wallet_is_linked_once() -> None:
    check("""
        open 7 9    => account 6
        open 7 10   => account 7
        open 8 9    => refused account_exists
    """)
    (refused,) = Market().pair.apply(t.OpenAccount(9, wallet(3)))
    assert refused == t.Rejected(3, 0, Reason.ACCOUNT_EXISTS)


def test_what_came_before_a_wallet_was_linked_is_credited_then() -> None:
    check("""
        level 9 usdc 500 to 500              => parked 500
        level 9 usdc -100 to 400 requested 50 => parked 400 requested 50
        position 9 20 to 20                  => applied
        level 9 lots 15 to 15                => parked 15
        open 7 9                             => account 6, ready 6 usdc 50
        funds 6 usdc all                     => free 350 requested 50 level 400
        funds 6 lots all                     => free 15 level 15 position_lots 20
        level 9 usdc 1 to 401 requested 50   => nothing
        funds 6 usdc all                     => free 351 requested 50 level 401
        terms holder_cap 4                   => applied
        open 8 10                            => account 7
        permit 7 both                        => applied
        buy 7 1 @ 1                          => refused holder_cap    # the linked wallet's owner is the fourth
    """)


# -- permissions


def test_a_lost_permission_closes_resting_orders_in_the_same_command() -> None:
    check("""
        sell 2 1 @ 50             => accepted 1 rests 1 held 1
        buy 2 1 @ 40              => accepted 2 rests 1 held 40
        sell 2 1 @ 51             => accepted 3 rests 1 held 1
        permit 2 buy              => applied, closed 1 permission_lost 1, closed 3 permission_lost 1
        permit 2 none             => applied, closed 2 permission_lost 1
        funds 2 usdc              => free 10000
        funds 2 lots              => free 100
        permit 2 both             => applied
        sell 2 1 @ 50             => accepted 4 rests 1 held 1
        buy 2 1 @ 40              => accepted 5 rests 1 held 40
        permit 2 buy              => applied, closed 4 permission_lost 1
        permit 2 both until 1000  => applied, closed 5 permission_lost 1
        at 1001                   => nothing      # it never began, so it does not end
    """)


def test_a_permission_in_one_instrument_is_none_in_another() -> None:
    check("""
        terms in 2 open_orders_max 5 => applied
        buy 2 1 @ 40 in 2            => refused not_permitted
        permit 2 both in 2           => applied
        buy 2 1 @ 40 in 2            => accepted 1 rests 1 held 40
        buy 2 1 @ 40                 => accepted 2 rests 1 held 40
        permit 2 none in 2           => applied, closed 1 permission_lost 1
    """)


def test_only_the_permission_that_stands_ends() -> None:
    check("""
        permit 2 both until 2000 => applied
        permit 2 both until 3000 => applied
        permit 2 both until 3000 => applied
        buy 2 1 @ 40             => accepted 1 rests 1 held 40
        at 2500                  => nothing
        at 3000                  => permission 2 ended, closed 1 permission_lost 1
        at 3001                  => nothing
        permit 2 both until 4000 => applied
        at 9000                  => permission 2 ended
    """)


def test_a_sanction_stops_an_account_even_in_a_halt() -> None:
    check("""
        buy 2 1 @ 40   => accepted 1 rests 1 held 40
        phase halt     => phase halt in 1
        permit 2 none  => applied, closed 1 permission_lost 1
    """)


@pytest.mark.parametrize(
    ("permission", "reason"),
    [
        (t.SetPermission(9, 9, 2, 2, -1, -1), Reason.UNKNOWN_INSTRUMENT),
        (t.SetPermission(9, 0, 2, 2, -1, -1), Reason.UNKNOWN_INSTRUMENT),
        (t.SetPermission(9, 1, 2, 2, -1, -1), Reason.UNKNOWN_ACCOUNT),
        (t.SetPermission(0, 1, 2, 2, -1, -1), Reason.UNKNOWN_ACCOUNT),
        (t.SetPermission(2, 1, 2, 1, 5_000, 0), Reason.VALUE_OUT_OF_RANGE),
        (t.SetPermission(2, 1, 1, 255, 5_000, 0), Reason.VALUE_OUT_OF_RANGE),
        (t.SetPermission(2, 1, 1, 1, -1, 0), Reason.VALUE_OUT_OF_RANGE),
        (t.SetPermission(2, 1, 1, 1, 5_000, -1), Reason.VALUE_OUT_OF_RANGE),
    ],
)
def test_a_permission_out_of_range_is_refused_and_changes_nothing(permission: t.SetPermission, reason: Reason) -> None:
    market = check("buy 2 1 @ 40 => accepted 1 rests 1 held 40")
    assert market.pair.apply(permission) == [t.Rejected(permission.account, permission.instrument, reason)]
    check("buy 2 1 @ 40 => accepted 2 rests 1 held 40", market)


# -- instruments

LISTED = terms(1)
NEXT = terms(2)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (replace(NEXT, instrument=0, fee_account=99), Reason.UNKNOWN_INSTRUMENT),
        (replace(NEXT, instrument=3, fee_account=99), Reason.UNKNOWN_INSTRUMENT),
        (replace(NEXT, instrument=3), Reason.UNKNOWN_INSTRUMENT),
        (replace(NEXT, fee_account=99, resale=2), Reason.UNKNOWN_ACCOUNT),
        (replace(NEXT, fee_account=0), Reason.UNKNOWN_ACCOUNT),
        (replace(LISTED, tick_value_usdc_micros=2, resale=2), Reason.INSTRUMENT_CHANGED),
        (replace(LISTED, fee_account=2), Reason.INSTRUMENT_CHANGED),
        (replace(LISTED, symbol=b"OAK9USDC"), Reason.INSTRUMENT_CHANGED),
        (replace(LISTED, token=bytes(20)), Reason.INSTRUMENT_CHANGED),
        (replace(LISTED, lot_decimals=1), Reason.INSTRUMENT_CHANGED),
        (replace(NEXT, tick_value_usdc_micros=0), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, price_ticks_max=0), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, qty_lots_max=0), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, open_orders_max=0), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, notional_usdc_micros_min=-1), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, market_collar_bps=-1), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, market_collar_bps=10_000), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, ownership_cap_lots=-1), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, resale=2), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, lot_decimals=13), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, price_ticks_max=2**31, qty_lots_max=2**31 + 1), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, symbol=b""), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, symbol=b"OAK 2"), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, symbol=b"SEVENTEENLETTERSX"), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, symbol="OÄK".encode()), Reason.VALUE_OUT_OF_RANGE),
        (replace(NEXT, symbol=LISTED.symbol), Reason.VALUE_OUT_OF_RANGE),
    ],
)
def test_terms_that_are_refused(listed: t.SetInstrument, reason: Reason) -> None:
    account = listed.fee_account if reason is Reason.UNKNOWN_ACCOUNT else 0
    assert Market().pair.apply(listed) == [t.Rejected(account, listed.instrument, reason)]


@pytest.mark.parametrize(
    "listed",
    [
        NEXT,
        replace(NEXT, price_ticks_max=2**31, qty_lots_max=2**31),
        replace(NEXT, market_collar_bps=9_999, notional_usdc_micros_min=0, lot_decimals=12, symbol=b"SIXTEENLETTERSXY"),
        replace(LISTED, price_ticks_max=1, qty_lots_max=1, open_orders_max=1, resale=1, holder_cap=1),
    ],
)
def test_terms_that_are_taken(listed: t.SetInstrument) -> None:
    market = Market()
    assert market.pair.apply(listed) == [t.Applied(0, listed.instrument)]
    (state,) = [each for each in market.pair.engine.state().instruments if each.terms.instrument == listed.instrument]
    assert state == t.InstrumentState(listed, 0, 0, t.Phase.CONTINUOUS, 0, 0)


def test_new_limits_leave_resting_orders_alone() -> None:
    check("""
        sell 2 50 @ 900                                   => accepted 1 rests 50 held 50
        terms price_ticks_max 800 qty_lots_max 10 open_orders_max 1 notional_usdc_micros_min 9000 => applied
        sell 2 1 @ 900                                    => refused price_too_high
        amend 2 1 to 40                                   => amended 1 to 40 rests 40
        funds 2 lots                                      => free 60 held 40
    """)


# -- fees and phases


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (t.SetFees(1, 0, 1_000), t.Applied(0, 1)),
        (t.SetFees(1, 1_000, 0), t.Applied(0, 1)),
        (t.SetFees(1, 1_001, 0), t.Rejected(0, 1, Reason.VALUE_OUT_OF_RANGE)),
        (t.SetFees(1, 0, -1), t.Rejected(0, 1, Reason.VALUE_OUT_OF_RANGE)),
        (t.SetFees(9, 0, -1), t.Rejected(0, 9, Reason.UNKNOWN_INSTRUMENT)),
        (t.SetFees(0, 0, 0), t.Rejected(0, 0, Reason.UNKNOWN_INSTRUMENT)),
        (t.SetPhase(1, 1), t.PhaseChanged(1, 1)),
        (t.SetPhase(0, 2), t.PhaseChanged(0, 2)),
        (t.SetPhase(0, 3), t.Rejected(0, 0, Reason.VALUE_OUT_OF_RANGE)),
        (t.SetPhase(1, 255), t.Rejected(0, 1, Reason.VALUE_OUT_OF_RANGE)),
        (t.SetPhase(9, 255), t.Rejected(0, 9, Reason.UNKNOWN_INSTRUMENT)),
    ],
)
def test_fees_and_phases(command: t.SetFees | t.SetPhase, answer: t.Event) -> None:
    assert Market().pair.apply(command) == [answer]


def test_the_stricter_phase_counts() -> None:
    check("""
        phase cancel_only in 0   => phase cancel_only in 0
        buy 2 1 @ 40             => refused cancel_only
        phase halt in 1          => phase halt in 1
        buy 2 1 @ 40             => refused instrument_halted
        phase halt in 0          => phase halt in 0
        phase cancel_only in 1   => phase cancel_only in 1
        buy 2 1 @ 40             => refused instrument_halted
        phase continuous in 0    => phase continuous in 0
        buy 2 1 @ 40             => refused cancel_only
        phase continuous in 1    => phase continuous in 1
        buy 2 1 @ 40             => accepted 1 rests 1 held 40
    """)
