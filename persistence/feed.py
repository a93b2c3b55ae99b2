"""The exchange's door for our other processes: a Unix socket, commands in, durable frames out from any seq."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import error
from typing import Any, Final, NamedTuple, Protocol

from engine.wire import COMMAND, COMMAND_SIZE, EVENT, EVENT_SIZE
from persistence.feed_messages import (
    ANSWER,
    ANSWER_HEAD,
    FOLLOW,
    FOLLOW_BODY,
    FRAME,
    JOIN,
    REFUSED,
    REFUSED_HEAD,
    SUBMIT,
    SUBMIT_HEAD,
    Frame,
    frame_message,
    frame_of,
    message,
    read_message,
    records_of,
)
from persistence.journal_reader import JournalReader
from persistence.sequencer import Durable, Refusal, Sequencer
from persistence.socket_path import short_path

BEHIND_BYTES_MAX: Final = 8 * 1024 * 1024  # unread by a follower: from there it reads the journal instead
CHUNK_BYTES: Final = 1024 * 1024
RECONNECT_FIRST_S: Final = 0.05
RECONNECT_MOST_S: Final = 2.0
_log: Final = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What became of one command, durably: the rows of its events in the order of wire.EVENT_SLOTS."""

    seq: int
    time_ns: int
    events: list[tuple[Any, ...]]


class FeedLost(Exception):  # noqa: N818 - a state of the world that callers wait out
    """The connection ended before the answer: whether the commands were taken is not known."""


class CommandsRefused(Exception):  # noqa: N818
    """The exchange did not sequence the commands: `refusal` says why, and nothing of them happened."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class _Submission(NamedTuple):
    peer: _Peer
    nonce: int


class Peer(Protocol):
    """One connection, seen from the exchange."""

    def send(self, kind: int, *parts: bytes) -> None: ...


class Entrance(Protocol):
    """Where gateways come in: peers that join, and are told of the commands which they entered."""

    def join(self, peer: Peer) -> None: ...
    def leave(self, peer: Peer) -> None:
        """Its connection has ended, whether it had joined or not."""
        ...

    def take(self, peer: Peer, kind: int, body: bytes) -> bool:
        """Whether it is a message of a gateway's. ValueError or struct.error where it is a malformed one."""
        ...

    def on_durable(self, durable: Durable) -> None:
        """Before anybody has the frame."""
        ...


class FeedServer:
    """Serve `sequencer` on a socket that only our own user can open."""

    def __init__(
        self, path: Path, sequencer: Sequencer, journal_directory: Path, entrance: Entrance | None = None
    ) -> None:
        """`entrance` is where gateways come in; None: there are none."""
        self._path = path
        self._sequencer = sequencer
        self._journal_directory = journal_directory
        self._entrance = entrance
        self._followers: set[_Peer] = set()
        self._peers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            with short_path(self._path) as name:
                self._server = await asyncio.start_unix_server(self._serve, name)
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._peers):
            task.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def on_durable(self, durable: Durable) -> None:
        """A subscriber of the sequencer: answer what was submitted here, and tell those who follow."""
        if self._entrance is not None:
            self._entrance.on_durable(durable)
        if self._followers:
            frame = frame_message(durable.first_seq, durable.hash, durable.commands, durable.events)
            for peer in self._followers:
                peer.offer(durable.first_seq, frame, len(durable.origins))
        submissions: dict[_Submission, list[int]] = {}
        for index, origin in enumerate(durable.origins):
            if isinstance(origin, _Submission):
                submissions.setdefault(origin, []).append(index)
        for submission, indexes in submissions.items():
            submission.peer.answer(submission.nonce, *_part(durable, indexes[0], indexes[-1] + 1))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        peer = _Peer(writer)
        catching_up: asyncio.Task[None] | None = None
        try:
            while True:
                kind, body = await read_message(reader)
                if kind == SUBMIT:
                    self._submit(peer, body)
                elif kind in (FOLLOW, JOIN) and catching_up is None:
                    (peer.next_seq,) = FOLLOW_BODY.unpack(body)
                    if not 0 < peer.next_seq <= self._sequencer.durable_seq + 1:
                        _log.error(
                            "a follower asks for seq %d, the journal ends at %d: it followed another journal",
                            peer.next_seq,
                            self._sequencer.durable_seq,
                        )
                        return
                    self._followers.add(peer)
                    catching_up = asyncio.create_task(self._catch_up(peer))
                    if kind == JOIN and self._entrance is not None:
                        self._entrance.join(peer)
                elif self._entrance is None or not self._entrance.take(peer, kind, body):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ValueError, error):
            return  # it went away, or it does not speak our language
        finally:
            self._followers.discard(peer)
            if self._entrance is not None:
                self._entrance.leave(peer)
            if catching_up is not None:
                catching_up.cancel()
            writer.close()
            self._peers.discard(task)

    def _submit(self, peer: _Peer, body: bytes) -> None:
        (nonce,) = SUBMIT_HEAD.unpack_from(body)
        records = records_of(body, SUBMIT_HEAD.size)
        refusal = self._sequencer.submit_together(records, _Submission(peer, nonce))
        if refusal is not None:
            peer.send(REFUSED, REFUSED_HEAD.pack(nonce), refusal.name.encode())

    async def _catch_up(self, peer: _Peer) -> None:
        """Feed a follower from the journal whenever it is not at the live end; where that fails it must come again."""
        try:
            await self._feed(peer)
        finally:
            peer.writer.close()

    async def _feed(self, peer: _Peer) -> None:
        while True:
            with JournalReader(self._journal_directory, peer.next_seq) as reader:
                while peer.next_seq <= (durable_seq := self._sequencer.durable_seq):
                    frames, next_seq = await asyncio.to_thread(_read_some, reader, peer.next_seq, durable_seq)
                    for frame in frames:
                        peer.writer.write(frame)
                    peer.next_seq = next_seq
                    await peer.writer.drain()
            peer.live = True
            await peer.fell_behind.wait()
            peer.fell_behind.clear()
            await peer.writer.drain()


class _Peer:
    """One connection, seen from the exchange."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.next_seq = 0
        self.live = False
        self.fell_behind = asyncio.Event()

    def offer(self, first_seq: int, frame: bytes, commands: int) -> None:
        """Send a live frame, unless too much waits already: then it comes from the journal later."""
        if not self.live:
            return
        if self.writer.transport.get_write_buffer_size() > BEHIND_BYTES_MAX:
            self.live = False
            self.fell_behind.set()
            return
        assert self.next_seq == first_seq
        self.writer.write(frame)
        self.next_seq = first_seq + commands

    def answer(self, nonce: int, commands: bytes, events: bytes) -> None:
        self.send(ANSWER, ANSWER_HEAD.pack(nonce, len(commands) // COMMAND_SIZE), commands, events)

    def send(self, kind: int, *parts: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(message(kind, *parts))


class FeedClient:
    """The other end. Many submissions may be under way; each iteration of `frames` has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nonces = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[list[Answer]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def submit(self, commands: Sequence[bytes]) -> list[Answer]:
        """Have unstamped records sequenced with nothing between them; returns one answer a command once durable.

        Raises CommandsRefused (nothing happened), FeedLost (not known: submit again only what is harmless twice).
        """
        async with self._connecting:
            writer = await self._connected()
        nonce = next(self._nonces)
        future = self._waiting[nonce] = asyncio.get_running_loop().create_future()
        try:
            writer.write(message(SUBMIT, SUBMIT_HEAD.pack(nonce), *commands))
            answers: list[Answer] = await future
            return answers
        finally:
            del self._waiting[nonce]

    async def frames(self, from_seq: int) -> AsyncIterator[Frame]:
        """Every durable frame that holds seqs >= from_seq, in order, for ever; over restarts of the exchange."""
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                with short_path(self._path) as name:
                    reader, writer = await asyncio.open_unix_connection(name)
            except OSError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RECONNECT_MOST_S)
                continue
            try:
                writer.write(message(FOLLOW, FOLLOW_BODY.pack(from_seq)))
                while True:
                    kind, body = await read_message(reader)
                    assert kind == FRAME
                    frame = frame_of(body)
                    assert frame.first_seq <= from_seq <= frame.last_seq or frame.first_seq == from_seq
                    from_seq, pause_s = frame.last_seq + 1, RECONNECT_FIRST_S
                    yield frame
            except (asyncio.IncompleteReadError, ConnectionError):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RECONNECT_MOST_S)
            finally:
                writer.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _connected(self) -> asyncio.StreamWriter:
        if self._writer is None or self._writer.is_closing():
            try:
                with short_path(self._path) as name:
                    reader, self._writer = await asyncio.open_unix_connection(name)
            except OSError as error:
                raise FeedLost(f"the exchange does not answer at {self._path}: {error}") from error
            self._reading = asyncio.create_task(self._read_answers(reader, self._writer))
        return self._writer

    async def _read_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind, body = await read_message(reader)
                (nonce,) = REFUSED_HEAD.unpack_from(body)
                future = self._waiting.get(nonce)
                if future is None or future.done():
                    continue
                if kind == REFUSED:
                    future.set_exception(CommandsRefused(Refusal[body[REFUSED_HEAD.size :].decode()]))
                else:
                    assert kind == ANSWER
                    future.set_result(_answers(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # told to everyone who waits, below
        finally:
            writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(FeedLost("the exchange went away before it answered"))


def _read_some(reader: JournalReader, next_seq: int, durable_seq: int) -> tuple[list[bytes], int]:
    """Messages for the next frames of the journal, about CHUNK_BYTES of them; in a thread of its own."""
    messages: list[bytes] = []
    size_bytes = 0
    for frame in reader.read(durable_seq):
        messages.append(frame_message(frame.first_seq, frame.hash, frame.commands, frame.events))
        next_seq = frame.last_seq + 1
        size_bytes += len(messages[-1])
        if size_bytes >= CHUNK_BYTES:
            break
    return messages, next_seq


def _part(durable: Durable, first: int, end: int) -> tuple[bytes, bytes]:
    """Commands first..end-1 of a frame, and their events."""
    events = durable.events
    places = range(len(events) // EVENT_SIZE)

    def seq_at(place: int) -> int:
        return int.from_bytes(events[place * EVENT_SIZE : place * EVENT_SIZE + 8], "little")

    begin = bisect_left(places, durable.first_seq + first, key=seq_at) * EVENT_SIZE
    stop = bisect_left(places, durable.first_seq + end, key=seq_at) * EVENT_SIZE
    return durable.commands[first * COMMAND_SIZE : end * COMMAND_SIZE], events[begin:stop]


def _answers(body: bytes) -> list[Answer]:
    _, count = ANSWER_HEAD.unpack_from(body)
    events_at = ANSWER_HEAD.size + count * COMMAND_SIZE
    answers = [Answer(row[0], row[1], []) for row in COMMAND.iter_unpack(body[ANSWER_HEAD.size : events_at])]
    for row in EVENT.iter_unpack(body[events_at:]):
        answers[row[0] - answers[0].seq].events.append(row)
    return answers
