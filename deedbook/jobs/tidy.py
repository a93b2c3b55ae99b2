"""The job that looks after documents once a day: what uploads left that died midway is removed."""

from __future__ import annotations

from typing import Final

from persistence.document_store import STORE_AWAY
from persistence.documents import Documents
from persistence.jobs import Handler, Job, JobWaits

KIND: Final = "tidy-documents"
KEY: Final = "daily"  # there is one for ever: it waits for its next day
DAY_S: Final = 24 * 3600.0
AWAY_S: Final = 60.0


def handler(documents: Documents) -> Handler:
    async def tidy(job: Job) -> None:
        try:
            removed = await documents.tidy()
        except STORE_AWAY as error:
            raise JobWaits(AWAY_S, "the document store is away") from error
        raise JobWaits(DAY_S, f"{removed} contents without a document were removed; the next look is in a day")

    return tidy
