"""The follower process: replays what is durable, compares every event, and writes the snapshots."""

import asyncio
import os
import sys
import time

import uvloop

from deedbook.layout import Layout
from deedbook.process import announce_ready
from deedbook.settings import Settings
from engine.engines import Engine, engine_class
from persistence import snapshots
from persistence.feed import FeedClient
from persistence.recovery import ReplayDiffers, replay, restored
from persistence.snapshots import Snapshot

SNAPSHOT_AFTER_COMMANDS = 100_000
SNAPSHOT_AFTER_S = 300.0


def main() -> int:
    """Run until SIGTERM. Exit status 1 where a replayed event differs: engine or journal is not to be trusted."""
    try:
        uvloop.run(_follow(Settings.read(os.environ)))
    except ReplayDiffers as error:
        print(f"notice: The follower stops: {error}", file=sys.stderr)
        return 1
    return 0


async def _follow(settings: Settings) -> None:
    layout = Layout(settings.data_dir)
    exchange = await asyncio.to_thread(restored, layout.journal, layout.snapshots, engine_class(settings.engine))
    kept_seq, kept_s = exchange.seq, time.monotonic()
    client = FeedClient(layout.feed_socket)
    announce_ready()
    async for frame in client.frames(exchange.seq + 1):
        replay(exchange, frame)
        now_s = time.monotonic()
        behind = exchange.seq - kept_seq
        if behind >= SNAPSHOT_AFTER_COMMANDS or (behind and now_s - kept_s >= SNAPSHOT_AFTER_S):
            try:
                _keep(exchange, layout, frame.hash)
            except OSError as error:  # the journal has it all; the next one is tried in its turn
                print(f"warning: no snapshot at seq {exchange.seq}: {error}", flush=True)
            kept_seq, kept_s = exchange.seq, now_s


def _keep(exchange: Engine, layout: Layout, frame_hash: bytes) -> None:
    snapshots.write(layout.snapshots, Snapshot(exchange.seq, frame_hash, exchange.snapshot()))


if __name__ == "__main__":
    sys.exit(main())
