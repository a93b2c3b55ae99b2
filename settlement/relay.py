"""The chain's commands through a stream to the exchange. The stream may be lost at any time; nothing else is then."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from struct import Struct
from typing import Any, Final, Protocol

from engine.types import EventKind, Reason
from engine.wire import COMMAND_SIZE
from settlement.announcement import Submit
from settlement.chain import Header
from settlement.listener import Listener, Position

_ENTRY: Final = Struct("<8sQ")  # which run of the listener, and the entry's number in it
COMMANDS_AT_ONCE: Final = 256
PULL_S: Final = 1.0
_log: Final = logging.getLogger(__name__)

HARMLESS: Final = frozenset({Reason.CHAIN_POSITION_PASSED})


class StreamLost(Exception):  # noqa: N818
    """Entries that were pushed are not there: read the chain again from the engine's position."""


class CreditingRefused(Exception):  # noqa: N818
    """The exchange does not take what the chain says; the text has its reason and the position."""


class Stream(Protocol):
    """A queue in Redis; each call raises its connection error when Redis is away."""

    async def clear(self) -> None: ...

    async def push(self, entries: Sequence[bytes]) -> None: ...

    async def pull(self, count_max: int, timeout_s: float) -> Sequence[bytes]:
        """The next entries, in order, each once; none if none came in time."""
        ...


class Relay:
    """
    engine_position  of the last chain command in the journal, as the tables have it; asked once they are level
    seen             the last FINAL header of an earlier run, kept by `set_seen`
    """

    def __init__(
        self,
        listener: Listener,
        stream: Stream,
        submit: Submit,
        engine_position: Callable[[], Awaitable[Position]],
        seen: Callable[[], Awaitable[Header | None]],
        set_seen: Callable[[Header], Awaitable[None]],
        poll_s: float = 0.5,
    ) -> None:
        self._listener = listener
        self._stream = stream
        self._submit = submit
        self._engine_position = engine_position
        self._seen = seen
        self._set_seen = set_seen
        self._poll_s = poll_s
        self._run = b""
        self._pushed = self._forwarded = 0
        self._read_block = -1  # while no session runs

    def has_told(self, block: int) -> bool:
        """Whether this session has told the exchange everything up to a FINAL block."""
        return self._read_block >= block and self._forwarded == self._pushed

    async def session(self) -> None:
        """From the engine's position on, until something breaks; start another one then.

        Raises what Listener.commands raises, StreamLost, CreditingRefused, and the errors of Redis and of the exchange.
        """
        self._run, self._pushed, self._forwarded = secrets.token_bytes(8), 0, 0
        await self._stream.clear()
        after = await self._engine_position()
        tasks = [asyncio.create_task(self._listen(after)), asyncio.create_task(self._forward())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._read_block = -1

    async def _listen(self, after: Position) -> None:
        async for commands, header in self._listener.commands(after, await self._seen(), self._poll_s):
            for start in range(0, len(commands), COMMANDS_AT_ONCE):
                chunk = commands[start : start + COMMANDS_AT_ONCE]
                entries = [_ENTRY.pack(self._run, self._pushed + at) + each for at, each in enumerate(chunk)]
                self._pushed += len(chunk)
                await self._stream.push(entries)
            await self._set_seen(header)
            self._read_block = header.number

    async def _forward(self) -> None:
        while True:
            pushed_before = self._pushed
            entries = await self._stream.pull(COMMANDS_AT_ONCE, PULL_S)
            if not entries and pushed_before > self._forwarded:
                raise StreamLost(f"{pushed_before - self._forwarded} entries are gone")
            commands: list[bytes] = []
            for entry in entries:
                run, number = _ENTRY.unpack_from(entry)
                if run != self._run:
                    continue
                if number != (expected := self._forwarded + len(commands)):
                    raise StreamLost(f"entry {number} came where {expected} should stand")
                commands.append(entry[_ENTRY.size :])
                assert len(commands[-1]) == COMMAND_SIZE
            if commands:
                await self._tell(commands)
                self._forwarded += len(commands)

    async def _tell(self, commands: Sequence[bytes]) -> None:
        for answer in await self._submit(commands):
            for event in answer.events:
                _require_taken(event)


def _require_taken(event: tuple[Any, ...]) -> None:
    if event[1] == EventKind.CREDITING_STOPPED:
        block, index, expected, level = event[5:9]
        raise CreditingRefused(
            f"crediting stopped at block {block}, position {index}: account {event[4]} asset {event[3]} should be at"
            f" {expected}, the chain says {level}"
        )
    if event[1] == EventKind.REJECTED and event[2] not in HARMLESS | {Reason.LEVEL_MISMATCH}:
        raise CreditingRefused(f"the exchange does not take the chain's command: {Reason(event[2]).name}")
