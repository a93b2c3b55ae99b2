"""The tables say what the journal says, whatever the frames, the transactions and the moment of a restart."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random

import asyncpg
import pytest

from engine import types as t
from persistence.comparison import compare
from persistence.database import Pool
from persistence.fold import Fold, JournalGapError
from persistence.history import amendments_of, order_by_client_id, order_by_id, orders_of, trades_of
from persistence.projections import CursorMovedError, Projector, project
from tests.fixtures.market import INSTRUMENTS, TRADERS, DurableFrame, Market, Traffic


def market_after(seed: int, frames: int = 60) -> Market:
    market = Market().open()
    Traffic(market, seed).run(frames)
    return market


async def write(pool: Pool, frames: Sequence[DurableFrame]) -> None:
    await (await Projector.open(pool)).apply(frames)


async def named(pool: Pool, frames: Sequence[DurableFrame]) -> list[str]:
    return [str(difference) for difference in (await compare(pool, frames)).differences]


async def require_state(pool: Pool, state: t.MarketState) -> None:
    """The tables against the engine's own state, which no part of the fold has seen."""
    open_orders = await pool.fetch(
        "SELECT order_id, account, instrument, side, order_type, time_in_force, price_ticks, qty_lots, open_lots,"
        " executed_usdc_micros, expire_ns, self_trade, accepted_ns, client_order_id, 0, stop_ticks, display_lots, 0,"
        " list_id, is_pending::int"
        " FROM orders WHERE status = 'OPEN' ORDER BY order_id"
    )
    known = [replace(order, rank=0, hidden_lots=0) for order in state.orders]  # the queue is not projected
    assert [t.OpenOrder(*order) for order in open_orders] == sorted(known, key=lambda order: order.order_id)
    open_lists = await pool.fetch(
        "SELECT list_id, account, instrument, list_kind, legs, list_client_order_id, listed_ns"
        " FROM order_lists WHERE done_seq = 0 ORDER BY list_id"
    )
    assert [t.OpenList(*each) for each in open_lists] == sorted(state.lists, key=lambda each: each.list_id)
    balances = {
        (row["account"], row["instrument"]): t.Balance(*row)
        for row in await pool.fetch(
            "SELECT account, instrument, free, held, owed_in, owed_out, requested, level, advanced, position_lots"
            " FROM balances"
        )
    }
    for balance in state.balances:
        assert balances.pop((balance.account, balance.instrument), balance) == balance
    assert not balances
    accounts = await pool.fetch("SELECT account, owner, wallet FROM accounts ORDER BY account")
    assert tuple(t.AccountState(*account) for account in accounts) == state.accounts
    assert await pool.fetchval("SELECT coalesce(max(trade_id), 0) FROM trades") == state.last_trade_id
    assert await pool.fetchval("SELECT count(*) FROM trades") == state.last_trade_id
    assert await pool.fetchval("SELECT count(*) FROM trade_settlements") == state.last_final_trade_id


@pytest.mark.parametrize("seed", range(5))
async def test_the_tables_agree_with_the_engine(pool: Pool, seed: int) -> None:
    market = market_after(seed)
    await write(pool, market.frames)
    await require_state(pool, market.exchange.state())
    counts = dict(await pool.fetch("SELECT status, count(*) FROM orders GROUP BY 1"))
    assert counts.keys() == {"OPEN", "FILLED", "CLOSED"}, "a market in which something happened"
    assert await pool.fetchval("SELECT count(*) FROM trade_settlements WHERE reason <> 0") > 0
    assert {row["list_kind"] for row in await pool.fetch("SELECT list_kind FROM order_lists")} == set(t.ListKind)
    assert await pool.fetchval("SELECT count(*) FROM orders WHERE list_id > 0 AND status = 'FILLED'") > 0


@pytest.mark.parametrize("seed", range(5, 10))
async def test_restarts_and_frames_that_come_again_change_nothing(pool: Pool, seed: int) -> None:
    market, random = market_after(seed), Random(seed)
    projector, at = await Projector.open(pool), 0
    while at < len(market.frames):
        if random.random() < 0.3:
            projector = await Projector.open(pool)
        again = max(0, at - random.randint(0, 3))
        at = min(len(market.frames), at + random.randint(1, 10))
        await projector.apply(market.frames[again:at])
    await require_state(pool, market.exchange.state())
    assert await named(pool, market.frames) == []


async def test_an_order_sums_its_trades(pool: Pool) -> None:
    market = market_after(11)
    await write(pool, market.frames)
    wrong = await pool.fetch(
        "SELECT order_id FROM orders LEFT JOIN LATERAL (SELECT coalesce(sum(qty_lots), 0) AS lots,"
        " coalesce(sum(notional_usdc_micros), 0) AS usdc FROM trades WHERE order_id IN (maker_order_id, taker_order_id)"
        ") AS filled ON true WHERE (executed_lots, executed_usdc_micros) <> (lots, usdc)"
    )
    assert wrong == []


async def test_a_gap_is_refused_and_nothing_is_written(pool: Pool) -> None:
    market = Market().open()
    await write(pool, market.frames[:3])
    with pytest.raises(JournalGapError, match="does not follow seq"):
        await write(pool, market.frames[4:])
    seq = await pool.fetchval("SELECT seq FROM journal_cursors")
    assert seq == market.frames[3].first_seq - 1
    assert await named(pool, market.frames[:3]) == []


async def test_a_frame_that_starts_before_the_cursor_is_refused() -> None:
    market = Market().open()
    fold = Fold()
    fold.apply(market.frames[0])
    joined = DurableFrame(1, market.frames[0].commands + market.frames[1].commands, b"", bytes(32))
    with pytest.raises(JournalGapError):
        fold.apply(joined)


async def test_two_projectors_do_not_write_the_same_frames(pool: Pool) -> None:
    market = Market().open()
    slow, fast = await Projector.open(pool), await Projector.open(pool)
    await fast.apply(market.frames[:5])
    with pytest.raises(CursorMovedError, match="not at seq 0"):
        await slow.apply(market.frames[:3])
    assert await named(pool, market.frames) == []


EDITS = {
    "UPDATE orders SET executed_usdc_micros = executed_usdc_micros + 1 WHERE order_id = 7": "orders: order_id 7: ",
    "UPDATE trades SET maker_account = 99 WHERE trade_id = 3": "trades: trade_id 3: maker_account is 99 but ",
    "INSERT INTO order_amendments VALUES (7, 1, 1, 1, 1)": "order_amendments: order_id 7 seq 1 is in the database but",
    "DELETE FROM trades WHERE trade_id = 4": "trades: trade_id 4 is in the journal but not in the database",
    "UPDATE balances SET free = free + 1, level = level + 1 WHERE (account, instrument) = (3, 0)": (
        "balances: account 3 instrument 0: "
    ),
    "UPDATE trade_settlements SET reason = 98 WHERE trade_id = 1": "trade_settlements: trade_id 1: reason is 98 but 0",
    "INSERT INTO accounts VALUES (50, 50, '\\x0000000000000000000000000000000000000001', 1)": (
        "accounts: account 50 is in the database but not in the journal"
    ),
    "UPDATE batches SET attempt = 9 WHERE batch_id = 1": "batches: batch_id 1 composed_seq ",
    "UPDATE listings SET symbol = 'X' WHERE instrument = 2": "listings: instrument 2: symbol is X but OAK2USDC",
    "UPDATE candles SET qty_lots = 1 + qty_lots WHERE (instrument, width_s, first_trade_id) IN"
    " (SELECT 1, 900, min(first_trade_id) FROM candles WHERE (instrument, width_s) = (1, 900))": (
        "candles: instrument 1 width_s 900 open_s "
    ),
    "UPDATE listings SET static_bps = 1 WHERE instrument = 1": "listings: instrument 1: static_bps is 1 but 0",
    "INSERT INTO kill_switches VALUES (2, 0, 1)": "kill_switches: account 2 instrument 0 is in the database but not",
    "UPDATE journal_cursors SET frame_hash = sha256('')": "journal_cursors: consumer projections: seq is ",
}


@pytest.mark.parametrize("edit", EDITS)
async def test_one_edited_row_is_found_and_named(pool: Pool, edit: str) -> None:
    market = market_after(1)
    await write(pool, market.frames)
    assert await named(pool, market.frames) == []
    assert (await pool.execute(edit)).split()[-1] in ("1", "2")
    found = await named(pool, market.frames)
    assert found
    assert all(name.startswith(EDITS[edit]) for name in found)


async def test_a_database_behind_its_journal_is_compared_where_it_is(pool: Pool) -> None:
    market = market_after(2)
    await write(pool, market.frames[:30])
    comparison = await compare(pool, market.frames)
    assert comparison.differences == []
    assert (comparison.seq, comparison.journal_seq) == (market.frames[30].first_seq - 1, market.exchange.seq)


async def test_a_database_ahead_of_its_journal_is_named(pool: Pool) -> None:
    market = market_after(2)
    await write(pool, market.frames)
    assert (await named(pool, market.frames[:-1]))[0].startswith("journal_cursors: consumer projections: seq is ")


async def test_another_journal_with_the_same_seqs_is_named(pool: Pool) -> None:
    market = Market().open()
    await write(pool, market.frames)
    other = [*market.frames[:-1], replace(market.frames[-1], hash=bytes(32))]
    assert len(await named(pool, other)) == 1


async def test_following_goes_on_after_the_database_was_away(pool: Pool) -> None:
    market = market_after(3)
    killed = False

    async def frames_from(first_seq: int) -> AsyncIterator[DurableFrame]:
        nonlocal killed
        for frame in market.frames:
            if frame.first_seq >= first_seq:
                if not killed and frame.first_seq > 100:
                    killed = True
                    await pool.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                yield frame
                await asyncio.sleep(0)

    await project(pool, frames_from)
    assert killed
    await require_state(pool, market.exchange.state())
    assert await named(pool, market.frames) == []


async def test_what_is_wrong_with_the_rows_is_raised_and_not_retried(pool: Pool) -> None:
    market = Market().open()
    await pool.execute("INSERT INTO accounts VALUES (2, 2, '\\x0000000000000000000000000000000000000001', 1)")

    async def frames_from(first_seq: int) -> AsyncIterator[DurableFrame]:
        for frame in market.frames[first_seq - 1 :]:
            yield frame

    with pytest.raises(asyncpg.UniqueViolationError):
        await project(pool, frames_from)


# -- history


async def test_orders_are_found_by_id_by_client_id_and_only_by_their_account(pool: Pool) -> None:
    market = market_after(4)
    await write(pool, market.frames)
    row = await pool.fetchrow(
        "SELECT account, order_id, client_order_id FROM orders WHERE client_order_id <> '' LIMIT 1"
    )
    order = await order_by_id(pool, row["account"], row["order_id"])
    assert order is not None
    assert order.client_order_id == row["client_order_id"]
    assert await order_by_client_id(pool, row["account"], row["client_order_id"]) == order
    assert await order_by_id(pool, row["account"] + 1, row["order_id"]) is None
    assert await order_by_client_id(pool, row["account"] + 1, row["client_order_id"]) is None
    assert await order_by_client_id(pool, row["account"], b"") is None


async def test_amendments_are_the_journals_and_only_for_the_orders_account(pool: Pool) -> None:
    market = Market().open()
    trader = TRADERS[0]
    market.send(t.Place(trader, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 98, 9))
    order_id = market.exchange.state().orders[0].order_id
    for lots in (7, 4):
        market.send(t.Amend(trader, 1, lots, order_id))
    await write(pool, market.frames)
    seq = market.exchange.seq
    both = [(order_id, seq - 1, market.time_ns - 1_000, 7, 2), (order_id, seq, market.time_ns, 4, 3)]
    assert await amendments_of(pool, trader, order_id, from_seq=0, limit=9) == both
    assert await amendments_of(pool, trader, order_id, from_seq=0, limit=1) == both[:1]
    assert await amendments_of(pool, trader, order_id, from_seq=seq, limit=9) == both[1:]
    assert await amendments_of(pool, trader + 1, order_id, from_seq=0, limit=9) == []


async def test_history_is_bounded_by_ids_times_and_limit(pool: Pool) -> None:
    market = market_after(11, frames=250)
    await write(pool, market.frames)
    for account in TRADERS:
        for instrument in INSTRUMENTS:
            orders = await orders_of(pool, account, instrument)
            assert all((order.account, order.instrument) == (account, instrument) for order in orders)
            assert await orders_of(pool, account, instrument, limit=3) == orders[-3:]
            assert await orders_of(pool, account, instrument, from_order_id=orders[2].order_id, limit=3) == orders[2:5]
            middle_ns = orders[len(orders) // 2].accepted_ns
            late = await orders_of(pool, account, instrument, start_ns=middle_ns)
            early = await orders_of(pool, account, instrument, end_ns=middle_ns - 1)
            assert early + late == orders
            trades = await trades_of(pool, account, instrument)
            assert all(account in (trade.taker_account, trade.maker_account) for trade in trades)
            assert await trades_of(pool, account, instrument, limit=2) == trades[-2:]
            assert await trades_of(pool, account, instrument, from_trade_id=trades[1].trade_id, limit=2) == trades[1:3]
            of_order = await trades_of(pool, account, instrument, order_id=trades[0].maker_order_id)
            assert of_order == [
                trade
                for trade in trades
                if trades[0].maker_order_id in (trade.maker_order_id, trade.taker_order_id)
                and (trade.maker_account == account or trade.taker_order_id == trades[0].maker_order_id)
            ]
    total = await pool.fetchval("SELECT count(*) FROM orders")
    found = [await orders_of(pool, account, number) for account in TRADERS for number in INSTRUMENTS]
    assert sum(map(len, found)) == total


async def test_a_trade_shows_where_it_stands(pool: Pool) -> None:
    market = Market().open()
    market.send(
        t.Place(2, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 100, 9),
        *(t.Place(3, 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.IOC, 100, 1) for _ in range(3)),
    )
    payload_hash, transaction = bytes([1]) * 32, bytes([2]) * 32
    market.send(t.EjectTrade(1, 1, 2, t.Reason.BUYER_FROZEN), t.ComposeBatch(1, 1, 0, 2, 1, payload_hash))
    await write(pool, market.frames)

    async def states() -> list[tuple[str, int, int, int, bytes]]:
        return [
            (trade.state, trade.reason, trade.batch_id, trade.block, trade.transaction_hash)
            for trade in await trades_of(pool, 3, 1)
        ]

    matched = ("MATCHED", 0, 0, 0, b"")
    assert await states() == [matched] * 3
    await pool.execute(
        "INSERT INTO settlement_batches (batch_id, trade_after, trade_last, journal_seq, journal_hash, state)"
        " VALUES (1, 0, 2, 1, sha256(''), 'SUBMITTED')"
    )
    assert await states() == [("SUBMITTED", 0, 1, 0, b""), ("SUBMITTED", 0, 1, 0, b""), matched]
    await pool.execute(
        "UPDATE settlement_batches SET state = 'MINED', mined_block = 120, mined_transaction = $1", transaction
    )
    assert await states() == [("MINED", 0, 1, 120, transaction)] * 2 + [matched]
    block, log_index = 121, 1
    market.send(t.BatchFinal(1, block, log_index, payload_hash, transaction))
    await write(pool, market.frames)
    failed = ("FAILED", int(t.Reason.BUYER_FROZEN), 1, 121, transaction)
    assert await states() == [("FINAL", 0, 1, 121, transaction), failed, matched]


async def test_an_uncross_fills_both_resting_orders_of_a_trade(pool: Pool) -> None:
    market = Market().open()
    buyer, seller = TRADERS[0], TRADERS[1]
    buy = t.Place(buyer, 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 105, 9)
    sells = [t.Place(seller, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 95, lots) for lots in (4, 4, 4)]
    market.send(t.SetPhase(1, t.Phase.OPENING_CALL), buy, *sells, t.SetPhase(1, t.Phase.CONTINUOUS))
    await write(pool, market.frames)
    await require_state(pool, market.exchange.state())
    assert [tuple(row) for row in await pool.fetch("SELECT order_id, status, open_lots FROM orders ORDER BY 1")] == [
        (1, "FILLED", 0),
        (2, "FILLED", 0),
        (3, "FILLED", 0),
        (4, "OPEN", 3),
    ]
    assert await named(pool, market.frames) == []


async def test_what_operators_set_is_in_the_tables(pool: Pool) -> None:
    market = Market().open()
    until_ns = market.time_ns + 60 * 10**9
    market.send(
        t.SetPhase(1, t.Phase.OPENING_CALL, until_ns, t.Phase.LIMIT_ONLY),
        t.SetPhase(t.VENUE, t.Phase.CANCEL_ONLY),
        t.SetBands(1, 100, 500, 200, 10**9),
        t.SetBands(2, 0, 0, 10_000, 10**9),  # refused
        t.SetAuctions(2, 900 * 10**9),
        t.SetLimits(0, 1, 10**9, 0, 3),
        t.SetLimits(2, 1, 0, 70, 0),
        t.KillSwitch(2, 1, 1),
        t.KillSwitch(3, t.VENUE, 1),
    )
    halfway = len(market.frames)
    at_ns = market.time_ns
    await write(pool, market.frames)
    assert await rows(pool, "phases") == [
        (0, t.Phase.CANCEL_ONLY, 0, at_ns),
        (1, t.Phase.OPENING_CALL, until_ns, at_ns),
    ]
    columns = "reference_ticks, static_bps, dynamic_bps, volatility_call_ns, period_ns"
    assert await rows(pool, "listings", columns) == [(0, 0, 0, 0, 900 * 10**9), (100, 500, 200, 10**9, 0)]
    assert await rows(pool, "order_limits") == [(0, 1, 10**9, 0, 3), (2, 1, 0, 70, 0)]
    assert await rows(pool, "kill_switches") == [(2, 1, at_ns), (3, 0, at_ns)]
    market.send(
        t.SetLimits(2, 1, 0, 0, 0),
        t.KillSwitch(2, 1, 0),
        t.SetPhase(t.VENUE, t.Phase.CONTINUOUS),
        t.Place(TRADERS[2], 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 98, 9),
        t.Place(TRADERS[3], 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 98, 4),
        t.SetBands(1, 0, 100, 0, 0),
        after_ns=0,
    )
    market.send(t.Clock(), after_ns=until_ns - market.time_ns)
    await write(pool, market.frames[halfway:])
    assert await rows(pool, "phases") == [(0, 0, 0, at_ns), (1, t.Phase.LIMIT_ONLY, 0, until_ns)]
    assert await rows(pool, "listings", columns) == [(0, 0, 0, 0, 900 * 10**9), (98, 100, 0, 0, 0)]
    assert await rows(pool, "order_limits") == [(0, 1, 10**9, 0, 3)]
    assert await rows(pool, "kill_switches") == [(3, 0, at_ns)]
    assert await named(pool, market.frames) == []


async def test_an_ex_date_is_in_the_tables(pool: Pool) -> None:
    market = market_after(12)
    market.send(t.SetBands(1, 100, 500, 0, 0))
    halfway = len(market.frames)
    await write(pool, market.frames)
    resting = [order for order in market.exchange.state().orders if not (order.stop_ticks or order.pending)]
    bids = [order for order in resting if order.instrument == 1 and order.side == t.Side.BUY]
    market.send(t.ExDate(1, 3 * market.exchange.state().instruments[0].terms.tick_value_usdc_micros, bytes(16)))
    await write(pool, market.frames[halfway:])
    after = {order.order_id: order for order in market.exchange.state().orders}
    assert [after[order.order_id].price_ticks for order in bids] == [order.price_ticks - 3 for order in bids] != []
    await require_state(pool, market.exchange.state())
    assert await pool.fetchval("SELECT reference_ticks FROM listings WHERE instrument = 1") == 97
    assert await named(pool, market.frames) == []


async def rows(pool: Pool, table: str, columns: str = "*") -> list[tuple[int, ...]]:
    return [tuple(row) for row in await pool.fetch(f"SELECT {columns} FROM {table} ORDER BY 1, 2")]
