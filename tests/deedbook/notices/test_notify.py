"""Notifications: in the writer's transaction, in the order of commits, to their owner only, over a dropped line too."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.actor import Actor
from api.limits import Limits
from api.problem import Problem
from api.server import Door, mount
from deedbook.notices.notification_routes import routes
from deedbook.notices.notify import LiveNotifications, TooManyStreams, following, latest, mark_read, notify
from persistence.database import Pool
from tests.fixtures.postgres import pool, postgres
from tests.fixtures.registered import add_person

__all__ = ["pool", "postgres"]
DEADLINE_S = 20.0
LIVE = web.AppKey("live", LiveNotifications)


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


async def tell(pool: Pool, user_id: UUID, *texts: str, kind: str = "TOLD") -> None:
    async with pool.acquire() as connection, connection.transaction():
        for text in texts:
            await notify(connection, user_id, kind, text, {"n": 1})


async def test_a_notification_stands_or_falls_with_its_transaction(pool: Pool) -> None:
    alice = await add_person(pool, "alice")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await notify(connection, alice, "KYC_APPROVED", "never")
        await transaction.rollback()
    await tell(pool, alice, "first")
    (told,) = await latest(pool, alice)
    assert (told.kind, told.text, told.data, told.read_at) == ("TOLD", "first", {"n": 1}, None)
    assert await pool.fetchval("SELECT count(*) FROM mails") == 0


async def test_positions_follow_commits_not_inserts(pool: Pool) -> None:
    """Who has seen one has seen all before it: the later commit gets the later position."""
    alice = await add_person(pool, "alice")
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await notify(slow, alice, "TOLD", "inserted first, committed last")
        await tell(pool, alice, "committed first")
        seen = await latest(pool, alice)
        assert [each.text for each in seen] == ["committed first"]
        await transaction.commit()
    after = await following(pool, alice, seen[-1].notification_id)
    assert [each.text for each in after] == ["inserted first, committed last"]


async def test_pages_go_forward_and_back_and_never_to_another(pool: Pool) -> None:
    alice, bob = await add_person(pool, "alice"), await add_person(pool, "bob")
    await tell(pool, alice, *(f"{number}" for number in range(7)))
    await tell(pool, bob, "bob's")
    everything = await latest(pool, alice)
    assert [each.text for each in everything] == list("0123456")
    assert [each.text for each in await latest(pool, alice, 2)] == ["5", "6"]
    assert [each.text for each in await latest(pool, alice, 2, everything[5].notification_id)] == ["3", "4"]
    assert [each.text for each in await following(pool, alice, everything[1].notification_id, 3)] == ["2", "3", "4"]
    (bobs,) = await latest(pool, bob)
    assert await following(pool, alice, bobs.notification_id) == []
    assert await latest(pool, alice, 2, bobs.notification_id) == []
    assert not await mark_read(pool, alice, bobs.notification_id)
    assert await mark_read(pool, bob, bobs.notification_id)
    first = (await latest(pool, bob))[0].read_at
    assert first is not None
    assert await mark_read(pool, bob, bobs.notification_id)
    assert (await latest(pool, bob))[0].read_at == first


async def test_streams_are_bounded(pool: Pool) -> None:
    live = LiveNotifications(pool, streams_max=3, of_user_max=2)
    alice, bob, carol = uuid4(), uuid4(), uuid4()
    with live.seat(alice), live.seat(alice):
        with pytest.raises(TooManyStreams), live.seat(alice):
            pass
        with live.seat(bob), pytest.raises(TooManyStreams), live.seat(carol):
            pass
        with live.seat(carol):
            pass


@asynccontextmanager
async def served(
    pool: Pool, actors: dict[str, Actor], **times: float
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """The routes behind a door that knows each actor by a header."""

    async def authenticate(request: web.Request) -> Actor | None:
        return actors.get(request.headers.get("Who", ""))

    def refusal(_method: str, _path: str, actor: Actor | None) -> Problem | None:
        return Problem(401, "NOT_SIGNED_IN", "Sign in.") if actor is None else None

    live = LiveNotifications(pool)
    listening = asyncio.create_task(live.run())
    app = web.Application()
    app[LIVE] = live
    mount(app, routes(pool, live, **times), Door(authenticate, refusal, Limits(time.monotonic)))
    try:
        async with TestClient(TestServer(app)) as client:
            yield client
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def actor(user_id: UUID) -> Actor:
    return Actor(user_id, 1, frozenset(), uuid4(), False)


async def events(response: aiohttp.ClientResponse, count: int) -> list[tuple[str, str]]:
    """(id, text) of the next `count` events."""
    found: list[tuple[str, str]] = []
    last = ""
    while len(found) < count:
        line = (await asyncio.wait_for(response.content.readline(), DEADLINE_S)).decode()
        assert line, "the stream ended"
        if line.startswith("id: "):
            last = line[4:].strip()
        if line.startswith("data: "):
            found.append((last, json.loads(line[6:])["text"]))
    return found


async def test_the_routes_show_what_is_ones_own(pool: Pool) -> None:
    alice, bob = await add_person(pool, "alice"), await add_person(pool, "bob")
    await tell(pool, alice, "one", "two")
    async with served(pool, {"alice": actor(alice), "bob": actor(bob)}) as client:
        listed = await (await client.get("/notifications", headers={"Who": "alice"})).json()
        assert [each["text"] for each in listed] == ["one", "two"]
        after = await client.get(
            "/notifications", params={"after": listed[0]["notification_id"]}, headers={"Who": "alice"}
        )
        assert [each["text"] for each in await after.json()] == ["two"]
        path = f"/notifications/{listed[0]['notification_id']}/read"
        assert (await client.post(path, headers={"Who": "bob"})).status == 404
        assert (await client.post(path, headers={"Who": "alice"})).status == 204
        assert (await client.post("/notifications/none/read", headers={"Who": "alice"})).status == 404
        assert await (await client.get("/notifications", headers={"Who": "bob"})).json() == []
        assert (await client.get("/notifications?after=a", headers={"Who": "bob"})).status == 400
        both = {"after": listed[0]["notification_id"], "before": listed[0]["notification_id"]}
        assert (await client.get("/notifications", params=both, headers={"Who": "bob"})).status == 400


async def test_a_stream_tells_what_is_new_and_resumes_behind_the_last_event(pool: Pool) -> None:
    alice, bob = await add_person(pool, "alice"), await add_person(pool, "bob")
    await tell(pool, alice, "old")
    async with served(pool, {"alice": actor(alice), "bob": actor(bob)}) as client:
        who = {"Who": "alice"}
        async with client.get("/notifications/stream", headers=who) as response:
            assert response.content_type == "text/event-stream"
            await tell(pool, bob, "bob's")
            await tell(pool, alice, "one", "two")
            first, second = await events(response, 2)
            assert (first[1], second[1]) == ("one", "two")
        await tell(pool, alice, "three")
        async with client.get("/notifications/stream", headers=who | {"Last-Event-ID": first[0]}) as response:
            assert [text for _, text in await events(response, 2)] == ["two", "three"]
            await tell(pool, alice, "four")
            assert [text for _, text in await events(response, 1)] == ["four"]


async def test_the_very_first_notification_comes_too(pool: Pool) -> None:
    alice = await add_person(pool, "alice")
    async with (
        served(pool, {"alice": actor(alice)}) as client,
        client.get("/notifications/stream", headers={"Who": "alice"}) as response,
    ):
        await tell(pool, alice, "first of all")
        assert [text for _, text in await events(response, 1)] == ["first of all"]


async def test_a_stream_ends_after_its_time_so_that_the_session_is_looked_at_again(pool: Pool) -> None:
    alice = await add_person(pool, "alice")
    async with (
        served(pool, {"alice": actor(alice)}, heartbeat_s=0.01, stream_most_s=0.05) as client,
        client.get("/notifications/stream", headers={"Who": "alice"}) as response,
    ):
        text = await asyncio.wait_for(response.text(), DEADLINE_S)
    assert text.startswith("retry: 2000\n\n:\n\n")


async def test_a_reader_who_does_not_read_is_dropped(pool: Pool) -> None:
    alice = await add_person(pool, "alice")
    async with served(pool, {"alice": actor(alice)}, write_within_s=0.1) as client:
        live: LiveNotifications = client.app[LIVE]
        with socket.create_connection(("127.0.0.1", client.port or 0)) as reader:
            reader.sendall(b"GET /notifications/stream HTTP/1.1\r\nHost: h\r\nWho: alice\r\n\r\n")
            await until(lambda: live.streams == 1)
            deadline = time.monotonic() + 2 * DEADLINE_S
            while live.streams == 1:
                assert time.monotonic() < deadline, "it is never dropped"
                await tell(pool, alice, *["x" * 1_000] * 500)
