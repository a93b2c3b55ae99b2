"""One connection of the load generator: prebuilt frames out, answers counted and timed."""

from __future__ import annotations

import base64
import os
import socket
import time
from array import array
from collections import Counter, deque
from time import monotonic_ns
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TAKEN, REFUSED = 1, 2
READ_BYTES: Final = 256 * 1024
TEXT: Final = 0x81
PING: Final = 0x89
ANSWER: Final = b'{"id":'
PING_TEXT: Final = b'{"id":0,"method":"ping"}'
PING_ANSWER: Final = b'{"id":0,"status":200,"result":{}}'
STATUS_OFFSET: Final = len(b',"status":')


class Client:
    """An order API session that has logged on. Each has an address of its own, since requests are limited by address.

    outcomes      of request i, which has the id i: 0 (no answer), TAKEN or REFUSED.
    latencies_ns  where each answer's time since `send` is told to.
    """

    def __init__(
        self, port: int, number: int, texts: list[bytes], api_key: str, private_key: bytes, *, user_data: bool
    ) -> None:
        self.number = number
        self.outcomes = bytearray(len(texts))
        self.latencies_ns = array("q")
        self.refusals: Counter[str] = Counter()
        self.answered = 0
        self.events = 0
        self._frames = [_frame(text) for text in texts]
        self._sent_ns = [0] * len(texts)
        self._sent = 0
        self._rest = b""
        self._set_up: deque[bytes] = deque()
        self._socket = socket.create_connection(("127.0.0.1", port), source_address=(address(number), 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = upgrade(self._socket, "/ws-api/v3?returnRateLimits=false")
        self._log_on(api_key, private_key)
        if user_data:
            self._ask(b'{"id":"user","method":"userDataStream.subscribe"}')

    @property
    def under_way(self) -> int:
        return self._sent - self.answered

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, count: int, intended_ns: int) -> None:
        """The next `count` requests, in one write."""
        first, self._sent = self._sent, self._sent + count
        for request in range(first, self._sent):
            self._sent_ns[request] = intended_ns
        if count:
            self._socket.sendall(b"".join(self._frames[first : self._sent]))

    def receive(self) -> int:
        """Read once; how many answers to requests came."""
        before = self.answered
        data = self._socket.recv(READ_BYTES)
        assert data, "the exchange closed the connection"
        now_ns = monotonic_ns()
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                start += 2
                if end < start:
                    break
                length = data[at + 2] << 8 | data[at + 3]
            assert length != 127, "no answer is so long"
            if end < start + length:
                break
            self._take(data[at], data[start : start + length], now_ns)
            at = start + length
        self._rest = data[at:]
        return self.answered - before

    def _take(self, head: int, payload: bytes, now_ns: int) -> None:
        if head == PING:
            self._socket.sendall(_frame(payload, 0x8A))
            return
        assert head == TEXT, f"a frame of kind {head:x}"
        if not payload.startswith(ANSWER):
            self.events += 1
            return
        comma = payload.index(b",")
        name = payload[len(ANSWER) : comma]
        if name.startswith(b'"'):
            self._set_up.append(payload)
            return
        request = int(name)
        assert not self.outcomes[request], f"request {request} was answered twice"
        taken = payload.startswith(b"200", comma + STATUS_OFFSET)
        self.outcomes[request] = TAKEN if taken else REFUSED
        self.answered += 1
        self.latencies_ns.append(now_ns - self._sent_ns[request])
        if not taken:
            self.refusals[_reason(payload)] += 1

    def _log_on(self, api_key: str, private_key: bytes) -> None:
        timestamp = time.time_ns() // 10**6
        private = Ed25519PrivateKey.from_private_bytes(private_key)
        signature = private.sign(f"apiKey={api_key}&timestamp={timestamp}".encode())
        params = {"apiKey": api_key, "timestamp": timestamp, "signature": base64.b64encode(signature).decode()}
        self._ask(msgspec.json.encode({"id": "logon", "method": "session.logon", "params": params}))

    def _ask(self, text: bytes) -> None:
        self._socket.sendall(_frame(text))
        while not self._set_up:
            self.receive()
        answer = self._set_up.popleft()
        assert b'"status":200' in answer, answer


class Flooder:
    """Somebody who sends `count` pings at once, at an address of their own."""

    def __init__(self, port: int, number: int, count: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), source_address=(address(number), 0))
        upgrade(self._socket, "/ws-api/v3?returnRateLimits=false")
        self._frames = _frame(PING_TEXT) * count
        self._answers_bytes = (2 + len(PING_ANSWER)) * count

    def send(self) -> None:
        self._socket.sendall(self._frames)

    def wait(self) -> None:
        """Until each is answered."""
        left = self._answers_bytes
        while left:
            data = self._socket.recv(left)
            assert data, "the exchange closed the flooder's connection"
            left -= len(data)

    def close(self) -> None:
        self._socket.close()


def _frame(payload: bytes, head: int = TEXT) -> bytes:
    """Masked with zeros: the payload stays as it is."""
    length = len(payload)
    assert length < 65_536
    size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes((head,)) + size + bytes(4) + payload


def upgrade(connection: socket.socket, path: str) -> bytes:
    """Make a websocket of a connection; returns what came after the server's answer."""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = connection.recv(READ_BYTES)
        assert chunk, f"no websocket: {answer!r}"
        answer += chunk
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    return rest


def address(number: int) -> str:
    """A loopback address of its own."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def _reason(payload: bytes) -> str:
    """The exchange's own name of the reason, or its text."""
    error = msgspec.json.decode(payload)["error"]
    return str(error.get("data", {}).get("reason") or error["msg"])
