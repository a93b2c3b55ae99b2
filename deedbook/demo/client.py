"""A trader's session with the trading API: its orders out, its own view of them back.

Orders and fills are known from execution reports only and balances from the account's own events: an answer to a
request says that it was taken, nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

import msgspec

from deedbook.demo.client_messages import (
    AccountPosition,
    AccountStatus,
    Credentials,
    Ed25519Key,
    Event,
    ExecutionReport,
    Params,
    StreamTerminated,
    TradeSettlement,
    signed,
)
from deedbook.demo.instrument import Instrument, instruments, usdc, usdc_micros
from deedbook.demo.socket import ANSWER_S_MAX, Answer, ApiSocket, SessionError

QUOTE: Final = "USDC"


@dataclass(slots=True)
class OpenOrder:
    """As its execution reports tell it."""

    order_id: int
    instrument: Instrument
    is_buy: bool
    price: str
    qty_lots: int
    executed_lots: int


class TradingSession(ApiSocket):
    """`await TradingSession.open(...)`, then place, cancel and amend without waiting; `drain` and `close` at the end.

    id_prefix  of every client order id; must be new for the account, as an id is good for one order only (24 hours).
    on_report  called with every execution report, after the session's own books took it.
    """

    def __init__(self, credentials: Credentials, id_prefix: str) -> None:
        super().__init__(credentials)
        self.open_orders: dict[str, OpenOrder] = {}  # by client order id
        self.free_usdc_micros = 0
        self.free_lots: dict[str, int] = {}  # by symbol
        self.instruments: dict[str, Instrument] = {}
        self.on_report: Callable[[ExecutionReport], None] = _ignore
        self._by_base: dict[str, Instrument] = {}
        self._id_prefix = id_prefix
        self._ids_made = 0
        self._fills: set[tuple[int, bool]] = set()

    @classmethod
    async def open(cls, url: str, credentials: Credentials, id_prefix: str) -> TradingSession:
        """Connect to the ws-api at `url`, log on, subscribe to the account's events, learn instruments and balances.

        Raises SessionError where the exchange refuses, OSError or a picows error where there is none.
        """
        session = cls(credentials, id_prefix)
        await session.connect(url)
        try:
            await session._log_on()
        except BaseException:
            await session.close()
            raise
        return session

    # -- orders; `intended_ns` is as in `request`

    def place_limit(
        self,
        instrument: Instrument,
        *,
        is_buy: bool,
        price_ticks: int,
        qty_lots: int,
        time_in_force: str = "GTC",
        post_only: bool = False,
        client_order_id: str | None = None,
        intended_ns: int | None = None,
    ) -> asyncio.Future[Answer]:
        order = self._order(instrument, is_buy, "LIMIT_MAKER" if post_only else "LIMIT", client_order_id)
        if not post_only:
            order["timeInForce"] = time_in_force
        order |= {"price": instrument.price(price_ticks), "quantity": instrument.qty(qty_lots)}
        return self._place("order.place", order, intended_ns)

    def place_market(
        self,
        instrument: Instrument,
        *,
        is_buy: bool,
        qty_lots: int = 0,
        quote_usdc_micros: int = 0,
        intended_ns: int | None = None,
    ) -> asyncio.Future[Answer]:
        """By quantity or, where that is 0, by the USDC to spend or raise."""
        order = self._order(instrument, is_buy, "MARKET", None)
        if qty_lots:
            order["quantity"] = instrument.qty(qty_lots)
        else:
            order["quoteOrderQty"] = usdc(quote_usdc_micros)
        return self._place("order.place", order, intended_ns)

    def replace(
        self,
        client_order_id: str,
        instrument: Instrument,
        *,
        is_buy: bool,
        price_ticks: int,
        qty_lots: int,
        new_client_order_id: str,
        intended_ns: int | None = None,
    ) -> asyncio.Future[Answer]:
        """Cancel one order and, if that worked, place another, as one step."""
        order = self._order(instrument, is_buy, "LIMIT", new_client_order_id)
        order |= {
            "timeInForce": "GTC",
            "price": instrument.price(price_ticks),
            "quantity": instrument.qty(qty_lots),
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelOrigClientOrderId": client_order_id,
        }
        self.seen.cancels_sent += 1
        return self._place("order.cancelReplace", order, intended_ns)

    def cancel(
        self, client_order_id: str, instrument: Instrument, *, intended_ns: int | None = None
    ) -> asyncio.Future[Answer]:
        self.seen.cancels_sent += 1
        params: Params = {"symbol": instrument.symbol, "origClientOrderId": client_order_id}
        return self.request("order.cancel", params, intended_ns)

    def amend(
        self, client_order_id: str, instrument: Instrument, qty_lots: int, *, intended_ns: int | None = None
    ) -> asyncio.Future[Answer]:
        """Lower an order's total quantity (what was executed included) and keep its place in the queue."""
        self.seen.amends_sent += 1
        params: Params = {
            "symbol": instrument.symbol,
            "origClientOrderId": client_order_id,
            "newQty": instrument.qty(qty_lots),
        }
        return self.request("order.amend.keepPriority", params, intended_ns)

    def cancel_all(self, instrument: Instrument) -> asyncio.Future[Answer]:
        self.seen.cancels_sent += 1
        return self.request("openOrders.cancelAll", {"symbol": instrument.symbol})

    async def leave(self) -> None:
        """Take every order out of the books; returns when the execution reports say that it is so.

        Raises SessionError where that takes too long.
        """
        await self.drain()
        for instrument in {order.instrument for order in self.open_orders.values()}:
            self.cancel_all(instrument)
        await self.drain()
        deadline_ns = monotonic_ns() + int(ANSWER_S_MAX * 10**9)
        while self.open_orders and not self.is_lost:
            if monotonic_ns() > deadline_ns:
                raise SessionError(f"{len(self.open_orders)} orders are still open after a cancel-all")
            await asyncio.sleep(0.01)

    def new_id(self) -> str:
        self._ids_made += 1
        return f"{self._id_prefix}-{self._ids_made}"

    def _order(self, instrument: Instrument, is_buy: bool, kind: str, client_order_id: str | None) -> Params:
        return {
            "symbol": instrument.symbol,
            "side": "BUY" if is_buy else "SELL",
            "type": kind,
            "newClientOrderId": client_order_id or self.new_id(),
            "newOrderRespType": "ACK",
        }

    def _place(self, method: str, order: Params, intended_ns: int | None) -> asyncio.Future[Answer]:
        self.seen.orders_sent += 1
        return self.request(method, order, intended_ns)

    # -- the start

    async def _log_on(self) -> None:
        credentials = self._credentials
        if isinstance(credentials, Ed25519Key):
            await self.ask("session.logon", signed(credentials, {}))
            self._is_logged_on = True
            await self.ask("userDataStream.subscribe", {})
        else:
            await self.ask("userDataStream.subscribe.signature", signed(credentials, {}))
        listed = instruments(await self.ask("exchangeInfo", {}))
        self.instruments = {each.symbol: each for each in listed}
        self._by_base = {each.base: each for each in listed}
        params = {} if self._is_logged_on else signed(credentials, {})
        status = msgspec.json.decode(await self.ask("account.status", params), type=AccountStatus)
        for balance in status.balances:
            self._balance(balance.asset, balance.free)

    # -- the account's events

    def take(self, event: Event) -> None:
        if isinstance(event, ExecutionReport):
            self._reported(event)
        elif isinstance(event, AccountPosition):
            for balance in event.balances:
                self._balance(balance.asset, balance.free)
        elif isinstance(event, TradeSettlement):
            self.seen.settled[f"{event.state} {event.reason}".rstrip()] += 1
        else:
            assert not isinstance(event, StreamTerminated) or self._is_closing, "the account's events ended"

    def _reported(self, report: ExecutionReport) -> None:
        instrument = self.instruments[report.symbol]
        client_order_id = report.original_id or report.client_order_id
        if report.execution == "TRADE":
            self._filled(report)
        if report.status in ("NEW", "PARTIALLY_FILLED"):
            self.open_orders[client_order_id] = OpenOrder(
                report.order_id,
                instrument,
                report.side == "BUY",
                report.price,
                instrument.lots(report.qty),
                instrument.lots(report.executed),
            )
        else:
            self.open_orders.pop(client_order_id, None)
            if report.status != "FILLED":
                self.seen.closed[report.reason or report.status] += 1
        self.on_report(report)

    def _filled(self, report: ExecutionReport) -> None:
        fill = (report.trade_id, report.is_maker)
        if fill in self._fills:
            self.seen.fills_repeated += 1
        self._fills.add(fill)
        self.seen.fills += 1
        self.seen.filled_usdc_micros += usdc_micros(report.last_usdc)

    def _balance(self, asset: str, free: str) -> None:
        if asset == QUOTE:
            self.free_usdc_micros = usdc_micros(free)
        elif (instrument := self._by_base.get(asset)) is not None:
            self.free_lots[instrument.symbol] = instrument.lots(free)


def _ignore(report: ExecutionReport) -> None:
    """Nobody listens."""
