"""Everything on one machine: which servers and processes there are, in which order, and what they are told."""

import fcntl
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from deedbook.credentials import ALL as CREDENTIALS
from deedbook.credentials import VARIABLES as CREDENTIAL_VARIABLES
from deedbook.credentials import Credentials
from deedbook.embedded.anvil import Anvil
from deedbook.embedded.child import BEHIND_THE_MARKET, ServerError, free_port
from deedbook.embedded.postgres import Postgres
from deedbook.embedded.valkey import Valkey
from deedbook.layout import Layout
from deedbook.preparation import Preparation
from deedbook.process import Process
from deedbook.sandboxes import Sandbox, with_sandboxes, write_pages
from deedbook.settings import VARIABLES, Settings
from deedbook.supervisor import Service, Supervisor
from persistence.whole_file import write_whole

MARKET = "exchange"  # its orders, and its gateways, wait for nobody
PROCESSES = (  # in the order in which they start: each may rely on those before it
    (MARKET, "deedbook.exchange", ()),
    ("follower", "deedbook.follower", ()),
    ("operator-signer", "deedbook.signer", ("operator",)),
    ("releaser-signer", "deedbook.signer", ("releaser",)),
    ("settlement", "deedbook.settlement", ()),
)
GATEWAY = "deedbook.gateway"
BACK_OFFICE = ("backoffice", "deedbook.backoffice")
DEMO = ("demo-market", "deedbook.demo.resident")
UNSHARED = {"PYTHONOPTIMIZE", *(variable for variable, _ in CREDENTIAL_VARIABLES.values())}
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
        credentials = Credentials.read(os.environ).completed(settings, self._layout.credentials)
        settings, self._sandboxes = with_sandboxes(_with_ports(settings), credentials)
        self.settings = _with_places(settings)
        self._credentials = credentials

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
        preparation = Preparation(self.settings, self._say)
        self._supervisor = supervisor = Supervisor(
            [*self._embedded, preparation, *self._processes()], vital={MARKET}, say=self._say
        )
        write_pages(self.settings, self._sandboxes)
        write_whole(running_path(self.settings.data_dir), msgspec.json.encode(self.settings.to_environment()))
        try:
            return await supervisor.run(when_ready)
        finally:
            running_path(self.settings.data_dir).unlink(missing_ok=True)

    def _processes(self) -> list[Process]:
        """In the order of their start. The secrets of providers go to the back office and their sandboxes only."""
        common = {name: value for name, value in os.environ.items() if name not in UNSHARED}
        common |= {"PYTHONUNBUFFERED": "1"}
        ours = common | self.settings.to_environment()
        secrets = self._credentials.to_environment(*CREDENTIALS)
        gateways = [f"gateway-{number}" for number in range(1, self.settings.gateways + 1)]
        exchange, *others = [
            self._process(name, [module, *arguments], lambda: ours) for name, module, arguments in PROCESSES
        ]
        return [
            exchange,
            *(self._process(name, [GATEWAY, name], lambda: ours) for name in gateways),
            *others,
            *(self._sandbox_process(sandbox, common) for sandbox in self._sandboxes),
            self._process(BACK_OFFICE[0], [BACK_OFFICE[1]], lambda: ours | secrets),
            *([self._process(DEMO[0], [DEMO[1]], lambda: ours)] if self.settings.demo_market else []),
        ]

    def _sandbox_process(self, sandbox: Sandbox, common: dict[str, str]) -> Process:
        return self._process(sandbox.name, [sandbox.module], lambda: common | sandbox.environment())

    def _process(self, name: str, words: list[str], environment: Callable[[], Mapping[str, str]]) -> Process:
        is_market = name == MARKET or words[0] == GATEWAY
        return Process(
            name,
            [sys.executable, "-m", *words],
            environment=environment,
            log_directory=self._layout.logs,
            say=self._say,
            ready_within_s=READY_WITHIN_S,
            niceness=0 if is_market else BEHIND_THE_MARKET,
        )


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


def _with_places(settings: Settings) -> Settings:
    """What is kept on this machine, and how people reach it, where nothing else was said."""
    return replace(
        settings,
        documents_url=settings.documents_url or Layout(settings.data_dir).documents.as_uri(),
        public_url=settings.public_url or f"http://127.0.0.1:{settings.port}",
    )
