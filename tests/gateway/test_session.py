"""The ws-api over real sockets: trading, questions, the session itself, errors."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine import types as t
from gateway.keys import READ, TRADE
from tests.gateway.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Client, Refusal, Venue, sign


async def test_an_order_is_placed_matched_and_cancelled(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    placed = await alice.limit("SELL", "1.50", "100.25", newClientOrderId="ask-1")
    assert placed["status"] == 200
    assert placed["result"] | {"transactTime": 0, "workingTime": 0} == {
        "symbol": SYMBOL,
        "orderId": 1,
        "orderListId": -1,
        "clientOrderId": "ask-1",
        "transactTime": 0,
        "price": "100.25",
        "origQty": "1.50",
        "executedQty": "0.00",
        "origQuoteOrderQty": "0.000000",
        "cummulativeQuoteQty": "0.000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingTime": 0,
        "fills": [],
    }
    assert [limit["rateLimitType"] for limit in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    taken = await bob.limit("BUY", "0.50", "101", newClientOrderId="bid-1")
    assert taken["result"]["status"] == "FILLED"
    assert taken["result"]["fills"] == [
        {"price": "100.25", "qty": "0.50", "commission": "0.100250", "commissionAsset": "USDC", "tradeId": 1}
    ]
    status = await alice.do("order.status", symbol=SYMBOL, origClientOrderId="ask-1")
    assert (status["result"]["status"], status["result"]["executedQty"]) == ("PARTIALLY_FILLED", "0.50")
    cancelled = await alice.do("order.cancel", symbol=SYMBOL, orderId=1, newClientOrderId="bye")
    result = cancelled["result"]
    assert (result["status"], result["origClientOrderId"], result["clientOrderId"]) == ("CANCELED", "ask-1", "bye")
    assert (await alice.do("openOrders.status"))["result"] == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("ACK", {"transactTime"}), ("RESULT", {"status", "executedQty"}), ("FULL", {"fills", "status"})],
)
async def test_the_reply_is_as_long_as_asked(venue: Venue, kind: str, fields: set[str]) -> None:
    alice = await venue.trader(ALICE)
    result = (await alice.limit("SELL", "1", "100", newOrderRespType=kind))["result"]
    assert fields <= set(result)
    assert ("fills" in result) == (kind == "FULL")
    assert ("status" in result) == (kind != "ACK")


async def test_market_orders_by_quantity_and_by_quote(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    empty = await bob.do("order.place", symbol=SYMBOL, side="BUY", type="MARKET", quantity="1")
    assert (empty["result"]["status"], empty["result"]["executedQty"]) == ("EXPIRED", "0.00")
    await alice.limit("SELL", "5", "100")
    bought = await bob.do("order.place", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.5")
    assert (bought["result"]["status"], bought["result"]["cummulativeQuoteQty"]) == ("FILLED", "50.000000")
    quote = await bob.do("order.place", symbol=SYMBOL, side="BUY", type="MARKET", quoteOrderQty="120.5")
    assert (quote["result"]["executedQty"], quote["result"]["origQuoteOrderQty"]) == ("1.20", "120.500000")
    assert quote["result"]["status"] == "FILLED"
    assert (await bob.do("openOrders.status"))["result"] == []


async def test_times_in_force(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "1", "100")
    fok = await bob.limit("BUY", "2", "100", timeInForce="FOK")
    assert (fok["result"]["status"], fok["result"]["executedQty"]) == ("EXPIRED", "0.00")
    ioc = await bob.limit("BUY", "2", "100", timeInForce="IOC")
    assert (ioc["result"]["status"], ioc["result"]["executedQty"]) == ("EXPIRED", "1.00")
    till = time.time_ns() // 10**6 + 3_600_000
    gtd = await bob.limit("BUY", "1", "90", timeInForce="GTD", goodTillDate=till)
    assert (await bob.do("order.status", symbol=SYMBOL, orderId=gtd["result"]["orderId"]))["result"][
        "goodTillDate"
    ] == till
    past = await bob.limit("BUY", "1", "90", timeInForce="GTD", goodTillDate=1)
    assert past["error"]["data"]["reason"] == "EXPIRE_TIME_PASSED"
    maker = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT_MAKER", "quantity": "1"}
    crossing = await alice.do("order.place", **maker, price="89")
    assert crossing["error"] == {
        "code": -2010,
        "msg": "Order would immediately match and take.",
        "data": {"reason": "POST_ONLY_WOULD_TAKE"},
    }
    assert set((await alice.do("order.place", **maker, price="95"))["result"]) == {
        "symbol",
        "orderId",
        "orderListId",
        "clientOrderId",
        "transactTime",
    }


async def test_amend_keeps_priority(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "2", "100", newClientOrderId="first")
    await bob.limit("SELL", "2", "100", newClientOrderId="second")
    amended = await alice.do("order.amend.keepPriority", symbol=SYMBOL, origClientOrderId="first", newQty="1")
    assert amended["result"]["amendedOrder"]["qty"] == "1.00"
    carol = await venue.trader(4)
    await carol.limit("BUY", "1", "100")
    assert (await alice.do("order.status", symbol=SYMBOL, origClientOrderId="first"))["result"]["status"] == "FILLED"
    more = await bob.do("order.amend.keepPriority", symbol=SYMBOL, origClientOrderId="second", newQty="3")
    assert (more["error"]["code"], more["error"]["data"]["reason"]) == (-2038, "QTY_NOT_REDUCED")


async def test_every_outcome_of_cancel_replace(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    stop, allow = {"cancelReplaceMode": "STOP_ON_FAILURE"}, {"cancelReplaceMode": "ALLOW_FAILURE"}

    async def replace(price: str, order_id: int, mode: dict[str, str]) -> Any:
        return await alice.do("order.cancelReplace", **(order | mode), price=price, cancelOrderId=order_id)

    await alice.limit("SELL", "1", "100")
    both = await replace("101", 1, stop)
    assert (both["result"]["cancelResult"], both["result"]["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert both["result"]["cancelResponse"]["orderId"] == 1
    assert both["result"]["newOrderResponse"]["orderId"] == 2
    neither = await replace("101", 99, stop)
    assert (neither["status"], neither["error"]["code"]) == (400, -2022)
    assert neither["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert neither["error"]["data"]["cancelResponse"]["code"] == -2011
    only_new = await replace("102", 99, allow)
    assert (only_new["status"], only_new["error"]["code"]) == (409, -2021)
    assert only_new["error"]["data"]["newOrderResponse"]["orderId"] == 3
    only_cancel = await replace("99999999", 3, stop)
    assert (only_cancel["status"], only_cancel["error"]["code"]) == (409, -2021)
    assert only_cancel["error"]["data"]["newOrderResponse"]["data"]["reason"] == "PRICE_TOO_HIGH"
    failed = await replace("99999999", 99, allow)
    assert (failed["status"], failed["error"]["code"]) == (400, -2022)
    assert failed["error"]["data"]["newOrderResult"] == "FAILURE"
    assert [row["orderId"] for row in (await alice.do("openOrders.status"))["result"]] == [2]


async def test_cancel_all_is_by_symbol(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    for price in ("100", "101"):
        await alice.limit("SELL", "1", price)
    await alice.limit("SELL", "1", "100", symbol=OTHER_SYMBOL)
    cancelled = await alice.do("openOrders.cancelAll", symbol=SYMBOL)
    assert [row["price"] for row in cancelled["result"]] == ["100.00", "101.00"]
    assert (await alice.do("openOrders.cancelAll", symbol=SYMBOL))["error"]["code"] == -2011
    assert len((await alice.do("openOrders.status"))["result"]) == 1


async def test_a_client_order_id_in_use_names_the_first_order(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100", newClientOrderId="once")
    again = await alice.limit("SELL", "1", "100", newClientOrderId="once")
    assert again["error"] == {
        "code": -2010,
        "msg": "Duplicate order sent.",
        "data": {"reason": "CLIENT_ORDER_ID_IN_USE", "orderId": 1},
    }


async def test_a_signed_order_sent_twice_is_placed_once(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    params = alice.signed(symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", price="100", quantity="1")
    first = await alice.ask("order.place", **params)
    second = await alice.ask("order.place", **params)
    assert second["error"]["data"] == {"reason": "CLIENT_ORDER_ID_IN_USE", "orderId": first["result"]["orderId"]}


async def test_funds_and_permissions_are_the_engines_to_refuse(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    poor = await alice.limit("BUY", "20000", "1000")
    assert poor["error"] == {
        "code": -2010,
        "msg": "Account has insufficient balance for requested action.",
        "data": {"reason": "INSUFFICIENT_CASH"},
    }
    venue.sequencer.send(t.SetPermission(ALICE, 1, 0, 0, 2**62))
    assert (await alice.limit("BUY", "1", "100"))["error"]["data"]["reason"] == "NOT_PERMITTED"
    venue.sequencer.send(t.SetPhase(t.VENUE, t.Phase.HALT))
    halted = await alice.limit("BUY", "1", "100")
    assert halted["error"]["msg"] == "Market is closed."
    info = await alice.ask("exchangeInfo", symbol=SYMBOL)
    assert info["result"]["symbols"][0]["status"] == "BREAK"


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("OVERLOADED", -1008, 503), ("DISK_FULL", -1008, 503), ("STOPPING", -1016, 503)],
)
async def test_what_the_sequencer_does_not_take_was_not_done(venue: Venue, name: str, code: int, status: int) -> None:
    alice = await venue.trader(ALICE)
    venue.sequencer.refusal = Refusal(name)
    refused = await alice.limit("SELL", "1", "100")
    assert (refused["error"]["code"], refused["status"]) == (code, status)
    venue.sequencer.refusal = None
    assert (await alice.do("openOrders.status"))["result"] == []


async def test_no_answer_leaves_before_the_command_is_durable(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    venue.sequencer.held = True
    asked = asyncio.create_task(alice.limit("SELL", "1", "100"))
    other = Client((await venue.connect()).socket)
    assert (await other.ask("depth", symbol=SYMBOL))["result"]["asks"] == []
    assert not asked.done()
    venue.sequencer.release()
    assert (await asked)["result"]["status"] == "NEW"


async def test_many_requests_are_under_way_at_once(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    for number in range(500):
        request = {"id": f"r{number}", "method": "order.place", "params": numbered(alice.key, number)}
        await alice.socket.send_str(msgspec.json.encode(request).decode())
    answers = [await alice.read() for _ in range(500)]
    assert [answer["id"] for answer in answers] == [f"r{number}" for number in range(500)]
    assert [answer["result"]["orderId"] for answer in answers] == list(range(1, 501))


def numbered(key: Any, number: int) -> dict[str, object]:
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}
    return sign(key, order | {"newClientOrderId": f"n{number}"})


# -- the session itself


async def log_on(venue: Venue, account: int, permissions: tuple[str, ...] = (TRADE, READ)) -> Client:
    private = Ed25519PrivateKey.generate()
    key = venue.store.create_ed25519(account, private.public_key().public_bytes_raw(), permissions)
    client = await venue.connect()
    params = {"apiKey": key.key, "timestamp": time.time_ns() // 10**6}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    signature = base64.b64encode(private.sign(payload.encode())).decode()
    answer = await client.ask("session.logon", **params, signature=signature)
    assert answer["result"]["apiKey"] == key.key
    return client


async def test_a_session_logs_on_trades_and_logs_out(venue: Venue) -> None:
    client = await log_on(venue, ALICE)
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}
    placed = await client.ask("order.place", **order, timestamp=time.time_ns() // 1_000)
    assert placed["result"]["status"] == "NEW"
    assert (await client.ask("order.place", **order, timestamp=1))["error"]["code"] == -1021
    assert (await client.ask("userDataStream.subscribe"))["result"]["subscriptionId"] == 0
    assert (await client.ask("userDataStream.subscribe"))["error"]["code"] == -2035
    assert (await client.ask("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
    assert (await client.ask("session.status"))["result"]["userDataStream"] is True
    gone = await client.ask("session.logout")
    assert (gone["result"]["apiKey"], gone["result"]["userDataStream"]) == (None, False)
    assert (await client.event("eventStreamTerminated"))["e"] == "eventStreamTerminated"
    assert (await client.ask("order.place", **order))["error"]["code"] == -1102


async def test_log_on_is_for_ed25519_keys(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    assert (await alice.do("session.logon"))["error"]["code"] == -1020
    assert (await alice.ask("userDataStream.subscribe"))["error"]["code"] == -2015


async def test_a_revoked_key_ends_its_session(venue: Venue) -> None:
    client = await log_on(venue, ALICE)
    await client.ask("userDataStream.subscribe")
    key = (await client.ask("session.status"))["result"]["apiKey"]
    venue.store.revoke(key)
    assert (await client.ask("openOrders.status"))["error"]["code"] == -2015
    assert await client.event("eventStreamTerminated")


async def test_permissions_of_a_key(venue: Venue) -> None:
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}
    reader, trader = await log_on(venue, ALICE, (READ,)), await log_on(venue, ALICE, (TRADE,))
    assert (await reader.ask("order.place", **order))["error"]["code"] == -2015
    for method in ("order.cancel", "order.amend.keepPriority"):
        answer = await reader.ask(method, symbol=SYMBOL, orderId=1, **({"newQty": "1"} if "amend" in method else {}))
        assert answer["error"]["code"] == -2015
    assert (await trader.ask("order.place", **order))["status"] == 200
    for method in ("openOrders.status", "account.status", "userDataStream.subscribe"):
        assert (await trader.ask(method))["error"]["code"] == -2015
    assert (await trader.ask("order.status", symbol=SYMBOL, orderId=1))["error"]["code"] == -2015
    assert (await trader.ask("myTrades", symbol=SYMBOL))["error"]["code"] == -2015


async def test_rate_limits_can_be_left_out(venue: Venue) -> None:
    client = await venue.connect("/ws-api/v3?returnRateLimits=false")
    assert "rateLimits" not in await client.ask("ping")
    assert "rateLimits" in await client.ask("ping", returnRateLimits=True)
    shown = await venue.connect()
    assert "rateLimits" not in await shown.ask("time", returnRateLimits=False)


async def test_questions_that_anyone_may_ask(venue: Venue) -> None:
    client = await venue.connect()
    assert (await client.ask("ping"))["result"] == {}
    assert abs((await client.ask("time"))["result"]["serverTime"] - time.time() * 1000) < 60_000
    assert (await client.ask("v3/ping"))["result"] == {}
    info = (await client.ask("exchangeInfo"))["result"]
    assert [row["symbol"] for row in info["symbols"]] == [SYMBOL, OTHER_SYMBOL]
    assert (await client.ask("ticker.book", symbol=SYMBOL))["result"]["bidQty"] == "0.00"
    assert (await client.ask("trades.recent", symbol=SYMBOL))["result"] == []
    assert (await client.ask("exchangeInfo", symbol=SYMBOL, symbols=[SYMBOL]))["error"]["code"] == -1128


async def test_a_cancel_may_be_restricted_to_a_status(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    for quantity in ("1", "2"):
        await alice.limit("SELL", quantity, "100", newClientOrderId=f"of{quantity}")
    await bob.limit("BUY", "1.5", "100")
    find = {"symbol": SYMBOL, "origClientOrderId": "of2"}
    refused = (await alice.do("order.cancel", **find, cancelRestrictions="ONLY_NEW"))["error"]
    assert (refused["code"], refused["msg"]) == (-2011, "Order was not canceled due to cancel restrictions.")
    assert (await alice.do("order.cancel", **find, cancelRestrictions="ONLY_OLD"))["error"]["code"] == -1145
    done = await alice.do("order.cancel", **find, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert done["result"]["status"] == "CANCELED"
