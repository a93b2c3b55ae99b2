"""Documents: taken in a stream, pinned by hash, handed out by links; in a folder and in a bucket."""

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import pytest

from compliance.registry import create_user
from persistence.database import Pool
from persistence.document_store import DocumentMissingError, DocumentStore, DocumentsUrlError, document_store
from persistence.documents import Document, DocumentRefusedError, Documents, received
from tests.settlement.local_chain import free_port

PDF = b"%PDF-1.7 " + b"the deed " * 100_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
SECRET = bytes(range(32))
MOTO_DEADLINE_S = 60.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "documents of ours"


@pytest.fixture
def store(folder: Path) -> DocumentStore:
    return document_store(folder.as_uri())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def documents(pool: Pool, store: DocumentStore, clock: Clock) -> Documents:
    return Documents(pool, store, SECRET, clock)


@pytest.fixture
async def owner(pool: Pool) -> UUID:
    return await create_user(pool, "owner@example.com", actor="test")


async def chunks(data: bytes, size: int = 10_007) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def upload(pool: Pool, documents: Documents, owner: UUID, data: bytes = PDF, name: str = "deed.pdf") -> Document:
    async with received(chunks(data)) as whole, pool.acquire() as connection, connection.transaction():
        return await documents.keep(connection, whole, name=name, owner_user_id=owner, purpose="PROPERTY")


async def content(documents: Documents, document: Document) -> bytes:
    return b"".join([chunk async for chunk in documents.content(document)])


async def collect(stream: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in stream:
        into.append(chunk)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("data", "kind"), [(PDF, "application/pdf"), (PNG, "image/png"), (JPEG, "image/jpeg")])
async def test_what_was_uploaded_comes_back(
    pool: Pool, documents: Documents, owner: UUID, data: bytes, kind: str
) -> None:
    kept = await upload(pool, documents, owner, data)
    assert (kept.sha256, kept.size_bytes, kept.content_type) == (sha256(data).digest(), len(data), kind)
    assert await documents.find(kept.document_id) == kept
    assert await content(documents, kept) == data
    assert await documents.find(uuid4()) is None


async def test_one_content_lies_there_once(pool: Pool, documents: Documents, owner: UUID, folder: Path) -> None:
    first, second = [await upload(pool, documents, owner, name=name) for name in ("a.pdf", "b.pdf")]
    assert first.document_id != second.document_id
    assert files(folder) == [sha256(PDF).hexdigest()]
    assert await documents.among([second.document_id, uuid4(), first.document_id]) == [first, second]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../b.pdf", "c:\\deed.pdf"])
async def test_a_name_is_a_label_and_no_path(
    pool: Pool, documents: Documents, owner: UUID, folder: Path, name: str
) -> None:
    kept = await upload(pool, documents, owner, name=name)
    assert kept.name == name
    assert [path.relative_to(folder) for path in folder.parent.rglob("*") if path.is_file()] == [
        Path("sha256", kept.sha256.hex()[:2], kept.sha256.hex())
    ]


@pytest.mark.parametrize("name", ["", "  ", "a\nb.pdf", "a\0b", "n" * 201])
async def test_a_name_that_is_none_is_refused(pool: Pool, documents: Documents, owner: UUID, name: str) -> None:
    with pytest.raises(DocumentRefusedError) as refused:
        await upload(pool, documents, owner, name=name)
    assert refused.value.reason == "DOCUMENT_NAME"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "DOCUMENT_EMPTY"),
        (b"%P", "DOCUMENT_TYPE"),
        (b"<html>%PDF-", "DOCUMENT_TYPE"),
        (b"MZ" + bytes(10_000), "DOCUMENT_TYPE"),
        (b"%PDF-" + bytes(1_000_000), "DOCUMENT_TOO_LARGE"),
        (PNG, "DOCUMENT_TYPE"),
    ],
)
async def test_what_is_no_document_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentRefusedError) as refused:
        async with received(
            chunks(data, 1 if len(data) < 100 else 997), types=["application/pdf"], size_bytes_max=10**6
        ):
            pytest.fail("taken")
    assert refused.value.reason == reason


async def test_an_upload_is_refused_as_soon_as_it_is_too_large() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield PDF[:1000]

    with pytest.raises(DocumentRefusedError):
        async with received(endless(), size_bytes_max=10_000):
            pytest.fail("taken")
    assert taken == 11


async def test_an_upload_that_breaks_off_leaves_nothing(pool: Pool, folder: Path, store: DocumentStore) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PDF
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async with received(broken()):
            pytest.fail("taken")
    assert files(folder) == []
    assert await pool.fetchval("SELECT count(*) FROM documents") == 0


async def test_what_a_failed_transaction_left_is_tidied_and_nothing_else(
    pool: Pool, documents: Documents, owner: UUID, folder: Path
) -> None:
    kept = await upload(pool, documents, owner)
    async with pool.acquire() as connection, received(chunks(PNG)) as whole:
        transaction = connection.transaction()
        await transaction.start()
        await documents.keep(connection, whole, name="a.png", owner_user_id=owner, purpose="PROPERTY")
        await transaction.rollback()
    draft = folder / "sha256" / kept.sha256.hex()[:2] / f"{kept.sha256.hex()}#1"
    draft.write_bytes(b"half")
    assert len(files(folder)) == 3
    assert await documents.tidy() == 0  # all of it is too young: an upload may still be on its way
    assert len(files(folder)) == 3
    assert await documents.tidy(timedelta(seconds=-1)) == 1
    assert files(folder) == [kept.sha256.hex()]
    assert await content(documents, kept) == PDF


async def test_a_content_that_was_changed_never_comes_whole(
    pool: Pool, documents: Documents, owner: UUID, folder: Path
) -> None:
    kept = await upload(pool, documents, owner)
    path = folder / "sha256" / kept.sha256.hex()[:2] / kept.sha256.hex()
    path.write_bytes(PDF[:-1] + b"!")
    came: list[bytes] = []
    with pytest.raises(DocumentMissingError):
        await collect(documents.content(kept), came)
    assert len(b"".join(came)) < len(PDF)
    path.unlink()
    with pytest.raises(DocumentMissingError):
        await content(documents, kept)


async def test_a_row_is_never_changed(pool: Pool, documents: Documents, owner: UUID) -> None:
    await upload(pool, documents, owner)
    with pytest.raises(Exception, match="never changed"):
        await pool.execute("UPDATE documents SET sha256 = $1", bytes(32))


def test_a_link_opens_its_document_until_it_expires(documents: Documents, clock: Clock) -> None:
    document_id = uuid4()
    path, _, query = documents.link(document_id, valid_s=60).partition("?")
    assert path == f"/documents/{document_id}"
    given = dict(each.split("=") for each in query.split("&"))
    expires_s, signature = int(given["expires"]), given["signature"]
    assert expires_s == 1_000_060
    assert documents.opens(document_id, expires_s, signature)
    assert not documents.opens(uuid4(), expires_s, signature)
    assert not documents.opens(document_id, expires_s + 1, signature)
    for place in range(len(signature)):
        other = signature[:place] + ("0" if signature[place] != "0" else "1") + signature[place + 1 :]
        assert not documents.opens(document_id, expires_s, other)
    assert not documents.opens(document_id, expires_s, "\u00e9")
    clock.now_s = 1_000_060.0
    assert not documents.opens(document_id, expires_s, signature)


@pytest.mark.parametrize("url", ["", "documents", "file://host/documents", "ftp://host/x", "s3://", "file:relative"])
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(DocumentsUrlError):
        document_store(url)


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A bucket of an S3 server of our own."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + MOTO_DEADLINE_S
        while not await asyncio.to_thread(_made, f"{endpoint}/deeds"):
            assert server.returncode is None, "moto died"
            assert time.monotonic() < deadline, "moto does not answer"
            await asyncio.sleep(0.1)
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield "s3://deeds/of/ours"
    finally:
        server.terminate()
        await server.wait()


def _made(url: str) -> bool:
    try:
        with urlopen(Request(url, method="PUT"), timeout=5) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


async def test_a_bucket_does_what_a_folder_does(pool: Pool, owner: UUID, clock: Clock, bucket: str) -> None:
    documents = Documents(pool, document_store(bucket), SECRET, clock)
    kept, again = [await upload(pool, documents, owner) for _ in range(2)]
    assert kept.sha256 == again.sha256
    assert await content(documents, kept) == PDF
    with pytest.raises(DocumentMissingError):
        await content(documents, replace(kept, sha256=bytes(32)))
    async with received(chunks(PNG)) as whole:
        await document_store(bucket).put(whole.sha256, PNG)  # and then its process is killed
    assert await documents.tidy() == 0
    assert await documents.tidy(timedelta(seconds=-60)) == 1
    assert await document_store(bucket).older_than(timedelta(seconds=-60)) == [kept.sha256]
    assert await content(documents, kept) == PDF
