"""The rows of what Circle does for us: wires in, transfers out, and the conversions that join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from payments.circle import Deposit, Transfer
from persistence.database import Connection

State = Literal["WAITING", "CREDITED", "RECEIVED"]


@dataclass(frozen=True, slots=True)
class ConversionRow:
    """A payout on its way; the hash and block are the chain's once the USDC is there for good.

    short_cents  what the bank kept of it: the wire brings that much less
    """

    reference: str
    amount_cents: int
    short_cents: int
    state: State
    deposit_id: str | None
    transaction_hash: bytes | None
    block: int | None
    started_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TransferRow:
    """What we asked Circle to send; `transfer_id` is None until we know Circle's answer."""

    reference: str
    attempt: int
    idempotency_key: UUID
    amount_cents: int
    status: str
    transfer_id: str | None
    transaction_hash: bytes | None
    error_code: str
    failure_told_at: datetime | None


@dataclass(frozen=True, slots=True)
class DepositRow:
    deposit_id: str
    status: str
    amount_cents: int
    fee_cents: int
    wire_references: list[str]
    created_at: datetime


_CONVERSION: Final = ", ".join(field.name for field in fields(ConversionRow))
_TRANSFER: Final = ", ".join(field.name for field in fields(TransferRow))
_DEPOSIT: Final = ", ".join(field.name for field in fields(DepositRow))


async def update_deposit(connection: Connection, deposit: Deposit) -> None:
    """Enter a wire or its later state. What is complete or failed stays so, and amounts never change."""
    await connection.execute(
        "INSERT INTO circle_deposits (deposit_id, status, amount_cents, fee_cents, wire_references, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (deposit_id) DO UPDATE"
        " SET status = excluded.status, fee_cents = excluded.fee_cents, wire_references = excluded.wire_references"
        " WHERE circle_deposits.status = 'pending' AND circle_deposits.amount_cents = excluded.amount_cents",
        deposit.deposit_id,
        deposit.status,
        deposit.amount_cents,
        deposit.fee_cents,
        list(deposit.wire_references),
        deposit.created_at,
    )


async def update_transfer(connection: Connection, transfer: Transfer) -> None:
    """Take a later state of a transfer of ours; one that we do not know (yet) changes nothing."""
    await connection.execute(
        "UPDATE circle_transfers SET status = $2, transaction_hash = coalesce($3, transaction_hash), error_code = $4"
        " WHERE transfer_id = $1 AND status = 'pending' AND amount_cents = $5",
        transfer.transfer_id,
        transfer.status,
        transfer.transaction_hash,
        transfer.error_code[:100],
        transfer.amount_cents,
    )


async def conversion(connection: Connection, reference: str) -> ConversionRow | None:
    row = await connection.fetchrow(f"SELECT {_CONVERSION} FROM conversions WHERE reference = $1", reference)  # noqa: S608
    return None if row is None else ConversionRow(*row)


async def conversions(connection: Connection, limit: int = 200) -> list[ConversionRow]:
    """The open ones first, then the newest."""
    rows = await connection.fetch(
        f"SELECT {_CONVERSION} FROM conversions ORDER BY state = 'RECEIVED', started_at DESC LIMIT $1",  # noqa: S608
        limit,
    )
    return [ConversionRow(*row) for row in rows]


async def begin(connection: Connection, reference: str, amount_cents: int) -> ConversionRow:
    """The conversion of a payout, made on first use."""
    await connection.execute(
        "INSERT INTO conversions (reference, amount_cents) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        reference,
        amount_cents,
    )
    found = await conversion(connection, reference)
    assert found is not None
    assert found.amount_cents == amount_cents, "a payout's amount does not change"
    return found


async def free_deposits(connection: Connection) -> list[DepositRow]:
    """Wires that pay for no payout, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_DEPOSIT} FROM circle_deposits AS d WHERE status <> 'failed'"  # noqa: S608
        " AND NOT EXISTS (SELECT FROM conversions WHERE deposit_id = d.deposit_id) ORDER BY created_at, deposit_id"
        " LIMIT 1000"
    )
    return [DepositRow(*row) for row in rows]


async def deposits_of(connection: Connection, reference: str) -> list[DepositRow]:
    """Wires with this reference that pay for no payout, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_DEPOSIT} FROM circle_deposits AS d WHERE wire_references @> ARRAY[$1] AND status <> 'failed'"  # noqa: S608
        " AND NOT EXISTS (SELECT FROM conversions WHERE deposit_id = d.deposit_id) ORDER BY created_at, deposit_id",
        reference,
    )
    return [DepositRow(*row) for row in rows]


async def set_credited(connection: Connection, reference: str, deposit_id: str, short_cents: int = 0) -> bool:
    """False if it was before. Raises asyncpg.UniqueViolationError where the wire pays for another payout."""
    changed: str = await connection.execute(
        "UPDATE conversions SET state = 'CREDITED', deposit_id = $2, short_cents = $3, changed_at = now()"
        " WHERE reference = $1 AND state = 'WAITING'",
        reference,
        deposit_id,
        short_cents,
    )
    return changed == "UPDATE 1"


async def set_received(connection: Connection, reference: str, transaction_hash: bytes, block: int) -> bool:
    """False if it was before."""
    changed: str = await connection.execute(
        "UPDATE conversions SET state = 'RECEIVED', transaction_hash = $2, block = $3, changed_at = now()"
        " WHERE reference = $1 AND state = 'CREDITED'",
        reference,
        transaction_hash,
        block,
    )
    return changed == "UPDATE 1"


async def recipient_of(connection: Connection, address: bytes) -> tuple[UUID, str | None]:
    """The key under which we register an address, stored before it is used, and Circle's id once there is one."""
    await connection.execute("INSERT INTO circle_recipients (address) VALUES ($1) ON CONFLICT DO NOTHING", address)
    row: Any = await connection.fetchrow(
        "SELECT idempotency_key, recipient_id FROM circle_recipients WHERE address = $1", address
    )
    return row["idempotency_key"], row["recipient_id"]


async def set_recipient(connection: Connection, address: bytes, recipient_id: str) -> None:
    await connection.execute("UPDATE circle_recipients SET recipient_id = $2 WHERE address = $1", address, recipient_id)


async def transfers_of(connection: Connection, reference: str) -> Sequence[TransferRow]:
    """By attempt."""
    rows = await connection.fetch(
        f"SELECT {_TRANSFER} FROM circle_transfers WHERE reference = $1 ORDER BY attempt",  # noqa: S608
        reference,
    )
    return [TransferRow(*row) for row in rows]


async def begin_transfer(connection: Connection, reference: str, attempt: int, amount_cents: int) -> TransferRow:
    """With its key, before Circle hears of it. SQL refuses a second one while the first has not failed."""
    row: Any = await connection.fetchrow(
        f"INSERT INTO circle_transfers (reference, attempt, amount_cents) VALUES ($1, $2, $3) RETURNING {_TRANSFER}",  # noqa: S608
        reference,
        attempt,
        amount_cents,
    )
    return TransferRow(*row)


async def set_transfer(connection: Connection, sent: TransferRow, answer: Transfer) -> None:
    """What Circle answered to our asking."""
    await connection.execute(
        "UPDATE circle_transfers SET transfer_id = $3 WHERE reference = $1 AND attempt = $2",
        sent.reference,
        sent.attempt,
        answer.transfer_id,
    )
    await update_transfer(connection, answer)


async def set_failure_told(connection: Connection, failed: TransferRow) -> None:
    await connection.execute(
        "UPDATE circle_transfers SET failure_told_at = now() WHERE reference = $1 AND attempt = $2",
        failed.reference,
        failed.attempt,
    )
