"""Which machine runs the rules: the core in C++ where it was built, or the Python engine, which is the rulebook."""

from __future__ import annotations

import importlib.util
from typing import Final, Protocol, Self

from engine.exchange import Exchange
from engine.types import MarketState

CORE: Final = "core"
PYTHON: Final = "python"
NAMES: Final = (CORE, PYTHON)


class EngineMissing(Exception):  # noqa: N818 - a fact about this installation
    """The core was asked for and is not built."""


class Engine(Protocol):
    """What both are. The same commands in, the same events out, byte for byte."""

    def __init__(self) -> None: ...
    @property
    def seq(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def next_due_ns(self) -> int: ...
    def apply(self, commands: bytes | bytearray | memoryview, /) -> bytes: ...
    def snapshot(self) -> bytes: ...
    def state_hash(self) -> bytes: ...
    def state(self) -> MarketState: ...
    @classmethod
    def restore(cls, image: bytes, /) -> Self: ...


def core_is_built() -> bool:
    return importlib.util.find_spec("engine._core") is not None


def engine_class(name: str | None = None) -> type[Engine]:
    """By name; None: the core where it is built. Raises EngineMissing where it is asked for and is not."""
    assert name in (None, *NAMES), name
    if name == PYTHON or (name is None and not core_is_built()):
        return Exchange
    if not core_is_built():
        raise EngineMissing("The C++ core is not built: run `make setup` where there is a C++ compiler.")
    from engine.core_exchange import CoreExchange

    return CoreExchange
