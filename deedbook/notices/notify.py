"""What people are told: a row in the caller's transaction, streamed and mailed once that transaction stands."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from deedbook.notices.mail import send_mail
from persistence.database import Connection, Pool
from persistence.projections import DATABASE_AWAY

CHANNEL: Final = "notifications"
PAGE_MAX: Final = 100
STREAMS_MAX: Final = 1_000
STREAMS_MAX_OF_USER: Final = 5
LISTEN_AGAIN_S: Final = 1.0
MAIL_KIND: Final = "notice"
# Kinds that also go by mail: what somebody must hear of who does not look at the pages.
MAILED: Final = frozenset(
    {
        *("KYC_APPROVED", "KYC_REJECTED", "KYC_RETRY", "KYC_EXPIRES", "ACCREDITATION_EXPIRES"),
        *("PROPERTY_APPROVED", "PROPERTY_REJECTED", "PROPERTY_TOKENIZED", "PROPERTY_LIQUIDATING", "PROPERTY_CLOSED"),
        *("DIVIDEND_PAID", "DIVIDEND_OWED", "EXIT_PAID", "EXIT_OWED", "PURCHASED"),
        *("WALLET_FROZEN", "WALLET_UNFROZEN", "WALLET_RECOVERED", "TRADING_HALTED", "AUDIT_BROKEN"),
        *("CASH_MIGRATION_QUEUED", "CASH_MIGRATED"),
    }
)
_COLUMNS: Final = "notification_id, kind, text, data, created_at, read_at"
_log: Final = logging.getLogger(__name__)


class TooManyStreams(Exception):  # noqa: N818 - a limit, not a mistake of ours
    """Of one user, or of everybody; the text says which."""


@dataclass(frozen=True, slots=True)
class Notification:
    """As its reader sees it."""

    notification_id: UUID
    kind: str
    text: str
    data: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


async def notify(
    connection: Connection, user_id: UUID, kind: str, text: str, data: Mapping[str, Any] | None = None, /
) -> None:
    """Tell a person something in the caller's transaction; kinds in MAILED go by mail too.

    text   one or two sentences for its reader, at most 1,000 characters
    data   ids and amounts for a program
    """
    notification_id = await connection.fetchval(
        "INSERT INTO notifications (user_id, kind, text, data) VALUES ($1, $2, $3, $4) RETURNING notification_id",
        *(user_id, kind, text, json.dumps(dict(data or {}))),
    )
    if kind in MAILED:
        await send_mail(connection, user_id, MAIL_KIND, {"notification_id": str(notification_id)})


async def latest(pool: Pool, user_id: UUID, limit: int = PAGE_MAX, before: UUID | None = None) -> list[Notification]:
    """The last ones, or the last ones before one of the user's own, oldest first. An unknown `before` has none."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM notifications WHERE user_id = $1 AND ($2::uuid IS NULL OR position < ({_POSITION}))"  # noqa: S608
        " ORDER BY position DESC LIMIT $3",
        *(user_id, before, min(limit, PAGE_MAX)),
    )
    return [_notification(row) for row in reversed(rows)]


async def following(pool: Pool, user_id: UUID, after: UUID, limit: int = PAGE_MAX) -> list[Notification]:
    """Those that came after one of the user's own, in the order in which they came. An unknown `after` has none."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM notifications WHERE user_id = $1 AND position > ({_POSITION})"  # noqa: S608
        " ORDER BY position LIMIT $3",
        *(user_id, after, min(limit, PAGE_MAX)),
    )
    return [_notification(row) for row in rows]


_POSITION: Final = "SELECT position FROM notifications WHERE user_id = $1 AND notification_id = $2"


async def mark_read(pool: Pool, user_id: UUID, notification_id: UUID) -> bool:
    """Whether the user has such a notification; reading it again keeps the first time."""
    found = await pool.fetchval(
        "UPDATE notifications SET read_at = coalesce(read_at, now()) WHERE user_id = $1 AND notification_id = $2"
        " RETURNING 1",
        *(user_id, notification_id),
    )
    return found is not None


class LiveNotifications:
    """One LISTEN for all streams of this process. What waits for a reader is a flag, never a queue."""

    def __init__(self, pool: Pool, *, streams_max: int = STREAMS_MAX, of_user_max: int = STREAMS_MAX_OF_USER) -> None:
        self._pool = pool
        self._streams_max = streams_max
        self._of_user_max = of_user_max
        self._flags: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._counts: Counter[UUID] = Counter()

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._counts.total()

    async def run(self) -> None:
        """Until cancelled. While the database is away every stream waits, and then looks again."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen(connection)
            except DATABASE_AWAY as error:
                _log.warning("notifications wait for the database: %s", type(error).__name__)
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen(self, connection: Connection) -> None:
        gone = asyncio.Event()

        def told(_connection: object, _process: int, _channel: str, user: str) -> None:
            for flag in self._flags.get(UUID(user), ()):
                flag.set()

        def ended(_connection: object) -> None:
            gone.set()

        connection.add_termination_listener(ended)
        await connection.add_listener(CHANNEL, told)
        try:
            for flags in self._flags.values():  # what came while nobody listened
                for flag in flags:
                    flag.set()
            await gone.wait()
        finally:
            connection.remove_termination_listener(ended)
            if not connection.is_closed():
                await connection.remove_listener(CHANNEL, told)

    @contextmanager
    def seat(self, user_id: UUID) -> Iterator[asyncio.Event]:
        """A place for one stream, and the flag that is set when there is something new. Raises TooManyStreams."""
        if self._counts[user_id] >= self._of_user_max:
            raise TooManyStreams(f"You have {self._of_user_max} streams open: close one first.")
        if self._counts.total() >= self._streams_max:
            raise TooManyStreams("Everybody together has too many streams open: try again later.")
        self._counts[user_id] += 1
        flag = asyncio.Event()
        self._flags[user_id].add(flag)
        try:
            yield flag
        finally:
            self._counts[user_id] -= 1
            self._flags[user_id].discard(flag)
            if not self._flags[user_id]:
                del self._flags[user_id], self._counts[user_id]

    async def resume(self, user_id: UUID, seen: UUID | None) -> UUID | None:
        """Where a stream begins: behind the last one seen, or, if that is none of the user's, behind all there are."""
        if seen is not None and await self._is_of(user_id, seen):
            return seen
        newest = await latest(self._pool, user_id, 1)
        return newest[0].notification_id if newest else None

    async def stream(
        self, flag: asyncio.Event, user_id: UUID, last: UUID | None, heartbeat_s: float
    ) -> AsyncIterator[Notification | None]:
        """The user's notifications behind `last` as they come, for ever; None where nothing came for `heartbeat_s`.

        flag     of a seat
        last     from `resume`
        Raises   the database's errors while it is away
        """
        while True:
            flag.clear()
            found = await self._after(user_id, last)
            for notification in found:
                yield notification
                last = notification.notification_id
            if not found:
                try:
                    await asyncio.wait_for(flag.wait(), heartbeat_s)
                except TimeoutError:
                    yield None

    async def _after(self, user_id: UUID, last: UUID | None) -> list[Notification]:
        """A user who had none when the stream began gets the very first one too."""
        return await (latest(self._pool, user_id) if last is None else following(self._pool, user_id, last))

    async def _is_of(self, user_id: UUID, notification_id: UUID) -> bool:
        found = await self._pool.fetchval(
            "SELECT 1 FROM notifications WHERE user_id = $1 AND notification_id = $2", *(user_id, notification_id)
        )
        return found is not None


def _notification(row: Any) -> Notification:
    return Notification(**(dict(row) | {"data": json.loads(row["data"])}))
