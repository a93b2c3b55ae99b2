"""Made-up trades of a made-up market."""

from __future__ import annotations

from random import Random

from engine import types as t
from gateway.markets import Market
from gateway.orders import Fill
from gateway.times import NS

START_S = 1_750_000_000


def listed(number: int = 1, symbol: bytes = b"OAK12USDC") -> Market:
    """A lot is 0.01 token, a tick 0.01 USDC a token."""
    return Market(t.SetInstrument(number, 1, 100, 10**6, 10**6, 0, 0, 10, symbol=symbol, lot_decimals=2))


def made_fill(
    market: Market, trade_id: int, time_ns: int, price_ticks: int = 100, lots: int = 5, side: int = 0, taker: int = 0
) -> Fill:
    notional = price_ticks * lots * market.tick_value_usdc_micros
    taker = taker or trade_id + 1_000
    return Fill(trade_id, market, 3, 2, taker, trade_id, side, price_ticks, lots, notional, 2, 1, time_ns)


def random_fills(market: Market, seed: int, count: int, span_s: int, first_id: int = 1) -> list[Fill]:
    """Trades by the clock, over about `span_s` seconds; several of one taker order may be next to each other."""
    random = Random(seed)
    times = sorted(START_S * NS + random.randrange(span_s * NS) for _ in range(count))
    return [
        made_fill(
            market,
            first_id + number,
            time_ns,
            random.randint(90, 110),
            random.randint(1, 50),
            random.randint(0, 1),
            1_000_000 + number // 3,
        )
        for number, time_ns in enumerate(times)
    ]
