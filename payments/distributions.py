"""Money for holders: what is set aside for a dividend or an exit, and what became of it.

A distribution is known by its id; a second call with the same id changes nothing. Amounts are USDC micros.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from api.amounts import usdc as usdc_text
from api.problem import Problem
from payments.funds import MICROS_PER_CENT, available, lock_funds, remainder
from payments.ledger import Kind, Move, post, usdc
from persistence.database import Connection


class Purpose(StrEnum):
    """Why something is set aside."""

    DIVIDEND = "DIVIDEND"
    EXIT = "EXIT"


_SET_ASIDE: Final = {Purpose.DIVIDEND: Kind.DIVIDENDS_SET_ASIDE, Purpose.EXIT: Kind.EXIT_SET_ASIDE}
_PAYABLE: Final = {Purpose.DIVIDEND: Kind.DIVIDENDS_PAYABLE, Purpose.EXIT: Kind.EXIT_PAYABLE}
_PAID: Final = {Purpose.DIVIDEND: Kind.DIVIDENDS_PAID, Purpose.EXIT: Kind.EXIT_PAID}


async def reserve_for_dividend(
    connection: Connection, property_id: UUID, usdc_micros: int, dividend_id: UUID
) -> list[tuple[str, int]]:
    """Set aside exactly this: the charges that it is made of, oldest first, sum to it. Raises Problem FUNDS_MISSING."""
    assert usdc_micros > 0
    await lock_funds(connection, property_id)
    if await _known(connection, dividend_id, Purpose.DIVIDEND, property_id, usdc_micros):
        return await charges_of(connection, dividend_id)
    free_micros = await available(connection, property_id)
    if usdc_micros > free_micros:
        detail = (
            f"Of this property's income {usdc_text(free_micros)} USDC can be distributed, not {usdc_text(usdc_micros)}."
        )
        raise Problem(409, "FUNDS_MISSING", detail, available=usdc_text(free_micros))
    await connection.execute(
        "INSERT INTO distributions (distribution_id, kind, property_id, usdc_micros) VALUES ($1, 'DIVIDEND', $2, $3)",
        dividend_id,
        property_id,
        usdc_micros,
    )
    await _name_charges(connection, property_id, usdc_micros, dividend_id)
    await _post(connection, dividend_id, "set-aside", [_aside(Purpose.DIVIDEND, property_id, usdc_micros)])
    return await charges_of(connection, dividend_id)


async def _name_charges(connection: Connection, property_id: UUID, usdc_micros: int, dividend_id: UUID) -> None:
    rows = await connection.fetch(
        "SELECT charge_id, net_cents * $2::bigint - named_usdc_micros AS left_micros FROM rent_charges"
        " WHERE property_id = $1 AND is_usdc AND net_cents * $2::bigint > named_usdc_micros"
        " ORDER BY charged_at, charge_id",
        property_id,
        MICROS_PER_CENT,
    )
    missing = usdc_micros
    parts: list[tuple[UUID, str, int]] = []
    for row in rows:
        if (part := min(missing, row["left_micros"])) > 0:
            parts.append((dividend_id, row["charge_id"], part))
            missing -= part
    assert missing == 0, f"{missing} micros of dividend {dividend_id} come from no charge"
    await connection.executemany("INSERT INTO distribution_charges VALUES ($1, $2, $3)", parts)


async def charges_of(connection: Connection, dividend_id: UUID) -> list[tuple[str, int]]:
    """(charge, USDC micros), oldest first."""
    rows = await connection.fetch(
        "SELECT charge_id, usdc_micros FROM distribution_charges JOIN stripe_charges USING (charge_id)"
        " WHERE distribution_id = $1 ORDER BY charged_at, charge_id",
        dividend_id,
    )
    return [(row["charge_id"], row["usdc_micros"]) for row in rows]


async def reserve_for_exit(
    connection: Connection, property_id: UUID, price_usdc_micros: int, costs_usdc_micros: int, exit_id: UUID
) -> int:
    """Book the sale: the price is in the treasury (the caller has looked), less the costs; the rest is the holders'.

    So is what the property has left, income not distributed and the reserve: returns that.
    """
    assert price_usdc_micros > costs_usdc_micros
    await lock_funds(connection, property_id)
    row = await _row(connection, exit_id)
    if row is not None:
        assert (row["price_usdc_micros"], row["costs_usdc_micros"]) == (price_usdc_micros, costs_usdc_micros)
        known: int = row["remainder_usdc_micros"]
        return known
    left = await remainder(connection, property_id)
    usdc_micros = price_usdc_micros - costs_usdc_micros + left.usdc_micros
    await connection.execute(
        "INSERT INTO distributions (distribution_id, kind, property_id, usdc_micros, price_usdc_micros,"
        " costs_usdc_micros, remainder_usdc_micros, reserve_usdc_micros) VALUES ($1, 'EXIT', $2, $3, $4, $5, $6, $7)",
        *(exit_id, property_id, usdc_micros, price_usdc_micros, costs_usdc_micros),
        *(left.usdc_micros, left.reserve_usdc_micros),
    )
    moves = [
        *_sale(property_id, price_usdc_micros, costs_usdc_micros),
        _reserve_ends(property_id, left.reserve_usdc_micros),
        _aside(Purpose.EXIT, property_id, usdc_micros),
    ]
    await _post(connection, exit_id, "set-aside", moves)
    return left.usdc_micros


async def release(connection: Connection, distribution_id: UUID) -> None:
    """Give back what was set aside, before anything was declared; also of one that does not exist."""
    row = await _row(connection, distribution_id)
    if row is None or row["state"] == "RELEASED":
        return
    assert row["state"] == "SET_ASIDE", f"{distribution_id} is declared"
    await connection.execute("UPDATE distributions SET state = 'RELEASED' WHERE distribution_id = $1", distribution_id)
    purpose, property_id = Purpose(row["kind"]), row["property_id"]
    moves = [_aside(purpose, property_id, -row["usdc_micros"])]
    if purpose is Purpose.EXIT:
        moves += _sale(property_id, -row["price_usdc_micros"], -row["costs_usdc_micros"])
        moves.append(_reserve_ends(property_id, -row["reserve_usdc_micros"]))
    await _post(connection, distribution_id, "released", moves)


async def book_declared(connection: Connection, distribution_id: UUID, usdc_micros: int, transaction: bytes) -> None:
    """The treasury gave this to the payout contract, in this transaction."""
    row = await _standing(connection, distribution_id)
    assert 0 < usdc_micros <= row["usdc_micros"]
    if row["state"] == "SET_ASIDE":
        await connection.execute(
            "UPDATE distributions SET state = 'DECLARED' WHERE distribution_id = $1", distribution_id
        )
    property_id = row["property_id"]
    move = Move(usdc_micros, usdc(Kind.DISTRIBUTOR_USDC, property_id), usdc(Kind.TREASURY_USDC, property_id))
    await _post(connection, distribution_id, "declared", [move])


async def book_stopped(connection: Connection, distribution_id: UUID, usdc_micros: int) -> None:
    """The payout contract gave back what it had not given anybody: it is the treasury's, and free again.

    What is left of an exit's price is not booked any more, as nothing is before it is stated; what the property itself
    had left comes back first, for the next statement to give away.
    """
    row = await _standing(connection, distribution_id)
    if row["state"] == "STOPPED":
        return
    await connection.execute("UPDATE distributions SET state = 'STOPPED' WHERE distribution_id = $1", distribution_id)
    purpose, property_id = Purpose(row["kind"]), row["property_id"]
    moves = [
        Move(usdc_micros, usdc(Kind.TREASURY_USDC, property_id), usdc(Kind.DISTRIBUTOR_USDC, property_id)),
        _aside(purpose, property_id, -usdc_micros),
    ]
    if purpose is Purpose.EXIT:
        moves += _sale(property_id, -max(0, usdc_micros - row["remainder_usdc_micros"]), 0)
    else:
        await _give_back_charges(connection, distribution_id, usdc_micros)
    await _post(connection, distribution_id, "stopped", moves)


async def _give_back_charges(connection: Connection, dividend_id: UUID, usdc_micros: int) -> None:
    """The newest first: the oldest are what was paid."""
    missing, parts = usdc_micros, list[tuple[UUID, str, int]]()
    for charge_id, named_micros in reversed(await charges_of(connection, dividend_id)):
        if (part := min(missing, named_micros)) > 0:
            parts.append((dividend_id, charge_id, part))
            missing -= part
    assert missing == 0, f"dividend {dividend_id} gave back more than it was made of"
    await connection.executemany("INSERT INTO distribution_charges_returned VALUES ($1, $2, $3)", parts)


async def book_paid(
    connection: Connection,
    distribution_id: UUID,
    chunk: int,
    paid_usdc_micros: int,
    owed_usdc_micros: int,
    transaction: bytes,
) -> None:
    """One chunk: what its holders got, and what those could not take who can claim it."""
    row = await _standing(connection, distribution_id)
    purpose, property_id = Purpose(row["kind"]), row["property_id"]
    payable = usdc(_PAYABLE[purpose], property_id)
    moves = [
        Move(owed_usdc_micros, payable, usdc(Kind.OWED, property_id)),
        *_given(purpose, property_id, paid_usdc_micros, payable_kind=_PAYABLE[purpose]),
    ]
    await _post(connection, distribution_id, f"paid:{chunk}", moves)


async def book_claimed(
    connection: Connection, distribution_id: UUID, wallet: bytes, usdc_micros: int, transaction: bytes
) -> None:
    """A holder took what was owed."""
    row = await _standing(connection, distribution_id)
    moves = _given(Purpose(row["kind"]), row["property_id"], usdc_micros, payable_kind=Kind.OWED)
    await _post(connection, distribution_id, f"claimed:0x{wallet.hex()}:0x{transaction.hex()}", moves)


async def book_dust(connection: Connection, dividend_id: UUID, usdc_micros: int) -> None:
    """What dividing left over goes to the property's reserve."""
    property_id = (await _standing(connection, dividend_id))["property_id"]
    moves = [
        _aside(Purpose.DIVIDEND, property_id, -usdc_micros),
        Move(usdc_micros, usdc(Kind.RESERVE_CONTRIBUTION, property_id), usdc(Kind.RESERVE, property_id)),
    ]
    await _post(connection, dividend_id, "dust", moves)


def _aside(purpose: Purpose, property_id: UUID, usdc_micros: int) -> Move:
    return Move(usdc_micros, usdc(_SET_ASIDE[purpose], property_id), usdc(_PAYABLE[purpose], property_id))


def _given(purpose: Purpose, property_id: UUID, usdc_micros: int, *, payable_kind: Kind) -> list[Move]:
    return [
        Move(usdc_micros, usdc(payable_kind, property_id), usdc(Kind.DISTRIBUTOR_USDC, property_id)),
        Move(usdc_micros, usdc(_PAID[purpose], property_id), usdc(_SET_ASIDE[purpose], property_id)),
    ]


def _reserve_ends(property_id: UUID, usdc_micros: int) -> Move:
    """What was kept in reserve is income again, for the exit to give away."""
    return Move(usdc_micros, usdc(Kind.RESERVE, property_id), usdc(Kind.RESERVE_CONTRIBUTION, property_id))


def _sale(property_id: UUID, price_usdc_micros: int, costs_usdc_micros: int) -> list[Move]:
    treasury = usdc(Kind.TREASURY_USDC, property_id)
    return [
        Move(price_usdc_micros, treasury, usdc(Kind.SALE_PROCEEDS, property_id)),
        Move(costs_usdc_micros, usdc(Kind.SALE_COSTS, property_id), treasury),
    ]


async def _post(connection: Connection, distribution_id: UUID, step: str, moves: list[Move]) -> None:
    at = await connection.fetchval("SELECT now()")
    await post(connection, f"distribution:{distribution_id}:{step}", step.partition(":")[0], moves, at)


async def _row(connection: Connection, distribution_id: UUID) -> Any:
    return await connection.fetchrow(
        "SELECT * FROM distributions WHERE distribution_id = $1 FOR UPDATE", distribution_id
    )


async def _known(
    connection: Connection, distribution_id: UUID, purpose: Purpose, property_id: UUID, usdc_micros: int
) -> bool:
    row = await _row(connection, distribution_id)
    if row is None:
        return False
    assert row["state"] != "RELEASED", f"{distribution_id} was given back"
    assert (row["kind"], row["property_id"], row["usdc_micros"]) == (purpose, property_id, usdc_micros)
    return True


async def _standing(connection: Connection, distribution_id: UUID) -> Any:
    row = await _row(connection, distribution_id)
    assert row is not None, f"nothing is set aside for {distribution_id}"
    assert row["state"] != "RELEASED", f"{distribution_id} was given back"
    return row
