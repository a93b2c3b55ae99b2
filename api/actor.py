"""Who calls a route: a signed-in person with the roles that the person has right now."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    INVESTOR = "INVESTOR"
    PROPERTY_MANAGER = "PROPERTY_MANAGER"
    TENANT = "TENANT"
    COMPLIANCE_OFFICER = "COMPLIANCE_OFFICER"
    ADMIN = "ADMIN"
    SETTLEMENT_OPERATOR = "SETTLEMENT_OPERATOR"


@dataclass(frozen=True, slots=True)
class Actor:
    """`owner` is the engine's number of the person; `session_id` names the session and is not its secret."""

    user_id: UUID
    owner: int
    roles: frozenset[Role]
    session_id: UUID
    has_second_factor: bool

    @property
    def name(self) -> str:
        """What an audit row carries."""
        return f"user:{self.user_id}"
