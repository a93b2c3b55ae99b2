"""Dollars that a payout wired to Circle become USDC at the treasury's address: matched, sent once, seen on the chain.

A wire counts for a payout when it carries the payout's reference and brings its amount to the cent; anything else is
for an operator to look at. Every step may be killed and run again: what Circle is asked carries a key stored before.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from api.amounts import usd
from payments import conversion_tables as tables
from payments.circle import Circle, CircleRefused, Deposit
from payments.conversion_tables import ConversionRow, DepositRow, TransferRow
from persistence.database import Connection, Pool

MICROS_PER_CENT: Final = 10_000
LOOK_S: Final = 2.0  # between looks at our own tables, which webhooks fill
ASK_CIRCLE_EVERY_S: Final = 30.0  # for wires, should a webhook be lost
VERIFY_S: Final = 30.0
STEPS: Final = ("wire", "credited", "recipient", "asked", "sent", "final", "received")


@dataclass(frozen=True, slots=True)
class Share:
    """What one charge of a property has in a payout, after Stripe's fees; negative for a refund or a dispute."""

    property_id: UUID
    charge: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class PayoutInTransit:
    """A payout on its way to the bank at Circle. Its shares sum to its amount, which is whole cents."""

    reference: str
    amount_micros: int
    shares: tuple[Share, ...]


class Books(Protocol):
    """The ledger's part. Each posting goes by property and charge, and a second one of the same changes nothing."""

    async def in_transit(self, connection: Connection) -> Sequence[PayoutInTransit]:
        """Payouts that were paid and that `credited` has not moved, oldest first."""
        ...

    async def payout(self, connection: Connection, reference: str) -> PayoutInTransit | None:
        """The same, also after it moved."""
        ...

    async def credited(self, connection: Connection, reference: str, deposit_id: str, short_cents: int) -> None:
        """Bank in transit to circle balance, but for what the bank kept: that is the platform's loss."""
        ...

    async def received(
        self, connection: Connection, reference: str, transfer_id: str, transaction_hash: bytes, short_cents: int
    ) -> None:
        """Circle balance to treasury USDC: from now on dividend legs may name these charges."""
        ...

    async def totals(self, connection: Connection) -> Mapping[str, int]:
        """USDC micros by account, `bank_in_transit`, `circle_balance` and `treasury_usdc` among them."""
        ...


class WrongTransferError(Exception):
    """The transaction is final and does not bring what Circle says it does."""


# (transaction hash, to, USDC micros): the block of a final transaction with exactly this USDC Transfer, None while it
# is not final. Raises WrongTransferError.
FinalTransfer = Callable[[bytes, bytes, int], Awaitable[int | None]]
Show = Callable[[str, int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Waits:
    """Call again later."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """For an operator; a retry goes on from here."""

    reason: str


class MatchError(Exception):
    """A wire that cannot be given to a payout, in one sentence."""


class Conversion:
    """Converts payouts, each by its reference; any number at a time.

    treasury        the address that the USDC goes to
    final_transfer  the chain's own word
    """

    def __init__(
        self,
        pool: Pool,
        circle: Circle,
        books: Books,
        treasury: bytes,
        final_transfer: FinalTransfer,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        assert len(treasury) == 20
        self._pool = pool
        self._circle = circle
        self._books = books
        self._treasury = treasury
        self._final_transfer = final_transfer
        self._clock_s = clock_s
        self._asked_s = float("-inf")

    async def run(self, reference: str, show: Show) -> Waits | Failed | None:
        """One payout's way as far as it can go now; None when its USDC is at the treasury.

        Raises CircleAway, and what the database and the chain raise: call again.
        """
        row = await self._begun(reference)
        if isinstance(row, Failed) or row.state == "RECEIVED":
            return row if isinstance(row, Failed) else None
        if row.state == "WAITING":
            if (waits := await self._credit(row)) is not None:
                return waits
            row = await self._known(reference)  # an operator may have matched it meanwhile
            await _shown(show, "credited")
        try:
            sent = await self._sent(row, show)
        except CircleRefused as error:
            return Failed(str(error))
        if not isinstance(sent, TransferRow):
            return sent
        await _shown(show, "sent")
        return await self._receive(row, sent, show)

    async def match(self, connection: Connection, deposit_id: str, reference: str, short_cents: int = 0) -> None:
        """An operator says which payout a wire pays for: one without its reference, or one that a bank kept a part of.

        short_cents  what the bank kept; with it the wire must be the payout to the cent
        Raises MatchError.
        """
        payout = await self._books.payout(connection, reference)
        if payout is None:
            raise MatchError("There is no such payout on its way.")
        row = await tables.begin(connection, reference, payout.amount_micros // MICROS_PER_CENT)
        wires = [wire for wire in await tables.free_deposits(connection) if wire.deposit_id == deposit_id]
        if not wires or wires[0].status != "complete":
            raise MatchError("There is no such wire that is complete and waits.")
        brought_cents = wires[0].amount_cents - wires[0].fee_cents
        if brought_cents + short_cents != row.amount_cents:
            kept = f", and {usd(short_cents)} that a bank kept" if short_cents else ""
            raise MatchError(f"The payout is {usd(row.amount_cents)} and the wire {_amount(wires[0])}{kept}.")
        if not await tables.set_credited(connection, reference, deposit_id, short_cents):
            raise MatchError("The payout has its wire already.")
        await self._books.credited(connection, reference, deposit_id, short_cents)

    async def _begun(self, reference: str) -> ConversionRow | Failed:
        async with self._pool.acquire() as connection, connection.transaction():
            payout = await self._books.payout(connection, reference)
            if payout is None:
                return Failed(f"the ledger knows no payout {reference}")
            amount_cents, rest = divmod(payout.amount_micros, MICROS_PER_CENT)
            assert rest == 0, "a bank moves whole cents"
            assert sum(share.amount_micros for share in payout.shares) == payout.amount_micros
            return await tables.begin(connection, reference, amount_cents)

    async def _known(self, reference: str) -> ConversionRow:
        async with self._pool.acquire() as connection:
            found = await tables.conversion(connection, reference)
        assert found is not None
        return found

    async def _credit(self, row: ConversionRow) -> Waits | None:
        """Find the payout's wire and book it."""
        await self._look_at_circle()
        async with self._pool.acquire() as connection:
            wires = await tables.deposits_of(connection, row.reference)
        fits = [wire for wire in wires if wire.status == "complete" and _pays(wire, row.amount_cents)]
        if not fits:
            return Waits(LOOK_S, _missing(wires, row.amount_cents))
        wire = await self._circle.deposit(fits[0].deposit_id)  # no money moves on a webhook's word alone
        if not _is(wire, fits[0]):
            return Waits(VERIFY_S, f"wire {wire.deposit_id}: Circle and its notification differ")
        async with self._pool.acquire() as connection, connection.transaction():
            if await tables.set_credited(connection, row.reference, wire.deposit_id):
                await self._books.credited(connection, row.reference, wire.deposit_id, 0)
        return None

    async def _look_at_circle(self) -> None:
        """Read the newest wires, now and then, should a notification have been lost."""
        now_s = self._clock_s()
        if now_s - self._asked_s < ASK_CIRCLE_EVERY_S:
            return
        self._asked_s = now_s
        found = await self._circle.deposits()
        async with self._pool.acquire() as connection, connection.transaction():
            for deposit in found:
                await tables.update_deposit(connection, deposit)

    async def _sent(self, row: ConversionRow, show: Show) -> TransferRow | Waits | Failed:
        """A transfer of exactly what the payout's wire brought that Circle calls complete."""
        recipient_id = await self._recipient()
        if recipient_id is None:
            return Waits(VERIFY_S, "Circle has not verified the treasury's address yet")
        await _shown(show, "recipient")
        async with self._pool.acquire() as connection, connection.transaction():
            earlier = await tables.transfers_of(connection, row.reference)
            if earlier and earlier[-1].failure_told_at is None:
                asked = earlier[-1]
            else:  # the first one, or an operator's retry after one that failed
                cents = row.amount_cents - row.short_cents
                asked = await tables.begin_transfer(connection, row.reference, len(earlier) + 1, cents)
        await _shown(show, "asked")
        if asked.transfer_id is None:
            answer = await self._circle.send(asked.idempotency_key, recipient_id, asked.amount_cents)
        else:
            answer = await self._circle.transfer(asked.transfer_id)
        if answer.amount_cents != asked.amount_cents or answer.destination not in (b"", self._treasury):
            return Failed(f"transfer {answer.transfer_id} is not what we asked Circle for")
        async with self._pool.acquire() as connection, connection.transaction():
            await tables.set_transfer(connection, asked, answer)
            asked = (await tables.transfers_of(connection, row.reference))[-1]
            if asked.status == "failed":
                await tables.set_failure_told(connection, asked)
        if asked.status == "failed":
            return Failed(f"Circle's transfer {asked.transfer_id} failed: {asked.error_code or 'no code given'}")
        if asked.status == "pending" or asked.transaction_hash is None:
            return Waits(LOOK_S, f"Circle's transfer {asked.transfer_id} is on its way")
        return asked

    async def _recipient(self) -> str | None:
        """Circle's id of the treasury's address once it may be sent to."""
        async with self._pool.acquire() as connection:
            key, recipient_id = await tables.recipient_of(connection, self._treasury)
        known = [each for each in await self._circle.recipients() if each.address == self._treasury]
        if not known:
            known = [await self._circle.register_recipient(key, self._treasury)]
            assert known[0].address == self._treasury
        if recipient_id != known[0].recipient_id:
            async with self._pool.acquire() as connection:
                await tables.set_recipient(connection, self._treasury, known[0].recipient_id)
        return known[0].recipient_id if known[0].is_active else None

    async def _receive(self, row: ConversionRow, sent: TransferRow, show: Show) -> Waits | Failed | None:
        """The chain's word, and the last posting."""
        assert sent.transfer_id is not None
        assert sent.transaction_hash is not None
        try:
            block = await self._final_transfer(
                sent.transaction_hash, self._treasury, sent.amount_cents * MICROS_PER_CENT
            )
        except WrongTransferError as error:
            return Failed(f"transfer {sent.transfer_id}: {error}")
        if block is None:
            return Waits(LOOK_S, "the USDC is not final on the chain yet")
        await _shown(show, "final")
        async with self._pool.acquire() as connection, connection.transaction():
            if await tables.set_received(connection, row.reference, sent.transaction_hash, block):
                await self._books.received(
                    connection, row.reference, sent.transfer_id, sent.transaction_hash, row.short_cents
                )
        await _shown(show, "received")
        return None


def wire_trouble(wire: DepositRow, payouts: Mapping[str, ConversionRow]) -> str:
    """Why a wire pays for no payout, for the operator; '' while it is only on its way.

    payouts  the conversions by reference
    """
    named = [payouts[reference] for reference in wire.wire_references if reference in payouts]
    if not named:
        return "No payout has a reference of this wire."
    payout = named[0]
    if payout.state != "WAITING":
        return f"Payout {payout.reference} has its wire already: this is a second one."
    if not _pays(wire, payout.amount_cents):
        return f"Payout {payout.reference} is {usd(payout.amount_cents)}, and the wire {_amount(wire)}."
    return ""


def _pays(wire: DepositRow, amount_cents: int) -> bool:
    return wire.amount_cents == amount_cents and wire.fee_cents == 0


def _is(wire: Deposit, known: DepositRow) -> bool:
    return wire.status == "complete" and (wire.deposit_id, wire.amount_cents, wire.fee_cents) == (
        known.deposit_id,
        known.amount_cents,
        known.fee_cents,
    )


def _missing(wires: Sequence[DepositRow], amount_cents: int) -> str:
    if not wires:
        return f"no wire of {usd(amount_cents)} with this reference yet"
    if all(_pays(wire, amount_cents) for wire in wires):
        return "the wire is at Circle and not complete yet"
    return f"expected {usd(amount_cents)}, and the wire brings {_amount(wires[0])}: an operator must look"


def _amount(wire: DepositRow) -> str:
    return usd(wire.amount_cents) + (f" less a fee of {usd(wire.fee_cents)}" if wire.fee_cents else "")


async def _shown(show: Show, step: str) -> None:
    await show(step, STEPS.index(step) + 1, len(STEPS))
