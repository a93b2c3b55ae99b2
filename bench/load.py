"""The load generator: a process of its own that speaks websocket over plain sockets, so that it costs little.

`python -m bench.load` reads a Job from stdin and writes a Load to stdout, both MessagePack. Its frames are made before
the clock starts, and masked with zeros.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random
from select import EPOLLIN, epoll
from time import monotonic_ns
from typing import Final

import msgspec

from bench.client import Client, Flooder
from bench.cpu import cpu_us

SILENCE_S_MAX: Final = 30.0


class Trader(msgspec.Struct):
    """One connection; `private_key` is the raw Ed25519 one."""

    api_key: str
    private_key: bytes
    texts: list[bytes]


class Job(msgspec.Struct):
    """Requests go out in the order of `senders`: first `singles` one at a time, then as many with `flood` pings of
    somebody else sent before each, then `saturation` with `in_flight` under way on each connection, then `open_loop` at
    `rate` a second.
    """

    port: int
    server_pids: list[int]
    core: int | None
    traders: list[Trader]
    senders: list[int]
    singles: int
    flood: int
    saturation: int
    in_flight: int
    open_loop: int
    rate: float
    seed: int
    user_data: bool


class Phase(msgspec.Struct):
    """Of `count` requests. `latencies` are int64 nanoseconds as bytes; CPU times: the main threads of exchange and
    gateways, their other threads, the load generator.
    """

    name: str
    count: int
    took_ns: int
    latencies: bytes
    cpu_main_us: float
    cpu_rest_us: float
    cpu_load_us: float


class Load(msgspec.Struct):
    """`outcomes` by connection: for each request 1 if it was taken, 2 if it was refused."""

    phases: list[Phase]
    outcomes: list[bytes]
    refusals: dict[str, int]
    answered: int
    events: int


class Generator:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._clients = [
            Client(job.port, number, trader.texts, trader.api_key, trader.private_key, user_data=job.user_data)
            for number, trader in enumerate(job.traders)
        ]
        self._by_fd = {client.fileno(): client for client in self._clients}
        self._poll = epoll()
        for fd in self._by_fd:
            self._poll.register(fd, EPOLLIN)
        self._senders = iter(job.senders)

    def run(self) -> Load:
        job = self._job
        phases = [
            self._phase("one at a time", self._one_at_a_time, job.singles),
            self._phase("beside a flood", self._beside_a_flood, job.singles if job.flood else 0),
            self._phase("saturation", self._saturate, job.saturation),
            self._phase("open loop", self._open_loop, job.open_loop),
        ]
        refusals: dict[str, int] = {}
        for client in self._clients:
            for reason, count in client.refusals.items():
                refusals[reason] = refusals.get(reason, 0) + count
        outcomes = [bytes(client.outcomes) for client in self._clients]
        return Load(
            phases,
            outcomes,
            refusals,
            sum(client.answered for client in self._clients),
            sum(client.events for client in self._clients),
        )

    def _phase(self, name: str, run: Callable[[Sequence[int]], None], count: int) -> Phase:
        senders = list(islice(self._senders, count))
        latencies = array("q")
        for client in self._clients:
            client.latencies_ns = latencies
        cpu_before, own_before = cpu_us(self._job.server_pids), os.times()
        start_ns = monotonic_ns()
        run(senders)
        took_ns = monotonic_ns() - start_ns
        cpu_after, own_after = cpu_us(self._job.server_pids), os.times()
        assert len(latencies) == count, f"{len(latencies)} answers to {count} requests"
        return Phase(
            name,
            count,
            took_ns,
            latencies.tobytes(),
            cpu_after[0] - cpu_before[0],
            cpu_after[1] - cpu_before[1],
            (sum(own_after[:2]) - sum(own_before[:2])) * 1e6,
        )

    def _one_at_a_time(self, senders: Sequence[int]) -> None:
        for sender in senders:
            client = self._clients[sender]
            client.send(1, monotonic_ns())
            while client.under_way:
                self._receive(SILENCE_S_MAX)

    def _beside_a_flood(self, senders: Sequence[int]) -> None:
        flooder = Flooder(self._job.port, len(self._clients), self._job.flood)
        for sender in senders:
            flooder.send()
            self._one_at_a_time([sender])
            flooder.wait()
        flooder.close()

    def _saturate(self, senders: Sequence[int]) -> None:
        """Each connection keeps `in_flight` under way until its share is sent."""
        left = [0] * len(self._clients)
        for sender in senders:
            left[sender] += 1
        unanswered = len(senders)
        for number, client in enumerate(self._clients):
            first = min(self._job.in_flight, left[number])
            client.send(first, monotonic_ns())
            left[number] -= first
        while unanswered:
            for client, answers in self._receive(SILENCE_S_MAX):
                unanswered -= answers
                more = min(answers, left[client.number])
                client.send(more, monotonic_ns())
                left[client.number] -= more

    def _open_loop(self, senders: Sequence[int]) -> None:
        """A Poisson process; whoever is due is sent whether or not earlier ones are answered. The core spins."""
        random, due_ns = Random(self._job.seed), 0
        schedule: deque[tuple[int, int]] = deque()
        for sender in senders:
            due_ns += round(random.expovariate(self._job.rate / 1e9))
            schedule.append((due_ns, sender))
        start_ns = heard_ns = monotonic_ns()  # only now: it takes a while to make a schedule
        unanswered = len(senders)
        while unanswered:
            now_ns = monotonic_ns()
            while schedule and start_ns + schedule[0][0] <= now_ns:
                intended_ns, sender = schedule.popleft()
                self._clients[sender].send(1, start_ns + intended_ns)
            for _, answers in self._receive(0):
                unanswered -= answers
                heard_ns = now_ns
            assert schedule or now_ns - heard_ns < SILENCE_S_MAX * 1e9, f"{unanswered} requests have no answer"

    def _receive(self, timeout_s: float) -> Iterator[tuple[Client, int]]:
        """What came, by client: how many answers."""
        ready = self._poll.poll(timeout_s)
        assert ready or not timeout_s, "the exchange is silent"
        return iter([(client := self._by_fd[fd], client.receive()) for fd, _ in ready])


def main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()  # nothing here makes cycles, and each look for some would make requests late
    sys.stdout.buffer.write(msgspec.msgpack.encode(Generator(job).run()))


if __name__ == "__main__":
    main()
