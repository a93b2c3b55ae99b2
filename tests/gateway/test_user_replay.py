"""Private events are numbered, and who comes back gets what it missed: all of it, in order, once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import users
from gateway.errors import ApiError
from gateway.times import MS, US
from gateway.users import UserStreams
from tests.gateway.venue import ALICE, BOB, SYMBOL, Trader, Venue


async def subscribed(trader: Trader, **since: object) -> Any:
    return await trader.do("userDataStream.subscribe.signature", **since)


async def events(trader: Trader) -> list[tuple[int, str]]:
    """What has come: each event's number and what happened."""
    await trader.ask("ping")
    found = [(m["seq"], m["event"].get("x") or m["event"]["e"]) for m in trader.unread if "event" in m]
    trader.unread.clear()
    return found


async def test_a_reconnect_gets_what_was_missed_and_then_goes_on(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    begun = (await subscribed(alice))["result"]
    assert begun["seq"] == 0
    await alice.limit("SELL", "2", "100", newClientOrderId="first")
    assert await events(alice) == [(1, "NEW"), (2, "outboundAccountPosition")]
    await alice.socket.close()
    await bob.limit("BUY", "1", "100")
    await bob.limit("BUY", "0.5", "100")
    again = await venue.trader(ALICE)
    resumed = await subscribed(again, fromSeq=2, streamId=begun["streamId"])
    assert (resumed["result"]["seq"], resumed["result"]["streamId"]) == (6, begun["streamId"])
    await bob.limit("BUY", "0.25", "100")
    told = await events(again)
    assert [seq for seq, _ in told] == [3, 4, 5, 6, 7, 8]
    assert [what for _, what in told] == ["TRADE", "outboundAccountPosition"] * 3


async def test_events_that_are_gone_are_not_made_up(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    refused = (await subscribed(alice, fromSeq=5, streamId="another run"))["error"]
    assert refused["code"] == -9001
    begun = (await subscribed(alice))["result"]
    other = await venue.trader(ALICE)
    for params in ({"fromSeq": 1, "streamId": begun["streamId"]}, {"fromSeq": 0}, {"fromSeq": -1}):
        assert (await subscribed(other, **params))["error"]["code"] == -9001
    assert (await subscribed(other, fromSeq=0, streamId=begun["streamId"]))["status"] == 200


async def test_anothers_events_are_not_replayed(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    begun = (await subscribed(alice))["result"]
    await alice.limit("SELL", "2", "100")
    assert (await subscribed(bob, fromSeq=0, streamId=begun["streamId"]))["error"]["code"] == -9001


async def test_only_an_account_that_is_followed_costs_anything(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "2", "100")
    assert venue.gateway._services.users.streams == {}
    open_now = await venue.rest("GET", "/api/v3/openOrders", ALICE, symbol=SYMBOL)
    assert len(open_now[1]) == 1


class Taker:
    def __init__(self, unit_ns: int = MS) -> None:
        self.unit_ns = unit_ns
        self.taken: list[tuple[int, int, str]] = []

    def send_event(self, subscription_id: int, seq: int, event: str) -> None:
        self.taken.append((subscription_id, seq, event))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "EVENTS_KEPT", 3)
    monkeypatch.setattr(users, "EVENTS_KEPT_IN_ALL", 5)
    streams, taker = UserStreams(lambda: 0), Taker()
    first = streams.subscribe(1, taker, 7)
    for number in range(1, 6):
        streams.emit(1, f"e{number}")
    assert taker.taken[-1] == (7, 5, "e5")
    assert list(first.since(first.stream_id, 2, MS)) == ["e3", "e4", "e5"]
    with pytest.raises(ApiError):
        first.since(first.stream_id, 1, MS)
    streams.subscribe(2, taker, 8)
    for number in range(20):
        streams.emit(2, f"f{number}")
    assert sum(len(stream.events) for stream in streams.streams.values()) <= 5


def test_microseconds_are_kept_since_somebody_wanted_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "EVENTS_KEPT", 3)
    streams, slow, fine = UserStreams(lambda: 0), Taker(), Taker(US)
    stream = streams.subscribe(1, slow, 0)
    streams.emit(1, "e1")
    assert list(stream.since(stream.stream_id, 1, US)) == []
    with pytest.raises(ApiError):
        stream.since(stream.stream_id, 0, US)
    streams.subscribe(1, fine, 0)
    for number in range(2, 6):
        streams.emit(1, f"e{number}", f"f{number}")
    assert [event for _, _, event in slow.taken] == ["e1", "e2", "e3", "e4", "e5"]
    assert [event for _, _, event in fine.taken] == ["f2", "f3", "f4", "f5"]
    assert list(stream.since(stream.stream_id, 2, US)) == ["f3", "f4", "f5"]
    assert list(stream.since(stream.stream_id, 3, MS)) == ["e4", "e5"]
    with pytest.raises(ApiError):
        stream.since(stream.stream_id, 1, US)


def test_a_stream_is_forgotten_a_while_after_its_last_listener_left() -> None:
    now_ns = [0]
    streams, taker = UserStreams(lambda: now_ns[0]), Taker()
    stream = streams.subscribe(1, taker, 0)
    now_ns[0] = 2 * users.KEPT_NS
    streams.forget_old()
    assert 1 in streams.streams
    streams.unsubscribe(1, taker, 0)
    streams.emit(1, "while nobody listens")
    streams.forget_old()
    assert list(stream.since(stream.stream_id, 0, MS)) == ["while nobody listens"]
    now_ns[0] += users.KEPT_NS
    streams.forget_old()
    assert streams.streams == {}
    assert streams.of(1).stream_id != stream.stream_id
