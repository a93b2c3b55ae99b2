"""The one queue: commands get seq and time, the engine answers, and answers leave when the journal has them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from engine.types import Clock, CommandKind
from engine.wire import COMMAND_SIZE, encode_command, stamped
from persistence.journal import JournalWriter
from persistence.whole_file import write_whole
from persistence.writer_thread import JournalThread

WAITING_MAX: Final = 20_000  # commands of one turn of the loop
PENDING_BYTES_MAX: Final = 64 * 1024 * 1024  # applied, and not yet durable
KIND_OFFSET: Final = 16
OVERLOAD_PAUSE_S: Final = 0.05  # until a clock command that found no room is tried again
TAKEN_WHEN_FULL: Final = frozenset(  # what only takes away, and the operator's halt
    {CommandKind.CANCEL, CommandKind.CANCEL_ALL, CommandKind.AMEND, CommandKind.SET_PHASE, CommandKind.CLOCK}
)
CLOCK: Final = encode_command(Clock())


class Refusal(Enum):
    """Why a command was not even sequenced; nothing of it is journalled."""

    OVERLOADED = "the exchange is busy, try again"
    DISK_FULL = "the journal's disk is full: only cancels are taken"
    STOPPING = "the exchange is shutting down"
    AWAY = "the exchange is being started again, try again"


class Durable(NamedTuple):
    """One journal frame that is on disk. Command i is commands[160 i :], its origin origins[i]."""

    first_seq: int
    commands: bytes
    events: bytes
    origins: Sequence[object | None]
    hash: bytes


class Engine(Protocol):
    @property
    def seq(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def next_due_ns(self) -> int: ...
    def apply(self, commands: bytes | bytearray | memoryview, /) -> bytes: ...


class _Applied(NamedTuple):
    first_seq: int
    commands: bytes
    events: bytes
    origins: list[object | None]


class Sequencer:
    """Owns the engine. All calls come from the event loop's thread.

    subscribers   called with every durable frame, in order.
    on_fatal      called once when the journal failed, or the engine or a subscriber raised: nothing may be acknowledged
                  any more and the process must end. A command that made the engine raise is kept in `poison_directory`.
    """

    def __init__(
        self,
        engine: Engine,
        writer: JournalWriter,
        now_ns: Callable[[], int],
        on_fatal: Callable[[BaseException], None],
        poison_directory: Path,
    ) -> None:
        assert engine.seq == writer.last_seq
        self.subscribers: list[Callable[[Durable], None]] = []
        self._engine = engine
        self._writer = writer
        self._now_ns = now_ns
        self._on_fatal = on_fatal
        self._poison_directory = poison_directory
        self._loop = asyncio.get_running_loop()
        self._thread = JournalThread(writer, self._loop, self._release, self._fail)
        self._waiting: list[bytes] = []
        self._origins: list[object | None] = []
        self._applied: deque[_Applied] = deque()
        self._clock: asyncio.TimerHandle | None = None
        self._stopped = False
        self._thread.start()
        self._set_clock()

    @property
    def durable_seq(self) -> int:
        return self._applied[0].first_seq - 1 if self._applied else self._engine.seq

    def submit(self, record: bytes, origin: object | None) -> Refusal | None:
        """Queue one unstamped command; its durable frame brings `origin` back. Or say at once why not."""
        refusal = self._refusal(record, 1)
        if refusal is None:
            self._waiting.append(record)
            self._origins.append(origin)
        return refusal

    def submit_together(self, records: Sequence[bytes], origin: object | None) -> Refusal | None:
        """Queue several commands with nothing between them, or none; the origin comes back with each."""
        refusal = self._refusal(records[0], len(records))
        if refusal is None:
            self._waiting += records
            self._origins += [origin] * len(records)
        return refusal

    def _refusal(self, record: bytes, count: int) -> Refusal | None:
        if self._stopped:
            return Refusal.STOPPING
        if len(self._waiting) + count > WAITING_MAX or self._thread.pending_bytes > PENDING_BYTES_MAX:
            return Refusal.OVERLOADED
        if self._writer.disk_full and record[KIND_OFFSET] not in TAKEN_WHEN_FULL:
            return Refusal.DISK_FULL
        if not self._waiting:
            self._loop.call_soon(self._sequence)
        return None

    async def stop(self) -> None:
        """Take nothing more, make durable what was taken, and release it."""
        if self._clock is not None:
            self._clock.cancel()
        self._sequence()
        self._stopped = True
        await self._loop.run_in_executor(None, self._thread.close)
        await asyncio.sleep(0)  # the thread's last reports stand in the loop before this

    def _sequence(self) -> None:
        records, origins = self._waiting, self._origins
        if not records or self._stopped:
            return
        self._waiting, self._origins = [], []
        engine = self._engine
        first_seq = engine.seq + 1
        commands = bytes(stamped(records, first_seq, max(engine.time_ns, self._now_ns())))
        try:
            events = engine.apply(commands)
        except BaseException as error:
            try:
                self._keep_poison(commands[(engine.seq - first_seq) * COMMAND_SIZE :][:COMMAND_SIZE])
            finally:
                self._fail(error)  # also where the disk cannot take it: this engine is not used any further
            return
        self._applied.append(_Applied(first_seq, commands, events, origins))
        self._thread.submit(first_seq, commands, events)
        self._set_clock()

    def _keep_poison(self, record: bytes) -> None:
        self._poison_directory.mkdir(mode=0o700, exist_ok=True)
        write_whole(self._poison_directory / f"{self._engine.seq:020}.command", record)

    def _release(self, last_seq: int, frame_hash: bytes) -> None:
        """The journal's thread reports, in the loop: one frame, made of one or more batches, is durable."""
        batches: list[_Applied] = []
        while self._applied and self._applied[0].first_seq <= last_seq:
            batches.append(self._applied.popleft())
        first = batches[0]
        if len(batches) == 1:
            durable = Durable(first.first_seq, first.commands, first.events, first.origins, frame_hash)
        else:
            durable = Durable(
                first.first_seq,
                b"".join([batch.commands for batch in batches]),
                b"".join([batch.events for batch in batches]),
                [origin for batch in batches for origin in batch.origins],
                frame_hash,
            )
        assert durable.first_seq + len(durable.origins) - 1 == last_seq
        try:
            for subscriber in self.subscribers:
                subscriber(durable)
        except BaseException as error:
            self._fail(error)  # going on would leave some told and others not; the frame is told anew from the journal

    def _fail(self, error: BaseException) -> None:
        if not self._stopped:
            self._stopped = True
            self._on_fatal(error)

    def _set_clock(self) -> None:
        """Wake up when something expires and nothing else has come."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        due_ns = self._engine.next_due_ns
        if due_ns and not self._stopped:
            delay_s = min(max(0.0, (due_ns - self._now_ns()) / 1e9), 3600.0)
            self._clock = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._clock = None
        if self._waiting or self._engine.next_due_ns > self._now_ns():
            self._set_clock()
        elif self.submit(CLOCK, None) is not None and not self._stopped:
            self._clock = self._loop.call_later(OVERLOAD_PAUSE_S, self._tick)
