"""The double-entry ledger: append-only, each transaction sums to zero in each currency, each fact is posted once.

A posting is signed: a debit is positive, a credit negative. USD is kept in cents, USDC in micros; one transaction holds
both only by way of CONVERSION, whose two balances say which dollars became which USDC. Each account belongs to one
property, or to the platform (no property).

The chart of accounts (+ grows by debit, - by credit):

| kind | currency | | what its balance is |
|---|---|---|---|
| TENANT_RECEIVABLE | USD | + | rent that is due and not paid; below zero: paid twice, to be given back |
| STRIPE_CLEARING | USD | + | what Stripe holds for the property: charges less fees, refunds, disputes and payouts |
| BANK_IN_TRANSIT | USD | + | paid out by Stripe, not yet seen at Circle |
| CIRCLE_BALANCE | USD | + | dollars at Circle |
| DISPUTED | USD | + | withdrawn by Stripe for a dispute that is open |
| TREASURY_USDC | USDC | + | USDC at the platform's treasury address |
| DISTRIBUTOR_USDC | USDC | + | USDC in a payout contract, for those it is due to |
| CONVERSION | both | +/- | dollars given away (USD), USDC got for them (USDC) |
| RENT_DUE | USD | - | against TENANT_RECEIVABLE: rent is income only once it is paid |
| RENT_INCOME | USD | - | rent paid |
| RENT_REFUNDS | USD | + | rent given back before a dividend named its charge |
| DISPUTE_LOSSES | USD | + | lost disputes of charges that no dividend named |
| STRIPE_FEES | USD | + | Stripe's fees as Stripe says them |
| BANK_FEES | USD | + | what banks kept of payouts on their way; the platform's |
| MANAGEMENT_FEE | USD | + | the manager's share of rent kept; MANAGEMENT_FEE_PAYABLE (-): what is still owed of it |
| EXPENSES | USD | + | what the manager entered; EXPENSES_PAYABLE (-) is what is still owed of it |
| MANAGER_PAYABLE | USDC | - | of both payables, what two people decided to pay the manager, until it is paid |
| RESERVE_CONTRIBUTION | both | + | set aside out of income for the reserve; given back to it, at the exit |
| RESERVE | both | - | the reserve; below zero: withheld from what comes next, never asked back from an investor |
| DIVIDENDS_SET_ASIDE | USDC | + | taken out of income for dividends that are not paid yet |
| DIVIDENDS_PAYABLE | USDC | - | due to the holders of record |
| DIVIDENDS_PAID | USDC | + | paid to them |
| OWED | USDC | - | a payment that its holder could not take, and can claim |
| SALE_PROCEEDS | USDC | - | the price of the property, at the exit |
| SALE_COSTS | USDC | + | what the sale cost |
| EXIT_SET_ASIDE, EXIT_PAYABLE, EXIT_PAID | USDC | | as the three of dividends |
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from persistence.database import Connection

_PROPERTY_LOCK: Final = 0x6C65_6467  # the class of our advisory locks, one a property


class LedgerError(Exception):
    """A reference that stands already with other postings: two facts claim to be one."""


class Currency(StrEnum):
    USD = "USD"
    USDC = "USDC"


class Kind(StrEnum):
    """The chart of accounts; the module's docstring says what each holds."""

    TENANT_RECEIVABLE = "TENANT_RECEIVABLE"
    STRIPE_CLEARING = "STRIPE_CLEARING"
    BANK_IN_TRANSIT = "BANK_IN_TRANSIT"
    CIRCLE_BALANCE = "CIRCLE_BALANCE"
    DISPUTED = "DISPUTED"
    TREASURY_USDC = "TREASURY_USDC"
    DISTRIBUTOR_USDC = "DISTRIBUTOR_USDC"
    CONVERSION = "CONVERSION"
    RENT_DUE = "RENT_DUE"
    RENT_INCOME = "RENT_INCOME"
    RENT_REFUNDS = "RENT_REFUNDS"
    DISPUTE_LOSSES = "DISPUTE_LOSSES"
    STRIPE_FEES = "STRIPE_FEES"
    BANK_FEES = "BANK_FEES"
    MANAGEMENT_FEE = "MANAGEMENT_FEE"
    MANAGEMENT_FEE_PAYABLE = "MANAGEMENT_FEE_PAYABLE"
    EXPENSES = "EXPENSES"
    EXPENSES_PAYABLE = "EXPENSES_PAYABLE"
    MANAGER_PAYABLE = "MANAGER_PAYABLE"
    RESERVE_CONTRIBUTION = "RESERVE_CONTRIBUTION"
    RESERVE = "RESERVE"
    DIVIDENDS_SET_ASIDE = "DIVIDENDS_SET_ASIDE"
    DIVIDENDS_PAYABLE = "DIVIDENDS_PAYABLE"
    DIVIDENDS_PAID = "DIVIDENDS_PAID"
    OWED = "OWED"
    SALE_PROCEEDS = "SALE_PROCEEDS"
    SALE_COSTS = "SALE_COSTS"
    EXIT_SET_ASIDE = "EXIT_SET_ASIDE"
    EXIT_PAYABLE = "EXIT_PAYABLE"
    EXIT_PAID = "EXIT_PAID"


@dataclass(frozen=True, slots=True)
class Account:
    """One account; the database refuses a kind in a currency that the chart does not name."""

    kind: Kind
    property_id: UUID | None
    currency: Currency


@dataclass(frozen=True, slots=True)
class Move:
    """`amount` from `credit` to `debit`, in the currency of both; below zero it goes the other way."""

    amount: int
    debit: Account
    credit: Account

    def __post_init__(self) -> None:
        assert self.debit.currency == self.credit.currency, "two currencies meet only in CONVERSION"


Balances = Mapping[tuple[Kind, Currency], int]


def usd(kind: Kind, property_id: UUID | None) -> Account:
    return Account(kind, property_id, Currency.USD)


def usdc(kind: Kind, property_id: UUID | None) -> Account:
    return Account(kind, property_id, Currency.USDC)


async def lock_property(connection: Connection, property_id: UUID) -> None:
    """Until the transaction ends nobody else decides by this property's balances."""
    number = int.from_bytes(sha256(property_id.bytes).digest()[:4], "big", signed=True)
    await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _PROPERTY_LOCK, number)


async def post(connection: Connection, reference: str, what: str, moves: Iterable[Move], at: datetime) -> bool:
    """Book one fact in the caller's transaction: True if it is new, False if it stands already.

    reference  the fact's own, unique among all; what: its kind in a word or two; at: when it happened
    moves      those of one account are summed; if nothing remains, nothing is booked

    Raises LedgerError if the reference stands with other postings.
    """
    assert connection.is_in_transaction(), "a transaction's postings come at once"
    totals: Counter[Account] = Counter()
    for move in moves:
        totals[move.debit] += move.amount
        totals[move.credit] -= move.amount
    postings = sorted((account, amount) for account, amount in _entries(totals) if amount)
    if not postings:
        return False
    content = sha256(json.dumps(postings).encode()).digest()
    transaction_id = await connection.fetchval(
        "INSERT INTO ledger_transactions (reference, what, at, content_sha256) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (reference) DO NOTHING RETURNING transaction_id",
        reference,
        what,
        at,
        content,
    )
    if transaction_id is None:
        stands = await connection.fetchval(
            "SELECT content_sha256 FROM ledger_transactions WHERE reference = $1", reference
        )
        if stands != content:
            raise LedgerError(f"{reference} is booked already, with other postings")
        return False
    await _write(connection, transaction_id, [entry for entry, _ in postings], [amount for _, amount in postings])
    return True


_Entry = tuple[str, str, str]  # kind, property or "", currency


def _entries(totals: Mapping[Account, int]) -> Iterable[tuple[_Entry, int]]:
    for account, amount in totals.items():
        yield (str(account.kind), str(account.property_id or ""), str(account.currency)), amount


async def _write(connection: Connection, transaction_id: int, entries: list[_Entry], amounts: list[int]) -> None:
    columns = (
        [kind for kind, _, _ in entries],
        [UUID(property_id) if property_id else None for _, property_id, _ in entries],
        [currency for _, _, currency in entries],
    )
    await connection.execute(
        "INSERT INTO ledger_accounts (kind, property_id, currency)"
        " SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING",
        *columns,
    )
    await connection.execute(
        "INSERT INTO ledger_postings (transaction_id, account_id, amount) SELECT $4, account_id, amount"
        " FROM unnest($1::text[], $2::uuid[], $3::text[], $5::bigint[]) AS line (kind, property_id, currency, amount)"
        " JOIN ledger_accounts AS account ON account.kind = line.kind AND account.currency = line.currency"
        " AND account.property_id IS NOT DISTINCT FROM line.property_id",
        *columns,
        transaction_id,
        amounts,
    )


async def balance(connection: Connection, account: Account) -> int:
    """Debits less credits, in the account's unit; 0 for one that nothing was posted to."""
    found: int | None = await connection.fetchval(
        "SELECT balance FROM ledger_balances WHERE kind = $1 AND property_id IS NOT DISTINCT FROM $2 AND currency = $3",
        account.kind,
        account.property_id,
        account.currency,
    )
    return found or 0


async def balances(
    connection: Connection, property_id: UUID | None, since: datetime | None = None, until: datetime | None = None
) -> Balances:
    """What was posted to each account of a property (None: of the platform) and happened in [since, until)."""
    rows = await connection.fetch(
        "SELECT kind, currency, sum(amount)::bigint AS balance FROM ledger_accounts"
        " JOIN ledger_postings USING (account_id) JOIN ledger_transactions USING (transaction_id)"
        " WHERE property_id IS NOT DISTINCT FROM $1 AND ($2::timestamptz IS NULL OR at >= $2)"
        " AND ($3::timestamptz IS NULL OR at < $3) GROUP BY kind, currency",
        property_id,
        since,
        until,
    )
    return Counter({(Kind(row["kind"]), Currency(row["currency"])): row["balance"] for row in rows})


async def totals(connection: Connection) -> Balances:
    """The balances of all properties and the platform together, by kind."""
    rows = await connection.fetch(
        "SELECT kind, currency, sum(balance)::bigint AS balance FROM ledger_balances GROUP BY kind, currency"
    )
    return Counter({(Kind(row["kind"]), Currency(row["currency"])): row["balance"] for row in rows})
