"""The feed: commands in over the socket, durable frames out from any seq, over restarts and slow readers."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine import types as t
from engine.wire import EVENT, decode_commands, encode_command
from persistence import feed as feed_module
from persistence.feed import CommandsRefused, FeedClient, FeedLost, FeedServer
from persistence.feed_messages import FOLLOW, HEAD, SUBMIT, Frame
from persistence.journal import JournalWriter
from persistence.recovery import recovered
from persistence.sequencer import Refusal, Sequencer


def account(number: int) -> bytes:
    return encode_command(t.OpenAccount(number, number.to_bytes(20, "big")))


@asynccontextmanager
async def exchange(directory: Path) -> AsyncIterator[Sequencer]:
    def fatal(error: BaseException) -> None:
        raise error

    writer = JournalWriter.open(directory / "journal", 256 * 1024)
    engine = recovered(directory / "journal", directory / "snapshots")
    sequencer = Sequencer(engine, writer, lambda: 1_000, fatal, directory / "poison")
    server = FeedServer(directory / "x.sock", sequencer, directory / "journal")
    sequencer.subscribers.append(server.on_durable)
    await server.start()
    yield sequencer
    await sequencer.stop()
    await server.stop()
    writer.close()


async def numbers(client: FeedClient, from_seq: int, until_seq: int) -> list[int]:
    """The account numbers in the commands from one seq to another, as the feed brings them."""
    seen: list[int] = []
    async for frame in client.frames(from_seq):
        for seq, _, command in decode_commands(frame.commands):
            assert isinstance(command, t.OpenAccount)
            if seq >= from_seq:
                seen.append(command.owner)
        if frame.last_seq >= until_seq:
            return seen
    raise AssertionError("the feed ended")


async def test_answers_come_with_seq_and_events(tmp_path: Path) -> None:
    async with exchange(tmp_path):
        client = FeedClient(tmp_path / "x.sock")
        first, second = await client.submit([account(7), account(7)])
        assert (first.seq, second.seq) == (1, 2)
        assert [EVENT.pack(*row)[8] for row in first.events] == [t.EventKind.ACCOUNT_OPENED]
        assert [row[2] for row in second.events] == [t.Reason.ACCOUNT_EXISTS]
        await client.close()


async def test_only_our_user_may_connect(tmp_path: Path) -> None:
    async with exchange(tmp_path):
        assert stat.S_IMODE((tmp_path / "x.sock").stat().st_mode) == 0o600


async def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    directory = tmp_path / ("long " * 30)
    directory.mkdir()
    async with exchange(directory):
        client = FeedClient(directory / "x.sock")
        assert (await client.submit([account(1)]))[0].seq == 1
        await client.close()


async def test_a_follower_of_another_journal_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its database may be older than our directory; frames from a seq that we never had do not come."""
    async with exchange(tmp_path):
        client = FeedClient(tmp_path / "x.sock")
        lost = [client.frames(from_seq) for from_seq in (0, 900, 2**64 - 1)]
        waiting = [asyncio.ensure_future(anext(frames)) for frames in lost]
        async with asyncio.timeout(20):
            while len([each for each in caplog.messages if "another journal" in each]) < len(lost):
                await asyncio.sleep(0.01)
        assert [(await client.submit([account(number)]))[0].seq for number in (1, 2)] == [1, 2]
        for future in waiting:
            assert future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await client.close()


@pytest.mark.parametrize(
    "message",
    [
        HEAD.pack(8 + 160, SUBMIT) + bytes(8) + bytes(16) + b"\x63" + bytes(143),
        HEAD.pack(3, SUBMIT) + bytes(3),
        HEAD.pack(8, SUBMIT) + bytes(8),
        HEAD.pack(8 + 159, SUBMIT) + bytes(8 + 159),
        HEAD.pack(3, FOLLOW) + bytes(3),
        HEAD.pack(0, 200),
        HEAD.pack(2**32 - 1, SUBMIT),
    ],
)
async def test_what_is_not_our_language_closes_its_connection_only(tmp_path: Path, message: bytes) -> None:
    async with exchange(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "x.sock")
        writer.write(message)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        client = FeedClient(tmp_path / "x.sock")
        assert (await client.submit([account(1)]))[0].seq == 1
        await client.close()


async def test_frames_come_from_any_seq_old_and_live(tmp_path: Path) -> None:
    async with exchange(tmp_path) as sequencer:
        client = FeedClient(tmp_path / "x.sock")
        for number in range(1, 501):
            sequencer.submit(account(number), None)
            if number % 10 == 0:
                await asyncio.sleep(0)
        await client.submit([account(501)])
        following = asyncio.create_task(numbers(client, 250, 700))
        for number in range(502, 701):
            await client.submit([account(number)])
        assert await asyncio.wait_for(following, 20) == list(range(250, 701))
        await client.close()


async def test_a_follower_goes_on_over_a_restart(tmp_path: Path) -> None:
    client = FeedClient(tmp_path / "x.sock")
    following = asyncio.create_task(numbers(client, 1, 4))
    for number in range(1, 5):
        async with exchange(tmp_path):
            submitter = FeedClient(tmp_path / "x.sock")
            await submitter.submit([account(number)])
            await submitter.close()
    async with exchange(tmp_path):
        assert await asyncio.wait_for(following, 20) == [1, 2, 3, 4]


async def test_a_slow_follower_misses_nothing_and_does_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BEHIND_BYTES_MAX", 4_096)
    async with exchange(tmp_path) as sequencer:
        client = FeedClient(tmp_path / "x.sock")
        frames = client.frames(1)
        await client.submit([account(1)])
        seen: list[Frame] = [await anext(frames)]
        for number in range(2, 8_002):  # far more than the kernel holds for a reader that does not read
            sequencer.submit(account(number), None)
            if number % 20 == 0:
                await asyncio.sleep(0)
        last = await client.submit([account(8_002)])
        while seen[-1].last_seq < last[0].seq:
            seen.append(await asyncio.wait_for(anext(frames), 20))
        assert [frame.first_seq for frame in seen[1:]] == [frame.last_seq + 1 for frame in seen[:-1]]
        await frames.aclose()  # type: ignore[attr-defined]
        await client.close()


async def test_a_stopping_exchange_refuses(tmp_path: Path) -> None:
    async with exchange(tmp_path) as sequencer:
        client = FeedClient(tmp_path / "x.sock")
        await client.submit([account(1)])
        await sequencer.stop()
        with pytest.raises(CommandsRefused) as raised:
            await client.submit([account(2)])
        assert raised.value.refusal is Refusal.STOPPING
        await client.close()


async def test_no_exchange_is_an_error_that_can_be_waited_out(tmp_path: Path) -> None:
    client = FeedClient(tmp_path / "x.sock")
    with pytest.raises(FeedLost):
        await client.submit([account(1)])


async def test_a_peer_that_speaks_another_language_is_dropped(tmp_path: Path) -> None:
    async with exchange(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "x.sock")
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 4)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        client = FeedClient(tmp_path / "x.sock")
        assert (await client.submit([account(1)]))[0].seq == 1
        await client.close()
