"""Stores and senders that die at each step, as SIGKILL would have it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from settlement.steps import Sender, StepStore, Turn


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


class KillingSteps:
    """A store that dies once at each step: before it keeps the bytes, or right after, before they are sent."""

    def __init__(self, inner: StepStore, died: set[str], after: bool) -> None:
        self._inner, self._died, self._after = inner, died, after

    async def get(self, name: str) -> bytes | None:
        return await self._inner.get(name)

    @asynccontextmanager
    async def turn(self, address: ChecksumAddress) -> AsyncIterator[Turn]:
        async with self._inner.turn(address) as inner:
            yield _KillingTurn(inner, self._died, self._after)


@dataclass(frozen=True, slots=True)
class _KillingTurn:
    inner: Turn
    died: set[str]
    after: bool

    async def put(self, name: str, raw_transaction: bytes) -> None:
        dies = name not in self.died
        self.died.add(name)
        if dies and not self.after:
            raise Killed
        await self.inner.put(name, raw_transaction)
        if dies:
            raise Killed


class KillingSender(Sender):
    """A sender that dies once after each broadcast, before it knows how it went."""

    died: set[bytes] = set()  # noqa: RUF012  # shared on purpose: it outlives the sender that died

    async def _broadcast(self, raw: bytes) -> None:
        await super()._broadcast(raw)
        if raw not in self.died:
            self.died.add(raw)
            raise Killed
