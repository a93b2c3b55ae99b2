"""What a manager is owed, from the ledger to the wallet, on a real chain; killed at every step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.actor import Actor, Role
from api.problem import Problem
from compliance.audit import record
from deedbook.jobs.management_payment import ManagerPaymentJobs
from payments.funds import available
from payments.ledger import Currency, Kind, balances, totals
from payments.management_payments import JOB, ManagerPayments, owed, payments_of, require_payable
from persistence.database import Connection
from persistence.jobs import Job, JobWaits, enqueue
from settlement.steps import FileSteps, Sender, StepStore
from tests.deedbook.jobs.payout_world import PayoutWorld, no_show, wallet_of
from tests.payments.rent import MANAGER, OAK, World
from tests.settlement.killing import Killed, KillingSender, KillingSteps
from tests.settlement.local_chain import file_steps, keys
from tests.settlement.world import investor

pytestmark = pytest.mark.slow
FEE_CENTS, RENT_CENTS, STRIPE_CENTS = 8_000, 100_000, 2_930
MICROS = 10_000
WALLET = wallet_of(4)


class Office:
    """A month's rent in the treasury, in the ledger and on the chain, and the manager's account."""

    def __init__(self, payouts: PayoutWorld) -> None:
        self.payouts, self.pool = payouts, payouts.world.pool
        self.told: list[tuple[UUID, str]] = []

    async def earn(self) -> None:
        rent = World(self.pool)
        await rent.paid(await rent.lease())
        await rent.converted()
        await self.payouts.fill_treasury((RENT_CENTS - STRIPE_CENTS) * MICROS)

    async def decide(self, fee_cents: int, expenses_cents: int = 0) -> UUID:
        payload = {
            "property_id": str(OAK),
            "wallet": f"0x{WALLET.hex()}",
            "management_fee_cents": fee_cents,
            "expenses_cents": expenses_cents,
        }
        payment_id, actor = uuid4(), Actor(uuid4(), 1, frozenset({Role.ADMIN}), uuid4(), True)
        async with self.pool.acquire() as connection, connection.transaction():
            await ManagerPayments(record, enqueue).executor(connection, payment_id, payload, actor)
        return payment_id

    def jobs(self, treasury: Sender) -> ManagerPaymentJobs:
        async def manager_of(_: Connection, property_id: UUID) -> UUID:
            assert property_id == OAK
            return MANAGER

        final_block = self.payouts.world.chain.final_block
        return ManagerPaymentJobs(self.pool, treasury, self.payouts.infra.usdc, final_block, manager_of, self.notify)

    async def notify(
        self, connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        self.told.append((user_id, kind))

    async def balance(self, kind: Kind, currency: Currency = Currency.USDC) -> int:
        return (await balances(self.pool, OAK)).get((kind, currency), 0)

    async def assert_ledger_is_chain(self) -> None:
        async with self.pool.acquire() as connection:
            booked = (await totals(connection))[Kind.TREASURY_USDC, Currency.USDC]
        assert booked == await self.payouts.usdc_of(keys().treasury.address)


@pytest.fixture
async def office(payouts: PayoutWorld) -> Office:
    made = Office(payouts)
    await made.earn()
    return made


async def test_the_fee_is_paid_to_the_micro_and_the_income_stays(office: Office, tmp_path: Path) -> None:
    async with office.pool.acquire() as connection:
        free = await available(connection, OAK)
        assert (await owed(connection, OAK)).management_fee_cents == FEE_CENTS
    payment_id = await office.decide(FEE_CENTS - 1)
    assert await office.balance(Kind.MANAGER_PAYABLE) == -(FEE_CENTS - 1) * MICROS
    before = await office.payouts.usdc_of(investor(4).address)
    jobs = office.jobs(office.payouts.treasury(file_steps(tmp_path)))
    for _ in range(2):
        await office.payouts.perform(jobs.pay, JOB, payment_id)
    assert await office.payouts.usdc_of(investor(4).address) - before == (FEE_CENTS - 1) * MICROS
    await office.assert_ledger_is_chain()
    assert await office.balance(Kind.MANAGEMENT_FEE_PAYABLE, Currency.USD) == -1
    assert await office.balance(Kind.MANAGER_PAYABLE) == 0
    assert office.told == [(MANAGER, "MANAGER_PAID")]
    async with office.pool.acquire() as connection:
        assert await available(connection, OAK) == free
        (paid,) = await payments_of(connection, OAK)
    assert (paid.state, paid.wallet) == ("PAID", WALLET)


@pytest.mark.parametrize(("fee_cents", "expenses_cents"), [(FEE_CENTS + 1, 0), (0, 1), (0, 0)])
async def test_no_more_than_is_owed_is_paid(office: Office, fee_cents: int, expenses_cents: int) -> None:
    with pytest.raises(Problem):
        await office.decide(fee_cents, expenses_cents)
    assert await office.balance(Kind.MANAGER_PAYABLE) == 0


async def test_what_the_treasury_does_not_have_yet_is_not_paid(payouts: PayoutWorld) -> None:
    rent = World(payouts.world.pool)
    await rent.paid(await rent.lease())
    async with payouts.world.pool.acquire() as connection:
        assert (await owed(connection, OAK)).payable_cents == 0
        with pytest.raises(Problem, match="FUNDS_MISSING"):
            await require_payable(connection, OAK, FEE_CENTS, 0)


async def test_what_the_token_refuses_is_owed_as_before(office: Office, tmp_path: Path) -> None:
    await office.payouts.blacklist(4, True)
    payment_id = await office.decide(FEE_CENTS)
    jobs = office.jobs(office.payouts.treasury(file_steps(tmp_path)))
    for _ in range(2):
        await office.payouts.perform(jobs.pay, JOB, payment_id)
    assert await office.balance(Kind.MANAGEMENT_FEE_PAYABLE, Currency.USD) == -FEE_CENTS
    assert await office.balance(Kind.MANAGER_PAYABLE) == 0
    assert office.told == [(MANAGER, "MANAGER_PAYMENT_FAILED")]
    await office.assert_ledger_is_chain()
    await office.payouts.blacklist(4, False)
    await office.payouts.perform(jobs.pay, JOB, await office.decide(FEE_CENTS))
    await office.assert_ledger_is_chain()


@pytest.mark.parametrize("moment", ["before the step is stored", "before it is sent", "after it is sent"])
async def test_killed_at_every_step_it_is_paid_once(office: Office, tmp_path: Path, moment: str) -> None:
    payment_id, died, kills = await office.decide(FEE_CENTS), set[str](), 0
    KillingSender.died.clear()
    before = await office.payouts.usdc_of(investor(4).address)
    while True:
        plain = FileSteps(tmp_path / "killed.json")
        steps: StepStore = plain
        if moment != "after it is sent":
            steps = KillingSteps(plain, died, moment == "before it is sent")
        kind = KillingSender if moment == "after it is sent" else Sender
        try:
            await office.jobs(office.payouts.treasury(steps, kind)).pay(Job(JOB, str(payment_id), {}, 1, no_show))
            break
        except Killed:
            kills += 1
        except JobWaits:
            await office.payouts.world.mine()
    assert kills == 1
    assert await office.payouts.usdc_of(investor(4).address) - before == FEE_CENTS * MICROS
    await office.assert_ledger_is_chain()
