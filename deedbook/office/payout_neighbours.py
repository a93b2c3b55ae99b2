"""What dividends and exits are given of their neighbours: the ledger, properties, people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from api.actor import Actor, Role
from api.amounts import usdc
from api.problem import Problem
from payments import distributions, funds
from payments.ledger import Currency, Kind, totals
from persistence.database import Connection
from properties.problems import as_problems
from properties.property import PropertyMissingError, PropertyState, find, move
from settlement.payout_doors import PropertyFacts

NO_SESSION: Final = UUID(int=0)


class _Ledger:
    async def release(self, connection: Connection, payout_id: UUID) -> None:
        await distributions.release(connection, payout_id)

    async def declared(
        self, connection: Connection, payout_id: UUID, usdc_micros: int, dust_usdc_micros: int, transaction: bytes
    ) -> None:
        await distributions.book_declared(connection, payout_id, usdc_micros, transaction)
        if dust_usdc_micros:
            await distributions.book_dust(connection, payout_id, dust_usdc_micros)

    async def paid(
        self, connection: Connection, payout_id: UUID, chunk: int, paid: int, owed: int, transaction: bytes
    ) -> None:
        await distributions.book_paid(connection, payout_id, chunk, paid, owed, transaction)

    async def stopped(self, connection: Connection, payout_id: UUID, usdc_micros: int, transaction: bytes) -> None:
        await distributions.book_stopped(connection, payout_id, usdc_micros)

    async def claimed(
        self, connection: Connection, payout_id: UUID, wallet: bytes, usdc_micros: int, transaction: bytes
    ) -> None:
        await distributions.book_claimed(connection, payout_id, wallet, usdc_micros, transaction)


class DividendLedger(_Ledger):
    """settlement.payout_doors.DividendBooks."""

    async def set_aside(
        self, connection: Connection, property_id: UUID, usdc_micros: int, payout_id: UUID
    ) -> Sequence[tuple[str, int]]:
        return await distributions.reserve_for_dividend(connection, property_id, usdc_micros, payout_id)

    async def distributable(self, connection: Connection, property_id: UUID, period: str) -> int:
        return await funds.distributable_of(connection, property_id, period)


class ExitLedger(_Ledger):
    """settlement.payout_doors.ExitBooks.

    treasury_micros  USDC at the treasury's address
    """

    def __init__(self, treasury_micros: Callable[[], Awaitable[int]]) -> None:
        self._treasury_micros = treasury_micros

    async def set_aside(
        self, connection: Connection, property_id: UUID, sale_price: int, costs: int, payout_id: UUID
    ) -> int:
        """The price is booked where it is: it must be in the treasury beside all that is booked already."""
        booked = (await totals(connection)).get((Kind.TREASURY_USDC, Currency.USDC), 0)
        there = await self._treasury_micros() - booked
        if there < sale_price - costs:
            detail = (
                f"The treasury has {usdc(max(0, there))} USDC that is not booked yet, and the sale less its costs is"
                f" {usdc(sale_price - costs)}: bring the money in first."
            )
            raise Problem(409, "FUNDS_MISSING", detail, available=usdc(max(0, there)))
        return await distributions.reserve_for_exit(connection, property_id, sale_price, costs, payout_id)


class PropertyBook:
    """settlement.payout_doors.Properties."""

    async def facts(self, connection: Connection, property_id: UUID) -> PropertyFacts | None:
        try:
            found = await find(connection, property_id)
        except PropertyMissingError:
            return None
        return PropertyFacts(
            property_id=found.property_id,
            name=found.terms.name,
            state=found.state,
            instrument=found.instrument,
            token=found.token,
            token_decimals=found.terms.token_decimals,
            issuer_wallet=found.issuer_wallet or b"",
            manager_id=found.manager_id,
        )

    async def move(self, connection: Connection, property_id: UUID, state: str, actor_name: str) -> None:
        with as_problems():
            await move(connection, property_id, PropertyState(state))


class WalletBook:
    """settlement.payout_doors.People."""

    async def users_of_wallets(self, connection: Connection, wallets: Sequence[bytes]) -> Mapping[bytes, UUID]:
        rows = await connection.fetch(
            "SELECT address, user_id FROM wallets WHERE address = ANY($1::bytea[])", list(wallets)
        )
        return {row["address"]: row["user_id"] for row in rows}

    async def wallets_of_user(self, connection: Connection, user_id: UUID) -> Sequence[bytes]:
        rows = await connection.fetch("SELECT address FROM wallets WHERE user_id = $1 ORDER BY address", user_id)
        return [row["address"] for row in rows]


async def actor_of(connection: Connection, user_id: UUID) -> Actor:
    """A person with the roles of now, for what a job finishes that they asked for with their second factor."""
    owner = await connection.fetchval("SELECT owner FROM users WHERE user_id = $1", user_id)
    rows = await connection.fetch("SELECT role FROM user_roles WHERE user_id = $1", user_id)
    roles = frozenset(Role(row["role"]) for row in rows)
    return Actor(user_id, owner, roles, NO_SESSION, has_second_factor=True)
