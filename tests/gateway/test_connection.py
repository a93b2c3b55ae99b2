"""Raw sockets: frames that are malformed, huge, fragmented, deep or not text; clients that do not read; floods."""

from __future__ import annotations

import asyncio
import struct
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway import connection
from gateway.frames import text_frame
from gateway.limits import LimitSettings
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, SYMBOL, Venue, start_venue

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


class Socket:
    """A websocket client that can break every rule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, venue: Venue, path: str = "/ws-api/v3") -> Socket:
        reader, writer = await asyncio.open_connection("127.0.0.1", venue.gateway.ws_port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return cls(reader, writer)

    def send(
        self, payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = True, reserved: int = 0
    ) -> None:
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        flag = 0x80 if mask else 0
        if len(payload) < 126:
            head = struct.pack("!BB", first, flag | len(payload))
        elif len(payload) < 65_536:
            head = struct.pack("!BBH", first, flag | 126, len(payload))
        else:
            head = struct.pack("!BBQ", first, flag | 127, len(payload))
        key = b"\x01\x02\x03\x04" if mask else b""
        if mask:
            payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
        self.writer.write(head + key + payload)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; a cut connection is a CLOSE without payload."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                first, length = await self.reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
                return first & 0xF, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return CLOSE, b""

    async def answer(self) -> Any:
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return msgspec.json.decode(payload)

    async def closed(self) -> int:
        """Reads until the connection closes; the code, or 0 where it was cut."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                self.close()
                return struct.unpack("!H", payload[:2])[0] if payload else 0

    async def is_healthy(self) -> bool:
        self.send(b'{"id":"still","method":"ping"}')
        while True:
            answer = await self.answer()
            if answer["id"] == "still":
                return bool(answer["status"] == 200)

    def close(self) -> None:
        self.writer.transport.abort()


BAD_TEXT = {
    "nothing": b"",
    "not JSON": b"hello",
    "half": b'{"id":1,"method":"pi',
    "two": b'{"id":1,"method":"ping"}{"id":2}',
    "not UTF-8": b'{"id":1,"method":"ping\xff"}',
    "not UTF-8 in the id": b'{"id":"\xff\xfe","method":"ping"}',
    "lone surrogate": b'{"id":1,"method":"\\ud800"}',
    "zero byte": b'{"id":1,"method":"ping\x00"}',
    "deep arrays": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep id": b'{"id":' + b"[" * 30_000 + b"]" * 30_000 + b',"method":"ping"}',
    "deep params": b'{"id":1,"method":"ping","params":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b"}",
    "an array": b"[1,2,3]",
    "a number": b"1e400",
    "null": b"null",
    "id is an object": b'{"id":{"a":1},"method":"ping"}',
    "id is true": b'{"id":true,"method":"ping"}',
    "id is long": b'{"id":"' + b"x" * 1_000 + b'","method":"ping"}',
    "no method": b'{"id":1}',
    "method is a number": b'{"id":1,"method":7}',
    "unknown method": b'{"id":1,"method":"order.steal"}',
    "params is an array": b'{"id":1,"method":"ping","params":[]}',
    "unknown field": b'{"id":1,"method":"ping","role":"admin"}',
    "huge number": b'{"id":1,"method":"depth","params":{"symbol":"OAK12USDC","limit":' + b"9" * 5_000 + b"}}",
    "NaN": b'{"id":1,"method":"depth","params":{"symbol":"OAK12USDC","limit":NaN}}',
}


@pytest.mark.parametrize("payload", BAD_TEXT.values(), ids=BAD_TEXT.keys())
async def test_bad_text_gets_an_error_and_the_socket_lives(venue: Venue, payload: bytes) -> None:
    socket = await Socket.open(venue)
    socket.send(payload)
    answer = await socket.answer()
    assert (answer["status"], answer["error"]["code"] < 0) == (400, True)
    assert await socket.is_healthy()
    socket.close()


@pytest.mark.parametrize("path", ["/ws-api/v3", "/ws", "/stream"])
async def test_a_binary_frame_gets_an_error_and_the_socket_lives(venue: Venue, path: str) -> None:
    socket = await Socket.open(venue, path)
    socket.send(b'{"id":1,"method":"ping"}', BINARY)
    assert "error" in await socket.answer()
    if path == "/ws-api/v3":
        assert await socket.is_healthy()
    socket.close()


async def test_a_message_may_come_in_fragments_with_pings_between(venue: Venue) -> None:
    socket = await Socket.open(venue)
    request = b'{"id":"parts","method":"ping"}'
    socket.send(request[:5], fin=False)
    socket.send(b"beat", PING)
    for byte in request[5:-1]:
        socket.send(bytes([byte]), CONTINUATION, fin=False)
    socket.send(request[-1:], CONTINUATION)
    assert await socket.frame() == (PONG, b"beat")
    assert (await socket.answer())["id"] == "parts"
    socket.close()


async def test_more_than_a_turns_messages_are_answered_in_order_before_the_close(venue: Venue) -> None:
    socket = await Socket.open(venue)
    many = 5 * connection.MESSAGES_A_TURN
    for number in range(many):
        socket.send(b'{"id":%d,"method":"ping"}' % number)
    socket.send(b"\x03\xe8", CLOSE)
    assert [(await socket.answer())["id"] for _ in range(many)] == list(range(many))
    assert await socket.closed() == 1000


async def test_what_was_sent_before_the_line_was_cut_is_heard(venue: Venue) -> None:
    socket, other = await Socket.open(venue), await Socket.open(venue)
    many = 5 * connection.MESSAGES_A_TURN
    for number in range(many):
        socket.send(b'{"id":%d,"method":"ping"}' % number)
    socket.writer.close()
    async with asyncio.timeout(DEADLINE_S):
        weight = 0
        while weight < many:
            other.send(b'{"id":"weight","method":"ping"}')
            weight = (await other.answer())["rateLimits"][0]["count"]
    other.close()


async def test_64_kib_pass_and_more_do_not(venue: Venue) -> None:
    request = b'{"id":1,"method":"ping"}'
    socket = await Socket.open(venue)
    socket.send(request.ljust(64 * 1024))
    assert (await socket.answer())["status"] == 200
    socket.send(request.ljust(64 * 1024 + 1))
    assert await socket.closed() in (0, 1009)


@pytest.mark.parametrize("size", [2**20, 2**40, 2**62])
async def test_an_announced_giant_is_not_waited_for(venue: Venue, size: int) -> None:
    socket = await Socket.open(venue)
    socket.writer.write(struct.pack("!BBQ", 0x81, 0xFF, size) + b"\x01\x02\x03\x04" + b"x" * 1_000)
    assert await socket.closed() in (0, 1009)


@pytest.mark.parametrize("size", [0, 1, 1_000])
async def test_endless_fragments_are_cut_off(venue: Venue, size: int) -> None:
    socket = await Socket.open(venue)
    socket.send(b"x", fin=False)
    for _ in range(70_000 // (size + 1) + 1):
        socket.send(b"x" * size, CONTINUATION, fin=False)
    assert await socket.closed() in (0, 1009)


BROKEN = {
    "not masked": {"mask": False},
    "reserved bit": {"reserved": 4},
    "unknown opcode": {"opcode": 0x3},
    "continues nothing": {"opcode": CONTINUATION},
    "fragmented ping": {"opcode": PING, "fin": False},
}


@pytest.mark.parametrize("flaw", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_frame_closes_its_socket_only(venue: Venue, flaw: dict[str, Any]) -> None:
    healthy, broken = await Socket.open(venue), await Socket.open(venue)
    broken.send(b'{"id":1,"method":"ping"}', **flaw)
    assert await broken.closed() in (0, 1002)
    assert await healthy.is_healthy()
    healthy.close()


async def test_a_new_message_inside_a_fragmented_one_closes(venue: Venue) -> None:
    socket = await Socket.open(venue)
    socket.send(b"{", fin=False)
    socket.send(b'{"id":1,"method":"ping"}')
    assert await socket.closed() in (0, 1002)


async def test_a_close_is_answered(venue: Venue) -> None:
    socket = await Socket.open(venue)
    socket.send(struct.pack("!H", 1000), CLOSE)
    assert await socket.closed() == 1000


@pytest.mark.parametrize("seed", range(20))
async def test_noise_never_takes_the_gateway_down(venue: Venue, seed: int) -> None:
    rng = Random(seed)
    socket = await Socket.open(venue, rng.choice(["/ws-api/v3", "/ws", "/stream"]))
    valid = b'{"id":1,"method":"depth","params":{"symbol":"OAK12USDC","limit":5}}'
    for _ in range(200):
        mutated = bytearray(valid)
        for _ in range(rng.randint(1, 6)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        socket.send(bytes(mutated[: rng.randint(0, len(mutated))]))
    socket.writer.write(rng.randbytes(2_000))
    healthy = await Socket.open(venue)
    assert await healthy.is_healthy()
    socket.close()
    healthy.close()


@pytest.mark.parametrize(
    "request_line",
    [b"GET /nosuch HTTP/1.1", b"POST /ws-api/v3 HTTP/1.1", b"GET /ws/nosuch@depth HTTP/1.1", b"\x16\x03\x01"],
)
async def test_what_is_no_upgrade_is_turned_away(venue: Venue, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.gateway.ws_port)
    writer.write(request_line + b"\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.read()
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    writer.close()


# -- bounds


async def test_a_client_that_does_not_read_costs_bounded_memory_and_others_nothing(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUFFER_BYTES_MAX", 1_000_000)
    lazy = await Socket.open(venue, f"/ws/{SYMBOL.lower()}@trade")
    lazy.reader._limit = 1  # type: ignore[attr-defined]
    lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    [session] = [each for each in venue.gateway._connections if each._raw and type(each).__name__ == "StreamSession"]
    peak, frame = 0, text_frame(b"x" * 1_000)
    async with asyncio.timeout(DEADLINE_S):
        while session in venue.gateway._connections:
            for _ in range(100):
                session.send_frame(frame)
            await asyncio.sleep(0)
            peak = max(peak, session._out_bytes + (session._raw.get_write_buffer_size()))
    assert peak < 1_500_000
    await alice.limit("SELL", "1", "100")
    assert (await bob.limit("BUY", "1", "100"))["result"]["status"] == "FILLED"
    lazy.close()


async def test_a_client_that_does_not_read_is_not_read_from(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUFFER_BYTES_PAUSE", 100_000)
    lazy = await Socket.open(venue)
    lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
    [session] = list(venue.gateway._connections)
    async with asyncio.timeout(DEADLINE_S):
        while not session.is_paused:
            lazy.send(b'{"id":1,"method":"exchangeInfo"}')
            await asyncio.sleep(0)
    assert not session._raw.is_reading()
    assert session in venue.gateway._connections
    lazy.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert await lazy.is_healthy()
    lazy.close()


async def test_a_client_that_does_not_read_does_not_hold_up_the_stop(venue: Venue) -> None:
    lazy = await Socket.open(venue)
    lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
    [session] = list(venue.gateway._connections)
    async with asyncio.timeout(DEADLINE_S):
        while not session.is_paused:
            lazy.send(b'{"id":1,"method":"exchangeInfo"}')
            await asyncio.sleep(0)
        await venue.gateway.stop()
    assert not venue.gateway._connections
    lazy.close()


async def test_there_is_a_largest_number_of_connections(tmp_path: Any) -> None:
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, LimitSettings(connections_open=2))
        first, second, third = [await Socket.open(venue) for _ in range(3)]
        assert await third.closed() == 1008
        assert await first.is_healthy()
        second.close()
        async with asyncio.timeout(DEADLINE_S):
            while len(venue.gateway._connections) > 1:
                await asyncio.sleep(0.01)
        fourth = await Socket.open(venue)
        assert await fourth.is_healthy()
        fourth.close()
        await venue.gateway.stop()
        assert await first.closed() in (0, 1012)


async def test_too_much_weight_gets_429_and_the_socket_lives(tmp_path: Any) -> None:
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, LimitSettings(weight_per_minute=5), lambda: 1_750_000_000 * 10**9)
        socket = await Socket.open(venue)
        for _ in range(6):
            socket.send(b'{"id":1,"method":"ping"}')
        answers = [await socket.answer() for _ in range(6)]
        assert [answer["status"] for answer in answers] == [200] * 5 + [429]
        assert answers[-1]["error"]["code"] == -1003
        socket.send(b"nonsense")
        assert (await socket.answer())["status"] == 429
        socket.close()
        await venue.gateway.stop()
