"""Quote both sides of one market with ccxt.pro until interrupted, also over restarts of the exchange.

Set DEEDBOOK_REST, DEEDBOOK_WS (as `deedbook run` prints them), DEEDBOOK_KEY and DEEDBOOK_SECRET, then

    python examples/market_maker.py OAK12/USDC --price 100 --spread 0.5 --quantity 2
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
from typing import Any

import ccxt
import ccxt.pro

LOOK_S = 5.0  # also without a report
COME_BACK_S = 0.5


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


class Maker:
    """Keeps one order on each side; after a fill, moves both towards where the market went.

    Two things make it outlive a lost connection or a restart of the exchange. An order's client id says which quote it
    is, so placing it again after an answer that never came cannot place it twice. And fills are counted by trade id
    from `myTrades`, from the last one seen: a report is only the sign to look.
    """

    def __init__(self, symbol: str, price: float, spread: float, quantity: float) -> None:
        self.symbol = symbol
        self.price = price
        self.spread = spread
        self.quantity = quantity
        self.name = secrets.token_hex(4)  # of this run
        self.round = 1
        self.trades = 0
        self.next_trade_id: int | None = None

    async def trade(self, exchange: Any) -> None:
        """Until the connection is lost: then an exception of ccxt's."""
        await exchange.load_markets()
        await exchange.ensure_user_data_stream_ws_subscribe_signature()  # before anything else, to miss no report
        reported = asyncio.Event()
        listening = asyncio.create_task(self.listen(exchange, reported))
        try:
            if self.next_trade_id is None:
                last = await exchange.fetch_my_trades(self.symbol, limit=1)
                self.next_trade_id = int(last[0]["id"]) + 1 if last else 0
            while True:
                if await self.take_fills(exchange):
                    await self.cancel(exchange)
                    self.round += 1
                    continue
                await self.quote(exchange)
                waiting = asyncio.create_task(reported.wait())
                await asyncio.wait({waiting, listening}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                reported.clear()
                if listening.done():
                    listening.result()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def listen(self, exchange: Any, reported: asyncio.Event) -> None:
        while True:
            await exchange.watch_orders(self.symbol)
            reported.set()

    async def take_fills(self, exchange: Any) -> bool:
        trades = await exchange.fetch_my_trades(self.symbol, params={"fromId": self.next_trade_id})
        for trade in trades:
            self.next_trade_id = int(trade["id"]) + 1
            self.trades += 1
            self.price += -self.spread / 2 if trade["side"] == "buy" else self.spread / 2
            print(f"filled: {trade['side']} {trade['amount']} at {trade['price']}", flush=True)
        return bool(trades)

    async def quote(self, exchange: Any) -> None:
        placed = [
            await self.place(exchange, side, price)
            for side, price in (("buy", self.price - self.spread), ("sell", self.price + self.spread))
        ]
        if any(placed):
            print(f"quoting {self.quantity} at {self.price - self.spread} / {self.price + self.spread}", flush=True)

    async def place(self, exchange: Any, side: str, price: float) -> bool:
        """Whether it is new; if not, this round's order was placed before the connection was lost."""
        try:
            await exchange.create_order_ws(
                self.symbol, "limit", side, self.quantity, price, {"newClientOrderId": self.client_id(side)}
            )
        except ccxt.ExchangeError as error:
            if "Duplicate order sent" not in str(error):
                raise
            return False
        return True

    async def cancel(self, exchange: Any) -> None:
        for side in ("buy", "sell"):
            with contextlib.suppress(ccxt.OrderNotFound):
                await exchange.cancel_order_ws("", self.symbol, {"origClientOrderId": self.client_id(side)})

    def client_id(self, side: str) -> str:
        return f"{self.name}-{self.round}-{side}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol")
    parser.add_argument("--price", type=float, required=True)
    parser.add_argument("--spread", type=float, default=0.5)
    parser.add_argument("--quantity", type=float, default=1.0)
    wanted = parser.parse_args()
    maker = Maker(wanted.symbol, wanted.price, wanted.spread, wanted.quantity)
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await keep_trading(maker)
    except asyncio.CancelledError:
        await finish(maker)


async def keep_trading(maker: Maker) -> None:
    while True:
        exchange = connect()
        try:
            await maker.trade(exchange)
        except ccxt.OperationFailed as error:
            print(f"lost the exchange ({type(error).__name__}); coming back", flush=True)
        finally:
            await exchange.close()
        await asyncio.sleep(COME_BACK_S)


async def finish(maker: Maker) -> None:
    """Leave nothing behind, however often it takes."""
    while True:
        exchange = connect()
        try:
            await exchange.load_markets()
            with contextlib.suppress(ccxt.OrderNotFound):
                await exchange.cancel_all_orders(maker.symbol)
            print("cancelled what rested", flush=True)
            await maker.take_fills(exchange)
            print(f"{maker.trades} trades", flush=True)
            return
        except ccxt.OperationFailed:
            await asyncio.sleep(COME_BACK_S)
        finally:
            await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
