"""Rent, refunds, disputes, payouts, conversion and dividends in any order, against books kept in plain dictionaries.

What was done is written down as it was done, and each balance is worked out from that list by its definition. The
ledger got there by posting one fact after another, from what Stripe answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.problem import Problem
from deedbook.sandbox.stripe_account import DISPUTE_FEE_CENTS, card_fee_cents
from payments import distributions
from payments.funds import available
from payments.leases import Lease
from payments.ledger import balances
from payments.statements import Expense, add_expense
from persistence.database import Pool, connect, migrate
from tests.payments.rent import ELM, OAK, World

FEE_BPS, RESERVE_BPS, MICROS = 800, 500, 10_000
PROPERTIES = (OAK, ELM)
PICK = st.integers(0, 1_000)
Answer = TypeVar("Answer")


@dataclass
class Given:
    """What a charge gave back: `to` is who carries it, INCOME or RESERVE, once that is booked."""

    source: str
    cents: int
    is_dispute: bool
    state: str = "OPEN"  # of a refund OPEN or FAILED, of a dispute OPEN, WON or LOST
    to: str = ""

    @property
    def stands(self) -> bool:
        return self.state in ("OPEN", "LOST")


@dataclass
class Charge:
    property_id: UUID
    cents: int
    gave: list[Given] = field(default_factory=list)
    payout: str | None = None
    named: Counter[UUID] = field(default_factory=Counter)

    def back(self, to: str = "", *states: str, dispute: bool | None = None) -> int:
        return sum(
            each.cents
            for each in self.gave
            if each.stands and to in ("", each.to) and (not states or each.state in states)
            if dispute in (None, each.is_dispute)
        )

    def fees(self, to: str) -> int:
        disputes = sum(each.is_dispute and each.to == to for each in self.gave)
        return disputes * DISPUTE_FEE_CENTS + (card_fee_cents(self.cents) if to == "INCOME" else 0)

    @property
    def management_fee(self) -> int:
        return max(0, self.cents - self.back()) * FEE_BPS // 10_000

    @property
    def reserve(self) -> int:
        return max(0, self.cents - self.back("INCOME")) * RESERVE_BPS // 10_000

    @property
    def net(self) -> int:
        return self.cents - self.fees("INCOME") - self.back("INCOME") - self.management_fee - self.reserve

    @property
    def at_stripe(self) -> int:
        return self.cents - self.back() - self.fees("INCOME") - self.fees("RESERVE")


@dataclass
class Payout:
    payout_id: str
    reference: str
    cents: Counter[UUID]
    state: str = "PAID"  # then CREDITED, RECEIVED; or FAILED


@dataclass
class Dividend:
    property_id: UUID
    micros: int
    state: str = "SET_ASIDE"  # then RELEASED, or DECLARED
    dust: int = 0
    paid: int = 0
    owed: int = 0
    chunks: int = 0


@dataclass
class Model:
    charges: dict[str, Charge] = field(default_factory=dict)
    payouts: list[Payout] = field(default_factory=list)
    dividends: dict[UUID, Dividend] = field(default_factory=dict)
    expenses: Counter[UUID] = field(default_factory=Counter)
    due: Counter[UUID] = field(default_factory=Counter)

    def of(self, property_id: UUID) -> list[Charge]:
        return [each for each in self.charges.values() if each.property_id == property_id]

    def standing(self, property_id: UUID) -> list[Dividend]:
        return [d for d in self.dividends.values() if d.property_id == property_id and d.state != "RELEASED"]

    def moved(self, property_id: UUID, *states: str) -> int:
        return sum(each.cents[property_id] for each in self.payouts if each.state in states)

    def is_usdc(self, charge: Charge) -> bool:
        return any(each.payout_id == charge.payout and each.state == "RECEIVED" for each in self.payouts)

    def reserve_micros(self, property_id: UUID) -> int:
        cents = sum(each.reserve - each.back("RESERVE") - each.fees("RESERVE") for each in self.of(property_id))
        return cents * MICROS + sum(each.dust for each in self.standing(property_id))

    def free(self, property_id: UUID) -> int:
        taken = sum(each.micros - each.dust for each in self.standing(property_id))
        return self.moved(property_id, "RECEIVED") * MICROS - taken

    def available(self, property_id: UUID) -> int:
        own = self.of(property_id)
        usdc = [each for each in own if self.is_usdc(each)]
        waiting = sum(max(0, each.net) for each in own if each not in usdc)
        income = (sum(each.net for each in own) - self.expenses[property_id] - waiting) * MICROS
        income -= sum(each.micros for each in self.standing(property_id))
        income += min(0, self.reserve_micros(property_id))
        unnamed = sum(max(0, each.net * MICROS - each.named.total()) for each in usdc)
        free = min(self.free(property_id), sum(self.free(each) for each in PROPERTIES))
        return max(0, min(income, unnamed, free))

    def expected(self, property_id: UUID) -> dict[str, int]:
        """Every balance of a property, in its unit, without the zeros."""
        own, dividends = self.of(property_id), self.standing(property_id)
        rent = sum(each.cents for each in own)
        fee, reserve = sum(each.management_fee for each in own), sum(each.reserve for each in own)
        carried = sum(each.back("RESERVE") + each.fees("RESERVE") for each in own)
        received = self.moved(property_id, "RECEIVED")
        declared = [each for each in dividends if each.state == "DECLARED"]
        given = sum(each.micros - each.dust for each in declared)
        paid, owed = sum(each.paid for each in dividends), sum(each.owed for each in dividends)
        dust, all_micros = sum(each.dust for each in dividends), sum(each.micros for each in dividends)
        found = {
            "TENANT_RECEIVABLE USD": self.due[property_id] - rent,
            "RENT_DUE USD": rent - self.due[property_id],
            "STRIPE_CLEARING USD": sum(each.at_stripe for each in own)
            - self.moved(property_id, "PAID", "CREDITED", "RECEIVED"),
            "BANK_IN_TRANSIT USD": self.moved(property_id, "PAID"),
            "CIRCLE_BALANCE USD": self.moved(property_id, "CREDITED"),
            "CONVERSION USD": received,
            "CONVERSION USDC": -received * MICROS,
            "TREASURY_USDC USDC": received * MICROS - given,
            "DISTRIBUTOR_USDC USDC": given - paid,
            "RENT_INCOME USD": -rent,
            "RENT_REFUNDS USD": sum(each.back("INCOME", dispute=False) for each in own),
            "DISPUTED USD": sum(each.back("INCOME", "OPEN", dispute=True) for each in own),
            "DISPUTE_LOSSES USD": sum(each.back("INCOME", "LOST", dispute=True) for each in own),
            "STRIPE_FEES USD": sum(each.fees("INCOME") for each in own),
            "MANAGEMENT_FEE USD": fee,
            "MANAGEMENT_FEE_PAYABLE USD": -fee,
            "EXPENSES USD": self.expenses[property_id],
            "EXPENSES_PAYABLE USD": -self.expenses[property_id],
            "RESERVE_CONTRIBUTION USD": reserve,
            "RESERVE USD": carried - reserve,
            "RESERVE_CONTRIBUTION USDC": dust,
            "RESERVE USDC": -dust,
            "DIVIDENDS_SET_ASIDE USDC": all_micros - dust - paid,
            "DIVIDENDS_PAYABLE USDC": -(all_micros - dust - paid - owed),
            "DIVIDENDS_PAID USDC": paid,
            "OWED USDC": -owed,
        }
        return {kind: amount for kind, amount in found.items() if amount}


class Rent(RuleBasedStateMachine):
    """Acts at Stripe and on our side; the model hears of each when the ledger does."""

    pool: ClassVar[Pool]
    loop: ClassVar[asyncio.Runner]

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run(work)

    @initialize(oak=st.integers(5_000, 300_000), elm=st.integers(5_000, 300_000))
    def begin(self, oak: int, elm: int) -> None:
        self.world, self.model = World(self.pool), Model()
        self.leases: list[Lease] = []
        self.months = dict.fromkeys(PROPERTIES, 0)
        self.run(self._begin(oak, elm))
        # From here on every rule has something to do: rents of both, the first of them USDC and in part distributed.
        for pick in (0, 1, 0):
            self.pay(pick)
        self.payout()
        self.wire_arrives(0)
        self.usdc_arrives(0)
        self.set_aside(0, 600)
        self.pay(0)
        self.pay(1)

    async def _begin(self, oak: int, elm: int) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")  # nothing else empties a ledger
            await connection.execute(
                "TRUNCATE ledger_accounts, ledger_transactions, ledger_postings, leases, rents, expenses,"
                " stripe_events, stripe_sessions, stripe_charges, stripe_payouts, stripe_movements,"
                " stripe_payout_movements, stripe_disputes, distributions, distribution_charges,"
                " distribution_charges_returned"
            )
        self.leases = [await self.world.lease(OAK, rent_cents=oak), await self.world.lease(ELM, rent_cents=elm)]

    def deliver(self) -> None:
        """Our side hears of all that happened at Stripe; who carries what is decided here."""
        self.run(self.world.deliver())
        for charge in self.model.charges.values():
            for each in charge.gave:
                each.to = each.to or ("RESERVE" if charge.named.total() else "INCOME")

    def charge_by(self, pick: int) -> tuple[str, Charge]:
        charges = list(self.model.charges.items())
        return charges[pick % len(charges)]

    def given(self) -> list[Given]:
        return [each for charge in self.model.charges.values() for each in charge.gave]

    @rule(pick=PICK)
    def pay(self, pick: int) -> None:
        lease = self.leases[pick % 2]
        month = self.months[lease.property_id] = self.months[lease.property_id] + 1
        period = date(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 1)
        session = self.run(self.world.links.link(lease, period)).session
        self.model.due[lease.property_id] += lease.rent_cents
        self.world.now_s += 60  # two charges of one second have no oldest
        charge = self.world.account.pay(session.session_id)
        self.model.charges[charge["id"]] = Charge(lease.property_id, charge["amount"])
        self.deliver()

    @precondition(lambda self: self.model.charges)
    @rule(pick=PICK, permille=st.integers(1, 1_000))
    def refund(self, pick: int, permille: int) -> None:
        charge_id, charge = self.charge_by(pick)
        left = charge.cents - charge.back(dispute=False)
        if (cents := left * permille // 1_000) > 0:
            refund = self.world.account.refund(charge_id, cents)
            charge.gave.append(Given(refund["id"], cents, is_dispute=False))
            self.deliver()

    @precondition(lambda self: any(not each.is_dispute for each in self.given()))
    @rule(pick=PICK)
    def refund_fails(self, pick: int) -> None:
        refunds = [each for each in self.given() if not each.is_dispute and each.state == "OPEN"]
        if refunds:
            refund = refunds[pick % len(refunds)]
            self.world.account.fail_refund(refund.source)
            refund.state = "FAILED"
            self.deliver()

    @precondition(lambda self: self.model.charges)
    @rule(pick=PICK, permille=st.integers(1, 1_000))
    def dispute(self, pick: int, permille: int) -> None:
        charge_id, charge = self.charge_by(pick)
        cents = charge.cents * permille // 1_000
        if cents > 0 and not any(each.is_dispute for each in charge.gave):
            dispute = self.world.account.dispute(charge_id, cents)
            charge.gave.append(Given(dispute["id"], cents, is_dispute=True))
            self.deliver()

    @precondition(lambda self: any(each.is_dispute for each in self.given()))
    @rule(pick=PICK, won=st.booleans())
    def dispute_ends(self, pick: int, won: bool) -> None:
        disputes = [each for each in self.given() if each.is_dispute and each.state == "OPEN"]
        if disputes:
            dispute = disputes[pick % len(disputes)]
            self.world.account.close_dispute(dispute.source, won=won)
            dispute.state = "WON" if won else "LOST"
            self.deliver()

    @precondition(lambda self: self.world.account.balance_cents() > 0)
    @rule()
    def payout(self) -> None:
        cents: Counter[UUID] = Counter()
        for property_id in PROPERTIES:
            cents[property_id] = self.model.expected(property_id).get("STRIPE_CLEARING USD", 0)
        made = self.world.account.payout()
        for charge in self.model.charges.values():
            charge.payout = charge.payout or made["id"]
        self.model.payouts.append(Payout(made["id"], made["trace_id"]["value"], cents))
        self.deliver()

    def payout_in(self, state: str, pick: int) -> Payout | None:
        found = [each for each in self.model.payouts if each.state == state]
        return found[pick % len(found)] if found else None

    @precondition(lambda self: self.payout_in("PAID", 0))
    @rule(pick=PICK)
    def payout_fails(self, pick: int) -> None:
        if (payout := self.payout_in("PAID", pick)) is not None:
            self.world.account.fail_payout(payout.payout_id)
            payout.state = "FAILED"
            for charge in self.model.charges.values():
                charge.payout = None if charge.payout == payout.payout_id else charge.payout
            self.deliver()

    @precondition(lambda self: self.payout_in("PAID", 0))
    @rule(pick=PICK)
    def wire_arrives(self, pick: int) -> None:
        if (payout := self.payout_in("PAID", pick)) is not None:
            self.run(
                self._in_transaction(lambda c: self.world.books.credited(c, payout.reference, "deposit", 0), twice=True)
            )
            payout.state = "CREDITED"

    @precondition(lambda self: self.payout_in("CREDITED", 0))
    @rule(pick=PICK)
    def usdc_arrives(self, pick: int) -> None:
        if (payout := self.payout_in("CREDITED", pick)) is not None:
            books = self.world.books
            self.run(self._in_transaction(lambda c: books.received(c, payout.reference, "t", bytes(32), 0), twice=True))
            payout.state = "RECEIVED"

    @rule(pick=PICK, cents=st.integers(1, 50_000))
    def spend(self, pick: int, cents: int) -> None:
        lease = self.leases[pick % 2]
        expense = Expense(uuid4(), lease.property_id, cents, "Roof", None, date(2026, 1, 1), lease.tenant_id)
        self.run(self._in_transaction(lambda c: add_expense(c, expense), twice=True))
        self.model.expenses[lease.property_id] += cents

    @precondition(lambda self: any(self.model.available(each) for each in PROPERTIES))
    @rule(pick=PICK, permille=st.integers(1, 1_000))
    def set_aside(self, pick: int, permille: int) -> None:
        property_id, dividend_id = PROPERTIES[pick % 2], uuid4()
        whole = self.model.available(property_id)
        if (micros := whole * permille // 1_000) == 0:
            return
        named = self.run(
            self._in_transaction(
                lambda c: distributions.reserve_for_dividend(c, property_id, micros, dividend_id), twice=True
            )
        )
        assert sum(part for _, part in named) == micros
        left = micros
        for charge_id, charge in self.model.charges.items():  # as they were charged
            if charge.property_id == property_id and self.model.is_usdc(charge):
                part = max(0, min(left, charge.net * MICROS - charge.named.total()))
                assert dict(named).get(charge_id, 0) == part
                charge.named[dividend_id] += part
                left -= part
        self.model.dividends[dividend_id] = Dividend(property_id, micros)

    @rule(pick=PICK)
    def set_aside_too_much(self, pick: int) -> None:
        property_id = PROPERTIES[pick % 2]
        micros = self.model.available(property_id) + 1
        with pytest.raises(Problem, match="FUNDS_MISSING"):
            self.run(
                self._in_transaction(lambda c: distributions.reserve_for_dividend(c, property_id, micros, uuid4()))
            )

    def dividend_in(self, state: str, pick: int) -> tuple[UUID, Dividend] | None:
        found = [(each, dividend) for each, dividend in self.model.dividends.items() if dividend.state == state]
        return found[pick % len(found)] if found else None

    @precondition(lambda self: self.dividend_in("SET_ASIDE", 0))
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        if (found := self.dividend_in("SET_ASIDE", pick)) is not None:
            dividend_id, dividend = found
            self.run(self._in_transaction(lambda c: distributions.release(c, dividend_id), twice=True))
            dividend.state = "RELEASED"
            for charge in self.model.charges.values():
                charge.named.pop(dividend_id, None)

    @precondition(lambda self: self.dividend_in("SET_ASIDE", 0))
    @rule(pick=PICK, dust=st.integers(0, 5))
    def declare(self, pick: int, dust: int) -> None:
        if (found := self.dividend_in("SET_ASIDE", pick)) is not None and found[1].micros > dust:
            dividend_id, dividend = found
            given = dividend.micros - dust
            self.run(
                self._in_transaction(
                    lambda c: distributions.book_declared(c, dividend_id, given, bytes(32)), twice=True
                )
            )
            if dust:
                self.run(self._in_transaction(lambda c: distributions.book_dust(c, dividend_id, dust), twice=True))
            dividend.state, dividend.dust = "DECLARED", dust

    @precondition(lambda self: self.dividend_in("DECLARED", 0))
    @rule(pick=PICK, permille=st.integers(0, 1_000), owed_permille=st.integers(0, 1_000))
    def pay_holders(self, pick: int, permille: int, owed_permille: int) -> None:
        if (found := self.dividend_in("DECLARED", pick)) is not None:
            dividend_id, dividend = found
            left = dividend.micros - dividend.dust - dividend.paid - dividend.owed
            both = left * permille // 1_000
            owed = both * owed_permille // 1_000
            chunk = dividend.chunks
            self.run(
                self._in_transaction(
                    lambda c: distributions.book_paid(c, dividend_id, chunk, both - owed, owed, bytes(32)), twice=True
                )
            )
            dividend.chunks += 1
            dividend.paid += both - owed
            dividend.owed += owed

    @precondition(lambda self: self.dividend_in("DECLARED", 0))
    @rule(pick=PICK)
    def claim(self, pick: int) -> None:
        if (found := self.dividend_in("DECLARED", pick)) is not None and found[1].owed:
            dividend_id, dividend = found
            owed, transaction = dividend.owed, uuid4().bytes
            self.run(
                self._in_transaction(
                    lambda c: distributions.book_claimed(c, dividend_id, bytes(20), owed, transaction), twice=True
                )
            )
            dividend.paid += owed
            dividend.owed = 0

    @precondition(lambda self: self.dividend_in("DECLARED", 0))
    @rule(pick=PICK)
    def stop(self, pick: int) -> None:
        """Its contract's owner cancels it: who was paid keeps it, what is owed stays, the rest is free again."""
        if (found := self.dividend_in("DECLARED", pick)) is not None:
            dividend_id, dividend = found
            left = dividend.micros - dividend.dust - dividend.paid - dividend.owed
            if left == 0:
                return
            self.run(self._in_transaction(lambda c: distributions.book_stopped(c, dividend_id, left), twice=True))
            dividend.micros -= left
            for charge in reversed(self.model.charges.values()):
                part = min(left, charge.named[dividend_id])
                charge.named[dividend_id] -= part
                left -= part
            assert left == 0

    async def _in_transaction(self, work: Any, *, twice: bool = False) -> Any:
        """The work, and again as after a kill: the second time changes nothing."""
        for _ in range(1 + twice):
            async with self.pool.acquire() as connection, connection.transaction():
                answer = await work(connection)
        return answer

    @invariant()
    def the_ledger_says_what_the_books_say(self) -> None:
        if not hasattr(self, "model"):
            return
        self.run(self._compare())

    async def _compare(self) -> None:
        clearing = 0
        for property_id in PROPERTIES:
            found = await balances(self.pool, property_id)
            plain = {f"{kind} {currency}": amount for (kind, currency), amount in found.items() if amount}
            assert plain == self.model.expected(property_id)
            clearing += plain.get("STRIPE_CLEARING USD", 0)
            async with self.pool.acquire() as connection:
                assert await available(connection, property_id) == self.model.available(property_id)
        assert clearing == self.world.account.balance_cents()
        # What holders are promised is there, whatever was refunded or disputed since.
        assert sum(self.model.free(each) for each in PROPERTIES) >= 0


def test_any_order_of_rent_refunds_disputes_payouts_and_dividends(empty_database: str) -> None:
    with asyncio.Runner() as runner:
        Rent.loop, Rent.pool = runner, runner.run(connect(empty_database))
        try:
            runner.run(migrate(Rent.pool))
            profile = settings.default
            assert profile is not None
            examples = max(1, profile.max_examples // 6)
            run_state_machine_as_test(Rent, settings=settings(max_examples=examples, stateful_step_count=30))
        finally:
            runner.run(Rent.pool.close())
