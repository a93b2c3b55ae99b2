"""A file that is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
from pathlib import Path

from persistence.segment import FILE_MODE, sync_directory, write_all


def write_whole(path: Path, data: bytes) -> None:
    """Write and sync under another name, then rename, then sync the directory. Raises OSError; then nothing is left."""
    draft = path.with_name(path.name + ".draft")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    except OSError:
        draft.unlink()  # on a full disk it is the space that others need
        raise
    finally:
        os.close(fd)
    draft.rename(path)
    sync_directory(path.parent)
