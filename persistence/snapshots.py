"""Snapshots of the engine beside the journal: written whole or not at all, taken only where the journal agrees."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from persistence.whole_file import write_whole

MAGIC: Final = b"DEEDSNAP"
HEADER: Final = Struct(
    "<8sQ32s32s"
)  # magic, seq, hash of the frame that ends at seq, sha256 of what precedes and follows
KEPT: Final = 3
SUFFIX: Final = ".snapshot"


class Snapshot(NamedTuple):
    seq: int
    frame_hash: bytes
    image: bytes


def write(directory: Path, snapshot: Snapshot) -> Path:
    """Write, sync, then name it; the oldest beyond KEPT go. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = _digest(snapshot.seq, snapshot.frame_hash, snapshot.image)
    path = directory / f"{snapshot.seq:020}{SUFFIX}"
    write_whole(path, HEADER.pack(MAGIC, snapshot.seq, snapshot.frame_hash, digest) + snapshot.image)
    for old in _paths(directory)[KEPT:]:
        old.unlink()
    return path


def newest_first(directory: Path) -> Iterator[Snapshot]:
    """The whole ones; a torn, cut or altered file is passed over, since the journal can do without."""
    for path in _paths(directory):
        data = path.read_bytes()
        if len(data) < HEADER.size:
            continue
        magic, seq, frame_hash, digest = HEADER.unpack_from(data)
        image = data[HEADER.size :]
        if magic == MAGIC and digest == _digest(seq, frame_hash, image):
            yield Snapshot(seq, frame_hash, image)


def _digest(seq: int, frame_hash: bytes, image: bytes) -> bytes:
    return hashlib.sha256(seq.to_bytes(8, "little") + frame_hash + image).digest()


def _paths(directory: Path) -> list[Path]:
    names = os.listdir(directory) if directory.is_dir() else []
    return [directory / name for name in sorted(names, reverse=True) if name.endswith(SUFFIX)]
