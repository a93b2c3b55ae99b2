"""Routes of what a property's manager is owed and paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from eth_utils.address import to_checksum_address

from api.actor import Role
from api.amounts import usd, usd_cents
from api.answers import DecisionAnswer, decision_answer
from api.doors import Decide
from api.problem import Problem, not_found
from api.route import Call, Route
from payments.management_payments import MANAGER_PAYMENT, ManagerPayment, owed, payments_of, require_payable
from payments.stripe_events import ManagerOf
from persistence.database import Connection, Pool

PATH: Final = "/properties/{property_id}/manager-payments"

# The wallet that a property's manager is paid to; None for a property that there is not.
WalletOf = Callable[[Connection, UUID], Awaitable[bytes | None]]


class NewManagerPayment(msgspec.Struct, forbid_unknown_fields=True):
    """In dollars; each is sent as USDC, one for one."""

    management_fee_usd: str = "0"
    expenses_usd: str = "0"


class ManagerPaymentView(msgspec.Struct):
    """APPROVED, PAID (its transaction is FINAL), or FAILED: owed as before."""

    payment_id: UUID
    wallet: str
    management_fee_usd: str
    expenses_usd: str
    state: str
    failure: str
    transaction: str | None
    decided_at: datetime


class ManagerAccountView(msgspec.Struct):
    """What the manager is owed; `payable_usd`: what of both the treasury has now."""

    management_fee_usd: str
    expenses_usd: str
    payable_usd: str
    payments: list[ManagerPaymentView]


@dataclass(frozen=True, slots=True)
class Doors:
    """What these routes need of others; `manager_of` is None for a property that there is not."""

    decide: Decide
    manager_of: ManagerOf
    wallet_of: WalletOf


def management_routes(pool: Pool, doors: Doors) -> list[Route]:
    async def shown(call: Call[None]) -> ManagerAccountView:
        """For the property's manager, and admins."""
        property_id, actor = call.uuid("property_id"), call.signed_in
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            manager_id = await doors.manager_of(connection, property_id)
            if manager_id is None or (manager_id != actor.user_id and Role.ADMIN not in actor.roles):
                raise not_found("property")
            now = await owed(connection, property_id)
            payments = await payments_of(connection, property_id)
        return ManagerAccountView(
            usd(now.management_fee_cents), usd(now.expenses_cents), usd(now.payable_cents), [*map(_view, payments)]
        )

    async def decided(call: Call[NewManagerPayment]) -> DecisionAnswer:
        property_id = call.uuid("property_id")
        fee_cents = _cents(call.body.management_fee_usd, "management_fee_usd")
        expenses_cents = _cents(call.body.expenses_usd, "expenses_usd")
        async with pool.acquire() as connection, connection.transaction():
            wallet = await doors.wallet_of(connection, property_id)
            if wallet is None:
                raise not_found("property")
            await require_payable(connection, property_id, fee_cents, expenses_cents)
            payload = {
                "property_id": str(property_id),
                "wallet": f"0x{wallet.hex()}",
                "management_fee_cents": fee_cents,
                "expenses_cents": expenses_cents,
            }
            decision = await doors.decide(connection, MANAGER_PAYMENT, str(property_id), payload, call.signed_in)
        return decision_answer(decision)

    return [
        Route(
            method="GET",
            path=PATH,
            handler=shown,
            answer=ManagerAccountView,
            summary="What a property's manager is owed, and was paid.",
        ),
        Route(
            method="POST",
            path=PATH,
            handler=decided,
            body=NewManagerPayment,
            answer=DecisionAnswer,
            summary="Propose or approve to pay the manager of what is owed, to the issuer's wallet; two admins decide.",
        ),
    ]


def _view(payment: ManagerPayment) -> ManagerPaymentView:
    return ManagerPaymentView(
        payment.payment_id,
        to_checksum_address(payment.wallet),
        usd(payment.management_fee_cents),
        usd(payment.expenses_cents),
        payment.state,
        payment.failure,
        None if payment.transaction is None else f"0x{payment.transaction.hex()}",
        payment.decided_at,
    )


def _cents(text: str, name: str) -> int:
    try:
        cents = usd_cents(text)
    except ValueError as error:
        raise Problem(400, "NOT_DOLLARS", f"{name}: {error}.") from None
    if cents < 0:
        raise Problem(400, "NOT_DOLLARS", f"{name} is not below zero.")
    return cents
