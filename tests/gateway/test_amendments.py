"""Every time that an order was made smaller is told, from memory, from the database, or from both."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import orders
from gateway.orders import Amendment
from tests.gateway.test_orders import Archive, past_order, restarted
from tests.gateway.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Trader, Venue


async def amend(trader: Trader, order_id: int, *quantities: str) -> list[int]:
    """The execution ids of the answers."""
    return [
        (await trader.do("order.amend.keepPriority", symbol=SYMBOL, orderId=order_id, newQty=qty))["result"][
            "executionId"
        ]
        for qty in quantities
    ]


async def told(trader: Trader, order_id: int, **choice: object) -> list[tuple[int, str, str]]:
    answer = await trader.do("order.amendments", symbol=SYMBOL, orderId=order_id, **choice)
    return [(row["executionId"], row["origQty"], row["newQty"]) for row in answer["result"]]


async def refused(trader: Trader, **params: Any) -> int:
    code: int = (await trader.do("order.amendments", **params))["error"]["code"]
    return code


async def test_amendments_are_told_oldest_first_to_the_orders_owner(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    placed = (await alice.limit("SELL", "5", "100", newClientOrderId="mine"))["result"]
    order_id = placed["orderId"]
    assert await told(alice, order_id) == []
    first, second = await amend(alice, order_id, "4", "2.5")
    assert first < second
    _, rows, _ = await venue.rest("GET", "/api/v3/order/amendments", ALICE, symbol=SYMBOL, orderId=order_id)
    assert rows[0] == {
        "symbol": SYMBOL,
        "orderId": order_id,
        "executionId": first,
        "origClientOrderId": "mine",
        "newClientOrderId": "mine",
        "origQty": "5.00",
        "newQty": "4.00",
        "time": rows[0]["time"],
    }
    assert rows[0]["time"] >= placed["transactTime"]
    assert await told(alice, order_id) == [(first, "5.00", "4.00"), (second, "4.00", "2.50")]
    assert await told(alice, order_id, limit=1) == [(first, "5.00", "4.00")]
    assert await told(alice, order_id, fromExecutionId=second) == [(second, "4.00", "2.50")]
    await alice.do("order.cancel", symbol=SYMBOL, orderId=order_id)
    assert len(await told(alice, order_id)) == 2
    assert await refused(bob, symbol=SYMBOL, orderId=order_id) == -2013
    assert await refused(alice, symbol=OTHER_SYMBOL, orderId=order_id) == -2013
    assert await refused(alice, symbol=SYMBOL) == -1102
    assert await refused(alice, symbol=SYMBOL, orderId=order_id, limit=0) == -1100


async def test_what_was_before_a_restart_comes_from_the_database(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    order_id = (await alice.limit("SELL", "5", "100"))["result"]["orderId"]
    [before] = await amend(alice, order_id, "4")
    archive = Archive(amended={order_id: [Amendment(before, 1, 400, 100)]})
    await restarted(venue, archive)
    alice = await venue.trader(ALICE)
    [after] = await amend(alice, order_id, "3")
    both = [(before, "5.00", "4.00"), (after, "4.00", "3.00")]
    assert await told(alice, order_id) == both
    archive.amended[order_id].append(Amendment(after, 2, 300, 100))
    assert await told(alice, order_id) == both, "and is told once"
    archive.projected_to_seq = venue.gateway._orders.projected.seq = before - 1
    lag = await alice.do("order.amendments", symbol=SYMBOL, orderId=order_id)
    assert (lag["status"], lag["error"]["code"]) == (503, -1001)
    archive.is_away = True
    fresh = (await alice.limit("SELL", "5", "100"))["result"]["orderId"]
    await amend(alice, fresh, "1")
    assert [row[2] for row in await told(alice, fresh)] == ["1.00"], "memory has all of it"
    assert await refused(alice, symbol=SYMBOL, orderId=order_id) == -1001


async def test_an_order_that_only_the_database_has_has_its_amendments_there(venue: Venue) -> None:
    archive = Archive(old_orders=[past_order(1, ALICE)], amended={1: [Amendment(5, 5, 100, 50)]})
    await restarted(venue, archive)
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    assert await told(alice, 1) == [(5, "1.50", "1.00")]
    assert await refused(bob, symbol=SYMBOL, orderId=1) == -2013


async def test_memory_keeps_an_orders_newest(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "AMENDMENTS_KEPT", 3)
    archive = Archive()
    await restarted(venue, archive)
    alice = await venue.trader(ALICE)
    order_id = (await alice.limit("SELL", "0.50", "100"))["result"]["orderId"]
    ids = await amend(alice, order_id, *[f"0.{lots}" for lots in range(49, 43, -1)])
    archive.amended[order_id] = [
        Amendment(execution_id, 1, lots, 1) for execution_id, lots in zip(ids, range(49, 43, -1), strict=True)
    ]
    archive.projected_to_seq = ids[2]
    assert [row[0] for row in await told(alice, order_id)] == ids
    assert [row[0] for row in await told(alice, order_id, limit=4)] == ids[:4]
    venue.gateway._orders.projected.seq = archive.projected_to_seq = ids[1]
    assert await refused(alice, symbol=SYMBOL, orderId=order_id) == -1001
