"""Somebody else's book keeper as a process of its own: `python book_follower.py KIND WS_URL REST_URL`.

It says `ready` when its book stands. Then it reads the book that the market ended with (one line of JSON, decimal
strings by price) and follows on until its own is equal; what it prints at last is how often it had to begin anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

SYMBOL, UNIFIED = "OAK12USDC", "OAK12/USDC"
LEVELS = 1_000
DEADLINE_S = 30.0
Book = dict[str, dict[float, float]]
Restarts = Callable[[], int]


def book_of(bids: Iterable[Any], asks: Iterable[Any]) -> Book:
    return {
        "bids": {float(price): float(quantity) for price, quantity, *_ in bids},
        "asks": {float(price): float(quantity) for price, quantity, *_ in asks},
    }


async def unicorn(ws_url: str, rest_url: str) -> tuple[Callable[[], Book], Restarts]:
    import unicorn_binance_local_depth_cache as ubldc
    from unicorn_binance_rest_api import BinanceRestApiManager
    from unicorn_binance_websocket_api.connection_settings import CONNECTION_SETTINGS, Exchanges

    CONNECTION_SETTINGS[Exchanges.BINANCE] = (1024, f"{ws_url}/", f"{ws_url}/ws-api/v3")
    BinanceRestApiManager.API_URL = f"{rest_url}/api"
    rest = BinanceRestApiManager(tld="com", warn_on_update=False, disable_colorama=True)
    manager = ubldc.BinanceLocalDepthCacheManager(
        exchange="binance.com",
        ubra_manager=rest,
        warn_on_update=False,
        depth_cache_update_interval=100,
        disable_colorama=True,
    )
    resyncs = []
    ask_again = manager.set_resync_request

    def counted(*args: Any, **kwargs: Any) -> bool:
        resyncs.append(1)
        return bool(ask_again(*args, **kwargs))

    manager.set_resync_request = counted
    manager.create_depthcache(SYMBOL)
    while not manager.is_depth_cache_synchronized(SYMBOL):
        await asyncio.sleep(0.05)
    first = len(resyncs)
    return (
        lambda: book_of(manager.get_bids(SYMBOL), manager.get_asks(SYMBOL)),
        lambda: len(resyncs) - first + manager.get_restart_count(SYMBOL),
    )


async def python_binance(ws_url: str, rest_url: str) -> tuple[Callable[[], Book], Restarts]:
    import binance

    binance.AsyncClient.API_URL = f"{rest_url}/api"
    binance.BinanceSocketManager.STREAM_URL = f"{ws_url}/"
    client = await binance.AsyncClient.create()
    manager = binance.DepthCacheManager(client, SYMBOL, limit=LEVELS, ws_interval=100)
    starts = []
    start = manager._init_cache

    async def counted() -> None:
        starts.append(1)
        await start()

    manager._init_cache = counted
    socket = await manager.__aenter__()
    await socket.recv()  # it takes a second snapshot where its first event began before the first one
    first = len(starts)
    follow(socket.recv)
    return lambda: book_of(manager.get_depth_cache().get_bids(), manager.get_depth_cache().get_asks()), (
        lambda: len(starts) - first
    )


async def ccxt_pro(ws_url: str, rest_url: str) -> tuple[Callable[[], Book], Restarts]:
    import ccxt.pro

    exchange = ccxt.pro.binance(
        {
            "urls": {"api": {"public": f"{rest_url}/api/v3", "ws": {"spot": f"{ws_url}/stream/ws"}}},
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
            },
        }
    )
    failures: list[str] = []

    async def watch() -> None:
        try:
            await exchange.watch_order_book(UNIFIED, LEVELS)
        except Exception as error:
            failures.append(repr(error))

    await watch()
    follow(watch)
    return lambda: book_of(exchange.orderbooks[UNIFIED]["bids"], exchange.orderbooks[UNIFIED]["asks"]), (
        lambda: len(failures)
    )


def follow(receive: Callable[[], Any]) -> None:
    async def forever() -> None:
        while True:
            await receive()

    TASKS.append(asyncio.get_running_loop().create_task(forever()))


TASKS: list[asyncio.Task[None]] = []
KINDS = {"unicorn": unicorn, "python_binance": python_binance, "ccxt_pro": ccxt_pro}


async def main(kind: str, ws_url: str, rest_url: str) -> None:
    book, restarts = await KINDS[kind](ws_url, rest_url)
    print("ready", flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    wanted = book_of(*(json.loads(line)[side].items() for side in ("bids", "asks")))
    deadline = time.monotonic() + DEADLINE_S
    while book() != wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    print(
        json.dumps({"equal": book() == wanted, "restarts": restarts(), "levels": sum(map(len, wanted.values()))}),
        flush=True,
    )


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(*sys.argv[1:]))
    sys.stdout.flush()
    sys.stderr.flush()
    import os

    os._exit(0)  # whatever threads a client has left
