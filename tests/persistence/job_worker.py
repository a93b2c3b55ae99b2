"""A worker in a process of its own, for the tests to kill: `python -m tests.persistence.job_worker URL`."""

import asyncio
import os
import sys

from persistence.database import connect
from persistence.jobs import Job, Worker


async def work(url: str) -> None:
    """Its handler writes its process id down and never ends."""
    pool = await connect(url)

    async def hang(job: Job) -> None:
        await pool.execute("INSERT INTO begun (key, pid) VALUES ($1, $2)", job.key, os.getpid())
        await asyncio.Event().wait()

    await Worker(pool, {"hang": hang}, poll_s=0.1).run()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
