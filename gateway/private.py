"""What an account may ask about its orders and trades. Every look-up starts from the account's own rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from gateway import errors
from gateway import messages as m
from gateway.errors import ApiError
from gateway.history import History, HistoryAwayError, PastOrder, PastTrade
from gateway.markets import Market
from gateway.orders import Amendment, Fill, Order
from gateway.public import bounded
from gateway.reports import Reports
from gateway.rows import ROWS_DEFAULT, ROWS_MAX, Queries, asked_range, cut, json_list, newest, within


class PrivateQueries(Queries):
    """Each answer is JSON text; ApiError where there is none."""

    async def order(self, account: int, params: m.FindOrder, unit_ns: int) -> str:
        market, order_id, client_id = self._markets.of(params.symbol), params.order_id, params.orig_client_order_id
        if order_id is None and client_id is None:
            text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            raise ApiError(errors.MANDATORY_PARAM, text)
        return self._reports[unit_ns].order(await self._found(account, market, order_id, client_id))

    async def _found(self, account: int, market: Market, order_id: int | None, client_id: str | None) -> Order:
        orders = self._orders.of(account)
        order = orders.find(order_id, client_id)
        if order is None and self._history is not None and orders.forgotten_seq >= 0:
            try:
                await self._need_seq(self._history, orders.forgotten_seq)
                past = await self._history.order(account, market.number, order_id, client_id)
            except HistoryAwayError:
                raise errors.away() from None
            order = self._past_order(past, account) if past is not None else None
        if order is None or order.market is not market:
            raise ApiError(errors.NO_SUCH_ORDER, "Order does not exist.")
        return order

    async def amendments(self, account: int, params: m.OrderAmendments, unit_ns: int) -> str:
        """The oldest, from an execution id on."""
        order = await self._found(account, self._markets.of(params.symbol), params.order_id, None)
        from_id, limit = params.from_execution_id or 0, bounded(params.limit, ROWS_DEFAULT, ROWS_MAX)
        past: Sequence[Amendment] = ()
        if self._history is not None and order.unkept_seq >= 0:
            try:
                await self._need_seq(self._history, order.unkept_seq)
                past = await self._history.amendments(account, order.order_id, from_id, limit)
            except HistoryAwayError:
                raise errors.away() from None
        known = {each.execution_id: each for each in (*past, *(order.amendments or ()))}
        chosen = (each for execution_id, each in sorted(known.items()) if execution_id >= from_id)
        return json_list(self._reports[unit_ns].amendment(order, each) for each in islice(chosen, limit))

    def open_orders(self, account: int, params: m.OpenOrders, unit_ns: int) -> str:
        market = self._markets.of(params.symbol) if params.symbol is not None else None
        return json_list(self._reports[unit_ns].order(order) for order in self._orders.open_of(account, market))

    async def all_orders(self, account: int, params: m.AllOrders, unit_ns: int) -> str:
        market = self._markets.of(params.symbol)
        rows = asked_range(params.limit, params.order_id, None, params.start_time, params.end_time)
        orders = self._orders.of(account)
        known = {order.order_id: order for order in (*orders.closed.values(), *orders.open.values())}
        if self._history is not None and orders.forgotten_seq >= 0:
            try:
                await self._need_seq(self._history, orders.forgotten_seq)
                for past in await self._history.orders(account, market.number, rows):
                    known.setdefault(past.order_id, self._past_order(past, account))
            except HistoryAwayError:
                if not newest(rows):
                    raise errors.away() from None
        chosen = (
            order
            for _, order in sorted(known.items())
            if order.market is market and within(order.time_ns, rows) and order.order_id >= (rows.from_id or 0)
        )
        return json_list(self._reports[unit_ns].order(order) for order in cut(chosen, rows))

    async def trades(self, account: int, params: m.MyTrades, unit_ns: int) -> str:
        market = self._markets.of(params.symbol)
        if params.from_id is not None and (params.start_time is not None or params.end_time is not None):
            raise ApiError(errors.PARAMS_BAD_COMBINATION, "Combination of optional parameters invalid.")
        rows = asked_range(params.limit, params.from_id, params.order_id, params.start_time, params.end_time)
        orders = self._orders.of(account)
        known = {fill.trade_id: fill for fill in orders.fills}
        if self._history is not None and orders.forgotten_trade_id >= 0:
            try:
                await self._need_trade(self._history, orders.forgotten_trade_id)
                for past in await self._history.trades(account, market.number, rows):
                    known.setdefault(past.trade_id, self._past_trade(past, account))
            except HistoryAwayError:
                if not newest(rows):
                    raise errors.away() from None
        chosen = (
            fill
            for _, fill in sorted(known.items())
            if fill.market is market
            and within(fill.time_ns, rows)
            and fill.trade_id >= (rows.from_id or 0)
            and rows.order_id in (None, fill.maker_order_id, fill.taker_order_id)
        )
        reports = self._reports[unit_ns]
        return json_list(text for fill in cut(chosen, rows) for text in _sides(reports, fill, account, rows.order_id))

    def prevented_matches(self, account: int, params: m.MyPreventedMatches, unit_ns: int) -> str:
        """Of what memory has: since the start, the newest TRADES_KEPT."""
        market, one, order_id = self._markets.of(params.symbol), params.prevented_match_id, params.order_id
        if (one is None) == (order_id is None):
            raise ApiError(errors.PARAMS_BAD_COMBINATION, "Combination of optional parameters invalid.")
        chosen = (
            each
            for each in self._orders.of(account).preventions
            if each.market is market
            and one in (None, each.prevented_id)
            and order_id in (None, each.taker_order_id, each.maker_order_id)
            and each.prevented_id >= (params.from_prevented_match_id or 0)
        )
        limit = bounded(params.limit, ROWS_DEFAULT, ROWS_MAX)
        return json_list(self._reports[unit_ns].prevention(each) for each in islice(chosen, limit))

    async def _need_trade(self, history: History, trade_id: int) -> None:
        projected = self._orders.projected
        if trade_id > projected.trade_id:
            projected.trade_id = await history.last_trade_id()
        if trade_id > projected.trade_id:
            raise HistoryAwayError("trades that are not in memory any more are not in the database yet")

    def _past_order(self, past: PastOrder, account: int) -> Order:
        assert past.account == account, "history answers for one account"
        return Order(
            past.order_id,
            account,
            self._markets.by_number[past.instrument],
            past.side,
            past.order_type,
            past.time_in_force,
            past.price_ticks,
            past.qty_lots,
            past.quote_usdc_micros,
            past.expire_time_ns,
            past.self_trade,
            past.time_ns,
            past.update_time_ns,
            past.client_order_id,
            past.executed_lots,
            past.executed_usdc_micros,
            past.status,
            stop_ticks=past.stop_ticks,
            display_lots=past.display_lots,
            unkept_seq=0,
            list_id=past.list_id,
        )

    def _past_trade(self, past: PastTrade, account: int) -> Fill:
        assert account in (past.taker_account, past.maker_account), "history answers for one account"
        return past.fill(self._markets.by_number[past.instrument])


def _sides(reports: Reports, fill: Fill, account: int, order_id: int | None) -> Iterable[str]:
    """The account's side of a fill, or both where it traded with itself."""
    if fill.taker_account == account and order_id in (None, fill.taker_order_id):
        yield reports.trade(fill, account, is_maker=False)
    if fill.maker_account == account and order_id in (None, fill.maker_order_id):
        yield reports.trade(fill, account, is_maker=True)
