"""Orders that wait for a price, as a client of the order API sees them."""

from __future__ import annotations

from typing import Any

from tests.gateway.test_market_data import engine_book
from tests.gateway.test_orders import restarted
from tests.gateway.test_users import listening, settle
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Trader, Venue


async def trade_at(venue: Venue, price: str, quantity: str = "1") -> None:
    carol, bob = await venue.trader(CAROL), await venue.trader(BOB)
    await carol.limit("SELL", quantity, price)
    await bob.limit("BUY", quantity, price)


async def stop(trader: Trader, **order: object) -> Any:
    return await trader.do("order.place", symbol=SYMBOL, **order)


async def reports(trader: Trader) -> list[Any]:
    return [event for event in await settle(trader) if event["e"] == "executionReport"]


async def test_a_stop_waits_unseen_and_is_told_when_it_is_triggered(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await listening(venue, ALICE)
    wish = {"side": "BUY", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "2", "price": "112"}
    placed = (await stop(alice, **wish, stopPrice="110", newOrderRespType="RESULT"))["result"]
    assert (placed["status"], placed["stopPrice"], placed["workingTime"]) == ("NEW", "110.00", -1)
    [new] = await reports(alice)
    assert (new["x"], new["X"], new["P"], new["w"], new["W"]) == ("NEW", "NEW", "110.00", False, -1)
    [waiting] = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert (waiting["isWorking"], waiting["stopPrice"], waiting["type"]) == (False, "110.00", "STOP_LOSS_LIMIT")
    assert engine_book(venue) == {"bids": {}, "asks": {}}
    _, depth, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL)
    assert (depth["bids"], depth["asks"]) == ([], [])
    carol, bob = await venue.trader(CAROL), await venue.trader(BOB)
    await carol.limit("SELL", "1", "110")
    await carol.limit("SELL", "1", "111")
    await bob.limit("BUY", "1", "110")
    triggered, fill = await reports(alice)
    assert (triggered["x"], triggered["X"], triggered["w"], triggered["i"]) == ("NEW", "NEW", True, placed["orderId"])
    assert triggered["W"] == triggered["E"] > 0
    assert (fill["x"], fill["X"], fill["L"], fill["m"]) == ("TRADE", "PARTIALLY_FILLED", "111.00", False)
    [working] = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert (working["isWorking"], working["executedQty"], working["workingTime"]) == (True, "1.00", triggered["W"])
    _, depth, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL)
    assert depth["bids"] == [["112.00", "1.00"]]


async def test_the_reply_to_who_triggers_it_has_its_own_fills_only(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, bob, carol = await venue.trader(ALICE), await venue.trader(BOB), await venue.trader(CAROL)
    answer = await stop(alice, side="SELL", type="STOP_LOSS", quantity="1", stopPrice="90")
    assert set(answer["result"]) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    await bob.limit("BUY", "1", "90")
    await bob.limit("BUY", "1", "85")
    filled = (await carol.limit("SELL", "1", "90"))["result"]
    assert [fill["price"] for fill in filled["fills"]] == ["90.00"]
    done = (await alice.do("order.status", symbol=SYMBOL, orderId=answer["result"]["orderId"]))["result"]
    assert (done["status"], done["cummulativeQuoteQty"], done["isWorking"]) == ("FILLED", "85.000000", False)


async def test_what_is_wrong_with_a_stop_is_said(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    market = {"side": "BUY", "type": "STOP_LOSS", "quantity": "1"}
    limit = {"side": "BUY", "type": "TAKE_PROFIT_LIMIT", "quantity": "1", "price": "90", "stopPrice": "95"}
    reached = (await stop(alice, **market, stopPrice="100"))["error"]
    assert (reached["code"], reached["msg"]) == (-2010, "Order would trigger immediately.")
    plain = {"side": "BUY", "type": "LIMIT", "quantity": "1", "price": "90", "timeInForce": "GTC"}
    codes = [
        (await stop(alice, **order))["error"]["code"]
        for order in (
            market,
            market | {"stopPrice": "110", "price": "110"},
            market | {"stopPrice": "110", "timeInForce": "IOC"},
            market | {"stopPrice": "110.001"},
            limit,
            plain | {"stopPrice": "80"},
        )
    ]
    assert codes == [-1102, -1106, -1106, -1111, -1102, -1106]
    _, info, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbol=SYMBOL)
    assert {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"} <= set(info["symbols"][0]["orderTypes"])


async def test_a_waiting_stop_is_reduced_and_cancelled_and_a_restart_keeps_it(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await venue.trader(ALICE)
    take = {"side": "SELL", "type": "TAKE_PROFIT", "quantity": "3", "stopPrice": "120"}
    order_id = (await stop(alice, **take))["result"]["orderId"]
    limit = {"side": "BUY", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "2", "price": "112"}
    resting_id = (await stop(alice, **limit, stopPrice="110"))["result"]["orderId"]
    await alice.do("order.amend.keepPriority", symbol=SYMBOL, orderId=order_id, newQty="1")
    await trade_at(venue, "110")
    await restarted(venue, None)
    _, depth, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL)
    assert (depth["bids"], depth["asks"]) == ([["112.00", "2.00"]], [])
    alice = await venue.trader(ALICE)
    waiting, resting = sorted(
        (await alice.do("openOrders.status", symbol=SYMBOL))["result"], key=lambda order: order["orderId"]
    )
    assert (waiting["orderId"], waiting["isWorking"], waiting["origQty"]) == (order_id, False, "1.00")
    assert (resting["orderId"], resting["isWorking"], resting["stopPrice"]) == (resting_id, True, "110.00")
    cancelled = (await alice.do("order.cancel", symbol=SYMBOL, orderId=order_id))["result"]
    assert (cancelled["status"], cancelled["stopPrice"]) == ("CANCELED", "120.00")


async def test_the_stream_of_orders_shows_a_triggered_one_behind_those_that_were_there(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, bob, carol = await venue.trader(ALICE), await venue.trader(BOB), await venue.trader(CAROL)
    limit = {"side": "BUY", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "112"}
    order_id = (await stop(alice, **limit, stopPrice="112"))["result"]["orderId"]
    await bob.limit("BUY", "2", "112")
    follower = await venue.connect(f"/ws/{SYMBOL.lower()}@l3")
    assert (await follower.read())["bids"] == [[order_id + 1, "112.00", "2.00"]]
    await carol.limit("SELL", "1", "112")
    changes = (await follower.read())["c"]
    rank = order_id + 3
    assert ["A", rank, "B", "112.00", "1.00", "1.00"] in changes
    assert ["M", order_id + 1, "1.00"] in changes
    again = await venue.connect(f"/ws/{SYMBOL.lower()}@l3")
    assert (await again.read())["bids"] == [[order_id + 1, "112.00", "1.00"], [rank, "112.00", "1.00"]]
    await alice.do("order.cancel", symbol=SYMBOL, orderId=order_id)
    assert (await follower.read())["c"] == [["D", rank]]
