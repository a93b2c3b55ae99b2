"""Payouts as rows: their terms, their lines, their states. A dividend and an exit are both a payout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from persistence.database import Connection, Pool

DIVIDEND: Final = "DIVIDEND"
EXIT: Final = "EXIT"
Reader = Pool | Connection
Entry = tuple[bytes, int, int]  # wallet, base units, USDC micros


@dataclass(frozen=True, slots=True)
class Payout:
    """A row of `payouts`; amounts are USDC micros. What is None is not known yet in its state."""

    payout_id: UUID
    kind: str
    property_id: UUID
    instrument: int
    token: bytes
    issuer_wallet: bytes
    state: str
    pool_usdc_micros: int
    dust_usdc_micros: int | None
    chunk_holders: int | None
    head: bytes | None
    payload: Mapping[str, Any] | None
    proposed_by: UUID
    approval_id: UUID | None
    failure: str
    declared_block: int | None
    events_block: int | None
    created_at: datetime
    changed_at: datetime

    @property
    def total_usdc_micros(self) -> int:
        assert self.dust_usdc_micros is not None
        return self.pool_usdc_micros - self.dust_usdc_micros


@dataclass(frozen=True, slots=True)
class Line:
    """One holder's line; `transaction` is of its last change."""

    line: int
    wallet: bytes
    base_units: int
    usdc_micros: int
    state: str
    owed_to: bytes | None
    transaction: bytes | None


SEEN_BY_HOLDERS: Final = ("APPROVED", "DECLARED", "PAID", "STOPPED")
_PAYOUT: Final = ", ".join(f"p.{name}" for name in Payout.__dataclass_fields__)
_LINE: Final = ", ".join(Line.__dataclass_fields__)


async def payout(reader: Reader, payout_id: UUID, *, lock: bool = False) -> Payout | None:
    """`lock`: nobody else changes it before the caller's transaction ends."""
    row = await reader.fetchrow(
        f"SELECT {_PAYOUT} FROM payouts AS p WHERE payout_id = $1{' FOR UPDATE' if lock else ''}",  # noqa: S608
        payout_id,
    )
    return None if row is None else payout_of(row)


async def payouts(reader: Reader, kind: str, property_id: UUID | None, limit: int) -> list[Payout]:
    """Of one property or of all, the newest first."""
    rows = await reader.fetch(
        f"SELECT {_PAYOUT} FROM payouts AS p WHERE kind = $1 AND ($2::uuid IS NULL OR property_id = $2)"  # noqa: S608
        " ORDER BY payout_id DESC LIMIT $3",
        *(kind, property_id, limit),
    )
    return [payout_of(row) for row in rows]


async def payouts_to(
    reader: Reader, kind: str, wallets: Sequence[bytes], property_id: UUID | None, limit: int
) -> list[Payout]:
    """Those that two people approved and that have a line of one of these wallets, the newest first."""
    rows = await reader.fetch(
        f"SELECT {_PAYOUT} FROM payouts AS p WHERE kind = $1 AND ($2::uuid IS NULL OR property_id = $2)"  # noqa: S608
        " AND state = ANY($5) AND EXISTS (SELECT FROM payout_lines AS l"
        "   WHERE l.payout_id = p.payout_id AND (l.wallet = ANY($3::bytea[]) OR l.owed_to = ANY($3::bytea[])))"
        " ORDER BY payout_id DESC LIMIT $4",
        *(kind, property_id, list(wallets), limit, SEEN_BY_HOLDERS),
    )
    return [payout_of(row) for row in rows]


async def insert(
    connection: Connection, kind: str, terms: Mapping[str, Any], pool_usdc_micros: int, proposed_by: UUID
) -> UUID:
    """A payout whose holders are not counted yet. `terms`: property_id, instrument, token, issuer_wallet."""
    payout_id: UUID = await connection.fetchval(
        "INSERT INTO payouts (kind, property_id, instrument, token, issuer_wallet, pool_usdc_micros, proposed_by)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING payout_id",
        kind,
        *(terms[name] for name in ("property_id", "instrument", "token", "issuer_wallet")),
        *(pool_usdc_micros, proposed_by),
    )
    return payout_id


async def add_to_pool(connection: Connection, payout_id: UUID, usdc_micros: int) -> None:
    """Before its list is made."""
    await connection.execute(
        "UPDATE payouts SET pool_usdc_micros = pool_usdc_micros + $2 WHERE payout_id = $1 AND state = 'PREPARING'",
        *(payout_id, usdc_micros),
    )


async def prepared(
    connection: Connection,
    payout_id: UUID,
    entries: Sequence[Entry],
    dust_usdc_micros: int,
    chunk_holders: int,
    head: bytes,
    payload: Mapping[str, Any],
) -> None:
    """The list stands from here on."""
    await connection.executemany(
        "INSERT INTO payout_lines (payout_id, line, wallet, base_units, usdc_micros) VALUES ($1, $2, $3, $4, $5)",
        [(payout_id, line, *entry) for line, entry in enumerate(entries)],
    )
    await connection.execute(
        "UPDATE payouts SET state = 'PREPARED', dust_usdc_micros = $2, chunk_holders = $3, head = $4, payload = $5,"
        " changed_at = now() WHERE payout_id = $1",
        *(payout_id, dust_usdc_micros, chunk_holders, head, json.dumps(dict(payload))),
    )


async def moved(
    connection: Connection,
    payout_id: UUID,
    state: str,
    *,
    failure: str = "",
    approval_id: UUID | None = None,
    declared_block: int | None = None,
) -> None:
    """Into another state; a step that a payout never takes is our bug, and the database refuses it."""
    done: str = await connection.execute(
        "UPDATE payouts SET state = $2, failure = $3, approval_id = coalesce($4, approval_id), changed_at = now(),"
        " declared_block = coalesce($5, declared_block), events_block = coalesce($5 - 1, events_block)"
        " WHERE payout_id = $1",
        *(payout_id, state, failure, approval_id, declared_block),
    )
    assert done == "UPDATE 1"


async def lines(reader: Reader, payout_id: UUID) -> list[Line]:
    """In the order in which they are paid."""
    rows = await reader.fetch(f"SELECT {_LINE} FROM payout_lines WHERE payout_id = $1 ORDER BY line", payout_id)  # noqa: S608
    return [_line_of(row) for row in rows]


async def lines_of(reader: Reader, payout_id: UUID, wallets: Sequence[bytes]) -> list[Line]:
    """Those of some wallets, or owed to them now."""
    rows = await reader.fetch(
        f"SELECT {_LINE} FROM payout_lines WHERE payout_id = $1"  # noqa: S608
        " AND (wallet = ANY($2::bytea[]) OR owed_to = ANY($2::bytea[])) ORDER BY line",
        *(payout_id, list(wallets)),
    )
    return [_line_of(row) for row in rows]


async def line_of(reader: Reader, payout_id: UUID, wallet: bytes) -> Line | None:
    """The line of a wallet itself."""
    row = await reader.fetchrow(
        f"SELECT {_LINE} FROM payout_lines WHERE payout_id = $1 AND wallet = $2",  # noqa: S608
        *(payout_id, wallet),
    )
    return None if row is None else _line_of(row)


async def owed_to(reader: Reader, wallets: Sequence[bytes]) -> list[tuple[Payout, Line]]:
    """What payouts owe to some wallets now."""
    rows = await reader.fetch(
        f"SELECT {_PAYOUT}, {', '.join(f'l.{name} AS line_{name}' for name in Line.__dataclass_fields__)}"  # noqa: S608
        " FROM payouts AS p JOIN payout_lines AS l USING (payout_id)"
        " WHERE l.state = 'OWED' AND l.owed_to = ANY($1::bytea[]) ORDER BY payout_id, l.line",
        list(wallets),
    )
    return [
        (payout_of(row), _line_of({name: row[f"line_{name}"] for name in Line.__dataclass_fields__})) for row in rows
    ]


async def sums(reader: Reader, payout_id: UUID) -> dict[str, tuple[int, int]]:
    """How many lines are in each state, and their USDC micros."""
    rows = await reader.fetch(
        "SELECT state, count(*) AS count, sum(usdc_micros)::bigint AS micros FROM payout_lines WHERE payout_id = $1"
        " GROUP BY state",
        payout_id,
    )
    return {row["state"]: (row["count"], row["micros"]) for row in rows}


async def charges(reader: Reader, payout_id: UUID) -> list[tuple[str, int]]:
    """What it is made of: charge, USDC micros."""
    rows = await reader.fetch(
        "SELECT charge, usdc_micros FROM payout_charges WHERE payout_id = $1 ORDER BY charge", payout_id
    )
    return [(row["charge"], row["usdc_micros"]) for row in rows]


def payout_of(row: Mapping[str, Any]) -> Payout:
    fields = {name: row[name] for name in Payout.__dataclass_fields__}
    payload = fields["payload"]
    return Payout(**(fields | {"payload": None if payload is None else json.loads(payload)}))


def _line_of(row: Mapping[str, Any]) -> Line:
    fields = {name: row[name] for name in Line.__dataclass_fields__}
    return Line(**(fields | {"base_units": int(fields["base_units"])}))
