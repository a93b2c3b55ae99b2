"""Place, follow and cancel one order over the websocket API without any trading library.

Set DEEDBOOK_WS (as `deedbook run` prints it), DEEDBOOK_KEY and DEEDBOOK_SECRET, then

    python examples/signed_order.py OAK12USDC BUY 1 90
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any

import aiohttp


class Session:
    """One socket: requests with an id, their answers, and the account's events in between."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._requests = 0

    async def ask(self, method: str, **params: object) -> Any:
        """Sign, send, and wait for the answer with our id; events that come first are printed."""
        params |= {"apiKey": os.environ["DEEDBOOK_KEY"], "timestamp": time.time_ns() // 1_000}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        secret = os.environ["DEEDBOOK_SECRET"].encode()
        params["signature"] = hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()
        self._requests += 1
        await self._socket.send_json({"id": self._requests, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=10)
            if message.get("id") == self._requests:
                break
            show(message["event"])
        if "error" in message:
            raise SystemExit(f"{method}: {message['error']}")
        return message["result"]


def show(event: Any) -> None:
    if event["e"] == "executionReport":
        print(f"order {event['i']} {event['x']} {event['X']}: {event['z']} of {event['q']} filled")
    elif event["e"] == "tradeSettlement":
        print(f"trade {event['t']} {event['X']} {event['r']} {event['h']}")
    else:
        print(json.dumps(event))


async def main(symbol: str, side: str, quantity: str, price: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{os.environ['DEEDBOOK_WS']}/ws-api/v3") as socket,
    ):
        session = Session(socket)
        await session.ask("userDataStream.subscribe.signature")
        order = await session.ask(
            "order.place", symbol=symbol, side=side, type="LIMIT", timeInForce="GTC", quantity=quantity, price=price
        )
        print(f"placed {order['orderId']}: {order['status']}")
        if order["status"] in ("NEW", "PARTIALLY_FILLED"):
            cancelled = await session.ask("order.cancel", symbol=symbol, orderId=order["orderId"])
            print(f"cancelled {cancelled['orderId']} with {cancelled['executedQty']} filled")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
