"""The read model: what a restart restores, what memory keeps, and what only history has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from engine.exchange import Exchange
from gateway import orders
from gateway.api import Gateway
from gateway.history import PastOrder, PastTrade, Range
from gateway.orders import Amendment
from tests.gateway.past import StoredPast
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Trader, Venue


def past_order(order_id: int, account: int) -> PastOrder:
    return PastOrder(
        order_id, account, 1, 0, 1, 1, 10_000, 100, 0, 40, 40_000_000, 0, 0, "CANCELED", 5, 6, f"old-{order_id}"
    )


def past_trade(trade_id: int, taker: int, maker: int) -> PastTrade:
    return PastTrade(trade_id, 1, taker, maker, 11, 12, 0, 10_000, 40, 2, 1, 5, "FINAL", "", "0xaa")


@dataclass
class Archive(StoredPast):
    """A history of a few rows; it counts how often it is asked."""

    old_orders: list[PastOrder] = field(default_factory=list)
    old_trades: list[PastTrade] = field(default_factory=list)
    amended: dict[int, list[Amendment]] = field(default_factory=dict)  # by order; it has them up to `projected_to_seq`

    def __post_init__(self) -> None:
        super().__init__()

    async def order(
        self, account: int, instrument: int, order_id: int | None, client_order_id: str | None
    ) -> PastOrder | None:
        self.asked += 1
        for order in self.old_orders:
            if (order.account, order.instrument) == (account, instrument) and (
                order.order_id == order_id or order.client_order_id == client_order_id
            ):
                return order
        return None

    async def orders(self, account: int, instrument: int, rows: Range) -> Sequence[PastOrder]:
        self.asked += 1
        return [order for order in self.old_orders if (order.account, order.instrument) == (account, instrument)]

    async def trades(self, account: int, instrument: int, rows: Range) -> Sequence[PastTrade]:
        self.asked += 1
        return [
            trade
            for trade in self.old_trades
            if account in (trade.taker_account, trade.maker_account) and trade.instrument == instrument
        ]

    async def amendments(self, account: int, order_id: int, from_execution_id: int, limit: int) -> Sequence[Amendment]:
        self._ask()
        amended = self.amended.get(order_id, [])
        return [each for each in amended if from_execution_id <= each.execution_id <= self.projected_to_seq][:limit]


async def restarted(venue: Venue, archive: Archive | None) -> Venue:
    """The same exchange from its snapshot, behind a new gateway."""
    await venue.gateway.stop()
    sequencer = venue.sequencer
    sequencer.exchange = Exchange.restore(sequencer.exchange.snapshot())
    gateway = Gateway(sequencer.submit, sequencer.submit_together, archive, venue.store)
    gateway.restore(sequencer.exchange.state())
    sequencer.subscribers[:] = [gateway.on_durable]
    await gateway.start("127.0.0.1", 0, 0)
    venue.gateway = gateway
    return venue


async def test_a_restart_goes_on_where_it_stopped(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "2", "100", newClientOrderId="rest")
    await bob.limit("BUY", "0.5", "100")
    before = [
        (await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL))[1],
        (await venue.rest("GET", "/api/v3/openOrders", ALICE))[1],
        (await venue.rest("GET", "/api/v3/account", BOB))[1]["balances"],
        (await venue.rest("GET", "/api/v3/ticker/price", symbol=SYMBOL))[1],
    ]
    await restarted(venue, None)
    after = [
        (await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL))[1],
        (await venue.rest("GET", "/api/v3/openOrders", ALICE))[1],
        (await venue.rest("GET", "/api/v3/account", BOB))[1]["balances"],
        (await venue.rest("GET", "/api/v3/ticker/price", symbol=SYMBOL))[1],
    ]
    before[1][0]["updateTime"] = after[1][0]["updateTime"]  # the state has when it was accepted only
    assert before == after
    bob = await venue.trader(BOB)
    filled = await bob.limit("BUY", "1.5", "100")
    assert [fill["tradeId"] for fill in filled["result"]["fills"]] == [2]
    alice = await venue.trader(ALICE)
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="rest"))["result"]["executedQty"] == "2.00"


async def test_what_is_older_comes_from_history_and_only_to_its_owner(venue: Venue) -> None:
    archive = Archive([past_order(1, ALICE), past_order(2, BOB)], [past_trade(1, ALICE, BOB)])
    await restarted(venue, archive)
    alice, carol = await venue.trader(ALICE), await venue.trader(CAROL)
    found = (await alice.do("order.status", symbol=SYMBOL, orderId=1))["result"]
    assert (found["status"], found["clientOrderId"], found["executedQty"]) == ("CANCELED", "old-1", "0.40")
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="old-1"))["result"]["orderId"] == 1
    assert (await alice.do("order.status", symbol=SYMBOL, orderId=2))["error"]["code"] == -2013
    assert (await carol.do("order.status", symbol=SYMBOL, orderId=1))["error"]["code"] == -2013
    assert (await carol.do("myTrades", symbol=SYMBOL))["result"] == []
    placed = await alice.limit("SELL", "1", "100")
    rows = (await alice.do("allOrders", symbol=SYMBOL))["result"]
    assert [row["orderId"] for row in rows] == sorted({1, placed["result"]["orderId"]})
    [trade] = (await alice.do("myTrades", symbol=SYMBOL))["result"]
    assert (trade["settlement"], trade["transaction"], trade["isMaker"]) == ("FINAL", "0xaa", False)


async def test_history_that_fails_costs_one_error_and_no_socket(venue: Venue) -> None:
    class Away(Archive):
        async def order(
            self, account: int, instrument: int, order_id: int | None, client_order_id: str | None
        ) -> PastOrder | None:
            raise OSError("the database is away")

    await restarted(venue, Away())
    alice = await venue.trader(ALICE)
    answer = await alice.do("order.status", symbol=SYMBOL, orderId=99)
    assert (answer["status"], answer["error"]["code"]) == (503, -1001)
    assert (await venue.rest("GET", "/api/v3/order", ALICE, symbol=SYMBOL, orderId=99))[1]["code"] == -1001
    assert (await alice.limit("SELL", "1", "100"))["result"]["status"] == "NEW"


async def test_memory_of_done_orders_and_trades_is_bounded(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "CLOSED_KEPT", 5)
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await bob.limit("SELL", "1", "100")
    for number in range(30):
        await alice.limit("BUY", "0.02", "100", newClientOrderId=f"n{number}")
    kept = venue.gateway._orders.of(ALICE)
    assert len(kept.closed) <= 10
    assert len(kept.by_client_id) <= 10
    assert kept.forgotten_seq > 0
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="n29"))["result"]["status"] == "FILLED"
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="n0"))["error"]["code"] == -2013


async def test_trades_are_chosen_by_id_time_and_order(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    for _ in range(3):
        await alice.limit("SELL", "1", "100")
        await bob.limit("BUY", "1", "100")

    async def ids(**choice: object) -> list[int]:
        return [row["id"] for row in (await bob.do("myTrades", symbol=SYMBOL, **choice))["result"]]

    assert await ids() == [1, 2, 3]
    assert await ids(limit=2) == [2, 3]
    assert await ids(fromId=2) == [2, 3]
    assert await ids(fromId=1, limit=1) == [1]
    assert await ids(orderId=4) == [2]
    assert await ids(startTime=1, endTime=2) == []
    assert (await bob.do("myTrades", symbol=SYMBOL, fromId=1, startTime=1))["error"]["code"] == -1128
    assert (await bob.do("myTrades", symbol=SYMBOL, startTime=1, endTime=10**10))["error"]["code"] == -1127
    assert (await bob.do("myTrades", symbol=SYMBOL, limit=0))["error"]["code"] == -1100


async def test_both_ids_must_be_the_same_orders(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100", newClientOrderId="one")
    right, wrong = {"orderId": 1, "origClientOrderId": "one"}, {"orderId": 1, "origClientOrderId": "two"}
    assert (await alice.do("order.status", symbol=SYMBOL, **right))["result"]["orderId"] == 1
    assert (await alice.do("order.status", symbol=SYMBOL, **wrong))["error"]["code"] == -2013
    assert (await alice.do("order.cancel", symbol=SYMBOL, **wrong))["error"]["code"] == -2039
    assert (await alice.do("order.cancel", symbol=SYMBOL, **right))["result"]["status"] == "CANCELED"


async def placed_and_cancelled(trader: Trader, numbers: range) -> None:
    for number in numbers:
        placed = await trader.limit("SELL", "0.05", "100", newClientOrderId=f"c{number}")
        await trader.do("order.cancel", symbol=SYMBOL, orderId=placed["result"]["orderId"])


async def test_what_the_database_has_not_yet_stays_in_memory(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "CLOSED_KEPT", 5)
    monkeypatch.setattr(orders, "TRADES_KEPT", 5)
    archive = Archive()
    archive.projected_to_seq = venue.sequencer.exchange.seq
    await restarted(venue, archive)
    archive.is_away = True
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await placed_and_cancelled(alice, range(40))
    await alice.limit("SELL", "5", "100")
    for _ in range(20):
        await bob.limit("BUY", "0.05", "100")
    for number in range(40):
        found = await alice.do("order.status", symbol=SYMBOL, origClientOrderId=f"c{number}")
        assert found["result"]["status"] == "CANCELED"
    assert len((await alice.do("allOrders", symbol=SYMBOL))["result"]) == 41
    assert len((await bob.do("myTrades", symbol=SYMBOL))["result"]) == 20
    first = (await alice.do("allOrders", symbol=SYMBOL, orderId=1))["error"]
    assert first["code"] == -1001  # nobody can tell what was before the start
    archive.is_away = False
    projected = venue.gateway._orders.projected
    projected.seq = archive.projected_to_seq = venue.sequencer.exchange.seq
    projected.trade_id = archive.projected_id = 20
    await placed_and_cancelled(alice, range(40, 52))
    await bob.limit("BUY", "0.05", "100")
    assert len(venue.gateway._orders.of(ALICE).closed) <= 17
    assert len(venue.gateway._orders.of(BOB).fills) == 5


async def test_memory_is_bounded_while_the_database_is_away_and_then_nothing_is_denied(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "CLOSED_KEPT", 5)
    monkeypatch.setattr(orders, "KEPT_MAX", 20)
    archive = Archive()
    archive.projected_to_seq = venue.sequencer.exchange.seq
    await restarted(venue, archive)
    alice = await venue.trader(ALICE)
    await placed_and_cancelled(alice, range(60))
    assert len(venue.gateway._orders.of(ALICE).closed) <= 25
    gone = await alice.do("order.status", symbol=SYMBOL, origClientOrderId="c0")
    assert (gone["status"], gone["error"]["code"]) == (503, -1001)
    assert len((await alice.do("allOrders", symbol=SYMBOL))["result"]) >= 20
    archive.projected_to_seq = venue.sequencer.exchange.seq
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="c0"))["error"]["code"] == -2013
