"""Trading requests to records: what passes, and the error of everything that does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from engine import types as t
from engine.wire import decode_commands
from gateway import messages as m
from gateway.commands import Commands
from gateway.errors import ApiError
from gateway.markets import Markets
from tests.gateway.venue import SYMBOL

ORDER: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "100.25",
    "quantity": "1.50",
}
MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET"}


def commands() -> Commands:
    markets = Markets()
    markets.list(t.SetInstrument(1, 1, 100, 10**7, 10**7, 0, 0, 10, symbol=SYMBOL.encode(), lot_decimals=2))
    return Commands(markets)


def placed(**changes: object) -> t.Place:
    values = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    record = commands().place(7, msgspec.convert(values, m.NewOrder))
    [(_, _, command)] = decode_commands(record)
    assert isinstance(command, t.Place)
    return command


def refused(values: Mapping[str, object]) -> ApiError:
    try:
        params = msgspec.convert({name: value for name, value in values.items() if value is not ...}, m.NewOrder)
    except msgspec.ValidationError as error:
        return m.misfit(str(error))
    with pytest.raises(ApiError) as caught:
        commands().place(7, params)
    return caught.value


def test_prices_are_ticks_and_quantities_lots() -> None:
    order = placed(newClientOrderId="mine", selfTradePreventionMode="EXPIRE_BOTH")
    assert order == t.Place(7, 1, 0, 1, 1, 10_025, 150, 0, 0, t.SelfTrade.EXPIRE_BOTH, b"mine")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"price": "100.2500000000"}, "price_ticks", 10_025),
        ({"price": 100}, "price_ticks", 10_000),
        ({"quantity": "000.01"}, "qty_lots", 1),
        ({"quantity": "0"}, "qty_lots", 0),  # the engine says QTY_NOT_POSITIVE, by precedence
        ({"side": "SELL"}, "side", t.Side.SELL),
        ({"timeInForce": "GTD", "goodTillDate": 1_750_000_000_123}, "expire_time_ns", 1_750_000_000_123_000_000),
        ({"type": "LIMIT_MAKER", "timeInForce": ...}, "order_type", t.OrderType.LIMIT_MAKER),
        ({"selfTradePreventionMode": "NONE"}, "self_trade", t.SelfTrade.NONE),
        ({"timeInForce": "DAY"}, "time_in_force", t.TimeInForce.DAY),
    ],
)
def test_what_passes(changes: dict[str, object], field: str, value: int) -> None:
    assert getattr(placed(**changes), field) == value


def test_a_market_order_is_by_quantity_or_by_quote() -> None:
    by_quote = {"type": "MARKET", "timeInForce": ..., "price": ..., "quantity": ..., "quoteOrderQty": "12.345678"}
    order = placed(**by_quote)
    assert (order.qty_lots, order.quote_usdc_micros, order.time_in_force) == (0, 12_345_678, t.TimeInForce.IOC)
    for values in (MARKET, MARKET | {"quantity": "1", "quoteOrderQty": "1"}):
        assert refused(values).code == -1102
    assert refused(MARKET | {"quoteOrderQty": "0"}).code == -1013
    assert refused(MARKET | {"quoteOrderQty": "0.0000001"}).code == -1111


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOSUCH"}, -1121),
        ({"symbol": SYMBOL.lower()}, -1121),
        ({"symbol": ...}, -1102),
        ({"symbol": None}, -1102),
        ({"symbol": 5}, -1102),
        ({"side": "buy"}, -1117),
        ({"side": ...}, -1102),
        ({"type": "TRAILING"}, -1116),
        ({"timeInForce": "GTX"}, -1115),
        ({"timeInForce": ...}, -1102),
        ({"selfTradePreventionMode": "TRANSFER"}, -1130),
        ({"newOrderRespType": "ALL"}, -1130),
        ({"price": ...}, -1102),
        ({"quantity": ...}, -1102),
        ({"price": "100.251"}, -1111),
        ({"quantity": "1.505"}, -1111),
        ({"price": "-1"}, -1100),
        ({"price": -1}, -1100),
        ({"price": "NaN"}, -1100),
        ({"price": "1e2"}, -1100),
        ({"price": "1e400"}, -1100),
        ({"price": "Infinity"}, -1100),
        ({"price": "\u0661\u0660\u0660"}, -1100),
        ({"price": "\uff11"}, -1100),
        ({"price": " 100"}, -1100),
        ({"price": ""}, -1100),
        ({"price": 100.25}, -1100),
        ({"price": True}, -1102),
        ({"price": "123456789012345678901"}, -1100),
        ({"price": "99999999999999999999"}, -1013),
        ({"quantity": "99999999999999999999"}, -1013),
        ({"quantity": 10**30}, -1100),
        ({"quoteOrderQty": "1"}, -1106),
        ({"goodTillDate": 1_750_000_000_000}, -1106),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": 10**30}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": -1}, -1102),
        ({"newClientOrderId": ""}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"newClientOrderId": "a b"}, -1100),
        ({"newClientOrderId": 'a"b'}, -1100),
        ({"newClientOrderId": "\u00e9"}, -1100),
        ({"newClientOrderId": "a\n"}, -1100),
        ({"newClientOrderId": "a\0"}, -1100),
        ({"newClientOrderId": 5}, -1102),
        ({"icebergQty": "0.001"}, -1111),
        ({"icebergQty": "-1"}, -1100),
        ({"icebergQty": "1", "timeInForce": "IOC"}, -1106),
        ({"icebergQty": "1", "timeInForce": "FOK"}, -1106),
        ({"role": "admin"}, -1104),
        ({"account": 3}, -1104),
        ({"fee": "0"}, -1104),
        ({"x<script>": 1}, -1104),
    ],
)
def test_what_does_not_pass(changes: dict[str, object], code: int) -> None:
    error = refused(ORDER | changes)
    assert error.code == code, error.msg
    assert "<" not in error.msg


@pytest.mark.parametrize("extra", [{"price": "1"}, {"timeInForce": "IOC"}])
def test_a_market_order_has_neither_price_nor_time_in_force(extra: dict[str, object]) -> None:
    assert refused(MARKET | {"quantity": "1"} | extra).code == -1106


def test_an_id_is_made_where_none_is_sent_and_is_new_each_time() -> None:
    maker = commands()
    order = msgspec.convert(ORDER, m.NewOrder)
    ids = set()
    for _ in range(100):
        [(_, _, command)] = decode_commands(maker.place(7, order))
        assert isinstance(command, t.Place)
        ids.add(command.client_order_id)
    assert len(ids) == 100
    assert all(len(each) <= 36 for each in ids)


def test_an_order_is_found_by_either_id() -> None:
    maker = commands()
    for params, order_id, client_id in (
        ({"orderId": 5}, 5, b""),
        ({"origClientOrderId": "mine"}, 0, b"mine"),
        ({"orderId": 5, "origClientOrderId": "mine"}, 5, b""),
    ):
        [(_, _, command)] = decode_commands(
            maker.cancel(7, msgspec.convert({"symbol": SYMBOL} | params, m.CancelOrder))
        )
        assert command == t.Cancel(7, 1, order_id, client_id)
    for bad in ({}, {"orderId": 0}, {"orderId": -1}, {"orderId": 10**30}):
        with pytest.raises(ApiError) as caught:
            maker.cancel(7, msgspec.convert({"symbol": SYMBOL} | bad, m.CancelOrder))
        assert caught.value.code == -1102


def test_an_amend_is_to_whole_lots() -> None:
    params = msgspec.convert({"symbol": SYMBOL, "orderId": 5, "newQty": "0.5"}, m.AmendOrder)
    [(_, _, command)] = decode_commands(commands().amend(7, params))
    assert command == t.Amend(7, 1, 50, 5)


def test_what_is_signed_is_sorted_by_its_name_on_the_wire() -> None:
    params = msgspec.convert(
        ORDER | {"timestamp": 1, "apiKey": "k", "signature": "s", "returnRateLimits": False, "recvWindow": 1.5},
        m.NewOrder,
    )
    assert m.signed_text(params) == (
        b"apiKey=k&price=100.25&quantity=1.50&recvWindow=1.5&returnRateLimits=false&side=BUY"
        b"&symbol=OAK12USDC&timeInForce=GTC&timestamp=1&type=LIMIT"
    )
