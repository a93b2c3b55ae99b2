"""Reads the chain as far as it is FINAL, in order, from the engine's position on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

from engine import types as t
from engine.wire import encode_command
from settlement.calls import balance_of_data, words
from settlement.chain import Chain, ChainMoved, Header, Log
from settlement.chain_events import TOKEN_LISTED, Meaning, Reader, Settled
from settlement.simulation import Addresses
from settlement.trades import Instrument, Token, Wallet

BLOCKS_AT_ONCE: Final = 128


class ChainLostBlocks(Exception):  # noqa: N818
    """A block that we took for FINAL is not on the chain any more: nothing may be guessed; the text says which."""


class SettlementUnknown(Exception):  # noqa: N818
    """The bridge settled a range that we never composed."""


Position = tuple[int, int]  # block, and the engine's log index within it
BatchOf = Callable[[int, int], Awaitable[int | None]]


class Listener:
    """
    instruments  the listed ones, as the tables have them; the exchange must know a token before it is first minted
    catch_up     until the tables have everything that is durable now
    batch_of     the batch with a range of trades
    first_block  nothing of ours is older: the block of the deployment
    """

    def __init__(
        self,
        chain: Chain,
        addresses: Addresses,
        instruments: Callable[[], Awaitable[Mapping[int, Instrument]]],
        catch_up: Callable[[], Awaitable[None]],
        batch_of: BatchOf,
        first_block: int = 0,
    ) -> None:
        self._chain = chain
        self._addresses = addresses
        self._instruments = instruments
        self._catch_up = catch_up
        self._batch_of = batch_of
        self._first_block = first_block
        self._locker_tokens: set[bytes] = set()  # as of block _tokens_block
        self._tokens_block = first_block - 1

    async def commands(
        self, after: Position, seen: Header | None, poll_s: float
    ) -> AsyncIterator[tuple[list[bytes], Header]]:
        """For each stretch of FINAL blocks, the engine's commands (unstamped) and the last header; without end.

        after   the engine's position: what is not beyond it is left out
        seen    the last header of an earlier run; it must still be on the chain
        Raises  ChainLostBlocks, SettlementUnknown, ChainUnavailable, ChainRefused, ChainMoved (read again from the
                position).
        """
        block_next = max(after[0], self._first_block)
        while True:
            final_block = await self._chain.final_block()
            if seen is not None:
                await self._require(seen)
            if block_next > final_block:
                await asyncio.sleep(poll_s)
                continue
            last = await self._chain.header(final_block)
            yield [encode_command(each) for each in await self._stretch(block_next, last, after)], last
            seen, block_next = last, last.number + 1

    async def _require(self, seen: Header) -> None:
        head = await self._chain.head()
        if head.number < seen.number:
            raise ChainLostBlocks(f"the chain ends at block {head.number}, and block {seen.number} was FINAL")
        found = await self._chain.header(seen.number)
        if found.hash != seen.hash:
            raise ChainLostBlocks(
                f"block {seen.number} was FINAL as 0x{seen.hash.hex()} and is now 0x{found.hash.hex()}"
            )

    async def _stretch(self, first: int, last: Header, after: Position) -> list[t.Command]:
        """The balances are asked at the very end: a node forgets the state of blocks that are not recent."""
        reader = Reader(self._addresses, await self._listed_by(last))
        logs = [log async for log in self._logs(reader.watched, first, last)]
        parties = sorted(reader.parties(logs))
        balances = dict(
            zip(parties, await asyncio.gather(*(self._balance(*party, last) for party in parties)), strict=True)
        )
        commands = []
        for meaning in reader.read(logs, balances):
            if (meaning.block, meaning.log_index) > after and (command := await self._command(meaning)) is not None:
                commands.append(command)
        return commands

    async def _logs(self, watched: Sequence[bytes], first: int, last: Header) -> AsyncIterator[Log]:
        """In chunks, each the child of the one before. Raises ChainMoved where it is not."""
        before: Header | None = None
        for start in range(first, last.number + 1, BLOCKS_AT_ONCE):
            end = start + BLOCKS_AT_ONCE - 1
            chunk_last = last if end >= last.number else await self._chain.header(end)
            if before is not None and (await self._chain.header(start)).parent_hash != before.hash:
                raise ChainMoved(f"block {before.number} is not the parent of block {start}")
            for log in await self._chain.logs(watched, start, chunk_last):
                yield log
            before = chunk_last

    async def _listed_by(self, last: Header) -> Mapping[int, Instrument]:
        """The instruments; first makes sure that the tables are not behind on a token that the locker takes already."""
        if last.number > self._tokens_block:
            topics, first = [TOKEN_LISTED], self._tokens_block + 1
            logs = await self._chain.find_logs(self._addresses.locker, topics, first, last.number)
            self._locker_tokens |= {log.topics[1][12:] for log in logs}
            self._tokens_block = last.number
        instruments = await self._instruments()
        if self._locker_tokens - {each.token for each in instruments.values()}:
            await self._catch_up()
            instruments = await self._instruments()
        return instruments

    async def _command(self, meaning: Meaning) -> t.Command | None:
        match meaning:
            case Settled():
                batch_id = await self._batch_of(meaning.trade_after, meaning.trade_last)
                if batch_id is None:
                    raise SettlementUnknown(
                        f"block {meaning.block} settles trades {meaning.trade_after + 1} to {meaning.trade_last}, "
                        "which no batch of ours has"
                    )
                return t.BatchFinal(
                    batch_id=batch_id,
                    block=meaning.block,
                    log_index=meaning.log_index,
                    payload_hash=meaning.payload_hash,
                    transaction=meaning.transaction,
                )
            case _:
                return meaning

    async def _balance(self, token: Token, wallet: Wallet, at: Header) -> int:
        return words(await self._chain.call(token, balance_of_data(wallet), at.number))[0]
