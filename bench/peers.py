"""Other engines that install from PyPI, on the bare book's orders: their fills compared with ours, and their speed.

`make setup-bench` installs them. Where one is absent it is said, and nothing else changes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from time import perf_counter_ns
from typing import Any, Final, NamedTuple

import numpy as np

from bench.bare import BARE_COMMAND, BARE_FILL, BareFlow

NEWER_PYTHON: Final = "matching-engine"  # 0.1.1 needs Python 3.12


class Step(NamedTuple):
    """A limit order that is given the next number, or the cancel of an open one."""

    is_cancel: bool
    is_buy: bool
    price_ticks: int
    qty_lots: int  # of a cancel: the order's number
    rests: bool


Fill = tuple[int, int, int, int]  # maker, taker, price in ticks, lots
Peer = Callable[[Sequence[Step]], list[Fill]]


def measure(bare: BareFlow) -> Mapping[str, bool]:
    """Each on the same commands, setup included. Returns whether the fills were ours."""
    steps, fills = _steps(bare)
    before = sum(not step.is_cancel for step in steps[: len(bare.setup) // BARE_COMMAND.itemsize])
    checks = {}
    print(f"  peers        {NEWER_PYTHON}: not on this Python" if _is_absent(NEWER_PYTHON) else "  peers")
    for module, peer in (
        ("liquibook", _liquibook),
        ("order_matching", _order_matching),
        ("lightmatchingengine", _lightmatchingengine),
    ):
        if _is_absent(module):
            print(f"    {module}: not installed (make setup-bench)")
            continue
        start_ns = perf_counter_ns()
        theirs = peer(steps)
        rate = len(steps) * 1e9 / (perf_counter_ns() - start_ns)
        checks[f"same_fills_{module}"] = [fill for fill in theirs if fill[1] > before] == fills
        print(f"    {module:20} {rate:,.0f} commands/s over {len(steps):,}, {len(theirs):,} fills")
    return checks


def _is_absent(module: str) -> bool:
    return importlib.util.find_spec(module.replace("-", "_")) is None


def _steps(bare: BareFlow) -> tuple[list[Step], list[Fill]]:
    rows = np.frombuffer(bare.setup + b"".join(bare.batches), BARE_COMMAND)
    steps = [
        Step(bool(cancel), side == 0, price, qty, bool(rests)) for price, qty, cancel, side, rests, _ in rows.tolist()
    ]
    return steps, np.frombuffer(b"".join(bare.fills), BARE_FILL).tolist()


def _liquibook(steps: Sequence[Step]) -> list[Fill]:
    import liquibook

    fills: list[Fill] = []
    numbers: dict[int, int] = {}

    class Listener(liquibook.OrderListener):  # type: ignore[misc]
        def on_accept(self, order: Any) -> None: ...
        def on_cancel(self, order: Any) -> None: ...
        def on_fill(self, one: Any, other: Any, lots: int, price_ticks: int) -> None:
            one.fill(lots, price_ticks * lots, 0)
            other.fill(lots, price_ticks * lots, 0)
            maker, taker = sorted((numbers[one.order_id_], numbers[other.order_id_]))
            fills.append((maker, taker, price_ticks, lots))

    book, listener, orders = liquibook.DepthOrderBook(), Listener(), [None]
    book.set_order_listener(listener)
    for step in steps:
        if step.is_cancel:
            book.cancel(orders[step.qty_lots])
            continue
        order = liquibook.SimpleOrder(step.is_buy, step.price_ticks, step.qty_lots)
        numbers[order.order_id_] = len(orders)
        orders.append(order)
        book.add(order, liquibook.oc_no_conditions if step.rests else liquibook.oc_immediate_or_cancel)
    return fills


def _order_matching(steps: Sequence[Step]) -> list[Fill]:
    from loguru import logger
    from order_matching.enums import Side
    from order_matching.matching_engine import MatchingEngine
    from order_matching.order import LimitOrder
    from order_matching.orders import Orders

    logger.remove()
    engine, now, fills, number = MatchingEngine(seed=1), datetime(2026, 1, 1), [], 0
    for step in steps:
        now += timedelta(microseconds=1)
        if step.is_cancel:
            engine.cancel_order(str(step.qty_lots))
            continue
        number += 1
        side = Side.BUY if step.is_buy else Side.SELL
        order = LimitOrder(
            side=side,
            price=float(step.price_ticks),
            size=float(step.qty_lots),
            timestamp=now,
            order_id=str(number),
            trader_id="1",
        )
        engine.place(orders=Orders([order]))
        trades = engine.match(timestamp=now).trades
        fills += [(int(each.book_order_id), number, int(each.price), int(each.size)) for each in trades]
        if not step.rests and order.size > 0:
            engine.cancel_order(str(number))
    return fills


def _lightmatchingengine(steps: Sequence[Step]) -> list[Fill]:
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine

    engine, fills, number = LightMatchingEngine(), [], 0
    for step in steps:
        if step.is_cancel:
            engine.cancel_order(step.qty_lots, "A")
            continue
        number += 1
        order, trades = engine.add_order("A", step.price_ticks, step.qty_lots, 1 if step.is_buy else 2)
        fills += [
            (each.order_id, number, each.trade_price, each.trade_qty) for each in trades if each.order_id != number
        ]
        if not step.rests and order.leaves_qty > 0:
            engine.cancel_order(number, "A")
    return fills
