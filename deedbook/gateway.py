"""A gateway process: the trading API for the clients that the kernel gives it, in front of the exchange.

All that it holds is made from the exchange's durable frames, so it can be killed at any time: its clients come again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import uvloop

from deedbook import collector, progress
from deedbook.layout import Layout
from deedbook.past import Past
from deedbook.process import announce_ready, stop_signals
from deedbook.settings import Settings
from engine.engines import Engine, engine_class
from gateway.answers import Asked
from gateway.api import Gateway
from gateway.keys import KeyStore
from gateway.limits import LimitSettings
from persistence.link import Link
from persistence.recovery import ReplayDiffers, replay, restored
from persistence.sequencer import Durable, Refusal


def main() -> int:
    """Run until SIGTERM. Exit status 1 where a replayed event differs; the name of this gateway is the one argument."""
    try:
        uvloop.run(_serve(Settings.read(os.environ), sys.argv[1]))
    except ReplayDiffers as error:
        print(f"notice: A gateway stops: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, name: str) -> None:
    layout = Layout(settings.data_dir)
    engine = await asyncio.to_thread(restored, layout.journal, layout.snapshots, engine_class(settings.engine))
    past = Past(settings.database_url) if settings.database_url else None
    serving = Serving(settings, layout, engine, past)
    stopping = stop_signals()
    following = asyncio.ensure_future(serving.link.run(engine.seq + 1))
    del engine
    wish = asyncio.ensure_future(stopping.wait())
    async with progress.taken(settings.redis_url, name, serving.gateway.on_settling):
        await asyncio.wait((following, wish), return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        following.result()  # raises what ended it
    serving.gateway.announce_stop()
    await serving.link.drain()
    await serving.gateway.stop()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    if past is not None:
        await past.close()


class Serving:
    """Replays up to now, and from then on serves; while the exchange is away nobody is served."""

    def __init__(self, settings: Settings, layout: Layout, engine: Engine, past: Past | None) -> None:
        self.link = Link(layout.feed_socket, self, time.time_ns)
        self.gateway = Gateway(
            self._submit,
            self._submit_together,
            past,
            KeyStore(layout.api_keys),
            time.time_ns,
            LimitSettings().divided(settings.gateways),
            measures=self.link.measures,
            timers=self.link.start_timer,
            tell=self.link.tell,
            disown=self.link.disown,
            catch_up=self.link.catch_up,
        )
        self._ports = (settings.websocket_port, settings.rest_port)
        self._engine: Engine | None = engine  # until the gateway has its state

    def on_durable(self, durable: Durable) -> None:
        if self._engine is not None:
            replay(self._engine, durable)
        else:
            self.gateway.count_others(durable)
            self.gateway.on_durable(durable)

    def on_refused(self, origin: object, refusal: Refusal) -> None:
        self.gateway.on_refused(origin, refusal)

    def on_note(self, note: bytes) -> None:
        self.gateway.on_note(note)

    async def on_current(self) -> None:
        if self._engine is None:
            await self.gateway.resume()
            return
        self.gateway.restore(self._engine.state())
        self._engine = None
        await self.gateway.start("127.0.0.1", *self._ports, shares_ports=True)
        collector.quiet()
        announce_ready(f"ws://127.0.0.1:{self.gateway.ws_port} http://127.0.0.1:{self.gateway.rest_port}")

    async def on_lost(self, origins: Sequence[object]) -> None:
        self.gateway.on_lost(origins)
        await self.gateway.pause("the exchange is away")

    def _submit(self, record: bytes, origin: object) -> Refusal | None:
        return self.link.submit(record, origin, is_owned=_is_owned(origin))

    def _submit_together(self, records: Sequence[bytes], origin: object) -> Refusal | None:
        return self.link.submit_together(records, origin, is_owned=_is_owned(origin))


def _is_owned(origin: object) -> bool:
    """Whether what a session asked for ends with the session."""
    return isinstance(origin, Asked) and origin.sink.owned is not None


if __name__ == "__main__":
    sys.exit(main())
