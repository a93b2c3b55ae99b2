"""One machine on a data directory: a second one refuses before it touches anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deedbook.embedded.child import ServerError
from deedbook.machine import Machine
from deedbook.settings import Settings

ELSEWHERE = Settings(
    database_url="postgresql://nobody@127.0.0.1/none",
    redis_url="redis://127.0.0.1",
    chain_rpc_url="http://127.0.0.1",
)


def test_a_second_machine_on_the_same_directory_refuses(tmp_path: Path) -> None:
    settings = replace(ELSEWHERE, data_dir=tmp_path / "data")
    first = Machine(settings)
    before = sorted(settings.data_dir.iterdir())
    with pytest.raises(ServerError, match="already"):
        Machine(settings)
    assert sorted(settings.data_dir.iterdir()) == before
    Machine(replace(settings, data_dir=tmp_path / "other")).close()
    first.close()
    Machine(settings).close()
