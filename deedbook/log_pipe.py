"""The lines that a child process prints: all to its log file, those that matter to the terminal too."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

LINE_BYTES_MOST = 16_384
FILE_BYTES_MOST = 64 * 1024 * 1024
# What a person at the terminal should see: warnings and worse, in words or as a JSON level, and lines meant for them.
IMPORTANT = re.compile(rb"\b(?:warning|error|critical|fatal|Traceback)\b|^notice: ", re.IGNORECASE)


class LogPipe:
    """Reads one child's output until it ends; limits the length of a line and the size of the file (one old is kept).

    say  gets each important line, with the child's name before it.
    """

    def __init__(self, name: str, directory: Path, say: Callable[[str], None]) -> None:
        self._name = name
        self._path = directory / f"{name}.log"
        self._say = say
        self._writable = True

    async def run(self, stream: asyncio.StreamReader) -> None:
        """Until the stream ends. A line longer than the limit is cut into several."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rest = b""
        while chunk := await stream.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            while len(rest) > LINE_BYTES_MOST:
                lines.append(rest[:LINE_BYTES_MOST])
                rest = rest[LINE_BYTES_MOST:]
            self._take(lines)
        if rest:
            self._take([rest])

    def _take(self, lines: list[bytes]) -> None:
        """A full disk must not stop the reading: the child would stand still at its next line."""
        try:
            self._write(lines)
            self._writable = True
        except OSError as error:
            if self._writable:
                self._say(f"[{self._name}] its log cannot be written: {error}")
            self._writable = False
        for line in lines:
            if IMPORTANT.search(line):
                self._say(f"[{self._name}] {line.removeprefix(b'notice: ').decode(errors='replace')}")

    def _write(self, lines: list[bytes]) -> None:
        if self._path.exists() and self._path.stat().st_size > FILE_BYTES_MOST:
            self._path.replace(self._path.with_suffix(".old.log"))
        with self._path.open("ab") as log:
            log.write(b"".join(line + b"\n" for line in lines))
