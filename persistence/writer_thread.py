"""The thread that syncs: takes batches from the event loop's thread, writes them as frames, reports what is durable."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from persistence.journal import JournalWriter

GATHER_BYTES_MAX: Final = 4 * 1024 * 1024  # one sync of this much still takes only a few milliseconds


class Batch(NamedTuple):
    first_seq: int
    commands: bytes
    events: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.commands) + len(self.events)


class JournalThread:
    """Syncs at once when idle; while a sync runs, what is submitted gathers and becomes the next frame.

    on_durable(last_seq, frame_hash)  called in the loop's thread, in order: every command up to last_seq is durable.
    on_fatal(error)                   called there once if the writer failed (OSError, JournalFenced): nothing after the
                                      last on_durable may be acknowledged, and the process must stop.
    """

    def __init__(
        self,
        writer: JournalWriter,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[int, bytes], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.pending_bytes = 0  # submitted and not yet reported durable; the sequencer bounds it
        self._writer = writer
        self._loop = loop
        self._on_durable = on_durable
        self._on_fatal = on_fatal
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, first_seq: int, commands: bytes, events: bytes) -> None:
        """Hand over the next commands (n >= 1) and their events; from the loop's thread only, in seq order, no gaps."""
        batch = Batch(first_seq, commands, events)
        self.pending_bytes += batch.size_bytes
        self._batches.put(batch)
        os.sched_yield()  # where both have one core, the sync need not wait until the loop has nothing else to do

    def close(self) -> None:
        """Write what was submitted, then end the thread; its last reports wait in the loop. The writer stays open."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            carried: Batch | None = None
            while (first := carried or self._batches.get()) is not None:
                gathered, carried, is_last = self._gather(first)
                self._write(gathered)
                if is_last:
                    return
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._on_fatal, error)

    def _gather(self, first: Batch) -> tuple[list[Batch], Batch | None, bool]:
        """What is queued behind `first`, up to one frame; the batch that did not fit; whether the end was seen."""
        gathered, size_bytes = [first], first.size_bytes
        limit_bytes = min(GATHER_BYTES_MAX, self._writer.frame_bytes_max)
        while True:
            try:
                batch = self._batches.get_nowait()
            except Empty:
                return gathered, None, False
            if batch is None:
                return gathered, None, True
            size_bytes += batch.size_bytes
            if size_bytes > limit_bytes:
                return gathered, batch, False
            gathered.append(batch)

    def _write(self, batches: list[Batch]) -> None:
        commands = b"".join([batch.commands for batch in batches])
        events = b"".join([batch.events for batch in batches])
        frame_hash = self._writer.append(batches[0].first_seq, commands, events)
        self._loop.call_soon_threadsafe(self._report, self._writer.last_seq, frame_hash, len(commands) + len(events))

    def _report(self, last_seq: int, frame_hash: bytes, size_bytes: int) -> None:
        self.pending_bytes -= size_bytes
        self._on_durable(last_seq, frame_hash)
