"""Cut the power under a writing journal, again and again, and look whether anything acknowledged is lost.

    LD_PRELOAD=shim.so python -m tests.faults.torture --seed S --kills N --directory D [--stub] [--thread]

A journal (one directory, one seed) has eight lives: each opens it, which recovers what the last one left, appends, and
dies at a random step, also inside recovery. Before that, three in ten see a failed sync and three a crash without a
power cut, and open it again. This process keeps the log of acknowledgements and checks after each death that all of it,
of every life, is in the journal with the same hashes. Journal i has seed S + i, so a failing seed replays as the first.
Prints one JSON object; `failures` names the seed of each journal that lost something. --stub makes every sync a lie.
"""

from __future__ import annotations

import argparse
import errno
import json
import random
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from persistence.frame import NO_HASH, WIRE_SIZES, JournalError
from persistence.journal_reader import JournalReader
from tests.faults.disk import (
    SEGMENT_BYTES,
    Acknowledgements,
    arm,
    crash_at,
    fail_sync,
    in_child,
    open_writer,
    was_killed,
)

LIVES: Final = 8
STEPS_MAX: Final = 150  # opening takes about 20 steps, an append two, a switch of segments about 15


@dataclass
class Report:
    seed: int
    kills: int = 0
    acknowledged: int = 0
    recovered_frames: int = 0
    unacknowledged_frames: int = 0
    failures: list[dict[str, object]] = field(default_factory=list)


def payload(seed: int, life: int, first_seq: int) -> tuple[bytes, bytes]:
    """Commands and events of the frame that this life writes at this seq; the first byte is the life."""
    chance = random.Random(f"{seed} {life} {first_seq}")
    count, events = chance.randint(1, 4), chance.randint(0, 6)
    if chance.random() < 0.02:
        events = SEGMENT_BYTES // WIRE_SIZES.event_bytes  # more than a segment holds: gets one of its own
    commands = bytes([life]) + chance.randbytes(count * WIRE_SIZES.command_bytes - 1)
    return commands, chance.randbytes(events * WIRE_SIZES.event_bytes)


def live(directory: Path, seed: int, life: int, options: argparse.Namespace, log: Acknowledgements) -> None:
    """One life, in the child, ended by the shim. What recovery found is shown to others, hence acknowledged."""
    chance = random.Random(f"{seed} {life}")
    arm(directory, chance.getrandbits(63), chance.randint(1, STEPS_MAX), options.stub)
    before = chance.random()
    if before < 0.3:
        fail_sync(chance.randint(1, STEPS_MAX // 3))
    elif before < 0.6:
        crash_at(chance.randint(1, STEPS_MAX // 2))
    try:
        write_until_the_end(directory, seed, life, options, log)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    write_until_the_end(directory, seed, life, options, log)  # the supervisor's restart: the page cache is warm


def write_until_the_end(
    directory: Path, seed: int, life: int, options: argparse.Namespace, log: Acknowledgements
) -> NoReturn:
    with closing(open_writer(directory, options.thread)) as writer:
        if writer.last_seq:
            log.send(writer.last_seq, writer.chain_hash)
        while True:
            commands, events = payload(seed, life, writer.last_seq + 1)
            frame_hash = writer.append(writer.last_seq + 1, commands, events)
            log.send(writer.last_seq, frame_hash)


def check(directory: Path, seed: int, acknowledged: dict[int, bytes], report: Report) -> None:
    """Raise AssertionError or JournalError unless the journal is whole and holds everything acknowledged."""
    hashes = {0: NO_HASH}
    with JournalReader(directory) as reader:
        for frame in reader.read():
            assert frame.previous_hash == hashes[frame.first_seq - 1], f"chain broken at seq {frame.first_seq}"
            written = payload(seed, frame.commands[0], frame.first_seq)
            assert (frame.commands.tobytes(), frame.events.tobytes()) == written, (
                f"content of seq {frame.first_seq} differs"
            )
            hashes[frame.last_seq] = frame.hash
    lost = sorted(seq for seq, frame_hash in acknowledged.items() if hashes.get(seq) != frame_hash)
    assert not lost, f"acknowledged seqs {lost[:5]} are not in the journal, which ends at {max(hashes)}"
    report.recovered_frames += len(hashes) - 1
    report.unacknowledged_frames += len(hashes) - 1 - len(acknowledged)


def torture_journal(directory: Path, seed: int, lives: int, options: argparse.Namespace, report: Report) -> None:
    directory.mkdir(parents=True)
    acknowledged: dict[int, bytes] = {}
    for life in range(lives):

        def work(log: Acknowledgements, life: int = life) -> None:
            live(directory, seed, life, options, log)

        heard, status = in_child(work)
        report.kills += 1
        report.acknowledged += len(heard)
        try:
            acknowledged |= heard
            assert was_killed(status), f"the writer ended by itself, wait status {status}"
            check(directory, seed, acknowledged, report)
        except (AssertionError, JournalError) as error:
            report.failures.append({"seed": seed, "life": life, "what": str(error)})
            return
    shutil.rmtree(directory)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--stub", action="store_true")
    parser.add_argument("--thread", action="store_true")
    options = parser.parse_args()
    report = Report(options.seed)
    seed = options.seed
    while report.kills < options.kills:
        lives = min(LIVES, options.kills - report.kills)
        torture_journal(options.directory / f"journal-{seed}", seed, lives, options, report)
        seed += 1
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
