"""Everything on one machine: which servers and processes there are, in which order, and what they are told."""

import fcntl
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from deedbook.embedded.anvil import Anvil
from deedbook.embedded.child import BEHIND_THE_MARKET, ServerError, free_port
from deedbook.embedded.postgres import Postgres
from deedbook.embedded.valkey import Valkey
from deedbook.layout import Layout
from deedbook.preparation import Preparation
from deedbook.process import Process
from deedbook.settings import VARIABLES, Settings
from deedbook.supervisor import Service, Supervisor
from persistence.whole_file import write_whole

MARKET = "exchange"  # its orders wait for nobody
PROCESSES = (  # in the order in which they start: each may rely on those before it
    (MARKET, "deedbook.exchange", ()),
    ("follower", "deedbook.follower", ()),
    ("operator-signer", "deedbook.signer", ("operator",)),
    ("releaser-signer", "deedbook.signer", ("releaser",)),
    ("settlement", "deedbook.settlement", ()),
    ("backoffice", "deedbook.backoffice", ()),
)
DEMO_PROCESS = ("demo-market", "deedbook.demo.resident", ())
LOCK_NAME = "machine.lock"
PORTS = ("port", "websocket_port", "rest_port")
READY_WITHIN_S = 120.0  # the demo market is set up within it


class Machine:
    """One data directory's servers and processes. `settings` has every URL and port filled in.

    Raises ServerError from the constructor where a server's program is not there, a port is taken, or another machine
    has the directory.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._layout = Layout(settings.data_dir)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for field in PORTS:
            _require_free(field, getattr(settings, field))
        self._lock = _locked(settings.data_dir)
        self._supervisor: Supervisor | None = None
        self._postgres: Postgres | None = None
        self._embedded: list[Service] = []
        if settings.database_url is None:
            self._postgres = Postgres(settings.data_dir)
            self._embedded.append(self._postgres)
            settings = replace(settings, database_url=self._postgres.url)
        if settings.redis_url is None:
            valkey = Valkey(settings.data_dir)
            self._embedded.append(valkey)
            settings = replace(settings, redis_url=valkey.url)
        if settings.chain_rpc_url is None:
            anvil = Anvil(settings.data_dir, block_time_s=settings.block_time_ms / 1_000 or None)
            self._embedded.append(anvil)
            settings = replace(settings, chain_rpc_url=anvil.url, chain_is_local=True)
        self.settings = _with_ports(settings)

    def close(self) -> None:
        """Let another machine have the directory."""
        os.close(self._lock)

    def remove(self) -> None:
        """Delete what the servers keep outside the data directory: for directories that are temporary."""
        if self._postgres is not None:
            self._postgres.remove()

    def stop(self) -> None:
        """Make `run` end well, as a signal does."""
        assert self._supervisor is not None
        self._supervisor.request_stop()

    async def run(self, when_ready: Callable[[], Awaitable[None]]) -> int:
        """Start all, await `when_ready`, stay until a signal; 0 after a wanted stop, 1 otherwise."""
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONOPTIMIZE",)}
        environment |= self.settings.to_environment() | {"PYTHONUNBUFFERED": "1"}
        processes = [
            Process(
                name,
                [sys.executable, "-m", module, *arguments],
                environment=environment,
                log_directory=self._layout.logs,
                say=self._say,
                ready_within_s=READY_WITHIN_S,
                niceness=0 if name == MARKET else BEHIND_THE_MARKET,
            )
            for name, module, arguments in (*PROCESSES, *([DEMO_PROCESS] if self.settings.demo_market else []))
        ]
        preparation = Preparation(self.settings, self._say)
        self._supervisor = supervisor = Supervisor(
            [*self._embedded, preparation, *processes], vital={MARKET}, say=self._say
        )
        write_whole(running_path(self.settings.data_dir), msgspec.json.encode(self.settings.to_environment()))
        try:
            return await supervisor.run(when_ready)
        finally:
            running_path(self.settings.data_dir).unlink(missing_ok=True)


def _require_free(field: str, port: int) -> None:
    """Raises ServerError where something listens there: said before anything is started."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(
                f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}); choose another with"
                f" {'--port or ' if field == 'port' else ''}{VARIABLES[field][0]} (0: any)."
            ) from None


def _locked(data_dir: Path) -> int:
    """One machine on a data directory. Raises ServerError; the lock goes with this process, however it ends."""
    descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ServerError(f"Deedbook runs on {data_dir} already; stop it first, or choose another --data.") from None
    return descriptor


def _is_locked(data_dir: Path) -> bool:
    """Whether a machine runs there. Raises FileNotFoundError where none ever did."""
    with (data_dir / LOCK_NAME).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def running_path(data_dir: Path) -> Path:
    """Where a running machine says how to reach it: the same user's commands read it."""
    return data_dir / "running.json"


def running_settings(data_dir: Path) -> Settings:
    """Of the machine that runs on this data directory. Raises FileNotFoundError where none does.

    One that was killed left its file behind, and nothing that answers.
    """
    if not _is_locked(data_dir):
        raise FileNotFoundError(f"nothing runs on {data_dir}")
    environment = msgspec.json.decode(running_path(data_dir).read_bytes(), type=dict[str, str])
    return Settings.read(environment)


def _with_ports(settings: Settings) -> Settings:
    return replace(
        settings,
        port=settings.port or free_port(),
        websocket_port=settings.websocket_port or free_port(),
        rest_port=settings.rest_port or free_port(),
    )
