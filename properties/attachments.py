"""The documents of a property, in the order in which they came."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from persistence.database import Connection, Pool
from persistence.documents import Document

DOCUMENTS_MAX: Final = 100
PURPOSE: Final = "PROPERTY"


async def attach(connection: Connection, property_id: UUID, document: Document) -> None:
    """To a property that the transaction has locked."""
    await connection.execute(
        "INSERT INTO property_documents (document_id, property_id) VALUES ($1, $2)", document.document_id, property_id
    )


async def attached(connection: Connection | Pool, property_id: UUID) -> list[UUID]:
    """The documents' ids, oldest first."""
    rows = await connection.fetch(
        "SELECT document_id FROM property_documents WHERE property_id = $1 ORDER BY document_id", property_id
    )
    return [row["document_id"] for row in rows]
