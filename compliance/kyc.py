"""KYC: from the first click to an approved person, and back when the provider changes its mind.

A webhook can take away at once; it cannot give. GREEN only enqueues `kyc_approval`, which asks the provider's API what
it holds, country and all, and approves by that answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from api.actor import Actor
from api.clock import Clock, utc_now
from api.doors import Notify
from api.problem import Problem
from compliance.kyc_events import PERSONAL_INFO_CHANGED, Event, Stage, event_of
from compliance.registry import facts, put_country, put_kyc
from compliance.rules import KycStatus
from compliance.sumsub import TOKEN_VALID_S, Applicant, Sumsub, SumsubAway, SumsubRefused, verify_digest
from persistence.database import Connection, Pool
from persistence.jobs import Handler, Job, JobFailed, JobWaits, enqueue

APPROVAL_JOB: Final = "kyc_approval"
ACTOR: Final = "identity provider"
VALID_FOR: Final = timedelta(days=365)  # from the review
ASK_AGAIN_S: Final = 15.0
_STATUS: Final = {
    Stage.PENDING: KycStatus.PENDING,
    Stage.AWAITING_USER: KycStatus.PENDING,
    Stage.ON_HOLD: KycStatus.PENDING,
    Stage.RESET: KycStatus.PENDING,
    Stage.RETRY: KycStatus.PENDING,
    Stage.REJECTED: KycStatus.REJECTED,
    Stage.WITHDRAWN: KycStatus.NONE,
}
TEXTS: Final = {
    Stage.CREATED: "Send your documents to have your identity verified.",
    Stage.PENDING: "Your documents have arrived and are being checked.",
    Stage.GREEN: "Your identity is verified; the approval is being confirmed.",
    Stage.AWAITING_USER: "The check of your identity waits for you: open it again and finish it.",
    Stage.ON_HOLD: "The check of your identity takes longer than usual; you will be told when it is done.",
    Stage.RESET: "The check of your identity starts anew: send your documents again.",
    Stage.RETRY: "Something is missing in your documents: open the check again and send them once more.",
    Stage.REJECTED: "Your identity could not be verified: contact support.",
    Stage.WITHDRAWN: "The check of your identity was withdrawn: begin it again.",
}
APPROVED_TEXT: Final = "Your identity is verified. Your wallets are being registered on chain."
_log: Final = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of an authentic webhook."""

    APPLIED = "APPLIED"
    STALE = "STALE"
    IGNORED = "IGNORED"
    UNKNOWN_APPLICANT = "UNKNOWN_APPLICANT"
    REPEATED = "REPEATED"


class ForgedEventError(Exception):
    """A webhook that is not signed with the secret."""


@dataclass(frozen=True, slots=True)
class Initiated:
    applicant_id: str
    token: str
    expires_at: datetime


class Kyc:
    """levels: the provider's names of what may be asked for; the first is the usual one."""

    def __init__(
        self,
        pool: Pool,
        sumsub: Sumsub,
        notify: Notify,
        *,
        webhook_secret: str,
        levels: Sequence[str],
        clock: Clock = utc_now,
    ) -> None:
        assert levels
        assert webhook_secret
        self._pool = pool
        self._sumsub = sumsub
        self._notify = notify
        self._webhook_secret = webhook_secret.encode()
        self._levels = tuple(levels)
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        return {APPROVAL_JOB: self.confirm}

    async def initiate(self, actor: Actor, level: str | None = None) -> Initiated:
        """Make the person's applicant, or find it, and give a token for the provider's page.

        Raises Problem, SumsubAway, SumsubRefused.
        """
        level = level or self._levels[0]
        if level not in self._levels:
            raise Problem(400, "LEVEL_UNKNOWN", f"The level is one of: {', '.join(self._levels)}.")
        row = await self._pool.fetchrow(
            "SELECT applicant_id, stage FROM kyc_applicants WHERE user_id = $1", actor.user_id
        )
        if row is not None and row["stage"] == Stage.REJECTED:
            raise Problem(409, "KYC_REJECTED", TEXTS[Stage.REJECTED])
        if row is None or row["stage"] == Stage.WITHDRAWN:
            applicant_id = await self._sumsub.create_applicant(actor.user_id, level)
            await self._keep_applicant(actor.user_id, applicant_id, level)
        else:
            applicant_id = row["applicant_id"]
        expires_at = self._clock() + timedelta(seconds=TOKEN_VALID_S)
        return Initiated(applicant_id, await self._sumsub.access_token(actor.user_id, level), expires_at)

    async def take(self, raw: bytes, digest: str, algorithm: str) -> Outcome:
        """One webhook, whole or not at all. Raises ForgedEventError, kyc_events.MalformedEventError."""
        if not verify_digest(raw, digest, algorithm, self._webhook_secret):
            raise ForgedEventError
        event = event_of(raw)
        async with facts(self._pool) as connection:
            if await connection.fetchval("SELECT 1 FROM kyc_webhook_events WHERE event_id = $1", event.event_id):
                return Outcome.REPEATED
            outcome = await self._apply(connection, event)
            await connection.execute(
                "INSERT INTO kyc_webhook_events (event_id, applicant_id, type, created_ms, outcome)"
                " VALUES ($1, $2, $3, $4, $5)",
                event.event_id,
                event.applicant_id,
                event.type,
                event.created_ms,
                str(outcome),
            )
        return outcome

    async def confirm(self, job: Job) -> None:
        """The job `kyc_approval`, key "applicant/event": approve if the API says so and nothing came since."""
        applicant_id = job.key.partition("/")[0]
        seen = await self._green(self._pool, applicant_id)
        if seen is None:
            return
        applicant = await self._asked(applicant_id)
        if applicant.external_user_id != str(seen["user_id"]):
            raise JobFailed("the applicant is another person's")
        if applicant.review_status != "completed":
            raise JobWaits(ASK_AGAIN_S, "the identity provider is still reviewing")
        async with facts(self._pool) as connection:
            now = await self._green(connection, applicant_id)
            if now is None:
                return
            if now["event_ms"] != seen["event_ms"]:
                raise JobWaits(0, "the review has changed meanwhile")
            if applicant.review_answer == "GREEN":
                await self._approve(connection, now["user_id"], applicant, now["event_ms"])
            elif await _kyc_status(connection, now["user_id"]) == KycStatus.APPROVED:
                await put_kyc(connection, now["user_id"], KycStatus.PENDING, None, actor=ACTOR)

    async def _keep_applicant(self, user_id: UUID, applicant_id: str, level: str) -> None:
        """The newest event's place stays: what was said of an applicant before moves nothing any more."""
        async with facts(self._pool) as connection:
            await connection.execute(
                "INSERT INTO kyc_applicants (user_id, applicant_id, level) VALUES ($1, $2, $3)"
                " ON CONFLICT (user_id) DO UPDATE SET applicant_id = excluded.applicant_id, level = excluded.level,"
                " stage = 'CREATED', reject_labels = '{}', comment = '' WHERE kyc_applicants.stage = 'WITHDRAWN'",
                user_id,
                applicant_id,
                level,
            )

    async def _apply(self, connection: Connection, event: Event) -> Outcome:
        row = await self._applicant(connection, event)
        if row is None:
            _log.warning("a webhook %s of an applicant that is nobody's", event.type)
            return Outcome.UNKNOWN_APPLICANT
        if event.stage is None:
            if event.type == PERSONAL_INFO_CHANGED and row["stage"] == Stage.GREEN:
                await _ask(connection, event)
                return Outcome.APPLIED
            return Outcome.IGNORED
        if event.place <= (row["event_ms"], row["event_rank"]):
            return Outcome.STALE
        await connection.execute(
            "UPDATE kyc_applicants SET stage = $2, event_ms = $3, event_rank = $4, reject_labels = $5, comment = $6"
            " WHERE user_id = $1",
            row["user_id"],
            str(event.stage),
            *event.place,
            list(event.labels),
            event.comment,
        )
        await self._follow(connection, row["user_id"], event, event.stage)
        return Outcome.APPLIED

    async def _applicant(self, connection: Connection, event: Event) -> Any:
        """Its row; that of a person who has none yet is made: the provider's page may be faster than our answer."""
        row = await connection.fetchrow("SELECT * FROM kyc_applicants WHERE applicant_id = $1", event.applicant_id)
        if row is not None or event.user_id is None:
            return row
        return await connection.fetchrow(
            "INSERT INTO kyc_applicants (user_id, applicant_id, level)"
            " SELECT user_id, $2, $3 FROM users WHERE user_id = $1 ON CONFLICT (user_id) DO NOTHING RETURNING *",
            event.user_id,
            event.applicant_id,
            event.level or self._levels[0],
        )

    async def _follow(self, connection: Connection, user_id: UUID, event: Event, stage: Stage) -> None:
        """What a new stage means for the facts: everything but GREEN takes away or changes nothing."""
        current = await _kyc_status(connection, user_id)
        status = _STATUS.get(stage, current)
        if stage is Stage.GREEN:
            await _ask(connection, event)
            status = current if current is KycStatus.APPROVED else KycStatus.PENDING
        if status is not current:
            await put_kyc(connection, user_id, status, None, actor=ACTOR)
        if stage not in (Stage.CREATED, Stage.GREEN):
            await self._notify(connection, user_id, f"KYC_{stage}", TEXTS[stage], {"labels": list(event.labels)})

    async def _green(self, connection: Pool | Connection, applicant_id: str) -> Any:
        return await connection.fetchrow(
            "SELECT user_id, event_ms FROM kyc_applicants WHERE applicant_id = $1 AND stage = 'GREEN'", applicant_id
        )

    async def _asked(self, applicant_id: str) -> Applicant:
        try:
            return await self._sumsub.applicant(applicant_id)
        except SumsubAway:
            raise JobWaits(ASK_AGAIN_S, "the identity provider is away") from None
        except SumsubRefused as refused:
            raise JobFailed(str(refused)) from None

    async def _approve(self, connection: Connection, user_id: UUID, applicant: Applicant, event_ms: int) -> None:
        expires_at = datetime.fromtimestamp(event_ms / 1000, UTC) + VALID_FOR
        known = await connection.fetchval("SELECT country_alpha2 FROM residence WHERE user_id = $1", user_id)
        if applicant.country is not None and applicant.country != known:
            await put_country(connection, user_id, applicant.country, actor=ACTOR)
        row = await connection.fetchrow("SELECT status, expires_at FROM kyc WHERE user_id = $1", user_id)
        if row is None or (row["status"], row["expires_at"]) != (KycStatus.APPROVED, expires_at):
            await put_kyc(connection, user_id, KycStatus.APPROVED, expires_at, actor=ACTOR)
            await self._notify(connection, user_id, "KYC_APPROVED", APPROVED_TEXT)


async def _kyc_status(connection: Connection, user_id: UUID) -> KycStatus:
    status = await connection.fetchval("SELECT status FROM kyc WHERE user_id = $1", user_id)
    return KycStatus.NONE if status is None else KycStatus(status)


async def _ask(connection: Connection, event: Event) -> None:
    await enqueue(connection, APPROVAL_JOB, f"{event.applicant_id}/{event.event_id.hex()[:16]}")
