"""A tenant's charge in the ledger: each of Stripe's balance transactions is booked once, with what follows from it.

What is given back before a dividend named the charge lowers the income. Once a dividend named it, the income went to
the holders of record: then the reserve carries it, below zero if it must, and nobody is asked for a payout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from payments.ledger import Kind, Move, lock_property, post, usd
from payments.rent_terms import terms_of
from payments.stripe_objects import Charge, Dispute, Movement, MovementKind, StripeMismatchError
from persistence.database import Connection

BPS: Final = 10_000
LOST: Final = "lost"


class Change(Enum):
    """What its people should hear of."""

    PAID = "PAID"
    PAID_TWICE = "PAID_TWICE"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    DISPUTED = "DISPUTED"
    REINSTATED = "REINSTATED"
    DISPUTE_LOST = "DISPUTE_LOST"


@dataclass(frozen=True, slots=True)
class Changed:
    """`amount_cents` is above zero."""

    change: Change
    amount_cents: int


@dataclass(frozen=True, slots=True)
class _Row:
    charge_id: str
    property_id: UUID
    amount_cents: int
    is_surplus: bool
    management_fee_bps: int
    reserve_bps: int


async def book_charge(connection: Connection, charge: Charge, session_id: str) -> list[Changed]:
    """Bring the ledger up to what Stripe says of a charge that was paid in a session of ours.

    Called again, with the same or an older view of the charge, it changes nothing. Raises StripeMismatchError.
    """
    if not charge.succeeded and not charge.movements:
        return []
    row = await _row(connection, charge, session_id)
    changes: list[Changed] = []
    for movement in charge.movements:
        changes += await _book_movement(connection, row, movement)
    for dispute in charge.disputes:
        changes += await _settle_dispute(connection, row, dispute, charge)
    return changes


async def _row(connection: Connection, charge: Charge, session_id: str) -> _Row:
    rent = await connection.fetchrow(
        "SELECT rent_id, property_id FROM stripe_sessions JOIN rents USING (rent_id) JOIN leases USING (lease_id)"
        " WHERE session_id = $1",
        session_id,
    )
    assert rent is not None, f"session {session_id} is not ours"
    await lock_property(connection, rent["property_id"])
    terms = await terms_of(connection, rent["property_id"])
    await connection.execute(
        "INSERT INTO stripe_charges (charge_id, session_id, rent_id, property_id, amount_cents, is_surplus,"
        " management_fee_bps, reserve_bps, charged_at)"
        " SELECT $1, $2, $3, $4, $5, EXISTS (SELECT FROM stripe_charges WHERE rent_id = $3), $6, $7, $8"
        " ON CONFLICT (charge_id) DO NOTHING",
        charge.charge_id,
        session_id,
        rent["rent_id"],
        rent["property_id"],
        charge.amount_cents,
        terms.management_fee_bps,
        terms.reserve_bps,
        charge.at,
    )
    row = await connection.fetchrow("SELECT * FROM stripe_charges WHERE charge_id = $1", charge.charge_id)
    if row["amount_cents"] != charge.amount_cents or row["session_id"] != session_id:
        raise StripeMismatchError(f"charge {charge.charge_id} is not what it was when it was booked")
    return _Row(**{name: row[name] for name in _Row.__dataclass_fields__})


async def _book_movement(connection: Connection, row: _Row, movement: Movement) -> list[Changed]:
    contra, fee_contra = await _contra(connection, row, movement)
    is_new = await connection.fetchval(
        "INSERT INTO stripe_movements (movement_id, kind, source, charge_id, amount_cents, fee_cents, contra,"
        " fee_contra, moved_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (movement_id) DO NOTHING RETURNING true",
        movement.movement_id,
        movement.kind,
        movement.source,
        row.charge_id,
        movement.amount_cents,
        movement.fee_cents,
        contra,
        fee_contra,
        movement.at,
    )
    if not is_new:
        return []
    clearing = usd(Kind.STRIPE_CLEARING, row.property_id)
    moves = [
        Move(movement.amount_cents, clearing, usd(contra, row.property_id)),
        Move(movement.fee_cents, usd(fee_contra, row.property_id), clearing),
    ]
    if movement.kind is MovementKind.CHARGE and not row.is_surplus:
        income = Move(
            movement.amount_cents, usd(Kind.RENT_DUE, row.property_id), usd(Kind.RENT_INCOME, row.property_id)
        )
        moves.append(income)
    moves += await _shares(connection, row)
    await post(connection, f"stripe:{movement.movement_id}", movement.kind.lower(), moves, movement.at)
    return [_changed(row, movement)]


async def _contra(connection: Connection, row: _Row, movement: Movement) -> tuple[Kind, Kind]:
    """What stands against Stripe's balance: for the amount, and for the fee."""
    named = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM distribution_charges_in_force WHERE charge_id = $1)", row.charge_id
    )
    fee = Kind.RESERVE if named else Kind.STRIPE_FEES
    before = await connection.fetchrow(
        "SELECT contra, fee_contra FROM stripe_movements WHERE source = $1 AND kind = $2 LIMIT 1",
        movement.source,
        movement.kind,
    )
    if before is not None:  # a refund that failed, money reinstated: it goes back where it came from
        return Kind(before["contra"]), Kind(before["fee_contra"])
    if movement.kind is MovementKind.CHARGE or row.is_surplus:
        return Kind.TENANT_RECEIVABLE, fee
    if named:
        return Kind.RESERVE, fee
    return (Kind.RENT_REFUNDS if movement.kind is MovementKind.REFUND else Kind.DISPUTED), fee


async def _shares(connection: Connection, row: _Row) -> Sequence[Move]:
    """The manager's and the reserve's share follow what is kept of the rent.

    The manager's share of rent that was given back is given back too. The reserve keeps its share of what was given
    back out of the reserve.
    """
    if row.is_surplus:
        return []
    now = await connection.fetchrow(
        "SELECT management_fee_cents, reserve_cents,"
        " (SELECT coalesce(sum(amount_cents), 0)::bigint FROM stripe_movements WHERE charge_id = $1) AS kept_cents,"
        " (SELECT coalesce(sum(amount_cents), 0)::bigint FROM stripe_movements WHERE charge_id = $1"
        " AND contra <> 'RESERVE') AS income_cents FROM stripe_charges WHERE charge_id = $1",
        row.charge_id,
    )
    management_fee_cents = max(0, now["kept_cents"]) * row.management_fee_bps // BPS
    reserve_cents = max(0, now["income_cents"]) * row.reserve_bps // BPS
    await connection.execute(
        "UPDATE stripe_charges SET management_fee_cents = $2, reserve_cents = $3 WHERE charge_id = $1",
        row.charge_id,
        management_fee_cents,
        reserve_cents,
    )
    more_fee_cents = management_fee_cents - now["management_fee_cents"]
    more_reserve_cents = reserve_cents - now["reserve_cents"]
    return [
        Move(
            more_fee_cents, usd(Kind.MANAGEMENT_FEE, row.property_id), usd(Kind.MANAGEMENT_FEE_PAYABLE, row.property_id)
        ),
        Move(more_reserve_cents, usd(Kind.RESERVE_CONTRIBUTION, row.property_id), usd(Kind.RESERVE, row.property_id)),
    ]


async def _settle_dispute(connection: Connection, row: _Row, dispute: Dispute, charge: Charge) -> list[Changed]:
    """Keep its status; a lost one's money, if it stood in DISPUTED, is a loss."""
    withdrawn_cents = await connection.fetchval(
        "SELECT coalesce(-sum(amount_cents), 0)::bigint FROM stripe_movements WHERE source = $1"
        " AND contra = 'DISPUTED'",
        dispute.dispute_id,
    )
    before = await connection.fetchrow("SELECT * FROM stripe_disputes WHERE dispute_id = $1", dispute.dispute_id)
    if before is not None and _rank(before["status"]) > _rank(dispute.status):
        return []  # an older view
    is_lost = dispute.status == LOST
    loss_cents = withdrawn_cents if is_lost else 0
    booked_cents = 0 if before is None else before["loss_cents"]
    await connection.execute(
        "INSERT INTO stripe_disputes (dispute_id, charge_id, status, loss_cents) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (dispute_id) DO UPDATE SET status = excluded.status, loss_cents = excluded.loss_cents",
        dispute.dispute_id,
        row.charge_id,
        dispute.status,
        loss_cents,
    )
    moved = [each for each in charge.movements if each.source == dispute.dispute_id]
    if loss_cents != booked_cents:
        accounts = usd(Kind.DISPUTE_LOSSES, row.property_id), usd(Kind.DISPUTED, row.property_id)
        reference = f"stripe:{dispute.dispute_id}:{dispute.status}:{len(moved)}"
        await post(connection, reference, "dispute", [Move(loss_cents - booked_cents, *accounts)], moved[-1].at)
    was_lost = before is not None and before["status"] == LOST
    if not is_lost or was_lost or not moved:
        return []
    return [Changed(Change.DISPUTE_LOST, -moved[0].amount_cents)]


def _rank(status: str) -> int:
    """Open, then lost, then won: a dispute moves only this way."""
    return {LOST: 1, "won": 2, "warning_closed": 2, "prevented": 2}.get(status, 0)


def _changed(row: _Row, movement: Movement) -> Changed:
    gives_back = movement.amount_cents < 0
    match movement.kind:
        case MovementKind.CHARGE:
            change = Change.PAID_TWICE if row.is_surplus else Change.PAID
        case MovementKind.REFUND:
            change = Change.REFUNDED if gives_back else Change.REFUND_FAILED
        case MovementKind.DISPUTE:
            change = Change.DISPUTED if gives_back else Change.REINSTATED
        case _:
            raise StripeMismatchError(f"{movement.movement_id} is a {movement.kind} of charge {row.charge_id}")
    return Changed(change, abs(movement.amount_cents))
