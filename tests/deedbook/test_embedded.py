"""The embedded servers are real ones: these tests start them, kill them and look at what is left."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from deedbook.embedded.anvil import Anvil, copy_whole_state, mend_state
from deedbook.embedded.child import ServerError
from deedbook.embedded.postgres import Postgres
from deedbook.embedded.postgres_place import OWNER, cluster_home, remove_orphans
from deedbook.embedded.valkey import Valkey
from tests.deedbook.running import is_running, until

ROOT = Path(__file__).resolve().parents[2]


async def rpc(url: str, method: str, *params: object) -> Any:
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with aiohttp.ClientSession() as client, client.post(url, json=question) as response:
        return (await response.json())["result"]


async def query(url: str, text: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(text)
    finally:
        await connection.close()


async def test_postgres_keeps_its_rows_over_a_stop_and_over_a_kill(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    try:
        await server.start()
        url = server.url
        await query(url, "CREATE TABLE kept AS SELECT 7 AS n")
        await server.stop()
        await server.start()
        assert await query(url, "SELECT n FROM kept") == 7
        assert await query(url, "SHOW fsync") == "on"
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        assert (cluster_home(tmp_path) / "cluster" / "postmaster.pid").exists()
        await server.stop()
        await server.start()
        assert await query(url, "SELECT n FROM kept") == 7
    finally:
        await server.stop()
        server.remove()


async def test_postgres_takes_no_connection_without_the_password(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    try:
        await server.start()
        password = (tmp_path / "postgres.password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(server.url.replace(password, "guess"), "SELECT 1")
        assert (tmp_path / "postgres.password").stat().st_mode & 0o777 == 0o600
    finally:
        await server.stop()
        server.remove()


async def test_postgres_starts_when_its_old_process_number_is_somebody_elses_now(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    try:
        await server.start()
        await server.stop()
        lock = cluster_home(tmp_path) / "cluster" / "postmaster.pid"
        lock.write_text(f"{os.getpid()}\n{lock.parent}\n0\n1\n\n\n")
        await server.start()
        assert await query(server.url, "SELECT 1") == 1
    finally:
        await server.stop()
        server.remove()


def test_clusters_of_temporary_directories_that_are_gone_go_too(tmp_path: Path) -> None:
    clusters = tmp_path / "clusters"
    owners = {
        "gone": tmp_path / "gone",
        "there": tmp_path,
        "served": tmp_path / "gone",
        "unmounted": Path("/mnt-that-is-not-there/data"),
    }
    for name, owner in owners.items():
        (clusters / name / "cluster").mkdir(parents=True)
        (clusters / name / OWNER).write_text(f"{owner}\n")
    (clusters / "older" / "cluster").mkdir(parents=True)  # from before clusters named their owners
    (clusters / "served" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (clusters / "gone" / "cluster" / "postmaster.pid").write_text("4194304\n")  # no process has this number
    remove_orphans(clusters)
    assert {each.name for each in clusters.iterdir()} == owners.keys() - {"gone"} | {"older"}


async def test_valkey_answers_with_its_password_only(tmp_path: Path) -> None:
    async with Valkey(tmp_path) as server:
        client = redis.asyncio.Redis.from_url(server.url)
        await client.xadd("events", {"n": "1"})
        assert await client.xlen("events") == 1
        await client.aclose()
        stranger = redis.asyncio.Redis.from_url(server.url.split("://")[0] + "://" + server.url.split("@")[1])
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.ping()
        await stranger.aclose()
        pid = server.pid
    assert not is_running(pid)


async def test_anvil_goes_on_with_its_chain_after_a_stop(tmp_path: Path) -> None:
    server = Anvil(tmp_path)
    await server.start()
    await rpc(server.url, "anvil_mine", "0x5")
    block = await rpc(server.url, "eth_getBlockByNumber", "0x3", False)
    await server.stop()
    async with server:
        assert await rpc(server.url, "eth_chainId") == "0x7a69"
        assert await rpc(server.url, "eth_blockNumber") == "0x5"
        assert (await rpc(server.url, "eth_getBlockByNumber", "0x3", False))["hash"] == block["hash"]
    assert (tmp_path / "logs" / "anvil.log").stat().st_size == 0  # a line for each request would fill the disk


async def test_anvil_starts_again_after_a_kill(tmp_path: Path) -> None:
    server = Anvil(tmp_path)
    await server.start()
    await rpc(server.url, "anvil_mine", "0x5")
    await until(lambda: server.state_path.exists())
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await server.stop()
    async with server:
        assert int(await rpc(server.url, "eth_blockNumber"), 16) <= 5


def test_a_torn_chain_state_is_replaced_by_its_last_whole_copy(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"blocks": 1}')
    copied_ns = copy_whole_state(state, 0)
    state.write_text('{"blocks": 2, "acc')
    os.utime(state, ns=(copied_ns + 1, copied_ns + 1))
    assert copy_whole_state(state, copied_ns) == copied_ns
    mend_state(state)
    assert state.read_text() == '{"blocks": 1}'


def test_a_torn_chain_state_without_a_copy_is_said_in_one_sentence(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"blocks"')
    with pytest.raises(ServerError, match="torn"):
        mend_state(state)


async def test_servers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from deedbook.embedded.anvil import Anvil
        from deedbook.embedded.postgres import Postgres
        from deedbook.embedded.valkey import Valkey

        async def main() -> None:
            servers = [kind(Path(sys.argv[1])) for kind in (Postgres, Valkey, Anvil)]
            for server in servers:
                await server.start()
            print(*[server.pid for server in servers], flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    assert len(pids) == 3
    assert all(is_running(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    await until(lambda: not any(is_running(pid) for pid in pids))
    Postgres(tmp_path).remove()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "one") as first:
        second = Valkey(tmp_path / "two", port=int(first.url.rsplit(":", 1)[1].split("/")[0]))
        with pytest.raises(ServerError, match=r"(?i)address already in use"):
            await second.start()
