"""Who may call what: every method of gateway/methods.py on both doors, with each kind of key that must not."""

from __future__ import annotations

import base64
import time
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.keys import READ, TRADE, Key
from gateway.methods import METHODS, Keyed, Private, Trading
from tests.gateway.test_list_commands import OCO, OLD, OTO, OTOCO
from tests.gateway.venue import ALICE, SYMBOL, Client, Trader, Venue, sign

ORDER: Final = {
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "100",
    "quantity": "1",
}
FIND: Final = {"symbol": SYMBOL, "orderId": 1}
PARAMS: Final[dict[str, dict[str, Any]]] = {  # by the method's name, or its route where it has none
    "order.status": FIND,
    "openOrders.status": {},
    "allOrders": {"symbol": SYMBOL},
    "account.status": {},
    "account.commission": {"symbol": SYMBOL},
    "account.rateLimits.orders": {},
    "order.amendments": FIND,
    "myFilters": {"symbol": SYMBOL},
    "myTrades": {"symbol": SYMBOL},
    "myPreventedMatches": {"symbol": SYMBOL, "orderId": 1},
    "openOrderLists.status": {},
    "allOrderLists": {},
    "GET /sapi/v1/capital/config/getall": {},
    "GET /sapi/v1/asset/tradeFee": {},
    "order.test": ORDER,
    "order.place": ORDER,
    "order.cancel": FIND,
    "order.cancelReplace": ORDER | {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": 1},
    "batchOrders.place": {"batchOrders": [ORDER]},
    "batchOrders.cancel": {"symbol": SYMBOL, "orderIdList": [1]},
    "openOrders.cancelAllAfter": {"countdownTime": 60_000},
    "order.amend.keepPriority": FIND | {"newQty": "0.5"},
    "openOrders.cancelAll": {"symbol": SYMBOL},
    "orderList.status": {"orderListId": 2},
    "orderList.cancel": {"symbol": SYMBOL, "orderListId": 2},
    "orderList.place.oco": OCO,
    "orderList.place.oto": OTO,
    "orderList.place.otoco": OTOCO,
    "orderList.place": OLD,
}
SIGNED: Final = [method for method in METHODS if isinstance(method, Private | Trading)]
IDS: Final = [method.name or method.route for method in SIGNED]


def params_of(method: Private | Trading) -> dict[str, Any]:
    return PARAMS[method.name or method.route]


def needs(method: Private | Trading) -> str:
    return method.permission if isinstance(method, Private) else TRADE


async def prepare(trader: Trader) -> None:
    """Order 1, and list 2."""
    await trader.limit("SELL", "5", "100")
    assert (await trader.do("orderList.place.oco", **OCO))["result"]["orderListId"] == 2


async def answers(
    venue: Venue, trader: Trader, method: Private | Trading, key: Key, **changed: object
) -> list[tuple[int, int]]:
    """Status and code (0: none) on each door that has the method, signed by the key."""
    found = []
    if method.name:
        reply = await trader.ask(method.name, **(sign(key, params_of(method) | changed)))
        found.append((reply["status"], reply.get("error", {}).get("code", 0)))
    if method.route:
        verb, path = method.route.split()
        venue.keys[ALICE] = key
        path = path if path.startswith("/") else f"/api/v3/{path}"
        status, body, _ = await venue.rest(verb, path, ALICE, **(params_of(method) | changed))
        found.append((status, body.get("code", 0) if isinstance(body, dict) else 0))
    return found


def test_the_table_has_every_method() -> None:
    assert set(PARAMS) == set(IDS)


@pytest.mark.parametrize("method", SIGNED, ids=IDS)
async def test_a_key_may_only_do_what_it_is_for_and_from_where(venue: Venue, method: Private | Trading) -> None:
    trader = await venue.trader(ALICE)
    await prepare(trader)
    wrong = [READ] if needs(method) == TRADE else [TRADE]
    for key in (venue.store.create_hmac(ALICE, wrong), venue.store.create_hmac(ALICE, ips=["10.9.8.7"])):
        assert set(await answers(venue, trader, method, key)) == {(401, -2015)}
    revoked = venue.store.create_hmac(ALICE)
    venue.store.revoke(revoked.key)
    assert set(await answers(venue, trader, method, revoked)) == {(401, -2015)}
    right = venue.store.create_hmac(ALICE, [needs(method)], ["127.0.0.1"])
    assert (await answers(venue, trader, method, right))[0] == (200, 0)


@pytest.mark.parametrize("method", SIGNED, ids=IDS)
async def test_no_method_takes_a_signature_that_is_not_fresh_and_its_own(
    venue: Venue, method: Private | Trading
) -> None:
    trader, key = await venue.trader(ALICE), venue.keys[ALICE]
    await prepare(trader)
    now_ms = time.time_ns() // 10**6
    for stamp_ms in (now_ms - 70_000, now_ms + 5_000):
        if method.name:
            reply = await trader.ask(method.name, **sign(key, params_of(method) | {"timestamp": stamp_ms}))
            assert reply["error"]["code"] == -1021
    if method.name:
        good = sign(key, params_of(method))
        for bad in ({"timestamp": now_ms + 1}, {"recvWindow": 60_000}, {"signature": "00" * 32}):
            assert (await trader.ask(method.name, **(good | bad)))["error"]["code"] == -1022
        unsigned = {name: value for name, value in good.items() if name != "signature"}
        assert (await trader.ask(method.name, **unsigned))["error"]["code"] == -1102
        assert (await trader.ask(method.name, **params_of(method)))["error"]["code"] == -1102
    if method.route:
        verb, path = method.route.split()
        path = path if path.startswith("/") else f"/api/v3/{path}"
        status, body, _ = await venue.rest(verb, path, None, **params_of(method))
        assert (status, body["code"]) == (400, -1102)
    assert (await trader.do("order.status", **FIND))["result"]["origQty"] == "5.00"


@pytest.mark.parametrize("method", [each for each in SIGNED if isinstance(each, Trading)], ids=lambda each: each.name)
async def test_a_signed_request_sent_again_does_nothing_more(venue: Venue, method: Trading) -> None:
    trader, key = await venue.trader(ALICE), venue.keys[ALICE]
    await prepare(trader)
    request = sign(key, params_of(method))
    assert (await trader.ask(method.name, **request))["status"] == 200
    before = (await trader.do("allOrders", symbol=SYMBOL))["result"]
    again = await trader.ask(method.name, **request)
    assert again["status"] != 200 or [row["code"] for row in again["result"]] in ([-2010], [-2011])  # a batch of one
    assert (await trader.do("allOrders", symbol=SYMBOL))["result"] == before


async def test_a_session_that_logged_on_may_only_do_what_its_key_is_for(venue: Venue) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    await (await venue.trader(ALICE)).limit("SELL", "5", "100")
    for scope in (READ, TRADE):
        key = venue.store.create_ed25519(ALICE, public, [scope])
        client = await log_on(venue, key, private)
        for method in (each for each in SIGNED if each.name and needs(each) != scope):
            assert (await client.ask(method.name, **params_of(method)))["error"]["code"] == -2015, method.name
        venue.store.revoke(key.key)
        for method in (each for each in SIGNED if each.name):
            assert (await client.ask(method.name, **params_of(method)))["error"]["code"] == -2015, method.name


async def log_on(venue: Venue, key: Key, private: Ed25519PrivateKey) -> Client:
    client = await venue.connect()
    stamp = time.time_ns() // 1_000
    signature = private.sign(f"apiKey={key.key}&timestamp={stamp}".encode())
    logged_on = await client.ask(
        "session.logon", apiKey=key.key, timestamp=stamp, signature=base64.b64encode(signature).decode()
    )
    assert logged_on["status"] == 200
    return client


@pytest.mark.parametrize("method", [each for each in METHODS if isinstance(each, Keyed)], ids=lambda each: each.name)
async def test_listen_keys_are_for_keys_that_may_read_from_where_they_may(venue: Venue, method: Keyed) -> None:
    client = await venue.connect()
    params = {} if method.name == "userDataStream.start" else {"listenKey": "x"}
    for key in (venue.store.create_hmac(ALICE, [TRADE]), venue.store.create_hmac(ALICE, ips=["10.9.8.7"])):
        assert (await client.ask(method.name, apiKey=key.key, **params))["error"]["code"] == -2015
        verb, path = method.route.split()
        url = f"{venue.rest_url}/api/v3/{path}"
        async with venue.http.request(verb, url, params=params, headers={"X-MBX-APIKEY": key.key}) as response:
            assert (response.status, (await response.json())["code"]) == (401, -2015)
    assert (await client.ask(method.name, **params))["error"]["code"] == -1102


async def test_a_session_does_not_outlive_its_keys_permission(venue: Venue) -> None:
    trader = await venue.trader(ALICE)
    key = venue.store.create_hmac(ALICE)
    trader.key = key
    assert (await trader.do("userDataStream.subscribe.signature"))["status"] == 200
    venue.store.revoke(key.key)
    venue.end_revoked()
    assert (await trader.event("eventStreamTerminated"))["e"] == "eventStreamTerminated"
    assert (await trader.do("account.status"))["error"]["code"] == -2015
