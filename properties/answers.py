"""What the routes of properties take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from persistence.documents import Document
from persistence.jobs import JobRow, JobState
from properties.property import Property, PropertyState
from properties.terms import TermsWords, words_of

PAGE_MOST: Final = 100


class PropertyBody(msgspec.Struct, forbid_unknown_fields=True):
    """`issuer_wallet`: 0x and 40 hex digits; needed when the property is handed in."""

    terms: TermsWords
    issuer_wallet: str | None = None


# The terms, each of which may be left out.
TermsChanges: Any = msgspec.defstruct(
    "TermsChanges",
    [(term.name, term.type | msgspec.UnsetType, msgspec.UNSET) for term in msgspec.structs.fields(TermsWords)],
    kw_only=True,
    forbid_unknown_fields=True,
)


class PropertyChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    terms: TermsChanges | msgspec.UnsetType = msgspec.UNSET
    issuer_wallet: str | msgspec.UnsetType | None = msgspec.UNSET


class PageQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`before`: the `next` of the page before."""

    before: UUID | None = None
    limit: int = 50


class UploadQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The document's name, as people see it."""

    name: str


class RejectBody(msgspec.Struct, forbid_unknown_fields=True):
    reason: str


class PropertyAnswer(msgspec.Struct):
    """Addresses are 0x and 40 hex digits; `market` is the instrument's symbol once it can be traded."""

    property_id: UUID
    state: PropertyState
    manager_id: UUID
    issuer_wallet: str | None
    terms: TermsWords
    reject_reason: str | None
    token: str | None
    instrument: int | None
    market: str | None
    tokenized_at: datetime | None
    created_at: datetime
    changed_at: datetime


class PropertyPage(msgspec.Struct):
    properties: list[PropertyAnswer]
    next: UUID | None


class DocumentAnswer(msgspec.Struct):
    """`link` opens this document for a few minutes."""

    document_id: UUID
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    link: str


class ProgressAnswer(msgspec.Struct):
    """How far tokenizing is; `reason`: why it waits or has failed."""

    state: JobState
    step: str
    steps_done: int
    steps_of: int
    reason: str
    changed_at: datetime


def property_answer(found: Property) -> PropertyAnswer:
    return PropertyAnswer(
        property_id=found.property_id,
        state=found.state,
        manager_id=found.manager_id,
        issuer_wallet=_hex(found.issuer_wallet),
        terms=words_of(found.terms),
        reject_reason=found.reject_reason,
        token=_hex(found.token),
        instrument=found.instrument,
        market=None if found.tokenized_at is None else market_symbol(found.terms.symbol),
        tokenized_at=found.tokenized_at,
        created_at=found.created_at,
        changed_at=found.changed_at,
    )


def market_symbol(token_symbol: str) -> str:
    """Of the instrument: the token against USDC."""
    return f"{token_symbol}USDC"


def document_answer(document: Document, link: str) -> DocumentAnswer:
    return DocumentAnswer(
        document_id=document.document_id,
        name=document.name,
        content_type=document.content_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256.hex(),
        created_at=document.created_at,
        link=link,
    )


def progress_answer(row: JobRow) -> ProgressAnswer:
    return ProgressAnswer(row.state, row.step, row.steps_done, row.steps_of, row.reason, row.changed_at)


def _hex(address: bytes | None) -> str | None:
    return None if address is None else f"0x{address.hex()}"
