"""Order lists as their trader is told of them: answers, events and queries, from the engine's events by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine import types as t
from engine.exchange import Exchange
from engine.types import Reason
from engine.wire import encode_command, encode_event, stamped
from gateway import orders as orders_file
from gateway.answers import CANCEL, CANCEL_ALL, PLACE_LIST, REPLACE, Asked
from gateway.api import Gateway
from gateway.errors import ApiError
from gateway.history import PastList
from gateway.keys import KeyStore
from gateway.list_messages import AllLists, FindList
from gateway.messages import FindOrder, OpenOrders
from gateway.order_lists import Member
from gateway.times import MS
from tests.gateway.test_orders import Archive
from tests.gateway.venue import ALICE, BOB, SYMBOL, Durable, market_commands

SOLD: dict[str, Any] = {"account": ALICE, "instrument": 1, "side": t.Side.SELL}
START_NS = 1_800_000_000_000_000_000


class Told:
    """Whom the gateway answers, and who listens to Alice's stream."""

    unit_ns = MS
    owned = None

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.errors: list[ApiError] = []
        self.events: list[Any] = []

    def succeed(self, asked: Asked, result: str) -> None:
        self.results.append(msgspec.json.decode(result))

    def fail(self, asked: Asked, error: ApiError) -> None:
        self.errors.append(error)

    def send_event(self, subscription_id: int, seq: int, event: str) -> None:
        self.events.append(msgspec.json.decode(event))


class Floor:
    """A gateway behind an exchange whose events are written by hand; `found` are the orders and lists at its start."""

    def __init__(self, directory: Path, past: Archive | None = None, **found: Any) -> None:
        exchange = Exchange()
        opening = [encode_command(each) for each in market_commands()]
        exchange.apply(bytes(stamped(opening, 1, START_NS)))
        self.gateway = Gateway(_taken, _taken, past, KeyStore(directory / "keys"))
        self.gateway.restore(replace(exchange.state(), **found))
        self.seq = exchange.seq
        self.told = Told()
        self.gateway._services.users.subscribe(ALICE, self.told, 0)

    def happens(
        self, *commands: tuple[t.Command, Sequence[t.Event]], kind: int = PLACE_LIST, response: str = "FULL"
    ) -> Any:
        """The answer to the last command, which all come in one frame."""
        origin = Asked(self.told, kind, "1", response, "cancels", "")
        records = stamped([encode_command(command) for command, _ in commands], self.seq + 1, START_NS + self.seq * MS)
        events = b"".join(
            encode_event(event, self.seq + number)
            for number, (_, happened) in enumerate(commands, 1)
            for event in happened
        )
        self.gateway.on_durable(Durable(self.seq + 1, bytes(records), events, [origin] * len(commands)))
        self.seq += len(commands)
        return self.told.results.pop() if self.told.results else None

    def asked(self, answer: Any) -> Any:
        return msgspec.json.decode(answer if isinstance(answer, str) else asyncio.run(answer))

    def events(self) -> list[Any]:
        events, self.told.events = self.told.events, []
        return events

    def open_lists(self) -> list[Any]:
        return list(self.asked(self.gateway._services.lists.open(ALICE, MS)))

    def all_lists(self, **choice: Any) -> list[int]:
        return [
            each["orderListId"] for each in self.asked(self.gateway._services.lists.all(ALICE, AllLists(**choice), MS))
        ]

    def one_list(self, **ids: Any) -> Any:
        return self.asked(self.gateway._services.lists.one(ALICE, FindList(**ids), MS))

    def order(self, order_id: int) -> Any:
        return self.asked(self.gateway._services.private.order(ALICE, FindOrder(symbol=SYMBOL, order_id=order_id), MS))


def _taken(records: object, origin: object) -> None:
    """A sequencer's answer to what it takes."""


@pytest.fixture
def floor(tmp_path: Path) -> Floor:
    return Floor(tmp_path)


def leg(number: int, order_type: int, price: int, stop: int = 0, **more: Any) -> tuple[t.Command, Sequence[t.Event]]:
    base = SOLD | {"time_in_force": t.TimeInForce.GTC, "qty_lots": 100, "client_order_id": b"leg-%d" % number} | more
    told = t.ListLeg(order_type=order_type, price_ticks=price, stop_ticks=stop, leg=number, **base)
    return told, [t.Applied(ALICE, 1)]


def accepted(order_id: int, price: int, lots: int, update_id: int = 0, side: int = t.Side.SELL) -> t.Accepted:
    """Of a stop that waits where `lots` is 0."""
    return t.Accepted(ALICE, 1, side, order_id, price, 100, 0, lots, update_id, 100, 0)


def closed(order_id: int, reason: int, price: int, update_id: int = 0, side: int = t.Side.SELL) -> t.Closed:
    return t.Closed(ALICE, 1, side, reason, order_id, 100, 0, 0, price, update_id, int(update_id > 0))


PLACES_OCO = t.PlaceList(ALICE, 1, t.ListKind.OCO, b"both")


def place_oco(floor: Floor, response: str = "FULL") -> Any:
    placed: list[t.Event] = [
        t.Listed(ALICE, 1, t.ListKind.OCO, 1, 2),
        accepted(1, 11_000, 100, 1),
        accepted(2, 8_900, 0),
    ]
    return floor.happens(
        leg(1, t.OrderType.LIMIT_MAKER, 11_000),
        leg(2, t.OrderType.STOP_LOSS_LIMIT, 8_900, 9_000),
        (PLACES_OCO, placed),
        response=response,
    )


def place_oto(floor: Floor) -> Any:
    """A buy of 100 lots that waits to be filled, then a limit sell and a stop of them."""
    pending: list[t.Event] = [
        t.Pending(ALICE, 1, t.Side.SELL, 2, 1, 2, 11_000, 100, 0),
        t.Pending(ALICE, 1, t.Side.SELL, 3, 1, 3, 0, 100, 9_000),
    ]
    placed: list[t.Event] = [
        t.Listed(ALICE, 1, t.ListKind.OTOCO, 1, 3),
        *pending,
        accepted(1, 10_000, 100, 1, t.Side.BUY),
    ]
    return floor.happens(
        leg(1, t.OrderType.LIMIT, 10_000, side=t.Side.BUY),
        leg(2, t.OrderType.LIMIT_MAKER, 11_000),
        leg(3, t.OrderType.STOP_LOSS, 0, 9_000, time_in_force=t.TimeInForce.IOC),
        (t.PlaceList(ALICE, 1, t.ListKind.OTOCO, b"three"), placed),
    )


def test_a_list_has_one_answer_with_all_of_its_orders(floor: Floor) -> None:
    answer = place_oco(floor)
    reports = answer.pop("orderReports")
    assert answer == {
        "orderListId": 1,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "both",
        "transactionTime": answer["transactionTime"],
        "symbol": SYMBOL,
        "orders": [
            {"symbol": SYMBOL, "orderId": 1, "clientOrderId": "leg-1"},
            {"symbol": SYMBOL, "orderId": 2, "clientOrderId": "leg-2"},
        ],
    }
    above, below = reports
    assert (above["type"], above["status"], above["orderListId"], above["fills"]) == ("LIMIT_MAKER", "NEW", 1, [])
    assert (below["type"], below["stopPrice"], below["workingTime"]) == ("STOP_LOSS_LIMIT", "90.00", -1)
    assert above["workingTime"] == above["transactTime"] == answer["transactionTime"]
    assert not floor.told.results


@pytest.mark.parametrize("response", ["ACK", "RESULT"])
def test_the_answer_tells_as_much_as_is_asked(floor: Floor, response: str) -> None:
    [above, _] = place_oco(floor, response)["orderReports"]
    assert ("status" in above, "fills" in above) == (response == "RESULT", False)


def test_a_refusal_is_of_the_whole_list(floor: Floor) -> None:
    refused = t.Rejected(ALICE, 1, Reason.LIST_PRICES)
    leg_two = leg(2, t.OrderType.STOP_LOSS, 0, 9_000)
    assert floor.happens(leg(1, t.OrderType.LIMIT_MAKER, 11_000), leg_two, (PLACES_OCO, [refused])) is None
    [error] = floor.told.errors
    assert (error.code, error.msg) == (-2010, "The relationship of the prices for the orders is not correct.")
    assert (floor.open_lists(), floor.events()) == ([], [])
    assert place_oco(floor)["orderListId"] == 1  # the legs of the refused one are forgotten


def test_its_trader_hears_of_the_list_and_of_each_order(floor: Floor) -> None:
    place_oco(floor)
    listed, above, below = floor.events()
    assert (listed["e"], listed["g"], listed["c"], listed["l"], listed["L"]) == (
        *("listStatus", 1, "OCO", "EXEC_STARTED", "EXECUTING"),
    )
    assert (listed["r"], listed["C"], listed["s"], listed["T"]) == ("NONE", "both", SYMBOL, listed["E"])
    assert listed["O"] == [{"s": SYMBOL, "i": 1, "c": "leg-1"}, {"s": SYMBOL, "i": 2, "c": "leg-2"}]
    assert [(each["x"], each["X"], each["g"], each["w"]) for each in (above, below)] == [
        ("NEW", "NEW", 1, True),
        ("NEW", "NEW", 1, False),
    ]


def test_one_leg_trades_and_the_other_expires(floor: Floor) -> None:
    place_oco(floor)
    floor.events()
    taken = t.Place(BOB, 1, t.Side.BUY, t.OrderType.LIMIT, t.TimeInForce.GTC, 11_000, 100)
    bought = t.Accepted(BOB, 1, t.Side.BUY, 3, 11_000, 100, 100, 0, 0, 0, 110_000_000)
    trade = t.Trade(BOB, ALICE, 1, t.Side.BUY, 1, 1, 3, 11_000, 100, 2, 0, 0, t.TradeFlag.MAKER_FILLED)
    other = closed(2, Reason.LIST_LEG_DONE, 8_900)
    floor.happens((taken, [bought, other, trade, t.ListDone(ALICE, 1, 1)]), kind=t.CommandKind.PLACE)
    expired, filled, done = floor.events()
    assert (expired["x"], expired["eR"], expired["i"]) == ("EXPIRED", "OCO_TRIGGER", 2)
    assert (filled["X"], filled["g"]) == ("FILLED", 1)
    assert (done["l"], done["L"]) == ("ALL_DONE", "ALL_DONE")
    assert floor.open_lists() == []
    assert floor.one_list(order_list_id=1)["listStatusType"] == "ALL_DONE"
    assert (floor.order(2)["orderListId"], floor.order(2)["status"]) == (1, "EXPIRED")


def test_a_cancel_is_told_as_the_list_it_belongs_to(floor: Floor) -> None:
    place_oco(floor)
    both: list[t.Event] = [
        closed(1, Reason.CANCELLED, 11_000, 2),
        closed(2, Reason.CANCELLED, 8_900),
        t.ListDone(ALICE, 1, 1),
    ]
    answer = floor.happens((t.Cancel(ALICE, 1, 2), both), kind=CANCEL)
    assert (answer["orderListId"], answer["listOrderStatus"]) == (1, "ALL_DONE")
    assert [(each["origClientOrderId"], each["clientOrderId"], each["status"]) for each in answer["orderReports"]] == [
        ("leg-1", "cancels", "CANCELED"),
        ("leg-2", "cancels", "CANCELED"),
    ]


def test_cancelling_all_tells_the_orders_and_then_the_lists(floor: Floor) -> None:
    place_oco(floor)
    alone = t.Place(ALICE, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 12_000, 100, client_order_id=b"lone")
    floor.happens((alone, [accepted(3, 12_000, 100, 2)]), kind=t.CommandKind.PLACE)
    all_three: list[t.Event] = [
        closed(1, Reason.CANCELLED, 11_000, 3),
        closed(2, Reason.CANCELLED, 8_900),
        t.ListDone(ALICE, 1, 1),
        closed(3, Reason.CANCELLED, 12_000, 4),
    ]
    lone, listed = floor.happens((t.CancelAll(ALICE, 1), all_three), kind=CANCEL_ALL)
    assert (lone["origClientOrderId"], lone["orderListId"]) == ("lone", -1)
    assert [each["orderId"] for each in listed["orderReports"]] == [1, 2]


def test_a_replaced_leg_takes_its_list_along(floor: Floor) -> None:
    place_oco(floor)
    sold = SOLD | {"time_in_force": t.TimeInForce.GTC, "qty_lots": 100, "client_order_id": b"new"}
    replaces = t.Replace(order_type=t.OrderType.LIMIT, price_ticks=12_000, cancel_order_id=1, **sold)
    both: list[t.Event] = [closed(1, Reason.CANCELLED_REPLACED, 11_000, 2), closed(2, Reason.CANCELLED_REPLACED, 8_900)]
    answer = floor.happens((replaces, [*both, t.ListDone(ALICE, 1, 1), accepted(3, 12_000, 100, 3)]), kind=REPLACE)
    assert (answer["cancelResponse"]["orderListId"], answer["newOrderResponse"]["orderListId"]) == (1, -1)


def test_a_pending_order_waits_until_the_working_one_is_filled(floor: Floor) -> None:
    answer = place_oto(floor)
    assert (answer["contingencyType"], [each["orderId"] for each in answer["orders"]]) == ("OTO", [1, 2, 3])
    assert [(each["orderId"], each["status"], each["workingTime"] > 0) for each in answer["orderReports"]] == [
        (1, "NEW", True),
        (2, "PENDING_NEW", False),
        (3, "PENDING_NEW", False),
    ]
    assert [(each["i"], each["X"], each["w"]) for each in floor.events()[1:]] == [
        (2, "PENDING_NEW", False),
        (3, "PENDING_NEW", False),
        (1, "NEW", True),
    ]
    waiting = floor.order(2)
    assert (waiting["status"], waiting["isWorking"], waiting["workingTime"]) == ("PENDING_NEW", False, -1)
    open_orders = floor.asked(floor.gateway._services.private.open_orders(ALICE, OpenOrders(), MS))
    assert {order["orderId"] for order in open_orders} == {1, 2, 3}
    sold = t.Place(BOB, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 10_000, 100)
    happened: list[t.Event] = [
        t.Accepted(BOB, 1, t.Side.SELL, 4, 10_000, 100, 100, 0, 0, 0, 100_000_000),
        t.Trade(BOB, ALICE, 1, t.Side.SELL, 1, 1, 4, 10_000, 100, 2, 0, 0, t.TradeFlag.MAKER_FILLED),
        t.Triggered(ALICE, 1, t.Side.SELL, 2, 11_000, 5, 0, 100, 3, 100, 0),
        accepted(3, 8_500, 0),
    ]
    floor.happens((sold, happened), kind=t.CommandKind.PLACE)
    filled, rests, waits = floor.events()
    assert (filled["i"], filled["X"]) == (1, "FILLED")
    assert (rests["i"], rests["X"], rests["w"], rests["W"]) == (2, "NEW", True, rests["E"])
    assert (waits["i"], waits["X"], waits["w"], waits["W"]) == (3, "NEW", False, -1)
    depth = floor.gateway._publisher.feeds[1].book.asks.lots
    assert depth == {11_000: 100}
    assert floor.open_lists()[0]["listStatusType"] == "EXEC_STARTED"


def test_pending_orders_end_with_the_working_one(floor: Floor) -> None:
    place_oto(floor)
    floor.events()
    ended: list[t.Event] = [
        closed(1, Reason.PERMISSION_LOST, 10_000, 2, t.Side.BUY),
        closed(2, Reason.LIST_ENDED, 11_000),
        closed(3, Reason.LIST_ENDED, 0),
        t.ListDone(ALICE, 1, 1),
    ]
    floor.happens((t.Clock(), ended), kind=t.CommandKind.CLOCK)
    told = [(each.get("x"), each.get("eR")) for each in floor.events()]
    assert told == [
        ("EXPIRED", "EXCHANGE_CANCELED"),
        ("EXPIRED", "OTO_PHASE_ONE_EXPIRED"),
        ("EXPIRED", "OTO_PHASE_ONE_EXPIRED"),
        (None, None),
    ]
    assert floor.gateway._orders.pending == set()


def test_lists_are_found_by_number_id_and_time(floor: Floor) -> None:
    place_oco(floor)
    two: list[t.Event] = [
        closed(1, Reason.CANCELLED, 11_000, 2),
        closed(2, Reason.CANCELLED, 8_900),
        t.ListDone(ALICE, 1, 1),
    ]
    floor.happens((t.Cancel(ALICE, 1, 1, is_list=1), two), kind=CANCEL)
    changed = floor.one_list(orig_client_order_id="both", order_list_id=77)["transactionTime"]
    assert changed == START_NS // MS + floor.seq - 1
    assert floor.all_lists() == floor.all_lists(from_id=1) == floor.all_lists(start_time=changed) == [1]
    assert floor.all_lists(from_id=2) == floor.all_lists(end_time=changed - 1) == []
    for ids, code in (({"order_list_id": 2}, -2018), ({"orig_client_order_id": "x"}, -2018), ({}, -1128)):
        with pytest.raises(ApiError) as caught:
            floor.one_list(**ids)
        assert caught.value.code == code
    with pytest.raises(ApiError) as caught:
        floor.all_lists(from_id=1, end_time=5)
    assert caught.value.code == -1128


OLD_LIST = PastList(9, ALICE, 1, t.ListKind.OCO, "old", (Member(9, "up"), Member(10, "down")), 5 * MS, 6 * MS, 3)
OPEN_LIST = t.OpenList(7, ALICE, 1, t.ListKind.OTO, 2, b"oto", START_NS)
RESTING = t.OpenOrder(
    *(8, ALICE, 1, t.Side.SELL, t.OrderType.LIMIT_MAKER, t.TimeInForce.GTC, 11_000, 100, 100),
    *(0, 0, 0, START_NS, b"leg-8", 8),
    list_id=7,
    pending=1,
)


def test_what_memory_has_let_go_the_database_tells(tmp_path: Path) -> None:
    past = Archive()
    past.lists = [OLD_LIST]
    floor = Floor(tmp_path, past)
    place_oco(floor)
    assert floor.all_lists() == [1, 9]
    old = floor.one_list(order_list_id=9)
    assert (old["listStatusType"], old["transactionTime"], old["orders"][1]["clientOrderId"]) == ("ALL_DONE", 6, "down")
    assert floor.one_list(orig_client_order_id="old") == old
    past.is_away = True
    assert floor.all_lists() == [1]
    assert floor.one_list(order_list_id=1)["listClientOrderId"] == "both"
    for question in (lambda: floor.one_list(order_list_id=9), lambda: floor.all_lists(from_id=1)):
        with pytest.raises(ApiError) as caught:
            question()
        assert caught.value.code == -1001


def test_after_a_restart_a_list_goes_on_and_the_database_has_the_names_of_what_was_done(tmp_path: Path) -> None:
    past = Archive()
    floor = Floor(tmp_path, past, orders=(RESTING,), lists=(OPEN_LIST,))
    past.is_away = True
    [known] = floor.open_lists()
    assert (known["contingencyType"], [each["orderId"] for each in known["orders"]]) == ("OTO", [8])
    assert (floor.order(8)["status"], floor.order(8)["orderListId"]) == ("PENDING_NEW", 7)
    past.is_away = False
    assert floor.open_lists() == [known]  # it is not there yet
    past.lists = [PastList(7, ALICE, 1, 2, "oto", (Member(7, "leg-7"), Member(8, "leg-8")), START_NS, START_NS, 0)]
    [whole] = floor.open_lists()
    assert [each["clientOrderId"] for each in whole["orders"]] == ["leg-7", "leg-8"]
    past.is_away = True
    assert floor.open_lists() == [whole]
    floor.happens((t.Clock(), [t.Triggered(ALICE, 1, t.Side.SELL, 8, 11_000, 12, 0, 100, 1, 100, 0)]), kind=63)
    assert floor.order(8)["status"] == "NEW"
    assert floor.gateway._publisher.feeds[1].book.asks.lots == {11_000: 100}


def test_lists_are_let_go_with_their_orders(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_file, "CLOSED_KEPT", 1)
    floor.gateway._orders.of(ALICE)._forget_at = 2
    place_oco(floor)
    two: list[t.Event] = [closed(1, Reason.CANCELLED, 11_000, 2), closed(2, Reason.CANCELLED, 8_900)]
    floor.happens((t.Cancel(ALICE, 1, 1), [*two, t.ListDone(ALICE, 1, 1)]), kind=CANCEL)
    assert floor.all_lists() == [1]
    for number in (3, 4):
        place = t.Place(ALICE, 1, t.Side.SELL, t.OrderType.LIMIT, t.TimeInForce.GTC, 12_000, 100)
        floor.happens((place, [accepted(number, 12_000, 100, 2 * number)]), kind=t.CommandKind.PLACE)
        gone: list[t.Event] = [closed(number, Reason.CANCELLED, 12_000, 2 * number + 1)]
        floor.happens((t.Cancel(ALICE, 1, number), gone), kind=CANCEL)
    lists = floor.gateway._orders.of(ALICE).lists
    assert (floor.all_lists(), lists.closed, lists.by_client_id) == ([], {}, {})
