"""Routes of those who look after the market: settlement's books, reserves, listed instruments, measures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import aiohttp
import msgspec
from aiohttp import web

from api.problem import Problem
from api.route import Call, Kind, Route
from deedbook.operating.watching import (
    BatchView,
    FailedTradeView,
    InstrumentView,
    ReservesView,
    SettlementView,
    Watching,
)
from settlement.chain import ChainRefused, ChainUnavailable

Measures = Callable[[], Awaitable[str]]  # the exchange's, as Prometheus reads them


class BeforeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`before`: the last id of the page before."""

    before: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None


def routes(watching: Watching, measures: Measures) -> list[Route]:
    async def settlement(_: Call[None]) -> SettlementView:
        return await watching.settlement()

    async def batches(call: Call[None]) -> list[BatchView]:
        return await watching.batches(call.query.before)

    async def failed_trades(call: Call[None]) -> list[FailedTradeView]:
        return await watching.failed_trades(call.query.before)

    async def instruments(_: Call[None]) -> list[InstrumentView]:
        return await watching.instruments()

    async def reserves(_: Call[None]) -> ReservesView:
        try:
            return await watching.reserves()
        except (ChainUnavailable, ChainRefused):
            raise Problem(503, "CHAIN_AWAY", "The chain does not answer; try again in a moment.") from None

    async def measured(_: Call[None]) -> web.Response:
        try:
            text = await measures()
        except (TimeoutError, aiohttp.ClientError):
            raise Problem(503, "AWAY", "The exchange does not answer; try again in a moment.") from None
        return web.Response(text=text, headers={"Cache-Control": "no-store"})

    def get(path: str, handler: Any, answer: Any, summary: str, query: Any = None) -> Route:
        return Route(method="GET", path=path, handler=handler, answer=answer, query=query, summary=summary)

    return [
        get("/operations/settlement", settlement, SettlementView, "Where settlement stands with chain and journal."),
        get("/operations/batches", batches, list[BatchView], "Settled and waiting batches, in pages.", BeforeQuery),
        get(
            "/operations/failed-trades",
            failed_trades,
            list[FailedTradeView],
            "Trades that the chain did not settle, and why, in pages.",
            BeforeQuery,
        ),
        get("/operations/instruments", instruments, list[InstrumentView], "The listed instruments and their rates."),
        get("/operations/reserves", reserves, ReservesView, "What is there for what is owed, on chain and by journal."),
        Route(
            method="GET",
            path="/metrics",
            handler=measured,
            kind=Kind.DOWNLOAD,
            summary="The exchange's counters and latencies, as Prometheus reads them.",
        ),
    ]
