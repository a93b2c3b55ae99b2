"""Setting facts from the command line: words in, one sentence out. Mistakes are FactErrors whose text can be shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeVar

from api.addresses import address_bytes
from compliance.permissions import permission_of
from compliance.registry import (
    FactError,
    create_user,
    link_wallet,
    set_accreditation,
    set_country,
    set_kyc,
    user_by_email,
)
from compliance.rules import AccreditationStatus, KycStatus
from persistence.database import Pool

NS_PER_S: Final = 10**9
Status = TypeVar("Status", KycStatus, AccreditationStatus)


async def add_user(pool: Pool, email: str, *, actor: str) -> str:
    user_id = await create_user(pool, email, actor=actor)
    return f"{email} is user {user_id}"


async def add_wallet(pool: Pool, email: str, address: str, *, actor: str) -> str:
    """`address` as 0x and 40 hex digits."""
    await link_wallet(pool, await user_by_email(pool, email), parsed_address(address), actor=actor)
    return f"{address} is linked to {email}"


async def kyc(pool: Pool, email: str, status: str, until: str | None = None, *, actor: str) -> str:
    """`status` approved (with `until`, YYYY-MM-DD), pending, rejected or none."""
    parsed = _status(KycStatus, status)
    await set_kyc(pool, await user_by_email(pool, email), parsed, _start_of(until), actor=actor)
    return f"KYC of {email} is {parsed}{f' until {until}' if until else ''}"


async def accreditation(pool: Pool, email: str, status: str, until: str | None = None, *, actor: str) -> str:
    """`status` verified (with `until`, YYYY-MM-DD), pending, rejected or none."""
    parsed = _status(AccreditationStatus, status)
    await set_accreditation(pool, await user_by_email(pool, email), parsed, _start_of(until), actor=actor)
    return f"accreditation of {email} is {parsed}{f' until {until}' if until else ''}"


async def country(pool: Pool, email: str, code: str, *, actor: str) -> str:
    """`code` of ISO 3166, two letters."""
    await set_country(pool, await user_by_email(pool, email), code.upper(), actor=actor)
    return f"{email} lives in {code.upper()}"


async def show_permission(pool: Pool, address: str, symbol: str, now_ns: int) -> str:
    """What a wallet may do in an instrument by the facts as they stand, and why not more."""
    instrument = await pool.fetchval("SELECT instrument FROM instruments WHERE symbol = $1", symbol)
    if instrument is None:
        raise FactError(f"there is no instrument {symbol}")
    compiled = await permission_of(pool, parsed_address(address), instrument, now_ns)
    sides = [side for side, may in (("buy", compiled.may_buy), ("sell", compiled.may_sell)) if may]
    what = f"may {' and '.join(sides)} until {_day(compiled.valid_until_ns)}" if sides else "may not trade"
    release = f", more of it from {_day(compiled.next_release_ns)} on" if compiled.locked_lots else ""
    return "\n".join([f"{address} {what}{release} in {symbol}", *(reason.value for reason in compiled.withheld)])


def parsed_address(text: str) -> bytes:
    """Raises FactError for what is not 0x and 40 hex digits."""
    address = address_bytes(text)
    if address is None:
        raise FactError(f"{text!r} is not a wallet's address: 0x and 40 hex digits")
    return address


def _status(kinds: type[Status], text: str) -> Status:
    try:
        return kinds(text.upper())
    except ValueError:
        raise FactError(f"{text!r} is none of {', '.join(kind.lower() for kind in kinds)}") from None


def _start_of(day: str | None) -> datetime | None:
    """Midnight UTC: what is valid until a day ends where that day begins."""
    if day is None:
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise FactError(f"{day!r} is not a day: YYYY-MM-DD") from None


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).date().isoformat()
