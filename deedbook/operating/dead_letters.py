"""What nobody could handle, in one list: messages of streams, and chain events whose effect was given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deedbook.chain.chain_processor import FAILED_MAX, NothingFailedError, failed_events, retry_event
from persistence.database import Pool
from persistence.streams import Message, Stream

EVENT: Final = "event"
_DEAD_FIELDS: Final = ("dead_id", "dead_group", "dead_error")


class DeadLetterMissing(Exception):  # noqa: N818 - a state of the world
    """There is no such dead letter, or it was tried again already."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """message_id: of a chain event its block hash and log index, of a message its stream and its id there."""

    message_id: str
    name: str
    error: str
    at: datetime


class DeadLetters:
    """`streams` are those that are consumed by groups."""

    def __init__(self, pool: Pool, streams: Sequence[Stream]) -> None:
        self._pool = pool
        self._streams: Mapping[str, Stream] = {stream.name: stream for stream in streams}

    async def list(self) -> list[DeadLetter]:
        """The events first. Raises redis' errors."""
        letters = [
            DeadLetter(
                f"{EVENT}.{each.event.block_hash.hex()}.{each.event.log_index}",
                each.event.name,
                each.failure,
                each.recorded_at,
            )
            for each in await failed_events(self._pool, FAILED_MAX)
        ]
        for name, stream in self._streams.items():
            letters += [_letter(name, message) for message in await stream.dead.messages()]
        return letters

    async def retry(self, message_id: str) -> None:
        """Have it handled again. Raises DeadLetterMissing, and redis' errors."""
        kind, _, rest = message_id.partition(".")
        if kind == EVENT:
            return await self._retry_event(rest)
        stream = self._streams.get(kind)
        found = None if stream is None else await stream.dead.message(rest)
        if stream is None or found is None:
            raise DeadLetterMissing(f"there is no dead letter {message_id}")
        await stream.publish({name: value for name, value in found.fields.items() if name not in _DEAD_FIELDS})
        await stream.dead.remove(rest)

    async def _retry_event(self, rest: str) -> None:
        block_hash, _, log_index = rest.partition(".")
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await retry_event(connection, bytes.fromhex(block_hash), int(log_index))
        except (ValueError, NothingFailedError):
            raise DeadLetterMissing(f"there is no dead letter {EVENT}.{rest}") from None


def _letter(stream: str, message: Message) -> DeadLetter:
    at = datetime.fromtimestamp(int(message.id.partition("-")[0]) / 1_000, UTC)
    error = message.fields.get("dead_error", b"").decode(errors="replace")
    return DeadLetter(f"{stream}.{message.id}", stream, error, at)
