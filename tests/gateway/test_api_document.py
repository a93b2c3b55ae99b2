"""docs/api.md has a table of what is here: all of it is, nothing else, and what it says is not here is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from gateway import requests as r
from gateway.methods import METHODS
from tests.gateway.venue import ALICE, SYMBOL, Venue

TEXT: Final = (Path(__file__).parents[2] / "docs/api.md").read_text()
ROUTES: Final = {method.route for method in METHODS if method.route}
CODE: Final = re.compile(r"`([^`]+)`").findall
ORDER: Final = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "1"}
REPLACE: Final[dict[str, Any]] = ORDER | {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": 1}


def between(start: str, end: str) -> str:
    assert TEXT.count(start) == 1, start
    return TEXT.partition(start)[2].partition(end)[0]


def names() -> tuple[list[str], list[str]]:
    """What the table says is here, and what it says is not."""
    lines = between("## What is here\n", "\n## ").splitlines()
    rows = [line.split("|")[2:4] for line in lines if line.startswith("|")]
    return [name for row in rows for name in CODE(row[0])], [name for row in rows for name in CODE(row[1])]


def is_stream(name: str) -> bool:
    return name[0] in "@!"


def test_every_route_and_method_is_in_the_table_once() -> None:
    here, _ = names()
    assert len(here) == len(set(here))
    routes = {name for name in here if " " in name}
    assert routes == ROUTES
    assert {name for name in here if name not in routes and not is_stream(name)} == set(r.REQUESTS)


def test_what_is_not_here_is_not() -> None:
    _, missing = names()
    assert "POST orderList/opo" in missing
    assert ROUTES.isdisjoint(missing)
    assert set(r.REQUESTS).isdisjoint(missing)


async def test_the_parameters_that_are_not_here_are_refused_as_unknown(venue: Venue) -> None:
    alice = await venue.trader(ALICE)
    parameters = CODE(between("Of an order's parameters there is no\n", "they are refused"))
    parameters.remove("cancelReplace")
    assert len(parameters) == 7
    for name in parameters:
        for method, order in (("order.place", ORDER), ("order.cancelReplace", REPLACE)):
            assert (await alice.do(method, **order, **{name: 1}))["error"]["code"] == -1104, name


async def test_every_stream_of_the_table_is_there_and_no_other(venue: Venue) -> None:
    here, missing = names()
    client = await venue.connect("/ws")
    streams = [name for name in (*here, *missing) if is_stream(name)]
    assert len(streams) > 20
    for number, name in enumerate(streams):
        stream = f"{SYMBOL.lower()}{name}" if name.startswith("@") else name
        await client.socket.send_json({"id": number, "method": "SUBSCRIBE", "params": [stream]})
        answer = await client.until(lambda message: "id" in message)
        assert (answer["id"], "error" in answer) == (number, name in missing), name
