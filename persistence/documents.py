"""Documents: taken in a stream, bounded, named by what they are, pinned by hash, handed out by links that expire."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO, Any, Final
from uuid import UUID

from persistence.database import Connection, Pool
from persistence.document_store import DocumentMissingError, DocumentStore

SIZE_BYTES_MAX: Final = 25 * 1024 * 1024
NAME_LENGTH_MAX: Final = 200
LINK_VALID_S: Final = 300
ORPHAN_AGE: Final = timedelta(days=1)
TYPES: Final = {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_MAGIC_LENGTH: Final = max(map(len, TYPES))
_CONTENT_LOCK: Final = 0x646F_6373  # class of the advisory locks, by the first bytes of a content's hash
_COLUMNS: Final = "document_id, sha256, size_bytes, content_type, name, owner_user_id, purpose, created_at"


class DocumentRefusedError(Exception):
    """An upload that is not taken; `reason` is one word, the text a sentence for its sender."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the database knows it; `content_type` was read from its content."""

    document_id: UUID
    sha256: bytes
    size_bytes: int
    content_type: str
    name: str
    owner_user_id: UUID
    purpose: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that is whole, in a file without a name: it goes with the process, kept or not."""

    sha256: bytes
    size_bytes: int
    content_type: str
    file: IO[bytes]


class Documents:
    """The rows, their contents and the links to them.

    secret   32 bytes that only we know; whoever has it can make links
    clock_s  seconds since the epoch
    """

    def __init__(self, pool: Pool, store: DocumentStore, secret: bytes, clock_s: Callable[[], float]) -> None:
        assert len(secret) >= 32
        self._pool = pool
        self._store = store
        self._secret = secret
        self._clock_s = clock_s

    async def keep(
        self, connection: Connection, received: Received, *, name: str, owner_user_id: UUID, purpose: str
    ) -> Document:
        """Keep an upload in the caller's transaction: it is there if and only if that commits.

        Raises DocumentRefusedError for a name that is none, or one of document_store.STORE_AWAY.
        """
        _require_name(name)
        await _lock_content(connection, received.sha256)
        received.file.seek(0)
        await self._store.put(received.sha256, received.file.read())
        row = await connection.fetchrow(
            "INSERT INTO documents (sha256, size_bytes, content_type, name, owner_user_id, purpose)"  # noqa: S608
            f" VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}",
            received.sha256,
            received.size_bytes,
            received.content_type,
            name,
            owner_user_id,
            purpose,
        )
        return Document(**row)

    async def find(self, document_id: UUID) -> Document | None:
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM documents WHERE document_id = $1", document_id)  # noqa: S608
        return None if row is None else Document(**row)

    async def among(self, document_ids: Sequence[UUID]) -> list[Document]:
        """Those of the ids that exist, oldest first."""
        rows: list[Any] = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM documents WHERE document_id = ANY($1) ORDER BY document_id",  # noqa: S608
            list(document_ids),
        )
        return [Document(**row) for row in rows]

    async def content(self, document: Document) -> AsyncIterator[bytes]:
        """In chunks; the last one comes only if the whole has the document's hash, so what is complete is right.

        Raises DocumentMissingError, or one of document_store.STORE_AWAY.
        """
        digest, held = sha256(), b""
        async for chunk in self._store.get(document.sha256):
            digest.update(chunk)
            if held:
                yield held
            held = chunk
        if digest.digest() != document.sha256:
            raise DocumentMissingError(f"the content of document {document.document_id} has changed in the store")
        yield held

    def link(self, document_id: UUID, valid_s: int = LINK_VALID_S) -> str:
        """A path for whoever may see this document; it opens this one alone, until it expires."""
        expires_s = int(self._clock_s()) + valid_s
        return f"/documents/{document_id}?expires={expires_s}&signature={self._signature(document_id, expires_s)}"

    def opens(self, document_id: UUID, expires_s: int, signature: str) -> bool:
        """Whether a link is one of ours and still good."""
        genuine = hmac.compare_digest(self._signature(document_id, expires_s).encode(), signature.encode())
        return genuine and self._clock_s() < expires_s

    async def tidy(self, age: timedelta = ORPHAN_AGE) -> int:
        """Remove what uploads left that died before their row was there; returns how many contents went."""
        removed = 0
        for content in await self._store.older_than(age):
            async with self._pool.acquire() as connection, connection.transaction():
                await _lock_content(connection, content)
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM documents WHERE sha256 = $1)", content):
                    await self._store.delete(content)
                    removed += 1
        return removed

    def _signature(self, document_id: UUID, expires_s: int) -> str:
        return hmac.new(self._secret, f"document {document_id} until {expires_s}".encode(), "sha256").hexdigest()


@asynccontextmanager
async def received(
    chunks: AsyncIterable[bytes],
    *,
    types: Sequence[str] = tuple(TYPES.values()),
    size_bytes_max: int = SIZE_BYTES_MAX,
) -> AsyncIterator[Received]:
    """Read an upload to its end, for `Documents.keep` inside the `async with`.

    Raises DocumentRefusedError as soon as it is too large or no content of `types`.
    """
    digest, size_bytes, head = sha256(), 0, b""
    with TemporaryFile() as file:
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > size_bytes_max:
                raise DocumentRefusedError("DOCUMENT_TOO_LARGE", f"A document may have {size_bytes_max} bytes.")
            digest.update(chunk)
            file.write(chunk)
            if len(head) < _MAGIC_LENGTH:
                head += chunk[:_MAGIC_LENGTH]
                if len(head) >= _MAGIC_LENGTH:
                    _require_type(head, types)
        if size_bytes == 0:
            raise DocumentRefusedError("DOCUMENT_EMPTY", "The document is empty: send the file as the body.")
        yield Received(digest.digest(), size_bytes, _require_type(head, types), file)


def _require_type(head: bytes, types: Sequence[str]) -> str:
    found = next((name for magic, name in TYPES.items() if head.startswith(magic)), None)
    if found is None or found not in types:
        raise DocumentRefusedError("DOCUMENT_TYPE", f"The content must be one of {', '.join(types)}.")
    return found


def _require_name(name: str) -> None:
    if not name.isprintable() or not name.strip() or len(name) > NAME_LENGTH_MAX:
        text = f"A document needs a name of at most {NAME_LENGTH_MAX} printable letters."
        raise DocumentRefusedError("DOCUMENT_NAME", text)


async def _lock_content(connection: Connection, content: bytes) -> None:
    """Until the transaction ends: nobody tidies a content away while a row for it is being made."""
    number = int.from_bytes(content[:4], "big", signed=True)
    await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _CONTENT_LOCK, number)
