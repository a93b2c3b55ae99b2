"""Keep a market's order book from its snapshot and the differences, and print the best prices. Needs no key.

Set DEEDBOOK_REST and DEEDBOOK_WS (as `deedbook run` prints them), then

    python examples/follow_book.py OAK12USDC
"""

from __future__ import annotations

import asyncio
import os
import sys
from decimal import Decimal
from typing import Any

import aiohttp

Side = dict[Decimal, Decimal]


def apply(side: Side, rows: list[list[str]]) -> None:
    """A row is a price and its quantity from now on; no quantity means no level."""
    for price, quantity in rows:
        if Decimal(quantity):
            side[Decimal(price)] = Decimal(quantity)
        else:
            side.pop(Decimal(price), None)


async def follow(symbol: str, events: int) -> None:
    rest, sockets = os.environ["DEEDBOOK_REST"], os.environ["DEEDBOOK_WS"]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{sockets}/ws/{symbol.lower()}@depth@100ms") as socket,
    ):
        # Subscribed first, asked for the snapshot second: so no change can fall between the two.
        async with http.get(f"{rest}/api/v3/depth", params={"symbol": symbol, "limit": "5000"}) as answer:
            snapshot: Any = await answer.json()
        bids, asks, last = Side(), Side(), int(snapshot["lastUpdateId"])
        apply(bids, snapshot["bids"])
        apply(asks, snapshot["asks"])
        while True:
            print(f"{last}: {max(bids, default=None)} / {min(asks, default=None)}", flush=True)
            if not events:
                return
            events -= 1
            event = await socket.receive_json()
            while event["u"] <= last:
                event = await socket.receive_json()
            if event["U"] > last + 1:
                raise SystemExit(f"a gap: {last} is followed by {event['U']}")
            apply(bids, event["b"])
            apply(asks, event["a"])
            last = event["u"]


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10**9))
