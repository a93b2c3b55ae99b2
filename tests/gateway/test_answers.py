"""Answers that the core writes are those of the gateway's own, to the byte and in the same order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from engine import types as t
from engine.engines import core_is_built
from engine.exchange import Exchange
from engine.wire import COMMAND, encode_command, stamped
from gateway.answers import CANCEL, PLACE, Asked, PlainAsked
from gateway.api import Gateway
from gateway.connection import Connection, Cork
from gateway.keys import KeyStore
from gateway.session import ApiSession
from tests.gateway.venue import ALICE, BOB, CAROL, Durable, market_commands

pytestmark = pytest.mark.skipif(not core_is_built(), reason="the core is not built")
START_NS: Final = 1_800_000_000_123_456_789
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

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)


def _anyone(connection: Connection) -> bool:
    return True


def _nobody(connection: Connection) -> None:
    """Sessions here end with the test."""


class Listener:
    """A gateway that hears every frame, with one session."""

    def __init__(self, directory: Path, *, is_plain: bool) -> None:
        directory.mkdir()
        self.gateway = Gateway(lambda record, origin: None, None, KeyStore(directory / "keys.json"))
        self.gateway.restore(Exchange().state())
        self.session = Recorder(self.gateway)
        self._is_plain = is_plain

    def hear(self, first_seq: int, commands: bytes, events: bytes, asked: list[Wanted | None]) -> None:
        origins = self.origins(commands, asked, is_plain=self._is_plain)
        self.gateway.on_durable(Durable(first_seq, commands, events, origins))

    def written(self, commands: bytes, events: bytes, asked: list[Wanted | None]) -> Counter[tuple[int, bool]]:
        """What the core writes of a frame: by the kind of command, and whether it is told as taken."""
        codec = self.gateway._services.markets.codec
        assert codec is not None
        frames = codec.answers(commands, events, self.origins(commands, asked, is_plain=True), PlainAsked)
        rows = zip(COMMAND.iter_unpack(commands), frames, strict=True)
        return Counter((row[2], b'"status":200' in frame) for row, frame in rows if frame is not None)

    def origins(self, commands: bytes, asked: list[Wanted | None], *, is_plain: bool) -> list[object | None]:
        made: list[object | None] = []
        for row, wanted in zip(COMMAND.iter_unpack(commands), asked, strict=True):
            if wanted is None:
                made.append(None)
            elif is_plain:
                made.append(PlainAsked(self.session, row[2], *wanted, self.session.send_frame))
            else:
                made.append(Asked(self.session, row[2], *wanted))
        return made


def commands_of(dice: random.Random, count: int, last_order_id: int) -> Iterator[bytes]:
    """Orders around one price, some that cannot be, and cancels of orders that may be there."""
    for _ in range(count):
        account, instrument = dice.choice((ALICE, BOB, CAROL, 99)), dice.choice((1, 2, 2, 3))
        if dice.random() < 0.3:
            yield encode_command(t.Cancel(account, instrument, dice.randint(1, last_order_id + 1), b""))
            continue
        kind = dice.choice((t.OrderType.LIMIT,) * 5 + (t.OrderType.MARKET, t.OrderType.LIMIT_MAKER))
        is_market = kind == t.OrderType.MARKET
        tif = t.TimeInForce.IOC if is_market else dice.choice((t.TimeInForce.GTC, t.TimeInForce.IOC, t.TimeInForce.FOK))
        client_id = dice.choice((b"a", b"z" * 36, b"%d" % dice.getrandbits(60)))
        price = 0 if is_market else dice.choice((0, 10**8, *range(9_990, 10_010)))
        side, qty = dice.choice(tuple(t.Side)), dice.choice((0, 10**8, 1, 20, 300))
        mode = dice.choice(tuple(t.SelfTrade))
        yield encode_command(t.Place(account, instrument, side, kind, tif, price, qty, 0, 0, mode, client_id))


def asked_of(dice: random.Random, record: bytes, number: int) -> Wanted | None:
    """None: nobody asked."""
    if dice.random() < 0.1:
        return None
    is_place = record[16] == PLACE
    request_id = dice.choice((str(number), f'"{"x" * dice.randint(0, 250)}"', '"\u00e9"', "null"))
    response = dice.choice(("ACK", "ACK", "RESULT", "FULL")) if is_place else ""
    return Wanted(request_id, response, "" if is_place else f"auto-{number}", dice.choice(("", LIMITS)))


@pytest.mark.parametrize("seed", range(4))
def test_the_core_answers_as_the_gateway_does(tmp_path: Path, seed: int) -> None:
    dice, exchange = random.Random(seed), Exchange()
    core, rule = Listener(tmp_path / "core", is_plain=True), Listener(tmp_path / "rule", is_plain=False)
    written: Counter[tuple[int, bool]] = Counter()
    records: list[bytes] = [encode_command(command) for command in market_commands()]
    asked: list[Wanted | None] = [None] * len(records)
    for number in range(40):
        first_seq = exchange.seq + 1
        commands = bytes(stamped(records, first_seq, START_NS + number * 10**9))
        events = exchange.apply(commands)
        for side in (core, rule):
            side.hear(first_seq, commands, events, asked)
        assert core.session.frames == rule.session.frames
        written += core.written(commands, events, asked)
        records = list(commands_of(dice, dice.randint(1, 40), 20 * number))
        asked = [asked_of(dice, record, index) for index, record in enumerate(records)]
    assert set(written) == {(PLACE, True), (PLACE, False), (CANCEL, False)}, written


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
