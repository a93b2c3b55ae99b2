"""The shim's switches, for a process that was started with it in LD_PRELOAD."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from persistence.frame import WIRE_SIZES
from persistence.journal import JournalWriter

SEGMENT_BYTES: Final = 8192  # small, so that a life of a few dozen appends sees several switches
ACKNOWLEDGEMENT: Final = struct.Struct("<Q32s")  # last seq, frame hash
_SHIM: Final = ctypes.CDLL(None)


def arm(directory: Path, seed: int, kill_step: int = -1, sync_is_stub: bool = False) -> None:
    """From here on this process's disk below `directory` fails as asked; kill_step -1 is never."""
    _SHIM.shim_arm(os.fsencode(directory), ctypes.c_uint64(seed), ctypes.c_long(kill_step), int(sync_is_stub))


def fail_sync(nth: int) -> None:
    _SHIM.shim_fail_sync(ctypes.c_long(nth))


def crash_at(step: int) -> None:
    """At this step the program sees EIO with nothing synced, as if it had been killed and started again."""
    _SHIM.shim_crash(ctypes.c_long(step))


def set_space(bytes_left: int) -> None:
    _SHIM.shim_set_space(ctypes.c_long(bytes_left))


def set_short_writes() -> None:
    _SHIM.shim_set_short_writes(1)


def steps() -> int:
    _SHIM.shim_steps.restype = ctypes.c_long
    return int(_SHIM.shim_steps())


class Acknowledgements:
    """The child's end of the log that the parent keeps; what is sent here has left the building."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, last_seq: int, frame_hash: bytes) -> None:
        os.write(self._fd, ACKNOWLEDGEMENT.pack(last_seq, frame_hash))


def in_child(work: Callable[[Acknowledgements], None]) -> tuple[dict[int, bytes], int]:
    """Fork, run `work` in the child, and return what it acknowledged (seq to hash) and its wait status.

    An exception in the child ends it with exit code 1 and its traceback on standard error.
    """
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_fd)
        code = 1
        try:
            work(Acknowledgements(write_fd))
            code = 0
        finally:
            if code:
                import traceback

                traceback.print_exc()
            os._exit(code)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        log = pipe.read()
    status = os.waitpid(child, 0)[1]
    size = ACKNOWLEDGEMENT.size
    return dict(ACKNOWLEDGEMENT.iter_unpack(log[: len(log) // size * size])), status


def was_killed(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def open_writer(directory: Path, with_thread: bool = False) -> JournalWriter:
    return JournalWriter.open(directory, SEGMENT_BYTES, WIRE_SIZES, with_thread)
