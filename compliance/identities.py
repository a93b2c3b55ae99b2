"""Which wallets are to have an identity on chain: grants, one after the other, brought in line with the facts.

A grant is WANTED, then GRANTED; LAPSING, then REVOKED. The jobs `identity` and `identity_revoke` carry it to the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from compliance.audit import record
from persistence.database import Connection
from persistence.jobs import enqueue

GRANT_JOB: Final = "identity"
REVOKE_JOB: Final = "identity_revoke"


class GrantState(StrEnum):
    WANTED = "WANTED"
    GRANTED = "GRANTED"
    LAPSING = "LAPSING"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Grant:
    """`country`: ISO 3166 numeric. `is_preceded`: the grant before it is not REVOKED yet."""

    address: bytes
    number: int
    user_id: UUID
    account: int | None
    country: int
    state: GrantState
    is_preceded: bool


def job_key(address: bytes, number: int) -> str:
    return f"0x{address.hex()}/{number}"


def grant_of(key: str) -> tuple[bytes, int]:
    """Address and number of a job's key."""
    address, _, number = key.removeprefix("0x").partition("/")
    return bytes.fromhex(address), int(number)


async def wants_identity(connection: Connection, user_id: UUID, *, actor: str) -> None:
    """Bring the grants of a person's wallets in line with KYC and country as they stand, and enqueue what follows.

    Call it inside `registry.facts` after every change of KYC, country or wallets; the caller queues the permissions.
    What lapses counts as not registered from this transaction on; the chain follows.
    """
    rows = await connection.fetch(
        "SELECT w.address, r.country_numeric, g.grant_number, g.country_numeric AS granted_country, g.state"
        " FROM wallets AS w"
        " LEFT JOIN kyc AS k ON k.user_id = w.user_id AND k.status = 'APPROVED' AND k.expires_at > now()"
        " LEFT JOIN residence AS r ON r.user_id = k.user_id"
        " LEFT JOIN LATERAL (SELECT * FROM identity_grants WHERE address = w.address"
        " ORDER BY grant_number DESC LIMIT 1) AS g ON true"
        " WHERE w.user_id = $1 ORDER BY w.address",
        user_id,
    )
    for row in rows:
        address, country, number = row["address"], row["country_numeric"], row["grant_number"] or 0
        is_live = row["state"] in (GrantState.WANTED, GrantState.GRANTED)
        if is_live and row["granted_country"] != country:
            await _lapse(connection, user_id, address, number, actor)
            is_live = False
        if country is not None and not is_live:
            await _want(connection, address, number + 1, country)


async def grant(connection: Connection, address: bytes, number: int) -> Grant | None:
    row = await connection.fetchrow(
        "SELECT g.address, grant_number AS number, user_id, account, country_numeric AS country, state,"
        " EXISTS (SELECT FROM identity_grants WHERE address = g.address AND grant_number < g.grant_number"
        " AND state <> 'REVOKED') AS is_preceded"
        " FROM identity_grants AS g JOIN wallets USING (address) WHERE g.address = $1 AND grant_number = $2",
        address,
        number,
    )
    return None if row is None else Grant(**(dict(row) | {"state": GrantState(row["state"])}))


async def move(connection: Connection, moved: Grant, state: GrantState, block: int) -> bool:
    """Inside `registry.facts`: the next state, seen on chain at `block`. False if the grant has moved meanwhile."""
    done: str = await connection.execute(
        "UPDATE identity_grants SET state = $4, block = $5, changed_at = now()"
        " WHERE address = $1 AND grant_number = $2 AND state = $3",
        moved.address,
        moved.number,
        moved.state,
        state,
        block,
    )
    return done == "UPDATE 1"


async def granted(connection: Connection, wanted: Grant, block: int, claim_hash: bytes) -> bool:
    """Inside `registry.facts`: the grant stands on chain at `block`. False if it has lapsed meanwhile."""
    if not await move(connection, wanted, GrantState.GRANTED, block):
        return False
    await connection.execute(
        "UPDATE identity_grants SET claim_hash = $3 WHERE address = $1 AND grant_number = $2",
        wanted.address,
        wanted.number,
        claim_hash,
    )
    return True


async def lapse_claim(connection: Connection, claim_hash: bytes, *, actor: str) -> list[UUID]:
    """Inside `registry.facts`: the claim was revoked on chain, and what stands by it lapses; returns whose that was.

    The caller queues the permissions. Nobody's for what we revoked ourselves: that has lapsed before.
    """
    rows = await connection.fetch(
        "SELECT address, grant_number, user_id FROM identity_grants JOIN wallets USING (address)"
        " WHERE claim_hash = $1 AND state = 'GRANTED' ORDER BY address",
        claim_hash,
    )
    for row in rows:
        await _lapse(connection, row["user_id"], row["address"], row["grant_number"], actor)
    return [row["user_id"] for row in rows]


async def live_grant(connection: Connection, address: bytes) -> Grant | None:
    """The one that is WANTED or GRANTED."""
    number = await connection.fetchval(
        "SELECT grant_number FROM identity_grants WHERE address = $1 AND state IN ('WANTED', 'GRANTED')", address
    )
    return None if number is None else await grant(connection, address, number)


async def engine_waits(connection: Connection, address: bytes) -> bool:
    """Whether the engine has yet to be told what the wallet may no more do."""
    waits: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM permission_queue JOIN instruments USING (instrument)"
        " WHERE address = $1 AND listed_seq IS NOT NULL)"
        " OR EXISTS (SELECT FROM permissions JOIN wallets USING (account)"
        " WHERE address = $1 AND (may_buy OR may_sell) AND valid_until_ns > extract(epoch FROM now()) * 1e9)",
        address,
    )
    return waits


async def told_seq(connection: Connection, account: int) -> int:
    """The last command that set a permission of the account; 0 for none."""
    seq: int = await connection.fetchval(
        "SELECT coalesce(max(sent_seq), 0) FROM permissions WHERE account = $1", account
    )
    return seq


async def _want(connection: Connection, address: bytes, number: int, country: int) -> None:
    await connection.execute(
        "INSERT INTO identity_grants (address, grant_number, country_numeric) VALUES ($1, $2, $3)",
        address,
        number,
        country,
    )
    await enqueue(connection, GRANT_JOB, job_key(address, number))


async def _lapse(connection: Connection, user_id: UUID, address: bytes, number: int, actor: str) -> None:
    await connection.execute(
        "UPDATE identity_grants SET state = 'LAPSING', changed_at = now() WHERE address = $1 AND grant_number = $2",
        address,
        number,
    )
    await connection.execute("DELETE FROM identity_registrations WHERE address = $1", address)
    await enqueue(connection, REVOKE_JOB, job_key(address, number))
    await record(connection, actor, "identity lapses", user_id=user_id, address=address, details={"grant": number})
