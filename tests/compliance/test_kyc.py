"""KYC from the first click to an approval and back: a webhook takes at once and gives nothing by itself."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from api.actor import Actor, Role
from api.problem import Problem
from compliance.identities import GRANT_JOB, REVOKE_JOB
from compliance.kyc import APPROVAL_JOB, VALID_FOR, ForgedEventError, Outcome
from compliance.kyc_events import MalformedEventError
from compliance.kyc_status import StepName, StepState, kyc_status
from compliance.permissions import compile_permissions
from compliance.registry import create_user, link_wallet, set_identity_registered
from compliance.rules import KycStatus
from compliance.sumsub import SumsubAway
from engine import types as t
from persistence.database import Pool
from persistence.jobs import Job, JobFailed, JobWaits
from tests.compliance.provider import (
    FINAL,
    GREEN,
    NOW_MS,
    RETRY,
    FakeSumsub,
    Notes,
    applicant_of,
    digest,
    kyc_of,
    reviewed,
    webhook,
)
from tests.fixtures.answers import Door
from tests.fixtures.market import Market
from tests.fixtures.registered import ACTOR, add_person, address_of, open_market


class World:
    def __init__(self, pool: Pool, user_id: UUID) -> None:
        self.pool, self.user_id = pool, user_id
        self.sumsub, self.notes = FakeSumsub(), Notes()
        self.kyc = kyc_of(pool, self.sumsub, self.notes)

    async def take(self, raw: bytes) -> Outcome:
        return await self.kyc.take(raw, digest(raw), "HMAC_SHA256_HEX")

    async def confirm(self) -> None:
        """The newest approval job, as the worker would call it."""
        key = await self.pool.fetchval(
            "SELECT key FROM jobs WHERE kind = $1 ORDER BY job_number DESC LIMIT 1", APPROVAL_JOB
        )
        await self.kyc.confirm(Job(APPROVAL_JOB, key, {}, 1, _show))

    async def status(self) -> KycStatus:
        status = await self.pool.fetchval("SELECT status FROM kyc WHERE user_id = $1", self.user_id)
        return KycStatus(status or "NONE")

    async def approve(self, created_ms: int = NOW_MS) -> None:
        self.sumsub.holds(self.user_id)
        await self.take(reviewed(self.user_id, GREEN, created_ms))
        await self.confirm()

    async def job_kinds(self) -> list[str]:
        return [row["kind"] for row in await self.pool.fetch("SELECT kind FROM jobs ORDER BY job_number")]

    def told(self) -> list[str]:
        return [kind for _, kind in self.notes.told]


async def _show(step: str, done: int, of: int) -> None: ...


@pytest.fixture
async def world(pool: Pool) -> World:
    return World(pool, await add_person(pool, "ann"))


def actor_of(user_id: UUID, *roles: Role) -> Actor:
    return Actor(user_id, 1, frozenset(roles), uuid4(), True)


async def test_an_applicant_is_made_once_and_found_again(world: World) -> None:
    begun = await world.kyc.initiate(actor_of(world.user_id))
    again = await world.kyc.initiate(actor_of(world.user_id), "plus")
    assert begun.applicant_id == again.applicant_id == applicant_of(world.user_id)
    assert (begun.token, again.token) == ("token of basic", "token of plus")
    assert await world.pool.fetchval("SELECT count(*) FROM kyc_applicants") == 1
    with pytest.raises(Problem, match="LEVEL_UNKNOWN"):
        await world.kyc.initiate(actor_of(world.user_id), "gold")


async def test_an_approval_waits_for_the_api_and_brings_country_and_identity(world: World) -> None:
    assert await world.take(webhook(world.user_id, "applicantPending", NOW_MS - 5)) is Outcome.APPLIED
    assert await world.take(reviewed(world.user_id, GREEN)) is Outcome.APPLIED
    assert await world.status() is KycStatus.PENDING  # a webhook alone gives nothing
    world.sumsub.is_away = True
    with pytest.raises(JobWaits, match="away"):
        await world.confirm()
    world.sumsub.is_away = False
    world.sumsub.holds(world.user_id, answer="", status="pending")
    with pytest.raises(JobWaits, match="still reviewing"):
        await world.confirm()
    world.sumsub.holds(world.user_id)
    await world.confirm()
    await world.confirm()
    shown = await kyc_status(world.pool, world.user_id)
    assert (shown.kyc, shown.country) == (KycStatus.APPROVED, "DE")
    assert shown.kyc_expires_at == datetime.fromtimestamp(NOW_MS / 1000, UTC) + VALID_FOR
    assert await world.job_kinds() == [APPROVAL_JOB, GRANT_JOB]
    assert world.told() == ["KYC_PENDING", "KYC_APPROVED"]


async def test_what_the_api_denies_is_not_approved(world: World) -> None:
    await world.take(reviewed(world.user_id, GREEN))
    world.sumsub.holds(world.user_id, answer="RED")
    await world.confirm()
    assert await world.status() is KycStatus.PENDING
    world.sumsub.applicants[applicant_of(world.user_id)] = world.sumsub.applicants.pop(
        applicant_of(world.user_id)
    ).__class__(applicant_of(world.user_id), str(uuid4()), "completed", "GREEN", "DE")
    with pytest.raises(JobFailed, match="another person"):
        await world.confirm()
    assert await world.status() is KycStatus.PENDING


async def test_a_rejection_that_comes_while_the_api_is_asked_wins(world: World) -> None:
    await world.take(reviewed(world.user_id, GREEN))
    world.sumsub.holds(world.user_id)
    ask = world.sumsub.applicant

    async def slow(applicant_id: str) -> object:
        answer = await ask(applicant_id)
        await world.take(reviewed(world.user_id, FINAL, NOW_MS + 1))
        return answer

    world.sumsub.applicant = slow  # type: ignore[method-assign, assignment]
    await world.confirm()
    assert await world.status() is KycStatus.REJECTED


async def test_green_then_red_takes_resting_orders_and_lapses_the_identity(pool: Pool) -> None:
    door = Door(Market())
    await open_market(pool, door)
    world = World(pool, await add_person(pool, "ann"))
    await world.approve()
    await set_identity_registered(pool, address_of("ann"), is_registered=True, block=1, actor=ACTOR)
    await pool.execute("UPDATE identity_grants SET state = 'GRANTED', block = 1")
    await compile_permissions(pool, door.submit, door.market.time_ns)
    account = await pool.fetchval("SELECT account FROM wallets WHERE address = $1", address_of("ann"))
    block, log_index = door.market.chain_position()
    door.market.send(
        t.LevelChanged(t.USDC, 10**9, 10**9, 0, block, log_index, t.LevelCause.DEPOSIT, address_of("ann")),
        t.Place(account, 2, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 100, 1),
    )
    assert len(door.market.exchange.state().orders) == 1
    await world.take(reviewed(world.user_id, FINAL, NOW_MS + 1))
    await compile_permissions(pool, door.submit, door.market.time_ns)
    assert door.market.exchange.state().orders == ()
    assert await pool.fetchval("SELECT state FROM identity_grants") == "LAPSING"
    assert REVOKE_JOB in await world.job_kinds()
    await world.approve(NOW_MS + 2)
    assert await world.status() is KycStatus.APPROVED
    grants = await pool.fetch("SELECT grant_number, state FROM identity_grants ORDER BY grant_number")
    assert [tuple(row) for row in grants] == [(1, "LAPSING"), (2, "WANTED")]


async def test_a_wallet_linked_after_the_approval_wants_an_identity(pool: Pool) -> None:
    world = World(pool, await create_user(pool, "ann@example.com", actor=ACTOR))
    await world.approve()
    assert GRANT_JOB not in await world.job_kinds()
    await link_wallet(pool, world.user_id, address_of("ann"), actor=ACTOR)
    assert (await world.job_kinds()).count(GRANT_JOB) == 1


async def test_a_retry_says_what_is_missing_and_never_what_is_not_for_the_person(world: World) -> None:
    await world.take(reviewed(world.user_id, RETRY))
    shown = await kyc_status(world.pool, world.user_id)
    review = next(step for step in shown.steps if step.step is StepName.REVIEW)
    assert (shown.kyc, review.state, review.labels) == (
        KycStatus.PENDING,
        StepState.MISSING,
        ["BAD_PROOF_OF_IDENTITY"],
    )
    assert "The photo is blurred." in review.text
    rows = await world.pool.fetch(
        "SELECT row_to_json(a)::text AS text FROM kyc_applicants AS a UNION ALL"
        " SELECT row_to_json(e)::text FROM kyc_webhook_events AS e UNION ALL"
        " SELECT row_to_json(l)::text FROM audit_log AS l"
    )
    everything = " ".join([repr(shown), *world.notes.texts, *(row["text"] for row in rows)])
    assert "not for the person" not in everything


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("applicantReset", KycStatus.PENDING),
        ("applicantOnHold", KycStatus.PENDING),
        ("applicantAwaitingUser", KycStatus.PENDING),
        ("applicantDeleted", KycStatus.NONE),
    ],
)
async def test_a_review_that_is_opened_again_takes_the_approval_away(
    world: World, kind: str, status: KycStatus
) -> None:
    await world.approve()
    await world.take(webhook(world.user_id, kind, NOW_MS + 1))
    assert await world.status() is status


async def test_who_was_rejected_for_good_cannot_begin_again_and_who_was_withdrawn_can(world: World) -> None:
    await world.take(reviewed(world.user_id, FINAL))
    with pytest.raises(Problem, match="KYC_REJECTED"):
        await world.kyc.initiate(actor_of(world.user_id))
    await world.take(webhook(world.user_id, "applicantDeleted", NOW_MS + 1))
    await world.kyc.initiate(actor_of(world.user_id))
    assert await world.take(reviewed(world.user_id, GREEN, NOW_MS)) is Outcome.STALE


async def test_a_changed_address_is_asked_for_again(world: World) -> None:
    await world.approve()
    world.sumsub.holds(world.user_id, country="FR")
    assert await world.take(webhook(world.user_id, "applicantPersonalInfoChanged", NOW_MS + 1)) is Outcome.APPLIED
    await world.confirm()
    shown = await kyc_status(world.pool, world.user_id)
    assert (shown.kyc, shown.country) == (KycStatus.APPROVED, "FR")


async def test_strange_webhooks_are_kept_and_change_nothing(world: World) -> None:
    assert await world.take(webhook(uuid4(), "applicantPending")) is Outcome.UNKNOWN_APPLICANT
    assert await world.take(webhook(world.user_id, "applicantTagsChanged")) is Outcome.IGNORED
    assert await world.status() is KycStatus.NONE
    with pytest.raises(MalformedEventError):
        await world.take(b'{"type":"applicantPending"}')
    with pytest.raises(ForgedEventError):
        await world.kyc.take(webhook(world.user_id, "applicantPending"), "00", "HMAC_SHA256_HEX")
    assert await world.pool.fetchval("SELECT count(*) FROM kyc_webhook_events") == 2


async def test_the_provider_away_is_said_and_leaves_nothing(world: World) -> None:
    world.sumsub.is_away = True
    with pytest.raises(SumsubAway):
        await world.kyc.initiate(actor_of(world.user_id))
    assert await world.pool.fetchval("SELECT count(*) FROM kyc_applicants") == 0


async def test_the_database_itself_refuses_to_go_back(world: World) -> None:
    await world.take(reviewed(world.user_id, FINAL))
    with pytest.raises(asyncpg.RaiseError, match="older event"):
        await world.pool.execute("UPDATE kyc_applicants SET event_ms = event_ms - 1")


# -- ten thousand webhooks against a plain model

STRICTNESS = ["CREATED", "GREEN", "PENDING", "AWAITING_USER", "ON_HOLD", "RESET", "RETRY", "REJECTED", "WITHDRAWN"]
KINDS = {
    "CREATED": ("applicantCreated", None),
    "GREEN": ("applicantReviewed", GREEN),
    "PENDING": ("applicantPending", None),
    "AWAITING_USER": ("applicantAwaitingUser", None),
    "ON_HOLD": ("applicantOnHold", None),
    "RESET": ("applicantReset", None),
    "RETRY": ("applicantReviewed", RETRY),
    "REJECTED": ("applicantReviewed", FINAL),
    "WITHDRAWN": ("applicantDeactivated", None),
}
LOST = {"CREATED": None, "GREEN": None, "REJECTED": KycStatus.REJECTED, "WITHDRAWN": KycStatus.NONE}


class Model:
    """The rules in their plainest form: the highest (ms, strictness) seen of a person decides."""

    def __init__(self) -> None:
        self.place = (0, 0)
        self.stage = "CREATED"
        self.status = KycStatus.NONE
        self.seen: set[bytes] = set()

    def take(self, raw: bytes, created_ms: int, stage: str) -> Outcome:
        if raw in self.seen:
            return Outcome.REPEATED
        self.seen.add(raw)
        place = (created_ms, STRICTNESS.index(stage))
        if place <= self.place:
            return Outcome.STALE
        self.place, self.stage = place, stage
        wanted = LOST.get(stage, KycStatus.PENDING)
        if stage == "GREEN" and self.status is not KycStatus.APPROVED:
            wanted = KycStatus.PENDING
        self.status = self.status if wanted is None else wanted
        return Outcome.APPLIED

    def confirm(self) -> None:
        if self.stage == "GREEN":
            self.status = KycStatus.APPROVED


def forged(rng: random.Random, raw: bytes) -> tuple[bytes, str, str]:
    """Something that nobody who lacks the secret could have sent otherwise."""
    good = digest(raw)
    match rng.randrange(6):
        case 0:
            place = rng.randrange(len(raw))
            return raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :], good, "HMAC_SHA256_HEX"
        case 1:
            return raw, digest(raw, secret="another"), "HMAC_SHA256_HEX"
        case 2:
            return raw, good, rng.choice(["HMAC_SHA1_HEX", "HMAC_SHA512_HEX", "HMAC_MD5_HEX", "none", ""])
        case 3:
            return raw, good[: rng.randrange(len(good))], "HMAC_SHA256_HEX"
        case 4:
            return raw, "\u0660" * len(good), "HMAC_SHA256_HEX"
        case _:
            return raw + b" ", good, "HMAC_SHA256_HEX"


async def _require_agreement(pool: Pool, models: dict[UUID, Model]) -> None:
    rows = await pool.fetch(
        "SELECT user_id, stage, event_ms, coalesce(status, 'NONE') AS status"
        " FROM kyc_applicants LEFT JOIN kyc USING (user_id)"
    )
    found = {row["user_id"]: (row["stage"], row["event_ms"], row["status"]) for row in rows}
    known = {user_id: model for user_id, model in models.items() if model.seen}
    assert found == {user_id: (each.stage, each.place[0], each.status) for user_id, each in known.items()}


async def test_ten_thousand_webhooks_make_no_bad_transition(pool: Pool) -> None:
    """Forged, replayed, doubled and in any order; four in ten are forged."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    users = [await create_user(pool, f"p{number}@example.com", actor=ACTOR) for number in range(25)]
    models = {user_id: Model() for user_id in users}
    world = World(pool, users[0])
    for user_id in users:
        world.sumsub.holds(user_id)
    sent = []
    for user_id in users:
        for _ in range(100):
            stage, created_ms = rng.choice(STRICTNESS), NOW_MS + rng.randrange(60)
            kind, result = KINDS[stage]
            sent.append((user_id, webhook(user_id, kind, created_ms, result), created_ms, stage))
    refused = 0
    for number in range(10_000):
        user_id, raw, created_ms, stage = rng.choice(sent)
        if rng.random() < 0.4:
            with pytest.raises(ForgedEventError):
                await world.kyc.take(*forged(rng, raw))
            refused += 1
            continue
        algorithm = rng.choice(["HMAC_SHA1_HEX", "HMAC_SHA256_HEX", "HMAC_SHA512_HEX"])
        outcome = await world.kyc.take(raw, digest(raw, algorithm), algorithm)
        assert outcome is models[user_id].take(raw, created_ms, stage)
        if stage == "GREEN" and rng.random() < 0.3:
            await world.kyc.confirm(Job(APPROVAL_JOB, f"{applicant_of(user_id)}/any", {}, 1, _show))
            models[user_id].confirm()
        if number % 250 == 0:
            await _require_agreement(pool, models)
    await _require_agreement(pool, models)
    assert 3_500 < refused < 4_500
    approved = await pool.fetchval("SELECT count(*) FROM kyc WHERE status = 'APPROVED' AND expires_at IS NOT NULL")
    assert approved == sum(each.status is KycStatus.APPROVED for each in models.values())
    assert timedelta(days=365) == VALID_FOR
