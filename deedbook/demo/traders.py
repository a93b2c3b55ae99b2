"""The kinds of traders that make a market: makers, takers, one who may not, and one who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from deedbook.demo.client import OpenOrder, TradingSession
from deedbook.demo.client_messages import ExecutionReport
from deedbook.demo.instrument import Instrument
from deedbook.demo.pacer import Pacer
from deedbook.demo.trader import FairPrice, Plan, Trader

LEVELS: Final = 6  # of a maker's ladder, on each side
LEVEL_BPS: Final = 5  # between two levels
HALF_SPREAD_BPS: Final = 4
STALE_BPS: Final = 4  # a quote this far from where it should be is moved
QTY_LOTS_MAX: Final = 400
FEE_MARGIN_BPS: Final = 100  # cash kept back for fees when an order is sized
BPS: Final = 10_000
FAR_BPS: Final = 500  # how far from the market the one who waits rests
PERMISSION_LOST: Final = "PERMISSION_LOST"


class MarketMaker(Trader):
    """Keeps a ladder of quotes on both sides of the fair price: places, moves, and now and then shrinks them."""

    def __init__(
        self,
        session: TradingSession,
        fair_prices: Mapping[Instrument, FairPrice],
        pacer: Pacer,
        plan: Plan,
        qty_lots_max: int = QTY_LOTS_MAX,
    ) -> None:
        super().__init__(session, fair_prices, pacer, plan)
        self._qty_lots_max = qty_lots_max
        self._quotes: dict[tuple[Instrument, bool, int], str] = {}  # client order id by instrument, side and level
        self._prices: dict[str, int] = {}  # ticks by client order id
        session.on_report = self._reported

    def act(self, intended_ns: int) -> None:
        instrument, is_buy = self.random.choice(self.instruments), self.random.random() < 0.5
        slot = (instrument, is_buy, self.random.randrange(LEVELS))
        target_ticks = self._target_ticks(slot, intended_ns)
        client_order_id = self._quotes.get(slot)
        if client_order_id is None:
            self._quote(slot, target_ticks, intended_ns)
        elif client_order_id in self.session.open_orders:  # else it is under way
            self._look_after(slot, client_order_id, target_ticks, intended_ns)

    def _target_ticks(self, slot: tuple[Instrument, bool, int], now_ns: int) -> int:
        instrument, is_buy, level = slot
        fair_ticks = self.fair_prices[instrument].ticks(now_ns)
        away_ticks = max(fair_ticks * (HALF_SPREAD_BPS + level * LEVEL_BPS) // BPS, level + 1)
        return max(fair_ticks - away_ticks, 1) if is_buy else fair_ticks + away_ticks

    def _quote(self, slot: tuple[Instrument, bool, int], price_ticks: int, intended_ns: int) -> None:
        instrument, is_buy, _ = slot
        qty_lots = affordable_lots(
            self.session, instrument, is_buy, price_ticks, self.random.randint(1, self._qty_lots_max)
        )
        if qty_lots == 0:
            return
        client_order_id = self._remember(slot, price_ticks)
        sent = self.session.place_limit(
            instrument,
            is_buy=is_buy,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            post_only=self.random.random() < 0.5,
            client_order_id=client_order_id,
            intended_ns=intended_ns,
        )
        sent.add_done_callback(lambda answer: self._forget(slot, client_order_id) if answer.result().reason else None)

    def _look_after(
        self, slot: tuple[Instrument, bool, int], client_order_id: str, target_ticks: int, intended_ns: int
    ) -> None:
        order = self.session.open_orders[client_order_id]
        if abs(self._prices[client_order_id] - target_ticks) * BPS > target_ticks * STALE_BPS:
            if self.random.random() < 0.2:
                self.session.cancel(client_order_id, order.instrument, intended_ns=intended_ns)
            else:
                self._move(slot, client_order_id, order, target_ticks, intended_ns)
        elif self.random.random() < 0.3 and order.qty_lots - order.executed_lots > 1:
            less_lots = order.executed_lots + (order.qty_lots - order.executed_lots + 1) // 2
            self.session.amend(client_order_id, order.instrument, less_lots, intended_ns=intended_ns)

    def _move(
        self,
        slot: tuple[Instrument, bool, int],
        client_order_id: str,
        order: OpenOrder,
        price_ticks: int,
        intended_ns: int,
    ) -> None:
        new_id = self._remember(slot, price_ticks)
        sent = self.session.replace(
            client_order_id,
            order.instrument,
            is_buy=order.is_buy,
            price_ticks=price_ticks,
            qty_lots=order.qty_lots - order.executed_lots,
            new_client_order_id=new_id,
            intended_ns=intended_ns,
        )
        sent.add_done_callback(lambda answer: self._forget(slot, new_id) if answer.result().reason else None)

    def _remember(self, slot: tuple[Instrument, bool, int], price_ticks: int) -> str:
        client_order_id = self.session.new_id()
        self._quotes[slot] = client_order_id
        self._prices[client_order_id] = price_ticks
        return client_order_id

    def _forget(self, slot: tuple[Instrument, bool, int], client_order_id: str) -> None:
        """What was refused is no quote."""
        self._prices.pop(client_order_id, None)
        if self._quotes.get(slot) == client_order_id:
            del self._quotes[slot]

    def _reported(self, report: ExecutionReport) -> None:
        client_order_id = report.original_id or report.client_order_id
        if client_order_id in self.session.open_orders or client_order_id not in self._prices:
            return
        for slot in [slot for slot, quote in self._quotes.items() if quote == client_order_id]:
            del self._quotes[slot]
        del self._prices[client_order_id]


class Taker(Trader):
    """Takes in every way there is (market by quantity or by USDC, IOC, FOK) and tries post-only where it would take."""

    def __init__(
        self,
        session: TradingSession,
        fair_prices: Mapping[Instrument, FairPrice],
        pacer: Pacer,
        plan: Plan,
        qty_lots_max: int = QTY_LOTS_MAX,
    ) -> None:
        super().__init__(session, fair_prices, pacer, plan)
        self._qty_lots_max = qty_lots_max

    def act(self, intended_ns: int) -> None:
        instrument, is_buy = self.random.choice(self.instruments), self.random.random() < 0.5
        fair_ticks = self.fair_prices[instrument].ticks(intended_ns)
        reach_ticks = max(fair_ticks * (HALF_SPREAD_BPS + 2 * LEVEL_BPS) // BPS, 2)
        limit_ticks = max(fair_ticks + reach_ticks if is_buy else fair_ticks - reach_ticks, 1)
        qty_lots = affordable_lots(
            self.session, instrument, is_buy, limit_ticks, self.random.randint(1, self._qty_lots_max)
        )
        if qty_lots == 0:
            return
        kind = self.random.choices(("market", "quote", "IOC", "FOK", "post-only"), (30, 20, 30, 15, 5))[0]
        match kind:
            case "market":
                self.session.place_market(instrument, is_buy=is_buy, qty_lots=qty_lots, intended_ns=intended_ns)
            case "quote":
                micros = qty_lots * limit_ticks * instrument.tick_value_usdc_micros
                self.session.place_market(instrument, is_buy=is_buy, quote_usdc_micros=micros, intended_ns=intended_ns)
            case _:
                self.session.place_limit(
                    instrument,
                    is_buy=is_buy,
                    price_ticks=limit_ticks,
                    qty_lots=qty_lots,
                    time_in_force="GTC" if kind == "post-only" else kind,
                    post_only=kind == "post-only",
                    intended_ns=intended_ns,
                )


class Refused(Trader):
    """Sends ordinary orders that the exchange must refuse; its session counts the reasons."""

    def act(self, intended_ns: int) -> None:
        instrument, is_buy = self.random.choice(self.instruments), self.random.random() < 0.5
        price_ticks = self.fair_prices[instrument].ticks(intended_ns)
        self.session.place_limit(
            instrument, is_buy=is_buy, price_ticks=price_ticks, qty_lots=1, intended_ns=intended_ns
        )


class Waiter(Trader):
    """Rests buy orders far below the market and does nothing else, so that they stand there when its KYC is revoked.

    rested   set once all its orders rest.
    expired  set once the exchange has closed them all because a permission was lost, as the execution reports say.
    """

    def __init__(
        self,
        session: TradingSession,
        fair_prices: Mapping[Instrument, FairPrice],
        pacer: Pacer,
        plan: Plan,
        orders: int = 5,
    ) -> None:
        super().__init__(session, fair_prices, pacer, plan)
        self.rested = asyncio.Event()
        self.expired = asyncio.Event()
        self._orders = orders
        self._placed = 0
        session.on_report = self._reported

    def act(self, intended_ns: int) -> None:
        if self._placed == self._orders:
            return
        instrument = self.instruments[self._placed % len(self.instruments)]
        self._placed += 1
        far_ticks = self.fair_prices[instrument].start_ticks * (BPS - FAR_BPS - self._placed) // BPS
        self.session.place_limit(
            instrument, is_buy=True, price_ticks=max(far_ticks, 1), qty_lots=1, intended_ns=intended_ns
        )

    def _reported(self, report: ExecutionReport) -> None:
        if len(self.session.open_orders) == self._orders:
            self.rested.set()
        if self.session.seen.closed[PERMISSION_LOST] == self._orders:
            self.expired.set()


def affordable_lots(
    session: TradingSession, instrument: Instrument, is_buy: bool, price_ticks: int, wanted_lots: int
) -> int:
    """As many lots, up to those wanted, as the session's last known free balance covers."""
    if not is_buy:
        return min(wanted_lots, session.free_lots.get(instrument.symbol, 0))
    lot_micros = price_ticks * instrument.tick_value_usdc_micros
    return min(wanted_lots, session.free_usdc_micros * (BPS - FEE_MARGIN_BPS) // BPS // lot_micros)
