"""Starts the services in order, keeps them up, and leaves nothing behind."""

import asyncio
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

from deedbook.embedded.child import ServerError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PAUSE_FIRST_S = 0.2
PAUSE_MOST_S = 5.0


class Service(Protocol):
    """What the supervisor runs: an embedded server or a `Process`."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None:
        """Return when it is ready. Raises ServerError; then nothing of it is left."""
        ...

    async def stop(self) -> None:
        """End it; returns when nothing of it is left. Harmless when it has ended or never started."""
        ...

    async def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        ...


BeforeRestart = Callable[[str, int], Awaitable[None]]


class Supervisor:
    """Runs `services`, each ready before the next starts; stops them in reverse order.

    before_restart  called with (name, exit code) before a service that ended is started again: the place to halt an
                    instrument whose command killed the engine. What it raises stops everything.
    vital           names of the services without which the others are of no use; None: all.
    restarts_most   of a vital service within `window_s`; one more makes `run` stop everything and return 1. The others
                    are started again for ever: a database that is away is no reason to stop a market.
    say             gets one line for everything that a person should know.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        before_restart: BeforeRestart | None = None,
        say: Callable[[str], None] = print,
        vital: Collection[str] | None = None,
        restarts_most: int = 5,
        window_s: float = 60,
        pause_first_s: float = PAUSE_FIRST_S,
    ) -> None:
        assert services
        assert len({service.name for service in services}) == len(services)
        self._services = tuple(services)
        self._before_restart = before_restart
        self._say = say
        self._vital = {service.name for service in services} if vital is None else set(vital)
        self._restarts_most = restarts_most
        self._window_s = window_s
        self._pause_first_s = pause_first_s
        self._started: list[Service] = []
        self._stopping = asyncio.Event()

    def request_stop(self) -> None:
        """Make `run` end well, as a signal does."""
        self._stopping.set()

    async def run(self, when_ready: Callable[[], Awaitable[None]] | None = None) -> int:
        """Start everything, await `when_ready`, and stay until SIGINT, SIGTERM or `request_stop`.

        Returns 0 after a wanted stop, 1 when a service did not start or kept ending. A second signal while stopping
        changes nothing: each service has its own deadline.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.request_stop)
        work = asyncio.create_task(self._work(when_ready))
        wish = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((work, wish), return_when=asyncio.FIRST_COMPLETED)
            return await self._outcome(work)
        finally:
            for task in (work, wish):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            await self._stop_all()
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def _outcome(self, work: "asyncio.Task[None]") -> int:
        if not work.done():
            self._say("Stopping.")
            return 0
        try:
            await work
        except* (ServerError, OSError) as errors:
            for error in errors.exceptions:
                self._say(str(error))
        return 1

    async def _work(self, when_ready: Callable[[], Awaitable[None]] | None) -> None:
        """Start all and watch all; ends only by an exception or by being cancelled."""
        async with asyncio.TaskGroup() as watchers:
            for service in self._services:
                self._started.append(service)
                await service.start()
                watchers.create_task(self._keep_up(service))
            if when_ready is not None:
                await when_ready()

    async def _keep_up(self, service: Service) -> None:
        """Start `service` again whenever it ends. Raises ServerError when it does so too often."""
        ends: deque[float] = deque()
        while True:
            code = await service.wait()
            await service.stop()
            while True:
                self._say(f"{service.name} ended by itself ({_describe(code)}); starting it again.")
                await self._pause(service, ends)
                if self._before_restart is not None:
                    await self._before_restart(service.name, code)
                try:
                    await service.start()
                except ServerError as error:
                    self._say(str(error))
                    continue
                except OSError as error:  # a full disk is no reason to stop the others
                    self._say(f"{service.name} did not start: {error}")
                    continue
                self._say(f"{service.name} is ready again.")
                break

    async def _pause(self, service: Service, ends: deque[float]) -> None:
        """Wait longer after each end within the window. Raises ServerError after too many of a vital service."""
        now = asyncio.get_running_loop().time()
        while ends and ends[0] < now - self._window_s:
            ends.popleft()
        ends.append(now)
        if len(ends) > self._restarts_most and service.name in self._vital:
            raise ServerError(f"{service.name} ended {len(ends)} times within {self._window_s:g} s; giving up.")
        await asyncio.sleep(min(PAUSE_MOST_S, self._pause_first_s * 2 ** (len(ends) - 1)))

    async def _stop_all(self) -> None:
        """In reverse order of start, each with its own deadline; one that fails to stop does not keep the others."""
        while self._started:
            service = self._started.pop()
            try:
                await service.stop()
            except OSError as error:
                self._say(f"{service.name} could not be stopped: {error}")


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
