"""The tables of what the chain said: written note by note, each any number of times, and read by the observer.

A block counts as recorded only when all its events are here: then, and only then, the observer goes on behind it. So
whatever is lost between the two is told again, and what is told again changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from api.addresses import unhex
from persistence.database import Connection, Pool
from settlement.chain_notes import EventNote, EventState, Finalized, Note, Rewound, Seen
from settlement.watched import ChainEvent

_BOOK_LOCK: Final = 0x6368_6169_6E62_6F6F  # notes are written one at a time
_EVENT: Final = "block, block_hash, log_index, transaction, contract, name, data"
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """A recorded block."""

    number: int
    hash: bytes
    is_final: bool


class ChainBook:
    """`effects`: names of the events from which something follows once they are FINAL."""

    def __init__(self, pool: Pool, effects: Collection[str] = ()) -> None:
        self._pool = pool
        self._effects = frozenset(effects)

    async def blocks(self) -> list[Block]:
        """The last FINAL block, and every recorded one above it, in order; empty before the first."""
        rows = await self._pool.fetch("SELECT block, block_hash, is_final FROM chain_blocks ORDER BY block")
        return [Block(*row) for row in rows]

    async def tokens(self) -> set[bytes]:
        """Those that the locker was told of, in what is recorded."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT data ->> 'token' FROM chain_events"
            " WHERE name = 'Locker.TokenListed' AND state <> 'REMOVED'"
        )
        return {unhex(row[0]) for row in rows}

    async def events(self, after_block: int, block: int, *states: EventState) -> list[tuple[ChainEvent, EventState]]:
        """Those in these states in blocks after one and up to another, in the chain's order, as of one moment."""
        rows = await self._pool.fetch(
            f"SELECT {_EVENT}, state FROM chain_events"  # noqa: S608
            " WHERE block > $1 AND block <= $2 AND state = ANY($3::text[]) ORDER BY block, log_index",
            *(after_block, block, [str(state) for state in states]),
        )
        found = [(dict(row), EventState(row["state"])) for row in rows]
        return [(event_of({name: row[name] for name in row if name != "state"}), state) for row, state in found]

    async def record(self, note: Note) -> bool:
        """Whether the note fits what is recorded; one that does not changes nothing, and is told again in its time."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _BOOK_LOCK)
            match note:
                case EventNote():
                    await self._event(connection, note)
                    return True
                case Seen():
                    return await _seen(connection, note)
                case Finalized():
                    return await _finalized(connection, note)
                case Rewound():
                    return await _rewound(connection, note)

    async def _event(self, connection: Connection, note: EventNote) -> None:
        """MINED, REMOVED and MINED again as the chain goes to and fro; FINAL stays."""
        effect = "PENDING" if note.state is EventState.FINAL and note.name in self._effects else "NONE"
        await connection.execute(
            f"INSERT INTO chain_events ({_EVENT}, state, effect) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608
            " ON CONFLICT (block_hash, log_index) DO UPDATE SET state = excluded.state, effect = excluded.effect"
            " WHERE chain_events.state NOT IN ('FINAL', excluded.state)",
            *(note.block, note.block_hash, note.log_index, note.transaction, note.contract, note.name),
            *(json.dumps(note.data), note.state, effect),
        )


async def _seen(connection: Connection, note: Seen) -> bool:
    """The end of a stretch: what else stands at its height or above is of another branch."""
    blocks = [Block(*row) for row in await connection.fetch("SELECT block, block_hash, is_final FROM chain_blocks")]
    if any(each.hash == note.block_hash for each in blocks):
        return True
    if any(each.is_final and each.number >= note.block for each in blocks):
        return False
    below = max((each for each in blocks if each.number < note.first), key=lambda each: each.number, default=None)
    if note.after_hash != (b"" if below is None else below.hash):
        return False
    if await _count(connection, note) != note.events:
        _log.warning("blocks %d to %d are not whole, and are told again", note.first, note.block)
        return False
    await _remove_above(connection, note.first - 1, note.block_hash)
    if note.is_final:
        await connection.execute("DELETE FROM chain_blocks")
    await connection.execute(
        "INSERT INTO chain_blocks (block, block_hash, is_final) VALUES ($1, $2, $3)",
        *(note.block, note.block_hash, note.is_final),
    )
    return True


async def _count(connection: Connection, note: Seen) -> int:
    """A stretch that is not FINAL is a single block; a FINAL one has no other FINAL events at its height."""
    which = "state = 'FINAL' AND $3::bytea IS NOT NULL" if note.is_final else "state <> 'REMOVED' AND block_hash = $3"
    value: int = await connection.fetchval(
        f"SELECT count(*) FROM chain_events WHERE block BETWEEN $1 AND $2 AND {which}",  # noqa: S608
        *(note.first, note.block, note.block_hash),
    )
    return value


async def _finalized(connection: Connection, note: Finalized) -> bool:
    if not await connection.fetchval(
        "SELECT 1 FROM chain_blocks WHERE block = $1 AND block_hash = $2", note.block, note.block_hash
    ):
        return False
    after = await connection.fetchval("SELECT block FROM chain_blocks WHERE is_final AND block < $1", note.block)
    count = await connection.fetchval(
        "SELECT count(*) FROM chain_events WHERE block > $1 AND block <= $2 AND state = 'FINAL'",
        *(-1 if after is None else after, note.block),
    )
    if count != note.events:
        _log.warning("the events up to block %d are not all told as FINAL, and are told again", note.block)
        return False
    await connection.execute(
        "UPDATE chain_events SET state = 'REMOVED' WHERE state = 'MINED' AND block <= $1", note.block
    )
    await connection.execute("DELETE FROM chain_blocks WHERE block < $1", note.block)
    await connection.execute("UPDATE chain_blocks SET is_final = true WHERE block = $1", note.block)
    return True


async def _rewound(connection: Connection, note: Rewound) -> bool:
    stands = await connection.fetchval("SELECT block_hash FROM chain_blocks WHERE block = $1", note.block)
    lower = await connection.fetchval("SELECT 1 FROM chain_blocks WHERE block < $1", note.block)
    if (stands or b"") != note.block_hash or (not note.block_hash and lower is not None):
        return False
    await _remove_above(connection, note.block, b"")
    return True


async def _remove_above(connection: Connection, block: int, except_hash: bytes) -> None:
    """No MINED row of a dead block outlives it."""
    await connection.execute(
        "UPDATE chain_events SET state = 'REMOVED' WHERE state = 'MINED' AND block > $1 AND block_hash <> $2",
        *(block, except_hash),
    )
    await connection.execute("DELETE FROM chain_blocks WHERE block > $1 AND NOT is_final", block)


def event_of(row: Any) -> ChainEvent:
    return ChainEvent(**(dict(row) | {"data": json.loads(row["data"])}))
