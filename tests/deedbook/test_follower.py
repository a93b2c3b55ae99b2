"""The follower: snapshots of what is durable, and a disk that does not take one."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from deedbook import follower
from deedbook.layout import Layout
from deedbook.settings import Settings
from engine import types as t
from engine.exchange import Exchange
from engine.wire import encode_command
from persistence.feed import FeedServer
from persistence.journal import JournalWriter
from persistence.recovery import restored
from persistence.segment import write_all
from persistence.sequencer import Sequencer


@pytest.fixture
async def sequencer(tmp_path: Path) -> AsyncIterator[Sequencer]:
    def fatal(error: BaseException) -> None:
        raise error

    layout = Layout(tmp_path)
    writer = JournalWriter.open(layout.journal, 64 * 1024)
    sequencer = Sequencer(Exchange(), writer, lambda: 1_000, fatal, layout.poison)
    server = FeedServer(layout.feed_socket, sequencer, layout.journal)
    sequencer.subscribers.append(server.on_durable)
    await server.start()
    yield sequencer
    await sequencer.stop()
    await server.stop()
    writer.close()


async def test_a_disk_that_takes_no_snapshot_does_not_stop_the_replay(
    tmp_path: Path, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, is_full = Layout(tmp_path), True

    def write(fd: int, data: bytes, offset: int) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(fd, data, offset)

    monkeypatch.setattr(follower, "SNAPSHOT_AFTER_COMMANDS", 1)
    monkeypatch.setattr("persistence.whole_file.write_all", write)
    following = asyncio.create_task(follower._follow(Settings(data_dir=tmp_path)))
    said = ""
    async with asyncio.timeout(20):
        sequencer.submit(encode_command(t.OpenAccount(1, bytes(20))), None)
        while "no snapshot at seq 1: " not in said:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().out
        assert list(layout.snapshots.iterdir()) == []
        is_full = False
        sequencer.submit(encode_command(t.OpenAccount(2, b"2" * 20)), None)
        while restored(layout.journal, layout.snapshots).seq != 2:
            await asyncio.sleep(0.01)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
