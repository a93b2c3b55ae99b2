"""The engine's core, built from engine/core/."""

from collections.abc import Sequence

class Exchange:
    """Raises AssertionError for a broken rule, ValueError for an image that is no snapshot of this version."""

    def __init__(self) -> None: ...
    @property
    def seq(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def next_due_ns(self) -> int: ...
    def apply(self, commands: bytes | bytearray | memoryview, /) -> bytes: ...
    def service_times_ns(self, commands: bytes | bytearray | memoryview, /) -> bytes:
        """Apply them; how long each took, as little-endian 32-bit numbers."""

    def snapshot(self) -> bytes: ...
    def restore(self, image: bytes, /) -> None: ...

class BareBook:
    """A book alone, for the bench: its records are in bench/bare.py."""

    def __init__(self) -> None: ...
    def apply(self, commands: bytes | bytearray | memoryview, /) -> bytes: ...

class PlainCodec:
    """Reads order.place and order.cancel in their plain form, and writes the usual answers to them."""

    def __init__(self) -> None: ...
    def list(
        self, symbol: str, instrument: int, price_decimals: int, price_step: int, lot_decimals: int, /
    ) -> None: ...
    def refuse_with(self, kind: int, reason: int, error: str, /) -> None:
        """The error, JSON text, of a refusal of this kind of command for this reason."""

    def read(self, message: bytes, account: int, /) -> tuple[int, bytes, str, int, int] | None:
        """The command's kind and record, the request's id as JSON text, the answer asked for (0 none, 1 ACK, 2 RESULT,
        3 FULL), and the timestamp as sent or 0. None for whatever is not exactly the plain form."""

    def answers(
        self, commands: bytes, events: bytes, origins: Sequence[object | None], kind: type, /
    ) -> Sequence[bytes | None]:
        """For each command of a durable frame a whole websocket frame, or None: its origin is not of this very `kind`
        (which has `request_id`, `limits`, `cancel_id` and `response`), or the answer is none of a limit or market
        order's, the cancel of a plain limit order and a refusal. Frames come in order, each once: which orders rest is
        remembered."""
