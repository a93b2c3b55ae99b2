"""How an experiment says what it found, and on what machine."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

QUANTILES = (("p50", 0.50), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))


def percentiles_us(latencies_ns: Sequence[int]) -> str:
    """`p50 1.2  p99 3.4  p99.9 5.6  max 7.8 us` of n >= 1 latencies (nearest rank)."""
    return percentiles(latencies_ns, 1_000) + " us"


def percentiles(values: Sequence[float], unit: int = 1) -> str:
    """The same without the unit's name."""
    ranked = sorted(values)
    parts = []
    for name, quantile in QUANTILES:
        rank = min(len(ranked) - 1, int(quantile * len(ranked)))
        parts.append(f"{name} {ranked[rank] / unit:,.1f}")
    return "  ".join(parts)


def machine() -> str:
    """Processor, Python and commit: what a figure is worth nothing without."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = f"{names[0]} x{len(names)}" if names else model
    return f"{model}; Python {platform.python_version()}; commit {_commit()}"


def disk(path: Path) -> str:
    """The file system that holds `path`, and on what."""
    best = ("", "unknown", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines() if Path("/proc/mounts").exists() else ():
        device, mount, kind = line.split()[:3]
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind, device)
    return f"{best[1]} on {best[2]}"


def _commit() -> str:
    root = Path(__file__).resolve().parents[1]
    command = ["git", "describe", "--always", "--dirty"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
