"""The engine with its journal: commands a second until they are on disk, and replayed with every event compared."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns

import uvloop

from bench.disk import written_ns
from bench.report import disk, percentiles_us
from bench.workload import Workload
from engine.engines import Engine
from engine.wire import COMMAND_SIZE
from persistence.journal import JournalWriter
from persistence.recovery import recovered
from persistence.sequencer import PENDING_BYTES_MAX
from persistence.writer_thread import GATHER_BYTES_MAX, JournalThread


def measure(workload: Workload, batch: int, kind: type[Engine], directory: Path | None) -> Mapping[str, bool]:
    """Apply and journal in batches of `batch`; then replay what was written. Returns the checks."""
    stream = b"".join(workload.batches)
    batches = [stream[at : at + batch * COMMAND_SIZE] for at in range(0, len(stream), batch * COMMAND_SIZE)]
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-", dir=directory) as name:
        journal = Path(name, "journal")
        run = _Run(kind(), JournalWriter.open(journal))
        took_ns = uvloop.run(run.apply([workload.setup], batches))
        disk_ns = written_ns(Path(name), run.size_bytes, GATHER_BYTES_MAX)
        rate = workload.commands_count * 1e3 / took_ns
        start_ns = perf_counter_ns()
        replayed = recovered(journal, Path(name, "snapshots"), kind)
        replay_rate = replayed.seq * 1e3 / (perf_counter_ns() - start_ns)
        print(f"  journalled   {rate:.2f} M/s durable in batches of {batch}, {run.frames} frames; {disk(Path(name))}")
        print(f"    until durable   {percentiles_us(run.latencies_ns)} a batch, as many as may wait in flight")
        print(
            f"    the disk alone  {workload.commands_count * 1e3 / disk_ns:.2f} M/s: as many bytes in a file that has"
            f" its room, {run.size_bytes * 1e3 / disk_ns:,.0f} MB/s"
        )
        print(f"  replay       {replay_rate:.2f} M/s, every event compared; the journal from the page cache")
    return {"replay_gives_the_same": replayed.state_hash() == run.engine.state_hash()}


class _Run:
    """What the sequencer does with its batches, without its queue."""

    def __init__(self, engine: Engine, writer: JournalWriter) -> None:
        self.engine = engine
        self.frames = 0
        self.size_bytes = 0  # of commands and events
        self.latencies_ns: list[int] = []
        self._writer = writer
        self._submitted: list[tuple[int, int]] = []  # last seq, when
        self._released = asyncio.Event()

    async def apply(self, setup: Sequence[bytes], batches: Sequence[bytes]) -> int:
        """Nanoseconds from the first batch to the last one's durability; the setup is journalled before."""
        thread = JournalThread(self._writer, asyncio.get_running_loop(), self._on_durable, _raise)
        thread.start()
        await self._through(thread, setup)
        self.frames, self.size_bytes, self.latencies_ns = 0, 0, []
        start_ns = perf_counter_ns()
        await self._through(thread, batches)
        took_ns = perf_counter_ns() - start_ns
        thread.close()
        self._writer.close()
        return took_ns

    async def _through(self, thread: JournalThread, batches: Sequence[bytes]) -> None:
        for commands in batches:
            first_seq = self.engine.seq + 1
            start_ns = perf_counter_ns()
            events = self.engine.apply(commands)
            self._submitted.append((self.engine.seq, start_ns))
            self.size_bytes += len(commands) + len(events)
            thread.submit(first_seq, commands, events)
            await asyncio.sleep(0)
            while thread.pending_bytes > PENDING_BYTES_MAX:
                await self._next_release()
        while self._submitted:
            await self._next_release()

    async def _next_release(self) -> None:
        self._released.clear()
        await self._released.wait()

    def _on_durable(self, last_seq: int, _: bytes) -> None:
        now_ns = perf_counter_ns()
        self.frames += 1
        while self._submitted and self._submitted[0][0] <= last_seq:
            self.latencies_ns.append(now_ns - self._submitted.pop(0)[1])
        self._released.set()


def _raise(error: BaseException) -> None:
    raise error
