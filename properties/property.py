"""A property's row and its way: which state follows which, and who has locked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg

from persistence.database import Connection, Pool
from properties.terms import Terms


class PropertyState(StrEnum):
    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    TOKENIZED = "TOKENIZED"
    LIQUIDATING = "LIQUIDATING"
    CLOSED = "CLOSED"


_S = PropertyState
# The same as the table property_transitions, which the database enforces.
NEXT: Final[Mapping[PropertyState, frozenset[PropertyState]]] = MappingProxyType(
    {
        _S.DRAFT: frozenset({_S.PENDING_APPROVAL}),
        _S.PENDING_APPROVAL: frozenset({_S.APPROVED, _S.REJECTED}),
        _S.REJECTED: frozenset({_S.PENDING_APPROVAL}),
        _S.APPROVED: frozenset({_S.REJECTED, _S.TOKENIZED}),  # back only until its mint is decided
        _S.TOKENIZED: frozenset({_S.LIQUIDATING}),
        _S.LIQUIDATING: frozenset({_S.CLOSED}),
        _S.CLOSED: frozenset(),
    }
)
EDITABLE: Final = frozenset({_S.DRAFT, _S.REJECTED})
PUBLIC: Final = frozenset({_S.TOKENIZED, _S.LIQUIDATING, _S.CLOSED})


class PropertyMissingError(Exception):
    """There is no such property."""


class PropertyStateError(Exception):
    """Not in this state; the text says what the property is and what was asked."""


class SymbolTakenError(Exception):
    """Another property has the symbol."""


@dataclass(frozen=True, slots=True)
class Property:
    """A row of `properties`; addresses are 20 bytes, None until there is one."""

    property_id: UUID
    state: PropertyState
    manager_id: UUID
    issuer_wallet: bytes | None
    terms: Terms
    revision: int
    reject_reason: str | None
    mint_approved_at: datetime | None
    token: bytes | None
    identity_registry: bytes | None
    compliance_contract: bytes | None
    instrument: int | None
    tokenized_at: datetime | None
    created_at: datetime
    changed_at: datetime


TERM_COLUMNS: Final = tuple(term.name for term in fields(Terms))
_OWN: Final = tuple(column.name for column in fields(Property) if column.name != "terms")
_COLUMNS: Final = ", ".join((*_OWN, *TERM_COLUMNS))


async def draft(connection: Connection, manager_id: UUID, issuer_wallet: bytes | None, terms: Terms) -> Property:
    """A new property in DRAFT. Raises SymbolTakenError."""
    values = [getattr(terms, column) for column in TERM_COLUMNS]
    places = ", ".join(f"${place}" for place in range(1, len(values) + 3))
    try:
        row = await connection.fetchrow(
            f"INSERT INTO properties (manager_id, issuer_wallet, {', '.join(TERM_COLUMNS)}) VALUES ({places})"  # noqa: S608
            f" RETURNING {_COLUMNS}",
            manager_id,
            issuer_wallet,
            *values,
        )
    except asyncpg.UniqueViolationError:
        raise SymbolTakenError(f"another property has the symbol {terms.symbol}") from None
    return _property(row)


async def edit(connection: Connection, property_id: UUID, issuer_wallet: bytes | None, terms: Terms) -> Property:
    """Give a property that its transaction has locked other terms. Raises SymbolTakenError."""
    changes = ", ".join(f"{column} = ${place}" for place, column in enumerate(TERM_COLUMNS, 3))
    try:
        row = await connection.fetchrow(
            f"UPDATE properties SET issuer_wallet = $2, {changes} WHERE property_id = $1 RETURNING {_COLUMNS}",  # noqa: S608
            property_id,
            issuer_wallet,
            *(getattr(terms, column) for column in TERM_COLUMNS),
        )
    except asyncpg.UniqueViolationError:
        raise SymbolTakenError(f"another property has the symbol {terms.symbol}") from None
    return _property(row)


async def find(connection: Connection | Pool, property_id: UUID) -> Property:
    """Raises PropertyMissingError."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM properties WHERE property_id = $1", property_id)  # noqa: S608
    if row is None:
        raise PropertyMissingError(f"there is no property {property_id}")
    return _property(row)


async def lock(connection: Connection, property_id: UUID, *states: PropertyState) -> Property:
    """The property, to nobody else until the transaction ends, if it is in one of the states.

    Raises PropertyMissingError, PropertyStateError.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM properties WHERE property_id = $1 FOR UPDATE",  # noqa: S608
        property_id,
    )
    if row is None:
        raise PropertyMissingError(f"there is no property {property_id}")
    found = _property(row)
    if found.state not in states:
        raise PropertyStateError(f"The property is {found.state}; for this it must be {' or '.join(states)}.")
    return found


async def move(
    connection: Connection, property_id: UUID, state: PropertyState, *, reject_reason: str | None = None
) -> Property:
    """Lock the property and bring it into a state. `reject_reason` goes with REJECTED and nothing else.

    Raises PropertyMissingError; PropertyStateError if no way leads there.
    """
    await lock(connection, property_id, *(before for before, following in NEXT.items() if state in following))
    row = await connection.fetchrow(
        "UPDATE properties SET state = $2, reject_reason = $3,"  # noqa: S608
        " revision = revision + CASE WHEN $2 = 'PENDING_APPROVAL' THEN 1 ELSE 0 END,"
        " tokenized_at = CASE WHEN $2 = 'TOKENIZED' THEN now() ELSE tokenized_at END"
        f" WHERE property_id = $1 RETURNING {_COLUMNS}",
        property_id,
        state,
        reject_reason,
    )
    return _property(row)


async def store_mint_decision(connection: Connection, property_id: UUID) -> None:
    """Its mint is decided, now and for good: of a property that is APPROVED and that its transaction has locked."""
    await connection.execute("UPDATE properties SET mint_approved_at = now() WHERE property_id = $1", property_id)


async def store_contracts(
    connection: Connection, property_id: UUID, token: bytes, identity_registry: bytes, compliance_contract: bytes
) -> None:
    """What was deployed for it; again is nothing."""
    await connection.execute(
        "UPDATE properties SET token = $2, identity_registry = $3, compliance_contract = $4 WHERE property_id = $1",
        property_id,
        token,
        identity_registry,
        compliance_contract,
    )


async def store_instrument(connection: Connection, property_id: UUID, instrument: int) -> None:
    """Its number; it may change until the property is TOKENIZED."""
    await connection.execute("UPDATE properties SET instrument = $2 WHERE property_id = $1", property_id, instrument)


async def visible(
    pool: Pool, *, manager_id: UUID | None, every: bool, before: UUID | None, limit: int
) -> list[Property]:
    """The newest first: of every state if `every`, else the public ones and a manager's own; older than `before`."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM properties WHERE ($1 OR manager_id = $2 OR state = ANY($3))"  # noqa: S608
        " AND ($4::uuid IS NULL OR property_id < $4) ORDER BY property_id DESC LIMIT $5",
        every,
        manager_id,
        sorted(PUBLIC),
        before,
        limit,
    )
    return [_property(row) for row in rows]


def _property(row: Any) -> Property:
    countries = row["allowed_countries"]
    words = {column: row[column] for column in TERM_COLUMNS}
    terms = Terms(**(words | {"allowed_countries": None if countries is None else tuple(countries)}))
    own = {column: row[column] for column in _OWN}
    return Property(**(own | {"state": PropertyState(row["state"]), "terms": terms}))
