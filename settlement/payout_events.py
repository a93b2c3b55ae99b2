"""Brings what a payout contract says, once it is FINAL, into the rows, the ledger and the holders' notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from api.amounts import usdc
from api.doors import Notify
from persistence.database import Connection, Pool
from settlement import payout_rows as rows
from settlement.chain import Chain
from settlement.log_ranges import find_in_ranges
from settlement.payout_doors import Books, People
from settlement.payout_logs import (
    CLAIMED,
    DECLARED,
    OWED,
    PAID,
    ChunkPaid,
    HolderEvent,
    PayoutEvent,
    Redirected,
    Stopped,
    payout_events,
)
from settlement.payout_rows import Payout
from settlement.payouts import key_of
from settlement.watched import ChainEvent

_UUID_HEX: Final = 32  # digits; of the contract's bytes32 the last ones
_STATES: Final = {PAID: "PAID", OWED: "OWED", CLAIMED: "CLAIMED"}
_WORDS: Final = {
    ("DIVIDEND", PAID): "Your dividend of {amount} USDC was paid.",
    ("DIVIDEND", OWED): "Your dividend of {amount} USDC could not be sent to your wallet. It is kept for you to claim.",
    ("DIVIDEND", CLAIMED): "You claimed your dividend of {amount} USDC.",
    ("EXIT", PAID): "Your share of the sale, {amount} USDC, was paid and your tokens are redeemed.",
    (
        "EXIT",
        OWED,
    ): "Your share of the sale, {amount} USDC, could not be sent to your wallet. It is kept for you to claim.",
    ("EXIT", CLAIMED): "You claimed your share of the sale, {amount} USDC.",
}
_STOPPED: Final = {
    "DIVIDEND": "Your dividend was stopped on chain. {amount} USDC of it reached nobody and can be distributed again.",
    "EXIT": "Your exit was stopped on chain. {amount} USDC of it reached nobody: state the sale of the rest anew.",
}


@dataclass(slots=True)
class _Chunk:
    """The events of the chunk that is being read."""

    told: list[HolderEvent] = field(default_factory=list)

    def micros(self, topic: bytes) -> int:
        return sum(each.usdc_micros for each in self.told if each.topic == topic)


class PayoutEvents:
    """The only writer of lines. Reads each FINAL block of a payout once: its cursor moves with what it wrote.

    contracts    the payout contract's address by kind
    books        the ledger's functions by kind
    first_block  none of the contracts is older
    """

    def __init__(
        self,
        pool: Pool,
        chain: Chain,
        contracts: Mapping[str, bytes],
        books: Mapping[str, Books],
        people: People,
        notify: Notify,
        first_block: int = 0,
    ) -> None:
        self._pool = pool
        self._chain = chain
        self._contracts = contracts
        self._books = books
        self._people = people
        self._notify = notify
        self._first_block = first_block

    async def on_event(self, connection: Connection, event: ChainEvent) -> None:
        """A FINAL event of one of the contracts: read up to it, in a transaction of its own; again is nothing.

        Only for what happens after a payout's job is done; the job itself needs no call.
        """
        await self.collect(UUID(event.data["id"][-_UUID_HEX:]), event.block)

    async def collect(self, payout_id: UUID, final_block: int | None = None) -> Payout:
        """Read up to a FINAL block (None: the last one); returns the payout as it is then.

        Raises ChainUnavailable, ChainRefused.
        """
        final_block = await self._chain.final_block() if final_block is None else final_block
        async with self._pool.acquire() as connection, connection.transaction():
            found = await rows.payout(connection, payout_id, lock=True)
            assert found is not None, f"the contract has a payout {payout_id} that is not ours"
            if found.state == "APPROVED":
                found = await self._declared(connection, found, final_block)
            if found.state in ("DECLARED", "PAID", "STOPPED") and final_block > (found.events_block or 0):
                await self._read(connection, found, final_block)
            after = await rows.payout(connection, payout_id)
        assert after is not None
        return after

    async def _declared(self, connection: Connection, found: Payout, final_block: int) -> Payout:
        topics = [DECLARED, key_of(found.payout_id)]
        contract = self._contracts[found.kind]
        logs = await find_in_ranges(self._chain, contract, topics, self._first_block, final_block)
        if not logs:
            return found
        (log,) = logs
        await rows.moved(connection, found.payout_id, "DECLARED", declared_block=log.block)
        total, dust = found.total_usdc_micros, found.dust_usdc_micros or 0
        await self._books[found.kind].declared(connection, found.payout_id, total, dust, log.transaction)
        declared = await rows.payout(connection, found.payout_id)
        assert declared is not None
        return declared

    async def _read(self, connection: Connection, found: Payout, final_block: int) -> None:
        assert found.events_block is not None
        contract, chunk = self._contracts[found.kind], _Chunk()
        logs = await find_in_ranges(self._chain, contract, [], found.events_block + 1, final_block)
        for event in payout_events(logs, found.payout_id):
            chunk = await self._apply(connection, found, chunk, event)
        assert not chunk.told, "a chunk's events stand in one transaction with its end"
        await connection.execute(
            "UPDATE payouts SET events_block = $2 WHERE payout_id = $1", found.payout_id, final_block
        )
        is_paid = await connection.fetchval(
            "SELECT state = 'DECLARED' AND NOT EXISTS (SELECT FROM payout_lines WHERE payout_id = $1 AND state = 'DUE')"
            " FROM payouts WHERE payout_id = $1",
            found.payout_id,
        )
        if is_paid:
            await rows.moved(connection, found.payout_id, "PAID")

    async def _apply(self, connection: Connection, found: Payout, chunk: _Chunk, event: PayoutEvent) -> _Chunk:
        match event:
            case HolderEvent() if event.topic == CLAIMED:
                await self._claimed(connection, found, event)
            case HolderEvent():
                chunk.told.append(event)
            case ChunkPaid():
                await self._chunk_paid(connection, found, chunk, event)
                return _Chunk()
            case Stopped():
                await self._stopped(connection, found, event)
            case Redirected():
                await connection.execute(
                    "UPDATE payout_lines SET owed_to = $3, transaction = $4, changed_at = now()"
                    " WHERE payout_id = $1 AND owed_to = $2 AND state = 'OWED'",
                    *(found.payout_id, event.holder, event.to, event.transaction),
                )
        return chunk

    async def _write(self, connection: Connection, found: Payout, told: Sequence[HolderEvent]) -> None:
        written = await connection.fetch(
            "UPDATE payout_lines AS l SET state = e.state, transaction = e.transaction, changed_at = now(),"
            " owed_to = CASE e.state WHEN 'OWED' THEN l.wallet END"
            " FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::bytea[]) AS e (wallet, micros, state, transaction)"
            " WHERE l.payout_id = $1 AND l.wallet = e.wallet AND l.usdc_micros = e.micros AND l.state = 'DUE'"
            " RETURNING l.line",
            found.payout_id,
            [each.holder for each in told],
            [each.usdc_micros for each in told],
            [_STATES[each.topic] for each in told],
            [each.transaction for each in told],
        )
        assert len(written) == len(told), f"payout {found.payout_id} paid what its list does not say"

    async def _chunk_paid(self, connection: Connection, found: Payout, chunk: _Chunk, event: ChunkPaid) -> None:
        """The lines of a chunk stand together; those of nothing have no event and are done with it."""
        assert found.chunk_holders is not None
        number = await connection.fetchval(
            "UPDATE payouts SET chunks_paid = chunks_paid + 1 WHERE payout_id = $1 RETURNING chunks_paid - 1",
            found.payout_id,
        )
        await self._write(connection, found, chunk.told)
        first = number * found.chunk_holders
        await connection.execute(
            "UPDATE payout_lines SET state = 'PAID', transaction = $4, changed_at = now()"
            " WHERE payout_id = $1 AND line >= $2 AND line < $3 AND usdc_micros = 0",
            *(found.payout_id, first, first + found.chunk_holders, event.transaction),
        )
        books = self._books[found.kind]
        await books.paid(connection, found.payout_id, number, chunk.micros(PAID), chunk.micros(OWED), event.transaction)
        users = await self._people.users_of_wallets(connection, [each.holder for each in chunk.told])
        for each in chunk.told:
            await self._tell(connection, found, users, each)

    async def _stopped(self, connection: Connection, found: Payout, event: Stopped) -> None:
        """Nobody is paid any more who was not; who was stays so, and what is owed can be claimed."""
        returned = await connection.fetch(
            "UPDATE payout_lines SET state = 'RETURNED', transaction = $2, changed_at = now()"
            " WHERE payout_id = $1 AND state = 'DUE' RETURNING usdc_micros",
            *(found.payout_id, event.transaction),
        )
        assert sum(row["usdc_micros"] for row in returned) == event.usdc_micros
        await rows.moved(connection, found.payout_id, "STOPPED")
        await self._books[found.kind].stopped(connection, found.payout_id, event.usdc_micros, event.transaction)
        amount = usdc(event.usdc_micros)
        data = {"payout_id": str(found.payout_id), "property_id": str(found.property_id), "usdc": amount}
        text = _STOPPED[found.kind].format(amount=amount)
        await self._notify(connection, found.proposed_by, f"{found.kind}_STOPPED", text, data)

    async def _claimed(self, connection: Connection, found: Payout, event: HolderEvent) -> None:
        claimed = await connection.fetch(
            "UPDATE payout_lines SET state = 'CLAIMED', transaction = $3, changed_at = now()"
            " WHERE payout_id = $1 AND owed_to = $2 AND state = 'OWED' RETURNING usdc_micros",
            *(found.payout_id, event.holder, event.transaction),
        )
        assert sum(row["usdc_micros"] for row in claimed) == event.usdc_micros
        books = self._books[found.kind]
        await books.claimed(connection, found.payout_id, event.holder, event.usdc_micros, event.transaction)
        users = await self._people.users_of_wallets(connection, [event.holder])
        await self._tell(connection, found, users, event)

    async def _tell(
        self, connection: Connection, found: Payout, users: Mapping[bytes, UUID], event: HolderEvent
    ) -> None:
        """A holder that is nobody's wallet here (a court's, a contract's) is told nothing."""
        if event.holder not in users:
            return
        amount = usdc(event.usdc_micros)
        data = {
            "payout_id": str(found.payout_id),
            "property_id": str(found.property_id),
            "wallet": f"0x{event.holder.hex()}",
            "usdc": amount,
            "transaction": f"0x{event.transaction.hex()}",
        }
        text = _WORDS[found.kind, event.topic].format(amount=amount)
        await self._notify(connection, users[event.holder], f"{found.kind}_{_STATES[event.topic]}", text, data)
