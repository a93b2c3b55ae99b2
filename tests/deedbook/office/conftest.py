"""One running office for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.deedbook.office.opened import Front, RunningOffice, front_of


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOffice]:
    running = RunningOffice(tmp_path_factory.mktemp("office") / "data")
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
async def front(office: RunningOffice) -> AsyncIterator[Front]:
    async with front_of(office) as opened:
        yield opened
