"""A real PostgreSQL from its wheel, on a cluster that is kept."""

import asyncio
import os
import secrets
import shutil
import signal
from pathlib import Path

import asyncpg

from deedbook.embedded.child import Child, ServerError, free_port, log_tail
from deedbook.embedded.postgres_place import cluster_home, give_to_stand_in, postgres_user, programs_folder, write_whole

NAME = "deedbook"  # of the role and of the database
INITDB_WITHIN_S = 120
READY_WITHIN_S = 60
STOP_WITHIN_S = 20
ORPHAN_WITHIN_S = 20
# Durable as shipped (fsync, synchronous_commit and full_page_writes stay on); only the size fits one small machine.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class Postgres:
    """A PostgreSQL on 127.0.0.1, scram with a made password; `url` holds from the start, over restarts too.

    data_dir  gets `postgres/` (or `postgres.location`, see postgres_place), `postgres.password`, `logs/postgres.log`.
    """

    name = "postgres"

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self._data_dir = data_dir.resolve()
        self._log_path = self._data_dir / "logs" / "postgres.log"
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._port = port or free_port()
        self._password = _kept_password(self._data_dir / "postgres.password")
        self._child: Child | None = None
        self.url = self._url_of(NAME)

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Return when its database can be used. Raises ServerError."""
        assert self._child is None
        programs = await asyncio.to_thread(programs_folder)
        home = cluster_home(self._data_dir)
        cluster = home / "cluster"
        if not cluster.exists():
            await self._make_cluster(programs, home)
        await _until_unused(cluster)
        command = [str(programs / "postgres"), "-D", str(cluster), "-c", f"port={self._port}"]
        for setting, value in CONFIGURATION.items():
            command += ["-c", f"{setting}={value}"]
        with self._log_path.open("ab") as log:
            self._child = await Child.start(
                self.name, command, output=log, death_signal=signal.SIGINT, user=postgres_user(), directory=Path("/")
            )
        try:
            await self._child.until_ready(self._answers, READY_WITHIN_S)
            await self._make_database()
        except (TimeoutError, ServerError) as error:
            await self.stop()
            raise ServerError(f"PostgreSQL did not start: {log_tail(self._log_path)}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Fast shutdown; clients that still hold connections lose them."""
        if self._child is not None:
            await self._child.stop((signal.SIGINT, STOP_WITHIN_S), (signal.SIGQUIT, 5))
            self._child = None

    async def wait(self) -> int:
        """Its exit code once it has ended."""
        assert self._child is not None
        return await self._child.wait()

    def remove(self) -> None:
        """Delete the cluster, wherever it lies: for data directories that are temporary."""
        assert self._child is None
        home = cluster_home(self._data_dir)
        assert (home / "cluster").exists()
        shutil.rmtree(home)
        (self._data_dir / "postgres.location").unlink(missing_ok=True)

    async def __aenter__(self) -> "Postgres":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _url_of(self, database: str) -> str:
        return f"postgresql://{NAME}:{self._password}@127.0.0.1:{self._port}/{database}"

    async def _make_cluster(self, programs: Path, home: Path) -> None:
        """initdb beside the place and rename, so that a cluster is whole or not there."""
        partial, password_file = home / "cluster.partial", home / "password"
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700, parents=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        give_to_stand_in(partial)
        give_to_stand_in(password_file)
        command = [str(programs / "initdb"), "-D", str(partial), "--username", NAME, "--pwfile", str(password_file)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
        with self._log_path.open("ab") as log:
            child = await Child.start(
                "initdb", command, output=log, death_signal=signal.SIGKILL, user=postgres_user(), directory=Path("/")
            )
        try:
            code = await asyncio.wait_for(child.wait(), INITDB_WITHIN_S)
        finally:
            await child.stop()
            password_file.unlink()
        if code != 0:
            raise ServerError(f"PostgreSQL could not make its files in {home}: {log_tail(self._log_path)}")
        partial.rename(home / "cluster")

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._url_of("postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self._url_of("postgres"), timeout=5)
        try:
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", NAME) is None:
                await connection.execute(f"CREATE DATABASE {NAME}")
        finally:
            await connection.close()


def _kept_password(path: Path) -> str:
    if not path.exists():
        write_whole(path, secrets.token_hex(32), mode=0o600)
    return path.read_text()


async def _until_unused(cluster: Path) -> None:
    """Wait for a server of an earlier run that is still ending; clear a lock whose process number someone else has now.

    Raises ServerError when a living server keeps the cluster. A lock of a dead process is PostgreSQL's own to clear: it
    also looks at the shared memory that the dead one may have left to its children.
    """
    lock = cluster / "postmaster.pid"
    for _ in range(ORPHAN_WITHIN_S * 20):
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
            program = Path(os.readlink(f"/proc/{pid}/exe")).name
        except (FileNotFoundError, ValueError):
            return
        except PermissionError:  # somebody else's process
            program = ""
        if not program.startswith("postgres"):
            lock.unlink()
            return
        await asyncio.sleep(0.05)
    raise ServerError(f"another PostgreSQL (process {pid}) uses {cluster}; stop it first")
