"""The one route that hands out documents: whoever has a signed link that has not expired."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from api.problem import Problem, not_found
from api.route import Call, Kind, Route
from persistence.document_store import STORE_AWAY, DocumentMissingError
from persistence.documents import Document, Documents

# A document is somebody else's file: no browser may guess its type, run it or keep it.
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}


class LinkQuery(msgspec.Struct, forbid_unknown_fields=True):
    """As `Documents.link` writes them."""

    expires: int
    signature: str


def document_routes(documents: Documents) -> list[Route]:
    async def download(call: Call[None]) -> web.StreamResponse:
        document_id, query = call.uuid("document_id"), call.query
        if not documents.opens(document_id, query.expires, query.signature):
            raise Problem(403, "LINK_EXPIRED", "This link is not valid any more: ask for a new one.")
        document = await documents.find(document_id)
        if document is None:
            raise not_found("document")
        return await _send(call.request, documents, document)

    return [
        Route(
            method="GET",
            path="/documents/{document_id}",
            handler=download,
            query=LinkQuery,
            kind=Kind.DOWNLOAD,
            summary="A document, by a link that expires.",
        )
    ]


async def _send(request: web.Request, documents: Documents, document: Document) -> web.StreamResponse:
    """What is not right to the last byte never arrives whole: then the connection breaks before its end."""
    response = web.StreamResponse(headers=HEADERS)
    response.content_type = document.content_type
    response.content_length = document.size_bytes
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(document.name, safe='')}"
    chunks = documents.content(document)
    try:
        first = await anext(chunks)
    except (DocumentMissingError, *STORE_AWAY):
        raise Problem(503, "DOCUMENT_AWAY", "This document cannot be read now; we know of it.") from None
    await response.prepare(request)
    try:
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    except DocumentMissingError:
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
