"""What happens when a property's route is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.actor import Actor, Role
from api.addresses import address_bytes
from api.answers import DecisionAnswer, decision_answer
from api.doors import Audit, Decide, Notify
from api.problem import Problem, not_found
from api.route import Call
from persistence.database import Connection, Pool
from persistence.document_store import STORE_AWAY
from persistence.documents import Document, Documents, received
from persistence.jobs import job
from properties.answers import (
    PAGE_MOST,
    DocumentAnswer,
    PageQuery,
    ProgressAnswer,
    PropertyAnswer,
    PropertyBody,
    PropertyChanges,
    PropertyPage,
    RejectBody,
    document_answer,
    progress_answer,
    property_answer,
)
from properties.attachments import DOCUMENTS_MAX, PURPOSE, attach, attached
from properties.decisions import (
    APPROVE,
    MINT,
    TOKENIZE,
    approve_payload,
    mint_payload,
    mintable,
    require_other,
    require_undecided,
)
from properties.issuer import IssuerOf, require_issuer
from properties.problems import as_problems
from properties.property import EDITABLE, PUBLIC, Property, PropertyState, draft, edit, find, lock, move, visible
from properties.terms import Countries, changed, terms_of, words_of

CHUNK_BYTES: Final = 64 * 1024
REASON_LENGTH_MAX: Final = 800  # it goes into a notice, which has 1,000


@dataclass(frozen=True, slots=True)
class Doors:
    """What the calls need of others.

    admins     the people with the role ADMIN
    countries  by regime
    """

    pool: Pool
    documents: Documents
    audit: Audit
    notify: Notify
    decide: Decide
    issuer_of: IssuerOf
    admins: Callable[[Connection], Awaitable[list[UUID]]]
    countries: Countries


class Desk:
    """The handlers, each of one call."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._pool = doors.pool

    async def create(self, call: Call[PropertyBody]) -> PropertyAnswer:
        actor = call.signed_in
        with as_problems():
            terms = terms_of(call.body.terms, self._doors.countries)
            wallet = _wallet(call.body.issuer_wallet)
            async with self._pool.acquire() as connection, connection.transaction():
                made = await draft(connection, actor.user_id, wallet, terms)
                await self._record(connection, actor, "property drafted", made)
        return property_answer(made)

    async def edit(self, call: Call[PropertyChanges]) -> PropertyAnswer:
        actor, body = call.signed_in, call.body
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                found = await self._own(connection, call, *EDITABLE)
                changes = {} if body.terms is msgspec.UNSET else msgspec.structs.asdict(body.terms)
                given = {term: value for term, value in changes.items() if value is not msgspec.UNSET}
                terms = terms_of(changed(words_of(found.terms), given), self._doors.countries)
                wallet = found.issuer_wallet
                if not isinstance(body.issuer_wallet, msgspec.UnsetType):
                    wallet = _wallet(body.issuer_wallet)
                made = await edit(connection, found.property_id, wallet, terms)
                await self._record(connection, actor, "property changed", made, terms=sorted(given))
        return property_answer(made)

    async def browse(self, call: Call[None]) -> PropertyPage:
        query: PageQuery = call.query
        if not 1 <= query.limit <= PAGE_MOST:
            raise Problem(400, "LIMIT_OUT_OF_RANGE", f"limit must be from 1 to {PAGE_MOST}.")
        actor = call.actor
        found = await visible(
            self._pool,
            manager_id=None if actor is None else actor.user_id,
            every=actor is not None and Role.ADMIN in actor.roles,
            before=query.before,
            limit=query.limit + 1,
        )
        page = found[: query.limit]
        return PropertyPage(
            [property_answer(each) for each in page], page[-1].property_id if len(found) > len(page) else None
        )

    async def get(self, call: Call[None]) -> PropertyAnswer:
        return property_answer(await self._seen(call))

    async def upload(self, call: Call[None]) -> DocumentAnswer:
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                await self._own(connection, call, *EDITABLE)  # before anything is read
            try:
                async with received(call.request.content.iter_chunked(CHUNK_BYTES)) as whole:
                    document = await self._keep(call, whole)
            except (web.RequestPayloadError, ConnectionError):
                raise Problem(400, "UPLOAD_BROKEN", "The upload broke off: send the file again.") from None
        return self._linked(document)

    async def _keep(self, call: Call[None], whole: Any) -> Document:
        actor = call.signed_in
        async with self._pool.acquire() as connection, connection.transaction():
            found = await self._own(connection, call, *EDITABLE)
            if len(await attached(connection, found.property_id)) >= DOCUMENTS_MAX:
                raise Problem(409, "DOCUMENTS_TOO_MANY", f"A property has at most {DOCUMENTS_MAX} documents.")
            try:
                document = await self._doors.documents.keep(
                    connection, whole, name=call.query.name, owner_user_id=actor.user_id, purpose=PURPOSE
                )
            except STORE_AWAY:
                raise Problem(503, "AWAY", "The document store is away; try again in a moment.") from None
            await attach(connection, found.property_id, document)
            pinned = {"document_id": str(document.document_id), "sha256": document.sha256.hex()}
            await self._record(connection, actor, "property document added", found, **pinned)
        return document

    async def list_documents(self, call: Call[None]) -> list[DocumentAnswer]:
        found = await self._seen(call)
        documents = await self._doors.documents.among(await attached(self._pool, found.property_id))
        return [self._linked(document) for document in documents]

    async def submit(self, call: Call[None]) -> PropertyAnswer:
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                found = await self._own(connection, call, *EDITABLE)
                if not await attached(connection, found.property_id):
                    raise Problem(409, "DOCUMENT_MISSING", "Add at least one document, such as the deed, first.")
                await require_issuer(connection, found, self._doors.issuer_of, self._doors.countries)
                made = await move(connection, found.property_id, PropertyState.PENDING_APPROVAL)
                await self._record(connection, call.signed_in, "property submitted", made, revision=made.revision)
                data = {"property_id": str(made.property_id)}
                for admin in await self._doors.admins(connection):
                    text = f"{made.terms.name} waits for approval."
                    await self._doors.notify(connection, admin, "PROPERTY_SUBMITTED", text, data)
        return property_answer(made)

    async def approve(self, call: Call[None]) -> DecisionAnswer:
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                found = await lock(connection, call.uuid("property_id"), PropertyState.PENDING_APPROVAL)
                require_other(found, call.signed_in)
                payload = await approve_payload(connection, found)
                decision = await self._doors.decide(
                    connection, APPROVE, str(found.property_id), payload, call.signed_in
                )
        return decision_answer(decision)

    async def reject(self, call: Call[RejectBody]) -> PropertyAnswer:
        """Also what was approved, until its mint is decided: a way back for terms that turn out wrong."""
        actor, reason = call.signed_in, call.body.reason.strip()
        if not 1 <= len(reason) <= REASON_LENGTH_MAX:
            raise Problem(422, "REASON_MISSING", f"Give the manager a reason of 1 to {REASON_LENGTH_MAX} letters.")
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                found = await lock(
                    connection, call.uuid("property_id"), PropertyState.PENDING_APPROVAL, PropertyState.APPROVED
                )
                require_other(found, actor)
                require_undecided(found)
                made = await move(connection, found.property_id, PropertyState.REJECTED, reject_reason=reason)
                await self._record(connection, actor, "property rejected", made)
                text, data = f"{made.terms.name} was not approved: {reason}", {"property_id": str(made.property_id)}
                await self._doors.notify(connection, made.manager_id, "PROPERTY_REJECTED", text, data)
        return property_answer(made)

    async def mint(self, call: Call[None]) -> DecisionAnswer:
        with as_problems():
            async with self._pool.acquire() as connection, connection.transaction():
                found = await mintable(connection, call.uuid("property_id"))
                require_other(found, call.signed_in)
                await require_issuer(connection, found, self._doors.issuer_of, self._doors.countries)
                decision = await self._doors.decide(
                    connection, MINT, str(found.property_id), mint_payload(found), call.signed_in
                )
        return decision_answer(decision)

    async def progress(self, call: Call[None]) -> ProgressAnswer:
        found = await self._seen(call)
        row = await job(self._pool, TOKENIZE, str(found.property_id))
        if row is None:
            raise Problem(404, "MINT_NOT_DECIDED", "Nobody has decided the mint of this property yet.")
        return progress_answer(row)

    async def _seen(self, call: Call[Any]) -> Property:
        """The property, if its state is public, or the caller manages it or is an admin."""
        with as_problems():
            found = await find(self._pool, call.uuid("property_id"))
        if found.state not in PUBLIC and not _is_inside(found, call.actor):
            raise not_found("property")
        return found

    async def _own(self, connection: Connection, call: Call[Any], *states: PropertyState) -> Property:
        """The caller's own property, locked; whose it is counts before its state."""
        property_id = call.uuid("property_id")
        if (await find(connection, property_id)).manager_id != call.signed_in.user_id:
            raise not_found("property")
        return await lock(connection, property_id, *states)

    async def _record(
        self, connection: Connection, actor: Actor, action: str, made: Property, **details: object
    ) -> None:
        await self._doors.audit(
            connection, actor.name, action, details={"property_id": str(made.property_id)} | details
        )

    def _linked(self, document: Document) -> DocumentAnswer:
        return document_answer(document, self._doors.documents.link(document.document_id))


def _is_inside(found: Property, actor: Actor | None) -> bool:
    return actor is not None and (actor.user_id == found.manager_id or Role.ADMIN in actor.roles)


def _wallet(given: str | None) -> bytes | None:
    if given is None:
        return None
    wallet = address_bytes(given)
    if wallet is None:
        raise Problem(422, "ISSUER_WALLET_MALFORMED", "issuer_wallet must be 0x and 40 hex digits.")
    return wallet
