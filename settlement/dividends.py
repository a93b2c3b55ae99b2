"""A dividend's life, but for the chain: proposed, prepared, approved by two people, or cancelled."""

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
from settlement.payout_doors import DividendBooks, Properties
from settlement.payout_rows import DIVIDEND, Payout, Reader

PREPARE: Final = "dividend_prepare"  # jobs
PAY: Final = "dividend"
_PAYS: Final = ("TOKENIZED", "LIQUIDATING")


@dataclass(frozen=True, slots=True)
class Terms:
    """A dividend's own terms: `record_seq` None is the present, not fixed yet; `record_block` None: not told yet."""

    period: str | None
    includes_unsold: bool
    record_seq: int | None
    record_block: int | None
    unsold_base_units: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody proposes: an amount in USDC micros, or the period of an income statement whose net is paid out."""

    property_id: UUID
    usdc_micros: int | None
    period: str | None
    record_seq: int | None
    includes_unsold: bool


class Dividends:
    """Each act is one transaction: states, ledger, audit and job together."""

    def __init__(
        self, pool: Pool, properties: Properties, books: DividendBooks, audit: Audit, enqueue: Enqueue
    ) -> None:
        self._pool = pool
        self._properties = properties
        self._books = books
        self._audit = audit
        self._enqueue = enqueue

    async def propose(self, asked: Asked, actor: Actor) -> UUID:
        """Set the money aside and have the list prepared. Raises Problem: unknown or untokenized property, no funds."""
        assert (asked.usdc_micros is None) != (asked.period is None)
        async with self._pool.acquire() as connection, connection.transaction():
            facts = await self._properties.facts(connection, asked.property_id)
            if facts is None:
                raise not_found("property")
            if facts.state not in _PAYS or facts.instrument is None:
                raise Problem(409, "NOT_TOKENIZED", f"A property that is {facts.state} has no holders to pay.")
            terms = {
                "property_id": asked.property_id,
                "instrument": facts.instrument,
                "token": facts.token,
                "issuer_wallet": facts.issuer_wallet,
            }
            pool_micros = await self._pool_micros(connection, asked)
            payout_id = await rows.insert(connection, DIVIDEND, terms, pool_micros, actor.user_id)
            await connection.execute(
                "INSERT INTO dividends (payout_id, period, includes_unsold, record_seq) VALUES ($1, $2, $3, $4)",
                *(payout_id, asked.period, asked.includes_unsold, asked.record_seq),
            )
            charges = await self._books.set_aside(connection, asked.property_id, pool_micros, payout_id)
            assert sum(micros for _, micros in charges) == pool_micros
            await connection.executemany(
                "INSERT INTO payout_charges VALUES ($1, $2, $3)", [(payout_id, *charge) for charge in charges]
            )
            details = {"dividend_id": str(payout_id), "property_id": str(asked.property_id), "usdc": usdc(pool_micros)}
            await self._audit(connection, actor.name, "dividend proposed", instrument=facts.instrument, details=details)
            await self._enqueue(connection, PREPARE, str(payout_id))
        return payout_id

    async def cancel(self, payout_id: UUID, actor: Actor) -> None:
        """Before two people approved it. Raises Problem 404, 409."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await rows.payout(connection, payout_id, lock=True)
            if found is None or found.kind != DIVIDEND:
                raise not_found("dividend")
            if found.state not in ("PREPARING", "PREPARED"):
                raise Problem(409, "DECIDED_ALREADY", f"This dividend is {found.state} and cannot be cancelled.")
            await rows.moved(connection, payout_id, "CANCELLED")
            await self._books.release(connection, payout_id)
            details = {"dividend_id": str(payout_id)}
            await self._audit(
                connection, actor.name, "dividend cancelled", instrument=found.instrument, details=details
            )

    async def approved(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        """The executor of DIVIDEND. Raises Problem 409 if the dividend is not what was approved any more."""
        found = await rows.payout(connection, UUID(payload["dividend_id"]), lock=True)
        if found is None or found.state != "PREPARED" or found.payload != payload:
            raise Problem(409, "NOT_PREPARED", "This dividend was cancelled, or is decided already.")
        await rows.moved(connection, found.payout_id, "APPROVED", approval_id=approval_id)
        details = {"dividend_id": str(found.payout_id), "approval_id": str(approval_id)}
        await self._audit(connection, actor.name, "dividend approved", instrument=found.instrument, details=details)
        await self._enqueue(connection, PAY, str(found.payout_id))

    async def declined(self, connection: Connection, payload: Mapping[str, Any], /) -> None:
        """Its approval was rejected or has expired: it is called off, and its money is free again."""
        found = await rows.payout(connection, UUID(payload["dividend_id"]), lock=True)
        if found is not None and found.state == "PREPARED":
            await rows.moved(connection, found.payout_id, "CANCELLED")
            await self._books.release(connection, found.payout_id)

    async def failed(self, connection: Connection, found: Payout, failure: str) -> None:
        """It can never be paid as it was proposed; nothing was sent, and the money is free again."""
        await rows.moved(connection, found.payout_id, "FAILED", failure=failure)
        await self._books.release(connection, found.payout_id)

    async def _pool_micros(self, connection: Connection, asked: Asked) -> int:
        if asked.usdc_micros is not None:
            return asked.usdc_micros
        assert asked.period is not None
        net = await self._books.distributable(connection, asked.property_id, asked.period)
        if net <= 0:
            raise Problem(409, "NOTHING_TO_PAY", f"The income statement of {asked.period} leaves nothing to pay out.")
        return net


async def terms(reader: Reader, payout_id: UUID) -> Terms:
    row = await reader.fetchrow("SELECT * FROM dividends WHERE payout_id = $1", payout_id)
    unsold = row["unsold_base_units"]
    return Terms(
        row["period"],
        row["includes_unsold"],
        row["record_seq"],
        row["record_block"],
        None if unsold is None else int(unsold),
    )


async def fix_seq(reader: Reader, payout_id: UUID, record_seq: int) -> None:
    """The present, once: what is fixed stands."""
    await reader.execute(
        "UPDATE dividends SET record_seq = $2 WHERE payout_id = $1 AND record_seq IS NULL", payout_id, record_seq
    )


async def fix_block(connection: Connection, payout_id: UUID, record_block: int, unsold_base_units: int) -> None:
    await connection.execute(
        "UPDATE dividends SET record_block = $2, unsold_base_units = $3 WHERE payout_id = $1",
        *(payout_id, record_block, unsold_base_units),
    )
