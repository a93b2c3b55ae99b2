"""One at a time: who looks at a phase and then changes it is not overtaken by somebody else's halt."""

from __future__ import annotations

from typing import Final

from engine.types import VENUE
from persistence.database import Connection

_LOCK: Final = 0x7068_6173  # class of the advisory locks, by instrument


async def lock_phase(connection: Connection, number: int | None) -> None:
    """Of an instrument (None: the venue), until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, number or VENUE)
