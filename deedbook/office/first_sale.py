"""What the first sale is given of its neighbours: the property, whose a wallet is, and who may buy."""

from __future__ import annotations

import time
from uuid import UUID

from api.amounts import text
from api.problem import Problem
from compliance.permissions import permission_of
from compliance.rules import Withheld
from persistence.database import Connection, Pool
from properties.property import PropertyMissingError, find
from settlement.sale_contract import SaleContract
from settlement.sale_doors import SaleProperty
from settlement.trades import Token, Wallet


async def sale_property(connection: Connection, property_id: UUID) -> SaleProperty | None:
    try:
        found = await find(connection, property_id)
    except PropertyMissingError:
        return None
    return SaleProperty(
        property_id=found.property_id,
        name=found.terms.name,
        state=found.state,
        instrument=found.instrument,
        token=found.token,
        token_decimals=found.terms.token_decimals,
        lot_decimals=found.terms.lot_decimals,
        issuer_wallet=found.issuer_wallet,
        manager_id=found.manager_id,
    )


async def name_of(connection: Connection, property_id: UUID) -> str:
    return (await find(connection, property_id)).terms.name


async def owns_wallet(connection: Connection, user_id: UUID, wallet: bytes) -> bool:
    owns: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM wallets WHERE address = $1 AND user_id = $2)", wallet, user_id
    )
    return owns


class BuyersRules:
    """The permission to buy that the facts give now, and the cap on what one person may own of a property."""

    def __init__(self, pool: Pool, contract: SaleContract) -> None:
        self._pool = pool
        self._contract = contract

    async def require(
        self, connection: Connection, user_id: UUID, wallet: bytes, instrument: int, qty_base_units: int
    ) -> None:
        """Raises Problem."""
        permission = await permission_of(self._pool, wallet, instrument, time.time_ns())
        if not permission.may_buy:
            # A lost identity follows from what its person lacks, and comes back with that: so that is named.
            causes = [each for each in permission.withheld if each is not Withheld.IDENTITY_NOT_REGISTERED]
            first = (causes or permission.withheld)[0]
            raise Problem(403, first.name, first.value)
        row = await connection.fetchrow(
            "SELECT token, token_decimals, ownership_cap_lots * lot_base_units AS cap FROM instruments"
            " WHERE instrument = $1",
            instrument,
        )
        if not row["cap"]:
            return
        wallets = await connection.fetch("SELECT address FROM wallets WHERE user_id = $1", user_id)
        token = Token(row["token"])
        held = sum([await self._contract.balance(token, Wallet(each["address"])) for each in wallets])
        left = max(0, int(row["cap"]) - held)
        if qty_base_units > left:
            tokens = text(left, row["token_decimals"])
            detail = f"One person may own only so much of this property: you may buy {tokens} tokens more."
            raise Problem(403, "OWNERSHIP_CAP_REACHED", detail, left=tokens)
