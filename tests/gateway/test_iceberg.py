"""Orders of which a part is hidden: what the public sees of them, and what their trader does."""

from __future__ import annotations

import time
from typing import Any

from engine import types as t
from engine.wire import EVENT_SIZE
from gateway.balances import Balances
from gateway.channels import at_once
from gateway.market_data import MarketFeed
from gateway.markets import Markets
from gateway.orders import PENDING_NEW, Orders
from gateway.publisher import Publisher
from gateway.users import UserStreams
from tests.engine.generator import Generator
from tests.engine.market import Pair
from tests.gateway.test_market_data import engine_book
from tests.gateway.test_orders import restarted
from tests.gateway.test_users import listening, settle
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Durable, Trader, Venue

WISH = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "100"}


async def iceberg(trader: Trader, **changes: object) -> Any:
    return await trader.do("order.place", **(WISH | {"icebergQty": "3", "newOrderRespType": "RESULT"} | changes))


async def asks(venue: Venue) -> Any:
    _, depth, _ = await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL)
    return depth["asks"]


async def test_depth_shows_a_part_and_its_trader_sees_all(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await venue.trader(BOB)
    placed = (await iceberg(alice))["result"]
    assert (placed["origQty"], placed["icebergQty"], placed["status"]) == ("10.00", "3.00", "NEW")
    assert await asks(venue) == [["100.00", "3.00"]]
    await bob.limit("BUY", "4", "100")
    assert await asks(venue) == [["100.00", "2.00"]]
    assert engine_book(venue)["asks"] == {"100.00": "2.00"}
    reports = [event for event in await settle(alice) if event["e"] == "executionReport"]
    assert [(each["x"], each["q"], each["F"], each["z"], each["l"]) for each in reports] == [
        ("NEW", "10.00", "3.00", "0.00", "0.00"),
        ("TRADE", "10.00", "3.00", "3.00", "3.00"),
        ("TRADE", "10.00", "3.00", "4.00", "1.00"),
    ]
    [mine] = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert (mine["origQty"], mine["executedQty"], mine["icebergQty"]) == ("10.00", "4.00", "3.00")
    cancelled = (await alice.do("order.cancel", symbol=SYMBOL, orderId=placed["orderId"]))["result"]
    assert (cancelled["status"], cancelled["icebergQty"], await asks(venue)) == ("CANCELED", "3.00", [])


async def test_over_rest_it_is_placed_reduced_and_replaced(venue: Venue) -> None:
    status, placed, _ = await venue.rest("POST", "/api/v3/order", ALICE, **WISH, icebergQty="3")
    assert (status, placed["icebergQty"]) == (200, "3.00")
    where = {"symbol": SYMBOL, "orderId": placed["orderId"]}
    _, amended, _ = await venue.rest("PUT", "/api/v3/order/amend/keepPriority", ALICE, **where, newQty="5")
    assert (amended["amendedOrder"]["qty"], amended["amendedOrder"]["icebergQty"]) == ("5.00", "3.00")
    assert await asks(venue) == [["100.00", "3.00"]]
    await venue.rest("PUT", "/api/v3/order/amend/keepPriority", ALICE, **where, newQty="2")
    assert await asks(venue) == [["100.00", "2.00"]]
    again = WISH | {"quantity": "6", "type": "LIMIT_MAKER"}
    del again["timeInForce"]
    replace = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["orderId"], "icebergQty": "4"}
    replace |= {"newOrderRespType": "RESULT"}
    _, replaced, _ = await venue.rest("POST", "/api/v3/order/cancelReplace", ALICE, **again, **replace)
    assert replaced["newOrderResponse"]["icebergQty"] == "4.00"
    assert await asks(venue) == [["100.00", "4.00"]]


async def test_the_next_part_is_a_new_order_at_the_back_in_the_stream_of_orders(venue: Venue) -> None:
    alice, bob, carol = await venue.trader(ALICE), await venue.trader(BOB), await venue.trader(CAROL)
    order_id = (await iceberg(alice))["result"]["orderId"]
    await carol.limit("SELL", "2", "100")
    follower = await venue.connect(f"/ws/{SYMBOL.lower()}@l3")
    assert (await follower.read())["asks"] == [[order_id, "100.00", "3.00"], [order_id + 1, "100.00", "2.00"]]
    await bob.limit("BUY", "4", "100")
    rank = order_id + 3
    assert (await follower.read())["c"] == [
        ["D", order_id],
        ["A", rank, "S", "100.00", "3.00", "2.00"],
        ["M", order_id + 1, "1.00"],
    ]
    again = await venue.connect(f"/ws/{SYMBOL.lower()}@l3")
    assert (await again.read())["asks"] == [[order_id + 1, "100.00", "1.00"], [rank, "100.00", "3.00"]]


async def test_a_restart_shows_no_more_of_it(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await iceberg(alice)
    await bob.limit("BUY", "1", "100")
    await restarted(venue, None)
    assert await asks(venue) == [["100.00", "2.00"]]
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    [mine] = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert (mine["origQty"], mine["executedQty"], mine["icebergQty"]) == ("10.00", "1.00", "3.00")
    await bob.limit("BUY", "2", "100")
    assert await asks(venue) == [["100.00", "3.00"]]


async def test_what_is_wrong_with_an_iceberg_is_said(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    for shown_qty in ("10", "0.09"):
        error = (await iceberg(alice, icebergQty=shown_qty))["error"]
        assert (error["code"], error["msg"]) == (-1013, "Filter failure: ICEBERG_PARTS")
        assert error["data"]["reason"] == "DISPLAY_OUT_OF_RANGE"
    market = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": "10", "icebergQty": "3"}
    assert (await alice.do("order.place", **market))["error"]["code"] == -1106
    _, info, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbol=SYMBOL)
    [symbol] = info["symbols"]
    assert symbol["icebergAllowed"] is True
    assert {"filterType": "ICEBERG_PARTS", "limit": 100} in symbol["filters"]


def shown(state: t.MarketState, number: int) -> list[tuple[int, int, int, int]]:
    """Rank, side, price and lots that are shown of what rests."""
    return sorted(
        (order.rank, order.side, order.price_ticks, order.open_lots - order.hidden_lots)
        for order in state.orders
        if order.instrument == number and not (order.pending or (order.stop_ticks and order.rank == order.order_id))
    )


def followed(feed: MarketFeed) -> list[tuple[int, int, int]]:
    sides = ((0, feed.book.bids), (1, feed.book.asks))
    return sorted((side, price, lots) for side, levels in sides for price, lots in levels.lots.items())


def check_book(feed: MarketFeed, state: t.MarketState, number: int) -> None:
    levels: dict[tuple[int, int], int] = {}
    for _, side, price, lots in shown(state, number):
        levels[side, price] = levels.get((side, price), 0) + lots
    assert followed(feed) == sorted((*where, lots) for where, lots in levels.items())
    assert feed.book.update_id == state.instruments[number - 1].update_id


def check_orders(orders: Orders, state: t.MarketState) -> None:
    """Of which list each order is, which wait for another one, and what lists are open."""
    known, lists = set(), set()
    for number in (account.account for account in state.accounts):
        mine = orders.of(number)
        known |= {(order.order_id, max(order.list_id, 0), order.status == PENDING_NEW) for order in mine.open.values()}
        lists |= {(each.list_id, each.kind, each.client_order_id.encode()) for each in mine.lists.open.values()}
    assert known == {(order.order_id, order.list_id, bool(order.pending)) for order in state.orders}
    assert orders.pending == {order_id for order_id, _, is_pending in known if is_pending}
    assert lists == {(each.list_id, each.list_kind, each.list_client_order_id) for each in state.lists}


def played(seed: int, commands: int) -> int:
    """A random market whose public book and orders are compared with the engine's; how often an iceberg showed more."""
    pair, orders = Pair(), Orders(has_history=False)
    publisher = Publisher(Markets(), orders, Balances(), UserStreams(time.time_ns), at_once)
    generator = Generator(seed, pair.oracle)

    def carry_out(command: t.Command) -> None:
        pair.apply(command)
        publisher.publish(Durable(pair.engine.seq, pair.commands[-1], pair.events[-1], [None]))

    for command in generator.setup():
        carry_out(command)
    for _ in range(commands):
        pair.time_ns += generator.time_step_ns()
        carry_out(generator.command())
        state = pair.engine.state()
        for number in range(1, len(state.instruments) + 1):
            feed = publisher.feeds[number]
            check_book(feed, state, number)
            assert sorted(orders.resting(feed.market)) == shown(state, number)
        check_orders(orders, state)
    return sum(events[8::EVENT_SIZE].count(t.EventKind.REPLENISHED) for events in pair.events)


def test_the_public_book_is_what_the_engine_shows_whatever_comes() -> None:
    assert sum(played(seed, 400) for seed in range(300, 306)) > 5
