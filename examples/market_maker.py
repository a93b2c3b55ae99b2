"""Quote both sides of one market with ccxt.pro until interrupted.

Set DEEDBOOK_REST, DEEDBOOK_WS (as `deedbook run` prints them), DEEDBOOK_KEY and DEEDBOOK_SECRET, then

    python examples/market_maker.py OAK12/USDC --price 100 --spread 0.5 --quantity 2
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from typing import Any

import ccxt
import ccxt.pro


def connect() -> Any:
    rest, sockets = os.environ["DEEDBOOK_REST"], os.environ["DEEDBOOK_WS"]
    api = {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "v1": f"{rest}/api/v1"}
    return ccxt.pro.binance(
        {
            "apiKey": os.environ["DEEDBOOK_KEY"],
            "secret": os.environ["DEEDBOOK_SECRET"],
            "urls": {"api": api | {"ws": {"spot": f"{sockets}/stream/ws", "ws-api": {"spot": f"{sockets}/ws-api/v3"}}}},
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
            },
        }
    )


async def quote(exchange: Any, symbol: str, price: float, spread: float, quantity: float) -> None:
    """Keep one order on each side; after a fill, move both sides towards where the market went."""
    await exchange.ensure_user_data_stream_ws_subscribe_signature()  # before the first order, to miss no report
    reports: asyncio.Queue[Any] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(collect(exchange, symbol, reports))
        while True:
            sides = (("buy", price - spread), ("sell", price + spread))
            resting = [await exchange.create_order_ws(symbol, "limit", side, quantity, at) for side, at in sides]
            print(f"quoting {quantity} at {price - spread} / {price + spread}", flush=True)
            filled = await first_fill(reports, {order["id"] for order in resting})
            print(f"filled: {filled['side']} {filled['filled']} at {filled['price']}", flush=True)
            price += -spread / 2 if filled["side"] == "buy" else spread / 2
            for order in resting:
                with contextlib.suppress(ccxt.OrderNotFound):
                    await exchange.cancel_order_ws(order["id"], symbol)


async def collect(exchange: Any, symbol: str, reports: asyncio.Queue[Any]) -> None:
    while True:
        for order in await exchange.watch_orders(symbol):
            reports.put_nowait(order)


async def first_fill(reports: asyncio.Queue[Any], ids: set[str]) -> Any:
    while True:
        order = await reports.get()
        if order["id"] in ids and order["filled"] > 0:
            return order


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol")
    parser.add_argument("--price", type=float, required=True)
    parser.add_argument("--spread", type=float, default=0.5)
    parser.add_argument("--quantity", type=float, default=1.0)
    wanted = parser.parse_args()
    exchange = connect()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await exchange.load_markets()
        await quote(exchange, wanted.symbol, wanted.price, wanted.spread, wanted.quantity)
    except asyncio.CancelledError:
        with contextlib.suppress(ccxt.OrderNotFound):
            await exchange.cancel_all_orders(wanted.symbol)
        print("cancelled what rested", flush=True)
    finally:
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
