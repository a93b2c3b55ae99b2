"""A dividend on a real chain, from a proposal to the last holder, killed at every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from api.doors import Decision
from api.problem import Problem
from deedbook.jobs.dividend import DividendJobs
from deedbook.jobs.payout import plan_of
from deedbook.outages import waiting_out
from engine import types as t
from engine.wire import decode_events
from persistence.commands import Answer
from persistence.feed import FeedLost
from persistence.jobs import Job, JobWaits
from settlement import dividends, payout_rows
from settlement.artifacts import ours
from settlement.dividends import Asked, Dividends
from settlement.node import node
from settlement.payouts import key_of
from settlement.steps import FileSteps, Sender, StepStore
from tests.deedbook.jobs.payout_world import (
    ADMIN,
    PROPERTY,
    PayoutWorld,
    PlainBooks,
    admin,
    no_show,
    user_of,
    wallet_of,
)
from tests.settlement.killing import Killed, KillingSender, KillingSteps
from tests.settlement.local_chain import file_steps, free_port, keys
from tests.settlement.world import INVESTORS, OAK, TICK_VALUE_USDC_MICROS, TOKENS, account_of, investor

POOL = 10_000_001
SUPPLY = INVESTORS * TOKENS
DUST = 1


def acts_of(payouts: PayoutWorld) -> Dividends:
    return Dividends(payouts.world.pool, payouts, PlainBooks(payouts.points), payouts.audit, payouts.enqueue)


def jobs_of(payouts: PayoutWorld, treasury: Sender) -> DividendJobs:
    return DividendJobs(
        payouts.world.pool,
        payouts.submit,
        payouts.dates(),
        acts_of(payouts),
        payouts.decide,
        payouts.actor_of,
        payouts.contract(treasury, "DividendDistributor"),
        payouts.events(),
        chunk_holders=2,
    )


def asked(usdc_micros: int = POOL, **terms: bool | int | None) -> Asked:
    fields = {"usdc_micros": usdc_micros, "period": None, "record_seq": None, "includes_unsold": True} | terms
    return Asked(PROPERTY, **fields)  # type: ignore[arg-type]


async def prepared(payouts: PayoutWorld, tmp_path: Path, wanted: Asked) -> UUID:
    """Proposed, counted, and approved by a second person."""
    payout_id = await acts_of(payouts).propose(wanted, admin())
    jobs = jobs_of(payouts, payouts.treasury(file_steps(tmp_path)))
    await payouts.perform(jobs.prepare, dividends.PREPARE, payout_id)
    return payout_id


async def paid(payouts: PayoutWorld, tmp_path: Path, payout_id: UUID) -> None:
    await payouts.approve(payout_id, acts_of(payouts).approved)
    await payouts.perform(jobs_of(payouts, payouts.treasury(file_steps(tmp_path))).pay, dividends.PAY, payout_id)


async def test_every_holder_of_record_gets_its_share(payouts: PayoutWorld, tmp_path: Path) -> None:
    await payouts.world.trade(buyer=0, seller=1, qty_lots=500)
    await payouts.world.mine_batches()
    await payouts.world.listen()
    await payouts.fill_treasury(POOL)
    before = await payouts.balances()
    payout_id = await prepared(payouts, tmp_path, asked())
    await payouts.world.trade(buyer=2, seller=3, qty_lots=100)  # after the record date
    await paid(payouts, tmp_path, payout_id)
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    held = [TOKENS + 500, TOKENS - 500, TOKENS, TOKENS, TOKENS]
    assert gains == [POOL * units // SUPPLY for units in held]
    assert sum(gains) + DUST == POOL
    assert await payouts.usdc_of(keys().treasury.address) == DUST
    assert await payouts.usdc_of(payouts.infra.dividends) == 0
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    assert (found.state, found.dust_usdc_micros) == ("PAID", DUST)
    assert await payouts.bookings("declared") == [(None, POOL - DUST, DUST)]
    assert [amount for _, amount, _ in await payouts.bookings("paid")] == [
        sum(gains[n] for n in chunk) for chunk in _chunks()
    ]
    assert await payouts.told() == [(user_of(number), "DIVIDEND_PAID") for number in range(INVESTORS)]


def _chunks() -> list[list[int]]:
    """Investors in the order of their wallets, two a chunk."""
    order = sorted(range(INVESTORS), key=lambda number: bytes.fromhex(investor(number).address[2:]))
    return [order[start : start + 2] for start in range(0, INVESTORS, 2)]


async def test_the_payload_holds_what_two_people_approve(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked())
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    assert found.payload is not None
    assert found.head is not None
    terms = await dividends.terms(payouts.world.pool, payout_id)
    assert found.payload["head"] == f"0x{found.head.hex()}"
    assert found.payload["record_seq"] == terms.record_seq
    assert found.payload["record_block"] == terms.record_block
    assert found.payload["unsold_base_units"] == str(TOKENS)
    assert found.payload["charges"] == [
        {"charge": "ch_1", "usdc_micros": POOL - 1},
        {"charge": "ch_2", "usdc_micros": 1},
    ]
    assert (found.payload["pool_usdc_micros"], found.payload["dust_usdc_micros"]) == (POOL, DUST)


async def test_unsold_supply_can_be_left_out(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked(4_000_000, includes_unsold=False))
    lines = await payout_rows.lines(payouts.world.pool, payout_id)
    assert [line.usdc_micros for line in lines] == [1_000_000] * (INVESTORS - 1)
    assert (await dividends.terms(payouts.world.pool, payout_id)).unsold_base_units == TOKENS


async def test_an_earlier_record_date_counts_those_who_held_then(payouts: PayoutWorld, tmp_path: Path) -> None:
    then = payouts.world.feed.exchange.seq
    await payouts.world.trade(buyer=0, seller=1, qty_lots=TOKENS, price_ticks=10)
    await payouts.world.mine_batches()
    await payouts.world.listen()
    payout_id = await prepared(payouts, tmp_path, asked(record_seq=then))
    assert len(await payout_rows.lines(payouts.world.pool, payout_id)) == INVESTORS
    now_id = await prepared(payouts, tmp_path, asked())
    assert len(await payout_rows.lines(payouts.world.pool, now_id)) == INVESTORS - 1


def ex_dates(payouts: PayoutWorld) -> list[tuple[int, t.WentEx]]:
    """With their seqs, in the journal."""
    events = [each for frame in payouts.world.feed.frame_list for each in decode_events(frame.events)]
    return [(seq, event) for seq, event in events if isinstance(event, t.WentEx)]


async def bid_at(payouts: PayoutWorld, price_ticks: int) -> None:
    limit, gtc = t.OrderType.LIMIT, t.TimeInForce.GTC
    await payouts.world.feed.send(t.Place(account_of(0), OAK, t.Side.BUY, limit, gtc, price_ticks, 1))


def bids(payouts: PayoutWorld) -> list[int]:
    return [order.price_ticks for order in payouts.world.feed.exchange.state().orders]


async def test_the_record_date_is_the_ex_date_of_open_orders(payouts: PayoutWorld, tmp_path: Path) -> None:
    await bid_at(payouts, 50)
    ticks = 7
    payout_id = await prepared(payouts, tmp_path, asked(SUPPLY * (ticks - 1) * TICK_VALUE_USDC_MICROS + 1))
    ((seq, ex),) = ex_dates(payouts)
    assert (await dividends.terms(payouts.world.pool, payout_id)).record_seq == seq
    assert (ex.instrument, ex.lowered_ticks) == (OAK, ticks)
    assert bids(payouts) == [50 - ticks]
    await acts_of(payouts).cancel(payout_id, admin())
    assert bids(payouts) == [50 - ticks], "who bought meanwhile was not to get it"


async def test_supply_that_gets_nothing_is_no_part_of_what_a_lot_gets(payouts: PayoutWorld, tmp_path: Path) -> None:
    pool = (SUPPLY - TOKENS) * 3 * TICK_VALUE_USDC_MICROS
    await prepared(payouts, tmp_path, asked(pool, includes_unsold=False))
    assert [ex.lowered_ticks for _, ex in ex_dates(payouts)] == [3]


async def test_an_earlier_record_date_leaves_orders_alone(payouts: PayoutWorld, tmp_path: Path) -> None:
    await bid_at(payouts, 50)
    await prepared(payouts, tmp_path, asked(record_seq=payouts.world.feed.exchange.seq - 1))
    assert (ex_dates(payouts), bids(payouts)) == ([], [50])


async def test_killed_after_its_ex_date_it_has_no_second_one(payouts: PayoutWorld, tmp_path: Path) -> None:
    async def sent_and_died(commands: Sequence[t.Command]) -> list[Answer]:
        await submit(commands)
        raise Killed

    await bid_at(payouts, 50)
    payout_id = await acts_of(payouts).propose(asked(), admin())
    submit, payouts.submit = payouts.submit, sent_and_died
    with pytest.raises(Killed):
        await payouts.perform(jobs_of(payouts, payouts.treasury(file_steps(tmp_path))).prepare, "prepare", payout_id)
    payouts.submit = submit
    await bid_at(payouts, 45)
    await payouts.perform(jobs_of(payouts, payouts.treasury(file_steps(tmp_path))).prepare, "prepare", payout_id)
    ((seq, _),) = ex_dates(payouts)
    assert (await dividends.terms(payouts.world.pool, payout_id)).record_seq == seq
    assert bids(payouts) == [49, 45]


async def test_a_token_that_nobody_holds_has_no_ex_date(payouts: PayoutWorld, tmp_path: Path) -> None:
    async def nothing(*_: object) -> dict[bytes, int]:
        return {}

    dates = payouts.dates()
    dates.balances_at = nothing  # type: ignore[method-assign, assignment]
    payouts.dates = lambda: dates  # type: ignore[method-assign]
    found = await payout_rows.payout(payouts.world.pool, await prepared(payouts, tmp_path, asked()))
    assert found is not None
    assert found.failure == "Nobody held the token at the record date."
    assert ex_dates(payouts) == []


async def test_a_blacklisted_holder_is_owed_and_claims(payouts: PayoutWorld, tmp_path: Path) -> None:
    await payouts.fill_treasury(POOL)
    await payouts.blacklist(2, True)
    before = await payouts.balances()
    payout_id = await prepared(payouts, tmp_path, asked())
    await paid(payouts, tmp_path, payout_id)
    share = POOL // INVESTORS
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    assert gains == [share, share, 0, share, share]
    wallet = bytes.fromhex(investor(2).address[2:])
    ((owing, line),) = await payout_rows.owed_to(payouts.world.pool, [wallet])
    assert (owing.payout_id, line.usdc_micros, owing.state) == (payout_id, share, "PAID")
    assert (user_of(2), "DIVIDEND_OWED") in await payouts.told()
    assert sum(owed for _, _, owed in await payouts.bookings("paid")) == share
    await payouts.blacklist(2, False)
    contract = payouts.contract(payouts.treasury(file_steps(tmp_path)), "DividendDistributor")
    sender = Sender(payouts.world.platform.chain, investor(2), file_steps(tmp_path))
    await sender.send(contract.address, contract.claim_data(payout_id, investor(2).address))
    await payouts.events().collect(payout_id)
    await payouts.events().collect(payout_id)
    assert await payout_rows.owed_to(payouts.world.pool, [wallet]) == []
    assert (await payouts.balances())[2] - before[2] == share
    assert await payouts.bookings("claimed") == [(None, share, 0)]
    assert (user_of(2), "DIVIDEND_CLAIMED") in await payouts.told()


async def test_a_cancelled_dividend_is_approved_by_nobody(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked())
    await acts_of(payouts).cancel(payout_id, admin())
    with pytest.raises(Problem, match="cancelled"):
        await payouts.approve(payout_id, acts_of(payouts).approved)
    assert len(await payouts.bookings("release")) == 1
    with pytest.raises(Problem, match="cannot be cancelled"):
        await acts_of(payouts).cancel(payout_id, admin())


async def test_a_pool_too_small_for_anybody_fails_and_frees_its_money(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked(2))
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    assert (found.state, found.failure) == ("FAILED", "No holder's share is as much as one micro.")
    assert len(await payouts.bookings("release")) == 1


async def test_who_may_not_propose_any_more_leaves_no_money_aside(payouts: PayoutWorld, tmp_path: Path) -> None:
    async def refuse(*_: object) -> Decision:
        raise Problem(403, "ROLE_MISSING", "This takes a role that you do not have: ADMIN.")

    payouts.decide = refuse  # type: ignore[method-assign]
    found = await payout_rows.payout(payouts.world.pool, await prepared(payouts, tmp_path, asked()))
    assert found is not None
    assert (found.state, found.failure) == ("FAILED", "This takes a role that you do not have: ADMIN.")
    assert len(await payouts.bookings("release")) == 1
    assert await payout_rows.lines(payouts.world.pool, found.payout_id) == []


async def test_what_two_people_do_not_want_is_called_off(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked())
    for _ in range(2):
        async with payouts.world.pool.acquire() as connection, connection.transaction():
            await acts_of(payouts).declined(connection, {"dividend_id": str(payout_id)})
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    assert found.state == "CANCELLED"
    assert len(await payouts.bookings("release")) == 1


async def test_what_the_owner_cancels_on_chain_is_stopped_and_the_rest_free(
    payouts: PayoutWorld, tmp_path: Path
) -> None:
    await payouts.fill_treasury(POOL)
    payout_id = await prepared(payouts, tmp_path, asked())
    await payouts.approve(payout_id, acts_of(payouts).approved)
    contract = payouts.contract(payouts.treasury(file_steps(tmp_path)), "DividendDistributor")
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    plan = await plan_of(payouts.world.pool, found)
    await contract.declare(plan)
    await contract.pay_next(plan)
    cancel = ours("DividendDistributor").call_data("cancel", [key_of(payout_id)])
    await payouts.world.platform.owner.send(contract.address, cancel)
    for _ in range(2):
        await payouts.perform(jobs_of(payouts, payouts.treasury(file_steps(tmp_path))).pay, dividends.PAY, payout_id)
    sums = await payout_rows.sums(payouts.world.pool, payout_id)
    (paid_lines, paid_micros), (returned_lines, returned_micros) = sums["PAID"], sums["RETURNED"]
    assert (paid_lines, returned_lines) == (2, INVESTORS - 2)
    assert paid_micros + returned_micros == POOL - DUST
    assert await payouts.bookings("stopped") == [(None, returned_micros, 0)]
    assert await payouts.usdc_of(keys().treasury.address) == returned_micros + DUST
    assert await payouts.usdc_of(payouts.infra.dividends) == 0
    stopped = await payout_rows.payout(payouts.world.pool, payout_id)
    assert stopped is not None
    assert stopped.state == "STOPPED"
    assert (ADMIN, "DIVIDEND_STOPPED") in await payouts.told()


async def test_a_treasury_that_is_short_is_waited_for(payouts: PayoutWorld, tmp_path: Path) -> None:
    payout_id = await prepared(payouts, tmp_path, asked())
    await payouts.approve(payout_id, acts_of(payouts).approved)
    jobs = jobs_of(payouts, payouts.treasury(file_steps(tmp_path)))
    with pytest.raises(JobWaits, match=f"has 0 USDC micros, {POOL - DUST} are needed"):
        await jobs.pay(Job(dividends.PAY, str(payout_id), {}, 1, no_show))
    await payouts.fill_treasury(POOL)
    await payouts.perform(jobs.pay, dividends.PAY, payout_id)


@pytest.mark.slow
async def test_an_outage_of_the_exchange_or_the_chain_is_waited_out(payouts: PayoutWorld, tmp_path: Path) -> None:
    async def lost(_: object) -> list[Answer]:
        raise FeedLost

    submit, payouts.submit = payouts.submit, lost
    payout_id = await acts_of(payouts).propose(asked(), admin())
    before = jobs_of(payouts, payouts.treasury(file_steps(tmp_path)))
    with pytest.raises(JobWaits, match="the exchange is away"):
        await waiting_out(before.prepare)(Job(dividends.PREPARE, str(payout_id), {}, 1, no_show))
    payouts.submit = submit
    jobs = jobs_of(payouts, payouts.treasury(file_steps(tmp_path)))
    await payouts.perform(jobs.prepare, dividends.PREPARE, payout_id)
    await payouts.fill_treasury(POOL)
    await payouts.approve(payout_id, acts_of(payouts).approved)
    nobody = node(f"http://127.0.0.1:{free_port()}")
    cut_off = jobs_of(payouts, Sender(nobody, keys().treasury, file_steps(tmp_path)))
    with pytest.raises(JobWaits, match="the chain is away"):
        await waiting_out(cut_off.pay)(Job(dividends.PAY, str(payout_id), {}, 1, no_show))
    await nobody.provider.disconnect()
    await payouts.perform(jobs.pay, dividends.PAY, payout_id)
    assert await payouts.bookings("declared") == [(None, POOL - DUST, DUST)]
    assert await payouts.usdc_of(keys().treasury.address) == DUST


async def test_what_a_lost_wallet_is_owed_goes_where_its_holder_was_recovered(
    payouts: PayoutWorld, tmp_path: Path
) -> None:
    await payouts.fill_treasury(POOL)
    await payouts.blacklist(2, True)
    payout_id = await prepared(payouts, tmp_path, asked())
    await paid(payouts, tmp_path, payout_id)
    contract, owner = payouts.infra.dividends, payouts.world.platform.owner
    artifact, fresh = ours("DividendDistributor"), investor(3).address
    queue = artifact.call_data("queueRedirect", [key_of(payout_id), investor(2).address, fresh])
    await owner.send(contract, queue)
    await payouts.world.rpc("evm_increaseTime", 13 * 3600)
    await payouts.world.mine()
    await owner.send(contract, artifact.call_data("executeRedirect", [key_of(payout_id), investor(2).address]))
    await payouts.events().collect(payout_id)
    assert await payout_rows.owed_to(payouts.world.pool, [wallet_of(2)]) == []
    ((_, line),) = await payout_rows.owed_to(payouts.world.pool, [wallet_of(3)])
    assert (line.wallet, line.usdc_micros) == (wallet_of(2), POOL // INVESTORS)
    claim = artifact.call_data("claim", [key_of(payout_id), fresh])
    await owner.send(contract, claim)
    await payouts.events().collect(payout_id)
    assert await payout_rows.owed_to(payouts.world.pool, [wallet_of(3)]) == []
    assert await payouts.bookings("claimed") == [(None, POOL // INVESTORS, 0)]
    assert (user_of(3), "DIVIDEND_CLAIMED") in await payouts.told()


async def test_what_a_reorg_takes_back_is_paid_again_once(payouts: PayoutWorld, tmp_path: Path) -> None:
    await payouts.fill_treasury(POOL)
    before = await payouts.balances()
    payout_id = await prepared(payouts, tmp_path, asked())
    await payouts.approve(payout_id, acts_of(payouts).approved)
    found = await payout_rows.payout(payouts.world.pool, payout_id)
    assert found is not None
    plan = await plan_of(payouts.world.pool, found)
    contract = payouts.contract(payouts.treasury(file_steps(tmp_path)), "DividendDistributor")
    await contract.declare(plan)
    await contract.pay_next(plan)
    await payouts.world.rpc("anvil_reorg", 3, [])  # the chunk, the declaration and the approval of USDC
    assert await contract.standing(payout_id) is None
    assert await payouts.balances() == before
    await payouts.perform(jobs_of(payouts, payouts.treasury(file_steps(tmp_path))).pay, dividends.PAY, payout_id)
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    assert gains == [POOL // INVESTORS] * INVESTORS
    assert await payouts.usdc_of(payouts.infra.dividends) == 0


@pytest.mark.parametrize("moment", ["before the step is stored", "before it is sent", "after it is sent"])
async def test_killed_at_every_step_each_holder_is_paid_once(payouts: PayoutWorld, tmp_path: Path, moment: str) -> None:
    await payouts.fill_treasury(POOL)
    before = await payouts.balances()
    payout_id = await acts_of(payouts).propose(asked(), admin())
    payouts.points.is_deadly = True
    died: set[str] = set()
    KillingSender.died.clear()
    kills = 0

    def fresh() -> DividendJobs:
        """As a new process has it."""
        plain = FileSteps(tmp_path / "killed.json")
        steps: StepStore = plain
        if moment != "after it is sent":
            steps = KillingSteps(plain, died, moment == "before it is sent")
        kind = KillingSender if moment == "after it is sent" else Sender
        return jobs_of(payouts, payouts.treasury(steps, kind))

    async def until_done(name: str) -> None:
        nonlocal kills
        while True:
            try:
                return await payouts.perform(getattr(fresh(), name), name, payout_id)
            except Killed:
                kills += 1

    await until_done("prepare")
    payouts.points.is_deadly = False
    await payouts.approve(payout_id, acts_of(payouts).approved)
    payouts.points.is_deadly = True
    await until_done("pay")
    gains = [after - was for was, after in zip(before, await payouts.balances(), strict=True)]
    assert gains == [POOL // INVESTORS] * INVESTORS
    assert sum(gains) + DUST == POOL
    on_chain = await payouts.world.platform.chain.eth.get_transaction_count(keys().treasury.address)
    assert on_chain == 1 + 1 + len(_chunks())  # approve, declare, and each chunk once
    steps = on_chain if moment == "after it is sent" else on_chain - 1  # the approval of USDC is no step
    assert kills == steps + len(payouts.points.died)
    assert len(payouts.points.died) == 2 + 2 + 2 * len(_chunks())
    assert await payouts.told() == [(user_of(number), "DIVIDEND_PAID") for number in range(INVESTORS)]
    assert len(await payouts.bookings("paid")) == len(_chunks())
