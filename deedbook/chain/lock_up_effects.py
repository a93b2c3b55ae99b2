"""What follows from what the lock-up module says: how much of a wallet is locked up, until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from api.addresses import unhex
from compliance.lock_ups import lock_up, take
from compliance.registry import lock_facts
from deedbook.chain.chain_processor import Effects
from persistence.database import Connection
from settlement.watched import ChainEvent

ACTOR: Final = "chain"


class LockUpEffects:
    """A recovery says of its lots that they were taken of the one wallet and locked up at the other."""

    def register(self, effects: Effects) -> None:
        effects.on_event("LockUp.LotLockedUp", self._locked_up)
        effects.on_event("LockUp.LotTaken", self._taken)

    async def _locked_up(self, connection: Connection, event: ChainEvent) -> None:
        if (instrument := await _instrument(connection, event)) is not None:
            await lock_facts(connection)
            await lock_up(connection, _wallet(event), instrument, *_lot(event), actor=ACTOR)

    async def _taken(self, connection: Connection, event: ChainEvent) -> None:
        if (instrument := await _instrument(connection, event)) is not None:
            await lock_facts(connection)
            await take(connection, _wallet(event), instrument, *_lot(event), actor=ACTOR)


async def _instrument(connection: Connection, event: ChainEvent) -> int | None:
    """Of the property whose token's compliance it is; anybody may bind the module to a compliance of their own."""
    number: int | None = await connection.fetchval(
        "SELECT instrument FROM properties WHERE compliance_contract = $1", unhex(event.data["compliance"])
    )
    return number


def _wallet(event: ChainEvent) -> bytes:
    return unhex(event.data["wallet"])


def _lot(event: ChainEvent) -> tuple[int, datetime]:
    return int(event.data["amount"]), datetime.fromtimestamp(int(event.data["releasedAt"]), UTC)
