"""`deedbook verify DIR [--rpc URL]`: is this data directory what it says, and does the chain agree?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deedbook.checks import Check, check_chain, check_database, check_journal
from deedbook.deployment import recorded
from deedbook.embedded.postgres import Postgres
from deedbook.embedded.postgres_place import has_cluster
from deedbook.layout import Layout
from deedbook.machine import running_settings
from persistence.database import Pool, connect
from settlement.chain import Chain, ChainMoved, ChainRefused, ChainUnavailable


async def verify(directory: Path, rpc_url: str | None) -> list[Check]:
    """Every check that the sources at hand allow: without `rpc_url` the chain is not asked."""
    layout = Layout(directory)
    checks, facts = check_journal(directory)
    if facts is None:
        return checks
    async with _database(layout) as pool:
        if pool is None:
            checks.append(Check("database_matches_journal", [f"there is no database in {directory}"]))
        else:
            checks.append(await check_database(directory, pool, facts.state.seq))
    if rpc_url is not None:
        chain = Chain(rpc_url)
        try:
            checks += await check_chain(chain, recorded(layout), directory, facts)
        except (ChainUnavailable, ChainRefused, ChainMoved) as error:
            checks.append(Check("chain_matches_journal", [f"the chain at {rpc_url} could not be read: {error}"]))
        finally:
            await chain.close()
    return checks


@asynccontextmanager
async def _database(layout: Layout) -> AsyncIterator[Pool | None]:
    """Of the machine that runs on the directory, or its own cluster, started for this alone; None where it has none."""
    try:
        url = running_settings(layout.root).database_url
    except FileNotFoundError:
        if not has_cluster(layout.root):
            yield None
            return
        async with Postgres(layout.root) as postgres:
            pool = await connect(postgres.url)
            try:
                yield pool
            finally:
                await pool.close()
        return
    assert url is not None
    pool = await connect(url)
    try:
        yield pool
    finally:
        await pool.close()
