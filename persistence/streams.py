"""Redis streams between processes: at least once, bounded, and losable. Whatever must not be lost is in the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

LENGTH_MAX: Final = 100_000  # messages that a stream keeps, about
FAILURES_MAX: Final = 5  # then a message goes to the dead letters
RETRY_MS: Final = 30_000  # after which a message that nobody finished is taken again
BLOCK_MS: Final = 1_000
READ_MAX: Final = 100
RECONNECT_S: Final = 0.5
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the stream's and orders the messages of one stream."""

    id: str
    fields: dict[str, bytes]


Handle = Callable[[Message], Awaitable[None]]


def connect(url: str) -> Redis:
    """A client for streams; it connects when it is first used. Close it with `aclose`."""
    return Redis.from_url(url, protocol=2)


class Stream:
    """A named stream on a client from `connect`; its dead letters go to the stream `name`:dead."""

    def __init__(self, client: Redis, name: str, *, length_max: int = LENGTH_MAX) -> None:
        self._client: Any = client  # its type hints say both "value" and "awaitable value" for every command
        self._length_max = length_max
        self.name = name

    @property
    def dead(self) -> Stream:
        return Stream(self._client, f"{self.name}:dead", length_max=self._length_max)

    async def publish(self, fields: Mapping[str, bytes | str | int]) -> str:
        """Append a message and return its id; the oldest ones beyond the bound go. Raises redis' errors."""
        message_id: bytes = await self._client.xadd(self.name, dict(fields), maxlen=self._length_max, approximate=True)
        return message_id.decode()

    async def holds(self, message_id: str) -> bool:
        """Whether a published message is still there, handled or not."""
        return bool(await self._client.xrange(self.name, min=message_id, max=message_id))

    async def message(self, message_id: str) -> Message | None:
        """One message, handled or not; None where there is none, or where that is no id."""
        try:
            found = await self._client.xrange(self.name, min=message_id, max=message_id)
        except ResponseError:
            return None
        return _message(found[0]) if found else None

    async def remove(self, message_id: str) -> None:
        """Forget a message."""
        await self._client.xdel(self.name, message_id)

    async def messages(self, count: int = READ_MAX) -> list[Message]:
        """The oldest messages, handled or not; for operators who look at dead letters."""
        return [_message(entry) for entry in await self._client.xrange(self.name, count=count)]

    async def consume(
        self,
        group: str,
        consumer: str,
        handle: Handle,
        *,
        failures_max: int = FAILURES_MAX,
        retry_ms: int = RETRY_MS,
        block_ms: int = BLOCK_MS,
    ) -> None:
        """Handle the group's messages one by one, each at least once, until cancelled.

        A message whose `handle` raises is taken again after `retry_ms`, by any consumer of the group, and goes to the
        dead letters with its `failures_max`-th failure. What this consumer had not finished when it died comes first.
        Waits while the server is away, and starts over where it lost everything.
        """
        reader = _Reader(self, self._client, group, consumer, handle, failures_max, retry_ms, block_ms)
        while True:
            try:
                await reader.run()
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                _log.warning("stream %s waits: %s", self.name, error)
                await asyncio.sleep(RECONNECT_S)
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                _log.warning("stream %s is gone with all it held and starts over", self.name)


@dataclass(frozen=True, slots=True)
class _Reader:
    stream: Stream
    client: Any
    group: str
    consumer: str
    handle: Handle
    failures_max: int
    retry_ms: int
    block_ms: int

    async def run(self) -> None:
        await self._create_group()
        after = "0"
        while unfinished := await self._read(after):
            await self._each(unfinished)
            after = unfinished[-1][0]
        while True:
            _pass_on_cancellation()
            await self._claim()
            await self._each(await self._read(">"))

    async def _create_group(self) -> None:
        try:
            await self.client.xgroup_create(self.stream.name, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _read(self, after: str) -> list[Any]:
        """New messages (">"), or those with later ids than `after` that this consumer once got and did not finish."""
        read = await self.client.xreadgroup(
            self.group, self.consumer, {self.stream.name: after}, count=READ_MAX, block=self.block_ms
        )
        return [entry for _, entries in read for entry in entries]

    async def _claim(self) -> None:
        """Messages that nobody finished in time."""
        _, entries, *_ = await self.client.xautoclaim(
            self.stream.name, self.group, self.consumer, self.retry_ms, count=READ_MAX
        )
        await self._each(entries)

    async def _each(self, entries: list[Any]) -> None:
        for entry in entries:
            if not entry[1]:  # trimmed away before it was handled
                await self.client.xack(self.stream.name, self.group, entry[0])
                continue
            await self._one(_message(entry))

    async def _one(self, message: Message) -> None:
        _pass_on_cancellation()
        deliveries = await self._deliveries(message)
        if deliveries > self.failures_max:
            return await self._bury(message, "it ended its consumer each time")
        try:
            await self.handle(message)
        except Exception as error:
            _log.warning("stream %s: message %s failed: %r", self.stream.name, message.id, error)
            if deliveries == self.failures_max:
                await self._bury(message, repr(error))
            return
        await self.client.xack(self.stream.name, self.group, message.id)

    async def _deliveries(self, message: Message) -> int:
        pending = await self.client.xpending_range(
            self.stream.name, self.group, min=message.id, max=message.id, count=1
        )
        return int(pending[0]["times_delivered"]) if pending else 1

    async def _bury(self, message: Message, why: str) -> None:
        """Keep it aside with its id, group and last error, and let the group go on."""
        dead: dict[str, bytes | str | int] = {
            **message.fields,
            "dead_id": message.id,
            "dead_group": self.group,
            "dead_error": why,
        }
        await self.stream.dead.publish(dead)
        await self.client.xack(self.stream.name, self.group, message.id)


def _pass_on_cancellation() -> None:
    """Raise a cancellation that redis-py 8.1 swallowed in the midst of a command, as it does now and then."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _message(entry: Any) -> Message:
    message_id, fields = entry
    return Message(message_id.decode(), {name.decode(): value for name, value in fields.items()})
