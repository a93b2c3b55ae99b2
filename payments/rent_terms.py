"""What of a property's rent its manager takes and its reserve keeps. Two people decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.doors import Audit
from persistence.database import Connection

BPS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class RentTerms:
    """In basis points of the rent."""

    management_fee_bps: int
    reserve_bps: int


UNTIL_DECIDED: Final = RentTerms(management_fee_bps=800, reserve_bps=500)


async def terms_of(connection: Connection, property_id: UUID) -> RentTerms:
    row = await connection.fetchrow(
        "SELECT management_fee_bps, reserve_bps FROM rent_terms WHERE property_id = $1", property_id
    )
    return UNTIL_DECIDED if row is None else RentTerms(row["management_fee_bps"], row["reserve_bps"])


async def set_terms(connection: Connection, property_id: UUID, terms: RentTerms) -> None:
    """From now on; what was charged before keeps its own."""
    await connection.execute(
        "INSERT INTO rent_terms (property_id, management_fee_bps, reserve_bps) VALUES ($1, $2, $3)"
        " ON CONFLICT (property_id) DO UPDATE SET management_fee_bps = excluded.management_fee_bps,"
        " reserve_bps = excluded.reserve_bps",
        property_id,
        terms.management_fee_bps,
        terms.reserve_bps,
    )


class TermsExecutor:
    """Carries out what two people decided: payload {property_id, management_fee_bps, reserve_bps}."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def __call__(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        terms = RentTerms(payload["management_fee_bps"], payload["reserve_bps"])
        await set_terms(connection, UUID(payload["property_id"]), terms)
        details = {**payload, "approval_id": str(approval_id)}
        await self._audit(connection, actor.name, "rent terms set", details=details)
