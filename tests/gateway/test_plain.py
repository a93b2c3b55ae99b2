"""Plain requests: whatever the core takes has the same outcome in the gateway's own decoder, to the byte."""

from __future__ import annotations

import base64
import time
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from engine import types as t
from engine.engines import core_is_built
from gateway import messages as m
from gateway import plain
from gateway import requests as r
from gateway.commands import Commands
from gateway.desk import response_to
from gateway.keys import READ
from gateway.limits import LimitSettings
from gateway.markets import Markets
from gateway.methods import METHODS
from tests.gateway.venue import ALICE, SYMBOL, Client, Venue, market_commands, start_venue

pytestmark = pytest.mark.skipif(not core_is_built(), reason="the core is not built")
ACCOUNT = 70_000


def markets() -> Markets:
    made = Markets(plain.plain_codec())
    for command in market_commands():
        if isinstance(command, t.SetInstrument):
            made.list(command)
    return made


MARKETS = markets()
COMMANDS = Commands(MARKETS)


def read(message: bytes) -> tuple[int, bytes, str, int, int] | None:
    assert MARKETS.codec is not None
    return MARKETS.codec.read(message, ACCOUNT)


def check_same(message: bytes) -> bool:
    """Whether the core took it; and if so, that the decoder makes the same of it."""
    found = read(message)
    if found is None:
        return False
    kind, record, request_id, response, timestamp = found
    request = r.DECODER.decode(message)
    params = request.params
    assert r.id_text(request.id) == request_id
    assert (params.timestamp or 0) == timestamp
    assert (params.api_key, params.signature, params.recv_window, params.return_rate_limits) == (None,) * 4
    if isinstance(params, m.NewOrder):
        assert (kind, record) == (1, COMMANDS.place(ACCOUNT, params))
        expected = response_to(params)
        assert plain.RESPONSES[response] == expected
    else:
        assert isinstance(params, m.CancelOrder)
        assert (kind, record) == (2, COMMANDS.cancel(ACCOUNT, params))
        assert params.new_client_order_id is params.cancel_restrictions is None
    return True


LIMIT = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "100.25",
    "quantity": "1.5",
    "newClientOrderId": "a-1",
}
MARKET = {"symbol": "ELM7USDC", "side": "SELL", "type": "MARKET", "quantity": "12", "newClientOrderId": "b_2:/."}
BY_ID: dict[str, Any] = {"symbol": SYMBOL, "orderId": 17}
BY_NAME = {"symbol": SYMBOL, "origClientOrderId": "x" * 36}
PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("order.place", LIMIT),
    (
        "order.place",
        LIMIT | {"newOrderRespType": "ACK", "selfTradePreventionMode": "NONE", "timestamp": 1_700_000_000_000},
    ),
    ("order.place", LIMIT | {"timeInForce": "FOK", "price": "0.01000000", "quantity": "007"}),
    ("order.place", MARKET),
    ("order.place", MARKET | {"newOrderRespType": "FULL"}),
    ("order.cancel", BY_ID),
    ("order.cancel", BY_NAME | {"timestamp": 1}),
]


def message(method: str, params: dict[str, Any], request_id: Any = 1) -> bytes:
    return msgspec.json.encode({"id": request_id, "method": method, "params": params})


@pytest.mark.parametrize(("method", "params"), PLAIN)
def test_the_plain_form_is_taken(method: str, params: dict[str, Any]) -> None:
    text = message(method, params)
    assert check_same(text)
    assert check_same(text.replace(b'"id":1', b'"id":"an id"'))
    assert check_same(text.replace(b'"id":1,', b""))
    assert check_same(msgspec.json.format(text, indent=2).replace(b",", b"\t\r,") + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "NOSUCH"},
        {"price": "100.001"},
        {"price": "1e2"},
        {"price": "-1"},
        {"price": ""},
        {"price": "."},
        {"price": "1."},
        {"price": ".5"},
        {"price": "9" * 19},
        {"price": 100},
        {"quantity": "0.001"},
        {"quantity": None},
        {"side": "buy"},
        {"type": "LIMIT_MAKER"},
        {"timeInForce": "GTD"},
        {"timeInForce": ""},
        {"newOrderRespType": ""},
        {"selfTradePreventionMode": "SOME"},
        {"newClientOrderId": ""},
        {"newClientOrderId": "x" * 37},
        {"newClientOrderId": "a b"},
        {"newClientOrderId": "\u00e9"},
        {"newClientOrderId": "a\\"},
        {"apiKey": "k"},
        {"recvWindow": 5},
        {"timestamp": 0},
        {"timestamp": -1},
        {"returnRateLimits": True},
        {"icebergQty": "1"},
        {"orderId": 1},
    ],
)
def test_all_else_is_left_to_the_decoder(change: dict[str, Any]) -> None:
    assert read(message("order.place", LIMIT | change)) is None


def test_what_comes_twice_or_not_at_all_is_left_to_the_decoder() -> None:
    text = message("order.place", LIMIT)
    twice = (b'"side":"BUY"', b'"id":1', b'"method":"order.place"')
    for part in twice:
        assert read(text.replace(part, part + b"," + part)) is None
    for name in LIMIT:
        assert read(message("order.place", {key: value for key, value in LIMIT.items() if key != name})) is None
    for other in (b"", b"{}", b"[]", text[:-1], text + b"x", text.replace(b"order.place", b"v3/order.place")):
        assert read(other) is None
    for params in (BY_ID | BY_NAME, {"symbol": SYMBOL}, BY_ID | {"orderId": 0}, BY_ID | {"newClientOrderId": "c"}):
        assert read(message("order.cancel", params)) is None


TEXTS = st.sampled_from(
    [
        *LIMIT.values(),
        *MARKET.values(),
        "",
        "0",
        "00.10",
        "1.50",
        "IOC",
        "FULL",
        "9" * 18,
        "9" * 21,
        "0." + "0" * 17 + "1",
        "\u0661",
    ]
)
VALUES = TEXTS | st.integers(-1, 2**70) | st.none() | st.booleans() | st.floats() | st.text(max_size=4)
NAMES = st.sampled_from([*LIMIT, *BY_ID, *BY_NAME, "newOrderRespType", "timestamp", "recvWindow", "apiKey", "bogus"])


@given(
    st.sampled_from(PLAIN),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.integers() | st.text(max_size=4) | st.none(),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=2)), max_size=2),
)
def test_whatever_is_taken_is_taken_alike(
    request: tuple[str, dict[str, Any]], changes: dict[str, Any], request_id: Any, cuts: list[tuple[int, bytes]]
) -> None:
    text = message(request[0], request[1] | changes, request_id)
    check_same(text)
    for at, bytes_put in cuts:
        text = text[:at] + bytes_put + text[at + 1 :]
        check_same(text)


def test_both_requests_weigh_what_the_table_says() -> None:
    weights = {method.name: method.weight for method in METHODS}
    assert weights["order.place"] == weights["order.cancel"] == plain.WEIGHT


async def logged_on(venue: Venue, scopes: list[str] | None = None, path: str = "/ws-api/v3") -> Client:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key = venue.store.create_ed25519(ALICE, public, scopes or ["READ", "TRADE"])
    client = await venue.connect(path)
    stamp = time.time_ns() // 1_000
    signature = base64.b64encode(private.sign(f"apiKey={key.key}&timestamp={stamp}".encode())).decode()
    assert (await client.ask("session.logon", apiKey=key.key, timestamp=stamp, signature=signature))["status"] == 200
    return client


async def test_a_plain_order_is_answered_as_any_other(venue: Venue) -> None:
    client = await logged_on(venue)
    order = LIMIT | {"side": "SELL"}
    assert read(message("order.place", order)) is not None
    by_core = await client.ask("order.place", **order)
    by_rule = await client.ask("order.place", **(order | {"newClientOrderId": "a-2"}), recvWindow=5_000)
    for answer in (by_core, by_rule):
        result = answer["result"]
        assert (result["status"], result["origQty"], result["price"]) == ("NEW", "1.50", "100.25")
        assert [row["rateLimitType"] for row in answer["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    assert by_core["result"].keys() == by_rule["result"].keys()
    assert [row["count"] for row in by_rule["rateLimits"]][:2] == [2, 2]
    again = await client.ask("order.place", **order)
    assert (again["error"]["code"], again["error"]["data"]["orderId"]) == (-2010, 1)
    assert (await client.ask("order.cancel", symbol=SYMBOL, orderId=2))["result"]["status"] == "CANCELED"
    assert (await client.ask("order.place", **order, timestamp=1))["error"]["code"] == -1021
    quiet = await logged_on(venue, path="/ws-api/v3?returnRateLimits=false")
    assert "rateLimits" not in await quiet.ask("order.cancel", symbol=SYMBOL, orderId=1)


async def test_a_plain_order_needs_the_key_and_its_permission_each_time(venue: Venue) -> None:
    reader = await logged_on(venue, [READ])
    assert (await reader.ask("order.place", **LIMIT))["error"]["code"] == -2015
    client = await logged_on(venue)
    assert (await client.ask("order.place", **LIMIT))["status"] == 200
    for key in venue.store.all():
        venue.store.revoke(key.key)
    assert (await client.ask("order.place", **LIMIT))["error"]["code"] == -2015
    assert (await client.ask("session.logout"))["status"] == 200
    assert (await client.ask("order.place", **LIMIT))["error"]["code"] == -1102


async def test_plain_orders_are_limited(tmp_path: Any, venue: Venue) -> None:
    (tmp_path / "limited").mkdir()
    limited = await start_venue(tmp_path / "limited", venue.http, LimitSettings(orders_per_10s=1))
    client = await logged_on(limited)
    assert (await client.ask("order.place", **LIMIT))["status"] == 200
    refused = await client.ask("order.place", **(LIMIT | {"newClientOrderId": "a-2"}))
    assert (refused["status"], refused["error"]["code"]) == (429, -1015)
    await client.socket.close()
    await limited.gateway.stop()
