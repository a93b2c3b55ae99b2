"""The settlement process: follows the journal, settles its trades on chain, and brings back what the chain says."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import asyncpg
import uvloop
from eth_utils.address import to_canonical_address
from redis.exceptions import RedisError

from deedbook import progress
from deedbook.chain import chain_processor
from deedbook.chain_keys import chain_key
from deedbook.deployment import addresses_of, chain_of, recorded
from deedbook.layout import Layout
from deedbook.process import announce_ready
from deedbook.settings import Settings
from engine.types import VENUE, Clock, Phase, SetPhase
from engine.wire import encode_command
from persistence.database import Pool, connect
from persistence.feed import CommandsRefused, FeedClient, FeedLost
from persistence.streams import Stream
from persistence.streams import connect as connect_redis
from settlement.batcher import WAITED_OUT, Batcher, BatcherTerms, BatchProgress
from settlement.chain_book import ChainBook
from settlement.chain_stream import ChainStream
from settlement.intake import Intake, LotUnknown
from settlement.listener import ChainLostBlocks, Listener, SettlementUnknown
from settlement.observer import NotRecorded, Observer
from settlement.outbox import Outbox
from settlement.records import Records
from settlement.relay import CreditingRefused, Relay, StreamLost
from settlement.releases import Releases
from settlement.signer_client import SignerClient
from settlement.trades import Token
from settlement.watch import exit_delay_s, lag_sentence, require_same_chain
from settlement.watched import watched_contracts

TERMS_LOCAL: Final = BatcherTerms(trades_max=1_000, simulation_gas_max=1_000_000_000)
SOON_S: Final = 0.1
RECOVERED_AFTER_S: Final = 5.0
PAUSE_FIRST_S: Final = 0.25
PAUSE_MOST_S: Final = 10.0
RELEASE_INTERVAL_S: Final = 1.0
WATCH_INTERVAL_S: Final = 5.0
OBSERVE_INTERVAL_S: Final = 0.5
ONE_PROCESS_LOCK: Final = 0x7365_7474_6C65  # an advisory lock: a second settlement process on this database refuses
# The world's troubles: each is shown to its users and waited out. Anything else is ours and ends the process.
WAITED_FOR: Final = (
    *WAITED_OUT,
    *(StreamLost, CreditingRefused, SettlementUnknown, LotUnknown, FeedLost, CommandsRefused, NotRecorded),
    *(RedisError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError),
)
Step = Callable[[], Coroutine[Any, Any, bool | None]]
_log: Final = logging.getLogger("deedbook.settlement")


class Settlement:
    """The loops of the process, and the one trouble sentence of each."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        layout, infrastructure = Layout(settings.data_dir), recorded(Layout(settings.data_dir))
        assert settings.redis_url is not None
        self._layout = layout
        self._pool = pool
        self._infrastructure = infrastructure
        self._feed = FeedClient(layout.feed_socket)
        self._redis = connect_redis(settings.redis_url)
        self._progress = Stream(self._redis, progress.STREAM)
        self._chain = chain_of(settings)
        self._addresses = addresses_of(infrastructure)
        self._records = Records(pool)
        self._intake = Intake(pool, self._feed.frames, self._lot_of)
        self._terms = TERMS_LOCAL if settings.chain_is_local else BatcherTerms()
        self._troubles: dict[str, str] = {}
        self._stopped_entry = False

    async def run(self) -> None:
        """Until cancelled. Where the chain lost blocks, entry is stopped and nothing else is done any more."""
        try:
            await self._work(await self._checked_chain())
        except* ChainLostBlocks as group:
            lost = group.exceptions[0]
            sentence = (
                f"The chain lost blocks: {lost}. Orders are cancel-only and nothing is settled;"
                f" to begin anew on a local chain, stop Deedbook, delete {self._layout.root} and start again."
            )
            await self._show("chain", sentence)
            await self._stop_entry(sentence)
            await asyncio.Event().wait()

    async def _work(self, chain_id: int) -> None:
        operator, releaser = (self._outbox(role, chain_id) for role in ("operator", "releaser"))
        batcher = Batcher(
            self._chain,
            self._records,
            operator,
            self._addresses,
            self._feed.submit,
            self._intake.wait_for,
            self._tell_progress,
            self._terms,
        )
        releases = Releases(self._chain, self._records, releaser, self._addresses)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop("journal", self._follow, SOON_S))
            tasks.create_task(self._loop("batches", batcher.step, self._terms.interval_s))
            tasks.create_task(self._loop("releases", releases.step, RELEASE_INTERVAL_S))
            tasks.create_task(self._loop("listener", self._relay().session, SOON_S))
            tasks.create_task(self._loop("observer", self._observer().step, OBSERVE_INTERVAL_S))
            tasks.create_task(self._loop("watch", self._watch, WATCH_INTERVAL_S))

    async def close(self) -> None:
        await self._feed.close()
        await self._chain.close()
        await self._redis.aclose()

    # -- what the loops do

    async def _follow(self) -> None:
        await self._intake.open()
        await self._intake.run()

    def _relay(self) -> Relay:
        listener = Listener(
            self._chain,
            self._addresses,
            self._records.instruments,
            self._catch_up,
            self._records.batch_of,
            self._infrastructure.first_block,
        )
        return Relay(
            listener,
            ChainStream(self._redis),
            self._feed.submit,
            self._position,
            self._records.seen,
            self._records.set_seen,
        )

    def _observer(self) -> Observer:
        stream = Stream(self._redis, chain_processor.STREAM, length_max=chain_processor.STREAM_LENGTH_MAX)
        contracts = watched_contracts(self._infrastructure)
        return Observer(
            self._chain, ChainBook(self._pool), stream, contracts, first_block=self._infrastructure.first_block
        )

    async def _catch_up(self) -> None:
        """A clock command changes nothing, and its place in the journal says how far the tables must be."""
        answers = await self._feed.submit([encode_command(Clock())])
        await self._intake.wait_for(answers[-1].seq)

    async def _position(self) -> tuple[int, int]:
        await self._catch_up()
        return await self._records.engine_position()

    async def _watch(self) -> None:
        delay_s = await exit_delay_s(self._chain, self._addresses)
        sentence = await lag_sentence(self._records, delay_s, time.time_ns())
        if sentence:
            await self._stop_entry(sentence)
        else:
            self._stopped_entry = False

    async def _stop_entry(self, sentence: str) -> None:
        """Cancel-only for the whole venue, once a cause; an operator resumes."""
        if not self._stopped_entry:
            print(sentence, file=sys.stderr, flush=True)
            while not self._stopped_entry:
                try:
                    await self._feed.submit([encode_command(SetPhase(VENUE, Phase.CANCEL_ONLY))])
                    self._stopped_entry = True
                except (FeedLost, CommandsRefused) as error:
                    await self._show("chain", f"{sentence} The exchange was not told yet: {error}")
                    await asyncio.sleep(PAUSE_MOST_S)

    # -- a loop

    async def _loop(self, name: str, step: Step, interval_s: float) -> None:
        """Steps for ever; what of the world stops one is shown, and waited out with growing pauses.

        A step that says True has more to do and comes again soon; one that goes on for long has recovered.
        """
        pause_s = PAUSE_FIRST_S
        while True:
            running = asyncio.ensure_future(step())
            try:
                done, _ = await asyncio.wait({running}, timeout=RECOVERED_AFTER_S)
                if not done:
                    await self._show(name, "")
                    pause_s = PAUSE_FIRST_S
                has_more = await running
            except WAITED_FOR as error:
                await self._show(name, f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MOST_S)
                continue
            finally:
                running.cancel()
            await self._show(name, "")
            pause_s = PAUSE_FIRST_S
            await asyncio.sleep(SOON_S if has_more else interval_s)

    async def _checked_chain(self) -> int:
        """The chain's id, once it answers and is the one that we know. Raises ChainLostBlocks."""
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                await require_same_chain(self._chain, self._records, self._addresses)
                chain_id = await self._chain.chain_id()
                await self._show("chain", "")
                return chain_id
            except WAITED_FOR as error:
                await self._show("chain", f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MOST_S)

    async def _show(self, name: str, trouble: str) -> None:
        if self._troubles.get(name, "") == trouble:
            return
        self._troubles[name] = trouble
        if trouble:
            _log.warning("%s waits: %s", name, trouble)
        else:
            _log.info("%s goes on", name)
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the database itself may be the trouble
            shown = "; ".join(f"{each}: {text}" for each, text in sorted(self._troubles.items()) if text)
            await self._records.set_trouble(shown)

    # -- what others are told, and asked

    async def _tell_progress(self, batch: BatchProgress) -> None:
        with suppress(RedisError, OSError):  # who misses it reads the tables
            await progress.publish(self._progress, batch)

    async def _lot_of(self, token: Token) -> int | None:
        lot = await self._pool.fetchval("SELECT lot_base_units FROM instruments WHERE token = $1", token)
        return None if lot is None else int(lot)

    def _outbox(self, role: str, chain_id: int) -> Outbox:
        address = to_canonical_address(chain_key(self._layout.signer_keys, role).address)
        return Outbox(
            self._chain, self._records, SignerClient(self._layout.signer_socket(role)), bytes(address), chain_id
        )


def main() -> int:
    """Run until SIGTERM. Exit status 1 with one sentence where the chain lost blocks, or another one is running."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return uvloop.run(_serve(Settings.read(os.environ)))


async def _serve(settings: Settings) -> int:
    assert settings.database_url is not None
    pool = await connect(settings.database_url)
    lock = await asyncpg.connect(settings.database_url)
    try:
        if not await lock.fetchval("SELECT pg_try_advisory_lock($1)", ONE_PROCESS_LOCK):
            print("Another settlement process works on this database.", file=sys.stderr)
            return 1
        settlement = Settlement(settings, pool)
        running = asyncio.create_task(settlement.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        announce_ready()
        try:
            await running
        except asyncio.CancelledError:
            return 0
        finally:
            await settlement.close()
    finally:
        await lock.close()
        await pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
