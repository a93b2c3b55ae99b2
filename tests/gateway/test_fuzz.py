"""Whatever comes: one answer or one command, never an exception. `make fuzz` gives each decoder a million inputs.

Inputs are valid requests of every method, mutated; a failing one is printed with its number and can be made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import pytest

from engine.engines import core_is_built
from gateway import messages as m
from gateway.api import Gateway
from gateway.auth import LogOn, check_time, verify
from gateway.decimals import DecimalError, parse_units
from gateway.errors import ApiError
from gateway.keys import KeyStore
from gateway.limits import LimitSettings
from gateway.methods import METHODS
from gateway.questions import Questions
from gateway.requests import REQUESTS, SESSION_PARAMS
from gateway.rest import _fields
from gateway.session import ApiSession
from gateway.streams import StreamSession
from tests.gateway.test_permissions import PARAMS
from tests.gateway.test_plain import PLAIN, check_same, message
from tests.gateway.venue import ALICE, SYMBOL, Sequencer, text_of

SEED: Final = 20_261_124
INPUTS: Final = 1_000_000 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 2_000
NOW_NS: Final = 1_750_000_000 * 10**9
LIMITS: Final = LimitSettings(weight_per_minute=10**12, orders_per_10s=10**12, orders_per_day=10**12)
TOKENS: Final = [
    *(b'null true false [] {} "" 0 -0 1e400 NaN 1.5 -1 99999999999999999999 18446744073709551616'.split()),
    *(rb"\ud800 \u0000 \" \\ , : [[[[ {{{{ ]] }} \x00 \xff\xfe \xc3\xa9 &&& %00 %ff %C3%A9 + == ;".split()),
    *(name.encode() for name in ("symbol", "orderId", "signature", "timestamp", "recvWindow", "apiKey", "batchOrders")),
    b"[" * 3_000,
    b'{"a":' * 3_000,
]
MARKET_PARAMS: Final = {"symbol": SYMBOL, "interval": "1m", "limit": 5}


def mutated(rng: Random, corpus: Sequence[bytes]) -> bytes:
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((1, 1, 4, 20)))
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end]
        elif kind == 3:
            data[at:end] = rng.choice(TOKENS)
        else:
            data[at:] = rng.choice(corpus)[at:]
    return bytes(data)


def run(name: str, corpus: Sequence[bytes], check: Callable[[bytes], object]) -> None:
    rng = Random(f"{SEED} {name}")
    for number in range(INPUTS):
        data = mutated(rng, corpus)
        try:
            check(data)
        except Exception as error:
            raise AssertionError(f"input {number} of {name} (seed {SEED}): {data[:2_000]!r}") from error


def requests() -> Iterator[bytes]:
    """Every method as it may be asked, signed or not, and some of what clients get wrong."""
    for method in METHODS:
        if method.name:
            params = PARAMS.get(method.name, MARKET_PARAMS)
            yield message(method.name, params)
            yield message(method.name, params | {"apiKey": "k" * 64, "signature": "0" * 64, "timestamp": 1}, "a")
    for name in SESSION_PARAMS:
        yield message(name, {"timestamp": 1, "enabled": True, "fromSeq": 1, "streamId": "x"})
    for name, params in PLAIN:
        yield message(name, params)
    yield b'{"id":null,"method":"v3/ping"}'


class Asked:
    """A gateway whose sequencer counts what it gets, and a session of a key that may do all."""

    def __init__(self, directory: Path) -> None:
        self.submitted = 0
        self.sent: list[str] = []
        store = KeyStore(directory / "keys")
        gateway = Gateway(self.submit, self.submit_together, None, store, lambda: NOW_NS, LIMITS)
        sequencer = Sequencer()
        sequencer.open_market()
        gateway.restore(sequencer.exchange.state())
        self.gateway = gateway
        self.key = store.create_ed25519(ALICE, b"\x01" * 32)

    def submit(self, record: bytes, origin: object) -> None:
        assert len(record) == 160
        self.submitted += 1

    def submit_together(self, records: Sequence[bytes], origin: object) -> None:
        for record in records:
            self.submit(record, origin)

    def session(self, made: ApiSession | StreamSession) -> Any:
        made.send = self.sent.append  # type: ignore[method-assign, assignment]
        if isinstance(made, ApiSession):
            made._questions.ask = partial(_at_once, made._questions)  # type: ignore[method-assign]
            made._log_on_now = LogOn(self.key, 0)
        return made

    def check_one_answer(self, session: ApiSession | StreamSession, data: bytes) -> None:
        self.sent.clear()
        self.submitted = 0
        session.on_text(data)
        if isinstance(session, ApiSession):
            if session._log_on_now is None:  # it was logged out
                session._log_on_now = LogOn(self.key, 0)
            assert bool(self.submitted) != bool(self.sent), (self.submitted, self.sent)
        assert len(self.sent) <= 1 or isinstance(session, ApiSession), self.sent
        for text in self.sent:
            answer = msgspec.json.decode(text)
            assert ("error" in answer) + ("result" in answer) + ("event" in answer) == 1, answer


def _at_once(questions: Questions, question: Coroutine[Any, Any, str], request_id: str, limits: str | None) -> None:
    with pytest.raises(StopIteration):
        questions._wait(question, request_id, limits).send(None)


def _opened(connection: object) -> bool:
    return True


def _closed(connection: object) -> None:
    pass


async def test_the_ws_api(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    gateway = asked.gateway
    session = asked.session(ApiSession(gateway._services, gateway._cork, _opened, _closed, return_rate_limits=True))
    run("ws-api", list(requests()), partial(asked.check_one_answer, session))
    session.on_closed()
    gateway._timers.stop()
    assert REQUESTS


async def test_the_market_streams(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    gateway = asked.gateway
    session = asked.session(StreamSession(gateway._services, gateway._cork, _opened, _closed, [], wrapped=False))
    symbol = SYMBOL.lower()
    names = [f"{symbol}@{channel}" for channel in ("trade", "depth", "depth@100ms", "depth5", "bookTicker", "kline_1m")]
    corpus = [
        msgspec.json.encode({"method": method, "params": params, "id": 1})
        for method, params in (
            ("SUBSCRIBE", names),
            ("UNSUBSCRIBE", names),
            ("LIST_SUBSCRIPTIONS", None),
            ("SET_PROPERTY", ["combined", True]),
            ("GET_PROPERTY", ["combined"]),
        )
    ]
    run("streams", corpus, partial(asked.check_one_answer, session))
    session.on_closed()


def test_rest_parameters() -> None:
    kinds = [method.params for method in METHODS if method.route]
    corpus = [
        urlencode(
            {name: text_of(value) for name, value in PARAMS.get(method.name or method.route, MARKET_PARAMS).items()}
        )
        for method in METHODS
        if method.route
    ]
    corpus += [f"{each}&timestamp=1&recvWindow=5000.5&signature={'0' * 64}" for each in corpus]
    corpus += [f"{quote('é')}={quote('é')}"]
    rng = Random(SEED)

    def check(data: bytes) -> None:
        half = rng.randint(0, len(data))
        query, body = (part.decode("latin-1") for part in (data[:half], data[half:]))
        try:
            params = m.from_text(_fields(query, body), rng.choice(kinds))
        except ApiError:
            return
        if isinstance(params, m.Signed):
            m.signed_text(params)

    run("rest", [text.encode() for text in corpus], check)


@pytest.mark.skipif(not core_is_built(), reason="the core is not built")
def test_plain_requests_against_the_rule() -> None:
    run("plain", [message(name, params) for name, params in PLAIN], check_same)


def test_decimals_against_decimal() -> None:
    rng = Random(SEED)

    def check(data: bytes) -> None:
        text, decimals = data.decode("latin-1"), rng.randint(0, 12)
        try:
            units = parse_units(text, decimals)
        except DecimalError:
            return
        assert text.isascii()
        assert Decimal(units) == Decimal(text).scaleb(decimals)

    run("decimals", [b"0", b"1.50", b"007", b"123456789.123456", b"0." + b"0" * 12 + b"1", b"9" * 20], check)
    with pytest.raises(InvalidOperation):
        Decimal("not one")


def test_times_and_signatures(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    keys = [store.create_hmac(ALICE), store.create_ed25519(ALICE, b"\x01" * 32)]

    def check(data: bytes) -> None:
        text = data.decode("latin-1")
        with pytest.raises(ApiError):
            check_time(text, text, NOW_NS)
        for key in keys:
            with pytest.raises(ApiError):
                verify(key, b"payload", text)

    run("signatures", [b"1750000000000", b"1" * 16, b"5000.123", b"0" * 64, b"ab" * 32, b"A" * 86 + b"=="], check)
