"""A property's end, but for the chain: liquidation asked for, sale stated, burn approved by two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.amounts import usdc
from api.doors import Audit, Enqueue
from api.problem import Problem, not_found
from persistence.database import Connection, Pool
from settlement import payout_rows as rows
from settlement.payout_doors import ExitBooks, Properties
from settlement.payout_rows import EXIT, Payout, Reader
from settlement.sale import close_sale

LIQUIDATE: Final = "liquidate"  # jobs
PREPARE: Final = "exit_prepare"
REDEEM: Final = "exit"


@dataclass(frozen=True, slots=True)
class Liquidation:
    """How far it is; see migration 046."""

    property_id: UUID
    instrument: int
    token: bytes
    cancel_only_seq: int | None
    halt_seq: int | None
    still_block: int | None


@dataclass(frozen=True, slots=True)
class Sale:
    """The terms of an exit in USDC micros; the snapshot is None until it is taken.

    remainder_usdc_micros  what the property had left beside the price: income not distributed, and its reserve
    """

    sale_price_usdc_micros: int
    costs_usdc_micros: int
    remainder_usdc_micros: int
    snapshot_block: int | None
    supply_base_units: int | None
    is_tidy: bool


class Exits:
    """Each act is one transaction: states, ledger, audit and job together."""

    def __init__(self, pool: Pool, properties: Properties, books: ExitBooks, audit: Audit, enqueue: Enqueue) -> None:
        self._pool = pool
        self._properties = properties
        self._books = books
        self._audit = audit
        self._enqueue = enqueue

    async def liquidate(self, property_id: UUID, actor: Actor) -> None:
        """Begin the end: no order from now on. Raises Problem 404, 409."""
        async with self._pool.acquire() as connection, connection.transaction():
            facts = await self._properties.facts(connection, property_id)
            if facts is None:
                raise not_found("property")
            await self._properties.move(connection, property_id, "LIQUIDATING", actor.name)
            assert facts.instrument is not None
            await connection.execute(
                "INSERT INTO liquidations (property_id, instrument, token, started_by) VALUES ($1, $2, $3, $4)",
                *(property_id, facts.instrument, facts.token, actor.user_id),
            )
            details = {"property_id": str(property_id)}
            await self._audit(
                connection, actor.name, "liquidation started", instrument=facts.instrument, details=details
            )
            await close_sale(connection, property_id, self._enqueue)
            await self._enqueue(connection, LIQUIDATE, str(property_id))

    async def state_sale(self, property_id: UUID, sale_price: int, costs: int, actor: Actor) -> UUID:
        """What the property was sold for; a new statement replaces one that two people have not approved yet.

        Raises Problem 404, 409, 422.
        """
        if not 0 <= costs < sale_price:
            raise Problem(422, "COSTS_TOO_HIGH", "The costs must be below the sale price.")
        async with self._pool.acquire() as connection, connection.transaction():
            facts = await self._properties.facts(connection, property_id)
            if facts is None:
                raise not_found("property")
            going = await liquidation(connection, property_id)
            if facts.state != "LIQUIDATING" or going is None or going.still_block is None:
                raise Problem(
                    409, "NOT_STILL", "Its trades are not all settled yet, or its liquidation has not been asked for."
                )
            await self._replace(connection, property_id)
            terms = {
                "property_id": property_id,
                "instrument": going.instrument,
                "token": going.token,
                "issuer_wallet": facts.issuer_wallet,
            }
            payout_id = await rows.insert(connection, EXIT, terms, sale_price - costs, actor.user_id)
            remainder = await self._books.set_aside(connection, property_id, sale_price, costs, payout_id)
            await rows.add_to_pool(connection, payout_id, remainder)
            await connection.execute(
                "INSERT INTO exits (payout_id, sale_price_usdc_micros, costs_usdc_micros, remainder_usdc_micros)"
                " VALUES ($1, $2, $3, $4)",
                *(payout_id, sale_price, costs, remainder),
            )
            details = {
                "exit_id": str(payout_id),
                "price_usdc": usdc(sale_price),
                "costs_usdc": usdc(costs),
                "remainder_usdc": usdc(remainder),
            }
            await self._audit(connection, actor.name, "sale stated", instrument=going.instrument, details=details)
            await self._enqueue(connection, PREPARE, str(payout_id))
        return payout_id

    async def approved(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        """The executor of BURN. Raises Problem 409 if the statement is not what was approved any more."""
        found = await rows.payout(connection, UUID(payload["exit_id"]), lock=True)
        if found is None or found.state != "PREPARED" or found.payload != payload:
            raise Problem(409, "NOT_PREPARED", "This statement was replaced, or is decided already.")
        await rows.moved(connection, found.payout_id, "APPROVED", approval_id=approval_id)
        details = {"exit_id": str(found.payout_id), "approval_id": str(approval_id)}
        await self._audit(connection, actor.name, "burn approved", instrument=found.instrument, details=details)
        await self._enqueue(connection, REDEEM, str(found.payout_id))

    async def failed(self, connection: Connection, found: Payout, failure: str) -> None:
        """Nothing was burned or sent; another statement may be made."""
        await rows.moved(connection, found.payout_id, "FAILED", failure=failure)
        await self._books.release(connection, found.payout_id)

    async def close(self, connection: Connection, found: Payout) -> bool:
        """The property is at its end; False if it was closed before."""
        facts = await self._properties.facts(connection, found.property_id)
        assert facts is not None
        if facts.state == "CLOSED":
            return False
        await self._properties.move(connection, found.property_id, "CLOSED", "exit")
        details = {"exit_id": str(found.payout_id), "property_id": str(found.property_id)}
        await self._audit(connection, "exit", "property closed", instrument=found.instrument, details=details)
        return True

    async def _replace(self, connection: Connection, property_id: UUID) -> None:
        standing = await standing_exit(connection, property_id, lock=True)
        if standing is None:
            return
        if standing.state not in ("PREPARING", "PREPARED"):
            raise Problem(409, "APPROVED_ALREADY", f"The exit of this property is {standing.state} already.")
        await rows.moved(connection, standing.payout_id, "CANCELLED")
        await self._books.release(connection, standing.payout_id)


async def standing_exit(reader: Reader, property_id: UUID, *, lock: bool = False) -> Payout | None:
    """The exit of a property that was neither called off nor stopped: there is at most one."""
    payout_id = await reader.fetchval(
        "SELECT payout_id FROM payouts WHERE kind = 'EXIT' AND property_id = $1"
        " AND state NOT IN ('CANCELLED', 'FAILED', 'STOPPED')",
        property_id,
    )
    return None if payout_id is None else await rows.payout(reader, payout_id, lock=lock)


async def liquidation(reader: Reader, property_id: UUID) -> Liquidation | None:
    row = await reader.fetchrow(
        f"SELECT {', '.join(Liquidation.__dataclass_fields__)} FROM liquidations WHERE property_id = $1",  # noqa: S608
        property_id,
    )
    return None if row is None else Liquidation(**row)


async def reached(reader: Reader, property_id: UUID, column: str, value: int) -> None:
    """One more step of a liquidation is done."""
    assert column in ("cancel_only_seq", "halt_seq", "still_block")
    await reader.execute(
        f"UPDATE liquidations SET {column} = $2 WHERE property_id = $1 AND {column} IS NULL",  # noqa: S608
        *(property_id, value),
    )


async def sale(reader: Reader, payout_id: UUID) -> Sale:
    row = await reader.fetchrow("SELECT * FROM exits WHERE payout_id = $1", payout_id)
    supply = row["supply_base_units"]
    return Sale(
        row["sale_price_usdc_micros"],
        row["costs_usdc_micros"],
        row["remainder_usdc_micros"],
        row["snapshot_block"],
        None if supply is None else int(supply),
        row["is_tidy"],
    )


async def snapshot(connection: Connection, payout_id: UUID, block: int, supply_base_units: int) -> None:
    await connection.execute(
        "UPDATE exits SET snapshot_block = $2, supply_base_units = $3 WHERE payout_id = $1",
        *(payout_id, block, supply_base_units),
    )


async def tidied(reader: Reader, payout_id: UUID) -> None:
    await reader.execute("UPDATE exits SET is_tidy = true WHERE payout_id = $1", payout_id)


async def open_trades(reader: Reader, instrument: int, seq: int) -> str | None:
    """What is still to be settled of an instrument that was halted at `seq`; None: nothing."""
    settled_seq = await reader.fetchval("SELECT seq FROM journal_cursors WHERE consumer = 'settlement'")
    if (settled_seq or 0) < seq:
        return f"settlement has read the journal up to seq {settled_seq or 0} of {seq}"
    count = await reader.fetchval(
        "SELECT count(*) FROM settlement_trades WHERE instrument = $1 AND failed_seq IS NULL", instrument
    )
    return f"{count} trades are neither final nor failed yet" if count else None
