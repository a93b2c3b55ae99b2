"""One websocket to the order API: requests with ids, many under way, each answered once, and the account's events.

Latency counts from when a request was meant to be sent (open loop), so that an exchange that stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from deedbook.demo.client_messages import DECODER, ENCODER, Credentials, Error, Event, Message, Params, signed
from deedbook.demo.seen import Seen

ANSWER_S_MAX: Final = 30.0
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
LOST: Final = "CONNECTION_LOST"


class SessionError(Exception):
    """The session could not be opened, or did not answer in time; one sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`reason` is empty where the request was taken."""

    result: bytes = b""
    code: int = 0
    reason: str = ""


class ApiSocket:
    """Requests and answers; a subclass takes the events."""

    def __init__(self, credentials: Credentials) -> None:
        self.seen = Seen()
        self.latencies_ns = array("q")
        self.is_lost = False
        self._credentials = credentials
        self._is_logged_on = False  # then requests need no signature
        self._requests_made = 0
        self._waiting: dict[int, tuple[int, asyncio.Future[Answer]]] = {}
        self._drained = asyncio.Event()
        self._drained.set()
        self._transport: WSTransport | None = None
        self._is_closing = False

    def take(self, event: Event) -> None:
        """An event of the account."""
        raise NotImplementedError

    async def connect(self, url: str) -> None:
        await ws_connect(
            lambda: _Listener(self),
            f"{url}?returnRateLimits=false",
            max_frame_size=FRAME_BYTES_MAX,
            logger_name="demo",
        )

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def request(self, method: str, params: Params, intended_ns: int | None = None) -> asyncio.Future[Answer]:
        """Send a request in the account's name; its latency counts from `intended_ns` of monotonic_ns, None: now.

        Never raises: what goes wrong is in the answer.
        """
        if not self._is_logged_on:
            params = signed(self._credentials, params)
        return self._send(method, params, monotonic_ns() if intended_ns is None else intended_ns)

    async def ask(self, method: str, params: Params) -> bytes:
        """Send a request as it is and return its result; SessionError where it was refused. No latency is recorded."""
        async with asyncio.timeout(ANSWER_S_MAX):
            answer = await self._send(method, params, 0)
        if answer.reason:
            raise SessionError(f"{method} was refused: {answer.code} {answer.reason}")
        return answer.result

    async def drain(self, within_s: float = ANSWER_S_MAX) -> None:
        """Wait until every request has its answer. Raises SessionError where that takes longer."""
        try:
            await asyncio.wait_for(self._drained.wait(), within_s)
        except TimeoutError:
            raise SessionError(f"{len(self._waiting)} requests have no answer after {within_s:g} s") from None

    async def close(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            transport = self._transport
            transport.send_close()
            transport.disconnect()
            await transport.wait_disconnected()

    def _send(self, method: str, params: Params, intended_ns: int) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self._transport is None:
            answer.set_result(Answer(reason=LOST))
            return answer
        self._requests_made += 1
        self._waiting[self._requests_made] = (intended_ns, answer)
        self._drained.clear()
        request = {"id": self._requests_made, "method": method, "params": params}
        self._transport.send(WSMsgType.TEXT, ENCODER.encode(request))
        return answer

    # -- called by the listener

    def opened(self, transport: WSTransport) -> None:
        self._transport = transport

    def closed(self) -> None:
        """Whoever waits is told that no answer comes; what became of the request is then unknown."""
        self._transport = None
        if not self._is_closing:
            self.is_lost = True
            self.seen.sessions_lost += 1
        waiting, self._waiting = self._waiting, {}
        for _, answer in waiting.values():
            if not answer.done():
                answer.set_result(Answer(reason=LOST))
        self._drained.set()

    def received(self, payload: bytes) -> None:
        message = DECODER.decode(payload)
        if message.event is None:
            self._answered(message)
        else:
            self.take(message.event)

    def _answered(self, message: Message) -> None:
        assert message.id is not None, f"the exchange did not understand us: {message.error}"
        intended_ns, answer = self._waiting.pop(message.id)
        if intended_ns:
            self.latencies_ns.append(monotonic_ns() - intended_ns)
            self._count(message.error)
        if not self._waiting:
            self._drained.set()
        if answer.done():  # whoever asked has given up
            return
        if message.error is None:
            answer.set_result(Answer(bytes(message.result)))
        else:
            answer.set_result(Answer(code=message.error.code, reason=reason_of(message.error)))

    def _count(self, error: Error | None) -> None:
        if error is None:
            self.seen.acks += 1
        else:
            self.seen.rejects[f"{error.code} {reason_of(error)}"] += 1


class _Listener(WSListener):
    """Hands whole text messages to the socket's owner."""

    def __init__(self, owner: ApiSocket) -> None:
        super().__init__()
        self._owner = owner

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._owner.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            assert frame.fin, "the exchange sends whole messages"
            self._owner.received(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._owner.closed()


def reason_of(error: Error) -> str:
    """The exchange's own name of the reason or, where it gave none, its text."""
    return error.data.reason if error.data is not None and error.data.reason else error.msg
