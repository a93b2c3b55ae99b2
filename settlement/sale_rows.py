"""The tables `sales` and `purchases`: rows as values, and the changes that their jobs and calls make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from persistence.database import Connection, Pool
from settlement import sale_contract
from settlement.sale_contract import SaleTerms
from settlement.trades import Token, Wallet


class SaleState(StrEnum):
    OPENING = "OPENING"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    FAILED = "FAILED"


class PurchaseState(StrEnum):
    RELAYED = "RELAYED"
    MINED = "MINED"
    FINAL = "FINAL"
    FAILED = "FAILED"


ENDED: Final = frozenset({PurchaseState.FINAL, PurchaseState.FAILED})


@dataclass(frozen=True, slots=True)
class Sale:
    """A row of `sales`."""

    sale_id: UUID
    property_id: UUID
    state: SaleState
    instrument: int
    token: Token
    token_decimals: int
    issuer_wallet: Wallet
    issuer_id: UUID
    price_usdc_micros: int
    lot_base_units: int
    qty_max_base_units: int
    per_buyer_max_base_units: int
    opens_at: datetime
    closes_at: datetime
    number: int | None
    opened_block: int | None
    failure: str

    @property
    def terms(self) -> SaleTerms:
        return SaleTerms(
            self.issuer_wallet,
            self.price_usdc_micros,
            self.lot_base_units,
            self.qty_max_base_units,
            self.per_buyer_max_base_units,
            int(self.opens_at.timestamp()),
            int(self.closes_at.timestamp()),
        )

    def cost_usdc_micros(self, qty_base_units: int) -> int:
        """Exact: only whole lots are sold."""
        lots, rest = divmod(qty_base_units, self.lot_base_units)
        assert rest == 0
        return lots * self.price_usdc_micros


@dataclass(frozen=True, slots=True)
class Purchase:
    """A row of `purchases`."""

    purchase_id: UUID
    sale_id: UUID
    user_id: UUID
    wallet: Wallet
    qty_base_units: int
    usdc_micros: int
    nonce: int
    deadline: datetime
    signature: bytes
    permit: bytes | None
    state: PurchaseState
    reason: str
    transaction: bytes | None
    block: int | None
    bought_at: datetime | None
    created_at: datetime

    def signed(self, token: Token) -> sale_contract.Purchase:
        """What the buyer signed."""
        deadline_s = int(self.deadline.timestamp())
        return sale_contract.Purchase(self.wallet, token, self.qty_base_units, self.usdc_micros, self.nonce, deadline_s)


_SALE: Final = ", ".join(Sale.__dataclass_fields__)
_PURCHASE: Final = ", ".join(Purchase.__dataclass_fields__)
_INTEGERS: Final = frozenset(
    {"price_usdc_micros", "lot_base_units", "qty_max_base_units", "per_buyer_max_base_units", "qty_base_units"}
    | {"usdc_micros", "nonce"}
)  # numeric in the tables
_NOT_GIVEN: Final = frozenset({"sale_id", "state", "number", "opened_block", "failure"})


async def last_sale(connection: Connection | Pool, property_id: UUID, *, lock: bool = False) -> Sale | None:
    """The property's newest sale that did not fail."""
    row = await connection.fetchrow(
        f"SELECT {_SALE} FROM sales WHERE property_id = $1 AND state <> 'FAILED' ORDER BY sale_id DESC LIMIT 1"  # noqa: S608
        f"{' FOR UPDATE' if lock else ''}",
        property_id,
    )
    return None if row is None else _sale(row)


async def sale(connection: Connection | Pool, sale_id: UUID, *, lock: bool = False) -> Sale:
    """One that the caller knows to be there."""
    row = await connection.fetchrow(
        f"SELECT {_SALE} FROM sales WHERE sale_id = $1{' FOR UPDATE' if lock else ''}",  # noqa: S608
        sale_id,
    )
    assert row is not None, f"no sale {sale_id}"
    return _sale(row)


async def is_closing(pool: Pool, property_id: UUID) -> bool:
    """Whether an earlier sale of the property is not closed on chain yet."""
    found: bool = await pool.fetchval(
        "SELECT EXISTS (SELECT FROM sales WHERE property_id = $1 AND state = 'CLOSING')", property_id
    )
    return found


async def put_sale(connection: Connection, **terms: Any) -> Sale:
    """A sale in OPENING; `terms` are the row's columns but those that it gets later."""
    assert terms.keys() == Sale.__dataclass_fields__.keys() - _NOT_GIVEN
    places = ", ".join(f"${place}" for place in range(1, len(terms) + 1))
    row = await connection.fetchrow(
        f"INSERT INTO sales ({', '.join(terms)}) VALUES ({places}) RETURNING {_SALE}",  # noqa: S608
        *terms.values(),
    )
    return _sale(row)


async def opened(connection: Connection, sale_id: UUID, number: int, block: int) -> bool:
    """The contract has opened it, and that is FINAL. False if that was known."""
    done = await connection.execute(
        "UPDATE sales SET state = 'OPEN', number = $2, opened_block = $3, changed_at = now()"
        " WHERE sale_id = $1 AND state = 'OPENING'",
        *(sale_id, number, block),
    )
    return bool(done == "UPDATE 1")


async def move_sale(connection: Connection, sale_id: UUID, before: SaleState, after: SaleState) -> bool:
    """False if it is not in `before`."""
    done = await connection.execute(
        "UPDATE sales SET state = $3, changed_at = now() WHERE sale_id = $1 AND state = $2", sale_id, before, after
    )
    return bool(done == "UPDATE 1")


async def fail_sale(connection: Connection, sale_id: UUID, failure: str) -> None:
    await connection.execute(
        "UPDATE sales SET state = 'FAILED', failure = $2, changed_at = now() WHERE sale_id = $1 AND state = 'OPENING'",
        *(sale_id, failure),
    )


async def relayed_base_units(connection: Connection | Pool, sale_id: UUID, wallet: Wallet | None = None) -> int:
    """What purchases on their way will take of the sale; of one wallet or of all."""
    units = await connection.fetchval(
        "SELECT coalesce(sum(qty_base_units), 0) FROM purchases"
        " WHERE sale_id = $1 AND state = 'RELAYED' AND ($2::bytea IS NULL OR wallet = $2)",
        *(sale_id, wallet),
    )
    return int(units)


async def put_purchase(
    connection: Connection,
    bought: Sale,
    user_id: UUID,
    signed: sale_contract.Purchase,
    signature: bytes,
    permit: bytes | None,
) -> Purchase:
    """A purchase in RELAYED. The wallet's nonce is new, which the caller has seen with the sale locked."""
    row = await connection.fetchrow(
        "INSERT INTO purchases"  # noqa: S608
        " (sale_id, user_id, wallet, qty_base_units, usdc_micros, nonce, deadline, signature, permit)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_PURCHASE}",
        *(bought.sale_id, user_id, signed.buyer, signed.qty_base_units, signed.usdc_micros_max, signed.nonce),
        *(datetime.fromtimestamp(signed.deadline_s, UTC), signature, permit),
    )
    return _purchase(row)


async def put_seen(
    connection: Connection, bought: Sale, user_id: UUID, seen: sale_contract.Purchase, transaction: bytes, block: int
) -> Purchase | None:
    """A purchase that its buyer brought to the contract past us, FINAL; `deadline_s` is its block's time. None if it is
    known."""
    at = datetime.fromtimestamp(seen.deadline_s, UTC)
    row = await connection.fetchrow(
        "INSERT INTO purchases (sale_id, user_id, wallet, qty_base_units, usdc_micros, nonce, deadline, signature,"  # noqa: S608
        " state, transaction, block, bought_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 'FINAL', $8, $9, $7)"
        f" ON CONFLICT (wallet, nonce) DO NOTHING RETURNING {_PURCHASE}",
        *(bought.sale_id, user_id, seen.buyer, seen.qty_base_units, seen.usdc_micros_max, seen.nonce, at),
        *(transaction, block),
    )
    return None if row is None else _purchase(row)


async def sale_of_block(connection: Connection | Pool, token: Token, block: int) -> Sale | None:
    """The token's sale that was open in a FINAL block."""
    row = await connection.fetchrow(
        f"SELECT {_SALE} FROM sales WHERE token = $1 AND opened_block <= $2 ORDER BY opened_block DESC LIMIT 1",  # noqa: S608
        *(token, block),
    )
    return None if row is None else _sale(row)


async def purchase(connection: Connection | Pool, purchase_id: UUID, *, lock: bool = False) -> Purchase | None:
    row = await connection.fetchrow(
        f"SELECT {_PURCHASE} FROM purchases WHERE purchase_id = $1{' FOR UPDATE' if lock else ''}",  # noqa: S608
        purchase_id,
    )
    return None if row is None else _purchase(row)


async def purchase_of_nonce(connection: Connection | Pool, wallet: Wallet, nonce: int) -> Purchase | None:
    row = await connection.fetchrow(
        f"SELECT {_PURCHASE} FROM purchases WHERE wallet = $1 AND nonce = $2",  # noqa: S608
        *(wallet, nonce),
    )
    return None if row is None else _purchase(row)


async def purchases_of(pool: Pool, user_id: UUID, before: UUID | None, limit: int) -> list[tuple[Purchase, Sale]]:
    """A person's, the newest first; older than `before`."""
    rows = await pool.fetch(
        f"SELECT {_PURCHASE} FROM purchases WHERE user_id = $1 AND ($2::uuid IS NULL OR purchase_id < $2)"  # noqa: S608
        " ORDER BY purchase_id DESC LIMIT $3",
        *(user_id, before, limit),
    )
    found = [_purchase(row) for row in rows]
    ids = list({each.sale_id for each in found})
    sales = {
        row["sale_id"]: _sale(row)
        for row in await pool.fetch(f"SELECT {_SALE} FROM sales WHERE sale_id = ANY($1)", ids)  # noqa: S608
    }
    return [(each, sales[each.sale_id]) for each in found]


async def set_reason(connection: Connection | Pool, purchase_id: UUID, reason: str) -> None:
    """Why it has not been made so far; a reorg may have taken back that it was."""
    await connection.execute(
        "UPDATE purchases SET state = 'RELAYED', reason = $2, transaction = NULL, block = NULL, bought_at = NULL"
        " WHERE purchase_id = $1 AND state IN ('RELAYED', 'MINED')",
        *(purchase_id, reason),
    )


async def fail_purchase(connection: Connection, purchase_id: UUID, reason: str) -> None:
    await connection.execute(
        "UPDATE purchases SET state = 'FAILED', reason = $2, transaction = NULL, block = NULL, bought_at = NULL"
        " WHERE purchase_id = $1 AND state IN ('RELAYED', 'MINED')",
        *(purchase_id, reason),
    )


async def set_made(
    connection: Connection | Pool, purchase_id: UUID, state: PurchaseState, transaction: bytes, block: int, time_s: int
) -> None:
    """To MINED or FINAL."""
    await connection.execute(
        "UPDATE purchases SET state = $2, reason = '', transaction = $3, block = $4, bought_at = $5"
        " WHERE purchase_id = $1 AND state IN ('RELAYED', 'MINED')",
        *(purchase_id, state, transaction, block, datetime.fromtimestamp(time_s, UTC)),
    )


def _sale(row: Any) -> Sale:
    return Sale(**(_values(row) | {"state": SaleState(row["state"])}))


def _purchase(row: Any) -> Purchase:
    return Purchase(**(_values(row) | {"state": PurchaseState(row["state"])}))


def _values(row: Any) -> dict[str, Any]:
    return {name: int(value) if name in _INTEGERS else value for name, value in row.items()}
