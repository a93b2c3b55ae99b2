"""What the composition root hands a room of its neighbours: the types of those functions. `Connection` is the caller's
transaction: what a door writes stands or falls with what the caller writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from api.actor import Actor

Connection = Any  # persistence.database's


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an act that needs two people stands. `payload_hash`: sha256 of the canonical payload, in hex.

    PROPOSED: another person has to approve this hash by `expires_at`. APPROVED: it is carried out.
    """

    approval_id: UUID
    state: Literal["PROPOSED", "APPROVED"]
    payload_hash: str
    proposed_by: UUID
    expires_at: datetime


class Audit(Protocol):
    """Adds a row to the audit log. `actor` is `Actor.name` or a process's name; `details` hold no personal data."""

    async def __call__(
        self,
        connection: Connection,
        actor: str,
        action: str,
        *,
        user_id: UUID | None = None,
        address: bytes | None = None,
        instrument: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None: ...


class Notify(Protocol):
    """Tells a person something: listed, streamed and, for some kinds, mailed once the transaction stands."""

    async def __call__(
        self, connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None: ...


class Decide(Protocol):
    """Four eyes: the first person proposes; another one with the same payload approves, and then the kind's executor
    runs in the same transaction. Raises Problem."""

    async def __call__(
        self, connection: Connection, kind: str, subject: str, payload: Mapping[str, Any], actor: Actor, /
    ) -> Decision: ...


class Executor(Protocol):
    """Carries out what two people decided: changes states and enqueues jobs, and calls nothing outside."""

    async def __call__(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None: ...


class Declined(Protocol):
    """Ends what waited for two people who did not both want it: a proposal was rejected, or has expired."""

    async def __call__(self, connection: Connection, payload: Mapping[str, Any], /) -> None: ...


class Enqueue(Protocol):
    """Adds a job; one (kind, key) is done once."""

    async def __call__(
        self, connection: Connection, kind: str, key: str, payload: Mapping[str, Any] | None = None, /
    ) -> None: ...
