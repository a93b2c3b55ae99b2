"""Who has which role: granted and taken by an admin, on the record; there is always an admin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from api.actor import Actor, Role
from api.doors import Decision
from api.problem import Problem, not_found
from compliance.approvals import MAY_DECIDE, Approvals
from compliance.audit import record
from compliance.registry import FactError, user_by_email
from persistence.database import Connection, Pool

ROLES: Final = "ROLES"  # the kind of decision
DECIDING: Final = frozenset().union(*MAY_DECIDE.values())  # who has a part in what two people decide
_ROLES_LOCK: Final = 0x6465_6564_726F_6C65  # roles change one at a time: of two last admins, one stays


@dataclass(frozen=True, slots=True)
class Person:
    user_id: UUID
    email: str
    is_verified: bool
    has_second_factor: bool
    roles: tuple[Role, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Appointed:
    """The roles that a person has now, and the decision that would change them, if it takes two."""

    roles: frozenset[Role]
    decision: Decision | None


async def people(pool: Pool, after: UUID | None, count: int) -> list[Person]:
    """A page in the order of registration, from the one after `after` on."""
    rows = await pool.fetch(
        "SELECT user_id, email, email_verified_at IS NOT NULL AS is_verified,"
        " coalesce(sealed_secret IS NOT NULL, false) AS has_second_factor, created_at,"
        " ARRAY(SELECT role FROM user_roles WHERE user_roles.user_id = users.user_id ORDER BY role) AS roles"
        " FROM users LEFT JOIN credentials USING (user_id) LEFT JOIN totp USING (user_id)"
        " WHERE $1::uuid IS NULL OR user_id > $1 ORDER BY user_id LIMIT $2",
        after,
        count,
    )
    return [Person(**(dict(row) | {"roles": tuple(Role(role) for role in row["roles"])})) for row in rows]


async def people_with(connection: Connection, *roles: Role) -> list[UUID]:
    """Who has one of these roles, each once."""
    rows = await connection.fetch(
        "SELECT DISTINCT user_id FROM user_roles WHERE role = ANY($1::text[]) ORDER BY user_id",
        [str(role) for role in roles],
    )
    return [row["user_id"] for row in rows]


class Appointments:
    """Who is given which role. Once there are two admins, neither makes or unmakes one who decides with them alone."""

    def __init__(self, pool: Pool, approvals: Approvals) -> None:
        self._pool = pool
        self._approvals = approvals

    async def set_roles(self, user_id: UUID, roles: frozenset[Role], actor: Actor) -> Appointed:
        """Give a verified person exactly these roles, and INVESTOR; where that takes two admins, propose or approve it.

        Raises Problem 404, 409 for an unverified person or the last admin.
        """
        wanted = roles | {Role.INVESTOR}
        async with self._pool.acquire() as connection, connection.transaction():
            await _require_verified(connection, user_id)
            held = await _roles_of(connection, user_id)
            if await _takes_two(connection, held, wanted):
                payload = {"user_id": str(user_id), "from": sorted(held), "to": sorted(wanted)}
                decision = await self._approvals.decide(connection, ROLES, str(user_id), payload, actor)
                return Appointed(await _roles_of(connection, user_id), decision)
            await _lock_roles(connection)
            held = await _roles_of(connection, user_id)
            if await _takes_two(connection, held, wanted):
                raise Problem(409, "ROLES_CHANGED", "Roles have changed this moment: ask again.")
            await self._set(connection, user_id, held, wanted, actor)
        return Appointed(wanted, None)

    async def decided(
        self, connection: Connection, _approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        """The executor of ROLES. Raises Problem 409 where the person's roles have changed since it was proposed."""
        await _lock_roles(connection)
        user_id, wanted = UUID(payload["user_id"]), frozenset(map(Role, payload["to"]))
        held = await _roles_of(connection, user_id)
        if sorted(held) != payload["from"]:
            raise Problem(409, "ROLES_CHANGED", "This person's roles have changed since: propose it again.")
        await self._set(connection, user_id, held, wanted, actor)

    async def _set(
        self, connection: Connection, user_id: UUID, held: frozenset[Role], wanted: frozenset[Role], actor: Actor
    ) -> None:
        """What the person has proposed and may not propose any more is rejected with it."""
        await connection.execute("DELETE FROM user_roles WHERE user_id = $1", user_id)
        await _grant(connection, user_id, wanted)
        if Role.ADMIN in held and not await _admins(connection):
            raise Problem(409, "LAST_ADMIN", "Nobody else is an admin: appoint another one first.")
        lost = [kind for kind, may in MAY_DECIDE.items() if wanted.isdisjoint(may)]
        withdrawn = await self._approvals.withdraw(connection, user_id, lost, actor)
        details = {"from": sorted(held), "to": sorted(wanted), "withdrawn": [str(each) for each in withdrawn]}
        await record(connection, actor.name, "roles set", user_id=user_id, details=details)


async def _takes_two(connection: Connection, held: frozenset[Role], wanted: frozenset[Role]) -> bool:
    """Who decides is not appointed, and no admin dismissed, by one admin where there is another to ask."""
    changes = (wanted - held) & DECIDING | (held - wanted) & {Role.ADMIN}
    return bool(changes) and await _admins(connection) >= 2


async def appoint_first_admin(pool: Pool, email: str, *, actor: str) -> UUID:
    """Make a verified person the admin who appoints the others: an operator's act, once.

    Raises FactError if somebody is an admin already, or if nobody verified has this address.
    """
    user_id = await user_by_email(pool, email)
    async with pool.acquire() as connection, connection.transaction():
        await _lock_roles(connection)
        if await _admins(connection):
            raise FactError("there is an admin already, who appoints the others")
        if not await connection.fetchval("SELECT true FROM credentials WHERE user_id = $1", user_id):
            raise FactError(f"{email} is not verified yet: open the link in the mail first")
        await _grant(connection, user_id, frozenset({Role.ADMIN}))
        await record(connection, actor, "first admin appointed", user_id=user_id)
    return user_id


async def _lock_roles(connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _ROLES_LOCK)


async def _require_verified(connection: Connection, user_id: UUID) -> None:
    is_verified = await connection.fetchval(
        "SELECT email_verified_at IS NOT NULL FROM users LEFT JOIN credentials USING (user_id) WHERE user_id = $1",
        user_id,
    )
    if is_verified is None:
        raise not_found("user")
    if not is_verified:
        raise Problem(409, "EMAIL_NOT_VERIFIED", "This person has not verified their address yet.")


async def _roles_of(connection: Connection, user_id: UUID) -> frozenset[Role]:
    rows = await connection.fetch("SELECT role FROM user_roles WHERE user_id = $1", user_id)
    return frozenset(Role(row["role"]) for row in rows)


async def _grant(connection: Connection, user_id: UUID, roles: frozenset[Role]) -> None:
    await connection.execute(
        "INSERT INTO user_roles (user_id, role) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
        user_id,
        sorted(str(role) for role in roles),
    )


async def _admins(connection: Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM user_roles WHERE role = $1", str(Role.ADMIN))
    return count
