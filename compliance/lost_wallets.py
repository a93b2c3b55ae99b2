"""A lost wallet's place is taken by the one that its holder was recovered to: the same person, account and identity."""

from __future__ import annotations

from typing import Final

from compliance.audit import record
from compliance.registry import lock_facts, queue
from persistence.database import Connection
from persistence.jobs import enqueue

CASH_ACCOUNT_JOB: Final = "cash_account"  # its key is a wallet's address in hexadecimal digits


async def replace_wallet(connection: Connection, lost: bytes, fresh: bytes, *, block: int, actor: str) -> bool:
    """Inside a transaction. False, and nothing changes, if the lost wallet is nobody's or the new one is linked.

    The identity goes along: a recovery gives the new wallet that of the lost one. What it sells is paid to the new one,
    so that needs a cash account.
    """
    await lock_facts(connection)
    if await connection.fetchval("SELECT 1 FROM wallets WHERE address = $1", fresh):
        return False
    user_id = await connection.fetchval(
        "UPDATE wallets SET address = $2 WHERE address = $1 RETURNING user_id", lost, fresh
    )
    if user_id is None:
        return False
    await connection.execute("DELETE FROM identity_registrations WHERE address = $1", lost)
    await connection.execute(
        "INSERT INTO identity_registrations (address, block) VALUES ($1, $2) ON CONFLICT DO NOTHING", fresh, block
    )
    await queue(connection, address=fresh)
    await enqueue(connection, CASH_ACCOUNT_JOB, fresh.hex())
    details = {"lost": "0x" + lost.hex(), "block": block}
    await record(connection, actor, "wallet recovered", user_id=user_id, address=fresh, details=details)
    return True
