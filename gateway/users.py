"""Who listens to which account's user data stream, and what was said there lately.

Each account's events are numbered from 1. They are kept for a while, also after the last listener is gone, so that who
comes back gets what it missed; both bounds are on all accounts together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Protocol

from gateway import errors
from gateway.errors import ApiError
from gateway.times import US

EVENTS_KEPT: Final = 4_000  # by account: as much as a connection's buffer holds
EVENTS_KEPT_IN_ALL: Final = 200_000
KEPT_NS: Final = 600 * 10**9  # after the last listener left


class Listener(Protocol):
    """A session that holds subscriptions; its times are in `unit_ns`."""

    unit_ns: int

    def send_event(self, subscription_id: int, seq: int, event: str) -> None: ...


class UserStream:
    """One account's events since somebody first listened; `stream_id` says which numbering `seq` belongs to."""

    __slots__ = ("events", "forget_at_ns", "listeners", "micros", "seq", "stream_id")

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.listeners: dict[tuple[Listener, int], None] = {}
        self.seq = 0  # of the newest event
        self.events: deque[str] = deque()  # the newest, in order
        self.micros: deque[str] | None = None  # the newest with times in microseconds, since somebody wanted those
        self.forget_at_ns = 0  # 0: somebody listens

    def since(self, stream_id: str, seq: int, unit_ns: int) -> Sequence[str]:
        """The events after `seq`. ApiError where they are not all here any more, or never were."""
        missed = self.seq - seq
        kept: Sequence[str] = (self.micros or ()) if unit_ns == US else self.events
        if stream_id != self.stream_id or not 0 <= missed <= len(kept):
            text = "The events since are not kept any more; ask for orders and trades, then subscribe without fromSeq."
            raise ApiError(errors.EVENTS_GONE, text)
        return list(islice(kept, len(kept) - missed, None))

    def let_go(self) -> None:
        """Of the oldest event."""
        self.events.popleft()
        if self.micros is not None and len(self.micros) > len(self.events):
            self.micros.popleft()


class UserStreams:
    def __init__(self, clock: Callable[[], int]) -> None:
        self.streams: Final[dict[int, UserStream]] = {}  # by account; of the others nobody wants to know
        self._clock = clock
        self._oldest_first: deque[UserStream] = deque()  # one entry for each event that is kept
        self._made = 0
        self._prefix = f"{clock():x}"

    def of(self, account: int) -> UserStream:
        stream = self.streams.get(account)
        if stream is None:
            self._made += 1
            stream = self.streams[account] = UserStream(f"{self._prefix}-{self._made:x}")
            stream.forget_at_ns = self._clock() + KEPT_NS
        return stream

    def subscribe(self, account: int, listener: Listener, subscription_id: int) -> UserStream:
        stream = self.of(account)
        stream.listeners[listener, subscription_id] = None
        stream.forget_at_ns = 0
        if listener.unit_ns == US and stream.micros is None:
            stream.micros = deque()
        return stream

    def unsubscribe(self, account: int, listener: Listener, subscription_id: int) -> None:
        stream = self.streams.get(account)
        if stream is None:
            return
        stream.listeners.pop((listener, subscription_id), None)
        if not stream.listeners and not stream.forget_at_ns:
            stream.forget_at_ns = self._clock() + KEPT_NS

    def emit(self, account: int, event: str, micros: str = "") -> None:
        """Send an event (JSON text) to every subscription of the account, and keep it; `micros` is the same with times
        in microseconds, where the stream has those, too."""
        stream = self.streams[account]
        stream.seq = seq = stream.seq + 1
        stream.events.append(event)
        if stream.micros is not None:
            stream.micros.append(micros)
        self._oldest_first.append(stream)
        if len(stream.events) > EVENTS_KEPT:
            stream.let_go()  # its entry in the other line stays, and will find one fewer
        if len(self._oldest_first) > EVENTS_KEPT_IN_ALL:
            self._let_go()
        for listener, subscription_id in list(stream.listeners):
            listener.send_event(subscription_id, seq, micros if micros and listener.unit_ns == US else event)

    def forget_old(self) -> None:
        """Let go of the streams that nobody came back to."""
        now_ns = self._clock()
        for account, stream in list(self.streams.items()):
            if stream.forget_at_ns and stream.forget_at_ns <= now_ns:
                stream.events.clear()
                stream.micros = None
                del self.streams[account]

    def _let_go(self) -> None:
        oldest = self._oldest_first.popleft()
        if oldest.events:
            oldest.let_go()
