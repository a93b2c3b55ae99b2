"""`deedbook demo --flows`: every flow from registration to CLOSED, and whether chain, database and ledger agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from deedbook.checks import check_chain, check_database, check_journal
from deedbook.demo.flows import ending, events, first_sale, rent, sign_up, tokenizing, trading
from deedbook.demo.flows.outside import Outside
from deedbook.demo.flows.person import Person
from deedbook.demo.flows.purse import Purse
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.flows.visitor import Visitor
from deedbook.demo.temporary import on_a_machine, say
from deedbook.deployment import give_gas_money, recorded
from deedbook.running import Running
from settlement.chain import Chain

PEOPLE: Final = (*sign_up.ADMINS, sign_up.MANAGER, sign_up.OFFICER, sign_up.TENANT, *sign_up.INVESTORS)
FLOWS: Final[tuple[Callable[[Stage], Awaitable[Told]], ...]] = (
    sign_up.play,
    tokenizing.play,
    first_sale.play,
    trading.play,
    events.play,
    rent.play,
    ending.play,
)


async def flows(keep: Path | None, *, as_json: bool) -> int:
    """0 when everything agrees to the micro, 1 otherwise."""
    return await on_a_machine(played, lambda result: bool(result["agrees"]), keep, as_json=as_json)


async def played(market: Running) -> dict[str, Any]:
    begun_s = time.monotonic()
    async with staged(market, PEOPLE) as stage:
        told = []
        for play in FLOWS:
            say(f"Playing: {play.__module__.rpartition('.')[2].replace('_', ' ')}.")
            told.append(await play(stage))
    checks = await _checks(market)
    agrees = all(checks.values()) and not any(each.findings for each in told)
    return {
        "seconds": round(time.monotonic() - begun_s, 1),
        "flows": {each.flow: {"checks": each.checks, "differ": each.findings} | each.figures for each in told},
        "checks": checks,
        "agrees": agrees,
    }


@asynccontextmanager
async def staged(market: Running, names: Iterable[str]) -> AsyncIterator[Stage]:
    """The stage with its people, each with a wallet and nothing else."""
    deployment = await market.deployment(say)
    assert market.settings.public_url is not None
    async with ClientSession() as http:
        outside = Outside.of(http, market.layout.sandboxes)
        people = {
            name: Person(name, Visitor(market.settings.public_url), Purse(deployment.chain), outside) for name in names
        }
        for person in people.values():
            await give_gas_money(deployment.chain, person.purse.address)
        try:
            yield Stage(market, deployment, outside, people)
        finally:
            for person in people.values():
                await person.visitor.close()


async def _checks(market: Running) -> Mapping[str, bool]:
    """What `deedbook verify` checks: journal, database and chain of the exchange itself."""
    say("Checking journal, database and chain.")
    directory = market.settings.data_dir
    checks, facts = await asyncio.to_thread(check_journal, directory)
    assert facts is not None
    assert market.settings.chain_rpc_url is not None
    checks.append(await check_database(directory, market.pool, facts.state.seq))
    chain = Chain(market.settings.chain_rpc_url)
    checks += await check_chain(chain, recorded(market.layout), directory, facts)
    await chain.close()
    for check in checks:
        for finding in check.findings:
            say(f"{check.name}: {finding}")
    return {check.name: check.is_kept for check in checks}
