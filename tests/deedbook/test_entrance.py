"""The two ends of a gateway's connection, in one process: what the gateway hears of all that it entered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from deedbook.entrance import Entrance
from engine import types as t
from engine.wire import decode_commands, encode_command
from persistence import link as link_module
from persistence.feed import FeedServer
from persistence.feed_messages import COUNTDOWN, ENTER, ENTER_HEAD, FOLLOW_BODY, GOES_ON, JOIN, message
from persistence.journal import JournalWriter
from persistence.journal_reader import JournalReader
from persistence.link import Link
from persistence.recovery import recovered
from persistence.sequencer import Durable, Refusal, Sequencer
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, market_commands

NOT_PLACED = t.Cancel(ALICE, 1, 999)


def sell(price_ticks: int, account: int = ALICE, time_in_force: t.TimeInForce = t.TimeInForce.GTC) -> bytes:
    return encode_command(t.Place(account, 1, t.Side.SELL, t.OrderType.LIMIT, time_in_force, price_ticks, 100))


class Exchange:
    def __init__(self, directory: Path) -> None:
        self.writer = JournalWriter.open(directory / "journal", 256 * 1024)
        self.engine = recovered(directory / "journal", directory / "snapshots")
        self.sequencer = Sequencer(self.engine, self.writer, time.time_ns, _raise, directory / "poison")
        self.entrance = Entrance(self.sequencer, time.time_ns, lambda: "counted 1")
        self.server = FeedServer(directory / "x.sock", self.sequencer, directory / "journal", self.entrance)
        self.sequencer.subscribers.append(self.server.on_durable)

    def open_orders(self) -> list[int]:
        return [order.order_id for order in self.engine.state().orders]


def _raise(error: BaseException) -> None:
    raise error


@asynccontextmanager
async def exchange(directory: Path) -> AsyncIterator[Exchange]:
    running = Exchange(directory)
    await running.server.start()
    if not running.engine.seq:
        running.sequencer.submit_together([encode_command(each) for each in market_commands()], None)
    yield running
    await running.sequencer.stop()
    running.entrance.stop()
    await running.server.stop()
    running.writer.close()


class Gateway:
    """Keeps what it hears."""

    def __init__(self, directory: Path) -> None:
        self.link = Link(directory / "x.sock", self, time.time_ns)
        self.answered: dict[object, int] = {}  # seqs by origin
        self.refused: list[tuple[object, Refusal]] = []
        self.lost: list[object] = []
        self.notes: list[bytes] = []
        self.seqs: list[int] = []
        self.is_current = False
        self._running = asyncio.create_task(self.link.run(1))

    def on_durable(self, durable: Durable) -> None:
        for seq, origin in enumerate(durable.origins, durable.first_seq):
            self.seqs.append(seq)
            if origin is not None:
                self.answered[origin] = seq

    def on_refused(self, origin: object, refusal: Refusal) -> None:
        self.refused.append((origin, refusal))

    def on_note(self, note: bytes) -> None:
        self.notes.append(note)

    async def on_current(self) -> None:
        self.is_current = True

    async def on_lost(self, origins: Sequence[object]) -> None:
        self.is_current = False
        self.lost += origins

    async def serves(self) -> Gateway:
        await until(lambda: self.is_current)
        return self

    async def end(self) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_each_origin_comes_back_with_its_command_and_others_commands_with_none(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        here, there = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        for number in range(200):
            gateway = (here, there)[number % 2]
            assert gateway.link.submit(sell(10_000 + number), f"o{number}") is None
        await until(lambda: len(here.answered) == len(there.answered) == 100)
        assert here.seqs == there.seqs == list(range(1, running.engine.seq + 1))
        assert not set(here.answered) & set(there.answered)
        commands = {seq: command for frame in _frames(running, here) for seq, _, command in decode_commands(frame)}
        for origin, seq in (here.answered | there.answered).items():
            command = commands[seq]
            assert isinstance(command, t.Place)
            assert f"o{command.price_ticks - 10_000}" == origin
        await here.end()
        await there.end()


def _frames(running: Exchange, gateway: Gateway) -> list[bytes]:
    with JournalReader(running.server._journal_directory) as reader:
        return [bytes(frame.commands) for frame in reader.read(gateway.seqs[-1])]


async def test_commands_that_go_together_have_one_origin_and_nothing_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "COMMANDS_MAX", 5)
    async with exchange(tmp_path) as running:
        gateway = await Gateway(tmp_path).serves()
        for number in range(4):
            gateway.link.submit(sell(10_000 + number), f"alone {number}")
            gateway.link.submit_together([sell(20_000 + number)] * 3, f"three {number}")
        await until(lambda: len(gateway.answered) == 8)
        commands = [command for frame in _frames(running, gateway) for _, _, command in decode_commands(frame)]
        prices = [command.price_ticks for command in commands if isinstance(command, t.Place)]
        assert prices == [price for number in range(4) for price in (10_000 + number, *[20_000 + number] * 3)]
        monkeypatch.setattr("persistence.sequencer.WAITING_MAX", 2)
        gateway.link.submit_together([sell(30_000)] * 3, "too many")
        gateway.link.submit(sell(30_000), "fits")
        await until(lambda: gateway.refused and "fits" in gateway.answered)
        assert gateway.refused == [("too many", Refusal.OVERLOADED)]
        await gateway.end()


async def test_what_is_not_sequenced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with exchange(tmp_path) as running:
        gateway = await Gateway(tmp_path).serves()
        monkeypatch.setattr("persistence.sequencer.WAITING_MAX", 0)
        assert gateway.link.submit(sell(10_000), "late") is None
        await until(lambda: gateway.refused)
        assert gateway.refused == [("late", Refusal.OVERLOADED)]
        monkeypatch.setattr(link_module, "UNREAD_BYTES_MAX", -1)
        assert gateway.link.submit(sell(10_000), "later") is Refusal.OVERLOADED
        await gateway.end()
        assert running.open_orders() == []


async def test_nobody_is_served_without_an_exchange_and_what_was_under_way_is_lost(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    assert gateway.link.submit(sell(10_000), "early") is Refusal.AWAY
    with pytest.raises(ConnectionError):
        await gateway.link.measures()
    async with exchange(tmp_path) as running:
        await gateway.serves()
        asked = asyncio.create_task(gateway.link.measures())
        await asyncio.sleep(0)
        running.server._server.close()  # type: ignore[union-attr]
        for task in list(running.server._peers):
            task.cancel()
        gateway.link.submit(sell(10_000), "under way")
        await until(lambda: gateway.lost)
        assert gateway.lost == ["under way"]
        assert not gateway.is_current
        with pytest.raises(ConnectionError):
            await asked
    async with exchange(tmp_path) as running:
        await gateway.serves()
        gateway.link.submit(sell(10_000), "again")
        await until(lambda: "again" in gateway.answered)
        assert gateway.seqs == list(range(1, running.engine.seq + 1))
        assert await gateway.link.measures() == "counted 1"
        await gateway.end()


async def test_who_catches_up_has_what_was_answered_elsewhere_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange(tmp_path) as running:
        here, there = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        for number in range(50):
            here.link.submit(sell(10_000 + number), number)
            await until(lambda number=number: number in here.answered)  # type: ignore[misc]
            await there.link.catch_up()
            assert there.seqs[-1] >= here.answered[number]
        monkeypatch.setattr("persistence.feed.BEHIND_BYTES_MAX", -1)  # frames come from the journal, after the answer
        running.sequencer.submit(sell(10_100), None)
        await until(lambda: len(running.open_orders()) == 51)
        await asyncio.gather(*(there.link.catch_up() for _ in range(5)))
        assert there.seqs == list(range(1, running.sequencer.durable_seq + 1))
        given_up = asyncio.create_task(there.link.catch_up())
        await asyncio.sleep(0)
        given_up.cancel()
        await there.link.catch_up()
        await here.end()
        await there.end()
        with pytest.raises(ConnectionError):
            await there.link.catch_up()


async def test_what_comes_late_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LOOK_EVERY_S", 0.01)
    async with exchange(tmp_path) as running:
        gateway = await Gateway(tmp_path).serves()
        monkeypatch.setattr(link_module, "STALE_S", -1.0)
        await until(lambda: not gateway.is_current)
        running.sequencer.submit(sell(10_000), None)
        monkeypatch.undo()
        await gateway.serves()
        assert gateway.seqs == list(range(1, running.engine.seq + 1))
        await gateway.end()


async def test_a_stop_waits_for_what_was_taken(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        gateway = await Gateway(tmp_path).serves()
        for number in range(50):
            gateway.link.submit(sell(10_000 + number), number, is_owned=True)
        await gateway.link.drain()
        assert len(gateway.answered) == 50
        assert gateway.link.submit(sell(10_000), "after") is Refusal.STOPPING
        await gateway.end()
        await until(lambda: not running.entrance._gateways)
        running.sequencer.submit(encode_command(NOT_PLACED), None)
        await running.sequencer.stop()
        assert len(running.open_orders()) == 50  # a stop of ours is no end of the sessions'


async def test_owned_orders_end_with_their_gateway_but_those_that_are_done(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        gateway, other = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        gateway.link.submit(sell(10_000), "filled", is_owned=True)
        gateway.link.submit(sell(10_001), "cancelled", is_owned=True)
        gateway.link.submit(sell(10_002, time_in_force=t.TimeInForce.IOC), "never rests", is_owned=True)
        gateway.link.submit(sell(10_003), "left", is_owned=True)
        gateway.link.submit(sell(10_004), "stays")
        await until(lambda: len(gateway.answered) == 5)
        other.link.submit(sell(10_005), "another gateway's", is_owned=True)
        other.link.submit(encode_command(t.Cancel(ALICE, 1, 2)), "cancel")
        buy = t.Place(BOB, 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 10_000, 100)
        other.link.submit(encode_command(buy), "buy", is_owned=True)
        await until(lambda: len(other.answered) == 3)
        assert len(running.entrance._owned) == 2
        await gateway.end()
        await until(lambda: running.open_orders() == [5, 6])
        assert len(running.entrance._owned) == 1
        await other.end()
        await until(lambda: running.open_orders() == [5])


async def test_what_a_session_disowns_stays(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        gateway, other = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        for number in range(3):
            gateway.link.submit(sell(10_000 + number), number, is_owned=True)
        await until(lambda: len(gateway.answered) == 3)
        other.link.disown([3])  # not its to give up
        gateway.link.disown([1, 2, 999])
        gateway.link.disown([])
        await gateway.end()
        await until(lambda: running.open_orders() == [1, 2])
        await other.end()


async def test_an_owned_order_that_is_under_way_when_its_gateway_ends_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange(tmp_path) as running:
        gateway = await Gateway(tmp_path).serves()
        append, may_append = running.writer.append, threading.Event()

        def wait_and_append(first_seq: int, commands: bytes, events: bytes) -> bytes:
            assert may_append.wait(DEADLINE_S)
            return append(first_seq, commands, events)

        monkeypatch.setattr(running.writer, "append", wait_and_append)
        gateway.link.submit(sell(10_000), "under way", is_owned=True)
        await until(running.open_orders)
        await gateway.end()
        await until(lambda: not running.entrance._gateways)
        may_append.set()
        await until(lambda: running.open_orders() == [])


async def test_a_timer_is_one_for_all_gateways(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        here, there = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        here.link.submit(sell(10_000), "one")
        await until(lambda: here.answered)
        assert here.link.start_timer(ALICE, 0, 1_000_000) is None
        assert there.link.start_timer(ALICE, 0, 1) is None
        await until(lambda: running.open_orders() == [])
        assert running.entrance._timers._timers == {}
        await here.end()
        await there.end()


async def test_a_note_comes_to_all_in_one_order_and_newcomers_make_the_others_speak(tmp_path: Path) -> None:
    async with exchange(tmp_path):
        here, there = await Gateway(tmp_path).serves(), await Gateway(tmp_path).serves()
        await until(lambda: here.notes == [b"", b""] and there.notes == [b""])
        for number in range(20):
            (here, there)[number % 2].link.tell(b"note %d" % number)
        await until(lambda: len(here.notes) == 22 and len(there.notes) == 21)
        assert here.notes[2:] == there.notes[1:]
        await here.end()
        await there.end()


@pytest.mark.parametrize(
    "said",
    [
        message(ENTER, ENTER_HEAD.pack(1, 2), bytes(2), sell(10_000)),
        message(ENTER, ENTER_HEAD.pack(1, 1), bytes(1), bytes(160)),
        message(ENTER, b"short"),
        message(ENTER, ENTER_HEAD.pack(1, 1), bytes((GOES_ON,)), sell(10_000)),
        message(COUNTDOWN, b"short"),
        message(200),
    ],
)
async def test_a_gateway_that_does_not_speak_the_language_is_closed(tmp_path: Path, said: bytes) -> None:
    async with exchange(tmp_path) as running:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "x.sock")
        writer.write(message(JOIN, FOLLOW_BODY.pack(1)) + said)
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()
        writer.close()
        await until(lambda: not running.entrance._gateways)
        assert running.open_orders() == []


async def test_who_did_not_join_enters_nothing(tmp_path: Path) -> None:
    async with exchange(tmp_path) as running:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "x.sock")
        writer.write(message(ENTER, ENTER_HEAD.pack(1, 1), bytes(1), sell(10_000)))
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
        assert running.open_orders() == []
