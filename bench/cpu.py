"""CPU time of processes: what an order costs, also on a machine that others use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def cpu_us(pids: Sequence[int]) -> tuple[float, float]:
    """Microseconds of the main threads, and of all their other threads that still live. Linux only."""
    main, rest = 0.0, 0.0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            used_us = int((task / "schedstat").read_text().split()[0]) / 1e3
            if task.name == str(pid):
                main += used_us
            else:
                rest += used_us
    return main, rest
