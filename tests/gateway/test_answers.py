"""Answers that the core writes are those of the gateway's own, to the byte and in the same order."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from engine import types as t
from engine.engines import core_is_built
from engine.exchange import Exchange
from engine.wire import COMMAND, EVENT, encode_command, stamped
from gateway.answers import CANCEL, PLACE, Asked, PlainAsked
from gateway.api import Gateway
from gateway.connection import Connection
from gateway.cork import Cork
from gateway.keys import KeyStore
from gateway.session import ApiSession
from tests.gateway.venue import ALICE, BOB, CAROL, Durable, market_commands

pytestmark = pytest.mark.skipif(not core_is_built(), reason="the core is not built")
ROUNDS: Final = 150
START_NS: Final = 1_800_000_000_123_456_789
SIGNS: Final = {
    "refusal": b'"error"',
    "cancel": b'"origClientOrderId"',
    "FULL": b'"fills"',
    "RESULT": b'"workingTime"',
}
STATUSES: Final = ("NEW", "PARTIALLY_FILLED", "FILLED", "EXPIRED", "EXPIRED_IN_MATCH", "CANCELED")
LIMITS: Final = '{"rateLimitType":"REQUEST_WEIGHT","limit":600000,"count":7}'


class Wanted(NamedTuple):
    """What a request says of its answer."""

    request_id: str
    response: str
    cancel_id: str
    limits: str


class Recorder(ApiSession):
    """A session whose client hears everything at once."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway._services, Cork(), _anyone, _nobody, return_rate_limits=False)
        self.frames: list[bytes] = []
        self.written: Counter[str] = Counter()  # by the core

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def send_written(self, frame: bytes) -> None:
        self.written[next((kind for kind, sign in SIGNS.items() if sign in frame), "ACK")] += 1
        self.written.update(status.decode() for status in re.findall(rb'"status":"(\w+)"', frame))
        self.send_frame(frame)


def _taken(records: object, origin: object) -> None:
    """A sequencer's answer to what it takes."""


def _anyone(connection: Connection) -> bool:
    return True


def _nobody(connection: Connection) -> None:
    """Sessions here end with the test."""


class Listener:
    """A gateway that hears every frame, with one session."""

    def __init__(self, directory: Path, *, is_plain: bool) -> None:
        directory.mkdir()
        self.gateway = Gateway(_taken, _taken, None, KeyStore(directory / "keys.json"))
        self.gateway.restore(Exchange().state())
        self.session = Recorder(self.gateway)
        self._is_plain = is_plain

    def hear(self, first_seq: int, commands: bytes, events: bytes, asked: list[Wanted | None]) -> None:
        origins = self.origins(commands, asked, is_plain=self._is_plain)
        self.gateway.on_durable(Durable(first_seq, commands, events, origins))

    def origins(self, commands: bytes, asked: list[Wanted | None], *, is_plain: bool) -> list[object | None]:
        made: list[object | None] = []
        for row, wanted in zip(COMMAND.iter_unpack(commands), asked, strict=True):
            if wanted is None:
                made.append(None)
            elif is_plain:
                made.append(PlainAsked(self.session, row[2], *wanted, self.session.send_written))
            else:
                made.append(Asked(self.session, row[2], *wanted))
        return made


def commands_of(dice: random.Random, count: int, made: list[tuple[int, ...]]) -> Iterator[bytes]:
    """Orders around one price, some that cannot be, and cancels of orders that may be there."""
    for _ in range(count):
        account, instrument = dice.choice((*(ALICE, BOB, CAROL) * 5, 99)), dice.choice((1, 2) * 8 + (3,))
        if dice.random() < 0.4:
            order_id, owner, listed = dice.choice(made[-60:] or [(1, account, instrument)])
            yield encode_command(t.Cancel(dice.choice((owner, owner, owner, account)), listed, order_id, b""))
            continue
        if dice.random() < 0.1:
            yield from map(encode_command, list_of(dice, account, instrument))
            continue
        kind = dice.choice(
            (t.OrderType.LIMIT,) * 6 + (t.OrderType.MARKET, t.OrderType.LIMIT_MAKER, t.OrderType.STOP_LOSS_LIMIT)
        )
        is_market = kind == t.OrderType.MARKET
        tif = (
            t.TimeInForce.IOC
            if is_market
            else dice.choice((*[t.TimeInForce.GTC] * 4, t.TimeInForce.IOC, t.TimeInForce.FOK))
        )
        client_id = dice.choice((b"a", b"z" * 36, *[b"%d" % dice.getrandbits(60)] * 20))
        price = 0 if is_market else dice.choice((0, 10**8, *range(9_980, 10_020)))
        side, qty = dice.choice(tuple(t.Side)), dice.choice((0, 10**8, *(100, 120, 300, 1_234) * 5))
        mode = dice.choice(tuple(t.SelfTrade))
        stop = dice.randint(9_980, 10_020) if kind == t.OrderType.STOP_LOSS_LIMIT else 0
        is_iceberg = kind == t.OrderType.LIMIT and tif == t.TimeInForce.GTC and dice.random() < 0.2
        shown = 50 if is_iceberg else 0
        place = t.Place(account, instrument, side, kind, tif, price, qty, 0, 0, mode, client_id, stop, shown)
        yield encode_command(place)


def list_of(dice: random.Random, account: int, instrument: int) -> Iterator[t.Command]:
    """A limit order that brings another one when it is filled, or one beside a stop; nobody asked."""
    kind, side, gtc = dice.choice((t.ListKind.OTO, t.ListKind.OCO)), dice.choice(tuple(t.Side)), t.TimeInForce.GTC
    away = 15 if side else -15
    if kind == t.ListKind.OCO:
        profit, stop = 10_000 + away, 10_000 - away
        legs = [
            t.ListLeg(account, instrument, side, t.OrderType.LIMIT_MAKER, gtc, profit, 100, leg=1),
            t.ListLeg(account, instrument, side, t.OrderType.STOP_LOSS_LIMIT, gtc, stop, 100, stop_ticks=stop, leg=2),
        ]
    else:
        price = dice.randint(9_990, 10_010)
        legs = [
            t.ListLeg(account, instrument, side, t.OrderType.LIMIT, gtc, price, 100, leg=1),
            t.ListLeg(account, instrument, 1 - side, t.OrderType.LIMIT, gtc, price - away, 100, leg=2),
        ]
    yield from legs
    yield t.PlaceList(account, instrument, kind)


def asked_of(dice: random.Random, record: bytes, number: int) -> Wanted | None:
    """None: nobody asked."""
    if dice.random() < 0.1 or record[16] not in (PLACE, CANCEL):
        return None
    is_place = record[16] == PLACE
    request_id = dice.choice((str(number), f'"{"x" * dice.randint(0, 250)}"', '"\u00e9"', "null"))
    response = dice.choice(("ACK", "ACK", "RESULT", "FULL")) if is_place else ""
    return Wanted(request_id, response, "" if is_place else f"auto-{number}", dice.choice(("", LIMITS)))


@pytest.mark.parametrize("seed", range(4))
def test_the_core_answers_as_the_gateway_does(tmp_path: Path, seed: int) -> None:
    dice, exchange = random.Random(seed), Exchange()
    core, rule = Listener(tmp_path / "core", is_plain=True), Listener(tmp_path / "rule", is_plain=False)
    records: list[bytes] = [encode_command(command) for command in market_commands()]
    asked: list[Wanted | None] = [None] * len(records)
    made: list[tuple[int, ...]] = []  # order, account, instrument
    for number in range(ROUNDS):
        first_seq = exchange.seq + 1
        commands = bytes(stamped(records, first_seq, START_NS + number * 10**9))
        events = exchange.apply(commands)
        for side in (core, rule):
            side.hear(first_seq, commands, events, asked)
        assert core.session.frames == rule.session.frames
        accepted = [row for row in EVENT.iter_unpack(events) if row[1] == t.EventKind.ACCEPTED]
        made += [(row[5], row[4], row[3]) for row in accepted]
        records = list(commands_of(dice, dice.randint(1, 40), made))
        asked = [asked_of(dice, record, index) for index, record in enumerate(records)]
    seldom = [kind for kind in ("ACK", *SIGNS, *STATUSES) if core.session.written[kind] < 3]
    assert not seldom, core.session.written


@pytest.mark.parametrize("mode", [t.SelfTrade.NONE, t.SelfTrade.DECREMENT])
def test_an_order_that_a_stop_meets_in_its_own_command_is_told_by_the_gateway(tmp_path: Path, mode: int) -> None:
    core, rule = Listener(tmp_path / "core", is_plain=True), Listener(tmp_path / "rule", is_plain=False)
    exchange, limit, gtc = Exchange(), t.OrderType.LIMIT, t.TimeInForce.GTC
    owner = BOB if mode == t.SelfTrade.NONE else ALICE
    orders = [
        t.Place(BOB, 1, t.Side.SELL, limit, gtc, 10_010, 100),
        t.Place(CAROL, 1, t.Side.BUY, limit, gtc, 10_010, 100),
        t.Place(CAROL, 1, t.Side.SELL, limit, gtc, 10_000, 100),
        t.Place(owner, 1, t.Side.SELL, t.OrderType.STOP_LOSS_LIMIT, gtc, 9_990, 50, self_trade=mode, stop_ticks=10_000),
        t.Place(ALICE, 1, t.Side.BUY, limit, gtc, 10_000, 300),
    ]
    for commands in (list(market_commands()), orders):
        first_seq = exchange.seq + 1
        records = bytes(stamped([encode_command(each) for each in commands], first_seq, START_NS))
        events = exchange.apply(records)
        for side in (core, rule):
            wanted = Wanted("1", "FULL", "", "") if commands is orders else None
            side.hear(first_seq, records, events, [wanted] * len(commands))
    assert core.session.frames == rule.session.frames
    assert core.session.written == {"FULL": 3, "NEW": 2, "FILLED": 1}


def test_only_plain_requests_are_answered_by_the_core(tmp_path: Path) -> None:
    side = Listener(tmp_path / "side", is_plain=False)
    codec = side.gateway._services.markets.codec
    assert codec is not None
    records = [encode_command(t.Cancel(ALICE, 1, 5, b""))]
    commands, exchange = bytes(stamped(records, 1, START_NS)), Exchange()
    asked = Asked(side.session, CANCEL, "1", "", "c", "")
    assert codec.answers(commands, exchange.apply(commands), [asked], PlainAsked) == [None]
    with pytest.raises(AssertionError, match="each command has its origin"):
        codec.answers(commands, b"", [], PlainAsked)
