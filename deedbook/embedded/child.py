"""One program that we started: its end is ours to see, and it never outlives us."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

LAUNCH = Path(__file__).with_name("launch.py")
PROBE_PAUSE_S = 0.02
LOG_TAIL_BYTES = 2_000
# Below the range from which the kernel takes ports for outgoing connections: none is taken between choice and use.
PORT_FIRST, PORT_LAST = 20_000, 32_000


class ServerError(Exception):
    """A server did not start or ended by itself; the text is one sentence for the user, with the end of its log."""


BEHIND_THE_MARKET = 5  # the niceness of what may wait while orders do not


class Child:
    """A running process in a session of its own, so that a Ctrl-C at the terminal reaches only us.

    Made by `Child.start`. `stop` and `wait` may be called in any order and any number of times.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        output: IO[bytes] | int,
        death_signal: signal.Signals,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        pass_fds: Sequence[int] = (),
        niceness: int = 0,
    ) -> "Child":
        """Start `command` (its first item an absolute path) with stdout and stderr in `output`, stdin empty.

        death_signal  what the kernel sends it when we end without stopping it.
        user          whom it runs as; only root may name one.
        niceness      how far it stands behind others for a core.
        """
        assert Path(command[0]).is_absolute()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(LAUNCH), str(int(death_signal)), str(os.getpid()), user or "-", str(niceness)),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(os.environ if environment is None else environment),
            cwd=directory,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
        return cls(name, process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def wait(self) -> int:
        """Its exit code once it has ended: negative is the signal that ended it."""
        return await self.process.wait()

    async def until_ready(self, probe: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Ask `probe` until it says yes. Raises TimeoutError, or ServerError as soon as the process ends."""
        async with asyncio.timeout(within_s):
            while not await probe():
                if not self.running:
                    raise ServerError(f"{self.name} ended with exit code {self.process.returncode} before it was ready")
                await asyncio.sleep(PROBE_PAUSE_S)

    async def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Send each signal and give it its seconds; then SIGKILL to all that it left in its session. Its exit code."""
        for signal_number, patience_s in steps:
            if not self.running:
                break
            with suppress(ProcessLookupError):
                self.process.send_signal(signal_number)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.process.wait()), patience_s)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return await self.process.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    generator = random.SystemRandom()
    for _ in range(200):
        port = generator.randint(PORT_FIRST, PORT_LAST)
        with socket.socket() as candidate, suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no free port of 127.0.0.1 between {PORT_FIRST} and {PORT_LAST}")


def log_tail(path: Path) -> str:
    """The end of a log, for the sentence that says why a server did not start."""
    with suppress(OSError), path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip()
    return ""
