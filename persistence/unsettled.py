"""Whether an account waits for the chain, as the projected journal tells it."""

from __future__ import annotations

from persistence.database import Connection, Pool
from persistence.projections import CONSUMER


async def is_settled(pool: Pool | Connection, account: int, seq: int) -> bool:
    """Whether the projections hold the command `seq` and every trade of the account up to there is FINAL or FAILED."""
    settled: bool = await pool.fetchval(
        "SELECT EXISTS (SELECT FROM journal_cursors WHERE consumer = $1 AND seq >= $3)"
        " AND NOT EXISTS (SELECT FROM trades AS t WHERE (taker_account = $2 OR maker_account = $2)"
        " AND NOT EXISTS (SELECT FROM trade_settlements AS s WHERE s.trade_id = t.trade_id))",
        CONSUMER,
        account,
        seq,
    )
    return settled
