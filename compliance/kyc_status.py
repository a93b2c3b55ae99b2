"""Where a person stands on the way to trading: step by step, what is there, what is missing, and why."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from api.clock import Clock, utc_now
from compliance.kyc import TEXTS
from compliance.kyc_events import Stage
from compliance.rules import AccreditationStatus, KycStatus
from persistence.database import Pool

_FACTS: Final = """
    SELECT coalesce(k.status, 'NONE') AS kyc, k.expires_at AS kyc_expires_at, p.stage, p.reject_labels, p.comment,
        r.country_alpha2 AS country, coalesce(a.status, 'NONE') AS accreditation,
        a.expires_at AS accreditation_expires_at,
        EXISTS (SELECT FROM accreditation_reviews AS v WHERE v.user_id = u.user_id AND state = 'SUBMITTED')
            AS is_submitted,
        (SELECT reason FROM accreditation_reviews AS v WHERE v.user_id = u.user_id ORDER BY review_id DESC LIMIT 1)
            AS reason
    FROM users AS u LEFT JOIN kyc AS k USING (user_id) LEFT JOIN kyc_applicants AS p USING (user_id)
    LEFT JOIN residence AS r USING (user_id) LEFT JOIN accreditation AS a USING (user_id)
    WHERE u.user_id = $1
"""
_WALLETS: Final = """
    SELECT w.address, EXISTS (SELECT FROM identity_registrations AS i WHERE i.address = w.address) AS is_registered
    FROM wallets AS w WHERE w.user_id = $1 ORDER BY w.linked_at, w.address
"""
_APPLICANTS: Final = """
    SELECT p.user_id, p.stage, p.reject_labels, coalesce(k.status, 'NONE') AS kyc, k.expires_at AS kyc_expires_at,
        r.country_alpha2 AS country, p.created_at, to_timestamp(nullif(p.event_ms, 0) / 1000.0) AS heard_at
    FROM kyc_applicants AS p LEFT JOIN kyc AS k USING (user_id) LEFT JOIN residence AS r USING (user_id)
    WHERE ($1::text IS NULL OR p.stage = $1) AND ($2::uuid IS NULL OR p.user_id < $2)
    ORDER BY p.user_id DESC LIMIT $3
"""
APPLICANTS_PAGE: Final = 100
_WAITS: Final = (Stage.PENDING, Stage.ON_HOLD, Stage.GREEN)


class StepName(StrEnum):
    APPLICANT = "APPLICANT"
    REVIEW = "REVIEW"
    COUNTRY = "COUNTRY"
    IDENTITY = "IDENTITY"
    ACCREDITATION = "ACCREDITATION"


class StepState(StrEnum):
    """MISSING: the person must act; WAITING: somebody else; FAILED: support must."""

    DONE = "DONE"
    MISSING = "MISSING"
    WAITING = "WAITING"
    FAILED = "FAILED"


class Step(msgspec.Struct, frozen=True):
    """`text` says what is missing and why; `labels` are the provider's words for what it did not accept."""

    step: StepName
    state: StepState
    text: str
    labels: list[str] = []


class WalletShown(msgspec.Struct, frozen=True):
    address: str
    is_registered: bool


class ApplicantShown(msgspec.Struct, frozen=True):
    """Somebody at the identity provider; `heard_at`: the provider's last event that counted."""

    user_id: UUID
    stage: Stage
    reject_labels: list[str]
    kyc: KycStatus
    kyc_expires_at: datetime | None
    country: str | None
    created_at: datetime
    heard_at: datetime | None


class KycShown(msgspec.Struct, frozen=True):
    """All that matters to the person it is of; `accreditation` is needed for some properties only."""

    kyc: KycStatus
    kyc_expires_at: datetime | None
    country: str | None
    accreditation: AccreditationStatus
    accreditation_expires_at: datetime | None
    wallets: list[WalletShown]
    steps: list[Step]


async def applicants(pool: Pool, stage: str | None, before: UUID | None) -> list[ApplicantShown]:
    """A page, those who registered last first."""
    rows = await pool.fetch(_APPLICANTS, stage, before, APPLICANTS_PAGE)
    return [msgspec.convert(dict(row), ApplicantShown) for row in rows]


async def kyc_status(pool: Pool, user_id: UUID, clock: Clock = utc_now) -> KycShown:
    row = await pool.fetchrow(_FACTS, user_id)
    assert row is not None, "who asks is a user"
    wallets = [
        WalletShown(f"0x{each['address'].hex()}", each["is_registered"]) for each in await pool.fetch(_WALLETS, user_id)
    ]
    now = clock()
    return KycShown(
        kyc=KycStatus(row["kyc"]),
        kyc_expires_at=row["kyc_expires_at"],
        country=row["country"],
        accreditation=AccreditationStatus(row["accreditation"]),
        accreditation_expires_at=row["accreditation_expires_at"],
        wallets=wallets,
        steps=[
            _applicant(row),
            _review(row, now),
            _country(row),
            _identity(row, wallets),
            _accreditation(row, now),
        ],
    )


def _applicant(row: Any) -> Step:
    if row["stage"] is None and row["kyc"] == KycStatus.NONE:
        return Step(StepName.APPLICANT, StepState.MISSING, "Begin with POST /kyc/initiate.")
    if row["stage"] == Stage.WITHDRAWN:
        return Step(StepName.APPLICANT, StepState.MISSING, TEXTS[Stage.WITHDRAWN])
    return Step(StepName.APPLICANT, StepState.DONE, "The check of your identity has begun.")


def _review(row: Any, now: datetime) -> Step:
    name = StepName.REVIEW
    if row["kyc"] == KycStatus.APPROVED:
        if row["kyc_expires_at"] <= now:
            return Step(name, StepState.MISSING, "Your identity was verified too long ago: verify it again.")
        return Step(name, StepState.DONE, f"Your identity is verified until {row['kyc_expires_at'].date()}.")
    if row["kyc"] == KycStatus.REJECTED:
        return Step(name, StepState.FAILED, TEXTS[Stage.REJECTED])
    if row["stage"] is None:
        return Step(name, StepState.MISSING, TEXTS[Stage.CREATED])
    stage = Stage(row["stage"])
    text = f"{TEXTS[stage]} {row['comment']}".strip()
    state = StepState.WAITING if stage in _WAITS else StepState.MISSING
    return Step(name, state, text, list(row["reject_labels"]))


def _country(row: Any) -> Step:
    if row["country"] is not None:
        return Step(StepName.COUNTRY, StepState.DONE, f"You live in {row['country']}.")
    if row["kyc"] == KycStatus.APPROVED:
        text = "The identity provider does not know your address: add it on its page."
        return Step(StepName.COUNTRY, StepState.MISSING, text)
    return Step(StepName.COUNTRY, StepState.WAITING, "Your country comes with your verified identity.")


def _identity(row: Any, wallets: list[WalletShown]) -> Step:
    name = StepName.IDENTITY
    if not wallets:
        return Step(name, StepState.MISSING, "Link a wallet: POST /wallets/challenge, sign it, POST /wallets.")
    if all(wallet.is_registered for wallet in wallets):
        return Step(name, StepState.DONE, "Your wallets are registered on chain.")
    if row["kyc"] == KycStatus.APPROVED and row["country"] is not None:
        return Step(name, StepState.WAITING, "A wallet of yours is being registered on chain: this takes some minutes.")
    return Step(name, StepState.WAITING, "Your wallets are registered on chain once your identity is verified.")


def _accreditation(row: Any, now: datetime) -> Step:
    name = StepName.ACCREDITATION
    if row["accreditation"] == AccreditationStatus.VERIFIED and row["accreditation_expires_at"] > now:
        return Step(name, StepState.DONE, f"You are accredited until {row['accreditation_expires_at'].date()}.")
    if row["is_submitted"]:
        return Step(name, StepState.WAITING, "Your documents are being reviewed by a compliance officer.")
    if row["accreditation"] == AccreditationStatus.VERIFIED:
        return Step(name, StepState.MISSING, "Your accreditation has expired: send new documents.")
    if row["accreditation"] == AccreditationStatus.REJECTED:
        text = f"Your documents were not accepted: {row['reason'] or 'contact support'}"
        return Step(name, StepState.MISSING, f"{text.rstrip('.')}. Send others.")
    text = "Some properties are for accredited investors only: send documents that show that you are one."
    return Step(name, StepState.MISSING, text)
