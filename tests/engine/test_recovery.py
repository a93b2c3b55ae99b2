"""A lost wallet's place is taken by a new one; docs/rules.md, "Lost wallets"."""

from __future__ import annotations

from engine.exchange import Exchange
from tests.engine.script import check


def test_orders_holds_and_unsettled_trades_stay_with_the_account_and_keep_their_place() -> None:
    market = check(
        """
        sell 2 60 @ 50            => accepted 1 rests 60 held 60
        sell 3 1 @ 50             => accepted 2 rests 1 held 1
        buy 4 10 @ 50             => accepted 3, trade 1 by 3 10 @ 50
        position 2 -100 to 0 => nothing
        position 9 100 to 100     => applied
        migrate 2 9 100 to 100    => wallet of 2 lots migrated, wallet of 2 usdc stays
        funds 2 lots all          => free 40 held 50 owed_out 10 level 100 position_lots 100
        funds 2 usdc              => free 10000 owed_in 500
        buy 4 1 @ 50              => accepted 4, trade 1 by 4 1 @ 50
        compose 1 1 0 2           => applied
        final 1                   => settled 1, settled 2, applied
        funds 2 lots all          => free 40 held 49 level 89 position_lots 89
        funds 2 usdc all          => free 10550 level 10550
        """
    )
    image = market.pair.engine.snapshot()
    assert Exchange.restore(image).snapshot() == image


def test_what_the_chain_says_of_either_wallet_counts_where_the_asset_is() -> None:
    check(
        """
        migrate 2 9 100 to 100    => wallet of 2 lots migrated, wallet of 2 usdc stays
        level 2 usdc 5 to 10005 => nothing   # its cash is still at the lost wallet
        level 9 usdc 7 to 7       => parked 7
        level 9 lots -1 to 99 => nothing
        level 2 lots 3 to 3       => parked 3
        funds 2 usdc              => free 10005
        funds 2 lots              => free 99
        """
    )


def test_an_asset_of_which_the_account_has_nothing_goes_to_the_new_wallet() -> None:
    check(
        """
        terms in 2                => applied
        level 9 lots 7 to 7 in 2  => parked 7
        level 2 usdc -10000 to 0 => nothing
        migrate 2 9 100 to 100    => wallet of 2 lots migrated
        funds 2 lots in 2         => free 7
        level 9 usdc 8 to 8 => nothing
        level 2 usdc 5 to 5       => parked 5
        funds 2 usdc              => free 8
        """
    )


def test_a_second_token_follows_and_a_wallet_can_be_lost_twice() -> None:
    market = check(
        """
        terms in 2                    => applied
        level 2 lots 7 to 7 in 2 => nothing
        migrate 2 9 100 to 100        => wallet of 2 lots migrated, wallet of 2 usdc stays, wallet of 2 lots stays
        migrate 2 9 7 to 7 in 2       => wallet of 2 lots migrated, wallet of 2 usdc stays
        migrate 9 8 7 to 7 in 2       => wallet of 2 lots migrated, wallet of 2 usdc stays, wallet of 2 lots stays
        migrate 9 2 100 to 100        => wallet of 2 lots migrated, wallet of 2 lots stays
        level 2 usdc 1 to 10001 => nothing
        level 8 lots 1 to 8 in 2 => nothing
        funds 2 usdc                  => free 10001
        """
    )
    image = market.pair.engine.snapshot()
    assert Exchange.restore(image).snapshot() == image


def test_the_cash_of_a_lost_wallet_follows_and_can_be_withdrawn() -> None:
    check(
        """
        buy 2 10 @ 50                   => accepted 1 rests 10 held 500
        migrate 2 9 100 to 100          => wallet of 2 lots migrated, wallet of 2 usdc stays
        migrate 2 9 10000 to 10000 in 0 => wallet of 2 usdc migrated
        level 9 usdc 5 to 10005 => nothing
        level 2 usdc 3 to 3             => parked 3
        sell 3 4 @ 50                   => accepted 2, trade 1 by 2 4 @ 50
        level 9 usdc 0 to 10005 requested 9505 => ready 2 usdc 9505
        funds 2 usdc                    => held 300 owed_out 200 requested 9505
        """
    )


def test_cash_may_go_before_the_tokens_and_to_another_account() -> None:
    check(
        """
        migrate 2 9 10000 to 10000 in 0 => wallet of 2 usdc migrated, wallet of 2 lots stays
        migrate 2 9 100 to 100          => wallet of 2 lots migrated
        funds 2 lots                    => free 100
        buy 3 10 @ 50                   => accepted 1 rests 10 held 500
        migrate 3 4 10000 to 20000 in 0 => closed 1 cover_lost 10
        funds 3 usdc                    => nothing
        funds 4 usdc                    => free 20000
        """
    )


def test_neither_wallet_can_be_linked_again() -> None:
    check(
        """
        migrate 2 9 100 to 100    => wallet of 2 lots migrated, wallet of 2 usdc stays
        open 1 2                  => refused account_exists
        open 1 9                  => refused account_exists
        """
    )


def test_a_request_at_the_new_wallet_is_the_account_s_and_one_at_the_lost_wallet_is_gone() -> None:
    check(
        """
        level 2 lots 0 to 100 requested 30              => ready 2 lots 30
        level 9 lots 20 to 20 requested 20              => parked 20 requested 20
        migrate 2 9 100 to 120 requested 20             => wallet of 2 lots migrated, wallet of 2 usdc stays,
                                                           ready 2 lots 20
        funds 2 lots                                    => free 100 requested 20
        """
    )


def test_to_a_wallet_that_is_an_account_already_only_the_lock_goes() -> None:
    check(
        """
        sell 2 60 @ 50            => accepted 1 rests 60 held 60
        migrate 2 3 100 to 200    => closed 1 cover_lost 60
        funds 2 lots all          => position_lots 100
        funds 3 lots              => free 200
        """
    )


def test_the_lock_of_a_wallet_that_is_nobody_s_goes_from_wallet_to_wallet() -> None:
    check(
        """
        level 8 lots 5 to 5       => parked 5
        migrate 8 9 5 to 5        => parked 0, parked 5
        open 7 9                  => account 6
        funds 6 lots              => free 5
        """
    )


def test_parts_of_a_lot_may_add_up_to_one_more() -> None:
    check("migrate 2 9 100 to 101 gained 101 => wallet of 2 lots migrated, wallet of 2 usdc stays")


def test_a_lock_that_is_not_what_we_know_stops_crediting() -> None:
    check(
        """
        migrate 2 9 99 to 99      => refused level_mismatch, crediting stopped, expected 1 got 0, phase cancel_only in 0
        migrate 2 9 100 to 100    => refused crediting_halted
        """
    )
    check(
        """
        migrate 2 9 100 to 101    => refused level_mismatch, crediting stopped, expected 100 got 101,
                                     phase cancel_only in 0
        """
    )
    check(
        """
        migrate 8 9 5 to 5        => refused level_mismatch, crediting stopped, expected -5 got 0,
                                     phase cancel_only in 0
        """
    )


def test_what_cannot_be_is_refused() -> None:
    check(
        """
        migrate 2 9 100 to 100 in 7       => refused unknown_instrument
        migrate 2 2 100 to 100            => refused value_out_of_range
        migrate 2 9 100 to 100 block 1    => refused chain_position_passed
        """
    )
