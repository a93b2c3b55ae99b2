"""Followers of a market's stream: a process of its own that reads many plain sockets and counts what comes.

`python -m bench.followers` reads a Following as one line of JSON from stdin, says `ready` when all have subscribed, and
then, each time that every follower has had another `batch` messages on average, how many came in all, rounded down to
whole batches. It ends with its stdin.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from select import EPOLLIN, epoll
from time import monotonic

import msgspec

from bench.client import READ_BYTES, address, upgrade

MARK = b'"e":"trade"'
ALIVE_EVERY_S = 5.0
NICENESS = 10  # on the core of those who measure how long an order takes: the exchange's time, not ours
PONG = b"\x8a\x80" + bytes(4)  # for whatever ping came since the last one


class Following(msgspec.Struct):
    """`silent` more connect and follow nothing."""

    port: int
    core: int | None
    stream: str
    followers: int
    silent: int
    batch: int


def connect(port: int, number: int, stream: str, receive_bytes: int | None = None) -> socket.socket:
    """A socket that follows; `receive_bytes`: as much as the kernel keeps for it."""
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.bind((address(number), 0))
    connection.connect(("127.0.0.1", port))
    upgrade(connection, f"/ws/{stream}")
    return connection


def main() -> None:
    following = msgspec.json.decode(sys.stdin.buffer.readline(), type=Following)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if following.core is not None:
        os.sched_setaffinity(0, {following.core})
    os.nice(NICENESS)
    port = following.port
    sockets = [connect(port, number, following.stream) for number in range(following.followers)]
    silent = [connect(port, len(sockets) + number, "") for number in range(following.silent)]
    poll = epoll()
    by_fd = {each.fileno(): each for each in (*sockets, *silent)}
    for fd in (*by_fd, sys.stdin.fileno()):
        poll.register(fd, EPOLLIN)
    print("ready", flush=True)
    tails = dict.fromkeys(by_fd, b"")
    came = told = 0
    step = max(1, following.batch * following.followers)
    alive_s = monotonic()
    while True:
        if monotonic() - alive_s > ALIVE_EVERY_S:
            alive_s = monotonic()
            for each in by_fd.values():
                each.sendall(PONG)
        for fd, _ in poll.poll(ALIVE_EVERY_S):
            if fd == sys.stdin.fileno():
                return
            data = by_fd[fd].recv(READ_BYTES)
            assert data, "the exchange closed a follower"
            data = tails[fd] + data
            found = data.count(MARK)
            tails[fd] = data[max(0, len(data) - len(MARK) + 1) :]
            came += found
        if came - told >= step:
            told = came // step * step
            print(told, flush=True)


if __name__ == "__main__":
    main()
