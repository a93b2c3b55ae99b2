"""REST: the same trading and questions with signatures over raw query and body, headers and statuses."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import Any

import aiohttp
import pytest
from yarl import URL

from engine import types as t
from engine.wire import encode_command
from gateway.limits import LimitSettings
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, SYMBOL, Refusal, Venue, start_venue

ORDER = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}


async def test_a_private_question_waits_for_what_was_told_elsewhere(venue: Venue) -> None:
    """An order that the exchange has, and of which this gateway has not heard yet."""

    async def catch_up() -> None:
        venue.sequencer.release()

    object.__setattr__(venue.gateway._services, "catch_up", catch_up)
    venue.sequencer.held = True
    venue.sequencer.submit(
        encode_command(t.Place(ALICE, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 10_000, 100)), None
    )
    await asyncio.sleep(0)  # the sequencer's turn: it is under way
    _, found, _ = await venue.rest("GET", "/api/v3/openOrders", ALICE)
    assert [each["orderId"] for each in found] == [1]


async def test_an_order_lives_and_ends(venue: Venue) -> None:
    status, placed, headers = await venue.rest("POST", "/api/v3/order", ALICE, **ORDER, newClientOrderId="one")
    assert (status, placed["status"], placed["clientOrderId"]) == (200, "NEW", "one")
    assert headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert headers["X-MBX-USED-WEIGHT-1M"] == headers["X-MBX-USED-WEIGHT"] == "1"
    _, found, _ = await venue.rest("GET", "/api/v3/order", ALICE, symbol=SYMBOL, origClientOrderId="one")
    assert (found["orderId"], found["isWorking"]) == (1, True)
    _, amended, _ = await venue.rest(
        "PUT", "/api/v3/order/amend/keepPriority", ALICE, symbol=SYMBOL, orderId=1, newQty="0.5"
    )
    assert amended["amendedOrder"]["qty"] == "0.50"
    _, replaced, _ = await venue.rest(
        "POST",
        "/api/v3/order/cancelReplace",
        ALICE,
        **(ORDER | {"price": "101"}),
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=1,
    )
    assert replaced["newOrderResponse"]["orderId"] == 2
    _, bought, _ = await venue.rest(
        "POST", "/api/v3/order", BOB, symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.25"
    )
    assert bought["fills"][0]["price"] == "101.00"
    _, cancelled, _ = await venue.rest("DELETE", "/api/v3/order", ALICE, symbol=SYMBOL, orderId=2)
    assert (cancelled["status"], cancelled["executedQty"]) == ("CANCELED", "0.25")
    _, orders, _ = await venue.rest("GET", "/api/v3/allOrders", ALICE, symbol=SYMBOL)
    assert [order["status"] for order in orders] == ["CANCELED", "CANCELED"]
    _, trades, _ = await venue.rest("GET", "/api/v3/myTrades", ALICE, symbol=SYMBOL)
    assert [(trade["id"], trade["isMaker"], trade["isBuyer"]) for trade in trades] == [(1, True, False)]
    _, account, _ = await venue.rest("GET", "/api/v3/account", ALICE, omitZeroBalances="true")
    assert {row["asset"]: row["locked"] for row in account["balances"]}["OAK12"] == "0.00"
    assert (await venue.rest("GET", "/api/v3/openOrders", ALICE))[1] == []
    assert (await venue.rest("DELETE", "/api/v3/openOrders", ALICE, symbol=SYMBOL))[1]["code"] == -2011
    assert (await venue.rest("POST", "/api/v3/order/test", ALICE, **ORDER))[1] == {}


async def test_questions_that_anyone_may_ask(venue: Venue) -> None:
    await venue.rest("POST", "/api/v3/order", ALICE, **ORDER)
    await venue.rest("POST", "/api/v3/order", BOB, **(ORDER | {"side": "BUY", "quantity": "0.5"}))
    assert (await venue.rest("GET", "/api/v3/ping"))[1] == {}
    assert (await venue.rest("GET", "/api/v3/depth", symbol=SYMBOL))[1]["asks"] == [["100.00", "0.50"]]
    assert (await venue.rest("GET", "/api/v3/trades", symbol=SYMBOL))[1][0]["qty"] == "0.50"
    assert (await venue.rest("GET", "/api/v3/aggTrades", symbol=SYMBOL, fromId=1))[1][0]["q"] == "0.50"
    assert (await venue.rest("GET", "/api/v3/ticker/price", symbol=SYMBOL))[1] == {"symbol": SYMBOL, "price": "100.00"}
    assert len((await venue.rest("GET", "/api/v3/ticker/bookTicker"))[1]) == 2
    _, listed, _ = await venue.rest("GET", "/api/v3/exchangeInfo", symbols=f'["{SYMBOL}"]')
    assert [row["symbol"] for row in listed["symbols"]] == [SYMBOL]
    assert (await venue.rest("GET", "/api/v3/depth", symbol="NOSUCH"))[1] == {"code": -1121, "msg": "Invalid symbol."}


async def raw(
    venue: Venue, method: str, path: str, query: str = "", body: str | bytes = "", key: str | None = None
) -> tuple[int, Any]:
    """A request exactly as written; the signature, where it has one, is the caller's."""
    url = URL(f"{venue.rest_url}{path}?{query}", encoded=True)
    headers = {"X-MBX-APIKEY": key} if key else {}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    async with venue.http.request(method, url, data=body, headers=headers) as response:
        return response.status, await response.json()


def signature(venue: Venue, payload: str) -> str:
    return hmac.digest(venue.keys[ALICE].secret, payload.encode(), "sha256").hex()


@pytest.mark.parametrize("place", ["query", "body", "both", "signature in the query"])
async def test_a_signature_is_over_query_and_body_as_sent(venue: Venue, place: str) -> None:
    now = time.time_ns() // 10**6
    first = f"symbol={SYMBOL}&side=SELL&type=LIMIT&timeInForce=GTC&newClientOrderId=a%3A1"
    second = f"price=100&quantity=1&timestamp={now}"
    query, body = {"query": (f"{first}&{second}", ""), "body": ("", f"{first}&{second}")}.get(place, (first, second))
    signed = f"signature={signature(venue, query + body)}"
    if place in ("query", "signature in the query"):
        query = f"{query}&{signed}"
    else:
        body = f"{body}&{signed}"
    status, placed = await raw(venue, "POST", "/api/v3/order", query, body, venue.keys[ALICE].key)
    assert (status, placed["clientOrderId"]) == (200, "a:1")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("symbol=X&timestamp={now}&signature=00", 400, -1022),
        ("symbol=X&timestamp={now}", 400, -1102),
        ("symbol=X&signature={other}&timestamp={now}", 400, -1022),
        ("symbol=X&symbol=Y&timestamp={now}&signature=00", 400, -1101),
        ("symbol=X&timestamp={now}&bogus=1&signature=00", 400, -1104),
        ("symbol=X&timestamp=abc&signature=00", 400, -1100),
        ("symbol=%FF&timestamp={now}&signature=00", 400, -1100),
        ("&".join(f"a{number}=1" for number in range(100)), 400, -1101),
    ],
)
async def test_bad_signed_requests(venue: Venue, query: str, status: int, code: int) -> None:
    now = time.time_ns() // 10**6
    query = query.replace("{now}", str(now)).replace("{other}", signature(venue, f"symbol=Y&timestamp={now}"))
    answer = await raw(venue, "GET", "/api/v3/order", query, key=venue.keys[ALICE].key)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_a_stale_request_is_refused_and_a_window_widens(venue: Venue) -> None:
    key, old = venue.keys[ALICE].key, time.time_ns() // 10**6 - 10_000
    for window, status in (("", 400), ("&recvWindow=30000", 200), ("&recvWindow=60001", 400)):
        query = f"timestamp={old}{window}"
        answer = await raw(venue, "GET", "/api/v3/account", f"{query}&signature={signature(venue, query)}", key=key)
        assert answer[0] == status, answer


async def test_keys_of_the_wrong_kind(venue: Venue) -> None:
    for api_key, code in ((None, -1102), ("x", -2014), ("A" * 64, -2015)):
        _, answer = await raw(venue, "GET", "/api/v3/account", f"timestamp={time.time_ns() // 10**6}", key=api_key)
        assert answer["code"] == code


async def test_a_body_too_large_or_not_ascii_is_refused(venue: Venue) -> None:
    assert (await raw(venue, "POST", "/api/v3/order", body=b"symbol=\xff\xfe"))[1]["code"] == -1100
    status, answer = await raw(venue, "POST", "/api/v3/order", body="a=" + "x" * 70_000)
    assert (status, answer["code"]) == (413, -1101)


async def test_too_many_requests_say_when_to_come_back(tmp_path: Any) -> None:
    limits = LimitSettings(weight_per_minute=100, orders_per_10s=1)
    async with aiohttp.ClientSession() as http:
        venue = await start_venue(tmp_path, http, limits)
        assert (await venue.rest("POST", "/api/v3/order", ALICE, **ORDER))[0] == 200
        status, answer, headers = await venue.rest("POST", "/api/v3/order", ALICE, **ORDER)
        assert (status, answer["code"]) == (429, -1015)
        assert 1 <= int(headers["Retry-After"]) <= 10
        while (await venue.rest("GET", "/api/v3/exchangeInfo"))[0] == 200:
            pass
        status, answer, headers = await venue.rest("GET", "/api/v3/exchangeInfo")
        assert (status, answer["code"]) == (429, -1003)
        assert 1 <= int(headers["Retry-After"]) <= 60
        await venue.gateway.stop()


async def test_what_the_sequencer_does_not_take_is_503(venue: Venue) -> None:
    venue.sequencer.refusal = Refusal("OVERLOADED")
    status, answer, _ = await venue.rest("POST", "/api/v3/order", ALICE, **ORDER)
    assert (status, answer["code"]) == (503, -1008)


async def test_no_answer_leaves_before_the_command_is_durable(venue: Venue) -> None:
    venue.sequencer.held = True
    asked = asyncio.create_task(venue.rest("POST", "/api/v3/order", ALICE, **ORDER))
    async with asyncio.timeout(DEADLINE_S):
        while not venue.sequencer._records:
            await asyncio.sleep(0.01)
    assert (await venue.rest("GET", "/api/v3/openOrders", ALICE))[1] == []
    assert not asked.done()
    venue.sequencer.release()
    assert (await asked)[1]["status"] == "NEW"
