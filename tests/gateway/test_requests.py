"""Anything at all as a message: one answer, valid JSON, and the session goes on."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import requests as r
from gateway.api import Gateway
from gateway.keys import KeyStore
from gateway.limits import LimitSettings
from gateway.questions import Questions
from gateway.session import HANDLERS, ApiSession
from gateway.streams import StreamSession
from tests.gateway.venue import SYMBOL, Sequencer

NOW_NS = 1_750_000_000 * 10**9
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
METHODS = sorted(r.REQUESTS)
NAMES = [
    "symbol",
    "side",
    "type",
    "price",
    "quantity",
    "orderId",
    "limit",
    "apiKey",
    "signature",
    "timestamp",
    "newQty",
    "symbols",
    "interval",
    "timeZone",
    "windowSize",
    "startTime",
    "endTime",
    "fromId",
    "type",
    "symbolStatus",
    "permissions",
]
VALUES = JSON | st.sampled_from(
    [SYMBOL, "BUY", "LIMIT", "1", "1e400", "NaN", "-0", "\u0661", 10**30, -1, "1M", "5:45", 2**62, 1]
)
PARAMS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


class Recorder:
    """What a session would have sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def take(self, text: str) -> None:
        self.sent.append(msgspec.json.decode(text))


def _taken(records: object, origin: object) -> None:
    """A sequencer's answer to what it takes."""


def gateway() -> Gateway:
    with TemporaryDirectory() as directory:
        made = Gateway(_taken, _taken, None, KeyStore(Path(directory) / "keys"), lambda: NOW_NS, LIMITS)
        sequencer = Sequencer()
        sequencer.open_market()
        made.restore(sequencer.exchange.state())
        return made


LIMITS = LimitSettings(weight_per_minute=10**9)
GATEWAY = gateway()


def answers(kind: type[ApiSession] | type[StreamSession], message: bytes) -> list[Any]:
    recorder = Recorder()
    session: ApiSession | StreamSession
    if kind is ApiSession:
        session = ApiSession(GATEWAY._services, GATEWAY._cork, _yes, _nothing, return_rate_limits=True)
        session._questions.ask = partial(at_once, session._questions)  # type: ignore[method-assign]
    else:
        session = StreamSession(GATEWAY._services, GATEWAY._cork, _yes, _nothing, [], wrapped=False)
    session.send = recorder.take  # type: ignore[method-assign]
    session.on_text(message)
    session.on_closed()
    return recorder.sent


def at_once(questions: Questions, question: Coroutine[Any, Any, str], request_id: str, limits: str | None) -> None:
    """Without a database no answer has to wait."""
    with pytest.raises(StopIteration):
        questions._wait(question, request_id, limits).send(None)


def _yes(connection: object) -> bool:
    return True


def _nothing(connection: object) -> None:
    pass


@pytest.mark.parametrize("kind", [ApiSession, StreamSession])
@given(message=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON.map(msgspec.json.encode))
def test_any_bytes_get_one_error(kind: type[ApiSession], message: bytes) -> None:
    [answer] = answers(kind, message)
    assert "error" in answer


@given(
    method=st.sampled_from(METHODS),
    params=PARAMS | JSON,
    request_id=JSON,
    more=st.dictionaries(st.text(), JSON, max_size=1),
)
def test_any_parameters_get_one_answer(method: str, params: Any, request_id: Any, more: dict[str, Any]) -> None:
    message = msgspec.json.encode({"id": request_id, "method": method, "params": params} | more)
    [answer] = answers(ApiSession, message)
    assert ("error" in answer) != ("result" in answer)


@given(cut=st.integers(0, 200), byte=st.integers(0, 255), place=st.integers(0, 199))
def test_a_mutated_request_gets_one_answer(cut: int, byte: int, place: int) -> None:
    message = bytearray(
        b'{"id":"1","method":"depth","params":{"symbol":"OAK12USDC","limit":5,"returnRateLimits":false}}'
    )
    message[place % len(message)] = byte
    assert len(answers(ApiSession, bytes(message[: cut or None]))) == 1


def test_every_request_has_a_handler() -> None:
    tags = {msgspec.inspect.type_info(kind).tag for kind in HANDLERS}  # type: ignore[attr-defined]
    assert tags == set(r.REQUESTS)
