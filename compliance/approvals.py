"""Four eyes: what two people decide. The first proposes a payload, another one approves those very bytes, and then it
is carried out in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from api.actor import Actor, Role
from api.clock import Clock, utc_now
from api.doors import Audit, Decision, Declined, Executor
from api.problem import Problem, not_found
from persistence.database import Connection, Pool

LIFETIME: Final = timedelta(days=7)
_MAY_NOT_PROPOSE: Final = "Who proposed it may not propose it any more."
_ADMINS: Final = frozenset({Role.ADMIN})
_OPERATORS: Final = frozenset({Role.ADMIN, Role.SETTLEMENT_OPERATOR})
MAY_DECIDE: Final = MappingProxyType(
    {
        "PROPERTY_APPROVE": _ADMINS,
        "MINT": _ADMINS,
        "BURN": _ADMINS,
        "DIVIDEND": _ADMINS,
        "FREEZE": frozenset({Role.ADMIN, Role.COMPLIANCE_OFFICER}),
        "FEE": _ADMINS,
        "RENT_TERMS": _ADMINS,
        "MANAGER_PAYMENT": _ADMINS,
        "ROLES": _ADMINS,
        **dict.fromkeys(("HALT_LIFT", "KILL_RELEASE", "LIMITS", "BANDS"), _OPERATORS),
    }
)


@dataclass(frozen=True, slots=True)
class Approval:
    """`payload` is canonical JSON and `payload_hash` its sha256; `state` PROPOSED, APPROVED, REJECTED or EXPIRED."""

    approval_id: UUID
    kind: str
    subject: str
    payload: str
    payload_hash: bytes
    state: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None


def canonical(payload: Mapping[str, Any]) -> str:
    """One text for one payload: JSON with sorted keys and no spaces. No floats: they have no one text."""
    _assert_plain(payload)
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Approvals:
    """What proposes and decides names its Actor, whose second factor is shown.

    executors  by kind: what an approval sets off
    declined   by kind: what follows when a proposal is rejected or expires; for most nothing
    """

    def __init__(
        self,
        pool: Pool,
        executors: Mapping[str, Executor],
        audit: Audit,
        clock: Clock = utc_now,
        declined: Mapping[str, Declined] = MappingProxyType({}),
    ) -> None:
        assert executors.keys() | declined.keys() <= MAY_DECIDE.keys()
        self._pool = pool
        self._executors = executors
        self._declined = declined
        self._audit = audit
        self._clock = clock

    async def decide(
        self, connection: Connection, kind: str, subject: str, payload: Mapping[str, Any], actor: Actor, /
    ) -> Decision:
        """Propose, or approve what another person proposed with the same payload. Doing one's part again is nothing.

        Raises Problem 403 for whose role it is not, 409 OTHER_PROPOSAL if another payload is open for the subject, and
        what the executor raises: then nothing has happened.
        """
        _require_role(kind, actor)
        text = canonical(payload)
        while (found := await self._open(connection, kind, subject)) is None:
            made = await self._propose(connection, kind, subject, text, actor)
            if made is not None:
                return _decision(made)
        if found.payload != text:
            raise Problem(
                409,
                "OTHER_PROPOSAL",
                "Something else is proposed for this already: approve or reject that first.",
                approval_id=str(found.approval_id),
                payload_hash=found.payload_hash.hex(),
            )
        return _decision(found if found.proposed_by == actor.user_id else await self._approve(connection, found, actor))

    async def approve(self, approval_id: UUID, payload_hash: str, actor: Actor) -> Approval:
        """Approve and carry out. Raises Problem 403, 404, 409 for another hash or what is decided or expired."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await self._decidable(connection, approval_id, actor)
            if found.payload_hash.hex() != payload_hash:
                raise Problem(
                    409, "PAYLOAD_CHANGED", "This hash is not of what is proposed: read it again.",
                    payload_hash=found.payload_hash.hex(),
                )  # fmt: skip
            return await self._approve(connection, found, actor)

    async def reject(self, approval_id: UUID, reason: str, actor: Actor) -> Approval:
        """Also by who proposed it. Raises Problem 403, 404, 409 for what is decided or expired."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await self._decidable(connection, approval_id, actor)
            return await self._end(connection, found, "REJECTED", actor, reason)

    async def withdraw(
        self, connection: Connection, proposed_by: UUID, kinds: Sequence[str], actor: Actor
    ) -> list[UUID]:
        """Reject what a person has proposed of these kinds and may not propose any more; returns what that was."""
        rows = await connection.fetch(
            "SELECT * FROM approvals WHERE proposed_by = $1 AND kind = ANY($2) AND state = 'PROPOSED'"
            " ORDER BY approval_id FOR UPDATE",
            proposed_by,
            kinds,
        )
        for row in rows:
            await self._end(connection, Approval(**row), "REJECTED", actor, _MAY_NOT_PROPOSE)
        return [row["approval_id"] for row in rows]

    async def expire(self) -> int:
        """End what has waited too long; returns how many that were."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT * FROM approvals WHERE state = 'PROPOSED' AND expires_at <= $1 ORDER BY approval_id FOR UPDATE",
                self._clock(),
            )
            for row in rows:
                await self._end(connection, Approval(**row), "EXPIRED", None, None)
        return len(rows)

    async def approval(self, approval_id: UUID, actor: Actor) -> Approval:
        """Raises Problem 404, also for a kind that is not the actor's to decide."""
        row = await self._pool.fetchrow("SELECT * FROM approvals WHERE approval_id = $1", approval_id)
        if row is None or row["kind"] not in kinds_of(actor):
            raise not_found("approval")
        return self._as_of_now(Approval(**row))

    async def approvals(self, actor: Actor, state: str | None, before: UUID | None, count: int) -> list[Approval]:
        """A page of what is the actor's to decide, the latest first, from the one before `before` on."""
        rows = await self._pool.fetch(
            "SELECT * FROM approvals WHERE kind = ANY($1) AND ($2::uuid IS NULL OR approval_id < $2)"
            " AND ($3::text IS NULL OR $3 ="
            " CASE WHEN state = 'PROPOSED' AND expires_at <= $4 THEN 'EXPIRED' ELSE state END)"
            " ORDER BY approval_id DESC LIMIT $5",
            kinds_of(actor),
            before,
            state,
            self._clock(),
            count,
        )
        return [self._as_of_now(Approval(**row)) for row in rows]

    async def _open(self, connection: Connection, kind: str, subject: str) -> Approval | None:
        """The one that waits for this subject, locked; one that has waited too long is ended."""
        row = await connection.fetchrow(
            "SELECT * FROM approvals WHERE kind = $1 AND subject = $2 AND state = 'PROPOSED' FOR UPDATE",
            kind,
            subject,
        )
        if row is None:
            return None
        found = Approval(**row)
        if found.expires_at > self._clock():
            return found
        await self._end(connection, found, "EXPIRED", None, None)
        return None

    async def _propose(
        self, connection: Connection, kind: str, subject: str, text: str, actor: Actor
    ) -> Approval | None:
        """None if somebody else's proposal for the subject was there first."""
        now = self._clock()
        row = await connection.fetchrow(
            "INSERT INTO approvals (kind, subject, payload, payload_hash, state, proposed_by, proposed_at, expires_at)"
            " VALUES ($1, $2, $3, $4, 'PROPOSED', $5, $6, $7)"
            " ON CONFLICT (kind, subject) WHERE state = 'PROPOSED' DO NOTHING RETURNING *",
            kind,
            subject,
            text,
            sha256(text.encode()).digest(),
            actor.user_id,
            now,
            now + LIFETIME,
        )
        if row is None:
            return None
        made = Approval(**row)
        await self._audit(connection, actor.name, "approval proposed", details=_details(made))
        return made

    async def _decidable(self, connection: Connection, approval_id: UUID, actor: Actor) -> Approval:
        row = await connection.fetchrow("SELECT * FROM approvals WHERE approval_id = $1 FOR UPDATE", approval_id)
        if row is None or row["kind"] not in kinds_of(actor):
            raise not_found("approval")
        _require_role(row["kind"], actor)
        found = self._as_of_now(Approval(**row))
        if found.state != "PROPOSED":
            raise Problem(409, "ALREADY_DECIDED", f"This is {found.state.lower()} already.", state=found.state)
        return found

    async def _approve(self, connection: Connection, found: Approval, actor: Actor) -> Approval:
        _require_role(found.kind, actor)
        if found.proposed_by == actor.user_id:
            raise Problem(403, "OWN_PROPOSAL", "Another person has to approve what you proposed.")
        approved = await self._end(connection, found, "APPROVED", actor, None)
        await self._executors[found.kind](connection, found.approval_id, json.loads(found.payload), actor)
        return approved

    async def _end(
        self, connection: Connection, found: Approval, state: str, actor: Actor | None, reason: str | None
    ) -> Approval:
        row = await connection.fetchrow(
            "UPDATE approvals SET state = $2, decided_by = $3, decided_at = $4, reason = $5 WHERE approval_id = $1"
            " RETURNING *",
            found.approval_id,
            state,
            None if actor is None else actor.user_id,
            self._clock(),
            reason,
        )
        name = "clock" if actor is None else actor.name
        await self._audit(connection, name, f"approval {state.lower()}", details=_details(found))
        if state != "APPROVED" and (declined := self._declined.get(found.kind)) is not None:
            await declined(connection, json.loads(found.payload))
        return Approval(**row)

    def _as_of_now(self, approval: Approval) -> Approval:
        is_over = approval.state == "PROPOSED" and approval.expires_at <= self._clock()
        return replace(approval, state="EXPIRED") if is_over else approval


def kinds_of(actor: Actor) -> list[str]:
    """What is the actor's to propose or to approve."""
    return [kind for kind, roles in MAY_DECIDE.items() if not actor.roles.isdisjoint(roles)]


def _require_role(kind: str, actor: Actor) -> None:
    if actor.roles.isdisjoint(MAY_DECIDE[kind]):
        raise Problem(
            403, "ROLE_MISSING", f"This takes a role that you do not have: {', '.join(sorted(MAY_DECIDE[kind]))}."
        )
    if not actor.has_second_factor:
        raise Problem(403, "SECOND_FACTOR_REQUIRED", "Sign in with your second factor for this.")


def _decision(approval: Approval) -> Decision:
    assert approval.state in ("PROPOSED", "APPROVED")
    state: Literal["PROPOSED", "APPROVED"] = "APPROVED" if approval.state == "APPROVED" else "PROPOSED"
    return Decision(approval.approval_id, state, approval.payload_hash.hex(), approval.proposed_by, approval.expires_at)


def _details(approval: Approval) -> dict[str, str]:
    return {
        "approval_id": str(approval.approval_id),
        "kind": approval.kind,
        "subject": approval.subject,
        "payload_hash": approval.payload_hash.hex(),
    }


def _assert_plain(value: object) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case Mapping():
            assert all(isinstance(key, str) for key in value), "a payload's keys are text"
            for each in value.values():
                _assert_plain(each)
        case list() | tuple():
            for each in value:
                _assert_plain(each)
        case _:
            raise AssertionError(f"a payload holds no {type(value).__name__}")
