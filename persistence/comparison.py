"""Does the database say what the journal says? Every row that differs is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from engine.wire import COMMAND_SIZE
from persistence.database import Connection, Pool
from persistence.fold import Fold
from persistence.frame import DurableFrame
from persistence.projections import COMMANDS_MAX, CONSUMER, write

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "listings": ("instrument",),
    "accounts": ("account",),
    "orders": ("order_id",),
    "order_amendments": ("order_id", "seq"),
    "order_lists": ("list_id",),
    "trades": ("trade_id",),
    "candles": ("instrument", "width_s", "open_s"),
    "trade_settlements": ("trade_id",),
    "balances": ("account", "instrument"),
    "batches": ("batch_id", "composed_seq"),
    "phases": ("instrument",),
    "kill_switches": ("account", "instrument"),
    "order_limits": ("account", "instrument"),
}
DIFFERENCES_MAX: Final = 100  # named by table


@dataclass(frozen=True, slots=True)
class Difference:
    """One row: its table and key, and the columns that differ; None where the row is missing."""

    table: str
    key: dict[str, Any]
    in_database: dict[str, Any] | None
    in_journal: dict[str, Any] | None

    def __str__(self) -> str:
        key = " ".join(f"{name} {value}" for name, value in self.key.items())
        if self.in_database is None:
            return f"{self.table}: {key} is in the journal but not in the database"
        if self.in_journal is None:
            return f"{self.table}: {key} is in the database but not in the journal"
        columns = ", ".join(
            f"{name} is {value} but {self.in_journal[name]} in the journal" for name, value in self.in_database.items()
        )
        return f"{self.table}: {key}: {columns}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Database and journal at `seq`, the database's cursor; `journal_seq` is the last seq that the journal has."""

    seq: int
    journal_seq: int
    differences: list[Difference]


async def compare(pool: Pool, frames: Iterable[DurableFrame]) -> Comparison:
    """Fold all frames, from seq 1, into temporary tables and compare them with the projected ones, row by row.

    Frames after the database's cursor are only counted. At most DIFFERENCES_MAX rows of each table are named.
    Raises JournalGapError if the frames do not follow each other from seq 1.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        cursor = await connection.fetchrow("SELECT seq, frame_hash FROM journal_cursors WHERE consumer = $1", CONSUMER)
        seq, frame_hash = (0, bytes(32)) if cursor is None else tuple(cursor)
        for table in KEYS:
            await connection.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {table} INCLUDING ALL) ON COMMIT DROP")
        fold, journal_seq = await _fold_into_temporary(connection, frames, seq)
        differences: list[Difference] = []
        if (fold.seq, fold.frame_hash) != (seq, frame_hash):
            differences.append(
                Difference(
                    "journal_cursors",
                    {"consumer": CONSUMER},
                    {"seq": seq, "frame_hash": frame_hash.hex()},
                    {"seq": fold.seq, "frame_hash": fold.frame_hash.hex()},
                )
            )
        for table, key in KEYS.items():
            differences += await _table_differences(connection, table, key)
    return Comparison(seq, journal_seq, differences)


async def _fold_into_temporary(
    connection: Connection, frames: Iterable[DurableFrame], until_seq: int
) -> tuple[Fold, int]:
    """Fold the frames up to the cursor; temporary tables stand first in the search path, so `write` fills those."""
    fold = Fold()
    journal_seq = written_seq = 0
    for frame in frames:
        journal_seq = frame.first_seq + len(frame.commands) // COMMAND_SIZE - 1
        if frame.first_seq <= until_seq:
            fold.apply(frame)
        if fold.seq - written_seq >= COMMANDS_MAX:
            written_seq = fold.seq
            await write(connection, fold.take())
    await write(connection, fold.take())
    return fold, journal_seq


async def _table_differences(connection: Connection, table: str, key: tuple[str, ...]) -> list[Difference]:
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    rows = await connection.fetch(
        f"SELECT to_jsonb(there)::text, to_jsonb(here)::text FROM {schema}.{table} AS there"  # noqa: S608
        f" FULL JOIN pg_temp.{table} AS here USING ({', '.join(key)})"
        f" WHERE to_jsonb(there) IS DISTINCT FROM to_jsonb(here) ORDER BY {', '.join(key)} LIMIT {DIFFERENCES_MAX}"
    )
    return [_difference(table, key, *(None if side is None else json.loads(side) for side in row)) for row in rows]


def _difference(
    table: str, key: tuple[str, ...], in_database: dict[str, Any] | None, in_journal: dict[str, Any] | None
) -> Difference:
    row = in_database or in_journal
    assert row is not None
    named = {name: row[name] for name in key}
    if in_database is not None and in_journal is not None:
        differing = [name for name in in_database if in_database[name] != in_journal[name]]
        in_database = {name: in_database[name] for name in differing}
        in_journal = {name: in_journal[name] for name in differing}
    return Difference(table, named, in_database, in_journal)
