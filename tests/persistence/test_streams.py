"""Streams deliver at least once, keep what nobody can handle aside, and start over after a loss."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from deedbook.embedded.valkey import Valkey
from persistence.streams import Message, Stream, connect

DEADLINE_S = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
async def client(valkey: str) -> AsyncIterator[Redis]:
    client = connect(valkey)
    await client.flushall()
    yield client
    await client.aclose()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


class Handled:
    """A handler that keeps what it saw, and fails on the names it is told."""

    def __init__(self, failing: tuple[bytes, ...] = ()) -> None:
        self.seen: list[bytes] = []
        self.failing = failing

    async def __call__(self, message: Message) -> None:
        name = message.fields["name"]
        self.seen.append(name)
        if name in self.failing:
            raise ValueError(f"cannot take {name.decode()}")


@asynccontextmanager
async def consuming(stream: Stream, handle: Handled, consumer: str = "one") -> AsyncIterator[None]:
    task = asyncio.create_task(
        stream.consume("group", consumer, handle, failures_max=3, retry_ms=5, block_ms=5), name=consumer
    )
    try:
        yield
        assert not task.done(), "a consumer goes on"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_messages_come_in_order_and_once_when_all_goes_well(client: Redis) -> None:
    stream, handle = Stream(client, "s"), Handled()
    await stream.publish({"name": "before"})
    async with consuming(stream, handle):
        for number in range(250):
            await stream.publish({"name": f"{number}", "number": number, "raw": b"\x00\xff"})
        await until(lambda: len(handle.seen) == 251)
    assert handle.seen == [b"before", *(b"%d" % number for number in range(250))]
    assert (await client.xpending("s", "group"))["pending"] == 0


async def test_what_a_consumer_did_not_finish_comes_first_when_it_is_back(client: Redis) -> None:
    stream, started = Stream(client, "s"), asyncio.Event()

    class Dying(Handled):
        async def __call__(self, message: Message) -> None:
            started.set()
            await asyncio.Event().wait()

    await stream.publish({"name": "first"})
    async with consuming(stream, Dying()):
        await started.wait()
    await stream.publish({"name": "second"})
    handle = Handled()
    async with consuming(stream, handle):
        await until(lambda: len(handle.seen) == 2)
    assert handle.seen == [b"first", b"second"]


async def test_what_a_dead_consumer_held_goes_to_another(client: Redis) -> None:
    stream, started = Stream(client, "s"), asyncio.Event()

    class Dying(Handled):
        async def __call__(self, message: Message) -> None:
            started.set()
            await asyncio.Event().wait()

    await stream.publish({"name": "first"})
    async with consuming(stream, Dying(), "dead"):
        await started.wait()
    handle = Handled()
    async with consuming(stream, handle, "alive"):
        await until(lambda: handle.seen == [b"first"])


async def test_what_fails_every_time_goes_to_the_dead_letters_and_holds_up_nobody(client: Redis) -> None:
    stream, handle = Stream(client, "s"), Handled(failing=(b"bad",))
    for name in ("bad", "good", "fine"):
        await stream.publish({"name": name})
    async with consuming(stream, handle):
        await until(lambda: handle.seen.count(b"bad") == 3)
        dead: list[Message] = []
        deadline = time.monotonic() + DEADLINE_S
        while not dead:
            assert time.monotonic() < deadline
            dead = await stream.dead.messages()
        await stream.publish({"name": "later"})
        await until(lambda: b"later" in handle.seen)
    assert [name for name in handle.seen if name != b"bad"] == [b"good", b"fine", b"later"]
    assert handle.seen.count(b"bad") == 3
    (letter,) = dead
    assert letter.fields["name"] == b"bad"
    assert (letter.fields["dead_group"], letter.fields["dead_error"]) == (b"group", b"ValueError('cannot take bad')")
    assert (await client.xpending("s", "group"))["pending"] == 0


async def test_what_fails_once_is_tried_again(client: Redis) -> None:
    stream, handle = Stream(client, "s"), Handled(failing=(b"bad",))
    await stream.publish({"name": "bad"})
    async with consuming(stream, handle):
        await until(lambda: handle.seen == [b"bad"])
        handle.failing = ()
        await until(lambda: handle.seen == [b"bad"] * 2)
    assert await stream.dead.messages() == []


async def test_a_stream_is_bounded(client: Redis) -> None:
    stream = Stream(client, "s", length_max=100)
    for number in range(1_000):
        await stream.publish({"name": f"{number}"})
    assert 100 <= await client.xlen("s") <= 300  # it is trimmed by whole nodes


async def test_a_trimmed_message_is_forgotten(client: Redis) -> None:
    stream, handle = Stream(client, "s"), Handled(failing=(b"bad",))
    await stream.publish({"name": "bad"})
    async with consuming(stream, handle):
        await until(lambda: len(handle.seen) == 1)
    await client.xtrim("s", maxlen=0, approximate=False)
    handle = Handled()
    async with consuming(stream, handle):
        await stream.publish({"name": "next"})
        await until(lambda: handle.seen == [b"next"])
    assert (await client.xpending("s", "group"))["pending"] == 0


async def test_a_flushed_server_is_started_over(client: Redis) -> None:
    stream, handle = Stream(client, "s"), Handled()
    async with consuming(stream, handle):
        await stream.publish({"name": "kept"})
        await until(lambda: handle.seen == [b"kept"])
        await client.flushall()
        await stream.publish({"name": "after"})
        await until(lambda: handle.seen == [b"kept", b"after"])


async def test_a_server_that_was_away_is_waited_for(tmp_path: Path) -> None:
    server, handle = Valkey(tmp_path), Handled()
    await server.start()
    client = connect(server.url)
    stream = Stream(client, "s")
    try:
        async with consuming(stream, handle):
            await stream.publish({"name": "before"})
            await until(lambda: handle.seen == [b"before"])
            await server.stop()
            await server.start()
            await stream.publish({"name": "after"})
            await until(lambda: handle.seen == [b"before", b"after"])
    finally:
        await client.aclose()
        await server.stop()
