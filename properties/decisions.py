"""What two people decide about a property, to the last term, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from api.actor import Actor
from api.doors import Audit, Executor, Notify
from api.problem import Problem
from persistence.database import Connection
from persistence.jobs import enqueue
from properties.attachments import attached
from properties.issuer import IssuerOf, require_issuer
from properties.problems import as_problems
from properties.property import Property, PropertyState, lock, move, store_mint_decision
from properties.terms import Countries, words_of

APPROVE: Final = "PROPERTY_APPROVE"
MINT: Final = "MINT"
TOKENIZE: Final = "tokenize"  # the kind of the job; its key is the property's id


async def approve_payload(connection: Connection, found: Property) -> dict[str, Any]:
    """What is approved: these terms, these documents, handed in for this time."""
    contents = await connection.fetch(
        "SELECT sha256 FROM documents WHERE document_id = ANY($1) ORDER BY document_id",
        await attached(connection, found.property_id),
    )
    return _terms(found) | {"documents_sha256": [row["sha256"].hex() for row in contents]}


def mint_payload(found: Property) -> dict[str, Any]:
    """What is minted, and to whom."""
    return _terms(found) | {"supply_base_units": str(found.terms.supply_base_units)}


def executors(audit: Audit, notify: Notify, issuer_of: IssuerOf, countries: Countries) -> Mapping[str, Executor]:
    """By kind of decision; each changes states and enqueues in the transaction that it is given."""

    async def approve_property(
        connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        with as_problems():
            found = await lock(connection, UUID(payload["property_id"]), PropertyState.PENDING_APPROVAL)
            require_other(found, actor)
            _require_same(payload, await approve_payload(connection, found))
            await move(connection, found.property_id, PropertyState.APPROVED)
        details = {"property_id": str(found.property_id), "approval_id": str(approval_id)}
        await audit(connection, actor.name, "property approved", details=details)
        text = f"{found.terms.name} is approved; its token can be minted."
        await notify(connection, found.manager_id, "PROPERTY_APPROVED", text, {"property_id": str(found.property_id)})

    async def mint(connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /) -> None:
        with as_problems():
            found = await mintable(connection, UUID(payload["property_id"]))
            require_other(found, actor)
            _require_same(payload, mint_payload(found))
            wallet = await require_issuer(connection, found, issuer_of, countries)
        await store_mint_decision(connection, found.property_id)
        await enqueue(connection, TOKENIZE, str(found.property_id))
        details = {"property_id": str(found.property_id), "approval_id": str(approval_id)}
        await audit(connection, actor.name, "mint approved", address=wallet, details=details)

    return {APPROVE: approve_property, MINT: mint}


async def mintable(connection: Connection, property_id: UUID) -> Property:
    """The property, locked, if its mint can be decided. Raises Problem, and as property.lock."""
    found = await lock(connection, property_id, PropertyState.APPROVED)
    require_undecided(found)
    return found


def require_undecided(found: Property) -> None:
    """Once the mint is decided, nothing is decided any more."""
    if found.mint_approved_at is not None:
        raise Problem(409, "MINT_UNDER_WAY", "The mint is decided and under way: see its progress.")


def require_other(found: Property, actor: Actor) -> None:
    """Nobody decides about a property of their own."""
    if actor.user_id == found.manager_id:
        raise Problem(403, "OWN_PROPERTY", "Another person decides about your property.")


def _require_same(payload: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if dict(payload) != dict(now):
        raise Problem(409, "CHANGED_SINCE_PROPOSED", "The property is not what was proposed any more: propose it anew.")


def _terms(found: Property) -> dict[str, Any]:
    wallet = found.issuer_wallet
    return {
        "property_id": str(found.property_id),
        "revision": found.revision,
        "issuer_wallet": None if wallet is None else f"0x{wallet.hex()}",
        "terms": msgspec.to_builtins(words_of(found.terms)),
    }
