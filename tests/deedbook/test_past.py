"""What was traded is in every answer, whether the database has it, has it not yet, or is not there at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deedbook.embedded.postgres import Postgres
from deedbook.past import Past
from engine.exchange import Exchange
from gateway.api import Gateway
from gateway.history import HistoryAwayError
from persistence.database import connect, migrate
from persistence.projections import Projector
from tests.fixtures.market import DurableFrame
from tests.gateway.test_list_commands import OCO, OTOCO
from tests.gateway.venue import ALICE, BOB, SYMBOL, Durable, Venue, start_venue


@dataclass
class Recorder:
    """The venue's frames, for a projector that comes later."""

    frames: list[DurableFrame] = field(default_factory=list)

    def take(self, durable: Durable) -> None:
        previous = self.frames[-1].hash if self.frames else bytes(32)
        digest = sha256(previous + durable.commands + durable.events).digest()
        self.frames.append(DurableFrame(durable.first_seq, durable.commands, durable.events, digest))


@dataclass
class World:
    """A venue in front of a real database; `project` brings the database up to now."""

    venue: Venue
    server: Postgres
    past: Past
    recorder: Recorder

    async def restart(self) -> None:
        """A new gateway on the exchange as it stands."""
        venue, sequencer = self.venue, self.venue.sequencer
        await venue.gateway.stop()
        venue.gateway = Gateway(sequencer.submit, sequencer.submit_together, self.past, venue.store)
        venue.gateway.restore(sequencer.exchange.state())
        sequencer.subscribers[:] = [self.recorder.take, venue.gateway.on_durable]
        await venue.gateway.start("127.0.0.1", 0, 0)

    async def trade(self, price: str) -> None:
        alice, bob = await self.venue.trader(ALICE), await self.venue.trader(BOB)
        await alice.limit("SELL", "1", price)
        assert (await bob.limit("BUY", "1", price))["result"]["status"] == "FILLED"

    async def project(self) -> None:
        pool = await connect(self.server.url)
        await (await Projector.open(pool)).apply(self.recorder.frames)
        await pool.close()

    async def ask(self, path: str, **params: Any) -> tuple[int, Any]:
        status, body, _ = await self.venue.rest("GET", f"/api/v3/{path}", symbol=SYMBOL, **params)
        return status, body

    async def prices(self, path: str, **params: Any) -> list[str]:
        status, body = await self.ask(path, **params)
        assert status == 200, body
        return [row["price"] if "price" in row else row["p"] for row in body]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = Postgres(tmp_path / "postgres")
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            pool = await connect(server.url)
            await migrate(pool)
            await pool.close()
            venue, past, recorder = await start_venue(tmp_path, http), Past(server.url), Recorder()
            venue.sequencer.exchange = Exchange()  # anew: the projector needs the frames that open the market, too
            venue.sequencer.subscribers[:] = [recorder.take]
            venue.sequencer.open_market()
            world = World(venue, server, past, recorder)
            await world.restart()
            try:
                yield world
            finally:
                for socket in venue.sockets:
                    await socket.close()
                await venue.gateway.stop()
                await past.close()
    finally:
        await server.stop()


async def test_the_database_may_lag_stop_and_come_back(world: World) -> None:
    await world.trade("100")
    assert await world.prices("historicalTrades") == ["100.00"], "not in the database yet"
    await world.project()
    await world.trade("101")
    assert await world.prices("historicalTrades", fromId=1) == ["100.00", "101.00"]
    await world.restart()
    await world.server.stop()
    await world.trade("102")
    assert await world.prices("trades") == ["102.00"]
    assert await world.prices("historicalTrades") == ["102.00"]
    assert await world.prices("aggTrades") == ["102.00"]
    status, klines = await world.ask("klines", interval="1m")
    assert (status, klines[-1][4], sum(row[8] for row in klines)) == (200, "102.00", 1)
    assert (await world.ask("ticker/24hr"))[1]["lastPrice"] == "102.00"
    assert (await world.ask("historicalTrades", fromId=1))[0] == 503
    assert (await world.ask("klines", interval="1m", startTime=0))[0] == 503
    with pytest.raises(HistoryAwayError, match="did not answer"):
        await world.past.last_trade_id()  # at once: it was asked a moment ago
    await world.server.start()
    await world.project()
    async with asyncio.timeout(20):
        while (await world.ask("historicalTrades", fromId=1))[0] != 200:
            await asyncio.sleep(0.05)
    assert await world.prices("historicalTrades", fromId=1) == ["100.00", "101.00", "102.00"]
    status, klines = await world.ask("klines", interval="1d", startTime=0)
    assert (status, sum(row[8] for row in klines)) == (200, 3)
    assert (await world.ask("ticker", windowSize="7d"))[1]["count"] == 3
    start_ms = time.time_ns() // 10**6 - 3_600_000
    assert await world.prices("aggTrades", startTime=start_ms) == ["100.00", "101.00", "102.00"]
    assert await world.prices("aggTrades", endTime=start_ms) == []


async def test_amendments_are_in_the_next_answer_with_the_database_and_without(world: World) -> None:
    alice = await world.venue.trader(ALICE)
    order_id = (await alice.limit("SELL", "5", "100"))["result"]["orderId"]

    async def amend(order_id: int, qty: str) -> None:
        alice = await world.venue.trader(ALICE)
        assert (await alice.do("order.amend.keepPriority", symbol=SYMBOL, orderId=order_id, newQty=qty))["result"]

    async def amended(order_id: int) -> tuple[int, Any]:
        status, rows = await world.ask("order/amendments", account=ALICE, orderId=order_id)
        return status, [row["newQty"] for row in rows] if status == 200 else rows["code"]

    await amend(order_id, "4")
    assert await amended(order_id) == (200, ["4.00"]), "not in the database yet"
    await world.project()
    await world.restart()
    await amend(order_id, "3")
    assert await amended(order_id) == (200, ["4.00", "3.00"])
    await world.project()
    assert await amended(order_id) == (200, ["4.00", "3.00"])
    await world.server.stop()
    assert await amended(order_id) == (503, -1001), "the first one is not in memory"
    alice = await world.venue.trader(ALICE)
    new_id = (await alice.limit("SELL", "5", "100"))["result"]["orderId"]
    await amend(new_id, "2")
    assert await amended(new_id) == (200, ["2.00"])


async def test_lists_are_told_after_a_restart_and_while_the_database_is_away(world: World) -> None:
    alice, bob = await world.venue.trader(ALICE), await world.venue.trader(BOB)
    done = (await alice.do("orderList.place.oco", **OCO))["result"]
    await bob.limit("BUY", "1.50", "110")
    goes_on = (await alice.do("orderList.place.otoco", **OTOCO))["result"]
    await bob.limit("SELL", "1", "100")
    ids = [done["orderListId"], goes_on["orderListId"]]
    await world.project()
    await world.restart()

    async def lists(path: str, **params: Any) -> list[Any]:
        status, body, _ = await world.venue.rest("GET", f"/api/v3/{path}", ALICE, **params)
        assert status == 200, body
        return list(body)

    assert [each["orderListId"] for each in await lists("allOrderList")] == ids
    [still_open] = await lists("openOrderList")
    assert (
        still_open["orders"] == goes_on["orders"]
    )  # the first was filled before the restart: the database has its name
    status, told, _ = await world.venue.rest("GET", "/api/v3/orderList", ALICE, orderListId=ids[0])
    assert (status, told["listOrderStatus"], told["orders"]) == (200, "ALL_DONE", done["orders"])
    status, told, _ = await world.venue.rest(
        "GET", "/api/v3/orderList", ALICE, origClientOrderId=done["listClientOrderId"]
    )
    assert (status, told["orderListId"]) == (200, ids[0])
    trades = await lists("myTrades", symbol=SYMBOL)
    assert [each["orderListId"] for each in trades] == ids
    status, first, _ = await world.venue.rest("GET", "/api/v3/order", ALICE, symbol=SYMBOL, orderId=ids[0])
    assert (status, first["orderListId"], first["status"]) == (200, ids[0], "FILLED")
    await world.server.stop()
    alice = await world.venue.trader(ALICE)
    placed = (await alice.do("orderList.place.oco", **OCO | {"abovePrice": "120"}))["result"]
    assert [each["orderListId"] for each in await lists("openOrderList")] == [ids[1], placed["orderListId"]]
    assert [each["orderListId"] for each in await lists("allOrderList")] == [ids[1], placed["orderListId"]]
    assert (await world.venue.rest("GET", "/api/v3/orderList", ALICE, orderListId=ids[0]))[0] == 503
    assert (await world.venue.rest("GET", "/api/v3/orderList", ALICE, orderListId=placed["orderListId"]))[0] == 200
