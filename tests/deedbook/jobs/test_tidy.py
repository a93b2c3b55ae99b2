"""The daily job: it removes what is left over, waits a day, and waits a while for a store that is away."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from deedbook.jobs.tidy import AWAY_S, DAY_S, KEY, KIND, handler
from persistence.database import Pool
from persistence.document_store import DocumentStore, document_store
from persistence.documents import Documents
from persistence.jobs import Job, JobWaits


async def show(step: str, done: int, of: int) -> None:
    raise AssertionError("it has no steps")


async def test_it_waits_for_its_next_day(pool: Pool, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    documents = Documents(pool, document_store(folder.as_uri()), bytes(32), time.time)
    with pytest.raises(JobWaits, match="0 contents") as waits:
        await handler(documents)(Job(KIND, KEY, {}, 1, show))
    assert waits.value.seconds == DAY_S


class AwayStore(DocumentStore):
    def __init__(self) -> None:
        """Without anything behind it."""

    async def older_than(self, age: timedelta) -> list[bytes]:
        raise ConnectionRefusedError


async def test_it_waits_for_a_store_that_is_away(pool: Pool) -> None:
    documents = Documents(pool, AwayStore(), bytes(32), time.time)
    with pytest.raises(JobWaits, match="away") as waits:
        await handler(documents)(Job(KIND, KEY, {}, 1, show))
    assert waits.value.seconds == AWAY_S
