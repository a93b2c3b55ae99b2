"""One machine on a data directory: a second one refuses before it touches anything."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from deedbook.embedded.child import ServerError
from deedbook.machine import Machine, running_path, running_settings
from deedbook.settings import Settings

ELSEWHERE = Settings(
    port=0,
    websocket_port=0,
    rest_port=0,
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


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=rf"Port {port} of 127\.0\.0\.1 .*--port or DEEDBOOK_PORT"):
            Machine(replace(ELSEWHERE, data_dir=tmp_path / "data", port=port))
        with pytest.raises(ServerError, match=rf"Port {port} of 127\.0\.0\.1 .* with DEEDBOOK_REST_PORT"):
            Machine(replace(ELSEWHERE, data_dir=tmp_path / "data", rest_port=port))
    Machine(replace(ELSEWHERE, data_dir=tmp_path / "data", port=port)).close()


def test_what_a_killed_machine_left_is_no_running_one(tmp_path: Path) -> None:
    machine = Machine(replace(ELSEWHERE, data_dir=tmp_path))
    running_path(tmp_path).write_bytes(b"{}")
    assert running_settings(tmp_path).port == 8080
    machine.close()
    with pytest.raises(FileNotFoundError):
        running_settings(tmp_path)


def test_gateways_start_behind_the_exchange_and_stop_before_it(tmp_path: Path) -> None:
    machine = Machine(replace(ELSEWHERE, data_dir=tmp_path, gateways=2))
    names = [process.name for process in machine._processes()]
    assert names[:4] == ["exchange", "gateway-1", "gateway-2", "follower"]
    machine.close()
    alone = Machine(replace(ELSEWHERE, data_dir=tmp_path))
    assert not [process.name for process in alone._processes() if "gateway" in process.name]
    alone.close()
