"""One websocket, from either side of the API: frames in, corked frames out, and bounds on both.

What is sent in one turn of the event loop leaves in one write. A client that does not read is not read from either,
once the buffer is full; one that lets it grow to its limit is disconnected. One that sends without end is heard a few
messages a turn, between the others'. Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from gateway.cork import Cork
from gateway.frames import text_frame
from gateway.times import MS

log = logging.getLogger("gateway")

MESSAGE_BYTES_MAX: Final = 64 * 1024
BUFFER_BYTES_PAUSE: Final = 256 * 1024  # beyond, the connection counts as slow
BUFFER_BYTES_RESUME: Final = 64 * 1024
BUFFER_BYTES_MAX: Final = 4 * 1024 * 1024  # beyond, it is disconnected
TEXT: Final = WSMsgType.TEXT
RECEIVE_BUFFER_BYTES: Final = 16 * 1024  # what one client can have waiting with us: some hundred requests
MESSAGES_A_TURN: Final = 16  # of one client; what it sent beyond waits for the others' turn
WAITING_MAX: Final = 64  # messages for later turns; beyond, the client is not read from
KERNEL_BUFFER_BYTES: Final = 256 * 1024  # asked of the kernel, which would hide megabytes of unread data otherwise
PAUSED_S_MAX: Final = 60.0


class Connection(WSListener):
    """The part that the order API and the market streams share; `on_text` is theirs."""

    only_follows = False  # a market's streams: it may write after those who trade

    def __init__(
        self,
        cork: Cork,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
        unit_ns: int = MS,
    ) -> None:
        super().__init__()
        self.unit_ns = unit_ns  # of the times that it is told
        self._cork = cork
        self._opened = opened
        self._closed = closed
        self._transport: WSTransport | None = None
        self._raw: Any = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._parts: list[bytes] | None = None  # of a message that comes in fragments
        self._parts_bytes = 0
        self._waiting: deque[bytes] = deque()  # messages for later turns
        self._turn = 0  # in which it was heard last, and how often
        self._heard = 0
        self._give_up: asyncio.TimerHandle | None = None
        self.ip = ""
        self.is_paused = False

    def on_text(self, message: bytes) -> None:
        raise NotImplementedError

    def on_closed(self) -> None:
        """The connection is gone: forget it everywhere."""

    def say_shutdown(self, event: str) -> None:
        """The server is about to stop: `event` is the JSON text that tells so."""
        raise NotImplementedError

    def fail_binary(self) -> None:
        """A binary frame came where only text is spoken."""
        raise NotImplementedError

    @property
    def paused(self) -> bool:
        return self.is_paused

    # -- called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._raw = raw = transport.underlying_transport
        peer = raw.get_extra_info("peername")
        self.ip = peer[0] if peer else ""
        raw.set_write_buffer_limits(high=BUFFER_BYTES_PAUSE, low=BUFFER_BYTES_RESUME)
        kernel = raw.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if not self._opened(self):
            self.close(WSCloseCode.POLICY_VIOLATION, "too many connections")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == TEXT and frame.fin and self._parts is None and not frame.rsv1:
            self._hear(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._hear_all()
            self.flush()
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind in (WSMsgType.PING, WSMsgType.PONG):
            return  # picows answers pings and counts pongs
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(WSCloseCode.PROTOCOL_ERROR, "reserved bits without an extension")
        else:
            self._fragment(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._give_up is not None:
            self._give_up.cancel()
        self._transport = None
        self._hear_all()
        self._out.clear()
        self._closed(self)
        self.on_closed()

    def pause_writing(self) -> None:
        self.is_paused = True
        if self._raw is not None and not self._raw.is_closing():
            self._raw.pause_reading()
        self._give_up = asyncio.get_running_loop().call_later(PAUSED_S_MAX, self.drop, "too slow: it reads nothing")

    def resume_writing(self) -> None:
        self.is_paused = False
        if self._give_up is not None:
            self._give_up.cancel()
        self._read_on()

    # -- incoming

    def _hear(self, message: bytes) -> None:
        """Now, or in a later turn where the client has had its share of this one."""
        turn = self._cork.this_turn()
        if turn != self._turn:
            self._turn, self._heard = turn, 0
        self._heard += 1
        if self._heard <= MESSAGES_A_TURN and not self._waiting:
            self.on_text(message)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._hear_waiting)
        self._waiting.append(message)
        if len(self._waiting) == WAITING_MAX:
            self._raw.pause_reading()

    def _hear_waiting(self) -> None:
        were = len(self._waiting)
        self._turn, self._heard = self._cork.this_turn(), 0
        while self._waiting and self._heard < MESSAGES_A_TURN:
            self._heard += 1
            self.on_text(self._waiting.popleft())
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._hear_waiting)
        if len(self._waiting) < WAITING_MAX <= were:
            self._read_on()

    def end_turn(self) -> None:
        """It asked for too much: the rest of what it sent can wait."""
        self._heard = MESSAGES_A_TURN

    def _hear_all(self) -> None:
        """No turn comes after this one."""
        while self._waiting:
            self.on_text(self._waiting.popleft())

    def _read_on(self) -> None:
        may_read = not self.is_paused and len(self._waiting) < WAITING_MAX
        if may_read and self._raw is not None and not self._raw.is_closing():
            self._raw.resume_reading()

    def _fragment(self, frame: WSFrame) -> None:
        """A part of a message, or a frame that cannot be one."""
        continues = frame.msg_type == WSMsgType.CONTINUATION
        if continues != (self._parts is not None):
            self.close(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
            return
        if frame.msg_type == WSMsgType.BINARY:
            self.fail_binary()
            if not frame.fin:
                self.close(WSCloseCode.UNSUPPORTED_DATA, "text frames only")
            return
        if self._parts is None:
            self._parts, self._parts_bytes = [], 0
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += len(self._parts[-1]) + 1  # an empty fragment counts too
        if self._parts_bytes > MESSAGE_BYTES_MAX:
            self.close(WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        elif frame.fin:
            message, self._parts = b"".join(self._parts), None
            self._hear(message)

    # -- outgoing

    def send(self, text: str) -> None:
        """Queue a text message for this turn's write. A closed connection takes nothing."""
        self.send_frame(text_frame(text.encode()))

    def send_frame(self, frame: bytes) -> None:
        if self._transport is None:
            return
        if not self._out:
            self._cork.add(self)
        self._out.append(frame)
        self._out_bytes += len(frame)
        if self._out_bytes > BUFFER_BYTES_MAX:
            self.drop("too slow: its buffer is full")

    def flush(self) -> None:
        if not self._out or self._transport is None:
            return
        frames = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        self._raw.write(frames)
        if self.is_paused and self._raw.get_write_buffer_size() > BUFFER_BYTES_MAX:
            self.drop("too slow: its buffer is full")

    def close(self, code: WSCloseCode, why: str) -> None:
        """Say why, and close."""
        transport = self._transport
        if transport is not None:
            self.flush()
            self._transport = None
            self._waiting.clear()
            transport.send_close(code, why.encode())
            transport.disconnect()

    def drop(self, why: str) -> None:
        """Cut the connection at once: its client is not reading, so nothing can be said."""
        if self._raw is not None:
            log.info("dropped a connection from %s: %s", self.ip, why)
            self._transport = None
            self._waiting.clear()
            self._out.clear()
            self._raw.abort()
