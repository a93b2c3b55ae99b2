"""Who writes when: traders at once, followers a few a turn of the loop, each with every message in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway import cork
from gateway.channels import StreamMessage
from gateway.cork import Cork


class Client:
    """A connection that queues what it is sent until it may write; `written` is everybody's."""

    def __init__(self, name: str, written: list[str], cork: Cork, *, only_follows: bool = True) -> None:
        self.only_follows = only_follows
        self.paused = False
        self._name = name
        self._written = written
        self._cork = cork
        self._out: list[str] = []

    def send(self, text: str) -> None:
        if not self._out:
            self._cork.add(self)
        self._out.append(text)

    def send_stream(self, message: StreamMessage) -> None:
        self.send(message.stream)

    def flush(self) -> None:
        self._written.append(f"{self._name} {'+'.join(self._out)}")
        self._out.clear()

    def drop(self, why: str) -> None:
        raise AssertionError(why)


class Scene:
    def __init__(self, followers: int) -> None:
        self.cork = Cork()
        self.written: list[str] = []
        self.followers = [Client(f"f{number}", self.written, self.cork) for number in range(followers)]
        self.trader = Client("trader", self.written, self.cork, only_follows=False)

    def spread(self, stream: str, followers: Sequence[Client] | None = None) -> None:
        self.cork.spread(StreamMessage(stream), self.followers if followers is None else followers)

    async def turns(self, count: int) -> list[str]:
        """What is written in the next turns of the loop."""
        for _ in range(count):
            await asyncio.sleep(0)
        written = self.written.copy()
        self.written.clear()
        return written


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cork, "GIVEN_SLICE", 4)
    monkeypatch.setattr(cork, "WRITTEN_SLICE", 2)


async def test_who_trades_writes_before_those_who_follow() -> None:
    scene = Scene(5)
    for follower in scene.followers:
        follower.send("x")
    scene.trader.send("answer")
    assert await scene.turns(1) == ["trader answer", "f0 x", "f1 x"]
    scene.trader.send("another")
    assert await scene.turns(1) == ["trader another", "f2 x", "f3 x"]
    assert await scene.turns(1) == ["f4 x"]


async def test_a_fan_out_is_cut_into_slices_between_which_orders_are_answered() -> None:
    scene = Scene(6)
    scene.spread("a")
    assert await scene.turns(1) == []  # given to f0 to f3
    scene.trader.send("answer")
    assert await scene.turns(1) == ["trader answer", "f0 a", "f1 a"]
    assert await scene.turns(1) == []  # given to f4 and f5
    assert await scene.turns(1) == ["f2 a", "f3 a"]
    assert await scene.turns(9) == ["f4 a", "f5 a"]


async def test_each_follower_has_every_message_in_order_and_what_waits_goes_in_one_write() -> None:
    scene = Scene(3)
    for stream in ("a", "b", "c"):
        scene.spread(stream)
    scene.spread("d", scene.followers[:1])
    sent: dict[str, str] = {}
    for line in await scene.turns(20):
        name, _, streams = line.partition(" ")
        sent[name] = sent.get(name, "") + streams.replace("+", "")
    assert sent == {"f0": "abcd", "f1": "abc", "f2": "abc"}


async def test_a_flood_of_messages_does_not_keep_followers_from_writing() -> None:
    scene = Scene(4)
    for _ in range(20):
        scene.spread("a")
        scene.spread("a")
        await asyncio.sleep(0)
    assert len(scene.written) >= 10


async def test_what_waits_for_followers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cork, "WAITING_MAX", 7)
    scene = Scene(5)
    for stream in ("a", "b", "c"):
        scene.spread(stream)
    assert scene.cork._waiting == 7  # eight were given at once
    scene.cork.finish()
    assert await scene.turns(3) == [f"f{number} a+b+c" for number in range(5)]
