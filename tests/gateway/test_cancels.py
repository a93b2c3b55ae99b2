"""Cancel on disconnect, and the countdown that cancels what nobody renews."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway import cancels
from gateway.cancels import Cancels, OwnedOrders
from tests.gateway.venue import ALICE, BOB, DEADLINE_S, OTHER_SYMBOL, SYMBOL, Refusal, Trader, Venue


async def until_open(trader: Trader, wanted: Callable[[list[int]], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not wanted([row["orderId"] for row in (await trader.do("openOrders.status"))["result"]]):
            await asyncio.sleep(0.005)


async def test_a_session_takes_its_orders_with_it_and_no_others(venue: Venue) -> None:
    alice, other, bob = await venue.trader(ALICE), await venue.trader(ALICE), await venue.trader(BOB)
    await alice.limit("SELL", "1", "100")  # before it asked
    assert (await alice.do("session.cancelOnDisconnect", enabled=True))["result"] == {"enabled": True}
    await alice.limit("SELL", "1", "101")
    await alice.limit("SELL", "2", "99")
    await other.limit("SELL", "1", "102")
    await bob.limit("BUY", "0.5", "99")
    replaced = await alice.do(
        "order.cancelReplace",
        symbol=SYMBOL,
        side="SELL",
        type="LIMIT",
        timeInForce="GTC",
        price="103",
        quantity="1",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=2,
    )
    assert replaced["result"]["newOrderResponse"]["orderId"] == 6
    batch: list[Any] = [{"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}]
    batch[0] |= {"price": "104", "quantity": "1"}
    assert (await alice.do("batchOrders.place", batchOrders=batch))["result"][0]["orderId"] == 7
    await alice.socket.close()
    await until_open(other, lambda open_ids: open_ids == [1, 4])


async def test_an_order_on_its_way_when_the_session_ends_goes_too(venue: Venue) -> None:
    alice, other = await venue.trader(ALICE), await venue.trader(ALICE)
    await alice.do("session.cancelOnDisconnect", enabled=True)
    venue.sequencer.held = True
    await alice.socket.send_bytes(b"")  # nothing yet: a binary frame is only refused
    sent = asyncio.create_task(alice.limit("SELL", "1", "100"))
    async with asyncio.timeout(DEADLINE_S):
        while not venue.sequencer._records:
            await asyncio.sleep(0.005)
    sent.cancel()
    await alice.socket.close()
    async with asyncio.timeout(DEADLINE_S):
        while len(venue.gateway._connections) > 1:
            await asyncio.sleep(0.005)
    venue.sequencer.release()
    await until_open(other, lambda open_ids: open_ids == [])
    assert len((await other.do("allOrders", symbol=SYMBOL))["result"]) == 1


async def test_a_session_may_change_its_mind(venue: Venue) -> None:
    alice, other = await venue.trader(ALICE), await venue.trader(ALICE)
    await alice.do("session.cancelOnDisconnect", enabled=True)
    await alice.limit("SELL", "1", "100")
    assert (await alice.do("session.cancelOnDisconnect", enabled=False))["result"] == {"enabled": False}
    await alice.socket.close()
    async with asyncio.timeout(DEADLINE_S):
        while len(venue.gateway._connections) > 1:
            await asyncio.sleep(0.005)
    assert len((await other.do("openOrders.status"))["result"]) == 1


async def test_who_would_cancel_elsewhere_hears_of_a_changed_mind(venue: Venue) -> None:
    disowned: list[int] = []
    alice = await venue.trader(ALICE)
    venue.gateway._cancels.disown = disowned.extend  # type: ignore[misc]
    await alice.do("session.cancelOnDisconnect", enabled=False)
    await alice.do("session.cancelOnDisconnect", enabled=True)
    await alice.limit("SELL", "1", "100")
    await alice.limit("SELL", "1", "101")
    await alice.do("order.cancel", symbol=SYMBOL, orderId=1)
    await alice.do("session.cancelOnDisconnect", enabled=False)
    assert disowned == [2]


async def test_what_is_done_is_not_remembered() -> None:
    sent: list[bytes] = []
    owned = OwnedOrders(Cancels(lambda record, origin: sent.append(record)))

    class Done:
        is_open = False
        order_id = 0

    for number in range(3 * cancels.OWNED_SWEPT):
        done: Any = Done()
        done.order_id = number
        owned.add(done)
    assert len(owned._orders) <= cancels.OWNED_SWEPT
    owned.end()
    assert sent == []


async def test_a_countdown_cancels_all_unless_it_is_set_again(venue: Venue) -> None:
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    for symbol in (SYMBOL, OTHER_SYMBOL):
        await alice.limit("SELL", "1", "100", symbol)
    await bob.limit("SELL", "1", "101")
    set_once = (await alice.do("openOrders.cancelAllAfter", countdownTime=60_000))["result"]
    assert set_once["countdownTime"] == 60_000
    assert (await alice.do("openOrders.cancelAllAfter", countdownTime=0))["result"]["cancelTime"] == 0
    assert venue.gateway._timers._timers == {}
    await alice.do("openOrders.cancelAllAfter", symbol=OTHER_SYMBOL, countdownTime=1)
    await until_open(alice, lambda open_ids: open_ids == [1])
    status, answer, _ = await venue.rest("POST", "/api/v3/countdownCancelAll", ALICE, countdownTime=1)
    assert (status, answer["countdownTime"]) == (200, 1)
    await until_open(alice, lambda open_ids: open_ids == [])
    assert len((await bob.do("openOrders.status"))["result"]) == 1
    for wrong in (-1, cancels.COUNTDOWN_MS_MAX + 1):
        assert (await alice.do("openOrders.cancelAllAfter", countdownTime=wrong))["error"]["code"] == -1102


async def test_a_cancel_that_finds_no_room_is_sent_again(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    await alice.limit("SELL", "1", "100")
    venue.sequencer.refusal = Refusal("OVERLOADED")
    await alice.do("openOrders.cancelAllAfter", countdownTime=1)
    waiting = venue.gateway._services.cancels
    async with asyncio.timeout(DEADLINE_S):
        while not waiting._waiting:
            await asyncio.sleep(0.001)
    venue.sequencer.refusal = None
    await until_open(alice, lambda open_ids: open_ids == [])
