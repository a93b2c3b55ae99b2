"""Who may write in a turn of the event loop: those who trade at once, those who follow the market a few at a time.

A message to thousands of followers is given to them bit by bit, in the order in which messages were made, and orders
are looked at between two bits: so a fan-out holds up an order by some tens of microseconds, however many follow.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.channels import StreamMessage, Subscriber

GIVEN_SLICE: Final = 16  # followers that are given a message in a turn of the loop
WRITTEN_SLICE: Final = 2  # followers that write in the next turn: each is a call of the kernel
WAITING_MAX: Final = 1_000_000  # messages to one follower each; beyond, the market waits for its followers


class Writer(Protocol):
    """A connection."""

    @property
    def only_follows(self) -> bool: ...
    def flush(self) -> None: ...


class Cork:
    """Collects the connections that have something to send, and lets each write once a turn of the loop, or later."""

    def __init__(self) -> None:
        self._trading: list[Writer] = []
        self._following: deque[Writer] = deque()
        self._messages: deque[tuple[StreamMessage, Sequence[Subscriber]]] = deque()
        self._given = 0  # followers that have the first of the messages
        self._waiting = 0
        self._gave = False  # in the last turn
        self._is_due = False
        self._turn_number = 0
        self._is_turn_counted = False

    def this_turn(self) -> int:
        """A number that the next turn of the loop does not have."""
        if not self._is_turn_counted:
            self._is_turn_counted = True
            asyncio.get_running_loop().call_soon(self._end_turn)
        return self._turn_number

    def _end_turn(self) -> None:
        self._is_turn_counted = False
        self._turn_number += 1

    def add(self, connection: Writer) -> None:
        if connection.only_follows:
            self._following.append(connection)
        else:
            self._trading.append(connection)
        self._call()

    def spread(self, message: StreamMessage, subscribers: Sequence[Subscriber]) -> None:
        """Give a message to each, after all that were spread before."""
        self._messages.append((message, subscribers))
        self._waiting += len(subscribers)
        while self._waiting > WAITING_MAX:
            self._give(self._waiting - WAITING_MAX)
        self._call()

    def flush(self) -> None:
        """Let those who trade write."""
        trading, self._trading = self._trading, []
        for connection in trading:
            connection.flush()

    def finish(self) -> None:
        """Give and write everything."""
        while self._messages:
            self._give(self._waiting)
        self.flush()
        while self._following:
            self._following.popleft().flush()

    def _call(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self.flush()
        self._gave = bool(self._messages) and not (self._gave and self._following)
        if self._gave:
            self._give(GIVEN_SLICE)
        else:
            for _ in range(min(WRITTEN_SLICE, len(self._following))):
                self._following.popleft().flush()
        if self._messages or self._following:
            os.sched_yield()  # or the thread that syncs the journal waits for milliseconds, where both have one core
            self._call()

    def _give(self, count: int) -> None:
        """The first message to the next `count` at most."""
        message, subscribers = self._messages[0]
        given = subscribers[self._given : self._given + count]
        self._given += len(given)
        self._waiting -= len(given)
        if self._given == len(subscribers):
            self._messages.popleft()
            self._given = 0
        for subscriber in given:
            subscriber.send_stream(message)
