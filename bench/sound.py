"""Whether a market is as every market must be, whatever was traded."""

from __future__ import annotations

from collections import Counter

from engine import types as t
from engine.engines import Engine


def balances_add_up(engine: Engine) -> bool:
    """The identity for each balance, and what is owed sums to nothing."""
    balances = engine.state().balances
    each = all(b.level + b.advanced == b.free + b.held + b.requested + b.owed_out for b in balances)
    owed: Counter[int] = Counter()
    for balance in balances:
        owed[balance.instrument] += balance.owed_in - balance.owed_out
    return each and not any(owed.values())


def book_not_crossed(engine: Engine) -> bool:
    orders = engine.state().orders
    bids = [order.price_ticks for order in orders if order.side == t.Side.BUY]
    asks = [order.price_ticks for order in orders if order.side == t.Side.SELL]
    return not bids or not asks or max(bids) < min(asks)
