"""Micro-benches of book, wire and journal: `pytest tests/bench/test_micro.py`. They say times and have no limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from bench.flow import INSTRUMENT, START_TICKS, Flow
from engine import types as t
from engine.exchange import Exchange
from engine.types import EventKind, OrderType, Side, TimeInForce
from engine.wire import COMMAND, EVENT, decode_commands, decode_events, encode_command, stamped
from persistence.frame import NO_HASH, Frame, decode_frame, encode_frame
from persistence.journal import JournalWriter

COUNT = 256
ROUNDS = 20
DEEP_TICKS = START_TICKS // 2  # far below the flow's book


def place(side: Side, price_ticks: int, number: int) -> t.Place:
    client_id = b"m%d" % number
    return t.Place(
        2 + number % 2, INSTRUMENT, side, OrderType.LIMIT, TimeInForce.GTC, price_ticks, 1, client_order_id=client_id
    )


BIDS = [place(Side.BUY, DEEP_TICKS + number % 64, number) for number in range(COUNT)]
SWEEPS = [place(Side.SELL, START_TICKS - 100, number) for number in range(COUNT)]


class Benchmark(Protocol):
    """pytest-benchmark's fixture, as far as it is used here."""

    def pedantic(
        self, timed: Callable[..., Any], args: Sequence[object] = (), *, setup: Callable[[], Any] = ..., rounds: int
    ) -> Any: ...


class Market:
    """The flow's book of 1,000 orders, and what is applied before the clock starts."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.exchange.apply(Flow(seed=1, resting=1_000).setup())
        self.image = self.exchange.snapshot()

    def fresh(self, *before: list[t.Command]) -> Exchange:
        exchange = Exchange.restore(self.image)
        for commands in before:
            exchange.apply(batch(exchange, commands))
        return exchange


def batch(exchange: Exchange, commands: list[t.Command]) -> bytes:
    return bytes(stamped([encode_command(each) for each in commands], exchange.seq + 1, exchange.time_ns + 1))


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


def kinds(events: bytes) -> list[int]:
    return [row[1] for row in EVENT.iter_unpack(events)]


def timed(benchmark: Benchmark, market: Market, before: list[t.Command], commands: list[t.Command]) -> bytes:
    """The events of `commands`; each round on a book of its own."""

    def set_up() -> tuple[tuple[Exchange, bytes], dict[str, object]]:
        exchange = market.fresh(before) if before else market.fresh()
        return (exchange, batch(exchange, commands)), {}

    events: bytes = benchmark.pedantic(Exchange.apply, setup=set_up, rounds=ROUNDS)
    return events


def test_book_adds(benchmark: Benchmark, market: Market) -> None:
    assert kinds(timed(benchmark, market, [], [*BIDS])).count(EventKind.ACCEPTED) == COUNT


def test_book_cancels(benchmark: Benchmark, market: Market) -> None:
    cancels: list[t.Command] = [t.Cancel(each.account, INSTRUMENT, 0, each.client_order_id) for each in BIDS]
    assert kinds(timed(benchmark, market, [*BIDS], cancels)).count(EventKind.CLOSED) == COUNT


def test_book_matches(benchmark: Benchmark, market: Market) -> None:
    events = timed(benchmark, market, [], [*SWEEPS])
    assert kinds(events).count(EventKind.TRADE) >= COUNT
    assert EventKind.REJECTED not in kinds(events)


def test_wire_encodes_commands(benchmark: Benchmark) -> None:
    records = benchmark.pedantic(lambda: [encode_command(each) for each in BIDS], rounds=ROUNDS)
    assert [command for _, _, command in decode_commands(b"".join(records))] == BIDS


def test_wire_stamps_commands(benchmark: Benchmark) -> None:
    records = [encode_command(each) for each in BIDS]
    stamps = benchmark.pedantic(stamped, (records, 7, 9), rounds=ROUNDS)
    assert [row[:2] for row in COMMAND.iter_unpack(stamps)] == [(7 + index, 9) for index in range(COUNT)]


def test_wire_decodes_events(benchmark: Benchmark, market: Market) -> None:
    exchange = market.fresh()
    events = exchange.apply(batch(exchange, [*BIDS]))
    words = benchmark.pedantic(lambda: list(decode_events(events)), rounds=ROUNDS)
    assert sum(isinstance(event, t.Accepted) for _, event in words) == COUNT


def test_wire_unpacks_rows(benchmark: Benchmark, market: Market) -> None:
    exchange = market.fresh()
    events = exchange.apply(batch(exchange, [*BIDS]))
    rows = benchmark.pedantic(lambda: list(EVENT.iter_unpack(events)), rounds=ROUNDS)
    assert b"".join(EVENT.pack(*row) for row in rows) == events


def test_journal_encodes_a_frame(benchmark: Benchmark, market: Market) -> None:
    exchange = market.fresh()
    commands = batch(exchange, [*BIDS])
    first_seq, events = exchange.seq + 1, exchange.apply(commands)
    data, frame_hash = benchmark.pedantic(encode_frame, (first_seq, commands, events, NO_HASH), rounds=ROUNDS)
    frame = decode_frame(memoryview(data))
    assert isinstance(frame, Frame)
    assert (bytes(frame.commands), bytes(frame.events), frame.hash) == (commands, events, frame_hash)


def test_journal_decodes_a_frame(benchmark: Benchmark, market: Market) -> None:
    exchange = market.fresh()
    commands = batch(exchange, [*BIDS])
    data, frame_hash = encode_frame(exchange.seq + 1, commands, exchange.apply(commands), NO_HASH)
    frame = benchmark.pedantic(decode_frame, (memoryview(data),), rounds=ROUNDS)
    assert frame.hash == frame_hash


def test_journal_appends_a_frame(benchmark: Benchmark, market: Market, tmp_path: Path) -> None:
    exchange = market.fresh()
    commands = batch(exchange, [*BIDS])
    events = exchange.apply(commands)
    writer = JournalWriter.open(tmp_path / "journal")
    benchmark.pedantic(lambda: writer.append(writer.last_seq + 1, commands, events), rounds=ROUNDS)
    assert writer.last_seq == ROUNDS * COUNT
    writer.close()
