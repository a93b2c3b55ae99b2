"""Times in microseconds for who asks for them, in private answers and events too: the same moments, told finer."""

from __future__ import annotations

import hmac
import time
from typing import Any

import pytest

from engine.engines import core_is_built
from tests.gateway.test_plain import logged_on
from tests.gateway.test_user_replay import subscribed
from tests.gateway.test_users import settle
from tests.gateway.venue import ALICE, BOB, SYMBOL, Trader, Venue

TIMES = {"time", "updateTime", "workingTime", "transactTime", "goodTillDate", "E", "T", "O", "W", "u"}
FINE = "?timeUnit=MICROSECOND"


async def fine_trader(venue: Venue, account: int) -> Trader:
    return Trader((await venue.connect(f"/ws-api/v3{FINE}")).socket, venue.keys[account])


def coarse(fine: Any) -> Any:
    """A fine answer as it is in milliseconds; smaller numbers are no times."""
    if isinstance(fine, list):
        return [coarse(each) for each in fine]
    if not isinstance(fine, dict):
        return fine
    return {name: value // 1_000 if name in TIMES and value > 10**14 else coarse(value) for name, value in fine.items()}


async def something_happened(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "5", "100")
    await alice.do("order.amend.keepPriority", symbol=SYMBOL, orderId=1, newQty="4")
    await bob.limit("BUY", "1", "100")
    await alice.limit("BUY", "1", "100", selfTradePreventionMode="DECREMENT")
    await alice.limit("SELL", "1", "120", timeInForce="GTD", goodTillDate=2_000_000_000_000)
    await alice.do("order.place", symbol=SYMBOL, side="BUY", type="STOP_LOSS", quantity="1", stopPrice="130")


async def test_every_private_question_is_answered_in_both_units(venue: Venue) -> None:
    await something_happened(venue)
    alice, fine = await venue.trader(ALICE), await fine_trader(venue, ALICE)
    for method, params in (
        ("order.status", {"symbol": SYMBOL, "orderId": 1}),
        ("order.amendments", {"symbol": SYMBOL, "orderId": 1}),
        ("openOrders.status", {"symbol": SYMBOL}),
        ("allOrders", {"symbol": SYMBOL}),
        ("myTrades", {"symbol": SYMBOL}),
        ("myPreventedMatches", {"symbol": SYMBOL, "orderId": 1}),
        ("account.status", {}),
    ):
        plain, exact = (await alice.do(method, **params))["result"], (await fine.do(method, **params))["result"]
        assert plain, method
        assert plain != exact, method
        assert coarse(exact) == plain, method


async def test_a_range_may_be_asked_for_in_microseconds(venue: Venue) -> None:
    await something_happened(venue)
    fine = await fine_trader(venue, ALICE)
    [trade] = (await fine.do("myTrades", symbol=SYMBOL))["result"]
    assert trade["time"] > 10**15
    for start, count in ((trade["time"], 1), (trade["time"] + 1, 0)):
        end = start + 24 * 3600 * 10**6
        for method in ("myTrades", "allOrders"):
            rows = (await fine.do(method, symbol=SYMBOL, startTime=start, endTime=end))["result"]
            assert len(rows) == (count if method == "myTrades" else 3)
    assert (await fine.do("myTrades", symbol=SYMBOL, startTime=start, endTime=end + 10**6))["error"]["code"] == -1127


async def test_rest_answers_in_the_unit_of_its_header(venue: Venue) -> None:
    key = venue.keys[ALICE]
    order = f"symbol={SYMBOL}&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=100"
    query = f"{order}&timestamp={time.time_ns() // 10**6}"
    signed = f"{query}&signature={hmac.digest(key.secret, query.encode(), 'sha256').hex()}"
    headers = {"X-MBX-APIKEY": key.key, "X-MBX-TIME-UNIT": "microsecond"}
    async with venue.http.post(f"{venue.rest_url}/api/v3/order?{signed}", headers=headers) as response:
        placed = await response.json()
    assert placed["transactTime"] == placed["workingTime"] > 10**15
    _, same, _ = await venue.rest("GET", "/api/v3/order", ALICE, symbol=SYMBOL, orderId=placed["orderId"])
    assert same["time"] == placed["transactTime"] // 1_000


async def test_events_come_in_the_unit_of_their_socket(venue: Venue) -> None:
    alice, fine = await venue.trader(ALICE), await fine_trader(venue, ALICE)
    await subscribed(alice)
    begun = (await subscribed(fine))["result"]
    await something_happened(venue)
    plain, exact = await settle(alice), await settle(fine)
    assert [event["e"] for event in plain].count("executionReport") >= 7
    assert plain != exact
    assert coarse(exact) == plain
    await fine.socket.close()
    again = await fine_trader(venue, ALICE)
    missed = (await subscribed(again, fromSeq=0, streamId=begun["streamId"]))["result"]
    assert missed["seq"] == len(exact)
    assert await settle(again) == exact
    venue.gateway.announce_stop()
    assert (await again.event("serverShutdown"))["E"] > 10**15
    assert (await again.do("userDataStream.unsubscribe"))["error"]["code"] == -1104  # it takes no signature
    await again.ask("userDataStream.unsubscribe")
    assert (await again.event("eventStreamTerminated"))["E"] > 10**15


async def test_a_listen_key_has_its_unit_in_its_address(venue: Venue) -> None:
    async with venue.http.post(
        f"{venue.rest_url}/api/v3/userDataStream", headers={"X-MBX-APIKEY": venue.keys[ALICE].key}
    ) as response:
        listen_key = (await response.json())["listenKey"]
    plain, fine = await venue.connect(f"/ws/{listen_key}"), await venue.connect(f"/ws/{listen_key}{FINE}")
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    assert coarse(await fine.read()) == await plain.read()


@pytest.mark.skipif(not core_is_built(), reason="the core is not built")
async def test_a_session_that_logged_on_has_its_unit_in_every_answer(venue: Venue) -> None:
    client = await logged_on(venue, path=f"/ws-api/v3{FINE}")
    placed = await client.ask(
        "order.place", symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="100"
    )
    assert placed["result"]["transactTime"] > 10**15
    cancelled = await client.ask("order.cancel", symbol=SYMBOL, orderId=placed["result"]["orderId"])
    assert cancelled["result"]["transactTime"] > 10**15
    status = (await client.ask("session.status"))["result"]
    assert min(status[name] for name in ("authorizedSince", "connectedSince", "serverTime")) > 10**15
