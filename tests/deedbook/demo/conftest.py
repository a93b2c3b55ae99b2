"""A floor for each test, torn down whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deedbook.demo.floor import Floor, open_floor


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    opened = await open_floor(tmp_path, traders=8)
    try:
        yield opened
    finally:
        await opened.gateway.stop()
