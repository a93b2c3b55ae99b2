"""Many connections, silent ones, and one that sends without end: bounded, found, and in nobody's way."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from gateway import api
from gateway.connection import MESSAGES_A_TURN
from gateway.limits import LimitSettings
from gateway.session import ApiSession
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, Venue, start_venue

UPGRADE = (
    b"GET /ws-api/v3 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
RECONNECTS, AT_ONCE = 10_000, 50


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.005)


async def opened(venue: Venue, ip: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.gateway.ws_port, local_addr=(ip, 0))
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_a_half_open_socket_is_found_and_its_orders_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PING_S", 0.1)
    monkeypatch.setattr(api, "PONG_S", 0.1)
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http)
        alive = await venue.trader(BOB)
        silent = await http.ws_connect(venue.ws_url + "/ws-api/v3", autoping=False)
        trader = await venue.trader(ALICE)
        trader.socket = silent
        assert (await trader.do("session.cancelOnDisconnect", enabled=True))["status"] == 200
        await trader.limit("SELL", "1", "100")
        answering = asyncio.create_task(alive.until(lambda message: "event" in message))  # reads, so it answers pings
        owner = venue.gateway._orders.of(ALICE)
        await eventually(lambda: not owner.open)  # the other end said nothing: nobody is there
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        assert (await alive.ask("ping"))["status"] == 200
        await silent.close()
        await venue.gateway.stop()


async def test_a_flood_on_one_connection_lets_others_through(venue: Venue) -> None:
    _, flooder = await opened(venue)
    text = b'{"id":1,"method":"exchangeInfo"}'
    frame = bytes((0x81, 0x80 | len(text))) + bytes(4) + text
    alice = await venue.trader(ALICE)
    flooder.write(frame * 20_000)
    answer = await alice.limit("SELL", "1", "100")
    assert answer["status"] == 200
    heard = answer["rateLimits"][-1]["count"] // 20
    assert heard <= 4 * MESSAGES_A_TURN
    flooder.transport.abort()
    with suppress(ConnectionError):
        await flooder.wait_closed()


async def test_who_is_over_the_limits_is_refused_once_a_turn(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, LimitSettings(weight_per_minute=100))
        flooder_ip = "127.0.0.2"
        reader, flooder = await opened(venue, flooder_ip)
        text = b'{"id":1,"method":"ping"}'
        flooder.write((bytes((0x81, 0x80 | len(text))) + bytes(4) + text) * 20_000)
        while b'"status":429' not in await reader.read(4096):
            pass
        alice = await venue.trader(ALICE)
        refused = venue.gateway._limits.bans._refusals
        before = refused.count(flooder_ip, time.time_ns())
        assert (await alice.limit("SELL", "1", "100"))["status"] == 200
        assert refused.count(flooder_ip, time.time_ns()) - before <= MESSAGES_A_TURN
        flooder.transport.abort()
        await venue.gateway.stop()


@pytest.mark.slow
async def test_ten_thousand_reconnects_leave_nothing_behind(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.do("userDataStream.subscribe.signature")

    async def reconnect(count: int) -> None:
        for number in range(count):
            _, writer = await opened(venue)
            if number % 3:
                writer.write(b'\x81\xa2\0\0\0\0{"id":1,"method":"session.status"}'[: number % 30])
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()

    await asyncio.gather(*(reconnect(RECONNECTS // AT_ONCE) for _ in range(AT_ONCE)))
    connections = venue.gateway._connections
    await eventually(lambda: len(connections) == 1)
    gc.collect()
    assert sum(isinstance(each, ApiSession) for each in gc.get_objects()) <= RECONNECTS / 20
    assert len(venue.gateway._services.users.streams) == 1
    assert (await alice.limit("SELL", "1", "100"))["status"] == 200
    assert (await alice.event("executionReport"))["x"] == "NEW"
