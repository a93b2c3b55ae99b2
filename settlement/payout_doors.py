"""What payouts need of the rooms next door, as the composition root hands it over. Amounts are USDC micros; a function
writes in the caller's transaction and changes nothing when it is called again with the same id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from persistence.database import Connection


@dataclass(frozen=True, slots=True)
class PropertyFacts:
    """A property as a payout sees it. `instrument` and `token` are None before it is tokenized."""

    property_id: UUID
    name: str
    state: str
    instrument: int | None
    token: bytes | None
    token_decimals: int
    issuer_wallet: bytes
    manager_id: UUID


class Properties(Protocol):
    async def facts(self, connection: Connection, property_id: UUID) -> PropertyFacts | None: ...

    async def move(self, connection: Connection, property_id: UUID, state: str, actor_name: str) -> None:
        """To LIQUIDATING or CLOSED. Raises Problem 409."""
        ...


class People(Protocol):
    async def users_of_wallets(self, connection: Connection, wallets: Sequence[bytes]) -> Mapping[bytes, UUID]: ...

    async def wallets_of_user(self, connection: Connection, user_id: UUID) -> Sequence[bytes]: ...


class Books(Protocol):
    """The ledger's side of one kind of payout, once its money is set aside."""

    async def release(self, connection: Connection, payout_id: UUID) -> None:
        """Nothing was sent and nothing will be: what was set aside is free again."""
        ...

    async def declared(
        self, connection: Connection, payout_id: UUID, usdc_micros: int, dust_usdc_micros: int, transaction: bytes
    ) -> None:
        """The treasury gave the contract the sum of all lines; the dust goes back to the property's reserve."""
        ...

    async def paid(
        self, connection: Connection, payout_id: UUID, chunk: int, paid: int, owed: int, transaction: bytes
    ) -> None:
        """A chunk reached its holders, but for what is owed."""
        ...

    async def stopped(self, connection: Connection, payout_id: UUID, usdc_micros: int, transaction: bytes) -> None:
        """What the contract had not given anybody is in the treasury again, and free."""
        ...

    async def claimed(
        self, connection: Connection, payout_id: UUID, wallet: bytes, usdc_micros: int, transaction: bytes
    ) -> None: ...


class DividendBooks(Books, Protocol):
    async def set_aside(
        self, connection: Connection, property_id: UUID, usdc_micros: int, payout_id: UUID
    ) -> Sequence[tuple[str, int]]:
        """The charges that the sum is made of. Raises Problem 409 FUNDS_MISSING."""
        ...

    async def distributable(self, connection: Connection, property_id: UUID, period: str) -> int:
        """What an income statement leaves to pay out. Raises Problem."""
        ...


class ExitBooks(Books, Protocol):
    async def set_aside(
        self, connection: Connection, property_id: UUID, sale_price: int, costs: int, payout_id: UUID
    ) -> int:
        """What the property has left beside the price, which is set aside with it. Raises Problem 409 FUNDS_MISSING."""
        ...
