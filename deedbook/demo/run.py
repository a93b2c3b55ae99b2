"""`deedbook demo`: everything started, a market set up, traded, settled and checked; one JSON object at the end."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deedbook.checks import check_chain, check_database, check_journal
from deedbook.demo.cast import FLOW_CAST, roles
from deedbook.demo.flow import FlowOrder, read_flow
from deedbook.demo.flow_cast import needs
from deedbook.demo.flow_synthetic import synthetic_flow
from deedbook.demo.market import TICK_VALUE_USDC_MICROS
from deedbook.demo.report import check_figures, client_figures, journal_figures, settlement_figures
from deedbook.demo.scenario import Scenario
from deedbook.demo.temporary import on_a_machine, say
from deedbook.deployment import recorded
from deedbook.running import Running
from settlement.chain import Chain

RECORDED = Path("../shared/data")
FLOW_ROWS_PER_S = 400
FLOW_FEE_BPS = 10


async def demo(
    seconds: int, seed: int, flow: Path | None, keep: Path | None, *, as_json: bool, gateways: int = 0
) -> int:
    """0 when every check is kept, 1 otherwise; `keep` as in `on_a_machine`.

    flow      recorded order flow; without it the first file of ../shared/data, or else made-up rows.
    gateways  processes before the exchange; 0: it has none.
    """
    rows, source = _rows(flow, seconds * FLOW_ROWS_PER_S, seed)
    say(f"One instrument replays {len(rows)} rows of {source}.")

    async def play(market: Running) -> dict[str, Any]:
        return await _played(market, rows, seconds, seed) | {"flow": {"source": source, "rows": len(rows)}}

    def is_good(result: Mapping[str, Any]) -> bool:
        return all(result["checks"].values())

    return await on_a_machine(play, is_good, keep, as_json=as_json, gateways=gateways)


async def _played(market: Running, rows: list[FlowOrder], seconds: int, seed: int) -> dict[str, Any]:
    begun_s = time.monotonic()
    cast = roles(needs(rows, FLOW_CAST, TICK_VALUE_USDC_MICROS, FLOW_FEE_BPS))
    scenario = Scenario(market, cast, rows, seed, say)
    await scenario.set_up()
    setup_s = time.monotonic() - begun_s
    say(f"Trading for {seconds} s.")
    traded_s = await scenario.trade(seconds)
    say("Waiting until everything is settled.")
    await scenario.settle()
    say("Checking journal, database and chain.")
    directory = market.settings.data_dir
    checks, facts = await asyncio.to_thread(check_journal, directory)
    if facts is not None:
        checks.append(await check_database(directory, market.pool, facts.state.seq))
        assert market.settings.chain_rpc_url is not None
        chain = Chain(market.settings.chain_rpc_url)
        checks += await check_chain(chain, recorded(market.layout), directory, facts)
        await chain.close()
    figures = {"seconds": round(traded_s, 1), "setup_seconds": round(setup_s, 1), "investors": len(cast.people)}
    return (
        figures
        | journal_figures(directory, traded_s)
        | await settlement_figures(market.pool)
        | client_figures(scenario.latencies_ns(of_flow=False), scenario.latencies_ns(of_flow=True), scenario.seen())
        | {"events": scenario.told}
        | check_figures(checks)
    )


def _rows(flow: Path | None, rows_max: int, seed: int) -> tuple[list[FlowOrder], str]:
    if flow is None and RECORDED.is_dir():
        flow = next(iter(sorted(RECORDED.glob("*.csv.gz"))), None)
    if flow is None:
        return synthetic_flow(seed, rows_max), f"made-up order flow, seed {seed}"
    return read_flow(flow, rows_max), flow.name
