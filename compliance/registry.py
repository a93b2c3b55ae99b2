"""Facts about people and their wallets: a change, its audit entry and what it has compiled anew are one transaction."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from compliance.audit import record
from compliance.countries import COUNTRY_NUMERIC
from compliance.identities import wants_identity
from compliance.rules import AccreditationStatus, KycStatus
from persistence.database import Connection, Pool

ADDRESS_BYTES: Final = 20
SALT_BYTES: Final = 32
EMAIL_LENGTH_MAX: Final = 254
_FACTS_LOCK: Final = 0x6465_6564_6661_6374  # facts change one at a time, so that none misses what another adds


class FactError(Exception):
    """A fact that cannot be taken; the text says why, for whoever gave it."""


@asynccontextmanager
async def facts(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that changes facts; two of them never run at once."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_facts(connection)
        yield connection


async def lock_facts(connection: Connection) -> None:
    """Make a transaction that has begun elsewhere one that changes facts."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _FACTS_LOCK)


async def queue(
    connection: Connection,
    *,
    user_id: UUID | None = None,
    address: bytes | None = None,
    instrument: int | None = None,
) -> None:
    """Have permissions compiled anew: those of a person, a wallet, an instrument, or of what all given ones share."""
    await connection.execute(
        "INSERT INTO permission_queue (address, instrument) SELECT address, instrument FROM wallets, instruments"
        " WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::bytea IS NULL OR address = $2)"
        " AND ($3::int IS NULL OR instrument = $3)"
        " ON CONFLICT (address, instrument) DO UPDATE SET change = nextval('permission_changes')",
        user_id,
        address,
        instrument,
    )


async def create_user(pool: Pool, email: str, *, actor: str) -> UUID:
    """A person, with the next owner number. Raises FactError if the address is taken or is none."""
    async with facts(pool) as connection:
        return await insert_user(connection, email, actor=actor)


async def insert_user(connection: Connection, email: str, *, actor: str) -> UUID:
    """`create_user` inside a transaction of `facts`."""
    if email.count("@") != 1 or len(email) > EMAIL_LENGTH_MAX or not email.isprintable() or " " in email:
        raise FactError(f"{email!r} is not an e-mail address")
    if await connection.fetchval("SELECT 1 FROM users WHERE lower(email) = lower($1)", email):
        raise FactError(f"{email} is registered already")
    user_id: UUID = await connection.fetchval(
        "INSERT INTO users (owner, email, facts_salt)"
        " VALUES ((SELECT coalesce(max(owner), 0) + 1 FROM users), $1, $2) RETURNING user_id",
        email,
        secrets.token_bytes(SALT_BYTES),
    )
    await record(connection, actor, "user created", user_id=user_id)
    return user_id


async def user_by_email(pool: Pool, email: str) -> UUID:
    """Raises FactError if nobody has this address."""
    user_id: UUID | None = await pool.fetchval("SELECT user_id FROM users WHERE lower(email) = lower($1)", email)
    if user_id is None:
        raise FactError(f"nobody is registered with {email}")
    return user_id


async def link_wallet(pool: Pool, user_id: UUID, address: bytes, *, actor: str) -> None:
    """Give a person a wallet, whose ownership the caller has checked; doing it again changes nothing.

    Raises FactError if it is another person's: a wallet never changes hands.
    """
    if len(address) != ADDRESS_BYTES or not any(address):
        raise FactError(f"0x{address.hex()} is not a wallet's address")
    async with facts(pool) as connection:
        await _require_user(connection, user_id)
        linked = await connection.fetchval("SELECT user_id FROM wallets WHERE address = $1", address)
        if linked == user_id:
            return
        if linked is not None:
            raise FactError(f"wallet 0x{address.hex()} is linked to another person")
        await connection.execute("INSERT INTO wallets (address, user_id) VALUES ($1, $2)", address, user_id)
        await wants_identity(connection, user_id, actor=actor)
        await queue(connection, address=address)
        await record(connection, actor, "wallet linked", user_id=user_id, address=address)


async def set_kyc(
    pool: Pool, user_id: UUID, status: KycStatus, expires_at: datetime | None = None, *, actor: str
) -> None:
    """`expires_at` goes with APPROVED and with nothing else. Raises FactError otherwise, and for an unknown person."""
    async with facts(pool) as connection:
        await put_kyc(connection, user_id, status, expires_at, actor=actor)


async def put_kyc(
    connection: Connection, user_id: UUID, status: KycStatus, expires_at: datetime | None, *, actor: str
) -> None:
    """`set_kyc` inside `facts`."""
    await _put_status(connection, "kyc", user_id, status, status == KycStatus.APPROVED, expires_at, actor)
    await wants_identity(connection, user_id, actor=actor)


async def set_accreditation(
    pool: Pool, user_id: UUID, status: AccreditationStatus, expires_at: datetime | None = None, *, actor: str
) -> None:
    """`expires_at` goes with VERIFIED and with nothing else. Raises FactError otherwise, and for an unknown person."""
    async with facts(pool) as connection:
        await put_accreditation(connection, user_id, status, expires_at, actor=actor)


async def put_accreditation(
    connection: Connection, user_id: UUID, status: AccreditationStatus, expires_at: datetime | None, *, actor: str
) -> None:
    """`set_accreditation` inside `facts`."""
    is_good = status == AccreditationStatus.VERIFIED
    await _put_status(connection, "accreditation", user_id, status, is_good, expires_at, actor)


async def set_country(pool: Pool, user_id: UUID, country: str, *, actor: str) -> None:
    """Where a person lives, ISO 3166 alpha-2. Raises FactError for a code that is none, and for an unknown person."""
    async with facts(pool) as connection:
        await put_country(connection, user_id, country, actor=actor)


async def put_country(connection: Connection, user_id: UUID, country: str, *, actor: str) -> None:
    """`set_country` inside `facts`."""
    numeric = COUNTRY_NUMERIC.get(country)
    if numeric is None:
        raise FactError(f"{country!r} is not a country of ISO 3166 (two capital letters)")
    await _require_user(connection, user_id)
    await connection.execute(
        "INSERT INTO residence (user_id, country_alpha2, country_numeric) VALUES ($1, $2, $3) ON CONFLICT (user_id)"
        " DO UPDATE SET country_alpha2 = excluded.country_alpha2, country_numeric = excluded.country_numeric",
        user_id,
        country,
        numeric,
    )
    await wants_identity(connection, user_id, actor=actor)
    await _changed(connection, actor, "country set", user_id, {})


async def set_wallet_frozen(
    pool: Pool, address: bytes, instrument: int, *, is_frozen: bool, block: int, actor: str
) -> None:
    """What the token says of a wallet, linked or not. Raises FactError for an unknown instrument."""
    async with facts(pool) as connection:
        await put_wallet_frozen(connection, address, instrument, is_frozen=is_frozen, block=block, actor=actor)


async def put_wallet_frozen(
    connection: Connection, address: bytes, instrument: int, *, is_frozen: bool, block: int, actor: str
) -> None:
    """`set_wallet_frozen` inside `facts`.

    block  0 for a freeze that is ordered and not on the chain yet: no older thaw lifts it
    """
    await require_instrument(connection, instrument)
    if is_frozen:
        await connection.execute(
            "INSERT INTO wallet_freezes (address, instrument, block) VALUES ($1, $2, $3)"
            " ON CONFLICT (address, instrument) DO UPDATE SET block = excluded.block",
            address,
            instrument,
            block,
        )
    else:
        await connection.execute(
            "DELETE FROM wallet_freezes WHERE address = $1 AND instrument = $2 AND block > 0", address, instrument
        )
    await queue(connection, address=address, instrument=instrument)
    details = {"is_true": is_frozen, "block": block}
    await record(connection, actor, "wallet_freezes set", address=address, instrument=instrument, details=details)


async def set_identity_registered(pool: Pool, address: bytes, *, is_registered: bool, block: int, actor: str) -> None:
    """Whether the wallet's identity is registered on chain, for all instruments, and final."""
    async with facts(pool) as connection:
        await put_identity_registered(connection, address, is_registered=is_registered, block=block, actor=actor)


async def put_identity_registered(
    connection: Connection, address: bytes, *, is_registered: bool, block: int, actor: str
) -> None:
    """`set_identity_registered` inside `facts`.

    Grant: on chain first, then here. Lapse: here first (False), compile, and on chain only once the account's unsettled
    trades are FINAL, for the token refuses a seller without a registered identity.
    """
    if is_registered:
        await connection.execute(
            "INSERT INTO identity_registrations (address, block) VALUES ($1, $2)"
            " ON CONFLICT (address) DO UPDATE SET block = excluded.block",
            address,
            block,
        )
    else:
        await connection.execute("DELETE FROM identity_registrations WHERE address = $1", address)
    await queue(connection, address=address)
    details = {"is_registered": is_registered, "block": block}
    await record(connection, actor, "identity registration set", address=address, details=details)


async def require_instrument(connection: Connection, instrument: int) -> None:
    if not await connection.fetchval("SELECT 1 FROM instruments WHERE instrument = $1", instrument):
        raise FactError(f"there is no instrument {instrument}")


async def _put_status(
    connection: Connection,
    table: str,
    user_id: UUID,
    status: str,
    is_good: bool,
    expires_at: datetime | None,
    actor: str,
) -> None:
    if is_good != (expires_at is not None):
        raise FactError(f"{table}: {status} {'needs an expiry' if is_good else 'has no expiry'}")
    await _require_user(connection, user_id)
    if status == KycStatus.NONE:
        await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id)  # noqa: S608
    else:
        await connection.execute(
            f"INSERT INTO {table} (user_id, status, expires_at) VALUES ($1, $2, $3) ON CONFLICT (user_id)"  # noqa: S608
            " DO UPDATE SET status = excluded.status, expires_at = excluded.expires_at",
            user_id,
            str(status),
            None if expires_at is None else _aware(expires_at),
        )
    details = {"status": str(status), "expires_at": None if expires_at is None else expires_at.isoformat()}
    await _changed(connection, actor, f"{table} set", user_id, details)


async def _changed(
    connection: Connection,
    actor: str,
    action: str,
    user_id: UUID,
    details: dict[str, Any],
    instrument: int | None = None,
) -> None:
    await queue(connection, user_id=user_id, instrument=instrument)
    await record(connection, actor, action, user_id=user_id, instrument=instrument, details=details)


async def _require_user(connection: Connection, user_id: UUID) -> None:
    if not await connection.fetchval("SELECT 1 FROM users WHERE user_id = $1", user_id):
        raise FactError(f"there is no user {user_id}")


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise FactError(f"{time.isoformat()} has no time zone")
    return time
