"""Durable is reported after the sync and in order; what comes meanwhile gathers; a failure stops everything."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.journal import JournalWriter
from persistence.writer_thread import JournalThread
from tests.persistence.journals import content, open_small, read_small

DEADLINE_SECONDS = 30.0


class Reports:
    """What the thread reported, in order."""

    def __init__(self) -> None:
        self.durable: list[tuple[int, bytes]] = []
        self.fatal: list[BaseException] = []
        self._heard = asyncio.Event()

    def on_durable(self, last_seq: int, frame_hash: bytes) -> None:
        self.durable.append((last_seq, frame_hash))
        self._heard.set()

    def on_fatal(self, error: BaseException) -> None:
        self.fatal.append(error)
        self._heard.set()

    async def until_durable(self, seq: int) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self.fatal and (not self.durable or self.durable[-1][0] < seq):
                self._heard.clear()
                await self._heard.wait()


class Gate:
    """Stands in for fdatasync: holds each sync until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let_through = threading.Semaphore(0)
        self._sync = os.fdatasync

    def fdatasync(self, fd: int) -> None:
        self.entered.release()
        assert self.let_through.acquire(timeout=DEADLINE_SECONDS)
        self._sync(fd)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    writer = open_small(tmp_path / "journal")
    yield writer
    writer.close()


def start(writer: JournalWriter, reports: Reports) -> JournalThread:
    thread = JournalThread(writer, asyncio.get_running_loop(), reports.on_durable, reports.on_fatal)
    thread.start()
    return thread


async def test_everything_submitted_becomes_durable_in_order(writer: JournalWriter) -> None:
    reports = Reports()
    thread = start(writer, reports)
    for seq in range(1, 301):
        thread.submit(seq, *content(seq, 1))
        if seq % 7 == 0:
            await asyncio.sleep(0)
    await reports.until_durable(300)
    thread.close()
    frames = read_small(writer.directory)
    assert b"".join(frame.commands for frame in frames) == b"".join(content(seq, 1)[0] for seq in range(1, 301))
    assert [(frame.last_seq, frame.hash) for frame in frames] == reports.durable
    assert thread.pending_bytes == 0
    assert reports.fatal == []


async def test_nothing_is_durable_before_the_sync_returns_and_the_rest_gathers(
    writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, reports = Gate(), Reports()
    monkeypatch.setattr(os, "fdatasync", gate.fdatasync)
    thread = start(writer, reports)
    thread.submit(1, *content(1, 1))
    assert await asyncio.to_thread(gate.entered.acquire, timeout=DEADLINE_SECONDS)
    thread.submit(2, *content(2, 1))
    thread.submit(3, *content(3, 1))
    await asyncio.sleep(0)
    assert reports.durable == []
    gate.let_through.release(2)
    await reports.until_durable(3)
    assert [last_seq for last_seq, _ in reports.durable] == [1, 3]
    thread.close()


async def test_gathering_stops_at_what_a_segment_holds(writer: JournalWriter) -> None:
    reports = Reports()
    thread = JournalThread(writer, asyncio.get_running_loop(), reports.on_durable, reports.on_fatal)
    for seq in range(1, 301):
        thread.submit(seq, *content(seq, 1))
    thread.submit(301, *content(301, 100))
    thread.start()
    await reports.until_durable(400)
    thread.close()
    frames = read_small(writer.directory)
    sizes_bytes = [len(frame.commands) + len(frame.events) for frame in frames]
    assert max(sizes_bytes[:-1]) <= writer.frame_bytes_max < sizes_bytes[-1]
    assert len(frames) < 30


async def test_a_failed_sync_is_reported_once_and_nothing_after_it_is_durable(
    writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = Reports()
    thread = start(writer, reports)
    thread.submit(1, *content(1, 1))
    await reports.until_durable(1)

    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    thread.submit(2, *content(2, 1))
    thread.submit(3, *content(3, 1))
    await reports.until_durable(3)
    thread.close()
    await asyncio.sleep(0)
    assert [last_seq for last_seq, _ in reports.durable] == [1]
    assert [type(error) for error in reports.fatal] == [OSError]
    assert thread.pending_bytes > 0


async def test_closing_writes_what_was_submitted(writer: JournalWriter) -> None:
    reports = Reports()
    thread = start(writer, reports)
    for seq in range(1, 51):
        thread.submit(seq, *content(seq, 1))
    thread.close()
    await reports.until_durable(50)
    assert writer.last_seq == 50
    assert reports.durable[-1] == (50, writer.chain_hash)
