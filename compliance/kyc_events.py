"""What the identity provider's webhooks say, as stages of a review in an order that no late arrival changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec

COMMENT_LENGTH_MAX: Final = 1_000
LABELS_MAX: Final = 20
PERSONAL_INFO_CHANGED: Final = "applicantPersonalInfoChanged"
_APPLICANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LABEL: Final = re.compile(r"[A-Z0-9_]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Stage(StrEnum):
    """Where a review stands, by the newest event; of two events in one millisecond the later one here counts."""

    CREATED = "CREATED"
    GREEN = "GREEN"  # approved by the provider's word in a webhook; not by us before its API says so
    PENDING = "PENDING"
    AWAITING_USER = "AWAITING_USER"
    ON_HOLD = "ON_HOLD"
    RESET = "RESET"
    RETRY = "RETRY"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}
_STAGE_OF_TYPE: Final = {
    "applicantCreated": Stage.CREATED,
    "applicantPending": Stage.PENDING,
    "applicantPrechecked": Stage.PENDING,
    "applicantAwaitingService": Stage.PENDING,
    "applicantAwaitingUser": Stage.AWAITING_USER,
    "applicantOnHold": Stage.ON_HOLD,
    "applicantReset": Stage.RESET,
    "applicantDeactivated": Stage.WITHDRAWN,
    "applicantDeleted": Stage.WITHDRAWN,
}
_REVIEWS: Final = ("applicantReviewed", "applicantWorkflowCompleted", "applicantWorkflowFailed")


class MalformedEventError(Exception):
    """A body that is authentic and makes no sense."""


@dataclass(frozen=True, slots=True)
class Event:
    """One webhook.

    event_id   sha256 of the raw body: a repeated webhook has the same bytes
    stage      None for what moves no review
    comment    the provider's words for the person, never those for its client
    """

    event_id: bytes
    type: str
    applicant_id: str
    user_id: UUID | None
    level: str
    created_ms: int
    stage: Stage | None
    labels: tuple[str, ...] = ()
    comment: str = ""

    @property
    def place(self) -> tuple[int, int]:
        return self.created_ms, 0 if self.stage is None else RANK[self.stage]


class _Result(msgspec.Struct, rename="camel"):
    review_answer: str = ""
    review_reject_type: str = ""
    reject_labels: list[str] | None = None
    moderation_comment: str | None = None


class _Body(msgspec.Struct, rename="camel"):
    type: str
    applicant_id: str
    created_at_ms: str
    external_user_id: str | None = None
    level_name: str | None = None
    review_result: _Result | None = None


def event_of(raw: bytes) -> Event:
    """Raises MalformedEventError."""
    try:
        body = msgspec.json.decode(raw, type=_Body)
        created_ms = _milliseconds(body.created_at_ms)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedEventError(f"{type(error).__name__} in a webhook of the identity provider") from None
    if not _APPLICANT_ID.fullmatch(body.applicant_id) or not re.fullmatch(r"[A-Za-z]{1,64}", body.type):
        raise MalformedEventError("an applicant or a type that is no word")
    result = body.review_result or _Result()
    labels = [label for label in result.reject_labels or () if _LABEL.fullmatch(label)]
    return Event(
        event_id=sha256(raw).digest(),
        type=body.type,
        applicant_id=body.applicant_id,
        user_id=_user_id(body.external_user_id),
        level=_plain(body.level_name or "")[:100],
        created_ms=created_ms,
        stage=_stage(body.type, result),
        labels=tuple(labels[:LABELS_MAX]),
        comment=_plain(result.moderation_comment or "")[:COMMENT_LENGTH_MAX],
    )


def _stage(event_type: str, result: _Result) -> Stage | None:
    if event_type not in _REVIEWS:
        return _STAGE_OF_TYPE.get(event_type)
    if result.review_answer == "GREEN":
        return Stage.GREEN
    if result.review_answer == "RED":
        return Stage.REJECTED if result.review_reject_type == "FINAL" else Stage.RETRY
    return None


def _milliseconds(text: str) -> int:
    """ "2026-02-21 13:23:19.321", in UTC."""
    time = datetime.strptime(text.removesuffix("+0000"), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    if time < _EPOCH:
        raise ValueError("before 1970")
    return (time - _EPOCH) // _MS


def _user_id(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _plain(text: str) -> str:
    """What the database keeps."""
    return text.replace("\x00", "").encode(errors="replace").decode()
