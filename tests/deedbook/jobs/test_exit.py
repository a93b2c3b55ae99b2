"""The end of a property on a real chain, from its halt to CLOSED, killed at every step."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from api.problem import Problem
from deedbook.jobs.exit import ExitJobs
from deedbook.jobs.payout import plan_of
from engine import types as t
from persistence.jobs import Job, JobWaits
from settlement import exits, payout_rows
from settlement.artifacts import ours, trex
from settlement.exits import Exits
from settlement.infrastructure import Platform, read
from settlement.payouts import key_of
from settlement.steps import FileSteps, Sender, StepStore
from settlement.token_end import set_agent
from settlement.tokenization import mint
from tests.deedbook.jobs.payout_world import PROPERTY, PayoutWorld, PlainExitBooks, admin, no_show, user_of, wallet_of
from tests.settlement.killing import Killed, KillingSender, KillingSteps
from tests.settlement.local_chain import file_steps, keys
from tests.settlement.world import INVESTORS, OAK, TOKENS, account_of, investor

PRICE, COSTS = 12_000_007, 2_000_000
POOL = PRICE - COSTS
SUPPLY = INVESTORS * TOKENS
TOKEN = "token/Token.sol/Token"


def acts_of(payouts: PayoutWorld) -> Exits:
    return Exits(payouts.world.pool, payouts, PlainExitBooks(payouts.points), payouts.audit, payouts.enqueue)


def jobs_of(payouts: PayoutWorld, steps: StepStore, kind: type[Sender] = Sender) -> ExitJobs:
    plain = payouts.world.platform
    sender, owner = (kind(plain.chain, each.account, steps) for each in (plain.sender, plain.owner))
    return ExitJobs(
        payouts.world.pool,
        payouts.submit,
        payouts.world.chain,
        Platform(sender, owner, plain.claim_signer),
        payouts.infra,
        payouts.dates(),
        acts_of(payouts),
        payouts.contract(payouts.treasury(steps, kind), "ExitRedemption"),
        payouts.events(),
        payouts,
        payouts.people,
        payouts.notify,
        chunk_holders=2,
    )


async def liquidated(payouts: PayoutWorld, tmp_path: Path) -> ExitJobs:
    await acts_of(payouts).liquidate(PROPERTY, admin())
    jobs = jobs_of(payouts, file_steps(tmp_path))
    await payouts.perform(jobs.liquidate, exits.LIQUIDATE, PROPERTY)
    return jobs


async def stated(payouts: PayoutWorld, jobs: ExitJobs) -> UUID:
    exit_id = await acts_of(payouts).state_sale(PROPERTY, PRICE, COSTS, admin())
    await payouts.perform(jobs.prepare, exits.PREPARE, exit_id)
    return exit_id


async def approved(payouts: PayoutWorld, exit_id: UUID) -> None:
    """Two people, as the burn route has them."""
    found = await payout_rows.payout(payouts.world.pool, exit_id)
    assert found is not None
    assert found.payload is not None
    async with payouts.world.pool.acquire() as connection, connection.transaction():
        await payouts.decide(connection, "BURN", str(exit_id), found.payload, admin())
    await payouts.approve(exit_id, acts_of(payouts).approved)


async def token(payouts: PayoutWorld, function: str, *arguments: object) -> object:
    suite = payouts.world.deployed.suite
    return await read(payouts.world.platform.chain, trex(TOKEN), suite.token, function, *arguments)


async def assert_all_is_paid_and_closed(payouts: PayoutWorld, exit_id: UUID, before: list[int]) -> None:
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    lines = {line.wallet: line for line in await payout_rows.lines(payouts.world.pool, exit_id)}
    assert gains == [lines[wallet_of(number)].usdc_micros for number in range(INVESTORS)]
    assert sum(gains) == POOL
    assert {line.state for line in lines.values()} == {"PAID"}
    assert await token(payouts, "totalSupply") == 0
    assert not await token(payouts, "isAgent", payouts.infra.redemption)
    assert await payouts.world.pool.fetchval("SELECT state FROM property") == "CLOSED"
    for number in range(INVESTORS):
        balance = payouts.world.engine_balance(number, OAK)
        assert (balance.level, balance.position_lots) == (0, 0)
    assert await payouts.usdc_of(keys().treasury.address) == 0
    told = await payouts.told()
    expected = [
        (user_of(number), kind) for number in range(INVESTORS) for kind in ("EXIT_PAID", "PROPERTY_LIQUIDATING")
    ]
    assert told == [(UUID(int=3), "PROPERTY_CLOSED"), *expected]


async def test_a_liquidation_leaves_nothing_resting_and_nothing_moving(payouts: PayoutWorld, tmp_path: Path) -> None:
    world = payouts.world
    limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
    await world.feed.send(t.Place(account_of(0), OAK, t.Side.SELL, limit, gtc, 500, 7))
    await world.trade(buyer=1, seller=2, qty_lots=10)
    await acts_of(payouts).liquidate(PROPERTY, admin())
    jobs = jobs_of(payouts, file_steps(tmp_path))
    await payouts.follow()
    job = Job(exits.LIQUIDATE, str(PROPERTY), {}, 1, no_show)
    for why in ("the journal up to", "the journal up to", "1 trades are neither"):
        with pytest.raises(JobWaits, match=why):
            await jobs.liquidate(job)
        await payouts.follow()
    assert world.feed.exchange.state().orders == ()
    (refused,) = await world.feed.send(t.Place(account_of(0), OAK, t.Side.SELL, limit, gtc, 500, 7))
    assert isinstance(refused, t.Rejected)
    assert refused.reason == t.Reason.INSTRUMENT_HALTED
    assert not await token(payouts, "paused")
    await world.mine_batches()
    await world.listen()
    await payouts.perform(jobs.liquidate, exits.LIQUIDATE, PROPERTY)
    assert await token(payouts, "paused")
    going = await exits.liquidation(world.pool, PROPERTY)
    assert going is not None
    assert going.still_block is not None
    with pytest.raises(Problem, match="another state"):
        await acts_of(payouts).liquidate(PROPERTY, admin())


async def test_no_sale_is_stated_before_all_is_still(payouts: PayoutWorld) -> None:
    await acts_of(payouts).liquidate(PROPERTY, admin())
    with pytest.raises(Problem, match="not all settled"):
        await acts_of(payouts).state_sale(PROPERTY, PRICE, COSTS, admin())
    with pytest.raises(Problem, match="below the sale price"):
        await acts_of(payouts).state_sale(PROPERTY, PRICE, PRICE, admin())


async def test_everybody_is_paid_and_every_token_burned(payouts: PayoutWorld, tmp_path: Path) -> None:
    await payouts.world.trade(buyer=0, seller=1, qty_lots=333)
    await payouts.world.mine_batches()
    await payouts.world.listen()
    await payouts.fill_treasury(POOL)
    jobs = await liquidated(payouts, tmp_path)
    before = await payouts.balances()
    exit_id = await stated(payouts, jobs)
    found = await payout_rows.payout(payouts.world.pool, exit_id)
    assert found is not None
    assert found.payload is not None
    assert found.payload["supply_base_units"] == str(SUPPLY)
    assert found.payload["unsold_base_units"] == str(TOKENS)
    assert (found.payload["pool_usdc_micros"], found.payload["dust_usdc_micros"]) == (POOL, 0)
    await approved(payouts, exit_id)
    await payouts.perform(jobs.redeem, exits.REDEEM, exit_id, hears=True)
    await assert_all_is_paid_and_closed(payouts, exit_id, before)
    held = {wallet_of(0): TOKENS + 333, wallet_of(1): TOKENS - 333}
    for line in await payout_rows.lines(payouts.world.pool, exit_id):
        assert 0 <= line.usdc_micros - POOL * held.get(line.wallet, TOKENS) // SUPPLY <= 1


async def test_a_new_statement_replaces_the_old_one(payouts: PayoutWorld, tmp_path: Path) -> None:
    jobs = await liquidated(payouts, tmp_path)
    first = await stated(payouts, jobs)
    second = await stated(payouts, jobs)
    with pytest.raises(Problem, match="replaced"):
        await approved(payouts, first)
    await approved(payouts, second)
    with pytest.raises(Problem, match="APPROVED already"):
        await acts_of(payouts).state_sale(PROPERTY, PRICE, COSTS, admin())
    assert len(await payouts.bookings("release")) == 1


async def test_a_statement_that_the_chain_left_behind_fails_before_anything_is_burned(
    payouts: PayoutWorld, tmp_path: Path
) -> None:
    await payouts.fill_treasury(POOL)
    jobs = await liquidated(payouts, tmp_path)
    exit_id = await stated(payouts, jobs)
    await approved(payouts, exit_id)
    await mint(payouts.world.platform, payouts.world.deployed.suite, investor(0).address, 5, "late")
    await payouts.perform(jobs.redeem, exits.REDEEM, exit_id)
    found = await payout_rows.payout(payouts.world.pool, exit_id)
    assert found is not None
    assert (found.state, "out of date" in found.failure) == ("FAILED", True)
    assert await token(payouts, "totalSupply") == SUPPLY + 5
    assert await payouts.usdc_of(keys().treasury.address) == POOL
    await stated(payouts, jobs)


async def test_a_blacklisted_holder_is_burned_and_owed(payouts: PayoutWorld, tmp_path: Path) -> None:
    await payouts.fill_treasury(POOL)
    await payouts.blacklist(3, True)
    jobs = await liquidated(payouts, tmp_path)
    exit_id = await stated(payouts, jobs)
    await approved(payouts, exit_id)
    await payouts.perform(jobs.redeem, exits.REDEEM, exit_id, hears=True)
    ((_, line),) = await payout_rows.owed_to(payouts.world.pool, [wallet_of(3)])
    assert line.usdc_micros in (POOL // INVESTORS, POOL // INVESTORS + 1)
    assert await payouts.usdc_of(payouts.infra.redemption) == line.usdc_micros
    assert await token(payouts, "totalSupply") == 0
    assert await payouts.world.pool.fetchval("SELECT state FROM property") == "CLOSED"


@pytest.mark.slow
async def test_an_exit_that_was_stopped_is_stated_again_for_those_who_are_left(
    payouts: PayoutWorld, tmp_path: Path
) -> None:
    jobs = await liquidated(payouts, tmp_path)
    await payouts.fill_treasury(POOL)
    before = await payouts.balances()
    first = await stated(payouts, jobs)
    await approved(payouts, first)
    found = await payout_rows.payout(payouts.world.pool, first)
    assert found is not None
    plan, steps = await plan_of(payouts.world.pool, found), file_steps(tmp_path)
    contract = payouts.contract(payouts.treasury(steps), "ExitRedemption")
    await set_agent(payouts.world.platform, plan.token, contract.address, first, is_agent=True)
    await contract.declare(plan)
    await contract.pay_next(plan)
    cancel = ours("ExitRedemption").call_data("cancel", [key_of(first)])
    await payouts.world.platform.owner.send(contract.address, cancel)
    await payouts.perform(jobs.redeem, exits.REDEEM, first, hears=True)
    ((_, rest, _),) = await payouts.bookings("stopped")
    assert await payouts.usdc_of(keys().treasury.address) == rest
    assert not await token(payouts, "isAgent", payouts.infra.redemption)
    assert await payouts.world.pool.fetchval("SELECT state FROM property") == "LIQUIDATING"
    second = await acts_of(payouts).state_sale(PROPERTY, rest, 0, admin())
    await payouts.perform(jobs.prepare, exits.PREPARE, second)
    await approved(payouts, second)
    await payouts.perform(jobs.redeem, exits.REDEEM, second, hears=True)
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    assert sum(gains) == POOL
    assert all(gains)
    assert await token(payouts, "totalSupply") == 0
    assert await payouts.world.pool.fetchval("SELECT state FROM property") == "CLOSED"


@pytest.mark.parametrize("moment", ["before the step is stored", "before it is sent", "after it is sent"])
async def test_killed_at_every_step_each_holder_is_paid_once(payouts: PayoutWorld, tmp_path: Path, moment: str) -> None:
    await payouts.fill_treasury(POOL)
    before = await payouts.balances()
    payouts.points.is_deadly = True
    died: set[str] = set()
    KillingSender.died.clear()
    kills = 0

    def fresh() -> ExitJobs:
        """As a new process has it."""
        plain = FileSteps(tmp_path / "killed.json")
        steps: StepStore = plain
        if moment != "after it is sent":
            steps = KillingSteps(plain, died, moment == "before it is sent")
        return jobs_of(payouts, steps, KillingSender if moment == "after it is sent" else Sender)

    async def until_done(name: str, key: UUID, *, hears: bool = False) -> None:
        nonlocal kills
        while True:
            try:
                return await payouts.perform(getattr(fresh(), name), name, key, hears=hears)
            except Killed:
                kills += 1

    async def counts() -> list[int]:
        plain = payouts.world.platform
        senders = (keys().treasury.address, plain.sender.address, plain.owner.address)
        return [await plain.chain.eth.get_transaction_count(each) for each in senders]

    payouts.points.is_deadly = False
    await acts_of(payouts).liquidate(PROPERTY, admin())
    first = await counts()
    payouts.points.is_deadly = True
    await until_done("liquidate", PROPERTY)
    payouts.points.is_deadly = False
    exit_id = await acts_of(payouts).state_sale(PROPERTY, PRICE, COSTS, admin())
    await until_done("prepare", exit_id)
    await approved(payouts, exit_id)
    payouts.points.is_deadly = True
    await until_done("redeem", exit_id, hears=True)
    await assert_all_is_paid_and_closed(payouts, exit_id, before)
    sent = [now - was for was, now in zip(first, await counts(), strict=True)]
    chunks = (INVESTORS + 1) // 2
    assert sent == [2 + chunks, 3, INVESTORS]  # approve, declare, chunks; pause, agent, no agent; a sync for each lock
    # It did die at each; the pause and the approval of USDC are no steps, the locks are cleared several at a time.
    deaths = len(KillingSender.died) if moment == "after it is sent" else len(died) + 2
    assert deaths == sum(sent)
    assert kills > chunks + len(payouts.points.died)
    assert len(payouts.points.died) == 2 + 2 * chunks + 1  # declared, each chunk, the audit of the end
    assert len(await payouts.bookings("paid")) == chunks
