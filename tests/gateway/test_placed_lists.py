"""Order lists from the request to the last event, with the engine behind them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.gateway.test_list_commands import OCO, OLD, OTO, OTOCO
from tests.gateway.test_market_data import engine_book
from tests.gateway.test_orders import restarted
from tests.gateway.test_stops import trade_at
from tests.gateway.test_users import listening, settle
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Trader, Venue


async def place(trader: Trader, method: str, values: dict[str, Any], **more: object) -> Any:
    answer = await trader.do(f"orderList.{method}", **values | more)
    assert answer["status"] == 200, answer
    return answer["result"]


async def order(trader: Trader, order_id: int) -> Any:
    return (await trader.do("order.status", symbol=SYMBOL, orderId=order_id))["result"]


async def statuses(trader: Trader, placed: Any) -> list[str]:
    return [(await order(trader, each["orderId"]))["status"] for each in placed["orders"]]


async def locked(venue: Venue, asset: str) -> str:
    _, account, _ = await venue.rest("GET", "/api/v3/account", ALICE)
    return str(next(each["locked"] for each in account["balances"] if each["asset"] == asset))


async def test_an_oco_holds_once_and_its_fill_ends_the_stop(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, bob = await listening(venue, ALICE), await venue.trader(BOB)
    placed = await place(alice, "place.oco", OCO, listClientOrderId="both")
    assert [each["status"] for each in placed["orderReports"]] == ["NEW", "NEW"]
    assert await locked(venue, "OAK12") == "1.50"
    assert engine_book(venue)["asks"] == {"110.00": "1.50"}
    assert (await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL))[1]["asks"] == [["110.00", "1.50"]]
    open_orders = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert {each["orderListId"] for each in open_orders} == {placed["orderListId"]}
    await bob.limit("BUY", "0.50", "110")
    assert await statuses(alice, placed) == ["PARTIALLY_FILLED", "EXPIRED"]
    await bob.limit("BUY", "1", "110")
    assert await statuses(alice, placed) == ["FILLED", "EXPIRED"]
    told = [each for each in await settle(alice) if each["e"] in ("executionReport", "listStatus")]
    assert (told[0]["l"], told[-1]["l"]) == ("EXEC_STARTED", "ALL_DONE")
    reports = told[1:-1]
    assert [each["x"] for each in reports] == ["NEW", "NEW", "EXPIRED", "TRADE", "TRADE"]
    assert (reports[2]["eR"], {each["g"] for each in reports}) == ("OCO_TRIGGER", {placed["orderListId"]})
    assert (await alice.do("openOrderLists.status"))["result"] == []
    assert (await alice.do("orderList.status", origClientOrderId="both"))["result"]["listOrderStatus"] == "ALL_DONE"
    trades = (await alice.do("myTrades", symbol=SYMBOL))["result"]
    assert {each["orderListId"] for each in trades} == {placed["orderListId"]}


async def test_the_stop_of_an_oco_ends_its_other_order(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    placed = await place(alice, "place", OLD)
    await trade_at(venue, "90", "0.10")
    above, below = placed["orders"]
    assert (await order(alice, above["orderId"]))["status"] == "EXPIRED"
    assert (await order(alice, below["orderId"]))["status"] == "EXPIRED"  # there was nobody to sell to
    assert engine_book(venue) == {"bids": {}, "asks": {}}
    assert await locked(venue, "OAK12") == "0.00"


async def test_an_oto_places_its_pending_order_when_the_other_is_filled(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    sells = OTO | {"pendingType": "LIMIT", "pendingPrice": "120", "pendingTimeInForce": "GTC", "pendingQuantity": "1"}
    status, placed, headers = await venue.rest("POST", "/api/v3/orderList/oto", ALICE, **sells)
    assert (status, placed["contingencyType"], headers["X-MBX-ORDER-COUNT-1D"]) == (200, "OTO", "2")
    working, pending = placed["orders"]
    waiting = await order(alice, pending["orderId"])
    assert (waiting["status"], waiting["isWorking"], waiting["origQty"]) == ("PENDING_NEW", False, "1.00")
    assert engine_book(venue) == {"bids": {"100.00": "1.00"}, "asks": {}}
    await bob.limit("SELL", "0.40", "100")
    assert await statuses(alice, placed) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    await restarted(venue, None)
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    assert await statuses(alice, placed) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    [known] = (await alice.do("openOrderLists.status"))["result"]
    assert known == {name: value for name, value in placed.items() if name != "orderReports"}
    follower = await venue.connect(f"/ws/{SYMBOL.lower()}@l3")
    await follower.read()
    await bob.limit("SELL", "0.60", "100")
    assert (await order(alice, working["orderId"]))["executedQty"] == "1.00"
    rests = await order(alice, pending["orderId"])
    assert (rests["status"], rests["isWorking"], rests["workingTime"]) == ("NEW", True, rests["updateTime"])
    assert engine_book(venue) == {"bids": {}, "asks": {"120.00": "1.00"}}
    assert (await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL))[1]["asks"] == [["120.00", "1.00"]]
    assert any(change[0] == "A" and change[3] == "120.00" for change in (await follower.read())["c"])


async def test_an_otoco_that_is_filled_at_once_tells_how_its_orders_stand(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, carol = await venue.trader(ALICE), await venue.trader(CAROL)
    await carol.limit("SELL", "1", "100")
    placed = await place(alice, "place.otoco", OTOCO | {"pendingQuantity": "1"})
    working, above, below = placed["orderReports"]
    assert [fill["price"] for fill in working["fills"]] == ["100.00"]
    assert [each["status"] for each in (working, above, below)] == ["FILLED", "NEW", "NEW"]
    assert (above["workingTime"] > 0, below["workingTime"]) == (True, -1)
    assert await locked(venue, "OAK12") == "1.00"


async def test_pending_orders_end_with_the_working_one_whichever_is_cancelled(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    placed = await place(alice, "place.otoco", OTOCO)
    answer = (await alice.do("order.cancel", symbol=SYMBOL, orderId=placed["orders"][2]["orderId"]))["result"]
    assert (answer["orderListId"], answer["listStatusType"]) == (placed["orderListId"], "ALL_DONE")
    assert {each["orderId"] for each in answer["orderReports"]} == {each["orderId"] for each in placed["orders"]}
    assert await statuses(alice, placed) == ["CANCELED"] * 3
    assert await locked(venue, "USDC") == "0.000000"


async def test_a_list_is_cancelled_whole_and_only_once(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    placed = await place(alice, "place.oco", OCO, listClientOrderId="both")
    by_id = {"symbol": SYMBOL, "orderListId": placed["orderListId"]}
    wrong = await alice.do("orderList.cancel", **by_id, listClientOrderId="other")
    assert wrong["error"]["code"] == -2039
    assert (await bob.do("orderList.cancel", **by_id))["error"]["code"] == -2011
    status, answer, _ = await venue.rest(
        "DELETE", "/api/v3/orderList", ALICE, symbol=SYMBOL, listClientOrderId="both", newClientOrderId="gone"
    )
    assert (status, answer["listOrderStatus"]) == (200, "ALL_DONE")
    assert [each["clientOrderId"] for each in answer["orderReports"]] == ["gone", "gone"]
    again = (await alice.do("orderList.cancel", **by_id))["error"]
    assert (again["code"], again["msg"]) == (-2011, "Unknown order sent.")


async def test_cancelling_all_takes_lists_along(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    placed = await place(alice, "place.oco", OCO)
    lone = (await alice.limit("SELL", "1", "130"))["result"]
    answer = (await alice.do("openOrders.cancelAll", symbol=SYMBOL))["result"]
    assert [each.get("orderId", each["orderListId"]) for each in answer] == [lone["orderId"], placed["orderListId"]]
    assert len(answer[1]["orderReports"]) == 2
    assert (await alice.do("openOrders.status"))["result"] == []


async def test_a_leg_is_not_amended_and_its_replacement_ends_the_list(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    placed = await place(alice, "place.oco", OCO)
    leg = placed["orders"][0]["orderId"]
    amended = await alice.do("order.amend.keepPriority", symbol=SYMBOL, orderId=leg, newQty="1")
    assert amended["error"]["code"] == -2038
    limit = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "130", "quantity": "1"}
    replaced = await alice.do("order.cancelReplace", **limit, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=leg)
    assert replaced["result"]["cancelResponse"]["orderListId"] == placed["orderListId"]
    assert await statuses(alice, placed) == ["CANCELED", "CANCELED"]


async def test_what_the_engine_refuses_of_a_list_is_said_once_and_nothing_is_left(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    for changes, code, text in (
        ({"abovePrice": "95"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"quantity": "20000"}, -2010, "Account has insufficient balance for requested action."),
        ({"belowTimeInForce": "DAY"}, -2010, "Unsupported order combination"),
        ({"aboveClientOrderId": "same", "belowClientOrderId": "same"}, -2010, "Unsupported order combination"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ):
        error = (await alice.do("orderList.place.oco", **OCO | changes))["error"]
        assert (error["code"], error["msg"]) == (code, text)
    assert (await alice.do("openOrders.status"))["result"] == []
    assert (await alice.do("allOrderLists"))["result"] == []
    taken = await place(alice, "place.oco", OCO, listClientOrderId="once")
    again = (await alice.do("orderList.place.oco", **OCO, listClientOrderId="once"))["error"]
    assert (again["code"], again["msg"]) == (-2010, "Duplicate order sent.")
    assert again["data"] == {"reason": "CLIENT_ORDER_ID_IN_USE", "orderId": taken["orderListId"]}


async def test_a_list_counts_as_many_orders_as_it_has(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    answer = await alice.do("orderList.place.otoco", **OTOCO)
    counts = {each["interval"]: each["count"] for each in answer["rateLimits"]}
    assert (counts["SECOND"], counts["DAY"], counts["MINUTE"]) == (3, 3, 1)


async def test_lists_end_with_the_session_that_wants_it_so(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, watcher = await venue.trader(ALICE), await venue.trader(ALICE)
    await alice.do("session.cancelOnDisconnect", enabled=True)
    await place(alice, "place.otoco", OTOCO)
    await place(alice, "place.oco", OCO)
    await alice.socket.close()
    async with asyncio.timeout(20):
        while (await watcher.do("openOrders.status"))["result"]:
            await asyncio.sleep(0.01)
    assert (await watcher.do("openOrderLists.status"))["result"] == []


async def test_what_is_said_of_lists_is_in_exchange_info(venue: Venue) -> None:
    _, info, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbol=SYMBOL)
    [symbol] = info["symbols"]
    assert (symbol["ocoAllowed"], symbol["otoAllowed"]) == (True, True)
    assert {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 5_000} in symbol["filters"]
