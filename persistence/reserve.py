"""The next segment, written full of zeros before it is needed; when the disk is full it is the room for cancels.

Written at once it would hold up the syncs of whole milliseconds' worth of orders, so it is written little by little.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from persistence.segment import FILE_MODE, SEGMENT_HEADER_BYTES, ZEROS, sync_directory, write_all

RESERVE_NAME: Final = "next.seg"
OVERSIZE_NAME: Final = "oversize.seg"  # in the making: the segment of one frame that no ordinary segment can hold
UNFINISHED: Final = ".tmp"
RETRY_SECONDS: Final = 1.0
PIECE_BYTES: Final = 128 * 1024  # of one sync, so that an append's own sync waits behind no more
PAUSE_SECONDS: Final = 0.01  # after each; then 64 MiB take five seconds
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


class _ClosedError(Exception):
    """Nobody wants the reserve any more."""


class Reserve:
    """Keeps DIR/next.seg ready: full size, zeros after the header's place, synced, its name synced.

    used_bytes  how far the segment in use is filled: the thread hurries so as to be done when that is half full.
    disk_full  the last attempt found no space; tried again every second until there is.
    error      any other OSError of the thread: fatal, raised by the writer's next append.
    """

    def __init__(self, directory: Path, segment_bytes: int, with_thread: bool, used_bytes: Callable[[], int]) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._used_bytes = used_bytes
        self._hurry = threading.Event()  # the writer waits for it, or nobody does any more
        self._wanted = threading.Event()
        self._attempted = threading.Event()
        self._closed = threading.Event()
        self.disk_full = False
        self.error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="journal-reserve", daemon=True) if with_thread else None
        if self._thread is not None:
            self._thread.start()

    def refill(self) -> None:
        """Ask for a ready reserve: from the thread, or here and now if there is none."""
        self._attempted.clear()
        self._hurry.clear()
        if self._thread is None:
            self._attempt()
        else:
            self._wanted.set()

    def take(self) -> Path:
        """Return the reserve's path, waiting for it if it is being written; OSError (ENOSPC) if there is none."""
        if self._thread is None and self.disk_full:
            self._attempt()
        self._hurry.set()
        self._attempted.wait()
        self.raise_error()
        if self.disk_full:
            raise OSError(errno.ENOSPC, "no space for another journal segment", str(self._directory))
        return self._directory / RESERVE_NAME

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self._closed.set()
        self._hurry.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wanted.wait(RETRY_SECONDS if self.disk_full else None)
            if self._closed.is_set() or self.error is not None:
                return
            self._wanted.clear()
            self._attempt()

    def _attempt(self) -> None:
        try:
            if not _is_ready(self._directory / RESERVE_NAME, self._segment_bytes):
                pause = None if self._thread is None else self._pause
                write_zeros(self._directory, RESERVE_NAME, self._segment_bytes, pause)
            self.disk_full = False
        except _ClosedError:
            return
        except OSError as error:
            if error.errno in NO_SPACE:
                (self._directory / (RESERVE_NAME + UNFINISHED)).unlink(
                    missing_ok=True
                )  # leave others what little space there is
                self.disk_full = True
            else:
                self.error = error
        self._attempted.set()

    def _pause(self, written_bytes: int) -> bool:
        """Whether to go on: what the writer cannot wait for is allocated, and that will do."""
        if written_bytes > 2 * self._used_bytes():
            self._hurry.wait(PAUSE_SECONDS)
        if self._closed.is_set():
            raise _ClosedError
        return not self._hurry.is_set()


def write_zeros(directory: Path, name: str, size_bytes: int, pause: Callable[[int], bool] | None = None) -> None:
    """Make DIR/name of `size_bytes` zeros, really written and synced; what had that name is replaced as a whole.

    pause  called after each synced piece with the bytes that are written; what it raises leaves the file unfinished.
           False: the rest stays allocated, which reads as zeros, and only makes the syncs of what comes there slower.
    """
    unfinished = directory / (name + UNFINISHED)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        os.posix_fallocate(fd, 0, size_bytes)  # no space shows at once, before the last bytes are taken from others
        for offset in range(0, size_bytes, PIECE_BYTES):
            piece_bytes = min(PIECE_BYTES, size_bytes - offset)
            write_all(fd, memoryview(ZEROS)[:piece_bytes], offset)
            os.fdatasync(fd)
            if pause is not None and not pause(offset + piece_bytes):
                break
        os.fsync(fd)
    finally:
        os.close(fd)
    unfinished.rename(directory / name)
    sync_directory(directory)


def _is_ready(path: Path, size_bytes: int) -> bool:
    """True for an earlier run's whole reserve; a header put into it just before a stop is overwritten on use."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    return len(data) == size_bytes and data.count(0, SEGMENT_HEADER_BYTES) == size_bytes - SEGMENT_HEADER_BYTES
