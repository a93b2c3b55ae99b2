"""Listen keys: made without a signature, worth an hour, good for listening and nothing else."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gateway import listen_keys
from gateway.errors import ApiError
from gateway.keys import Key
from gateway.listen_keys import LIFE_NS, ListenKeys
from tests.gateway.venue import ALICE, Venue


def key(name: str) -> Key:
    return Key(name, "HMAC", b"", ALICE, frozenset({"READ"}), frozenset())


def test_a_listen_key_lives_an_hour_from_when_it_was_last_asked_for() -> None:
    now_ns = [0]
    keys = ListenKeys(lambda: now_ns[0])
    made = keys.start(key("a"))
    listen_key = made.split('"')[3]
    assert keys.start(key("a")) == made
    now_ns[0] = LIFE_NS - 1
    assert keys.keep(key("a"), listen_key) == "{}"
    now_ns[0] = 2 * LIFE_NS - 2
    assert keys.api_key(listen_key) == "a"
    now_ns[0] = 2 * LIFE_NS
    assert keys.api_key(listen_key) is None
    with pytest.raises(ApiError):
        keys.keep(key("a"), listen_key)
    assert keys.start(key("a")) != made


def test_nobody_else_keeps_or_stops_it_and_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_keys, "KEYS_MAX", 2)
    keys = ListenKeys(lambda: 0)
    first = keys.start(key("a")).split('"')[3]
    for act in (keys.keep, keys.stop):
        with pytest.raises(ApiError):
            act(key("b"), first)
    keys.start(key("b"))
    keys.start(key("c"))
    assert keys.api_key(first) is None


def test_all_gateways_know_a_listen_key_and_the_last_word_counts() -> None:
    now_ns, notes = [0], list[bytes]()
    here, there = (ListenKeys(lambda: now_ns[0], notes.append) for _ in range(2))

    def spread() -> None:
        while notes:
            note = notes.pop(0)
            here.heard(note)
            there.heard(note)

    first, second = (each.start(key("a")).split('"')[3] for each in (here, there))  # before they hear of each other
    spread()
    assert [each.api_key(first) for each in (here, there)] == [None, None]
    assert [each.api_key(second) for each in (here, there)] == ["a", "a"]
    now_ns[0] = LIFE_NS - 1
    here.keep(key("a"), second)
    spread()
    now_ns[0] = LIFE_NS + 1
    assert there.api_key(second) == "a"
    newcomer = ListenKeys(lambda: now_ns[0], notes.append)
    here.heard(b"")
    for note in notes:
        newcomer.heard(note)
    assert newcomer.api_key(second) == "a"
    newcomer.stop(key("a"), second)
    spread()
    assert [each.api_key(second) for each in (here, there)] == [None, None]


async def started(venue: Venue, verb: str, listen_key: str = "") -> tuple[int, Any]:
    params = {"listenKey": listen_key} if listen_key else {}
    headers = {"X-MBX-APIKEY": venue.keys[ALICE].key}
    async with venue.http.request(
        verb, f"{venue.rest_url}/api/v3/userDataStream", params=params, headers=headers
    ) as response:
        return response.status, await response.json()


async def test_its_address_tells_the_events_as_they_are(venue: Venue) -> None:
    _, made = await started(venue, "POST")
    listen_key = made["listenKey"]
    raw, combined = await venue.connect(f"/ws/{listen_key}"), await venue.connect(f"/stream?streams={listen_key}")
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    assert (await raw.read())["x"] == "NEW"
    assert (await combined.read())["data"]["x"] == "NEW"
    await raw.socket.send_str('{"method":"SUBSCRIBE","params":["x"],"id":1}')
    assert (await raw.until(lambda message: "error" in message))["error"]["code"] == 2
    assert (await started(venue, "PUT", listen_key))[0] == 200
    assert (await started(venue, "DELETE", listen_key))[0] == 200
    assert (await started(venue, "PUT", listen_key))[1]["code"] == -1125
    venue.end_revoked()
    assert (await raw.until(lambda message: message.get("e") == "listenKeyExpired"))["listenKey"] == listen_key
    assert (await raw.socket.receive()).type == aiohttp.WSMsgType.CLOSE
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await venue.connect(f"/ws/{listen_key}")
