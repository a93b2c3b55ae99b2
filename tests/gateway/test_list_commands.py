"""Requests for order lists to records: the legs and what places them, and the error of everything that is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from engine import types as t
from engine.wire import decode_commands
from gateway import messages as m
from gateway.errors import ApiError
from gateway.list_messages import CancelList, NewList, Oco, OldOco, Oto, Otoco
from tests.gateway.test_commands import commands
from tests.gateway.venue import SYMBOL

PAIR = {
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "110",
    "belowType": "STOP_LOSS_LIMIT",
    "belowPrice": "89",
    "belowStopPrice": "90",
    "belowTimeInForce": "GTC",
}
OCO: dict[str, Any] = {"symbol": SYMBOL, "side": "SELL", "quantity": "1.50", **PAIR}
WORKING = {
    "symbol": SYMBOL,
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "100",
    "workingQuantity": "1",
    "workingTimeInForce": "GTC",
    "pendingSide": "SELL",
    "pendingQuantity": "1.50",
}
OTO = WORKING | {"pendingType": "MARKET"}
OTOCO = WORKING | {f"pending{name[0].upper()}{name[1:]}": value for name, value in PAIR.items()}
OLD = {"symbol": SYMBOL, "side": "SELL", "quantity": "1.50", "price": "110", "stopPrice": "90"}

SOLD = t.ListLeg(7, 1, t.Side.SELL, 0, t.TimeInForce.GTC, 0, 150, self_trade=t.SelfTrade.EXPIRE_MAKER)
PROFIT = replace(SOLD, order_type=t.OrderType.LIMIT_MAKER, price_ticks=11_000)
LOSS = replace(SOLD, order_type=t.OrderType.STOP_LOSS_LIMIT, price_ticks=8_900, stop_ticks=9_000)
WORKS = replace(SOLD, side=t.Side.BUY, order_type=t.OrderType.LIMIT, price_ticks=10_000, qty_lots=100, leg=1)


def records(kind: type[NewList], values: dict[str, Any]) -> list[t.Command]:
    params = msgspec.convert({name: value for name, value in values.items() if value is not ...}, kind)
    return [command for _, _, command in decode_commands(b"".join(commands().place_list(7, params)))]


def without_ids(kind: type[NewList], values: dict[str, Any]) -> list[t.Command]:
    *legs, placing = records(kind, values)
    assert isinstance(placing, t.PlaceList)
    plain = [replace(leg, client_order_id=b"") for leg in legs if isinstance(leg, t.ListLeg)]
    return [*plain, replace(placing, list_client_order_id=b"")]


def refused(kind: type[NewList], values: dict[str, Any]) -> ApiError:
    try:
        records(kind, values)
    except msgspec.ValidationError as error:
        return m.misfit(str(error))
    except ApiError as error:
        return error
    raise AssertionError("it was taken")


def test_an_oco_is_two_legs_and_what_places_them() -> None:
    ids = {"aboveClientOrderId": "up", "belowClientOrderId": "down", "listClientOrderId": "both"}
    assert records(Oco, OCO | ids) == [
        replace(PROFIT, leg=1, client_order_id=b"up"),
        replace(LOSS, leg=2, client_order_id=b"down"),
        t.PlaceList(7, 1, t.ListKind.OCO, b"both"),
    ]


def test_the_older_form_of_an_oco_is_one_too() -> None:
    placing = t.PlaceList(7, 1, t.ListKind.OCO)
    at_market = replace(SOLD, order_type=t.OrderType.STOP_LOSS, time_in_force=t.TimeInForce.IOC, stop_ticks=9_000)
    assert without_ids(OldOco, OLD) == [replace(PROFIT, leg=1), replace(at_market, leg=2), placing]
    limited = OLD | {"stopLimitPrice": "89", "stopLimitTimeInForce": "GTC"}
    assert without_ids(OldOco, limited) == [replace(PROFIT, leg=1), replace(LOSS, leg=2), placing]
    bought = limited | {"side": "BUY", "price": "80", "stopPrice": "120", "stopLimitPrice": "121"}
    above, below, _ = without_ids(OldOco, bought)
    assert isinstance(above, t.ListLeg)
    assert isinstance(below, t.ListLeg)
    assert (above.stop_ticks, above.price_ticks, below.price_ticks) == (12_000, 12_100, 8_000)


def test_an_oto_has_a_working_and_a_pending_leg_and_an_otoco_two_of_those() -> None:
    market = replace(SOLD, order_type=t.OrderType.MARKET, time_in_force=t.TimeInForce.IOC, leg=2)
    assert without_ids(Oto, OTO) == [WORKS, market, t.PlaceList(7, 1, t.ListKind.OTO)]
    expected = [WORKS, replace(PROFIT, leg=2), replace(LOSS, leg=3), t.PlaceList(7, 1, t.ListKind.OTOCO)]
    assert without_ids(Otoco, OTOCO) == expected


def test_the_same_signed_list_has_the_same_ids_again() -> None:
    signed = OCO | {"signature": "abc"}
    first, again, other = records(Oco, signed), records(Oco, signed), records(Oco, OCO | {"signature": "abd"})
    assert first == again
    one, two, placing = first
    assert isinstance(one, t.ListLeg)
    assert isinstance(two, t.ListLeg)
    assert isinstance(placing, t.PlaceList)
    ids = {one.client_order_id, two.client_order_id, placing.list_client_order_id}
    assert len(ids) == 3
    assert all(each.startswith(b"auto-") and len(each) == 36 for each in ids)
    assert first[0] != other[0]
    assert records(Oco, OCO)[2] != records(Oco, OCO)[2]


def test_self_trade_prevention_is_of_all_legs() -> None:
    legs = records(Otoco, OTOCO | {"selfTradePreventionMode": "EXPIRE_BOTH"})[:3]
    assert {leg.self_trade for leg in legs if isinstance(leg, t.ListLeg)} == {t.SelfTrade.EXPIRE_BOTH}


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"aboveType": "MARKET"}, -1158, "Order type not supported in OCO."),
        ({"belowType": "LIMIT_MAKER"}, -1168, "At least one OCO order must be contingent."),
        ({"side": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ({"aboveType": "STOP_LOSS_LIMIT"}, -1197, "A stop loss order in a sell OCO must be below."),
        ({"belowType": "TAKE_PROFIT"}, -1199, "A take profit order in a sell OCO must be above."),
        ({"side": "BUY", "aboveType": "TAKE_PROFIT"}, -1198, "A take profit order in a buy OCO must be below."),
        ({"side": "BUY", "aboveType": "STOP_LOSS"}, -1196, "A stop loss order in a buy OCO must be above."),
        (
            {"aboveType": "STOP_LOSS", "belowType": "LIMIT_MAKER"},
            -1197,
            "A stop loss order in a sell OCO must be below.",
        ),
        ({"side": "sell"}, -1117, "Invalid side."),
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        ({"belowTimeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"belowTimeInForce": ...}, -1102, None),
        ({"belowStopPrice": ...}, -1102, None),
        ({"abovePrice": ...}, -1102, None),
        ({"quantity": ...}, -1102, None),
        ({"quantity": "1.505"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"belowStopPrice": "90.001"}, -1111, "Parameter 'belowStopPrice' has too much precision."),
        ({"aboveClientOrderId": "a b"}, -1100, "Illegal characters found in parameter 'aboveClientOrderId'."),
        ({"listClientOrderId": "a b"}, -1100, "Illegal characters found in parameter 'listClientOrderId'."),
        ({"belowIcebergQty": "1"}, -1106, "Parameter 'belowIcebergQty' sent when not required."),
        ({"aboveTrailingDelta": "1"}, -1104, None),
        ({"abovePegPriceType": "PRIMARY_PEG"}, -1104, None),
        ({"belowStrategyId": 1}, -1104, None),
    ],
)
def test_what_is_no_oco(changes: dict[str, object], code: int, text: str | None) -> None:
    error = refused(Oco, OCO | changes)
    assert error.code == code
    assert text in (None, error.msg)


@pytest.mark.parametrize(
    ("kind", "values", "code", "named"),
    [
        (Oto, OTO | {"workingType": "MARKET"}, -1116, "Invalid orderType."),
        (Oto, OTO | {"pendingType": "OCO"}, -1116, "Invalid orderType."),
        (Oto, OTO | {"pendingSide": "UP"}, -1117, "Invalid side."),
        (Oto, OTO | {"pendingPrice": "1"}, -1106, "'pendingPrice'"),
        (Oto, OTO | {"workingTimeInForce": ...}, -1102, "'workingTimeInForce'"),
        (Oto, OTO | {"workingPrice": "1.001"}, -1111, "'workingPrice'"),
        (Oto, OTO | {"pendingType": "STOP_LOSS"}, -1102, "'pendingStopPrice'"),
        (Oto, OTO | {"quoteOrderQty": "1"}, -1104, ""),
        (Otoco, OTOCO | {"workingType": "STOP_LOSS"}, -1116, "Invalid orderType."),
        (Otoco, OTOCO | {"pendingSide": "BUY"}, -1165, "must be below"),
        (Otoco, OTOCO | {"pendingBelowPrice": ...}, -1102, "'pendingBelowPrice'"),
        (OldOco, OLD | {"stopLimitPrice": "89"}, -1102, "'stopLimitTimeInForce'"),
        (OldOco, OLD | {"limitIcebergQty": "0.001"}, -1111, "'limitIcebergQty'"),
        (OldOco, OLD | {"trailingDelta": 5}, -1104, ""),
    ],
)
def test_what_is_no_other_list(kind: type[NewList], values: dict[str, Any], code: int, named: str) -> None:
    error = refused(kind, values)
    assert error.code == code
    assert named in error.msg


def test_a_list_is_cancelled_by_its_number_or_its_own_id() -> None:
    def cancelled(**ids: object) -> t.Command:
        [(_, _, command)] = decode_commands(commands().cancel_list(7, CancelList(symbol=SYMBOL, **ids)))  # type: ignore[arg-type]
        return command

    assert cancelled(order_list_id=5, list_client_order_id="both") == t.Cancel(7, 1, 5, is_list=1)
    assert cancelled(list_client_order_id="both") == t.Cancel(7, 1, client_order_id=b"both", is_list=1)
    for ids, code in (({}, -1102), ({"order_list_id": -1}, -1102), ({"list_client_order_id": "a b"}, -1100)):
        with pytest.raises(ApiError) as caught:
            cancelled(**ids)
        assert caught.value.code == code
