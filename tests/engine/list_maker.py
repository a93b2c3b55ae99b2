"""Legs that mostly make a list of their kind in the generator's small market; whose they are is filled in later."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from engine import types as t
from engine.types import OrderType, SelfTrade, Side, TimeInForce

HOSTILE = (-(2**63), -1, 0, 1, 10_000, 2**62, 2**62 + 1, 2**63 - 1)


def legs_of(kind: t.ListKind, random: Random) -> list[t.ListLeg]:
    side, qty_lots = random.choice(list(Side)), random.randint(1, 6)
    if kind == t.ListKind.OCO:
        return pair(side, qty_lots, random)
    order_type = random.choices((OrderType.LIMIT, OrderType.LIMIT_MAKER), (80, 20))[0]
    working = leg_of(side, order_type, random.randint(5, 9), qty_lots, random)
    if working.time_in_force == TimeInForce.GTC and random.random() < 0.2:
        working = replace(working, display_lots=random.randint(1, 2))
    other = Side(1 - side) if random.random() < 0.8 else side
    if kind == t.ListKind.OTOCO:
        return [working, *pair(other, qty_lots, random)]
    order_type = random.choice(list(OrderType))
    return [working, leg_of(other, order_type, random.randint(3, 11), random.randint(1, qty_lots), random)]


def pair(side: Side, qty_lots: int, random: Random) -> list[t.ListLeg]:
    low, high = random.randint(2, 7), random.randint(6, 11)
    profit_at, loss_at = (low, high) if side == Side.BUY else (high, low)
    legs = []
    for order_type, price_ticks in (
        (random.choice((OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)), profit_at),
        (random.choice((OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)), loss_at),
    ):
        legs.append(leg_of(side, order_type, price_ticks, qty_lots, random))
    return legs if random.random() < 0.5 else legs[::-1]


def leg_of(side: Side, order_type: int, price_ticks: int, qty_lots: int, random: Random) -> t.ListLeg:
    """At this price, or with it as its stop price and one near it as its limit."""
    is_stop = order_type >= OrderType.STOP_LOSS
    names_no_limit = order_type in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
    time_in_force = random.choices((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK), (80, 10, 10))[0]
    if names_no_limit:
        time_in_force = TimeInForce.IOC
    elif order_type == OrderType.LIMIT_MAKER:
        time_in_force = TimeInForce.GTC
    limit = price_ticks + random.randint(-2, 2) if is_stop else price_ticks
    return t.ListLeg(
        account=0,
        instrument=0,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        price_ticks=0 if names_no_limit else limit,
        qty_lots=qty_lots,
        self_trade=random.choices(list(SelfTrade), (50, 10, 10, 10, 20))[0],
        stop_ticks=price_ticks if is_stop else 0,
    )


def spoiled(leg: t.ListLeg, random: Random) -> t.ListLeg:
    """One number of it is another."""
    numbers = ("price_ticks", "qty_lots", "stop_ticks", "quote_usdc_micros", "display_lots", "expire_time_ns")
    values: dict[str, tuple[int, ...]] = dict.fromkeys(numbers, (1, *HOSTILE))
    values |= {"side": (0, 1, 2), "time_in_force": (TimeInForce.GTD, TimeInForce.DAY, TimeInForce.IOC)}
    name = random.choice(sorted(values))
    changes: dict[str, Any] = {name: random.choice(values[name])}
    return replace(leg, **changes)
