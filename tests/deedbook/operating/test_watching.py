"""What those who run the market see: settlement's books as they stand, and reserves against what is owed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from eth_abi.abi import encode

from deedbook.operating.watching import Watching
from persistence.database import Pool
from settlement.calls import solvency_data
from settlement.chain import ChainUnavailable, Header
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import open_market

__all__ = ["pool", "postgres"]
VAULT = b"v" * 20
HASH = bytes(32)
STARTED_AT = datetime.fromtimestamp(START_NS // 10**9, UTC)


class FakeChain:
    """At block 10, of which 8 are FINAL; the vault owns 12 USDC and owes 11.5; every token has a supply of 1000."""

    def __init__(self) -> None:
        self.is_away = False

    async def head(self) -> Header:
        if self.is_away:
            raise ChainUnavailable("away")
        return Header(10, HASH, HASH, 0, 0)

    async def final_block(self) -> int:
        return 8

    async def call(self, _to: bytes, data: bytes, block: int) -> bytes:
        assert block == 10
        if data == solvency_data():
            return encode(["uint256", "uint256"], [12_000_000, 11_500_000])
        return encode(["uint256"], [1_000 * 10**18])


@pytest.fixture
async def watching(pool: Pool) -> tuple[Watching, FakeChain]:
    await open_market(pool, Door(Market()))
    chain: Any = FakeChain()
    return Watching(pool, chain, VAULT), chain


async def add_batch(pool: Pool, batch_id: int, state: str) -> None:
    mined = (9, b"t" * 32, 400_000) if state in ("MINED", "FINAL") else (None, None, None)
    await pool.execute(
        "INSERT INTO settlement_batches (batch_id, trade_after, trade_last, journal_seq, journal_hash, state,"
        " mined_block, mined_transaction, gas_used, mined_attempt) VALUES ($1, $2, $3, 5, $4, $5, $6, $7, $8, $9)",
        *(batch_id, batch_id * 10 - 10, batch_id * 10, HASH, state, *mined, mined[0] and 1),
    )
    for attempt in (1, 2):
        await pool.execute(
            "INSERT INTO settlement_attempts (batch_id, attempt, call_data, payload_hash, gas_estimated, fills, legs)"
            " VALUES ($1, $2, '', $3, $4, 10, 3)",
            *(batch_id, attempt, HASH, 500_000 + attempt),
        )
    await pool.execute("INSERT INTO settlement_ejected VALUES ($1, 1, $2, 99, '')", batch_id, batch_id * 10)


async def add_failed_trade(pool: Pool, trade_id: int) -> None:
    await pool.execute(
        "INSERT INTO trades VALUES ($1, 7, $2, 2, 1, 5, 6, 4, 3, 100, 250, 2500000, 0, 0)", trade_id, START_NS
    )
    await pool.execute("INSERT INTO trade_settlements VALUES ($1, 9, $2, 1, 99, 9, $3)", trade_id, START_NS, HASH)


async def test_a_batch_shows_the_attempt_that_was_mined_or_the_last(
    pool: Pool, watching: tuple[Watching, FakeChain]
) -> None:
    await add_batch(pool, 1, "FINAL")
    await add_batch(pool, 2, "SUBMITTED")
    waiting, final = await watching[0].batches(None)
    assert (waiting.batch_id, waiting.attempt, waiting.gas_used, waiting.transaction) == (2, 2, None, None)
    assert waiting.ejected == 0
    assert (final.batch_id, final.attempt, final.gas_estimated, final.ejected) == (1, 1, 500_001, 1)
    assert (final.gas_used, final.block, final.transaction) == (400_000, 9, "0x" + (b"t" * 32).hex())
    assert [each.batch_id for each in await watching[0].batches(2)] == [1]


async def test_a_failed_trade_has_its_reason_and_who_bought(pool: Pool, watching: tuple[Watching, FakeChain]) -> None:
    for trade_id in (1, 2):
        await add_failed_trade(pool, trade_id)
    newest, _ = await watching[0].failed_trades(None)
    assert (newest.trade_id, newest.symbol, newest.reason) == (2, "OAK2USDC", "BUYER_FROZEN")
    assert (newest.qty, newest.usdc, newest.traded_at) == ("2.5", "2.5", STARTED_AT)
    assert (newest.buyer_account, newest.seller_account) == (6, 5)  # the taker sold
    assert [each.trade_id for each in await watching[0].failed_trades(2)] == [1]


async def test_settlement_stands_with_the_chain_or_without(pool: Pool, watching: tuple[Watching, FakeChain]) -> None:
    await add_batch(pool, 1, "MINED")
    await pool.execute("UPDATE settlement_state SET trouble = 'the signer is away', engine_block = 7")
    standing = await watching[0].settlement()
    assert (standing.head_block, standing.final_block, standing.confirmations) == (10, 8, 2)
    assert (standing.open_batches, standing.engine_block, standing.trouble) == (1, 7, "the signer is away")
    assert (standing.open_trades, standing.oldest_open_trade_at, standing.removed_events) == (0, None, 0)
    watching[1].is_away = True
    assert (await watching[0].settlement()).head_block is None


async def test_reserves_stand_beside_what_is_owed(pool: Pool, watching: tuple[Watching, FakeChain]) -> None:
    row = "INSERT INTO balances VALUES ($1, $2, $3, 0, 0, 0, 0, $3, 0, $4, 1)"
    await pool.execute(row, 5, 0, 11_500_000, 0)
    await pool.execute(row, 5, 2, 250, 1_250)
    found = await watching[0].reserves()
    assert (found.block, found.reserves_usdc, found.liabilities_usdc, found.surplus_usdc) == (10, "12", "11.5", "0.5")
    assert found.journal_usdc == "11.5"
    assert [each.symbol for each in found.tokens] == ["OAK1USDC", "OAK2USDC"]
    assert (found.tokens[1].supply, found.tokens[1].held, found.tokens[1].locked) == ("1000", "12.5", "2.5")


async def test_the_listed_instruments_have_their_rates(watching: tuple[Watching, FakeChain]) -> None:
    shown = [(each.instrument, each.symbol, each.taker_fee_bps) for each in await watching[0].instruments()]
    assert shown == [(1, "OAK1USDC", 0), (2, "OAK2USDC", 0)]
