"""A dividend's ex-date, as a client of the order API and a follower of the book see it."""

from __future__ import annotations

from engine import types as t
from tests.gateway.test_market_data import engine_book
from tests.gateway.test_orders import restarted
from tests.gateway.test_stops import reports, stop, trade_at
from tests.gateway.test_users import listening, settle
from tests.gateway.venue import ALICE, BOB, SYMBOL, Venue

LOW = SYMBOL.lower()
TICK_USDC_MICROS = 100  # for one lot


def ex_date(ticks: int, number: int = 1) -> t.ExDate:
    return t.ExDate(1, ticks * TICK_USDC_MICROS, number.to_bytes(16))


async def test_an_adjusted_order_is_told_to_its_trader(venue: Venue) -> None:
    alice, bob = await listening(venue, ALICE), await venue.trader(BOB)
    placed = (await alice.limit("BUY", "2", "100"))["result"]
    low = (await alice.limit("BUY", "2", "0.50"))["result"]
    await bob.limit("SELL", "1", "120")
    await settle(alice)
    venue.sequencer.send(ex_date(1_000))
    repriced, closed, position = await settle(alice)
    assert (repriced["x"], repriced["X"], repriced["p"], repriced["q"]) == ("REPLACED", "NEW", "90.00", "2.00")
    assert (repriced["i"], repriced["reason"], repriced["w"]) == (placed["orderId"], "EX_DATE", True)
    assert "eR" not in repriced
    assert (closed["x"], closed["X"], closed["p"], closed["i"]) == ("EXPIRED", "EXPIRED", "0.50", low["orderId"])
    assert (closed["reason"], closed["eR"]) == ("EX_DATE", "EXCHANGE_CANCELED")
    assert [(row["a"], row["l"]) for row in position["B"]] == [("USDC", "180.360000")]
    [left] = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert (left["price"], left["updateTime"]) == ("90.00", repriced["T"])
    cancelled = (await alice.do("order.cancel", symbol=SYMBOL, orderId=placed["orderId"]))["result"]
    assert (cancelled["price"], cancelled["origQty"], cancelled["status"]) == ("90.00", "2.00", "CANCELED")


async def test_a_stop_is_told_with_its_new_prices_and_one_without_a_limit_with_none(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice = await listening(venue, ALICE)
    limit = {"side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "88"}
    await stop(alice, **limit, stopPrice="90")
    await stop(alice, side="BUY", type="TAKE_PROFIT", quantity="1", stopPrice="80")
    await settle(alice)
    venue.sequencer.send(ex_date(500))
    told = [(event["x"], event["p"], event["P"], event["w"]) for event in await reports(alice)]
    assert told == [("REPLACED", "83.00", "85.00", False), ("REPLACED", "0.00", "75.00", False)]
    waiting = (await alice.do("openOrders.status", symbol=SYMBOL))["result"]
    assert [(order["price"], order["stopPrice"]) for order in waiting] == [("83.00", "85.00"), ("0.00", "75.00")]
    assert engine_book(venue) == {"bids": {}, "asks": {}}


async def test_every_view_of_the_book_is_lowered(venue: Venue) -> None:
    await trade_at(venue, "100")
    alice, bob = await venue.trader(ALICE), await venue.trader(BOB)
    ids = [
        (await trader.limit("BUY", quantity, price))["result"]["orderId"]
        for trader, quantity, price in ((alice, "1", "95"), (bob, "2", "90"), (alice, "3", "90"), (bob, "4", "95"))
    ]
    depth, orders = await venue.connect(f"/ws/{LOW}@depth@100ms"), await venue.connect(f"/ws/{LOW}@l3")
    assert (await orders.read())["e"] == "l3Snapshot"
    venue.sequencer.send(ex_date(500))
    changed = await depth.read()
    assert dict(changed["b"]) == {"95.00": "0.00000000", "90.00": "5.00", "85.00": "5.00"}
    assert changed["u"] == venue.sequencer.exchange.state().instruments[0].update_id
    added = [change for change in (await orders.read())["c"] if change[0] == "A"]
    assert [(change[1], change[3]) for change in added] == [
        (ids[0], "90.00"),
        (ids[3], "90.00"),
        (ids[1], "85.00"),
        (ids[2], "85.00"),
    ]
    again = await (await venue.connect(f"/ws/{LOW}@l3")).read()
    assert [order[0] for order in again["bids"]] == [ids[0], ids[3], ids[1], ids[2]]
    assert engine_book(venue)["bids"] == {"90.00": "5.00", "85.00": "5.00"}


async def test_the_prices_that_others_are_measured_by_are_lowered_for_good(venue: Venue) -> None:
    await trade_at(venue, "100")
    await (await venue.trader(ALICE)).limit("BUY", "1", "95")
    venue.sequencer.send(t.SetBands(1, 11_000, 2_000, 0, 0), ex_date(500))

    async def told() -> tuple[str, str, list[list[str]]]:
        price, reference, depth = [
            (await venue.rest("GET", f"/api/v3/{path}", symbol=SYMBOL))[1]
            for path in ("ticker/price", "referencePrice", "depth")
        ]
        return price["price"], reference["referencePrice"], depth["bids"]

    assert await told() == ("95.00", "105.00", [["90.00", "1.00"]])
    await restarted(venue, None)
    assert await told() == ("95.00", "105.00", [["90.00", "1.00"]])
