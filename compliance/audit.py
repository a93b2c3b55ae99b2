"""The audit log: who did what to whose facts. Its rows are written with the change and never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from persistence.database import Connection


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
