"""One writer at a time: a flock on the journal's `lock` file, and an epoch in it that rises with every writer.

The flock keeps a second writer out. The epoch, and the file's identity, let a writer that was stopped and then replaced
(somebody removed the lock file) notice it before it writes and before it acknowledges.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from persistence.frame import JournalFenced, JournalLocked
from persistence.segment import DIRECTORY_MODE, FILE_MODE, sync_directory, write_all

LOCK_NAME: Final = "lock"
LOCK_MAGIC: Final = b"DEEDLOCK"
LOCK_RECORD: Final = Struct("<8sQ16sI")
LOCK_SLOTS: Final = (("magic", 8), ("epoch", 8), ("journal_id", 16), ("crc32", 4))
NO_JOURNAL: Final = bytes(16)  # the first segment is not known to be on disk yet


class JournalLock:
    """Held from construction to `close`. `epoch` is the last writer's until `claim` raises it."""

    def __init__(self, directory: Path) -> None:
        """Make the directory if need be and lock it; JournalLocked names it if another process has."""
        self._directory = directory
        self._path = directory / LOCK_NAME
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise JournalLocked(f"another process writes the journal in {directory}") from None
        ours = os.fstat(self._fd)
        self._identity = (ours.st_dev, ours.st_ino)
        self._claimed = b""
        self.epoch, self.journal_id = self._read()

    def claim(self, epoch: int, journal_id: bytes) -> None:
        """Write who writes now, durably. A torn record counts as none: the segments hold both values as well."""
        body = LOCK_RECORD.pack(LOCK_MAGIC, epoch, journal_id, 0)[:-4]
        self._claimed = body + crc32(body).to_bytes(4, "little")
        write_all(self._fd, self._claimed, 0)
        os.fsync(self._fd)
        sync_directory(self._directory)
        self.epoch, self.journal_id = epoch, journal_id

    def require_held(self) -> None:
        """Raise JournalFenced unless the lock file is still ours and says our epoch. A few microseconds."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            raise JournalFenced(f"the lock file in {self._directory} is gone") from None
        if (there.st_dev, there.st_ino) != self._identity or os.pread(self._fd, LOCK_RECORD.size, 0) != self._claimed:
            raise JournalFenced(f"another writer took over the journal in {self._directory}")

    def close(self) -> None:
        """Unlock; the file stays, since removing it would let two writers hold two locks."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> tuple[int, bytes]:
        data = os.pread(self._fd, LOCK_RECORD.size, 0)
        if len(data) != LOCK_RECORD.size:
            return 0, NO_JOURNAL
        magic, epoch, journal_id, crc = LOCK_RECORD.unpack(data)
        return (epoch, journal_id) if magic == LOCK_MAGIC and crc == crc32(data[:-4]) else (0, NO_JOURNAL)
