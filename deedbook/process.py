"""One process of Deedbook as the supervisor sees it: started, ready when it says so, stopped."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from deedbook.embedded.child import Child, ServerError
from deedbook.log_pipe import LogPipe

READY_VARIABLE = "DEEDBOOK_READY_FD"
READY_LINE_BYTES_MOST = 4_096
LOG_DRAIN_WITHIN_S = 2


class Process:
    """A command of ours that announces when it is ready (`announce_ready`).

    command         its first item an absolute path, like `sys.executable`.
    environment     the whole environment of the child, asked for at each start.
    ready_within_s  from start to its ready line; stop_within_s: from SIGTERM to SIGKILL.
    niceness        how far it stands behind others for a core.
    detail          what it said when it became ready, like a URL.

    A hard end of ours kills it at once: what it acknowledged is on disk by design.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Callable[[], Mapping[str, str]],
        log_directory: Path,
        say: Callable[[str], None] = print,
        ready_within_s: float = 60,
        stop_within_s: float = 20,
        niceness: int = 0,
    ) -> None:
        self.name = name
        self.detail = ""
        self._command = list(command)
        self._environment = environment
        self._log = LogPipe(name, log_directory, say)
        self._log_path = log_directory / f"{name}.log"
        self._ready_within_s = ready_within_s
        self._stop_within_s = stop_within_s
        self._niceness = niceness
        self._child: Child | None = None
        self._log_task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Return when it said that it is ready. Raises ServerError with one sentence; then nothing of it is left."""
        assert self._child is None
        ready_read, ready_write = os.pipe()
        try:
            self._child = await Child.start(
                self.name,
                self._command,
                output=asyncio.subprocess.PIPE,
                death_signal=signal.SIGKILL,
                environment={**self._environment(), READY_VARIABLE: str(ready_write)},
                pass_fds=(ready_write,),
                niceness=self._niceness,
            )
        except BaseException:
            os.close(ready_read)
            raise
        finally:
            os.close(ready_write)
        stdout = self._child.process.stdout
        assert stdout is not None
        self._log_task = asyncio.create_task(self._log.run(stdout))
        try:
            self.detail = await self._ready_line(ready_read)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after its time; whatever it started in its session ends too."""
        if self._child is not None:
            await self._child.stop((signal.SIGTERM, self._stop_within_s))
            self._child = None
        if self._log_task is not None:
            # What left the session may still hold the pipe; the log does not wait for it.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._log_task, LOG_DRAIN_WITHIN_S)
            self._log_task = None

    async def wait(self) -> int:
        """Its exit code once it has ended."""
        assert self._child is not None
        return await self._child.wait()

    async def _ready_line(self, descriptor: int) -> str:
        """What the child wrote; an end without a line means that it ended or closed the pipe."""
        reader = asyncio.StreamReader(limit=READY_LINE_BYTES_MOST)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            line = await asyncio.wait_for(reader.readline(), self._ready_within_s)
        except TimeoutError:
            raise ServerError(
                f"{self.name} was not ready within {self._ready_within_s:g} s; see {self._log_path}"
            ) from None
        finally:
            transport.close()
        if not line.endswith(b"\n"):
            raise ServerError(f"{self.name} ended before it was ready; see {self._log_path}")
        return line.decode(errors="replace").strip()


def announce_ready(detail: str = "") -> None:
    """Tell the supervisor, if one started us, that this process serves now; `detail` is one line, like a URL."""
    assert "\n" not in detail
    descriptor = os.environ.pop(READY_VARIABLE, None)
    if descriptor is not None:
        with os.fdopen(int(descriptor), "w") as pipe:
            pipe.write(f"{detail}\n")


def stop_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT from now on; ask for it before announcing that this process serves."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def until_stopped(work: "asyncio.Future[Any]", stopping: asyncio.Event) -> None:
    """Cancel work that never ends well by itself once it is to stop; raises what ended it before."""
    wish = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((work, wish), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
