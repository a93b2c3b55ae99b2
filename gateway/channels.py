"""What a market stream sends, and to whom: messages that are made once for all who listen.

A payload is made for a time unit, and a frame once for each form in which some subscriber wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, Protocol

from gateway.frames import text_frame

Payload = Callable[[int], str]  # takes the nanoseconds of the time unit; returns JSON text
Form = tuple[bool, int]  # whether a message is wrapped with the stream's name, and its time unit in ns


next_number: Final = count(1).__next__  # of messages, and of moments between two


class StreamMessage:
    """One or more payloads of a stream, in order. Messages are numbered as they are made."""

    __slots__ = ("_frames", "number", "payloads", "stream")

    def __init__(self, stream: str, *payloads: Payload) -> None:
        self.number: Final = next_number()
        self.stream = stream
        self.payloads = payloads
        self._frames: dict[Form, bytes] = {}

    def frames(self, form: Form) -> bytes:
        """A frame for each payload."""
        made = self._frames.get(form)
        if made is None:
            wrapped, unit_ns = form
            texts = [payload(unit_ns) for payload in self.payloads]
            if wrapped:
                texts = [f'{{"stream":"{self.stream}","data":{text}}}' for text in texts]
            made = self._frames[form] = b"".join([text_frame(text.encode()) for text in texts])
        return made


class Subscriber(Protocol):
    """A connection as the streams see it."""

    @property
    def paused(self) -> bool:
        """Whether its reader is behind; nothing but what must not be lost should be sent."""
        ...

    def send_stream(self, message: StreamMessage) -> None:
        """Perhaps a while after it was made: nothing is sent of a stream that it does not follow by then."""
        ...

    def drop(self, why: str) -> None:
        """Disconnect it."""
        ...


Spread = Callable[[StreamMessage, Sequence[Subscriber]], None]  # gives a message to each, after all others before it


def at_once(message: StreamMessage, subscribers: Sequence[Subscriber]) -> None:
    for subscriber in subscribers:
        subscriber.send_stream(message)


class Channel(Protocol):
    """One stream; `spread` is how it sends."""

    spread: Spread

    @property
    def ticks(self) -> int:
        """How many tenths of a second lie between two calls of `publish`; 0: it is not called by the clock."""
        ...

    @property
    def is_used(self) -> bool: ...

    def subscribe(self, subscriber: Subscriber) -> None: ...

    def unsubscribe(self, subscriber: Subscriber) -> None: ...

    def publish(self, time_ns: int) -> None: ...


class Events:
    """What happened, to everyone: nothing is left out, and all of one durable frame goes in one write."""

    ticks: Final = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.spread: Spread = at_once
        self.subscribers: dict[Subscriber, None] = {}
        self._waiting: list[Payload] = []

    @property
    def is_used(self) -> bool:
        return bool(self.subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.subscribers.pop(subscriber, None)

    def add(self, payload: Payload) -> None:
        self._waiting.append(payload)

    def publish(self, time_ns: int) -> None:
        if not self._waiting:
            return
        message = StreamMessage(self.name, *self._waiting)
        self._waiting = []
        self.spread(message, list(self.subscribers))


class Latest:
    """How something stands: to those who have not seen it yet. A slow reader gets the newest when it reads again.

    version  what is to be seen; no message where it is None
    payload  takes the time of the event in ns
    """

    def __init__(
        self, name: str, ticks: int, version: Callable[[int], object], payload: Callable[[int], Payload]
    ) -> None:
        self.name = name
        self.ticks: Final = ticks
        self.spread: Spread = at_once
        self.subscribers: dict[Subscriber, object] = {}  # with what each saw last
        self._version = version
        self._payload = payload
        self._sent: object = None
        self.is_behind = False  # somebody has not seen the newest

    @property
    def is_used(self) -> bool:
        return bool(self.subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None
        self.is_behind = True

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.subscribers.pop(subscriber, None)

    def publish(self, time_ns: int) -> None:
        version = self._version(time_ns)
        if version is None or (version == self._sent and not self.is_behind):
            return
        self._sent, self.is_behind = version, False
        ready = []
        for subscriber, seen in self.subscribers.items():
            if seen == version:
                continue
            if subscriber.paused:
                self.is_behind = True
            else:
                ready.append(subscriber)
        if ready:
            self.subscribers.update(dict.fromkeys(ready, version))
            self.spread(StreamMessage(self.name, self._payload(time_ns)), ready)
