"""The audit log: who did what to whose facts. Its rows are written with the change and never changed; the database
hashes each with the one before it, and here the hashes are computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from persistence.database import Connection, Pool

NO_HASH: Final = bytes(32)  # before the first
CHAIN_BATCH: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """`details` as JSON; `hash` is of the entry and of all before it."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    user_id: UUID | None
    address: bytes | None
    instrument: int | None
    details: str
    hash: bytes


async def record(
    connection: Connection,
    actor: str,
    action: str,
    *,
    user_id: UUID | None = None,
    address: bytes | None = None,
    instrument: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """One entry, in the caller's transaction."""
    await connection.execute(
        "INSERT INTO audit_log (actor, action, user_id, address, instrument, details) VALUES ($1, $2, $3, $4, $5, $6)",
        actor,
        action,
        user_id,
        address,
        instrument,
        json.dumps(dict(details or {})),
    )


async def newest(connection: Connection) -> int:
    """The number of the newest entry; 0 where there is none."""
    number: int = await connection.fetchval("SELECT coalesce(max(entry_id), 0) FROM audit_log")
    return number


async def is_recorded_since(
    connection: Connection, entry_id: int, action: str, instrument: int | None, account: int | None = None
) -> bool:
    """Whether an action is recorded after an entry, for just this instrument and this account in its details."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM audit_log WHERE entry_id > $1 AND action = $2"
        " AND instrument IS NOT DISTINCT FROM $3 AND details->>'account' IS NOT DISTINCT FROM $4)",
        entry_id,
        action,
        instrument,
        None if account is None else str(account),
    )
    return found


async def entries(pool: Pool, user_id: UUID | None, before: int | None, count: int) -> list[Entry]:
    """A page, the latest first, from the one before `before` on; `user_id`: only of whose facts they are."""
    rows = await pool.fetch(
        "SELECT entry_id, at, actor, action, user_id, address, instrument, details::text AS details, hash"
        " FROM audit_log JOIN audit_chain USING (entry_id)"
        " WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::bigint IS NULL OR entry_id < $2)"
        " ORDER BY entry_id DESC LIMIT $3",
        user_id,
        before,
        count,
    )
    return [Entry(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class Head:
    """After `position` entries the chain's hash is `hash`."""

    position: int
    hash: bytes


async def head(pool: Pool) -> Head:
    """The chain's end now: kept elsewhere (audit_heads), it shows that what is before it was laid anew or lost."""
    row = await pool.fetchrow("SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1")
    return Head(0, NO_HASH) if row is None else Head(row["position"], row["hash"])


async def departure(pool: Pool, kept: Sequence[Head]) -> Head | None:
    """The first of some heads, kept elsewhere, that the chain does not have any more; None: it has them all."""
    rows = await pool.fetch(
        "SELECT position, hash FROM audit_chain WHERE position = ANY($1)", [each.position for each in kept]
    )
    hashes = {0: NO_HASH} | {row["position"]: row["hash"] for row in rows}
    return next((each for each in kept if hashes.get(each.position) != each.hash), None)


async def verify_chain(pool: Pool) -> int | None:
    """Compute every hash again. Returns None, or the entry_id of the first entry that was changed, is lost or is extra.

    A link that is lost itself is named by the entry of the next one. That the latest entries are lost with their links
    shows only against a `head` kept elsewhere.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        position, hash_before = 0, NO_HASH
        async for row in connection.cursor(
            "SELECT position, chain.entry_id, prev_hash, hash, log.entry_id IS NOT NULL AS is_there,"
            " at, actor, action, user_id, address, instrument, details::text AS details"
            " FROM audit_chain AS chain LEFT JOIN audit_log AS log USING (entry_id) ORDER BY position",
            prefetch=CHAIN_BATCH,
        ):
            position += 1
            is_next = row["position"] == position and row["prev_hash"] == hash_before
            if not is_next or not row["is_there"] or _hash(row) != row["hash"]:
                entry_id: int = row["entry_id"]
                return entry_id
            hash_before = row["hash"]
        extra: int | None = await connection.fetchval(
            "SELECT min(entry_id) FROM audit_log WHERE entry_id NOT IN (SELECT entry_id FROM audit_chain)"
        )
        return extra


def _hash(row: Any) -> bytes:
    """As audit_hash does in migration 013."""
    at_us = (row["at"] - _EPOCH) // timedelta(microseconds=1)
    fields = (
        str(row["entry_id"]),
        str(at_us),
        row["actor"],
        row["action"],
        None if row["user_id"] is None else str(row["user_id"]),
        None if row["address"] is None else row["address"].hex(),
        None if row["instrument"] is None else str(row["instrument"]),
        row["details"],
    )
    return sha256(row["prev_hash"] + b"".join(map(_field, fields))).digest()


def _field(given: str | None) -> bytes:
    if given is None:
        return b"-"
    data = given.encode()
    return f"{len(data)}:".encode() + data
