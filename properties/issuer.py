"""Who issues a property's token: a wallet of its manager that the chain knows and that the terms let hold it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from api.problem import Problem
from persistence.database import Connection
from properties.property import Property
from properties.terms import Countries


@dataclass(frozen=True, slots=True)
class Issuer:
    """What is known of a person's own wallet; `country` is ISO 3166 alpha-2."""

    has_identity: bool
    country: str | None


# Of a person's wallet; None if it is not linked to that person.
IssuerOf = Callable[[Connection, UUID, bytes], Awaitable[Issuer | None]]


async def require_issuer(connection: Connection, found: Property, issuer_of: IssuerOf, countries: Countries) -> bytes:
    """The wallet that the whole supply can be minted to. Raises Problem with what is missing."""
    if found.issuer_wallet is None:
        raise Problem(409, "ISSUER_WALLET_MISSING", "Name the wallet that the supply is minted to: issuer_wallet.")
    issuer = await issuer_of(connection, found.manager_id, found.issuer_wallet)
    if issuer is None:
        raise Problem(
            409, "ISSUER_WALLET_NOT_LINKED", "issuer_wallet must be a linked wallet of the property's manager."
        )
    if not issuer.has_identity:
        detail = "issuer_wallet has no identity on chain yet: its owner has to finish KYC, and then it takes a minute."
        raise Problem(409, "ISSUER_WALLET_UNVERIFIED", detail)
    if issuer.country not in (found.terms.allowed_countries or countries[found.terms.regime]):
        detail = "The issuer itself must be allowed to hold the token: its country is not among those of the terms."
        raise Problem(409, "ISSUER_COUNTRY", detail)
    return found.issuer_wallet
