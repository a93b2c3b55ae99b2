"""The relay's stream on Redis: whole entries in order, read by one reader, forgotten once read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

LENGTH_MAX: Final = 50_000  # far more than a stretch of blocks holds; older ones go, and the reader notices
_FIELD: Final = b"e"
_FIRST: Final = "0-0"


class ChainStream:
    """Raises redis' own errors from every call."""

    def __init__(self, client: Redis, name: str = "chain-commands") -> None:
        self._client: Any = client  # its type hints say both "value" and "awaitable value" for every command
        self._name = name
        self._after: bytes | str = _FIRST

    async def clear(self) -> None:
        await self._client.delete(self._name)
        self._after = _FIRST

    async def push(self, entries: Sequence[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for entry in entries:
            pipeline.xadd(self._name, {_FIELD: entry}, maxlen=LENGTH_MAX, approximate=True)
        await pipeline.execute()

    async def pull(self, count_max: int, timeout_s: float) -> Sequence[bytes]:
        """The next entries; what was read before is trimmed away, as a restart reads the chain and not the stream."""
        read = await self._client.xread({self._name: self._after}, count=count_max, block=int(timeout_s * 1000))
        if not read:
            return []
        ((_, entries),) = read.items() if isinstance(read, dict) else read
        if self._after != _FIRST:
            await self._client.xtrim(self._name, minid=self._after, approximate=True)
        self._after = entries[-1][0]
        return [fields[_FIELD] for _, fields in entries]
