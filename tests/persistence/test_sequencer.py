"""The sequencer: order, time, durability before release, refusals, and what a failing engine or disk does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import types as t
from engine.exchange import Exchange
from engine.wire import COMMAND_SIZE, decode_commands, decode_events, encode_command
from persistence import snapshots
from persistence.journal import JournalWriter
from persistence.journal_reader import JournalReader
from persistence.recovery import ReplayDiffers, recovered
from persistence.sequencer import Durable, Refusal, Sequencer
from persistence.snapshots import Snapshot

SEGMENT_BYTES = 64 * 1024


class Clockwork:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


class Seen:
    """Collects durable frames and fatal errors, and lets a test wait for them."""

    def __init__(self) -> None:
        self.frames: list[Durable] = []
        self.errors: list[BaseException] = []
        self._changed = asyncio.Event()

    def durable(self, frame: Durable) -> None:
        self.frames.append(frame)
        self._changed.set()

    def fatal(self, error: BaseException) -> None:
        self.errors.append(error)
        self._changed.set()

    async def until_seq(self, seq: int) -> None:
        async with asyncio.timeout(20):
            while not self.errors and (not self.frames or self.last_seq < seq):
                self._changed.clear()
                await self._changed.wait()

    @property
    def last_seq(self) -> int:
        return self.frames[-1].first_seq + len(self.frames[-1].origins) - 1

    def events(self) -> Iterator[tuple[int, t.Event]]:
        for frame in self.frames:
            yield from decode_events(frame.events)


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
def seen() -> Seen:
    return Seen()


def opened(directory: Path, clock: Clockwork, seen: Seen) -> tuple[Sequencer, JournalWriter]:
    writer = JournalWriter.open(directory / "journal", SEGMENT_BYTES)
    exchange = recovered(directory / "journal", directory / "snapshots")
    sequencer = Sequencer(exchange, writer, clock, seen.fatal, directory / "poison")
    sequencer.subscribers.append(seen.durable)
    return sequencer, writer


def account(number: int) -> bytes:
    return encode_command(t.OpenAccount(number, bytes([number]) * 20))


async def test_origins_come_back_with_durable_frames_in_order(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    for number in range(1, 51):
        assert sequencer.submit(account(number), f"origin {number}") is None
        if number % 7 == 0:
            await asyncio.sleep(0)
    await seen.until_seq(50)
    await sequencer.stop()
    writer.close()
    origins = [origin for frame in seen.frames for origin in frame.origins]
    assert origins == [f"origin {number}" for number in range(1, 51)]
    assert [event for _, event in seen.events()] == [t.AccountOpened(number, number) for number in range(1, 51)]
    with JournalReader(tmp_path / "journal") as reader:
        journalled = [
            (frame.first_seq, bytes(frame.commands), bytes(frame.events), frame.hash) for frame in reader.read()
        ]
    assert journalled == [(frame.first_seq, frame.commands, frame.events, frame.hash) for frame in seen.frames]


async def test_time_never_runs_back(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    for now_ns in (5_000, 1_000, 9_000, 2_000):
        clock.now_ns = now_ns
        sequencer.submit(account(len(seen.frames) + 1), None)
        await seen.until_seq(len(seen.frames) + 1)
    await sequencer.stop()
    writer.close()
    times = [time_ns for frame in seen.frames for _, time_ns, _ in decode_commands(frame.commands)]
    assert times == [5_000, 5_000, 9_000, 9_000]


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    for number in range(1, 11):
        sequencer.submit(account(number), None)
    await seen.until_seq(10)
    await sequencer.stop()
    writer.close()
    sequencer, writer = opened(tmp_path, clock, seen)
    sequencer.submit(account(11), "after")
    await seen.until_seq(11)
    await sequencer.stop()
    writer.close()
    assert seen.frames[-1].origins == ["after"]
    assert list(decode_events(seen.frames[-1].events)) == [(11, t.AccountOpened(11, 11))]


async def test_a_group_stands_together(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    sequencer.submit(account(1), 1)
    sequencer.submit_together([account(2), account(3)], "group")
    sequencer.submit(account(4), 4)
    await seen.until_seq(4)
    await sequencer.stop()
    writer.close()
    assert [origin for frame in seen.frames for origin in frame.origins] == [1, "group", "group", 4]


async def test_after_stop_commands_are_refused(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    sequencer.submit(account(1), None)
    await sequencer.stop()
    writer.close()
    assert seen.last_seq == 1
    assert sequencer.submit(account(2), None) is Refusal.STOPPING


async def test_what_is_due_expires_without_another_command(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    terms = t.SetInstrument(1, 1, 100, 1_000, 1_000, 0, 0, 10, symbol=b"OAK", token=bytes(20))
    sequencer.submit(account(1), None)
    sequencer.submit(encode_command(terms), None)
    sequencer.submit(encode_command(t.SetPermission(1, 1, 1, 1, valid_until_ns=50_000_000)), None)
    await seen.until_seq(3)
    assert not any(isinstance(event, t.PermissionEnded) for _, event in seen.events())
    clock.now_ns = 50_000_000
    await seen.until_seq(4)
    await sequencer.stop()
    writer.close()
    assert list(seen.events())[-1] == (4, t.PermissionEnded(1, 1))


async def test_a_command_that_breaks_the_engine_is_kept_aside_and_not_journalled(
    tmp_path: Path, clock: Clockwork, seen: Seen
) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    sequencer.submit(account(1), None)
    await seen.until_seq(1)
    poison = bytearray(account(2))
    poison[16] = 60  # no such kind
    sequencer.submit(bytes(poison), None)
    await seen.until_seq(2)
    await sequencer.stop()
    writer.close()
    assert len(seen.errors) == 1
    assert isinstance(seen.errors[0], AssertionError)
    assert writer.last_seq == 1
    (kept,) = (tmp_path / "poison").iterdir()
    assert kept.stat().st_size == COMMAND_SIZE
    assert kept.read_bytes()[16:] == bytes(poison)[16:]


async def test_an_engine_that_raised_stops_also_where_the_poison_cannot_be_kept(
    tmp_path: Path, clock: Clockwork, seen: Seen
) -> None:
    (tmp_path / "poison").write_bytes(b"")  # a file in the way, like a full disk
    sequencer, writer = opened(tmp_path, clock, seen)
    poison = bytearray(account(2))
    poison[16] = 60
    sequencer.submit(bytes(poison), None)
    await seen.until_seq(1)
    assert [type(error) for error in seen.errors] == [AssertionError]
    assert sequencer.submit(account(3), None) is Refusal.STOPPING
    await sequencer.stop()
    writer.close()


async def test_a_subscriber_that_raises_ends_everything(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    """Who comes after it was not told, and would be wrong from here on."""
    sequencer, writer = opened(tmp_path, clock, seen)

    def raise_(_: Durable) -> None:
        raise ZeroDivisionError

    sequencer.subscribers.insert(0, raise_)
    sequencer.submit(account(1), None)
    await seen.until_seq(1)
    assert [type(error) for error in seen.errors] == [ZeroDivisionError]
    assert sequencer.submit(account(2), None) is Refusal.STOPPING
    await sequencer.stop()
    writer.close()


async def test_a_full_disk_leaves_cancels_and_the_operators_halt(
    tmp_path: Path, clock: Clockwork, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    monkeypatch.setattr(JournalWriter, "disk_full", property(lambda _: True))
    assert sequencer.submit(account(1), None) is Refusal.DISK_FULL
    assert sequencer.submit(encode_command(t.CancelAll(1)), None) is None
    assert sequencer.submit(encode_command(t.SetPhase(t.VENUE, t.Phase.HALT)), None) is None
    await seen.until_seq(2)
    await sequencer.stop()
    writer.close()
    assert list(seen.events())[-1] == (2, t.PhaseChanged(t.VENUE, t.Phase.HALT))


async def test_the_clock_waits_out_an_overload(
    tmp_path: Path, clock: Clockwork, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    terms = t.SetInstrument(1, 1, 100, 1_000, 1_000, 0, 0, 10, symbol=b"OAK", token=bytes(20))
    permission = t.SetPermission(1, 1, 1, 1, valid_until_ns=50_000_000)
    sequencer.submit_together([account(1), encode_command(terms), encode_command(permission)], None)
    await seen.until_seq(3)
    refused = asyncio.Event()
    submit = sequencer.submit

    def overloaded_once(record: bytes, origin: object | None) -> Refusal | None:
        monkeypatch.setattr(sequencer, "submit", submit)
        refused.set()
        return Refusal.OVERLOADED

    monkeypatch.setattr(sequencer, "submit", overloaded_once)
    clock.now_ns = 50_000_000
    await seen.until_seq(4)
    assert refused.is_set()
    await sequencer.stop()
    writer.close()
    assert list(seen.events())[-1] == (4, t.PermissionEnded(1, 1))


async def test_recovery_from_a_snapshot_equals_recovery_from_the_journal(
    tmp_path: Path, clock: Clockwork, seen: Seen
) -> None:
    sequencer, writer = opened(tmp_path, clock, seen)
    for number in range(1, 31):
        sequencer.submit(account(number), None)
        await seen.until_seq(number)
    await sequencer.stop()
    writer.close()
    whole = recovered(tmp_path / "journal", tmp_path / "none")
    middle = Exchange()
    for frame in seen.frames[:12]:
        middle.apply(frame.commands)
    path = snapshots.write(tmp_path / "snapshots", Snapshot(middle.seq, seen.frames[11].hash, middle.snapshot()))
    assert recovered(tmp_path / "journal", tmp_path / "snapshots").state_hash() == whole.state_hash()
    for cut in (0, 20, 79, 100):
        path.write_bytes(path.read_bytes()[:cut] or b"")
        assert recovered(tmp_path / "journal", tmp_path / "snapshots").state_hash() == whole.state_hash()


async def test_events_other_than_the_recorded_ones_stop_recovery(tmp_path: Path, clock: Clockwork, seen: Seen) -> None:
    writer = JournalWriter.open(tmp_path / "journal", SEGMENT_BYTES)
    exchange = Exchange()
    commands = bytearray(account(1))
    commands[0] = 1
    commands[8] = 9
    events = bytearray(exchange.apply(commands))
    events[30] ^= 1
    writer.append(1, bytes(commands), bytes(events))
    writer.close()
    with pytest.raises(ReplayDiffers) as raised:
        recovered(tmp_path / "journal", tmp_path / "snapshots")
    assert raised.value.seq == 1
