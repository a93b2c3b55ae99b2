"""Jobs: asked for in a transaction, one worker at a time, again after a kill, and seen by those who wait."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from persistence.database import Pool, connect
from persistence.jobs import (
    Handler,
    Job,
    JobFailed,
    JobNotFailedError,
    JobRow,
    JobState,
    JobWaits,
    Worker,
    enqueue,
    job,
    jobs,
    retry,
)

DEADLINE_S = 20.0


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def working(pool: Pool, handlers: Mapping[str, Handler], **settings: float) -> AsyncIterator[None]:
    """A worker that runs inside the `async with`, and polls often."""
    task = asyncio.create_task(Worker(pool, handlers, **{"poll_s": 0.05, "back_off_s": 0.01} | settings).run())  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ask(pool: Pool, kind: str, key: str, **payload: object) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await enqueue(connection, kind, key, payload)


async def row(pool: Pool, kind: str, key: str) -> JobRow:
    found = await job(pool, kind, key)
    assert found is not None
    return found


async def ended(pool: Pool, kind: str, key: str, state: JobState) -> None:
    async def is_so() -> bool:
        return (await row(pool, kind, key)).state is state

    await until(is_so, f"{kind} {key} is {state}")


async def test_a_job_is_done_with_its_payload(pool: Pool) -> None:
    seen: list[Job] = []

    async def handle(each: Job) -> None:
        seen.append(each)

    async with working(pool, {"greet": handle}):
        await ask(pool, "greet", "a", times=3)
        await ended(pool, "greet", "a", JobState.DONE)
    assert [(each.kind, each.key, each.payload, each.attempt) for each in seen] == [("greet", "a", {"times": 3}, 1)]


async def test_a_job_of_a_transaction_that_fails_is_never_done(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with contextlib.suppress(ZeroDivisionError):
            async with connection.transaction():
                await enqueue(connection, "greet", "a")
                raise ZeroDivisionError
    assert await job(pool, "greet", "a") is None


async def test_one_key_is_worked_off_once_however_often_it_is_asked_for(pool: Pool) -> None:
    seen: Counter[str] = Counter()

    async def handle(each: Job) -> None:
        seen[each.key] += 1

    await ask(pool, "greet", "a")
    await ask(pool, "greet", "a")
    async with working(pool, {"greet": handle}):
        await ended(pool, "greet", "a", JobState.DONE)
        await ask(pool, "greet", "a")
        await ask(pool, "greet", "b")
        await ended(pool, "greet", "b", JobState.DONE)
    assert seen == {"a": 1, "b": 1}


async def test_a_kind_without_a_handler_waits_for_a_worker_that_has_one(pool: Pool) -> None:
    async def handle(_: Job) -> None:
        return

    await ask(pool, "other", "a")
    await ask(pool, "greet", "a")
    async with working(pool, {"greet": handle}):
        await ended(pool, "greet", "a", JobState.DONE)
    assert (await row(pool, "other", "a")).state is JobState.QUEUED


async def test_progress_is_seen_while_it_runs(pool: Pool) -> None:
    go_on = asyncio.Event()

    async def handle(each: Job) -> None:
        await each.show("digging", 2, 5)
        await go_on.wait()

    async def digging() -> bool:
        now = await row(pool, "dig", "a")
        return (now.state, now.step, now.steps_done, now.steps_of) == (JobState.RUNNING, "digging", 2, 5)

    await ask(pool, "dig", "a")
    async with working(pool, {"dig": handle}):
        await until(digging, "progress")
        go_on.set()
        await ended(pool, "dig", "a", JobState.DONE)


async def test_a_job_that_waits_is_called_again_and_has_not_failed(pool: Pool) -> None:
    there = False
    calls = 0

    async def handle(_: Job) -> None:
        nonlocal calls
        calls += 1
        if not there:
            raise JobWaits(0.01, "not there yet")

    async def waited() -> bool:
        return calls > 12

    await ask(pool, "wait", "a")
    async with working(pool, {"wait": handle}, failures_max=2):
        await until(waited, "called again and again")
        there = True
        await ended(pool, "wait", "a", JobState.DONE)


async def test_a_job_that_waits_says_why(pool: Pool) -> None:
    async def handle(_: Job) -> None:
        raise JobWaits(3600, "the bank is closed")

    async def said() -> bool:
        now = await row(pool, "wait", "a")
        return now.state is JobState.QUEUED and now.reason == "the bank is closed"

    await ask(pool, "wait", "a")
    async with working(pool, {"wait": handle}):
        await until(said, "the reason")


async def test_an_error_is_tried_again_and_then_left_to_an_operator(pool: Pool) -> None:
    works = False
    attempts: list[int] = []

    async def handle(each: Job) -> None:
        attempts.append(each.attempt)
        if not works:
            raise ValueError("no luck")

    await ask(pool, "try", "a")
    await ask(pool, "fine", "a")
    async with working(pool, {"try": handle}, failures_max=3):
        await ended(pool, "try", "a", JobState.FAILED)
        assert attempts == [1, 2, 3]
        assert [(each.key, each.reason) for each in await jobs(pool, JobState.FAILED)] == [("a", "ValueError: no luck")]
        await ask(pool, "try", "a")  # asking is not retrying
        assert (await row(pool, "try", "a")).state is JobState.FAILED
        works = True
        async with pool.acquire() as connection:
            await retry(connection, "try", "a")
            await ended(pool, "try", "a", JobState.DONE)
            with pytest.raises(JobNotFailedError):
                await retry(connection, "try", "a")
    assert attempts == [1, 2, 3, 4]
    assert len(await jobs(pool)) == 2


async def test_an_error_of_a_server_elsewhere_is_no_error_of_the_database(pool: Pool) -> None:
    """A refused connection is an OSError, whoever refused it: other jobs must not feel it."""
    calls: Counter[str] = Counter()

    async def call(each: Job) -> None:
        calls[each.key] += 1
        await asyncio.open_connection("127.0.0.1", 1)

    async def stand(each: Job) -> None:
        calls["stand"] += 1
        await asyncio.Event().wait()

    await ask(pool, "stand", "b")
    await ask(pool, "call", "a")
    async with working(pool, {"call": call, "stand": stand}, failures_max=3):
        await ended(pool, "call", "a", JobState.FAILED)
    assert calls == {"a": 3, "stand": 1}


async def test_a_handler_may_fail_for_good_at_once(pool: Pool) -> None:
    async def handle(_: Job) -> None:
        raise JobFailed("the chain has forgotten it")

    await ask(pool, "try", "a")
    async with working(pool, {"try": handle}):
        await ended(pool, "try", "a", JobState.FAILED)
    assert (await row(pool, "try", "a")).reason == "the chain has forgotten it"


async def test_two_workers_never_run_one_job_at_once(pool: Pool, postgres: str) -> None:
    running: set[str] = set()
    done: Counter[str] = Counter()

    async def handle(each: Job) -> None:
        assert each.key not in running
        running.add(each.key)
        await each.show("half", 1, 2)
        running.remove(each.key)
        done[each.key] += 1

    async def all_done() -> bool:
        return len(done) == 100 and not running

    other = await connect(await url_of(pool, postgres))
    async with working(pool, {"try": handle}), working(other, {"try": handle}), working(other, {"try": handle}):
        await asyncio.gather(*(ask(pool, "try", str(number)) for number in range(100)))
        await until(all_done, "100 jobs")
    await other.close()
    assert set(done.values()) == {1}
    assert {each.attempt for each in await jobs(pool)} == {1}


async def test_a_worker_that_lost_its_session_stops_its_jobs_and_takes_them_up_again(pool: Pool) -> None:
    begun = 0
    stopped = 0

    async def handle(_: Job) -> None:
        nonlocal begun, stopped
        begun += 1
        try:
            if begun == 1:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped += 1
            raise

    async def has_begun() -> bool:
        return begun == 1

    await ask(pool, "try", "a")
    async with working(pool, {"try": handle}):
        await until(has_begun, "begun")
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        await ended(pool, "try", "a", JobState.DONE)
    assert (begun, stopped) == (2, 1)


async def test_a_job_of_a_killed_worker_runs_again(pool: Pool, postgres: str) -> None:
    await pool.execute("CREATE TABLE begun (key text, pid int)")
    command = [sys.executable, "-m", "tests.persistence.job_worker", await url_of(pool, postgres)]
    process = await asyncio.create_subprocess_exec(*command)
    again: list[int] = []

    async def handle(each: Job) -> None:
        again.append(each.attempt)

    async def has_begun() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM begun WHERE pid = $1", process.pid))

    try:
        await ask(pool, "hang", "a")
        await until(has_begun, "the other process began it")
        async with working(pool, {"hang": handle, "try": handle}):
            await ask(pool, "try", "a")  # this worker looks for work, and leaves the other's alone
            await ended(pool, "try", "a", JobState.DONE)
            assert again == [1]
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            await ended(pool, "hang", "a", JobState.DONE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert again == [1, 2]


async def url_of(pool: Pool, server: str) -> str:
    """The URL of the database that a pool is on."""
    return f"{server.rpartition('/')[0]}/{await pool.fetchval('SELECT current_database()')}"
