"""Stripe's payouts: which charges each holds, and its way over the bank and Circle to USDC in the treasury."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from payments.conversion import MICROS_PER_CENT, PayoutInTransit, Share
from payments.ledger import Currency, Kind, Move, lock_property, post, totals, usd, usdc
from payments.stripe_objects import Movement, MovementKind, Payout, StripeMismatchError
from persistence.database import Connection

PAID: Final = "paid"
FAILED: Final = ("failed", "canceled")
_PLATFORM: Final = UUID(int=0)  # in sums by property: what belongs to none
_SHARES: Final = (
    "SELECT coalesce(property_id, $2) AS property_id, coalesce(charge_id, '') AS charge,"
    " sum(movement.amount_cents - movement.fee_cents)::bigint AS cents"
    " FROM stripe_payout_movements JOIN stripe_movements AS movement USING (movement_id)"
    " LEFT JOIN stripe_charges USING (charge_id) WHERE payout_id = $1 AND movement.kind <> 'PAYOUT_FAILURE'"
    " GROUP BY property_id, charge_id HAVING sum(movement.amount_cents - movement.fee_cents) <> 0"
    " ORDER BY property_id, charge_id"
)


async def unbooked(connection: Connection, payout: Payout) -> list[Movement]:
    """The movements that have to be booked before the payout can be."""
    ids = [each.movement_id for each in payout.movements]
    rows = await connection.fetch("SELECT movement_id FROM stripe_movements WHERE movement_id = ANY($1)", ids)
    known = {row["movement_id"] for row in rows}
    return [each for each in payout.movements if each.movement_id not in known]


async def book_payout(connection: Connection, payout: Payout) -> bool:
    """Move what the payout holds from Stripe to the bank: True if that is new.

    One that failed moves it back, and is told apart from one that never left. All its charges are booked already.
    Raises StripeMismatchError if the payout does not hold what it pays.
    """
    if payout.status != PAID and payout.status not in FAILED:
        return False
    total_cents = sum(each.net_cents for each in payout.movements)
    if payout.amount_cents <= 0:
        raise StripeMismatchError(f"payout {payout.payout_id} takes {-payout.amount_cents} cents from the bank")
    if total_cents != payout.amount_cents:
        raise StripeMismatchError(
            f"payout {payout.payout_id} pays {payout.amount_cents} cents and holds {total_cents}: is it a manual one?"
        )
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", payout.payout_id)
    state = await connection.fetchval("SELECT state FROM stripe_payouts WHERE payout_id = $1", payout.payout_id)
    if state is None:
        state = PAID.upper() if payout.status == PAID else "FAILED"
        await _record(connection, payout, state)
        if state == "FAILED":
            return False
        await _move(connection, payout, f"stripe:{payout.payout_id}", "payout", sign=1)
        return True
    if state == "PAID" and payout.status in FAILED:
        await _fail(connection, payout)
    return False


async def _record(connection: Connection, payout: Payout, state: str) -> None:
    await connection.execute(
        "INSERT INTO stripe_payouts (payout_id, reference, amount_cents, state, arrives_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        payout.payout_id,
        payout.reference,
        payout.amount_cents,
        state,
        payout.arrives_at,
    )
    for movement in await unbooked(connection, payout):  # none of ours: of the account, or of others who use it
        await _book_platform(connection, movement)
    for movement in payout.movements:
        if movement.kind is MovementKind.PAYOUT_FAILURE:  # what the failed one held comes with this one
            await connection.execute(
                "UPDATE stripe_payout_movements SET payout_id = $2 WHERE payout_id = $1",
                movement.source,
                payout.payout_id,
            )
        await connection.execute(
            "INSERT INTO stripe_payout_movements (movement_id, payout_id) VALUES ($1, $2)",
            movement.movement_id,
            payout.payout_id,
        )


async def _book_platform(connection: Connection, movement: Movement) -> None:
    """Stripe's own fees and corrections are the platform's. A payout that failed is booked by its own state."""
    is_failure = movement.kind is MovementKind.PAYOUT_FAILURE
    await connection.execute(
        "INSERT INTO stripe_movements (movement_id, kind, source, amount_cents, fee_cents, contra, fee_contra,"
        " moved_at) VALUES ($1, $2, $3, $4, $5, 'STRIPE_FEES', 'STRIPE_FEES', $6)",
        movement.movement_id,
        MovementKind.PAYOUT_FAILURE if is_failure else MovementKind.OTHER,
        movement.source,
        movement.amount_cents,
        movement.fee_cents,
        movement.at,
    )
    if not is_failure:
        accounts = usd(Kind.STRIPE_CLEARING, None), usd(Kind.STRIPE_FEES, None)
        moves = [Move(movement.net_cents, *accounts)]
        await post(connection, f"stripe:{movement.movement_id}", "platform", moves, movement.at)


async def _fail(connection: Connection, payout: Payout) -> None:
    credited = await connection.fetchval("SELECT deposit_id FROM stripe_payouts WHERE payout_id = $1", payout.payout_id)
    if credited is not None:
        raise StripeMismatchError(f"payout {payout.payout_id} failed, but Circle has its wire as {credited}")
    await connection.execute("UPDATE stripe_payouts SET state = 'FAILED' WHERE payout_id = $1", payout.payout_id)
    await _move(connection, payout, f"stripe:{payout.payout_id}:failed", "payout failed", sign=-1)


async def _move(connection: Connection, payout: Payout, reference: str, what: str, *, sign: int) -> None:
    cents = await _cents_by_property(connection, payout.payout_id)
    moves = [
        Move(sign * amount, usd(Kind.BANK_IN_TRANSIT, property_id), usd(Kind.STRIPE_CLEARING, property_id))
        for property_id, amount in cents.items()
    ]
    await post(connection, reference, what, moves, payout.arrives_at)


async def _shares(connection: Connection, payout_id: str) -> tuple[Share, ...]:
    rows = await connection.fetch(_SHARES, payout_id, _PLATFORM)
    return tuple(Share(row["property_id"], row["charge"], row["cents"] * MICROS_PER_CENT) for row in rows)


async def _cents_by_property(connection: Connection, payout_id: str) -> Counter[UUID | None]:
    """None: the platform's."""
    cents: Counter[UUID | None] = Counter()
    for share in await _shares(connection, payout_id):
        cents[None if share.property_id == _PLATFORM else share.property_id] += share.amount_micros // MICROS_PER_CENT
    return cents


class PayoutBooks:
    """`payments.conversion.Books` on the ledger. A share of no property has the property id of zeros."""

    async def in_transit(self, connection: Connection) -> Sequence[PayoutInTransit]:
        rows = await connection.fetch(
            "SELECT * FROM stripe_payouts WHERE state = 'PAID' AND deposit_id IS NULL ORDER BY arrives_at, payout_id"
        )
        return [await self._in_transit(connection, row) for row in rows]

    async def payout(self, connection: Connection, reference: str) -> PayoutInTransit | None:
        row = await connection.fetchrow(
            "SELECT * FROM stripe_payouts WHERE reference = $1 AND state = 'PAID'", reference
        )
        return None if row is None else await self._in_transit(connection, row)

    async def credited(self, connection: Connection, reference: str, deposit_id: str, short_cents: int) -> None:
        row = await self._locked(connection, reference)
        assert row["deposit_id"] in (None, deposit_id), f"{reference} was credited as {row['deposit_id']}"
        if row["deposit_id"] is not None:
            return
        await connection.execute(
            "UPDATE stripe_payouts SET deposit_id = $2 WHERE reference = $1", reference, deposit_id
        )
        cents = await _cents_by_property(connection, row["payout_id"])
        moves = [
            Move(amount, usd(Kind.CIRCLE_BALANCE, property_id), usd(Kind.BANK_IN_TRANSIT, property_id))
            for property_id, amount in cents.items()
        ]
        moves.append(Move(short_cents, usd(Kind.BANK_FEES, None), usd(Kind.CIRCLE_BALANCE, None)))
        at = await connection.fetchval("SELECT now()")
        await post(connection, f"circle:deposit:{row['payout_id']}", "wire at Circle", moves, at)

    async def received(
        self, connection: Connection, reference: str, transfer_id: str, transaction_hash: bytes, short_cents: int
    ) -> None:
        """What a bank kept the platform owes the treasury: its properties have all that was theirs."""
        row = await self._locked(connection, reference)
        assert row["deposit_id"] is not None, f"{reference} is not credited"
        assert row["transfer_id"] in (None, transfer_id), f"{reference} was converted by {row['transfer_id']}"
        if row["transfer_id"] is not None:
            return
        await connection.execute(
            "UPDATE stripe_payouts SET transfer_id = $2, transaction_hash = $3 WHERE reference = $1",
            reference,
            transfer_id,
            transaction_hash,
        )
        cents = await _cents_by_property(connection, row["payout_id"])
        cents[None] -= short_cents
        for property_id in sorted(each for each in cents if each is not None):
            await lock_property(connection, property_id)
        moves = [move for property_id, amount in cents.items() for move in _conversion(property_id, amount)]
        at = await connection.fetchval("SELECT now()")
        await post(connection, f"circle:transfer:{row['payout_id']}", "USDC received", moves, at)

    async def totals(self, connection: Connection) -> Mapping[str, int]:
        scale = {Currency.USD: MICROS_PER_CENT, Currency.USDC: 1}
        names = {
            "stripe_balance": (Kind.STRIPE_CLEARING, Currency.USD),
            "bank_in_transit": (Kind.BANK_IN_TRANSIT, Currency.USD),
            "circle_balance": (Kind.CIRCLE_BALANCE, Currency.USD),
            "treasury_usdc": (Kind.TREASURY_USDC, Currency.USDC),
            "distributor_usdc": (Kind.DISTRIBUTOR_USDC, Currency.USDC),
        }
        found = await totals(connection)
        return {name: found.get(account, 0) * scale[account[1]] for name, account in names.items()}

    async def _locked(self, connection: Connection, reference: str) -> Any:
        row = await connection.fetchrow(
            "SELECT * FROM stripe_payouts WHERE reference = $1 AND state = 'PAID' FOR UPDATE", reference
        )
        assert row is not None, f"no payout {reference} was paid"
        return row

    async def _in_transit(self, connection: Connection, row: Any) -> PayoutInTransit:
        shares = await _shares(connection, row["payout_id"])
        return PayoutInTransit(row["reference"], row["amount_cents"] * MICROS_PER_CENT, shares)


def _conversion(property_id: UUID | None, cents: int) -> list[Move]:
    """A dollar at Circle is one USDC: it sends USDC one to one, and the chain was asked for this very amount."""
    return [
        Move(cents, usd(Kind.CONVERSION, property_id), usd(Kind.CIRCLE_BALANCE, property_id)),
        Move(cents * MICROS_PER_CENT, usdc(Kind.TREASURY_USDC, property_id), usdc(Kind.CONVERSION, property_id)),
    ]
