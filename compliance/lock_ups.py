"""What of a wallet's tokens is locked up, and until when: a sum of what the chain said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from compliance.audit import record
from compliance.registry import queue, require_instrument
from persistence.database import Connection, Pool


class LockUpMissingError(Exception):
    """Less is locked up than is taken: what locked it up is not recorded yet."""


@dataclass(frozen=True, slots=True)
class LockUp:
    """So much of a wallet's tokens cannot be sold until then."""

    address: bytes
    instrument: int
    base_units: int
    released_at: datetime


async def lock_up(
    connection: Connection, address: bytes, instrument: int, base_units: int, released_at: datetime, *, actor: str
) -> None:
    """So much more of a wallet, linked or not, is locked up until then; inside `facts`.

    Raises FactError for an unknown instrument.
    """
    assert base_units > 0
    await require_instrument(connection, instrument)
    await connection.execute(
        "INSERT INTO lock_ups (address, instrument, released_at, base_units) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (address, instrument, released_at)"
        " DO UPDATE SET base_units = lock_ups.base_units + excluded.base_units",
        *(address, instrument, released_at, Decimal(base_units)),
    )
    await _changed(connection, address, instrument, base_units, released_at, actor)


async def take(
    connection: Connection, address: bytes, instrument: int, base_units: int, released_at: datetime, *, actor: str
) -> None:
    """So much less; inside `facts`. Raises LockUpMissingError where there is not so much."""
    assert base_units > 0
    where = (address, instrument, released_at)
    kept = await connection.fetchval(
        "UPDATE lock_ups SET base_units = base_units - $4"
        " WHERE address = $1 AND instrument = $2 AND released_at = $3 AND base_units >= $4 RETURNING base_units",
        *(*where, Decimal(base_units)),
    )
    if kept is None:
        raise LockUpMissingError(f"{base_units} until {released_at.isoformat()} of 0x{address.hex()} in {instrument}")
    if kept == 0:
        await connection.execute(
            "DELETE FROM lock_ups WHERE address = $1 AND instrument = $2 AND released_at = $3", *where
        )
    await _changed(connection, address, instrument, -base_units, released_at, actor)


async def _changed(
    connection: Connection, address: bytes, instrument: int, base_units: int, released_at: datetime, actor: str
) -> None:
    await queue(connection, address=address, instrument=instrument)
    details = {"base_units": str(base_units), "released_at": released_at.isoformat()}
    await record(connection, actor, "lock-up changed", address=address, instrument=instrument, details=details)


async def locked_up(pool: Pool, addresses: Sequence[bytes], now: datetime) -> list[LockUp]:
    """What the chain has not released yet, the next first."""
    rows = await pool.fetch(
        "SELECT address, instrument, base_units, released_at FROM lock_ups"
        " WHERE address = ANY($1::bytea[]) AND released_at > $2 ORDER BY released_at, instrument, address",
        addresses,
        now,
    )
    return [LockUp(row["address"], row["instrument"], int(row["base_units"]), row["released_at"]) for row in rows]
