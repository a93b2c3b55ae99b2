"""The routes of KYC and accreditation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from api.clock import Clock, utc_now
from api.problem import Problem
from api.route import Call, Kind, Route
from compliance.accreditation import Accreditation
from compliance.kyc import ForgedEventError, Kyc
from compliance.kyc_events import MalformedEventError, Stage
from compliance.kyc_status import ApplicantShown, KycShown, applicants, kyc_status
from compliance.messages import Strict, Text
from compliance.sumsub import SumsubAway, SumsubRefused
from persistence.database import Pool
from persistence.document_store import STORE_AWAY
from persistence.documents import DocumentRefusedError, received

CHUNK_BYTES: Final = 64 * 1024
DIGEST_HEADER: Final = "x-payload-digest"
ALGORITHM_HEADER: Final = "x-payload-digest-alg"


class Initiate(Strict, frozen=True):
    """`level`: one of those that the platform asks for; none: the usual one."""

    level: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class KycToken(msgspec.Struct, frozen=True):
    """`token` opens the identity provider's page in the browser until `expires_at`."""

    applicant_id: str
    token: str
    expires_at: datetime


class ApplicantsQuery(Strict, frozen=True):
    """`before`: the last `user_id` of the page before."""

    stage: Stage | None = None
    before: UUID | None = None


class DocumentQuery(Strict, frozen=True):
    name: Text


class AccreditationDocument(msgspec.Struct, frozen=True):
    document_id: UUID
    name: str
    content_type: str
    size_bytes: int
    sha256: str


class Submitted(msgspec.Struct, frozen=True):
    review_id: UUID


class ReviewsQuery(Strict, frozen=True):
    state: Literal["SUBMITTED", "APPROVED", "REJECTED"] = "SUBMITTED"
    after: UUID | None = None


class ReviewShown(msgspec.Struct, frozen=True):
    """`documents`: links that open them for some minutes."""

    review_id: UUID
    user_id: UUID
    state: str
    submitted_at: datetime
    decided_at: datetime | None
    expires_at: datetime | None
    reason: str
    documents: list[str]


class ApproveReview(Strict, frozen=True):
    expires_at: datetime


class RejectReview(Strict, frozen=True):
    reason: Annotated[str, Meta(min_length=1, max_length=800, pattern=r"^[^\x00]*$")]


def kyc_routes(pool: Pool, kyc: Kyc, accreditation: Accreditation, clock: Clock = utc_now) -> list[Route]:
    handlers = _Handlers(pool, kyc, accreditation, clock)
    review = "/accreditation/reviews/{review_id}"
    return [
        Route(
            method="POST",
            path="/kyc/initiate",
            handler=handlers.initiate,
            body=Initiate,
            answer=KycToken,
            summary="Begin the check of your identity, or go on with it.",
        ),
        Route(
            method="GET",
            path="/kyc/status",
            handler=handlers.status,
            answer=KycShown,
            summary="What is there, what is missing and why, step by step.",
        ),
        Route(
            method="GET",
            path="/kyc/applicants",
            handler=handlers.applicants,
            query=ApplicantsQuery,
            answer=list[ApplicantShown],
            summary="Who is being identified, and how far it is, in pages.",
        ),
        Route(
            method="POST",
            path="/webhooks/sumsub",
            handler=handlers.webhook,
            kind=Kind.WEBHOOK,
            summary="What the identity provider tells us, signed over the raw body.",
        ),
        Route(
            method="POST",
            path="/accreditation/documents",
            handler=handlers.add_document,
            query=DocumentQuery,
            answer=AccreditationDocument,
            status=201,
            kind=Kind.UPLOAD,
            summary="Add a PDF, PNG or JPEG that shows your accreditation; the body is the file itself.",
        ),
        Route(
            method="POST",
            path="/accreditation",
            handler=handlers.submit,
            answer=Submitted,
            status=201,
            summary="Have the documents reviewed that you have sent.",
        ),
        Route(
            method="GET",
            path="/accreditation/reviews",
            handler=handlers.reviews,
            query=ReviewsQuery,
            answer=list[ReviewShown],
            summary="Reviews in one state, oldest first.",
        ),
        Route(
            method="POST",
            path=f"{review}/approve",
            handler=handlers.approve,
            body=ApproveReview,
            summary="Accredit the person until a date.",
        ),
        Route(
            method="POST",
            path=f"{review}/reject",
            handler=handlers.reject,
            body=RejectReview,
            summary="Refuse the documents, with a reason that the person reads.",
        ),
    ]


class _Handlers:
    def __init__(self, pool: Pool, kyc: Kyc, accreditation: Accreditation, clock: Clock) -> None:
        self._pool = pool
        self._kyc = kyc
        self._accreditation = accreditation
        self._clock = clock

    async def initiate(self, call: Call[Initiate]) -> KycToken:
        try:
            begun = await self._kyc.initiate(call.signed_in, call.body.level)
        except SumsubAway:
            detail = "The identity provider does not answer; try again in a moment."
            raise Problem(503, "IDENTITY_PROVIDER_AWAY", detail) from None
        except SumsubRefused:
            detail = "The identity provider does not take this now: contact support if it goes on."
            raise Problem(502, "IDENTITY_PROVIDER_REFUSED", detail) from None
        return KycToken(begun.applicant_id, begun.token, begun.expires_at)

    async def status(self, call: Call[None]) -> KycShown:
        return await kyc_status(self._pool, call.signed_in.user_id, self._clock)

    async def applicants(self, call: Call[None]) -> list[ApplicantShown]:
        query: ApplicantsQuery = call.query
        return await applicants(self._pool, query.stage, query.before)

    async def webhook(self, call: Call[None]) -> None:
        """Forged: 401, and nothing is kept. Everything else that is authentic is answered with success at once."""
        digest, algorithm = call.headers.get(DIGEST_HEADER, ""), call.headers.get(ALGORITHM_HEADER, "")
        try:
            await self._kyc.take(call.raw, digest, algorithm)
        except ForgedEventError:
            raise Problem(401, "SIGNATURE_WRONG", "The body is not signed with the secret that we share.") from None
        except MalformedEventError as error:
            raise Problem(400, "BODY_MALFORMED", f"This is no event: {error}.") from None

    async def add_document(self, call: Call[None]) -> AccreditationDocument:
        actor = call.signed_in
        try:
            async with received(call.request.content.iter_chunked(CHUNK_BYTES)) as whole:
                kept = await self._accreditation.add_document(actor, whole, call.query.name)
        except DocumentRefusedError as error:
            status = 413 if error.reason == "DOCUMENT_TOO_LARGE" else 422
            raise Problem(status, error.reason, str(error)) from None
        except STORE_AWAY:
            raise Problem(503, "AWAY", "The document store is away; try again in a moment.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise Problem(400, "UPLOAD_BROKEN", "The upload broke off: send the file again.") from None
        return AccreditationDocument(kept.document_id, kept.name, kept.content_type, kept.size_bytes, kept.sha256.hex())

    async def submit(self, call: Call[None]) -> Submitted:
        return Submitted(await self._accreditation.submit(call.signed_in))

    async def reviews(self, call: Call[None]) -> list[ReviewShown]:
        query: Any = call.query
        found = await self._accreditation.reviews(query.state, query.after)
        return [
            ReviewShown(
                each.review_id,
                each.user_id,
                each.state,
                each.submitted_at,
                each.decided_at,
                each.expires_at,
                each.reason,
                list(each.links),
            )
            for each in found
        ]

    async def approve(self, call: Call[ApproveReview]) -> None:
        await self._accreditation.approve(call.signed_in, call.uuid("review_id"), call.body.expires_at)

    async def reject(self, call: Call[RejectReview]) -> None:
        await self._accreditation.reject(call.signed_in, call.uuid("review_id"), call.body.reason)
