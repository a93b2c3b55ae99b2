"""The client of a signer process: one Unix socket, one request and one answer at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Protocol

import msgspec

from persistence.socket_path import short_path
from settlement.signing import SignAnswer, SigningRefused, SignRequest

MESSAGE_BYTES_MAX: Final = 1024 * 1024
LENGTH_BYTES: Final = 4
ANSWER_DEADLINE_S: Final = 30.0


class SignerUnavailable(Exception):  # noqa: N818
    """The signer process does not answer: try again later."""


class Signer(Protocol):
    async def sign(self, request: SignRequest) -> bytes:
        """The raw transaction. Raises SigningRefused, SignerUnavailable."""
        ...


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One message: four bytes of length, little-endian, then as many. Raises ValueError, IncompleteReadError."""
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "little")
    if length > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {length} bytes")
    return await reader.readexactly(length)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(LENGTH_BYTES, "little") + message


class SignerClient:
    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._lock = asyncio.Lock()

    async def sign(self, request: SignRequest) -> bytes:
        """The raw transaction. Raises SigningRefused, SignerUnavailable."""
        try:
            async with self._lock, asyncio.timeout(ANSWER_DEADLINE_S):
                answer = await self._ask(msgspec.msgpack.encode(request))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, msgspec.MsgspecError) as error:
            raise SignerUnavailable(f"{self._path.name}: {type(error).__name__} {error}".rstrip()) from error
        if answer.refused:
            raise SigningRefused(answer.refused)
        return answer.raw

    async def _ask(self, message: bytes) -> SignAnswer:
        with short_path(self._path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
        try:
            writer.write(framed(message))
            await writer.drain()
            return msgspec.msgpack.decode(await read_message(reader), type=SignAnswer)
        finally:
            writer.close()
            await writer.wait_closed()
