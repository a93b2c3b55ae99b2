"""Batches: each order and each cancel is judged by itself, and the answers are in order."""

from __future__ import annotations

from typing import Any

from gateway.batches import ITEMS_MAX
from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue, sign

ORDER = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}


def order(price: str, **more: object) -> dict[str, Any]:
    return ORDER | {"price": price} | more


async def test_each_order_has_its_own_answer_in_order(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    orders = [
        order("100", newClientOrderId="a"),
        order("100.001"),
        order("101", quantity="1000000"),
        order("102", newOrderRespType="ACK"),
    ]
    rows = (await alice.do("batchOrders.place", batchOrders=orders))["result"]
    assert [row.get("clientOrderId", row.get("code")) for row in rows[:3]] == ["a", -1111, -1013]
    assert (rows[0]["status"], rows[3].keys()) == (
        "NEW",
        {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"},
    )
    open_now = (await alice.do("openOrders.status"))["result"]
    assert [row["price"] for row in open_now] == ["100.00", "102.00"]
    assert (await bob.limit("BUY", "1", "100"))["result"]["status"] == "FILLED"
    counts = (await alice.do("account.rateLimits.orders"))["result"]
    assert counts[0]["count"] == 3  # what could not be an order is not counted


async def test_cancels_by_either_id(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.do(
        "batchOrders.place", batchOrders=[order(str(price), newClientOrderId=f"o{price}") for price in (100, 101, 102)]
    )
    asked = {"symbol": SYMBOL, "orderIdList": [1, 9], "origClientOrderIdList": ["o102", "?"]}
    rows = (await alice.do("batchOrders.cancel", **asked))["result"]
    assert [row.get("origClientOrderId", row.get("code")) for row in rows] == ["o100", -2011, "o102", -1100]
    assert [row["orderId"] for row in (await alice.do("openOrders.status"))["result"]] == [2]


async def test_the_same_over_rest(venue: Venue) -> None:
    status, rows, _ = await venue.rest("POST", "/api/v3/batchOrders", ALICE, batchOrders=[order("100"), order("101")])
    assert (status, [row["orderId"] for row in rows]) == (200, [1, 2])
    status, rows, _ = await venue.rest("DELETE", "/api/v3/batchOrders", ALICE, symbol=SYMBOL, orderIdList=[2, 1])
    assert (status, [row["orderId"] for row in rows]) == (200, [2, 1])


async def test_a_batch_sent_again_places_nothing_more(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    request = sign(venue.keys[ALICE], {"batchOrders": [order("100"), order("100")]})
    first, again = [(await alice.ask("batchOrders.place", **request))["result"] for _ in range(2)]
    assert [row["orderId"] for row in first] == [1, 2]
    assert [(row["code"], row["data"]["orderId"]) for row in again] == [(-2010, 1), (-2010, 2)]


async def test_what_cannot_be_a_batch(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    for orders, code in (
        ([], -1102),
        ([order("100")] * (ITEMS_MAX + 1), -1102),
        (7, -1102),
        ([{}], -1102),
        ([order("100", side="UP")], -1117),
        ([order("100", bogus=1)], -1104),
        ([order("100", signature="00")], -1104),
        ([order("100", apiKey=venue.keys[BOB].key)], -1104),
    ):
        answer = await alice.do("batchOrders.place", batchOrders=orders)
        assert answer.get("error", {}).get("code") == code, (orders, answer)
    wrong: list[dict[str, Any]] = [{}, {"orderIdList": []}, {"orderIdList": ["1"]}, {"orderIdList": list(range(1, 22))}]
    for asked in wrong:
        assert (await alice.do("batchOrders.cancel", symbol=SYMBOL, **asked))["error"]["code"] == -1102
    assert (await alice.do("openOrders.status"))["result"] == []
