"""The ws-api over real sockets: trading, questions, log-on, user data, errors."""

from __future__ import annotations

from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue


async def test_an_order_is_placed_matched_and_reported(venue: Venue) -> None:
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
    assert status["result"]["status"] == "PARTIALLY_FILLED"
    assert status["result"]["executedQty"] == "0.50"
    cancelled = await alice.do("order.cancel", symbol=SYMBOL, orderId=1)
    assert cancelled["result"]["status"] == "CANCELED"
    assert cancelled["result"]["origClientOrderId"] == "ask-1"
