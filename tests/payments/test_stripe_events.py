"""Webhooks under fire: what is forged changes nothing, and what is true counts once, in any order."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from api.problem import Problem
from deedbook.sandbox.stripe_account import Object, StripeError, card_fee_cents
from payments.ledger import Currency, Kind, balances
from payments.stripe_signature import signature
from persistence.database import Pool
from persistence.jobs import JobFailed
from tests.payments.rent import OAK, SECRET, World

POSTS = 10_000
FEE_BPS, RESERVE_BPS = 800, 500


class Model:
    """What the ledger must say, by what was done to the account and nothing else. No dividend names a charge here."""

    def __init__(self) -> None:
        self.charges: dict[str, dict[str, int]] = {}
        self.paid_out = 0

    def expected(self) -> dict[str, int]:
        sums: Counter[str] = Counter()
        for charge in self.charges.values():
            amount, refunded, open_cents, lost = (charge[name] for name in ("amount", "refunded", "open", "lost"))
            fees = card_fee_cents(amount) + charge["disputes"] * 1_500
            kept = max(0, amount - refunded - open_cents - lost)
            sums.update(
                STRIPE_CLEARING=amount - refunded - open_cents - lost - fees,
                RENT_INCOME=-amount,
                RENT_REFUNDS=refunded,
                DISPUTED=open_cents,
                DISPUTE_LOSSES=lost,
                STRIPE_FEES=fees,
                MANAGEMENT_FEE=kept * FEE_BPS // 10_000,
                MANAGEMENT_FEE_PAYABLE=-(kept * FEE_BPS // 10_000),
                RESERVE_CONTRIBUTION=kept * RESERVE_BPS // 10_000,
                RESERVE=-(kept * RESERVE_BPS // 10_000),
            )
        sums["STRIPE_CLEARING"] -= self.paid_out
        sums["BANK_IN_TRANSIT"] += self.paid_out
        return {kind: cents for kind, cents in sums.items() if cents}


class Play:
    """Random acts on the account, each told to the model."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng, self.model = world, rng, Model()
        self.sessions: list[str] = []

    def act(self) -> None:
        account, rng, charges = self.world.account, self.rng, self.model.charges
        charge = rng.choice(sorted(charges)) if charges else None
        try:
            match rng.randrange(7):
                case 0 if self.sessions:
                    paid = account.pay(self.sessions.pop())
                    charges[paid["id"]] = {"amount": paid["amount"], "refunded": 0, "open": 0, "lost": 0, "disputes": 0}
                case 1 | 2 if charge:
                    refund = account.refund(charge, rng.randint(1, 40_000))
                    charges[charge]["refunded"] += refund["amount"]
                    if rng.random() < 0.3:
                        account.fail_refund(refund["id"])
                        charges[charge]["refunded"] -= refund["amount"]
                case 3 if charge:
                    dispute = account.dispute(charge, rng.randint(1, charges[charge]["amount"]))
                    charges[charge]["open"] += dispute["amount"]
                    charges[charge]["disputes"] += 1
                case 4 | 5 if disputes := account.listed("dispute"):
                    dispute, won = rng.choice(disputes), rng.random() < 0.5
                    account.close_dispute(dispute["id"], won=won)
                    charges[dispute["charge"]]["open"] = 0
                    charges[dispute["charge"]]["lost"] += 0 if won else dispute["amount"]
                case 6 if rng.random() < 0.3:
                    self.model.paid_out += account.payout()["amount"]
        except StripeError:
            return  # the bank says no: nothing happened


def forged(rng: random.Random, world: World, event: Object) -> tuple[bytes, str]:
    """A lie in one of the ways that there are."""
    body, header = world.signed(event)
    now_s = int(world.now_s)
    match rng.randrange(6):
        case 0:
            return body, f"t={now_s},v1={signature('whsec_other', body, now_s)}"
        case 1:
            place = rng.randrange(len(body))
            return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :], header
        case 2:
            old_s = now_s + rng.choice((-301, 301))
            return body, f"t={old_s},v1={signature(SECRET, body, old_s)}"
        case 3:
            return body, f"t={now_s + 1},{header.partition(',')[2]}"
        case 4:
            return body, f"t={now_s},v0={signature(SECRET, body, now_s)}"
        case _:
            return body, header[: rng.randrange(len(header))]


async def test_ten_thousand_posts_make_no_bad_transition(pool: Pool) -> None:
    """Forged, replayed, doubled, reordered and late ones, with jobs run in between, at any time and twice."""
    rng = random.Random(20261124)
    world = World(pool)
    play = Play(world, rng)
    for unit in range(10):
        lease = await world.lease(unit=str(unit), rent_cents=rng.randint(50_000, 250_000))
        play.sessions += [await world.session(lease, month) for month in range(1, 13)]
    said: list[Object] = []
    refused = accepted = 0
    while refused + accepted < POSTS:
        if rng.random() < 0.05:
            play.act()
            said += world.events
            world.events.clear()
        if not said:
            continue
        event = said[-1 - min(int(rng.expovariate(0.05)), len(said) - 1)]
        if rng.random() < 0.6:
            with pytest.raises(Problem) as caught:
                await world.stripe.receive(*forged(rng, world, event))
            assert caught.value.status == 400
            refused += 1
        else:
            await world.stripe.receive(*world.signed(event))
            accepted += 1
        if rng.random() < 0.05 and world.jobs:
            kind, key = rng.choice(world.jobs)
            if kind == "stripe_event":
                await world.stripe.handle(key)  # perhaps again later: a job runs at least once
    for event in rng.sample(said, len(said)):
        await world.stripe.receive(*world.signed(event))
    rng.shuffle(world.jobs)
    await world.work()
    assert min(refused, accepted) > POSTS // 4
    assert await pool.fetchval("SELECT count(*) FROM stripe_events") == len(said)
    found = await balances(pool, OAK)
    by_kind = {str(kind): cents for (kind, currency), cents in found.items() if currency is Currency.USD and cents}
    unpaid_cents = sum(world.account.get(each, "checkout.session")["amount_total"] for each in play.sessions)
    assert unpaid_cents > 0
    due = {"TENANT_RECEIVABLE": unpaid_cents, "RENT_DUE": -unpaid_cents}
    assert by_kind == play.model.expected() | due
    assert found[Kind.STRIPE_CLEARING, Currency.USD] == world.account.balance_cents()
    assert len(play.model.charges) > 20


async def test_an_event_that_lies_about_amounts_moves_nothing(pool: Pool) -> None:
    """Even one with the right signature: what is booked is what Stripe answers."""
    world = World(pool)
    charge = await world.paid(await world.lease())
    before = await balances(pool, OAK)
    lie = {"object": "event", "type": "charge.refunded", "created": 1, "id": "evt_lie"}
    about: dict[str, Any] = {"object": "charge", "id": charge, "amount_refunded": 100_000, "refunded": True}
    await world.stripe.receive(*world.signed(lie | {"data": {"object": about}}))
    await world.work()
    assert await balances(pool, OAK) == before


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("customer.created", {"object": "customer", "id": "cus_1"}),
        ("charge.refunded", {"object": "charge"}),
        ("charge.refunded", {"object": "charge", "id": 7}),
        ("charge.refunded", {"object": "charge", "id": "po_1"}),
        ("payout.paid", {"object": "payout", "id": "ch_1"}),
        ("payment_intent.payment_failed", {"object": "payment_intent", "id": "pi_1", "latest_charge": None}),
        ("charge.dispute.created", {"object": "dispute", "id": "dp_1", "charge": None}),
    ],
)
async def test_what_says_nothing_to_us_is_kept_and_asks_for_nothing(
    pool: Pool, kind: str, about: dict[str, Any]
) -> None:
    world = World(pool)
    event = {"object": "event", "type": kind, "created": 1, "id": "evt_1", "data": {"object": about}}
    assert await world.stripe.receive(*world.signed(event))
    assert not await world.stripe.receive(*world.signed(event))
    assert world.jobs == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"object":"event"}', b"[" * 100_000])
async def test_what_is_signed_and_no_event_is_refused(pool: Pool, body: bytes) -> None:
    world = World(pool)
    header = f"t={int(world.now_s)},v1={signature(SECRET, body, int(world.now_s))}"
    with pytest.raises(Problem, match="NOT_AN_EVENT"):
        await world.stripe.receive(body, header)


async def test_others_on_the_same_account_are_not_our_rent(pool: Pool) -> None:
    world = World(pool)
    charge = await world.paid(await world.lease())
    item = {"quantity": "1", "price_data": {"currency": "usd", "unit_amount": "5000"}}
    made = world.account.create_session({"mode": "payment", "success_url": "https://other", "line_items": {"0": item}})
    world.account.pay(made["id"])
    world.account.payout()
    await world.deliver()
    assert await pool.fetchval("SELECT array_agg(charge_id) FROM stripe_charges") == [charge]
    platform = await balances(pool, None)
    assert platform[Kind.BANK_IN_TRANSIT, Currency.USD] == 5_000 - card_fee_cents(5_000)


async def test_a_payout_that_holds_other_than_it_pays_is_for_an_operator(pool: Pool) -> None:
    world = World(pool)
    await world.paid(await world.lease())
    payout = world.account.payout()
    payout["amount"] += 1
    with pytest.raises(JobFailed, match="is it a manual one"):
        await world.deliver()
    assert (await balances(pool, OAK)).get((Kind.BANK_IN_TRANSIT, Currency.USD), 0) == 0


async def test_each_change_is_told_once_to_tenant_and_manager(pool: Pool) -> None:
    world = World(pool)
    lease = await world.lease()
    charge = await world.paid(lease)
    world.account.refund(charge, 10_000)
    world.account.refund(charge, 5_000)
    events = world.events[:]
    await world.deliver()
    for event in events:
        await world.stripe.handle(event["id"])
    told = Counter((user_id, kind) for user_id, kind, _ in world.told)
    assert {kind for _, kind in told} == {"RENT_PAID", "RENT_REFUNDED"}
    assert told[lease.tenant_id, "RENT_REFUNDED"] == 2
    assert told[UUID(int=77), "RENT_PAID"] == 1
    assert json.dumps(world.told, default=str).count("@") == 0
