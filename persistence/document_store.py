"""Where the content of documents lies: a folder or a bucket, each content once, under its sha256."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from persistence.segment import sync_directory

CHUNK_BYTES: Final = 256 * 1024
STORE_AWAY: Final = (BaseError, OSError)  # the store is away, full or refuses us
_FOLDER: Final = "sha256"


class DocumentsUrlError(Exception):
    """DOCUMENTS_URL names no store that we can use."""


class DocumentMissingError(Exception):
    """The store does not have the content of a document that it was given, or has another in its place."""


class DocumentStore:
    """Contents by hash; made by `document_store`. It knows nothing of rows: `persistence.documents` orders the two."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, sha256: bytes, content: bytes) -> None:
        """Durable when it returns; a content that is there already stays. Raises one of STORE_AWAY."""
        with suppress(AlreadyExistsError):
            await obstore.put_async(self._store, _key(sha256), content, mode="create", use_multipart=False)
        if self._folder is not None:
            await asyncio.to_thread(_sync, self._folder, _key(sha256))

    async def get(self, sha256: bytes) -> AsyncIterator[bytes]:
        """The content as it lies there, in chunks. Raises DocumentMissingError, or one of STORE_AWAY."""
        try:
            found = await obstore.get_async(self._store, _key(sha256))
        except FileNotFoundError:
            raise DocumentMissingError(f"the document store has no content {sha256.hex()}") from None
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def delete(self, sha256: bytes) -> None:
        await obstore.delete_async(self._store, _key(sha256))

    async def older_than(self, age: timedelta) -> list[bytes]:
        """The hashes of the contents that have lain there so long; drafts of writers that were killed are removed."""
        before = datetime.now(UTC) - age
        if self._folder is not None:
            await asyncio.to_thread(_remove_drafts, self._folder, before)
        found = []
        async for page in obstore.list(self._store, prefix=_FOLDER):
            names = [each["path"].rpartition("/")[2] for each in page if each["last_modified"] < before]
            found += [bytes.fromhex(name) for name in names if len(name) == 64]
        return found


def document_store(url: str) -> DocumentStore:
    """file:///folder, made if it is missing, or s3://bucket/prefix with the usual AWS_ variables of the environment
    (AWS_ENDPOINT_URL for another S3, AWS_ALLOW_HTTP=true for one without TLS). Raises DocumentsUrlError."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            folder = Path(unquote(parts.path))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return DocumentStore(LocalStore(folder), folder)
        if parts.scheme == "s3" and parts.netloc:
            return DocumentStore(S3Store.from_url(url), None)
    except (BaseError, OSError, ValueError) as error:
        raise DocumentsUrlError(f"DOCUMENTS_URL cannot be used: {error}") from error
    raise DocumentsUrlError("DOCUMENTS_URL must be file:///folder or s3://bucket/prefix")


def _key(sha256: bytes) -> str:
    assert len(sha256) == 32
    name = sha256.hex()
    return f"{_FOLDER}/{name[:2]}/{name}"


def _sync(folder: Path, key: str) -> None:
    """The file, and every directory on the way to it: each may be new."""
    path = folder / key
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    for directory in (path.parent, path.parent.parent, folder):
        sync_directory(directory)


def _remove_drafts(folder: Path, before: datetime) -> None:
    """The store writes under NAME#NUMBER before it renames."""
    for draft in (folder / _FOLDER).glob("*/*#*"):
        if draft.stat().st_mtime < before.timestamp():
            draft.unlink(missing_ok=True)
