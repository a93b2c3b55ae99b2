"""What settlement reads from the journal is what the engine holds."""

from __future__ import annotations

from engine import types as t
from engine.wire import decode_commands, decode_events
from settlement.journal_fold import Fold
from tests.fixtures.market import FEE_ACCOUNT, INSTRUMENTS, TRADERS, Market, Traffic, wallet_of


def test_a_run_of_traffic_leaves_the_trades_that_the_engine_has_unsettled() -> None:
    market = Market().open()
    Traffic(market, seed=11).run(frames=120)
    fold = Fold({}, 0)
    open_trades: dict[int, tuple[int, int]] = {}
    failed: dict[int, int] = {}
    for frame in market.frames:
        fold.apply(frame)
        changes = fold.take()
        open_trades |= {each.trade_id: (each.buyer_account, each.seller_account) for each, _ in changes.trades}
        for trade_id in changes.settled_trades:
            del open_trades[trade_id]
        for trade_id, seq in changes.failed_trades:
            del open_trades[trade_id]
            failed[trade_id] = seq
        for trade, time_ns in changes.trades:
            assert (trade.frame_hash, trade.frame_seq >= trade.seq) == (frame.hash, True)
            assert time_ns <= market.time_ns
    state = market.exchange.state()
    assert sorted(open_trades) == list(range(state.last_final_trade_id + 1, state.last_trade_id + 1))
    assert failed
    owed_out = sum(each.owed_out for each in state.balances if each.instrument == 0)
    assert (owed_out == 0) == (not open_trades)


def test_money_of_trades_is_what_the_engine_settles_them_with() -> None:
    market = Market().open()
    Traffic(market, seed=5).run(frames=120)
    fold = Fold({}, 0)
    for frame in market.frames:
        fold.apply(frame)
    trades = {each.trade_id: each for each, _ in fold.take().trades}
    settled = [
        event
        for frame in market.frames
        for _, event in decode_events(frame.events)
        if isinstance(event, t.TradeSettled)
    ]
    assert settled
    for event in settled:
        trade = trades[event.trade_id]
        assert (trade.buyer_account, trade.seller_account) == (event.buyer_account, event.seller_account)
        assert (trade.qty_lots, trade.notional_usdc_micros) == (event.qty_lots, event.notional_usdc_micros)
        fees = (trade.buyer_fee_usdc_micros, trade.seller_fee_usdc_micros)
        assert fees == (event.buyer_fee_usdc_micros, event.seller_fee_usdc_micros)


def test_accounts_listings_batches_and_the_chain_position() -> None:
    market = Market().open()
    Traffic(market, seed=3).run(frames=80)
    fold = Fold({}, 0)
    for frame in market.frames:
        fold.apply(frame)
    changes, state = fold.take(), market.exchange.state()
    linked = {each.account: each.wallet for each in changes.wallets}
    assert linked == {account: wallet_of(account) for account in (FEE_ACCOUNT, *TRADERS)}
    assert [each.instrument for each in changes.listings] == list(INSTRUMENTS)
    assert changes.chain_position == (state.chain_block, state.chain_log_index)
    composed = {each.batch.batch_id: each for each in changes.composed}
    assert [each.batch_id for each in changes.final_batches] == sorted(composed)
    assert all(len(each.ejected) == each.batch.ejected_count for each in composed.values())


def test_refused_commands_change_nothing() -> None:
    market = Market().open()
    rejected: list[t.Command] = [
        t.ComposeBatch(9, 1, 50, 60, 0, bytes(32)),
        t.BatchFinal(4, 10**6, 1, bytes(32), bytes(32)),
        t.LevelChanged(99, 5, 5, 0, 10**6, 1, t.LevelCause.DEPOSIT, wallet_of(2)),
    ]
    fold = Fold({}, 0)
    for frame in market.frames:
        fold.apply(frame)
    fold.take()
    market.send(*rejected)
    assert len(list(decode_commands(market.frames[-1].commands))) == len(rejected)
    fold.apply(market.frames[-1])
    changes = fold.take()
    assert (changes.composed, changes.final_batches, changes.chain_position) == ([], [], None)
