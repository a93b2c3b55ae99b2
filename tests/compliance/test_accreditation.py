"""Accreditation by documents and an officer, and the reminders before its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from api.actor import Actor, Role
from api.problem import Problem
from compliance.accreditation import DOCUMENTS_MAX, Accreditation
from compliance.identities import REVOKE_JOB
from compliance.kyc_status import StepName, StepState, kyc_status
from compliance.registry import create_user, link_wallet, set_accreditation, set_country, set_kyc
from compliance.reminders import Reminders
from compliance.rules import AccreditationStatus, KycStatus
from persistence.database import Pool
from persistence.document_store import document_store
from persistence.documents import DocumentRefusedError, Documents, received
from persistence.jobs import Job
from tests.compliance.provider import Notes
from tests.fixtures.registered import ACTOR, address_of

PDF = b"%PDF-1.7 a letter of an accountant"
DAY = timedelta(days=1)


@dataclass
class World:
    pool: Pool
    accreditation: Accreditation
    notes: Notes
    ann: Actor
    officer: Actor
    now: datetime

    async def send(self, content: bytes = PDF) -> None:
        async with received(_chunks(content)) as whole:
            await self.accreditation.add_document(self.ann, whole, "letter.pdf")

    async def submitted(self) -> UUID:
        await self.send()
        return await self.accreditation.submit(self.ann)

    async def step(self) -> StepState:
        shown = await kyc_status(self.pool, self.ann.user_id, lambda: self.now)
        return next(step.state for step in shown.steps if step.step is StepName.ACCREDITATION)

    async def status(self) -> str | None:
        found: str | None = await self.pool.fetchval(
            "SELECT status FROM accreditation WHERE user_id = $1", self.ann.user_id
        )
        return found

    async def remind(self) -> list[str]:
        """What one run tells."""
        before = len(self.notes.told)
        reminders = Reminders(self.pool, self.notes, lambda: self.now)
        await reminders.remind(Job("accreditation_reminders", "a day", {}, 1, _show))
        return [kind for _, kind in self.notes.told[before:]]


async def _show(step: str, done: int, of: int) -> None: ...


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _person(pool: Pool, name: str, *roles: Role) -> Actor:
    user_id = await create_user(pool, f"{name}@example.com", actor=ACTOR)
    await pool.execute("INSERT INTO credentials VALUES ($1, '$argon2id$none', now(), now())", user_id)
    for role in roles:
        await pool.execute("INSERT INTO user_roles (user_id, role) VALUES ($1, $2)", user_id, str(role))
    return Actor(user_id, 1, frozenset(roles), uuid4(), True)


@pytest.fixture
async def world(pool: Pool, tmp_path: Path) -> World:
    ann, officer = await _person(pool, "ann"), await _person(pool, "officer", Role.COMPLIANCE_OFFICER)
    now = datetime.now(UTC)
    documents = Documents(pool, document_store(tmp_path.as_uri()), bytes(32), now.timestamp)
    notes = Notes()
    made = World(pool, Accreditation(pool, documents, notes, lambda: made.now), notes, ann, officer, now)
    return made


async def test_documents_are_reviewed_by_an_officer_until_a_date(world: World) -> None:
    assert await world.step() is StepState.MISSING
    with pytest.raises(Problem, match="NO_DOCUMENTS"):
        await world.accreditation.submit(world.ann)
    review_id = await world.submitted()
    assert (await world.status(), await world.step()) == ("PENDING", StepState.WAITING)
    assert world.notes.told == [(world.officer.user_id, "ACCREDITATION_SUBMITTED")]
    (review,) = await world.accreditation.reviews("SUBMITTED")
    assert (review.review_id, review.user_id, len(review.links)) == (review_id, world.ann.user_id, 1)
    await world.accreditation.approve(world.officer, review_id, world.now + 90 * DAY)
    assert (await world.status(), await world.step()) == ("VERIFIED", StepState.DONE)
    assert await world.accreditation.reviews("SUBMITTED") == []
    assert world.notes.told[-1] == (world.ann.user_id, "ACCREDITATION_APPROVED")


async def test_nobody_decides_for_themselves_twice_or_without_a_date(world: World) -> None:
    review_id = await world.submitted()
    with pytest.raises(Problem, match="OWN_REVIEW"):
        await world.accreditation.approve(world.ann, review_id, world.now + DAY)
    for wrong in (world.now, world.now + 2_000 * DAY, datetime(2099, 1, 1)):
        with pytest.raises(Problem, match="EXPIRY_WRONG"):
            await world.accreditation.approve(world.officer, review_id, wrong)
    with pytest.raises(Problem, match="REVIEW_OPEN"):
        await world.submitted()
    await world.accreditation.reject(world.officer, review_id, "The letter is too old.")
    with pytest.raises(Problem, match="REVIEW_DECIDED"):
        await world.accreditation.approve(world.officer, review_id, world.now + DAY)
    with pytest.raises(Problem, match="NOT_FOUND"):
        await world.accreditation.reject(world.officer, uuid4(), "no")
    assert (await world.status(), await world.step()) == ("REJECTED", StepState.MISSING)


async def test_a_renewal_takes_nothing_away_while_it_is_reviewed_or_refused(world: World) -> None:
    ends = world.now + 90 * DAY
    await set_accreditation(world.pool, world.ann.user_id, AccreditationStatus.VERIFIED, ends, actor=ACTOR)
    review_id = await world.submitted()
    assert await world.status() == "VERIFIED"
    await world.accreditation.reject(world.officer, review_id, "The letter is too old.")
    assert await world.status() == "VERIFIED"


async def test_what_is_no_document_or_one_too_many_is_refused(world: World) -> None:
    with pytest.raises(DocumentRefusedError):
        await world.send(b"<html>")
    for _ in range(DOCUMENTS_MAX):
        await world.send()
    with pytest.raises(Problem, match="TOO_MANY_DOCUMENTS"):
        await world.send()


async def test_each_reminder_comes_once_and_the_nearest_that_holds(world: World) -> None:
    ends = world.now + 40 * DAY
    await set_accreditation(world.pool, world.ann.user_id, AccreditationStatus.VERIFIED, ends, actor=ACTOR)
    told = []
    for _ in range(45):
        told.append(await world.remind())
        assert await world.remind() == []
        world.now += DAY
    days = [day for day, kinds in enumerate(told) if kinds]
    assert days == [10, 33, 39, 40]
    assert [kind for kinds in told for kind in kinds] == ["ACCREDITATION_EXPIRES"] * 3 + ["ACCREDITATION_EXPIRED"]


async def test_who_renews_is_reminded_of_the_new_end_only(world: World) -> None:
    for ends in (world.now + 20 * DAY, world.now + 400 * DAY):
        await set_accreditation(world.pool, world.ann.user_id, AccreditationStatus.VERIFIED, ends, actor=ACTOR)
        await world.remind()
    world.now += 30 * DAY
    assert await world.remind() == []
    world.now += 350 * DAY
    assert await world.remind() == ["ACCREDITATION_EXPIRES"]


async def test_an_ended_kyc_lapses_on_chain(world: World) -> None:
    user_id = world.ann.user_id
    await link_wallet(world.pool, user_id, address_of("ann"), actor=ACTOR)
    await set_country(world.pool, user_id, "DE", actor=ACTOR)
    await set_kyc(world.pool, user_id, KycStatus.APPROVED, world.now + DAY, actor=ACTOR)
    await world.pool.execute("UPDATE kyc SET expires_at = now() - interval '1 s'")
    world.now += DAY
    assert await world.remind() == ["KYC_EXPIRED"]
    assert await world.pool.fetchval("SELECT state FROM identity_grants") == "LAPSING"
    assert await world.pool.fetchval("SELECT count(*) FROM jobs WHERE kind = $1", REVOKE_JOB) == 1
