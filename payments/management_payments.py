"""What a property's manager is owed, the management fee and expenses laid out, paid in USDC to the issuer's wallet.

Two people decide a payment; from then on its USDC is due to the manager and to nobody else. A dollar owed is one USDC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.amounts import usd as usd_text
from api.doors import Audit, Enqueue
from api.problem import Problem
from payments.funds import MICROS_PER_CENT, free_micros, lock_funds
from payments.ledger import Currency, Kind, Move, balances, post, usd, usdc
from persistence.database import Connection

MANAGER_PAYMENT: Final = "MANAGER_PAYMENT"  # the kind of decision
JOB: Final = "manager_payment"  # its key is the payment's id
PAYMENTS_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Owed:
    """To a property's manager, in cents, and what of both together can be paid now: what the treasury has free."""

    management_fee_cents: int
    expenses_cents: int
    payable_cents: int


@dataclass(frozen=True, slots=True)
class ManagerPayment:
    """A row; `failure` says why it can never be sent."""

    payment_id: UUID
    property_id: UUID
    wallet: bytes
    management_fee_cents: int
    expenses_cents: int
    state: str
    failure: str
    transaction: bytes | None
    decided_at: datetime

    @property
    def usdc_micros(self) -> int:
        return (self.management_fee_cents + self.expenses_cents) * MICROS_PER_CENT


_COLUMNS: Final = ", ".join(ManagerPayment.__dataclass_fields__)


async def owed(connection: Connection, property_id: UUID) -> Owed:
    own = await balances(connection, property_id)
    fee_cents = -own.get((Kind.MANAGEMENT_FEE_PAYABLE, Currency.USD), 0)
    expenses_cents = -own.get((Kind.EXPENSES_PAYABLE, Currency.USD), 0)
    free_cents = await free_micros(connection, property_id) // MICROS_PER_CENT
    return Owed(fee_cents, expenses_cents, max(0, min(fee_cents + expenses_cents, free_cents)))


async def require_payable(
    connection: Connection, property_id: UUID, management_fee_cents: int, expenses_cents: int
) -> None:
    """Raises Problem: nothing, more than is owed, or more than the treasury has free of this property."""
    now = await owed(connection, property_id)
    if management_fee_cents + expenses_cents <= 0:
        raise Problem(400, "NOTHING_TO_PAY", "Name the fee, the expenses, or both.")
    if management_fee_cents > max(0, now.management_fee_cents) or expenses_cents > now.expenses_cents:
        raise Problem(
            409,
            "NOT_OWED",
            f"Owed are a fee of {usd_text(max(0, now.management_fee_cents))}"
            f" and expenses of {usd_text(now.expenses_cents)} USD.",
        )
    if management_fee_cents + expenses_cents > now.payable_cents:
        detail = f"Of this property's money the treasury has {usd_text(now.payable_cents)} USDC for it now."
        raise Problem(409, "FUNDS_MISSING", detail)


class ManagerPayments:
    """`executor` carries out what two people decided: payload {property_id, wallet, management_fee_cents,
    expenses_cents}."""

    def __init__(self, audit: Audit, enqueue: Enqueue) -> None:
        self._audit = audit
        self._enqueue = enqueue

    async def executor(
        self, connection: Connection, approval_id: UUID, payload: Mapping[str, Any], actor: Actor, /
    ) -> None:
        """Raises Problem 409 if it is not owed, or not there, any more."""
        property_id = UUID(payload["property_id"])
        fee_cents, expenses_cents = payload["management_fee_cents"], payload["expenses_cents"]
        await lock_funds(connection, property_id)
        await require_payable(connection, property_id, fee_cents, expenses_cents)
        await connection.execute(
            "INSERT INTO manager_payments (payment_id, property_id, wallet, management_fee_cents, expenses_cents)"
            " VALUES ($1, $2, $3, $4, $5)",
            *(approval_id, property_id, bytes.fromhex(payload["wallet"][2:]), fee_cents, expenses_cents),
        )
        decided = await payment(connection, approval_id)
        assert decided is not None
        await _post(connection, decided, "set-aside", _due(decided, sign=1))
        details = {**payload, "payment_id": str(approval_id)}
        await self._audit(connection, actor.name, "manager payment approved", details=details)
        await self._enqueue(connection, JOB, str(approval_id))


async def payment(connection: Connection, payment_id: UUID, *, lock: bool = False) -> ManagerPayment | None:
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM manager_payments WHERE payment_id = $1{' FOR UPDATE' if lock else ''}",  # noqa: S608
        payment_id,
    )
    return None if row is None else ManagerPayment(*row)


async def payments_of(connection: Connection, property_id: UUID) -> list[ManagerPayment]:
    """The newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM manager_payments WHERE property_id = $1 ORDER BY decided_at DESC LIMIT $2",  # noqa: S608
        *(property_id, PAYMENTS_MOST),
    )
    return [ManagerPayment(*row) for row in rows]


async def paid(connection: Connection, payment_id: UUID, transaction: bytes) -> bool:
    """The USDC is at the wallet, and that is FINAL. False if it was booked before."""
    found = await payment(connection, payment_id, lock=True)
    assert found is not None
    if found.state != "APPROVED":
        return False
    await connection.execute(
        "UPDATE manager_payments SET state = 'PAID', transaction = $2 WHERE payment_id = $1", payment_id, transaction
    )
    payable, treasury = (usdc(kind, found.property_id) for kind in (Kind.MANAGER_PAYABLE, Kind.TREASURY_USDC))
    await _post(connection, found, "paid", [Move(found.usdc_micros, payable, treasury)])
    return True


async def failed(connection: Connection, payment_id: UUID, failure: str) -> bool:
    """It can never be sent: the dollars are owed as before. False if it has ended before."""
    found = await payment(connection, payment_id, lock=True)
    assert found is not None
    if found.state != "APPROVED":
        return False
    await connection.execute(
        "UPDATE manager_payments SET state = 'FAILED', failure = $2 WHERE payment_id = $1", payment_id, failure
    )
    await _post(connection, found, "failed", _due(found, sign=-1))
    return True


def _due(found: ManagerPayment, *, sign: int) -> list[Move]:
    """Dollars owed become USDC due, by way of CONVERSION; with -1 the other way."""
    property_id = found.property_id
    conversion = usd(Kind.CONVERSION, property_id)
    return [
        Move(sign * found.management_fee_cents, usd(Kind.MANAGEMENT_FEE_PAYABLE, property_id), conversion),
        Move(sign * found.expenses_cents, usd(Kind.EXPENSES_PAYABLE, property_id), conversion),
        Move(sign * found.usdc_micros, usdc(Kind.CONVERSION, property_id), usdc(Kind.MANAGER_PAYABLE, property_id)),
    ]


async def _post(connection: Connection, found: ManagerPayment, step: str, moves: Sequence[Move]) -> None:
    at = await connection.fetchval("SELECT now()")
    await post(connection, f"manager payment:{found.payment_id}:{step}", f"manager payment {step}", moves, at)
