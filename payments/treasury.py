"""Where the money is: the ledger, Circle and the chain side by side, and what an operator must look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from payments import conversion_tables as tables
from payments.circle import Balance, Circle, CircleAway, CircleRefused
from payments.conversion import MICROS_PER_CENT, Books, wire_trouble
from payments.conversion_tables import ConversionRow, DepositRow
from persistence.database import Pool

CIRCLE_BALANCE: Final = "circle_balance"
TREASURY_USDC: Final = "treasury_usdc"


# USDC micros at the treasury's address; None while the chain is away.
ChainBalance = Callable[[], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire at Circle that pays for no payout; `trouble` says why, '' while it is on its way."""

    deposit: DepositRow
    trouble: str


@dataclass(frozen=True, slots=True)
class Treasury:
    """`circle` and `chain_usdc_micros` are None while those are away; `ledger` is USDC micros by account.

    differences  sentences; none where all agree
    """

    ledger: dict[str, int]
    circle: Balance | None
    chain_usdc_micros: int | None
    conversions: tuple[ConversionRow, ...]
    wires: tuple[Wire, ...]
    differences: tuple[str, ...]


async def treasury(pool: Pool, circle: Circle, books: Books, chain_balance: ChainBalance) -> Treasury:
    """Raises what the database raises."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        ledger = dict(await books.totals(connection))
        rows = await tables.conversions(connection)
        deposits = await tables.free_deposits(connection)
    by_reference = {row.reference: row for row in rows}
    try:
        balance = await circle.balance()
    except (CircleAway, CircleRefused):
        balance = None
    on_chain = await chain_balance()
    wires = tuple(Wire(deposit, wire_trouble(deposit, by_reference)) for deposit in deposits)
    return Treasury(
        ledger, balance, on_chain, tuple(rows), wires, tuple(_differences(ledger, balance, on_chain, wires))
    )


def _differences(
    ledger: dict[str, int], circle: Balance | None, chain_usdc_micros: int | None, wires: tuple[Wire, ...]
) -> list[str]:
    """What is at Circle beyond our books must be wires that pay for nothing; what is on the chain must be booked."""
    found = []
    if circle is not None:
        unbooked_cents = sum(
            wire.deposit.amount_cents - wire.deposit.fee_cents for wire in wires if wire.deposit.status == "complete"
        )
        expected_micros = ledger.get(CIRCLE_BALANCE, 0) + unbooked_cents * MICROS_PER_CENT
        if circle.available_cents * MICROS_PER_CENT != expected_micros:
            found.append("Circle holds another amount than the ledger and the wires without a payout say.")
    if chain_usdc_micros not in (None, ledger.get(TREASURY_USDC, 0)):
        found.append("The treasury's address holds another amount of USDC than the ledger says.")
    return found
