"""What properties are given of their neighbours: a regime's countries, whose a wallet is, who the admins are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final
from uuid import UUID

from api.actor import Role
from compliance.appointments import people_with
from compliance.countries import COUNTRY_NUMERIC
from compliance.rules import UNITED_STATES, Regime
from engine.types import AccountOpened, OpenAccount, Rejected
from persistence.commands import Submit
from persistence.database import Connection
from properties.issuer import Issuer
from properties.terms import Countries

_EVERYWHERE: Final = frozenset(COUNTRY_NUMERIC)
COUNTRIES: Final[Countries] = MappingProxyType(
    {
        Regime.OPEN: _EVERYWHERE,
        Regime.REG_D_506C: _EVERYWHERE,
        Regime.REG_S: _EVERYWHERE - UNITED_STATES,
    }
)


async def issuer_of(connection: Connection, user_id: UUID, wallet: bytes) -> Issuer | None:
    """What is known of a person's own wallet; None if it is not linked to them."""
    row = await connection.fetchrow(
        "SELECT country_alpha2, identity_registrations.address IS NOT NULL AS has_identity FROM wallets"
        " LEFT JOIN residence USING (user_id) LEFT JOIN identity_registrations USING (address)"
        " WHERE wallets.address = $1 AND wallets.user_id = $2",
        wallet,
        user_id,
    )
    return None if row is None else Issuer(row["has_identity"], row["country_alpha2"])


async def admins(connection: Connection) -> list[UUID]:
    """The people with the role ADMIN."""
    return await people_with(connection, Role.ADMIN)


def fee_account(submit: Submit, wallet: bytes) -> Callable[[], Awaitable[int]]:
    """The engine's account of the wallet that gets the fees, opened by whoever asks first."""

    async def ask() -> int:
        (answer,) = await submit([OpenAccount(owner=0, wallet=wallet)])
        event = answer.events[0]
        assert isinstance(event, AccountOpened | Rejected)
        return event.account

    return ask
