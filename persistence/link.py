"""A gateway's side of the exchange's socket: commands in one by one, and back comes, durable, all that happened.

Only what is on disk comes in a frame: so an answer that is made from one may leave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from struct import error
from typing import Any, Final, Protocol

from persistence.feed_messages import (
    ASK_MEASURES,
    ASK_SEQ,
    BEAT,
    BEAT_BODY,
    COMMANDS_MAX,
    COUNTDOWN,
    COUNTDOWN_BODY,
    DISOWN,
    ENTER,
    ENTER_HEAD,
    ENTERED,
    ENTERED_PAIR,
    FOLLOW_BODY,
    FRAME,
    GOES_ON,
    JOIN,
    NOTE,
    ORDER_ID,
    OWNED,
    REFUSED,
    REFUSED_HEAD,
    SEQ,
    TOLD,
    frame_of,
    message,
    read_message,
)
from persistence.sequencer import Durable, Refusal
from persistence.socket_path import short_path

STALE_S: Final = 5.0  # nothing older is served
LOOK_EVERY_S: Final = 0.5
RECONNECT_S: Final = 0.1
DRAIN_S: Final = 5.0
UNREAD_BYTES_MAX: Final = 8 * 1024 * 1024  # entered, and not read by the exchange yet
READ_BYTES: Final = 1024 * 1024
_log: Final = logging.getLogger(__name__)


class Hearer(Protocol):
    """What a gateway does with what it hears; called in order."""

    def on_durable(self, durable: Durable) -> None: ...

    def on_refused(self, origin: object, refusal: Refusal) -> None:
        """A command was not sequenced."""
        ...

    def on_note(self, note: bytes) -> None:
        """A gateway, perhaps this one, tells all of them; empty: somebody is new."""
        ...

    async def on_current(self) -> None:
        """From now on everything durable is here within STALE_S."""
        ...

    async def on_lost(self, origins: Sequence[object]) -> None:
        """It is not any more; of these commands nobody knows whether they were taken."""
        ...


class Link:
    """`run` for ever; `clock` is the wall time in ns, the exchange's too."""

    def __init__(self, path: Path, hearer: Hearer, clock: Callable[[], int]) -> None:
        self._path = path
        self._hearer = hearer
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._seq = 0
        self._is_current = False
        self._looking: asyncio.TimerHandle | None = None
        self._current_ns = 0  # as of when everything durable was here
        self._is_stopping = False
        self._drained = asyncio.Event()
        self._nonce = 0  # of the last command
        self._records: list[bytes] = []  # of this turn of the loop
        self._marks = b""
        self._first_nonce = 0
        self._under_way: dict[int, object] = {}  # origins by nonce
        self._entered: deque[tuple[int, object]] = deque()  # origins by seq, of frames that are to come
        self._asked: deque[asyncio.Future[bytes]] = deque()  # answered in this order
        self._awaited: deque[tuple[int, asyncio.Future[None]]] = deque()  # until the frames up to a seq are here

    def submit(self, record: bytes, origin: object, *, is_owned: bool = False) -> Refusal | None:
        """Enter one unstamped command; `origin` comes back in its frame, or with what became of it otherwise.

        is_owned  the order that it places ends with this gateway
        """
        return self.submit_together((record,), origin, is_owned=is_owned)

    def submit_together(self, records: Sequence[bytes], origin: object, *, is_owned: bool = False) -> Refusal | None:
        """Enter several with nothing between them, or none; the origin comes back with each."""
        refusal = self._refusal()
        if refusal is None:
            if len(self._records) + len(records) > COMMANDS_MAX:
                self._enter()
            if not self._records:
                asyncio.get_running_loop().call_soon(self._enter)
                self._first_nonce = self._nonce + 1
            self._records += records
            mark = OWNED if is_owned else 0
            self._marks += bytes((mark | GOES_ON,)) * (len(records) - 1) + bytes((mark,))
            self._nonce += 1
            self._under_way[self._nonce] = origin
        return refusal

    def start_timer(self, account: int, instrument: int, ms: int) -> Refusal | None:
        """Have the exchange cancel the account's orders after so long, unless it is told anew; 0: not at all."""
        return self._say(COUNTDOWN, COUNTDOWN_BODY.pack(account, instrument, ms))

    def disown(self, order_ids: Sequence[int]) -> None:
        """These orders do not end with this gateway any more."""
        if order_ids:
            self._say(DISOWN, b"".join(map(ORDER_ID.pack, order_ids)))

    def tell(self, note: bytes) -> None:
        """All gateways, this one too; nobody where the exchange is away."""
        self._say(NOTE, note)

    async def measures(self) -> str:
        """What the exchange counts of itself. Raises ConnectionError where it is away."""
        return (await self._ask(ASK_MEASURES)).decode()

    async def catch_up(self) -> None:
        """Return when all that is durable now is here, too. Raises ConnectionError where the exchange is away."""
        (seq,) = SEQ.unpack(await self._ask(ASK_SEQ))
        if self._seq < seq:
            future = asyncio.get_running_loop().create_future()
            self._awaited.append((seq, future))
            await future

    async def run(self, from_seq: int) -> None:
        """Follow from a seq on, over restarts of the exchange."""
        self._seq = from_seq - 1
        while True:
            try:
                with short_path(self._path) as name:
                    reader, writer = await asyncio.open_unix_connection(name, limit=READ_BYTES)
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._writer = writer
            self._look(writer)
            try:
                writer.write(message(JOIN, FOLLOW_BODY.pack(self._seq + 1)))
                await self._follow(reader)
            except (asyncio.IncompleteReadError, ConnectionError, ValueError, error) as broken:
                _log.warning("the exchange is lost: %r", broken)
            finally:
                writer.close()
                await self._lose()
            await asyncio.sleep(RECONNECT_S)

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is answered, but not for ever."""
        self._is_stopping = True
        self._enter()
        self._check_drained()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._drained.wait()
        if self._writer is not None:
            self._writer.write(message(DISOWN))

    def _refusal(self) -> Refusal | None:
        if self._is_stopping:
            return Refusal.STOPPING
        if not self._is_current or self._writer is None:
            return Refusal.AWAY
        return Refusal.OVERLOADED if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX else None

    async def _ask(self, kind: int) -> bytes:
        if self._say(kind, b"") is not None:
            raise ConnectionError("the exchange is away")
        future = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        told: bytes = await future
        return told

    def _say(self, kind: int, body: bytes) -> Refusal | None:
        refusal = self._refusal()
        if refusal is None:
            assert self._writer is not None
            self._enter()
            self._writer.write(message(kind, body))
        return refusal

    def _enter(self) -> None:
        """Send this turn's commands; those of a connection that was lost meanwhile are accounted for."""
        records, marks = self._records, self._marks
        self._records, self._marks = [], b""
        if records and self._writer is not None:
            head = ENTER_HEAD.pack(self._first_nonce, len(records))
            self._writer.write(message(ENTER, head, marks, *records))

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        hearer = self._hearer
        while True:
            kind, body = await read_message(reader)
            if kind == FRAME:
                self._take_frame(body)
            elif kind == ENTERED:
                self._take_entered(body)
            elif kind == REFUSED:
                (nonce,) = REFUSED_HEAD.unpack_from(body)
                hearer.on_refused(self._under_way.pop(nonce), Refusal[body[REFUSED_HEAD.size :].decode()])
                self._check_drained()
            elif kind == BEAT:
                time_ns, durable_seq = BEAT_BODY.unpack(body)
                if self._seq >= durable_seq:
                    self._current_ns = time_ns
                    if not self._is_current and not self._is_stale():
                        await hearer.on_current()
                        self._is_current = True
            elif kind == NOTE:
                hearer.on_note(body)
            elif kind == TOLD:
                future = self._asked.popleft()
                if not future.done():  # who asked may be gone
                    future.set_result(body)
            else:
                raise ValueError(f"a message of kind {kind}")

    def _take_entered(self, body: bytes) -> None:
        """Commands that went together have one nonce, and follow each other."""
        last_nonce, origin = 0, None
        for seq, nonce in ENTERED_PAIR.iter_unpack(body):
            if nonce != last_nonce:
                last_nonce, origin = nonce, self._under_way.pop(nonce)
            self._entered.append((seq, origin))

    def _take_frame(self, body: bytes) -> None:
        frame = frame_of(body)
        assert frame.first_seq == self._seq + 1, "frames come whole, in order, each once"
        origins: list[object | None] = [None] * (frame.last_seq - frame.first_seq + 1)
        entered = self._entered
        while entered and entered[0][0] <= frame.last_seq:
            seq, origin = entered.popleft()
            origins[seq - frame.first_seq] = origin
        self._seq = frame.last_seq
        self._hearer.on_durable(Durable(frame.first_seq, frame.commands, frame.events, origins, frame.hash))
        while self._awaited and self._awaited[0][0] <= self._seq:
            _, future = self._awaited.popleft()
            if not future.done():
                future.set_result(None)
        self._check_drained()

    def _check_drained(self) -> None:
        if self._is_stopping and not self._under_way and not self._entered:
            self._drained.set()

    def _is_stale(self) -> bool:
        return self._clock() - self._current_ns > STALE_S * 1e9

    def _look(self, writer: asyncio.StreamWriter) -> None:
        """End a connection that brings what is too old, or nothing any more."""
        if self._is_current and self._is_stale():
            _log.warning("the exchange's frames come more than %g s late", STALE_S)
            writer.transport.abort()
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, writer)

    async def _lose(self) -> None:
        self._writer, self._is_current = None, False
        if self._looking is not None:
            self._looking.cancel()
        self._records, self._marks = [], b""
        entered = {id(origin): origin for _, origin in self._entered}  # those of commands that went together once
        lost = [*entered.values(), *self._under_way.values()]
        self._entered.clear()
        self._under_way.clear()
        self._check_drained()
        waiting: list[asyncio.Future[Any]] = [*self._asked, *(future for _, future in self._awaited)]
        self._asked.clear()
        self._awaited.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(ConnectionError("the exchange went away"))
        await self._hearer.on_lost(lost)
