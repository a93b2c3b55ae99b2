"""Accreditation: a person sends documents and submits them, a compliance officer decides, until a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.actor import Actor, Role
from api.clock import Clock, utc_now
from api.doors import Notify
from api.problem import Problem, not_found
from compliance.audit import record
from compliance.registry import facts, put_accreditation
from compliance.rules import AccreditationStatus
from persistence.database import Connection, Pool
from persistence.documents import Document, Documents, Received

PURPOSE: Final = "ACCREDITATION"
DOCUMENTS_MAX: Final = 20  # of one review
VALID_FOR_MAX: Final = timedelta(days=5 * 366)
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Review:
    """`links` open the documents for a while, for whoever may decide."""

    review_id: UUID
    user_id: UUID
    state: str
    submitted_at: datetime
    decided_at: datetime | None
    expires_at: datetime | None
    reason: str
    links: tuple[str, ...]


class Accreditation:
    def __init__(self, pool: Pool, documents: Documents, notify: Notify, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._documents = documents
        self._notify = notify
        self._clock = clock

    async def add_document(self, actor: Actor, received: Received, name: str) -> Document:
        """Raises Problem 409 for too many, persistence.documents.DocumentRefusedError."""
        async with self._pool.acquire() as connection, connection.transaction():
            waiting = await connection.fetchval(
                "SELECT count(*) FROM accreditation_documents WHERE user_id = $1 AND review_id IS NULL", actor.user_id
            )
            if waiting >= DOCUMENTS_MAX:
                detail = f"You have sent {DOCUMENTS_MAX} documents: submit them with POST /accreditation."
                raise Problem(409, "TOO_MANY_DOCUMENTS", detail)
            document = await self._documents.keep(
                connection, received, name=name, owner_user_id=actor.user_id, purpose=PURPOSE
            )
            await connection.execute(
                "INSERT INTO accreditation_documents (document_id, user_id) VALUES ($1, $2)",
                document.document_id,
                actor.user_id,
            )
        return document

    async def submit(self, actor: Actor) -> UUID:
        """What was sent and not yet submitted becomes one review. Raises Problem 409."""
        async with facts(self._pool) as connection:
            await self._require_submittable(connection, actor.user_id)
            review_id: UUID = await connection.fetchval(
                "INSERT INTO accreditation_reviews (user_id) VALUES ($1) RETURNING review_id", actor.user_id
            )
            await connection.execute(
                "UPDATE accreditation_documents SET review_id = $2 WHERE user_id = $1 AND review_id IS NULL",
                actor.user_id,
                review_id,
            )
            if not await self._is_verified(connection, actor.user_id):
                await put_accreditation(connection, actor.user_id, AccreditationStatus.PENDING, None, actor=actor.name)
            await record(connection, actor.name, "accreditation submitted", user_id=actor.user_id)
            await self._tell_officers(connection, review_id)
        return review_id

    async def reviews(self, state: str, after: UUID | None = None) -> list[Review]:
        """Oldest first, for officers."""
        rows = await self._pool.fetch(
            "SELECT review_id, user_id, state, submitted_at, decided_at, expires_at, reason,"
            " ARRAY(SELECT document_id FROM accreditation_documents AS d WHERE d.review_id = r.review_id"
            " ORDER BY document_id) AS documents FROM accreditation_reviews AS r"
            " WHERE state = $1 AND ($2::uuid IS NULL OR review_id > $2) ORDER BY review_id LIMIT $3",
            state,
            after,
            PAGE,
        )
        return [self._review(dict(row)) for row in rows]

    async def approve(self, actor: Actor, review_id: UUID, expires_at: datetime) -> None:
        """Raises Problem 400 for a date that is none, and as `_open_review`."""
        now = self._clock()
        if expires_at.tzinfo is None or not now < expires_at <= now + VALID_FOR_MAX:
            raise Problem(400, "EXPIRY_WRONG", "Give a time with its zone, in the future and within five years.")
        async with facts(self._pool) as connection:
            user_id = await self._open_review(connection, actor, review_id)
            await self._decide(connection, actor, review_id, "APPROVED", expires_at, "")
            await put_accreditation(connection, user_id, AccreditationStatus.VERIFIED, expires_at, actor=actor.name)
            text = f"You are an accredited investor until {expires_at.date()}."
            await self._notify(connection, user_id, "ACCREDITATION_APPROVED", text)

    async def reject(self, actor: Actor, review_id: UUID, reason: str) -> None:
        """An accreditation that is still good stays. Raises Problem as `_open_review`."""
        async with facts(self._pool) as connection:
            user_id = await self._open_review(connection, actor, review_id)
            await self._decide(connection, actor, review_id, "REJECTED", None, reason)
            if not await self._is_verified(connection, user_id):
                await put_accreditation(connection, user_id, AccreditationStatus.REJECTED, None, actor=actor.name)
            text = f"Your accreditation was not approved: {reason}"
            await self._notify(connection, user_id, "ACCREDITATION_REJECTED", text)

    async def _require_submittable(self, connection: Connection, user_id: UUID) -> None:
        if await connection.fetchval(
            "SELECT 1 FROM accreditation_reviews WHERE user_id = $1 AND state = 'SUBMITTED'", user_id
        ):
            raise Problem(409, "REVIEW_OPEN", "Your documents are being reviewed already.")
        if not await connection.fetchval(
            "SELECT 1 FROM accreditation_documents WHERE user_id = $1 AND review_id IS NULL LIMIT 1", user_id
        ):
            detail = "Send at least one document first: POST /accreditation/documents."
            raise Problem(409, "NO_DOCUMENTS", detail)

    async def _open_review(self, connection: Connection, actor: Actor, review_id: UUID) -> UUID:
        """Whose it is. Raises Problem 404, 409 for one that is decided, 403 for the officer's own."""
        row = await connection.fetchrow(
            "SELECT user_id, state FROM accreditation_reviews WHERE review_id = $1", review_id
        )
        if row is None:
            raise not_found("review")
        if row["user_id"] == actor.user_id:
            raise Problem(403, "OWN_REVIEW", "Nobody decides on their own accreditation: ask another officer.")
        if row["state"] != "SUBMITTED":
            raise Problem(409, "REVIEW_DECIDED", f"This review is {row['state']} already.")
        user_id: UUID = row["user_id"]
        return user_id

    async def _decide(
        self,
        connection: Connection,
        actor: Actor,
        review_id: UUID,
        state: str,
        expires_at: datetime | None,
        reason: str,
    ) -> None:
        await connection.execute(
            "UPDATE accreditation_reviews SET state = $2, decided_at = now(), decided_by = $3, expires_at = $4,"
            " reason = $5 WHERE review_id = $1",
            review_id,
            state,
            actor.user_id,
            expires_at,
            reason,
        )
        details = {"review_id": str(review_id), "state": state}
        await record(connection, actor.name, "accreditation reviewed", details=details)

    async def _is_verified(self, connection: Connection, user_id: UUID) -> bool:
        return bool(
            await connection.fetchval(
                "SELECT 1 FROM accreditation WHERE user_id = $1 AND status = 'VERIFIED' AND expires_at > $2",
                user_id,
                self._clock(),
            )
        )

    async def _tell_officers(self, connection: Connection, review_id: UUID) -> None:
        rows = await connection.fetch("SELECT user_id FROM user_roles WHERE role = $1", str(Role.COMPLIANCE_OFFICER))
        text = "An accreditation waits for a review."
        for row in rows:
            await self._notify(
                connection, row["user_id"], "ACCREDITATION_SUBMITTED", text, {"review_id": str(review_id)}
            )

    def _review(self, row: dict[str, Any]) -> Review:
        documents = row.pop("documents")
        return Review(**row, links=tuple(self._documents.link(document_id) for document_id in documents))
