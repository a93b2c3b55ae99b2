"""The exchange process: sequencer, engine, journal; no database, no chain on an order's path.

It is its own gateway where no others are asked for.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import uvloop

from deedbook import collector, progress
from deedbook.entrance import Entrance
from deedbook.layout import Layout
from deedbook.measures import Measures
from deedbook.past import Past
from deedbook.process import announce_ready, stop_signals
from deedbook.settings import Settings
from engine.engines import Engine, engine_class
from engine.exchange import Exchange
from engine.types import MarketState, Phase, SetPhase
from engine.wire import decode_commands, encode_command
from gateway.api import Gateway
from gateway.keys import KeyStore
from persistence.feed import FeedServer
from persistence.frame import JournalError
from persistence.journal import JournalWriter
from persistence.recovery import ReplayDiffers, recovered
from persistence.sequencer import Durable, Sequencer

FATAL_EXIT = 70  # nothing may be acknowledged any more; the supervisor starts us again
HALTED_SUFFIX = ".halted"


def main() -> int:
    """Run until SIGTERM or SIGINT. Exit status 1 with one sentence where the journal does not allow a start."""
    try:
        return uvloop.run(_serve(Settings.read(os.environ)))
    except (JournalError, ReplayDiffers) as error:
        print(f"notice: The exchange does not start: {error}", file=sys.stderr)
        return 1


async def _serve(settings: Settings) -> int:
    layout = Layout(settings.data_dir)
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    writer = JournalWriter.open(layout.journal)
    try:
        kind = engine_class(settings.engine)
        _say_engine(kind)
        exchange = recovered(layout.journal, layout.snapshots, kind)
        sequencer = Sequencer(exchange, writer, time.time_ns, _die, layout.poison)
        measures = Measures(time.time_ns)
        if settings.gateways:
            await _run_behind_gateways(layout, sequencer, measures)
        else:
            await _run_alone(settings, layout, sequencer, exchange.state(), measures)
    finally:
        writer.close()
    return 0


async def _run_alone(
    settings: Settings, layout: Layout, sequencer: Sequencer, state: MarketState, measures: Measures
) -> None:
    """Until a signal, with the gateway in this process."""

    async def measured() -> str:
        return measures.text()

    feed = FeedServer(layout.feed_socket, sequencer, layout.journal)
    past = Past(settings.database_url) if settings.database_url else None
    keys = KeyStore(layout.api_keys)
    gateway = Gateway(sequencer.submit, sequencer.submit_together, past, keys, time.time_ns, measures=measured)
    gateway.restore(state)
    del state
    sequencer.subscribers += [gateway.on_durable, feed.on_durable, measures.on_durable]
    await halt_poisoned(sequencer, layout.poison)
    await feed.start()
    await gateway.start("127.0.0.1", settings.websocket_port, settings.rest_port)
    collector.quiet()
    stopping = stop_signals()
    announce_ready(f"ws://127.0.0.1:{gateway.ws_port} http://127.0.0.1:{gateway.rest_port}")
    async with progress.taken(settings.redis_url, "gateway", gateway.on_settling):
        await stopping.wait()
    gateway.announce_stop()
    await sequencer.stop()  # first: what was taken is answered while its sessions are open
    await gateway.stop()
    await feed.stop()
    if past is not None:
        await past.close()


async def _run_behind_gateways(layout: Layout, sequencer: Sequencer, measures: Measures) -> None:
    """Until a signal, with one door: the socket at which the gateways and our other processes come in."""
    entrance = Entrance(sequencer, time.time_ns, measures.text)
    feed = FeedServer(layout.feed_socket, sequencer, layout.journal, entrance)
    sequencer.subscribers += [feed.on_durable, measures.on_durable]
    await halt_poisoned(sequencer, layout.poison)
    await feed.start()
    collector.quiet()
    stopping = stop_signals()
    announce_ready()
    await stopping.wait()
    await sequencer.stop()
    entrance.stop()
    await feed.stop()


def _say_engine(kind: type[Engine]) -> None:
    if kind is Exchange:
        print("notice: The Python engine runs: the same rules as the C++ core, some thirty times slower.", flush=True)


def _die(error: BaseException) -> None:
    """At once: a promise was about to be broken, and nothing in this process may answer anybody any more."""
    print(f"notice: The exchange stops: {error!r}", file=sys.stderr, flush=True)
    os._exit(FATAL_EXIT)


async def halt_poisoned(sequencer: Sequencer, poison: Path) -> None:
    """Halt the instrument of each command that broke the engine, by a command in the journal, and keep the file.

    The files change their names once the halt is durable: until then another start must halt again.
    """
    paths = _kept_commands(poison)
    if not paths:
        return
    instruments = [_instrument_of(path.read_bytes()) for path in paths]
    origin, halted = object(), asyncio.Event()

    def on_durable(durable: Durable) -> None:
        if origin in durable.origins:
            halted.set()

    sequencer.subscribers.append(on_durable)
    commands = [encode_command(SetPhase(instrument, Phase.HALT)) for instrument in instruments]
    refusal = sequencer.submit_together(commands, origin)
    assert refusal is None
    await halted.wait()
    sequencer.subscribers.remove(on_durable)
    for path, instrument in zip(paths, instruments, strict=True):
        path = path.rename(path.with_suffix(HALTED_SUFFIX))
        what = f"instrument {instrument}" if instrument else "the venue"
        print(f"notice: A command broke the engine and is kept in {path}; {what} is halted.", flush=True)


def _kept_commands(poison: Path) -> list[Path]:
    return sorted(poison.glob("*.command")) if poison.is_dir() else []


def _instrument_of(record: bytes) -> int:
    """The command's instrument; the whole venue where it cannot even be read."""
    try:
        ((_, _, command),) = decode_commands(record)
    except ValueError:
        return 0
    return int(getattr(command, "instrument", 0))


if __name__ == "__main__":
    sys.exit(main())
