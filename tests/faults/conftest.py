"""Build the failing disk once, and run programs on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preloaded library, compiled from shim.c with warnings as errors."""
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    subprocess.run(
        [compiler, *flags, "-o", library, Path(__file__).with_name("shim.c"), "-ldl", "-lpthread"], check=True
    )
    return library


@pytest.fixture
def on_bad_disk(shim: Path) -> Run:
    """Run programs side by side, each as `python -m MODULE ARGUMENTS` on the failing disk; return what each printed."""

    def run(*programs: Sequence[str]) -> list[dict[str, Any]]:
        environment = os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT)}
        started = [
            subprocess.Popen(
                [sys.executable, "-m", *program],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for program in programs
        ]
        outputs = [process.communicate() for process in started]
        for process, (_, errors) in zip(started, outputs, strict=True):
            assert process.returncode == 0, errors
        return [json.loads(output) for output, _ in outputs]

    return run
