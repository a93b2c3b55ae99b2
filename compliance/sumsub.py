"""Sumsub, the provider that verifies identities: its client, and how its webhooks are signed.

Every call here may be made twice without harm (an applicant is found again by our own id), so all are retried.
Source: the provider's API reference; the same code speaks to the real one and to the sandbox.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import UUID

import aiohttp
import msgspec
from yarl import URL

from compliance.countries import ALPHA2_OF_ALPHA3

TIMEOUT_S: Final = 10.0
ATTEMPTS: Final = 4
PAUSE_FIRST_S: Final = 0.25
PAUSE_MOST_S: Final = 4.0
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
TOKEN_VALID_S: Final = 600
DIGESTS: Final = {"HMAC_SHA1_HEX": "sha1", "HMAC_SHA256_HEX": "sha256", "HMAC_SHA512_HEX": "sha512"}
_APPLICANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_log: Final = logging.getLogger(__name__)


class SumsubAway(Exception):  # noqa: N818 - a state of the world that callers wait out
    """No answer, or one that promises nothing: ask again later."""


class SumsubRefused(Exception):  # noqa: N818
    """The provider will not: its HTTP status. Its words stay here, for they may name a person."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the identity provider answered {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Applicant:
    """What the provider holds of a person, as far as we use it.

    review_status   init, pending, prechecked, queued, onHold or completed
    review_answer   GREEN or RED once it is completed, "" before
    country         of residence, ISO 3166 alpha-2; None where the provider does not know it
    """

    applicant_id: str
    external_user_id: str
    review_status: str
    review_answer: str
    country: str | None


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    review_status: str
    review_answer: str


class _Address(msgspec.Struct):
    country: str = ""


class _Info(msgspec.Struct):
    country: str = ""
    addresses: list[_Address] = []


class _ReviewResult(msgspec.Struct):
    review_answer: str = msgspec.field(name="reviewAnswer", default="")


class _Review(msgspec.Struct):
    review_status: str = msgspec.field(name="reviewStatus", default="init")
    review_result: _ReviewResult | None = msgspec.field(name="reviewResult", default=None)


class _ApplicantBody(msgspec.Struct):
    id: str
    external_user_id: str = msgspec.field(name="externalUserId", default="")
    info: _Info = msgspec.field(default_factory=_Info)
    fixed_info: _Info = msgspec.field(name="fixedInfo", default_factory=_Info)
    review: _Review = msgspec.field(default_factory=_Review)


class _Created(msgspec.Struct):
    id: str


class _Token(msgspec.Struct):
    token: str


Answer = TypeVar("Answer")


class Sumsub:
    """A client of one account.

    session  closed by its owner
    clock_s  seconds since the epoch: a call is signed with its time and must arrive within a minute
    Raises   SumsubAway, SumsubRefused from every call.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        app_token: str,
        secret_key: str,
        clock_s: Callable[[], float],
        *,
        pause_s: float = PAUSE_FIRST_S,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._app_token = app_token
        self._secret_key = secret_key.encode()
        self._clock_s = clock_s
        self._pause_s = pause_s

    async def create_applicant(self, user_id: UUID, level: str) -> str:
        """The id of the person's applicant, which is made if there is none."""
        path = f"/resources/applicants?levelName={quote(level, safe='')}"
        try:
            return (await self._call("POST", path, _Created, {"externalUserId": str(user_id)})).id
        except SumsubRefused as refused:
            if refused.status != 409:
                raise
        found = await self._call("GET", f"/resources/applicants/-;externalUserId={user_id}/one", _Created)
        return found.id

    async def access_token(self, user_id: UUID, level: str, valid_s: int = TOKEN_VALID_S) -> str:
        """A token with which the person's browser speaks to the provider."""
        body = {"userId": str(user_id), "levelName": level, "ttlInSecs": valid_s}
        return (await self._call("POST", "/resources/accessTokens/sdk", _Token, body)).token

    async def applicant(self, applicant_id: str) -> Applicant:
        _require_id(applicant_id)
        body = await self._call("GET", f"/resources/applicants/{applicant_id}/one", _ApplicantBody)
        result = body.review.review_result
        return Applicant(
            applicant_id=body.id,
            external_user_id=body.external_user_id,
            review_status=body.review.review_status,
            review_answer="" if result is None else result.review_answer,
            country=_residence(body),
        )

    async def status(self, applicant_id: str) -> ReviewStatus:
        _require_id(applicant_id)
        body = await self._call("GET", f"/resources/applicants/{applicant_id}/status", _Review)
        result = body.review_result
        return ReviewStatus(body.review_status, "" if result is None else result.review_answer)

    async def _call(self, method: str, path: str, answer: type[Answer], body: Any = None) -> Answer:
        raw = b"" if body is None else msgspec.json.encode(body)
        for attempt in range(ATTEMPTS):
            if attempt:
                pause_s = min(self._pause_s * 2**attempt, PAUSE_MOST_S)
                await asyncio.sleep(pause_s * (0.5 + random.random()))
            try:
                status, data = await self._once(method, path, raw)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                _log.warning("%s to the identity provider: %s", method, type(error).__name__)
                continue
            if 200 <= status < 300:
                return _decoded(data, answer)
            if status not in (408, 429) and status < 500:
                raise SumsubRefused(status)
        raise SumsubAway(f"the identity provider does not answer after {ATTEMPTS} attempts")

    async def _once(self, method: str, path: str, raw: bytes) -> tuple[int, bytes]:
        time_s = str(int(self._clock_s()))
        headers = {
            "Accept": "application/json",
            "X-App-Token": self._app_token,
            "X-App-Access-Ts": time_s,
            "X-App-Access-Sig": signature(self._secret_key, time_s, method, path, raw),
        }
        if raw:
            headers["Content-Type"] = "application/json"
        url = URL(self._url + path, encoded=True)  # what is sent is what is signed
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with self._session.request(
            method, url, data=raw or None, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > ANSWER_BYTES_MAX:
                    raise SumsubAway("the identity provider's answer is too long")
            return response.status, bytes(data)


def signature(secret_key: bytes, time_s: str, method: str, path: str, raw: bytes) -> str:
    """Of a call: HMAC-SHA256 in hex over time, method, path with query, and the raw body."""
    return hmac.new(secret_key, time_s.encode() + method.encode() + path.encode() + raw, sha256).hexdigest()


def webhook_digest(raw: bytes, algorithm: str, secret: bytes) -> str:
    """Raises KeyError for an algorithm that is none of DIGESTS."""
    return hmac.new(secret, raw, DIGESTS[algorithm]).hexdigest()


def verify_digest(raw: bytes, digest: str, algorithm: str, secret: bytes) -> bool:
    """Whether a webhook's raw body is signed by who knows the secret; in constant time."""
    if algorithm not in DIGESTS:
        return False
    expected = webhook_digest(raw, algorithm, secret)
    return hmac.compare_digest(expected.encode(), digest.encode(errors="replace"))


def _residence(body: _ApplicantBody) -> str | None:
    """Where the person lives: a verified address first, then what the person said, then the document's country."""
    given = [
        *(address.country for address in body.info.addresses),
        *(address.country for address in body.fixed_info.addresses),
        body.fixed_info.country,
        body.info.country,
    ]
    return next((ALPHA2_OF_ALPHA3[country] for country in given if country in ALPHA2_OF_ALPHA3), None)


def _decoded(data: bytes, answer: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(data, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SumsubAway("the identity provider's answer makes no sense") from None


def _require_id(applicant_id: str) -> None:
    assert _APPLICANT_ID.fullmatch(applicant_id), "checked where it came in"
