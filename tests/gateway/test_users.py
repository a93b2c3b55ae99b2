"""User data streams: one report a fill, balances, settlement; and nobody sees another's."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

from engine import types as t
from tests.gateway.venue import ALICE, BOB, CAROL, SYMBOL, Trader, Venue

HASH, TRANSACTION = b"\x11" * 32, b"\x22" * 32


async def listening(venue: Venue, account: int) -> Trader:
    trader = await venue.trader(account)
    assert (await trader.do("userDataStream.subscribe.signature"))["result"]["subscriptionId"] == 0
    return trader


async def settle(trader: Trader) -> list[Any]:
    """All events that have come: a ping's answer comes after them."""
    await trader.ask("ping")
    events = [message["event"] for message in trader.unread if "event" in message]
    trader.unread.clear()
    return events


async def test_one_report_a_fill_for_each_side(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await listening(venue, BOB)
    await alice.limit("SELL", "1", "100", newClientOrderId="a1")
    await alice.limit("SELL", "1", "101", newClientOrderId="a2")
    await bob.limit("BUY", "3", "101", newClientOrderId="b1")
    makers = [event for event in await settle(alice) if event["e"] == "executionReport"]
    assert [(event["c"], event["x"], event["X"], event["t"], event["m"]) for event in makers] == [
        ("a1", "NEW", "NEW", -1, False),
        ("a2", "NEW", "NEW", -1, False),
        ("a1", "TRADE", "FILLED", 1, True),
        ("a2", "TRADE", "FILLED", 2, True),
    ]
    takers = [event for event in await settle(bob) if event["e"] == "executionReport"]
    assert [(event["x"], event["X"], event["l"], event["L"], event["z"], event["w"]) for event in takers] == [
        ("NEW", "NEW", "0.00", "0.00", "0.00", True),
        ("TRADE", "PARTIALLY_FILLED", "1.00", "100.00", "1.00", True),
        ("TRADE", "PARTIALLY_FILLED", "1.00", "101.00", "2.00", True),
    ]
    assert [event["n"] for event in takers] == ["0", "0.200000", "0.202000"]
    assert len({event["I"] for event in makers + takers}) == len(makers + takers)


async def test_balances_that_changed_are_told_once_a_command(venue: Venue) -> None:
    alice = await listening(venue, ALICE)
    await alice.limit("SELL", "2", "100")
    [position] = [event for event in await settle(alice) if event["e"] == "outboundAccountPosition"]
    assert position["B"] == [{"a": "OAK12", "f": "9998.00", "l": "2.00"}]
    venue.sequencer.deposit(ALICE, t.USDC, 2_500_000, 10**12 + 2_500_000)
    change, position = await settle(alice)
    assert (change["e"], change["a"], change["d"]) == ("balanceUpdate", "USDC", "2.500000")
    assert position["B"] == [{"a": "USDC", "f": "1000002.500000", "l": "0.000000"}]


async def test_how_an_order_ended_is_told(venue: Venue) -> None:
    alice = await listening(venue, ALICE)
    await alice.limit("SELL", "1", "100", newClientOrderId="x1")
    await alice.do("order.amend.keepPriority", symbol=SYMBOL, origClientOrderId="x1", newQty="0.5")
    await alice.do("order.cancel", symbol=SYMBOL, origClientOrderId="x1")
    await alice.limit("BUY", "1", "100", timeInForce="IOC")
    await alice.limit("SELL", "1", "100")
    await alice.limit("BUY", "1", "100", selfTradePreventionMode="EXPIRE_MAKER")
    venue.sequencer.send(t.SetPermission(ALICE, 1, 0, 0, 2**62))
    events = [event for event in await settle(alice) if event["e"] == "executionReport"]
    assert [(event["x"], event["X"], event.get("eR")) for event in events] == [
        ("NEW", "NEW", None),
        ("REPLACED", "NEW", None),
        ("CANCELED", "CANCELED", None),
        ("NEW", "NEW", None),
        ("EXPIRED", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("NEW", "NEW", None),
        ("NEW", "NEW", None),
        ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", None),
        ("EXPIRED", "EXPIRED", "EXCHANGE_CANCELED"),
    ]
    assert events[-1]["reason"] == "PERMISSION_LOST"


async def test_orders_that_decrement_each_other_are_told_and_their_match_can_be_asked_for(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await listening(venue, BOB)
    await alice.limit("SELL", "3", "100")
    await bob.limit("SELL", "1", "100")
    await alice.limit("BUY", "2", "100", selfTradePreventionMode="DECREMENT")
    await alice.limit("BUY", "2", "100", selfTradePreventionMode="DECREMENT")
    events = [event for event in await settle(alice) if event["e"] == "executionReport"]
    names = ("i", "x", "X", "q", "v", "A", "B")
    assert [tuple(map(event.get, names)) for event in events] == [
        (1, "NEW", "NEW", "3.00", None, None, None),
        (3, "NEW", "NEW", "2.00", None, None, None),
        (3, "TRADE_PREVENTION", "NEW", "0.00", 1, "2.00", "2.00"),
        (1, "TRADE_PREVENTION", "NEW", "1.00", 1, "2.00", "2.00"),
        (3, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.00", None, "2.00", None),
        (4, "NEW", "NEW", "2.00", None, None, None),
        (4, "TRADE_PREVENTION", "NEW", "1.00", 2, "1.00", "1.00"),
        (1, "TRADE_PREVENTION", "NEW", "1.00", 2, "3.00", "1.00"),
        (1, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "1.00", None, "3.00", None),
        (4, "TRADE", "FILLED", "1.00", None, "1.00", None),
    ]
    assert (events[2]["U"], events[3]["U"]) == (1, 3)
    [second] = (await alice.do("myPreventedMatches", symbol=SYMBOL, orderId=4))["result"]
    assert (second["preventedMatchId"], second["makerOrderId"], second["price"]) == (2, 1, "100.00")
    assert (second["takerPreventedQuantity"], second["selfTradePreventionMode"]) == ("1.00", "DECREMENT")
    assert (await alice.do("myPreventedMatches", symbol=SYMBOL, preventedMatchId=2))["result"] == [second]
    assert (await alice.do("myPreventedMatches", symbol=SYMBOL))["error"]["code"] == -1128
    assert (await bob.do("myPreventedMatches", symbol=SYMBOL, preventedMatchId=2))["result"] == []


async def trade_and_settle(venue: Venue, alice: Trader, bob: Trader, *, failed: bool) -> None:
    await alice.limit("SELL", "1", "100")
    await bob.limit("BUY", "1", "100")
    if failed:
        venue.sequencer.send(t.EjectTrade(1, 1, 1, t.Reason.SELLER_FROZEN))
    venue.sequencer.send(t.ComposeBatch(1, 1, 0, 1, int(failed), HASH))
    venue.sequencer.send(t.BatchFinal(1, 10, 0, HASH, TRANSACTION))


async def test_a_final_trade_is_told_and_shown(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await listening(venue, BOB)
    await trade_and_settle(venue, alice, bob, failed=False)
    for trader in (alice, bob):
        [told] = [event for event in await settle(trader) if event["e"] == "tradeSettlement"]
        assert (told["s"], told["t"], told["X"], told["r"]) == (SYMBOL, 1, "FINAL", "")
        assert told["h"] == "0x" + TRANSACTION.hex()
        [trade] = (await trader.do("myTrades", symbol=SYMBOL))["result"]
        assert (trade["settlement"], trade["transaction"]) == ("FINAL", told["h"])


async def test_a_batch_on_its_way_is_told_to_its_traders_only_and_once(venue: Venue) -> None:
    alice, bob, carol = [await listening(venue, account) for account in (ALICE, BOB, CAROL)]
    await alice.limit("SELL", "2", "100")
    await bob.limit("BUY", "1", "100")
    await bob.limit("BUY", "1", "100")
    for _ in range(2):  # told again after a crash of the teller
        venue.gateway.on_settling(range(1, 3), frozenset({2}), "MINED", "0x12")
    for trader in (alice, bob):
        told = [event for event in await settle(trader) if event["e"] == "tradeSettlement"]
        assert [(event["t"], event["X"], event["h"]) for event in told] == [(1, "MINED", "0x12")]
        states = [trade["settlement"] for trade in (await trader.do("myTrades", symbol=SYMBOL))["result"]]
        assert states == ["MINED", "MATCHED"]
    assert not [event for event in await settle(carol) if event["e"] == "tradeSettlement"]


async def test_a_failed_trade_gives_back_what_was_given(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await listening(venue, BOB)
    before = (await bob.do("account.status"))["result"]["balances"]
    await trade_and_settle(venue, alice, bob, failed=True)
    events = await settle(bob)
    [told] = [event for event in events if event["e"] == "tradeSettlement"]
    assert (told["X"], told["r"]) == ("FAILED", "SELLER_FROZEN")
    changes = {event["a"]: event["d"] for event in events if event["e"] == "balanceUpdate"}
    assert changes == {"USDC": "100.200000", "OAK12": "-1.00"}
    assert (await bob.do("account.status"))["result"]["balances"] == before
    sellers = {event["a"]: event["d"] for event in await settle(alice) if event["e"] == "balanceUpdate"}
    assert sellers == {"USDC": "-99.900000", "OAK12": "1.00"}
    [trade] = (await bob.do("myTrades", symbol=SYMBOL))["result"]
    assert (trade["settlement"], trade["settlementReason"]) == ("FAILED", "SELLER_FROZEN")


async def test_unsubscribing_needs_no_signature(venue: Venue) -> None:
    alice = await listening(venue, ALICE)
    assert (await alice.ask("userDataStream.unsubscribe", subscriptionId=7))["error"]["code"] == -2036
    assert (await alice.ask("userDataStream.unsubscribe"))["result"] == {}
    await alice.limit("SELL", "1", "100")
    assert [event["e"] for event in await settle(alice)] == ["eventStreamTerminated"]


async def test_a_connection_may_hold_several_accounts_streams(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await venue.trader(BOB)
    alice.key, mine = venue.keys[BOB], alice.key
    assert (await alice.do("userDataStream.subscribe.signature"))["result"]["subscriptionId"] == 1
    alice.key = mine
    await bob.limit("SELL", "1", "100")
    await alice.ask("ping")
    assert {message["subscriptionId"] for message in alice.unread} == {1}


async def test_a_subscription_ends_with_its_connection(venue: Venue) -> None:
    alice, again = await listening(venue, ALICE), await venue.trader(ALICE)
    await alice.socket.close()
    stream = venue.gateway._services.users.streams[ALICE]
    async with asyncio.timeout(10):
        while stream.listeners:
            await asyncio.sleep(0.01)
    assert (await again.limit("SELL", "1", "100"))["status"] == 200


async def test_nobody_sees_or_touches_anothers_orders(venue: Venue) -> None:
    alice, bob, carol = await listening(venue, ALICE), await venue.trader(BOB), await listening(venue, CAROL)
    await alice.limit("SELL", "2", "100", newClientOrderId="secret")
    await bob.limit("BUY", "1", "100")
    by_id, by_name = {"symbol": SYMBOL, "orderId": 1}, {"symbol": SYMBOL, "origClientOrderId": "secret"}
    for find in (by_id, by_name):
        assert (await carol.do("order.status", **find))["error"]["code"] == -2013
        assert (await carol.do("order.cancel", **find))["error"]["code"] == -2011
        assert (await carol.do("order.amend.keepPriority", **find, newQty="1"))["error"]["code"] == -2038
        assert (await venue.rest("GET", "/api/v3/order", CAROL, **find))[1]["code"] == -2013
        assert (await venue.rest("DELETE", "/api/v3/order", CAROL, **find))[1]["code"] == -2011
    replaced = await carol.do(
        "order.cancelReplace",
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="1",
        quantity="1",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=1,
    )
    assert replaced["error"]["data"]["cancelResult"] == "FAILURE"
    assert (await carol.do("openOrders.status"))["result"] == []
    assert (await carol.do("allOrders", symbol=SYMBOL))["result"] == []
    assert (await carol.do("myTrades", symbol=SYMBOL))["result"] == []
    assert (await carol.do("myTrades", symbol=SYMBOL, orderId=1))["result"] == []
    assert (await carol.do("openOrders.cancelAll", symbol=SYMBOL))["error"]["code"] == -2011
    assert await settle(carol) == []
    assert (await alice.do("order.status", **by_id))["result"]["status"] == "PARTIALLY_FILLED"
    for event in await settle(alice):
        assert str(BOB) not in {str(value) for name, value in event.items() if name not in ("i", "I", "t", "q", "l")}


async def test_the_streams_tell_all_that_happened_and_nothing_twice(venue: Venue) -> None:
    rng = Random(11)
    traders = [await listening(venue, account) for account in (ALICE, BOB, CAROL)]
    for number in range(300):
        trader = traders[rng.randrange(3)]
        if rng.random() < 0.2:
            await trader.do("openOrders.cancelAll", symbol=SYMBOL)
        else:
            side, price = rng.choice(["BUY", "SELL"]), f"{100 + rng.randint(-3, 3) / 100:.2f}"
            await trader.limit(side, f"{rng.randint(2, 9) / 100:.2f}", price, newClientOrderId=f"o{number}")
    state = venue.sequencer.exchange.state()
    fills: list[int] = []
    for trader in traders:
        open_orders = {row["orderId"]: row for row in (await trader.do("openOrders.status"))["result"]}
        balances = {row["asset"]: row for row in (await trader.do("account.status"))["result"]["balances"]}
        orders: dict[int, Any] = {}
        told: dict[str, Any] = {}
        for event in await settle(trader):
            if event["e"] == "executionReport":
                if event["x"] == "TRADE":
                    fills.append(event["t"])
                    earlier = orders[event["i"]]
                    assert Decimal(event["z"]) == Decimal(earlier["z"]) + Decimal(event["l"])
                orders[event["i"]] = event
            elif event["e"] == "outboundAccountPosition":
                told |= {row["a"]: row for row in event["B"]}
        assert {order for order, event in orders.items() if event["X"] in ("NEW", "PARTIALLY_FILLED")} == set(
            open_orders
        )
        assert all(open_orders[order]["executedQty"] == orders[order]["z"] for order in open_orders)
        assert all(
            (row["f"], row["l"]) == (balances[asset]["free"], balances[asset]["locked"]) for asset, row in told.items()
        )
    assert sorted(fills) == sorted([*range(1, state.last_trade_id + 1)] * 2)
    assert state.last_trade_id > 50
