"""Holders of record: the pure core against a plain simulation, the reader on a real market."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from engine.wire import encode_command, stamped
from persistence.projections import Projector
from settlement.chain import Log
from settlement.chain_events import TRANSFER
from settlement.record_date import HoldersOfRecord, Moved, RecordDates, RecordOpen, balances_from, block_at, holdings
from settlement.trades import ANY_ASSET, Wallet
from tests.settlement.world import INVESTORS, OAK, TOKENS, Frame, World, investor, raw_address

WALLETS = [Wallet(bytes([number]) * 20) for number in range(1, 5)]
START_UNITS = 1_000


@dataclass
class PlainMarket:
    """A market in its plainest form: ownership moves when it is traded, or when the engine hears of a transfer."""

    seq: int = 0
    block: int = 1
    told_block: int = 1
    on_chain: Counter[Wallet] = field(default_factory=lambda: Counter(dict.fromkeys(WALLETS, START_UNITS)))
    owned: Counter[Wallet] = field(default_factory=lambda: Counter(dict.fromkeys(WALLETS, START_UNITS)))
    balances_at: dict[int, dict[Wallet, int]] = field(default_factory=dict)
    waiting: list[tuple[int, Wallet, Wallet, int]] = field(default_factory=list)
    trades: list[Moved] = field(default_factory=list)
    outside: list[tuple[int, Wallet, Wallet, int]] = field(default_factory=list)  # transfers not told yet

    def __post_init__(self) -> None:
        self.balances_at[1] = dict(self.on_chain)

    def trade(self, buyer: Wallet, seller: Wallet, units: int) -> None:
        units = min(units, self.owned[seller], self._sellable(seller))
        if units and buyer != seller:
            self.seq += 1
            self.waiting.append((self.seq, buyer, seller, units))
            self.owned[seller] -= units
            self.owned[buyer] += units

    def _sellable(self, seller: Wallet) -> int:
        """What the chain has of it less what is sold already, so that no later trade rests on one that fails."""
        return self.on_chain[seller] - sum(units for _, _, who, units in self.waiting if who == seller)

    def transfer(self, receiver: Wallet, sender: Wallet, units: int) -> None:
        units = min(units, self._sellable(sender), self.owned[sender])
        if units > 0 and receiver != sender:
            self._mine()
            self.on_chain[sender] -= units
            self.on_chain[receiver] += units
            self.balances_at[self.block] = dict(self.on_chain)
            self.outside.append((self.block, receiver, sender, units))

    def settle(self, count: int, failing: int) -> None:
        """The oldest trades in one block; every `failing`th fails (0: none)."""
        if not self.waiting:
            return
        self._mine()
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        for number, (seq, buyer, seller, units) in enumerate(batch, 1):
            fails = failing > 0 and number % failing == 0
            self.trades.append(Moved(seq, buyer, seller, units, None if fails else self.block))
            if fails:
                self.owned[seller] += units
                self.owned[buyer] -= units
            else:
                self.on_chain[seller] -= units
                self.on_chain[buyer] += units
        self.balances_at[self.block] = dict(self.on_chain)

    def tell(self) -> None:
        """The engine hears of everything that is mined."""
        self.seq += 1
        self.told_block = self.block
        for _, receiver, sender, units in self.outside:
            self.owned[sender] -= units
            self.owned[receiver] += units
        self.outside.clear()

    def _mine(self) -> None:
        self.block += 1
        self.balances_at[self.block] = dict(self.on_chain)


PLACES = st.sampled_from(WALLETS)
ACTS = st.one_of(
    st.tuples(st.just("trade"), PLACES, PLACES, st.integers(1, 400)),
    st.tuples(st.just("transfer"), PLACES, PLACES, st.integers(1, 400)),
    st.tuples(st.just("settle"), st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.just("tell")),
)


@given(st.lists(ACTS, max_size=30), st.lists(ACTS, max_size=30))
def test_holders_are_who_owned_it_by_a_plain_count(before: Sequence[tuple], after: Sequence[tuple]) -> None:  # type: ignore[type-arg]
    market = PlainMarket()
    for name, *arguments in before:
        getattr(market, name)(*arguments)
    record_seq, record_block = market.seq, market.told_block
    waiting = {seq for seq, *_ in market.waiting}
    owned = Counter(market.owned)
    for name, *arguments in after:
        getattr(market, name)(*arguments)
    market.settle(len(market.waiting), 2)
    for trade in market.trades:  # what was counted at the record's seq and failed later was never owned
        if trade.block is None and trade.seq in waiting:
            owned[trade.seller] += trade.qty_base_units
            owned[trade.buyer] -= trade.qty_base_units
    expected = tuple(sorted((wallet, units) for wallet, units in owned.items() if units))
    found = holdings(market.balances_at[record_block], market.trades, record_seq, record_block)
    assert found == expected
    assert sum(units for _, units in found) == START_UNITS * len(WALLETS)


def test_a_trade_that_settled_before_it_was_made_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="before it was traded"):
        holdings({WALLETS[0]: 5}, [Moved(9, WALLETS[1], WALLETS[0], 1, 3)], 8, 4)


def _transfer(sender: bytes, receiver: bytes, units: int) -> Log:
    topics = (TRANSFER, sender.rjust(32, b"\0"), receiver.rjust(32, b"\0"))
    return Log(b"token", topics, units.to_bytes(32, "big"), 1, b"", 0, b"")


def test_balances_come_from_transfers_mints_and_burns() -> None:
    a, b = WALLETS[:2]
    logs = [_transfer(bytes(20), a, 10), _transfer(a, b, 4), _transfer(b, bytes(20), 1)]
    assert balances_from(logs) == {a: 6, b: 3}
    with pytest.raises(AssertionError, match="missing"):
        balances_from(logs[1:])


def _frames(blocks: Sequence[int]) -> list[Frame]:
    """One frame a command; 0 is a clock."""
    found = []
    for seq, block in enumerate(blocks, 1):
        kinds = (
            t.LevelChanged(1, 1, 1, 0, block, 0, t.LevelCause.DEPOSIT, bytes(20)),
            t.PositionChanged(1, 1, 1, block, 0, bytes(20)),
            t.MigrateWallet(1, 1, 1, 1, 0, block, 0, bytes(20), bytes(20)),
            t.Adjust(1, 1, 1, 0, 1, block, 0),
            t.BatchFinal(1, block, 0, bytes(32), bytes(32)),
        )
        told = kinds[seq % len(kinds)] if block else t.Clock()
        found.append(Frame(seq, bytes(stamped([encode_command(told)], seq, seq)), b"", bytes(32)))
    return found


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.data())
async def test_the_block_at_a_seq_is_the_last_that_was_told(steps: list[int], data: st.DataObject) -> None:
    blocks, height = [], 0
    for step in steps:
        height += step
        blocks.append(height if step else 0)
    frames = _frames(blocks)

    async def frames_from(first: int) -> AsyncIterator[Frame]:
        for frame in frames[first - 1 :]:
            yield frame

    seq = data.draw(st.integers(1, len(blocks)))
    assert await block_at(frames_from, seq) == max(blocks[:seq])


async def test_a_seq_that_the_journal_has_not_reached_is_waited_for() -> None:
    async def frames_from(first: int) -> AsyncIterator[Frame]:
        for frame in _frames([1])[first - 1 :]:
            yield frame

    with pytest.raises(RecordOpen, match="ends before"):
        await block_at(frames_from, 2)


def _held(record: HoldersOfRecord) -> list[int]:
    entries = dict(record.entries)
    return [entries.get(Wallet(raw_address(investor(number).address)), 0) for number in range(INVESTORS)]


async def test_a_record_date_waits_for_its_trades_and_then_stands(world: World) -> None:
    dates = RecordDates(world.pool, world.chain, world.feed.frames)
    issuer = Wallet(raw_address(investor(4).address))
    await world.trade(buyer=0, seller=1, qty_lots=30)
    record_seq = world.feed.exchange.seq
    await world.trade(buyer=2, seller=3, qty_lots=50)  # after the record
    with pytest.raises(RecordOpen, match="1 trades"):
        await dates.fix(OAK, record_seq, issuer)
    await world.mine_batches()
    await world.listen()
    with pytest.raises(RecordOpen, match="tables"):
        await dates.fix(OAK, record_seq, issuer)
    await (await Projector.open(world.pool)).apply(world.feed.frame_list)
    record = await dates.fix(OAK, record_seq, issuer)
    assert _held(record) == [TOKENS + 30, TOKENS - 30, TOKENS, TOKENS, TOKENS]
    assert record.unsold_issuer_base_units == TOKENS
    later = await dates.fix(OAK, world.feed.exchange.seq, issuer)
    assert _held(later) == [TOKENS + 30, TOKENS - 30, TOKENS + 50, TOKENS - 50, TOKENS]
    assert later.record_block > record.record_block
    assert await dates.fix(OAK, record_seq, issuer) == record


async def test_a_wallet_that_is_lost_later_was_the_holder(world: World) -> None:
    dates = RecordDates(world.pool, world.chain, world.feed.frames)
    await world.trade(buyer=0, seller=1, qty_lots=30)
    record_seq = world.feed.exchange.seq
    await world.mine_batches()
    await world.listen()
    await (await Projector.open(world.pool)).apply(world.feed.frame_list)
    record = await dates.fix(OAK, record_seq, Wallet(bytes(20)))
    lost, fresh = raw_address(investor(1).address), bytes(range(20))
    account = await world.pool.fetchval(
        "UPDATE accounts SET wallet = $2 WHERE wallet = $1 RETURNING account", lost, fresh
    )
    await world.pool.execute(
        "INSERT INTO settlement_wallets (account, instrument, seq, wallet) VALUES ($1, $2, $3, $4)",
        *(account, ANY_ASSET, world.feed.exchange.seq + 1, fresh),
    )
    assert await dates.fix(OAK, record_seq, Wallet(bytes(20))) == record


async def test_a_seq_to_come_is_waited_for(world: World) -> None:
    dates = RecordDates(world.pool, world.chain, world.feed.frames)
    with pytest.raises(RecordOpen, match="read the journal up to"):
        await dates.fix(OAK, world.feed.exchange.seq + 1, Wallet(bytes(20)))


async def test_tokens_moved_by_their_holder_count_where_the_engine_heard_of_it(world: World) -> None:
    dates = RecordDates(world.pool, world.chain, world.feed.frames)
    before_seq = world.feed.exchange.seq
    await world.fund(0, 0, 7)
    await world.listen()
    await (await Projector.open(world.pool)).apply(world.feed.frame_list)
    assert _held(await dates.fix(OAK, before_seq, Wallet(bytes(20))))[0] == TOKENS
    assert _held(await dates.fix(OAK, world.feed.exchange.seq, Wallet(bytes(20))))[0] == TOKENS + 7
