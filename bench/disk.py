"""What the disk alone takes, which no order can beat."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from time import perf_counter_ns
from typing import Final

BLOCK: Final = b"\1" * 4_096
SYNCS: Final = 2_000


def sync_ns(directory: Path) -> array[int]:
    """Nanoseconds of each of SYNCS syncs, of one block that was written over, in a file of its own."""
    path, times_ns = directory / "syncs", array("q")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, BLOCK * SYNCS, 0)
        os.fsync(fd)
        for number in range(SYNCS):
            os.pwrite(fd, BLOCK, number * len(BLOCK))
            start_ns = perf_counter_ns()
            os.fdatasync(fd)
            times_ns.append(perf_counter_ns() - start_ns)
    finally:
        os.close(fd)
        path.unlink()
    return times_ns


def written_ns(directory: Path, size_bytes: int, piece_bytes: int) -> int:
    """Nanoseconds for so much in a row, each piece synced before the next, in a file of its own that has its room."""
    path, piece = directory / "pieces", b"\1" * piece_bytes
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size_bytes)
        os.fsync(fd)
        start_ns = perf_counter_ns()
        for offset in range(0, size_bytes, piece_bytes):
            os.pwrite(fd, memoryview(piece)[: size_bytes - offset], offset)
            os.fdatasync(fd)
        return perf_counter_ns() - start_ns
    finally:
        os.close(fd)
        path.unlink()
