"""What a demo prints: figures and checks from journal, database and chain; only latencies come from the clients."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deedbook.checks import Check, frames_of
from deedbook.demo.measures import latency_summary
from deedbook.demo.seen import Seen
from engine.types import CommandKind, EventKind, Reason
from engine.wire import COMMAND_DTYPE, EVENT_DTYPE
from persistence.database import Pool

Latencies = Iterable["array[int]"]
ORDER_KINDS = (CommandKind.PLACE, CommandKind.REPLACE)
BATCHES = """
    SELECT b.batch_id, b.trade_last - b.trade_after AS trades, b.gas_used,
        (SELECT count(DISTINCT account) FROM trades AS t,
                LATERAL (VALUES (t.taker_account), (t.maker_account)) AS v (account)
            WHERE t.trade_id > b.trade_after AND t.trade_id <= b.trade_last) AS counterparties,
        (SELECT count(DISTINCT instrument) FROM trades AS t
            WHERE t.trade_id > b.trade_after AND t.trade_id <= b.trade_last) AS properties,
        (SELECT count(*) FROM trade_settlements AS s WHERE s.batch_id = b.batch_id AND s.reason = 0) AS settled
    FROM settlement_batches AS b WHERE b.state = 'FINAL' ORDER BY b.batch_id
"""


def journal_figures(directory: Path, seconds: float) -> dict[str, Any]:
    """Orders, refusals by reason and fills, counted in the journal's records."""
    orders = fills = 0
    rejects: Counter[str] = Counter()
    for frame in frames_of(directory):
        kinds = np.frombuffer(frame.commands, COMMAND_DTYPE)["kind"]
        orders += int(np.isin(kinds, ORDER_KINDS).sum())
        events = np.frombuffer(frame.events, EVENT_DTYPE)
        fills += int((events["kind"] == EventKind.TRADE).sum())
        refused = events[events["kind"] == EventKind.REJECTED]["reason"]
        rejects.update(Reason(int(reason)).name for reason in refused)
    return {
        "orders": orders,
        "orders_per_second": round(orders / seconds, 1),
        "rejects_by_reason": dict(sorted(rejects.items())),
        "fills": fills,
    }


async def settlement_figures(pool: Pool) -> dict[str, Any]:
    """Trades by state, and what each batch's gas came to."""
    rows = await pool.fetch("SELECT reason, count(*) AS count FROM trade_settlements GROUP BY reason ORDER BY reason")
    states = {f"FAILED {Reason(row['reason']).name}" if row["reason"] else "FINAL": row["count"] for row in rows}
    waiting = await pool.fetchval(
        "SELECT count(*) FROM trades LEFT JOIN trade_settlements USING (trade_id) WHERE batch_id IS NULL"
    )
    batches = await pool.fetch(BATCHES)
    gas = [
        {
            "fills": row["settled"],
            "counterparties": row["counterparties"],
            "properties": row["properties"],
            "gas_per_fill": row["gas_used"] // row["settled"] if row["settled"] else None,
        }
        for row in batches
    ]
    largest = max(gas, key=lambda batch: batch["fills"], default=None)
    total_fills = sum(batch["fills"] for batch in gas)
    return {
        "trades_by_state": states | ({"MATCHED": waiting} if waiting else {}),
        "batches": len(batches),
        "gas_per_fill": {
            "all_batches": sum(row["gas_used"] for row in batches) // total_fills if total_fills else None,
            "largest_batch": largest,
        },
    }


def client_figures(traders_ns: Latencies, flow_ns: Latencies, seen: Seen) -> dict[str, Any]:
    """What the traders' own sockets measured, from the intended send to the answer.

    A row of the flow that depends on an earlier one waits for its answer before it is sent; that wait is counted.
    """
    return {
        "ack_latency_us": _latency(traders_ns),
        "flow_ack_latency_us": _latency(flow_ns),
        "gateway_rejects": dict(sorted(seen.rejects.items())),
        "sessions_lost": seen.sessions_lost,
        "fills_reported_twice": seen.fills_repeated,
    }


def _latency(samples_ns: Latencies) -> dict[str, int]:
    summary = latency_summary(samples_ns)
    return {
        "count": summary.count,
        "p50": summary.p50_us,
        "p99": summary.p99_us,
        "p99_9": summary.p999_us,
        "max": summary.max_us,
    }


def check_figures(checks: Sequence[Check]) -> dict[str, Any]:
    findings = {check.name: check.findings for check in checks if check.findings}
    return {"checks": {check.name: check.is_kept for check in checks}} | ({"findings": findings} if findings else {})
