"""`deedbook replay DIR`: the whole journal through a new engine, every event compared."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.engines import engine_class
from engine.types import CommandKind, EventKind
from engine.wire import COMMAND_DTYPE, EVENT_DTYPE
from persistence.journal_reader import JournalReader
from persistence.recovery import replay


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the journal holds; counts by kind of command and event."""

    seq: int
    frame_hash: bytes
    state_hash: bytes
    frames: int
    commands: Counter[str]
    events: Counter[str]
    seconds: float

    def text(self) -> str:
        lines = [
            f"seq {self.seq}",
            f"state hash {self.state_hash.hex()}",
            f"journal hash {self.frame_hash.hex()}",
            f"frames {self.frames}",
        ]
        lines += [f"commands {name} {count}" for name, count in sorted(self.commands.items())]
        lines += [f"events {name} {count}" for name, count in sorted(self.events.items())]
        lines.append(f"replayed in {self.seconds:.2f} s, {self.seq / max(self.seconds, 1e-9):,.0f} commands a second")
        return "\n".join(lines)


def journal_of(directory: Path) -> Path:
    """A data directory's journal, or the journal directory itself. Raises FileNotFoundError."""
    for candidate in (directory / "journal", directory):
        if any(candidate.glob("*.seg")):
            return candidate
    raise FileNotFoundError(f"there is no journal in {directory}")


def replayed(directory: Path, engine: str | None = None) -> Replayed:
    """Raises EngineMissing, FileNotFoundError; JournalDamaged, JournalUnsupported, ReplayDiffers name the seq."""
    exchange = engine_class(engine)()
    commands: Counter[str] = Counter()
    events: Counter[str] = Counter()
    frames = 0
    with JournalReader(journal_of(directory)) as reader:
        begun_s = time.perf_counter()
        for frame in reader.read():
            replay(exchange, frame)
            frames += 1
            _count(commands, np.frombuffer(frame.commands, COMMAND_DTYPE)["kind"], CommandKind)
            _count(events, np.frombuffer(frame.events, EVENT_DTYPE)["kind"], EventKind)
        seconds = time.perf_counter() - begun_s
        return Replayed(exchange.seq, reader.chain_hash, exchange.state_hash(), frames, commands, events, seconds)


def _count(counts: Counter[str], kinds: "np.ndarray[tuple[int], np.dtype[np.uint8]]", names: type) -> None:
    found, numbers = np.unique(kinds, return_counts=True)
    for kind, number in zip(found.tolist(), numbers.tolist(), strict=True):
        counts[names(kind).name] += number
