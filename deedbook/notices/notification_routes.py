"""A person's notifications: listed, marked as read, and streamed as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.problem import Problem, not_found
from api.route import Call, Kind, Route
from deedbook.notices.notify import (
    PAGE_MAX,
    LiveNotifications,
    Notification,
    TooManyStreams,
    following,
    latest,
    mark_read,
)
from persistence.database import Pool
from persistence.projections import DATABASE_AWAY

HEARTBEAT_S: Final = 15.0
WRITE_WITHIN_S: Final = 10.0  # a reader who takes longer for one event is dropped
STREAM_MOST_S: Final = 900.0  # then the reader comes again, with a session that is looked at again


class NotificationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after` and `before` are notification ids, one of them at most; without them the latest are listed."""

    after: UUID | None = None
    before: UUID | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_MAX


class NotificationAnswer(msgspec.Struct, frozen=True):
    """One message to its reader; `data` holds ids and amounts that depend on `kind`."""

    notification_id: UUID
    kind: str
    text: str
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


def routes(
    pool: Pool,
    live: LiveNotifications,
    *,
    heartbeat_s: float = HEARTBEAT_S,
    write_within_s: float = WRITE_WITHIN_S,
    stream_most_s: float = STREAM_MOST_S,
) -> list[Route]:
    """`live` must be running."""

    async def listed(call: Call[None]) -> list[NotificationAnswer]:
        user_id, query = call.signed_in.user_id, call.query
        if query.after is not None and query.before is not None:
            raise Problem(400, "QUERY_MALFORMED", "Give after or before, not both.")
        if query.after is not None:
            return [_answer(each) for each in await following(pool, user_id, query.after, query.limit)]
        return [_answer(each) for each in await latest(pool, user_id, query.limit, query.before)]

    async def read(call: Call[None]) -> None:
        if not await mark_read(pool, call.signed_in.user_id, call.uuid("notification_id")):
            raise not_found("notification")

    async def stream(call: Call[None]) -> web.StreamResponse:
        user_id = call.signed_in.user_id
        try:
            with live.seat(user_id) as flag:
                last = await live.resume(user_id, _last_event_id(call))
                events = live.stream(flag, user_id, last, heartbeat_s)
                return await _serve(call.request, events, write_within_s, stream_most_s)
        except TooManyStreams as error:
            raise Problem(429, "TOO_MANY_STREAMS", str(error), retry_after_s=60) from None

    return [
        Route(
            method="GET",
            path="/notifications",
            handler=listed,
            query=NotificationQuery,
            answer=list[NotificationAnswer],
            summary="Your notifications, oldest first: the latest, or those after or before one of them.",
        ),
        Route(
            method="POST",
            path="/notifications/{notification_id}/read",
            handler=read,
            summary="Mark one of your notifications as read.",
        ),
        Route(
            method="GET",
            path="/notifications/stream",
            handler=stream,
            kind=Kind.STREAM,
            summary="Your notifications as server-sent events as they come; Last-Event-ID resumes behind one.",
        ),
    ]


async def _serve(
    request: web.Request, events: AsyncIterator[Notification | None], write_within_s: float, stream_most_s: float
) -> web.StreamResponse:
    """Until the reader goes, is too slow, or has read for `stream_most_s`, or the database is away: it comes again."""
    ends_s = time.monotonic() + stream_most_s
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        await _written(response, b"retry: 2000\n\n", write_within_s)
        async for notification in events:
            await _written(response, _event(notification), write_within_s)
            if time.monotonic() >= ends_s:
                break
    except (TimeoutError, ConnectionError, *DATABASE_AWAY):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _written(response: web.StreamResponse, data: bytes, within_s: float) -> None:
    await asyncio.wait_for(response.write(data), within_s)


def _event(notification: Notification | None) -> bytes:
    if notification is None:
        return b":\n\n"  # a comment: the line is alive
    data = msgspec.json.encode(_answer(notification))  # one line: JSON escapes line ends
    return b"id: %s\nevent: notification\ndata: %s\n\n" % (str(notification.notification_id).encode(), data)


def _last_event_id(call: Call[None]) -> UUID | None:
    try:
        return UUID(call.headers.get("Last-Event-ID", ""))
    except ValueError:
        return None


def _answer(notification: Notification) -> NotificationAnswer:
    return NotificationAnswer(
        notification.notification_id,
        notification.kind,
        notification.text,
        dict(notification.data),
        notification.created_at,
        notification.read_at,
    )
