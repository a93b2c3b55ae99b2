"""The journal: what one durable frame takes by its size, and group commit: durable commands a second by producers."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import uvloop

from bench.flow import START_NS, STEP_NS, Flow
from bench.report import disk, machine, percentiles_us
from engine.exchange import Exchange
from engine.wire import COMMAND_SIZE, EVENT_SIZE, STAMP
from persistence.journal import JournalWriter
from persistence.journal_reader import JournalReader
from persistence.sequencer import Durable, Sequencer

LEAVES_OUT = "sockets, JSON and the engine (its events are made beforehand); other writers on the same disk"
PRODUCERS: Final = (1, 16, 128, 1_024)
FRAME_COMMANDS: Final = (1, 16, 256, 4_096)
BATCH_COMMANDS: Final = 16
FRAME_SHARE: Final = 64  # a larger frame is written less often
RESTING: Final = 500


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--commands", type=int, default=100_000, help="of each number of producers")
    parser.add_argument("--frames", type=int, default=2_000, help="of one command; fewer of larger ones")
    parser.add_argument("--producers", type=int, nargs="+", default=PRODUCERS)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured (default: that of temporary files)")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; 1 if a check fails."""
    commands, events = _records(arguments.seed, max(FRAME_COMMANDS))
    digest, checks = hashlib.sha256(), {}
    each = len(events) / len(commands) * COMMAND_SIZE / EVENT_SIZE
    print(f"journal: seed {arguments.seed}, {each:.1f} events a command")
    with tempfile.TemporaryDirectory(prefix="deedbook-bench-", dir=arguments.directory) as name:
        print(f"  machine      {machine()}; {disk(Path(name))}")
        for count in FRAME_COMMANDS:
            frames = max(1, arguments.frames // (1 + count // FRAME_SHARE))
            directory = Path(name, f"frames-{count}")
            latencies_ns = _appended(directory, commands, events, count, frames)
            print(f"  frame        of {count:,} commands, {frames:,} times: {percentiles_us(latencies_ns)}")
            checks[f"frames_of_{count}_read_back"] = _read_back(directory, digest) == frames * count
        for producers in arguments.producers:
            directory = Path(name, f"producers-{producers}")
            group = uvloop.run(_grouped(directory, commands, events, producers, arguments.commands))
            rate = len(group.latencies_ns) * 1e9 / group.took_ns
            each, latencies = len(group.latencies_ns) / group.frames, percentiles_us(group.latencies_ns)
            print(f"  {producers:5} at once {rate:,.0f} commands/s, {each:,.1f} a frame; {latencies}")
            checks[f"commands_of_{producers}_read_back"] = _read_back(directory, digest) == arguments.commands
    print(f"  digest       {digest.hexdigest()}")
    print(f"  checks       {checks}")
    print(f"  leaves out   {LEAVES_OUT}")
    return 0 if all(checks.values()) else 1


def _records(seed: int, count: int) -> tuple[bytes, bytes]:
    """Commands of the flow and their events."""
    flow, engine = Flow(seed, RESTING), Exchange()
    engine.apply(flow.setup())
    batches = list(flow.batches(count, BATCH_COMMANDS))
    return b"".join(batches), b"".join([engine.apply(batch) for batch in batches])


def _appended(directory: Path, commands: bytes, events: bytes, count: int, frames: int) -> array[int]:
    """Append `frames` frames of `count` commands and a like share of the events, one after the other."""
    share = count * COMMAND_SIZE / len(commands)
    frame_commands = commands[: count * COMMAND_SIZE]
    frame_events = events[: round(len(events) / EVENT_SIZE * share) * EVENT_SIZE]
    latencies_ns = array("q")
    writer = JournalWriter.open(directory)
    for frame in range(frames):
        start_ns = perf_counter_ns()
        writer.append(1 + frame * count, frame_commands, frame_events)
        latencies_ns.append(perf_counter_ns() - start_ns)
    writer.close()
    return latencies_ns


class _Echo:
    """In the engine's place: a fixed number of events for each command."""

    def __init__(self, events: bytes, commands_count: int) -> None:
        self.seq = 0
        self.time_ns = 0
        self.next_due_ns = 0
        self._events = events
        self._each = len(events) // EVENT_SIZE // commands_count * EVENT_SIZE

    def apply(self, commands: bytes | bytearray | memoryview) -> bytes:
        count = len(commands) // COMMAND_SIZE
        self.seq += count
        return self._events[: count * self._each]


class _Group:
    """Producers that send their next command when the last one is durable."""

    def __init__(self, sequencer: Sequencer, records: Sequence[bytes], count: int) -> None:
        self.latencies_ns = array("q")
        self.frames = 0
        self.took_ns = 0
        self.done = asyncio.Event()
        self._sequencer = sequencer
        self._records = records
        self._count = count
        self._sent = 0

    def send(self) -> None:
        if self._sent < self._count:
            refusal = self._sequencer.submit(self._records[self._sent % len(self._records)], perf_counter_ns())
            assert refusal is None
            self._sent += 1

    def on_durable(self, durable: Durable) -> None:
        now_ns = perf_counter_ns()
        self.frames += 1
        for sent_ns in durable.origins:
            assert isinstance(sent_ns, int)
            self.latencies_ns.append(now_ns - sent_ns)
            self.send()
        if len(self.latencies_ns) == self._count:
            self.done.set()


async def _grouped(directory: Path, commands: bytes, events: bytes, producers: int, count: int) -> _Group:
    records = [commands[at : at + COMMAND_SIZE] for at in range(0, len(commands), COMMAND_SIZE)]
    writer = JournalWriter.open(directory)
    times_ns = iter(range(START_NS, START_NS + count * STEP_NS, STEP_NS))
    engine = _Echo(events, len(records))
    sequencer = Sequencer(engine, writer, lambda: next(times_ns), _raise, directory / "poison")
    group = _Group(sequencer, records, count)
    sequencer.subscribers.append(group.on_durable)
    start_ns = perf_counter_ns()
    for _ in range(producers):
        group.send()
    await group.done.wait()
    group.took_ns = perf_counter_ns() - start_ns
    await sequencer.stop()
    writer.close()
    return group


def _raise(error: BaseException) -> None:
    raise error


def _read_back(directory: Path, digest: hashlib._Hash) -> int:
    """How many commands the journal holds; the digest takes all of them but what the sequencer stamped."""
    with JournalReader(directory) as reader:
        for frame in reader.read():
            for at in range(0, len(frame.commands), COMMAND_SIZE):
                digest.update(frame.commands[at + STAMP.size : at + COMMAND_SIZE])
        return reader.last_seq
