"""What a sale needs of the rooms next door, as the composition root hands it over."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from persistence.database import Connection


@dataclass(frozen=True, slots=True)
class SaleProperty:
    """A property as its sale sees it. `instrument`, `token` and `issuer_wallet` are None where there is none yet."""

    property_id: UUID
    name: str
    state: str
    instrument: int | None
    token: bytes | None
    token_decimals: int
    lot_decimals: int
    issuer_wallet: bytes | None
    manager_id: UUID


class SaleProperties(Protocol):
    async def __call__(self, connection: Connection, property_id: UUID, /) -> SaleProperty | None: ...


class OwnsWallet(Protocol):
    """Whether the wallet is linked to the person."""

    async def __call__(self, connection: Connection, user_id: UUID, wallet: bytes, /) -> bool: ...


class RequireEligible(Protocol):
    """Raises Problem with the first reason why the person may not buy this much of the instrument with this wallet."""

    async def __call__(
        self, connection: Connection, user_id: UUID, wallet: bytes, instrument: int, qty_base_units: int, /
    ) -> None: ...
