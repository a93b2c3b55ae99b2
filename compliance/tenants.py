"""A tenant is somebody whom a manager let a unit to: known by their address, whether they are registered or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from api.actor import Actor, Role
from api.problem import Problem
from compliance.audit import record
from compliance.mail_tokens import Mail
from compliance.registry import FactError, insert_user, lock_facts
from persistence.database import Connection

INVITATION = "invitation"  # the kind of the mail


async def invite_tenant(connection: Connection, email: str, mail: Mail, actor: Actor) -> UUID:
    """The person with this address, who has the role from now on, or from when they verify their address; then a mail
    asks them to register. The answer tells nobody which of the two it is. Raises Problem 400 for no address."""
    await lock_facts(connection)
    user_id: UUID | None = await connection.fetchval("SELECT user_id FROM users WHERE lower(email) = lower($1)", email)
    if user_id is None:
        try:
            user_id = await insert_user(connection, email, actor=actor.name)
        except FactError:
            raise Problem(400, "EMAIL_MALFORMED", "This is not an e-mail address.") from None
    is_verified = await connection.fetchval("SELECT true FROM credentials WHERE user_id = $1", user_id)
    table = "user_roles" if is_verified else "waiting_roles"
    await connection.execute(
        f"INSERT INTO {table} (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",  # noqa: S608
        user_id,
        str(Role.TENANT),
    )
    if not is_verified:
        await mail(connection, user_id, INVITATION, {})
    await record(connection, actor.name, "tenant invited", user_id=user_id)
    return user_id


async def tenant_emails(connection: Connection, user_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The address of each, by which who let to them knows them."""
    rows = await connection.fetch("SELECT user_id, email FROM users WHERE user_id = ANY($1)", list(user_ids))
    return {row["user_id"]: row["email"] for row in rows}
