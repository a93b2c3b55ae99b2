"""The identity provider as compliance meets it: its webhooks, and an API that answers what a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from compliance.kyc import Kyc
from compliance.sumsub import Applicant, Sumsub, SumsubAway, webhook_digest
from persistence.database import Pool

SECRET = "the secret of webhooks"
ALGORITHM = "HMAC_SHA256_HEX"
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


class FakeSumsub(Sumsub):
    """Says of every applicant what `applicants` holds; raises SumsubAway while `is_away`."""

    def __init__(self) -> None:
        self.applicants: dict[str, Applicant] = {}
        self.asked = 0
        self.is_away = False

    async def create_applicant(self, user_id: UUID, level: str) -> str:
        self._require_here()
        return applicant_of(user_id)

    async def access_token(self, user_id: UUID, level: str, valid_s: int = 600) -> str:
        self._require_here()
        return f"token of {level}"

    async def applicant(self, applicant_id: str) -> Applicant:
        self._require_here()
        self.asked += 1
        return self.applicants[applicant_id]

    def _require_here(self) -> None:
        if self.is_away:
            raise SumsubAway("away")

    def holds(
        self, user_id: UUID, answer: str = "GREEN", country: str | None = "DE", status: str = "completed"
    ) -> None:
        name = applicant_of(user_id)
        self.applicants[name] = Applicant(name, str(user_id), status, answer, country)


class Notes:
    """A Notify door that keeps what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[UUID, str]] = []
        self.texts: list[str] = []

    async def __call__(
        self, connection: Any, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
    ) -> None:
        self.told.append((user_id, kind))
        self.texts.append(f"{text} {data}")


def applicant_of(user_id: UUID) -> str:
    return f"applicant{user_id.hex[-12:]}"


def kyc_of(pool: Pool, sumsub: Sumsub, notes: Notes) -> Kyc:
    return Kyc(pool, sumsub, notes, webhook_secret=SECRET, levels=("basic", "plus"))


def webhook(user_id: UUID, kind: str, created_ms: int = NOW_MS, result: Mapping[str, Any] | None = None) -> bytes:
    created = datetime.fromtimestamp(created_ms / 1000, UTC)
    body: dict[str, Any] = {
        "applicantId": applicant_of(user_id),
        "externalUserId": str(user_id),
        "levelName": "basic",
        "type": kind,
        "createdAtMs": f"{created:%Y-%m-%d %H:%M:%S}.{created_ms % 1000:03}",
        "correlationId": "req-1",
    }
    return msgspec.json.encode(body | ({} if result is None else {"reviewResult": dict(result)}))


GREEN: Mapping[str, Any] = {"reviewAnswer": "GREEN"}
RETRY: Mapping[str, Any] = {
    "reviewAnswer": "RED",
    "reviewRejectType": "RETRY",
    "rejectLabels": ["BAD_PROOF_OF_IDENTITY"],
    "moderationComment": "The photo is blurred.",
    "clientComment": "not for the person's eyes",
}
FINAL: Mapping[str, Any] = {**RETRY, "reviewRejectType": "FINAL", "rejectLabels": ["FORGERY"]}


def reviewed(user_id: UUID, result: Mapping[str, Any], created_ms: int = NOW_MS) -> bytes:
    return webhook(user_id, "applicantReviewed", created_ms, result)


def digest(raw: bytes, algorithm: str = ALGORITHM, secret: str = SECRET) -> str:
    return webhook_digest(raw, algorithm, secret.encode())
