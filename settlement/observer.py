"""Follows the chain to its head and tells every watched event: MINED, then FINAL, or REMOVED where a reorg took it.

It keeps nothing of its own. Each step compares the chain with what is recorded (settlement/chain_book.py), publishes
the difference, and waits until that is recorded: so a kill anywhere, a reorg, or a stream that lost everything only
makes it tell something again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from settlement.chain import Chain, ChainMoved, Header, Log
from settlement.chain_book import Block, ChainBook
from settlement.chain_events import TOKEN_LISTED
from settlement.chain_notes import EventNote, EventState, Finalized, Note, Rewound, Seen, fields_of
from settlement.listener import ChainLostBlocks
from settlement.watched import ChainEvent, Contract, chain_event

BLOCKS_AT_ONCE: Final = 128
RECORDED_WITHIN_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.05
_log: Final = logging.getLogger(__name__)


class NotRecorded(Exception):  # noqa: N818 - a state of the world that is waited out
    """What was published was lost, or nobody records it: it is told again; the text says which."""


class Stream(Protocol):
    """A stream of Redis; each call raises its connection error when Redis is away."""

    async def publish(self, fields: Mapping[str, bytes | str | int]) -> str: ...

    async def holds(self, message_id: str) -> bool: ...


class Observer:
    """
    contracts    what is watched, beside the tokens that the locker is told of; the locker is one of them
    first_block  nothing of ours is older: the block of the deployment
    """

    def __init__(
        self,
        chain: Chain,
        book: ChainBook,
        stream: Stream,
        contracts: Mapping[bytes, Contract],
        first_block: int = 0,
        recorded_within_s: float = RECORDED_WITHIN_S,
    ) -> None:
        self._chain = chain
        self._book = book
        self._stream = stream
        self._contracts = dict(contracts)
        self._first_block = first_block
        self._recorded_within_s = recorded_within_s

    async def step(self) -> bool:
        """Tell what is new, until it is recorded; False where there is nothing.

        Raises  ChainLostBlocks where a FINAL block is not on the chain any more; NotRecorded, ChainMoved,
                ChainUnavailable, ChainRefused and Redis' errors: step again.
        """
        recorded = await self._book.blocks()
        head = await self._chain.head()
        standing = await self._standing(recorded, head)
        if len(standing) < len(recorded):
            return await self._rewind(recorded, standing)
        final_block = await self._chain.final_block()
        if await self._finalize(recorded, final_block):
            return True
        first = recorded[-1].number + 1 if recorded else self._first_block
        if first > head.number:
            return False
        last_number = min(head.number, first + BLOCKS_AT_ONCE - 1)
        is_final = first <= final_block
        await self._tell_stretch(recorded, first, min(last_number, final_block) if is_final else last_number, is_final)
        return True

    async def _standing(self, recorded: Sequence[Block], head: Header) -> list[Block]:
        """The recorded blocks that are on the chain: all, or all below the one where a reorg began."""
        for count in range(len(recorded), 0, -1):
            block = recorded[count - 1]
            if await self._is_on_chain(block, head):
                return list(recorded[:count])
            if block.is_final:
                raise ChainLostBlocks(f"block {block.number} was FINAL as 0x{block.hash.hex()} and is not there now")
        return []

    async def _is_on_chain(self, block: Block, head: Header) -> bool:
        if block.number > head.number:
            return False
        try:
            return (await self._chain.header(block.number)).hash == block.hash
        except ChainMoved:
            return False

    async def _rewind(self, recorded: Sequence[Block], standing: Sequence[Block]) -> bool:
        """With no FINAL block below them, even all recorded blocks may be gone."""
        lowest = standing[-1].number if standing else self._first_block - 1
        _log.warning("the chain was reorganized above block %d", lowest)
        dead = await self._book.events(lowest, recorded[-1].number, EventState.MINED)
        for event, _ in reversed(dead):
            await self._publish(EventNote.of(event, EventState.REMOVED))
        fork = standing[-1] if standing else None
        told = await self._publish(Rewound(lowest, b"" if fork is None else fork.hash))
        await self._until_recorded(told, fork)
        return True

    async def _finalize(self, recorded: Sequence[Block], final_block: int) -> bool:
        due = [block for block in recorded if not block.is_final and block.number <= final_block]
        if not due:
            return False
        if not await self._is_on_chain(due[-1], await self._chain.head()):
            raise ChainMoved(f"block {due[-1].number} moved while it became FINAL")
        after = recorded[0].number if recorded[0].is_final else -1
        hashes = {block.hash for block in due}
        known = await self._book.events(after, due[-1].number, EventState.MINED, EventState.FINAL)
        told_count = sum(state is EventState.FINAL for _, state in known)
        events = [event for event, state in known if state is EventState.MINED and event.block_hash in hashes]
        for event in events:
            await self._publish(EventNote.of(event, EventState.FINAL))
        last = await self._publish(Finalized(due[-1].number, due[-1].hash, told_count + len(events)))
        await self._until_recorded(last, Block(due[-1].number, due[-1].hash, is_final=True))
        return True

    async def _tell_stretch(self, recorded: Sequence[Block], first: int, last_number: int, is_final: bool) -> None:
        last = await self._chain.header(last_number)
        headers = await self._chain.headers(first, last)
        after_hash = recorded[-1].hash if recorded else b""
        if recorded and headers[first].parent_hash != after_hash:
            raise ChainMoved(f"block {first} is not the child of the one that was recorded")
        events = await self._events(first, last)
        state = EventState.FINAL if is_final else EventState.MINED
        if is_final:
            for event in events:
                await self._publish(EventNote.of(event, state))
            told = await self._publish(Seen(first, last.number, last.hash, after_hash, len(events), is_final=True))
        else:
            for number in range(first, last.number + 1):
                of_block = [event for event in events if event.block == number]
                for event in of_block:
                    await self._publish(EventNote.of(event, state))
                block_hash = headers[number].hash
                told = await self._publish(Seen(number, number, block_hash, after_hash, len(of_block), is_final=False))
                after_hash = block_hash
        await self._until_recorded(told, Block(last.number, last.hash, is_final))

    async def _events(self, first: int, last: Header) -> list[ChainEvent]:
        """A token that the locker is told of within the stretch is watched from its first block on."""
        contracts = self._contracts | dict.fromkeys(await self._book.tokens(), Contract.TOKEN)
        while True:
            logs = await self._chain.logs(list(contracts), first, last)
            listed = {bytes(log.topics[1][12:]) for log in logs if self._is_listing(log)} - contracts.keys()
            if not listed:
                break
            contracts |= dict.fromkeys(listed, Contract.TOKEN)
        found = (chain_event(log, contracts[log.address]) for log in logs)
        return [event for event in found if event is not None]

    def _is_listing(self, log: Log) -> bool:
        return self._contracts.get(log.address) is Contract.LOCKER and log.topics[:1] == (TOKEN_LISTED,)

    async def _publish(self, note: Note) -> str:
        return await self._stream.publish(fields_of(note))

    async def _until_recorded(self, message_id: str, last: Block | None) -> None:
        """Until the highest recorded block is this one (None: until there is none)."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._recorded_within_s
        while True:
            recorded = await self._book.blocks()
            if (recorded[-1] if recorded else None) == last or (
                last is not None and last.is_final and last in recorded
            ):
                return
            if not await self._stream.holds(message_id):
                raise NotRecorded("the stream lost what was told")
            if loop.time() > deadline_s:
                raise NotRecorded(f"nobody records what was told within {self._recorded_within_s:.0f} s")
            await asyncio.sleep(LOOK_AGAIN_S)


__all__ = ["Block", "NotRecorded", "Observer"]
