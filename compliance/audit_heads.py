"""The heads of the audit log's chain, kept in a file outside of the database.

Who can write to the database can lay the whole chain anew, and it would fit in itself. A head that was kept here shows
that: the chain must have the same hash at the same place for ever. So the file proves every entry up to its last line,
against everybody who cannot write both; what came after that line it does not prove. Nor does it prove anything against
who owns the machine: for that, each head is also logged, so that a log kept elsewhere has it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from compliance.audit import Head
from persistence.whole_file import write_whole


class AuditHeads:
    """One line a head, the oldest first: when it was kept, its position, its hash in hex."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self) -> list[Head]:
        """Raises ValueError for a file that we have not written."""
        lines = [line.split() for line in self._lines().splitlines()]
        return [Head(int(position), bytes.fromhex(digest)) for _, position, digest in lines]

    def keep(self, head: Head, at: datetime) -> None:
        """Durable when it returns."""
        write_whole(self._path, f"{self._lines()}{at.isoformat()} {head.position} {head.hash.hex()}\n".encode())

    def _lines(self) -> str:
        return self._path.read_text() if self._path.exists() else ""
