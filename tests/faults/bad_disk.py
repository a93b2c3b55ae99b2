"""A journal on a disk that fails without a power cut: failed syncs, no space, short writes.

    LD_PRELOAD=shim.so python -m tests.faults.bad_disk {eio|full|space-returns|short} --directory D

Each scenario runs in a child; this process keeps what was acknowledged, recovers the journal, and prints a JSON object.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from persistence.frame import JournalError
from persistence.journal import JournalWriter
from tests.faults.disk import (
    SEGMENT_BYTES,
    Acknowledgements,
    arm,
    fail_sync,
    in_child,
    open_writer,
    set_short_writes,
    set_space,
    steps,
)
from tests.faults.torture import Report, check, payload

SEED: Final = 5
DEADLINE_SECONDS: Final = 30.0
FAILS_TRIED: Final = 80  # opening syncs about a dozen times, an append once, a switch about eight times
ROOM_REFUSED, ROOM_KEPT = 2, 3  # exit codes


def append(writer: JournalWriter, log: Acknowledgements) -> int:
    """Write the next frame and acknowledge it; return its payload's bytes."""
    commands, events = payload(SEED, 0, writer.last_seq + 1)
    frame_hash = writer.append(writer.last_seq + 1, commands, events)
    log.send(writer.last_seq, frame_hash)
    return len(commands) + len(events)


def recovered(directory: Path, acknowledged: dict[int, bytes]) -> Report:
    """Recover what the child left and check all it acknowledged; raises if something is missing or damaged."""
    open_writer(directory).close()
    report = Report(SEED)
    check(directory, SEED, acknowledged, report)
    report.acknowledged = len(acknowledged)
    return report


def fail_nth_sync(directory: Path, nth: int, log: Acknowledgements) -> None:
    arm(directory, SEED)
    fail_sync(nth)
    try:
        writer = open_writer(directory)
    except OSError as error:
        assert error.errno == errno.EIO  # noqa: PT017 - this is no test function
        return
    try:
        for _ in range(FAILS_TRIED):
            append(writer, log)
    except OSError as error:
        assert error.errno == errno.EIO  # noqa: PT017
    steps_before = steps()
    try:
        append(writer, log)
    except JournalError:
        assert steps() == steps_before
        return
    raise AssertionError("a writer whose sync failed took another frame")


def eio(directory: Path) -> dict[str, object]:
    acknowledged = 0
    for nth in range(1, FAILS_TRIED + 1):
        heard, status = in_child(lambda log, nth=nth: fail_nth_sync(directory, nth, log))  # type: ignore[misc]
        assert status == 0, f"sync {nth}: wait status {status}"
        acknowledged += recovered(directory, heard).acknowledged if directory.exists() else 0
        shutil.rmtree(directory, ignore_errors=True)
    return {"syncs_failed": FAILS_TRIED, "acknowledged": acknowledged}


def fill(directory: Path, log: Acknowledgements) -> None:
    """Fill the disk, then write as long as the reserve takes it; exit code says whether it took a good half of it."""
    arm(directory, SEED)
    writer = open_writer(directory)
    set_space(2 * SEGMENT_BYTES)
    while not writer.disk_full:
        append(writer, log)
    room_bytes = 0
    try:
        while True:
            room_bytes += append(writer, log)
    except OSError as error:
        os._exit(ROOM_KEPT if error.errno == errno.ENOSPC and room_bytes > SEGMENT_BYTES // 2 else ROOM_REFUSED)


def full(directory: Path) -> dict[str, object]:
    heard, status = in_child(lambda log: fill(directory, log))
    report = recovered(directory, heard)
    return {"reserve_taken": os.waitstatus_to_exitcode(status) == ROOM_KEPT, "acknowledged": report.acknowledged}


def await_space(writer: JournalWriter) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while writer.disk_full:
        assert time.monotonic() < deadline, "the flag did not clear"
        time.sleep(0.01)


def fill_and_free(directory: Path, log: Acknowledgements) -> None:
    arm(directory, SEED)
    with closing(open_writer(directory, with_thread=True)) as writer:
        set_space(2 * SEGMENT_BYTES)
        while not writer.disk_full:
            append(writer, log)
        set_space(20 * SEGMENT_BYTES)
        await_space(writer)
        for _ in range(60):
            append(writer, log)


def space_returns(directory: Path) -> dict[str, object]:
    heard, status = in_child(lambda log: fill_and_free(directory, log))
    return {"cleared": status == 0, "acknowledged": recovered(directory, heard).acknowledged}


def write_in_pieces(directory: Path, log: Acknowledgements) -> None:
    arm(directory, SEED)
    set_short_writes()
    with closing(open_writer(directory)) as writer:
        for _ in range(200):
            append(writer, log)


def short(directory: Path) -> dict[str, object]:
    heard, status = in_child(lambda log: write_in_pieces(directory, log))
    return {"finished": status == 0, "acknowledged": recovered(directory, heard).acknowledged}


SCENARIOS: Final[dict[str, Callable[[Path], dict[str, object]]]] = {
    "eio": eio,
    "full": full,
    "space-returns": space_returns,
    "short": short,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    print(json.dumps(SCENARIOS[options.scenario](options.directory / "journal")))


if __name__ == "__main__":
    main()
