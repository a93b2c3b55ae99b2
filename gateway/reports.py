"""Orders, trades and balances as the order API writes them: replies, query results and user-data events, all JSON text.

Everything in them is a number or a string of ours (symbols and client order ids are plain ASCII by rule), so nothing
needs escaping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.types import OrderType, Reason, SelfTrade, Side, TimeInForce
from gateway.markets import QUOTE, Markets
from gateway.order_lists import CONTINGENCIES, OrderList
from gateway.orders import Amendment, Fill, Order, Prevention
from gateway.times import MS, US

SIDES: Final = tuple(side.name for side in Side)
TYPES: Final = {int(kind): kind.name for kind in OrderType}
TIMES_IN_FORCE: Final = {int(kind): kind.name for kind in TimeInForce}
SELF_TRADES: Final = tuple(mode.name for mode in SelfTrade)
ZERO: Final = "0.00000000"  # of what an order has not: a stop price, an iceberg quantity
EXPIRY_REASONS: Final = {
    Reason.IOC_REMAINDER: "UNFILLED_IOC_QUANTITY_EXPIRED",
    Reason.FOK_UNFILLED: "UNFILLED_FOK_ORDER_EXPIRED",
    Reason.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
    Reason.BAND_REACHED: "EXCHANGE_CANCELED",
    Reason.PERMISSION_LOST: "EXCHANGE_CANCELED",
    Reason.COVER_LOST: "EXCHANGE_CANCELED",
    Reason.EX_DATE: "EXCHANGE_CANCELED",
    Reason.LIST_LEG_DONE: "OCO_TRIGGER",
    Reason.LIST_ENDED: "OTO_PHASE_ONE_EXPIRED",
}


class Reports:
    """Writes them; knows the markets for their decimals, and the unit of its times."""

    def __init__(self, markets: Markets, unit_ns: int) -> None:
        self._markets = markets
        self._unit_ns = unit_ns
        self._usdc = markets.usdc

    # -- replies to trading requests

    def placed(self, order: Order, kind: str, fills: Sequence[Fill]) -> str:
        """ACK, RESULT or FULL, without the braces' end where more is to be added."""
        head = (
            f'{{"symbol":"{order.market.symbol}","orderId":{order.order_id},"orderListId":{order.list_id},'
            f'"clientOrderId":"{order.client_order_id}","transactTime":{order.update_time_ns // self._unit_ns}'
        )
        if kind == "ACK":
            return head + "}"
        body = f'{head},{self._body(order)},"workingTime":{self._working(order)}'
        if kind == "RESULT":
            return body + "}"
        return f'{body},"fills":[{",".join([self._fill(order, fill) for fill in fills])}]}}'

    def cancelled(self, order: Order, cancel_id: str) -> str:
        return (
            f'{{"symbol":"{order.market.symbol}","origClientOrderId":"{order.client_order_id}",'
            f'"orderId":{order.order_id},"orderListId":{order.list_id},"clientOrderId":"{cancel_id}",'
            f'"transactTime":{order.update_time_ns // self._unit_ns},{self._body(order)}}}'
        )

    def amended(self, order: Order, execution_id: int) -> str:
        market = order.market
        return (
            f'{{"transactTime":{order.update_time_ns // self._unit_ns},"executionId":{execution_id},"amendedOrder":{{'
            f'"symbol":"{market.symbol}","orderId":{order.order_id},"orderListId":-1,'
            f'"origClientOrderId":"{order.client_order_id}","clientOrderId":"{order.client_order_id}",'
            f'"price":"{market.price[order.price_ticks]}","qty":"{market.qty[order.qty_lots]}",'
            f'"executedQty":"{market.qty[order.executed_lots]}","preventedQty":"{market.qty[order.prevented_lots]}",'
            f'"quoteOrderQty":"{self._usdc[order.quote_usdc_micros]}",'
            f'"cumulativeQuoteQty":"{self._usdc[order.executed_usdc_micros]}",{self._kind(order)},'
            f'"workingTime":{self._working(order)}}}}}'
        )

    def _body(self, order: Order) -> str:
        market, usdc = order.market, self._usdc
        return (
            f'"price":"{market.price[order.price_ticks]}","origQty":"{market.qty[order.qty_lots]}",'
            f'"executedQty":"{market.qty[order.executed_lots]}",'
            f'"origQuoteOrderQty":"{usdc[order.quote_usdc_micros]}",'
            f'"cummulativeQuoteQty":"{usdc[order.executed_usdc_micros]}",{self._kind(order)}'
        )

    def _kind(self, order: Order) -> str:
        stop = f',"stopPrice":"{order.market.price[order.stop_ticks]}"' if order.stop_ticks else ""
        iceberg = f',"icebergQty":"{order.market.qty[order.display_lots]}"' if order.display_lots else ""
        return (
            f'"status":"{order.status}","timeInForce":"{TIMES_IN_FORCE[order.time_in_force]}",'
            f'"type":"{TYPES[order.order_type]}","side":"{SIDES[order.side]}",'
            f'"selfTradePreventionMode":"{SELF_TRADES[order.self_trade]}"{stop}{iceberg}'
        )

    def _fill(self, order: Order, fill: Fill) -> str:
        market = order.market
        return (
            f'{{"price":"{market.price[fill.price_ticks]}","qty":"{market.qty[fill.qty_lots]}",'
            f'"commission":"{self._usdc[fill.taker_fee_usdc_micros]}","commissionAsset":"{QUOTE}",'
            f'"tradeId":{fill.trade_id}}}'
        )

    def _working(self, order: Order) -> int:
        """Since when it is in the market; -1 while it waits; triggered before a restart: since it came."""
        return -1 if order.waits else (order.triggered_ns or order.time_ns) // self._unit_ns

    # -- query results

    def order_list(self, order_list: OrderList, reports: Sequence[str] = ()) -> str:
        """How a list stands; `reports` of its orders, where something was asked of them."""
        symbol = order_list.market.symbol
        names = [
            f'{{"symbol":"{symbol}","orderId":{order_id},"clientOrderId":"{client_id}"}}'
            for order_id, client_id in order_list.members
        ]
        more = f',"orderReports":[{",".join(reports)}]' if reports else ""
        return (
            f'{{"orderListId":{order_list.list_id},"contingencyType":"{CONTINGENCIES[order_list.kind]}",'
            f"{_list_status(order_list, 'listStatusType', 'listOrderStatus')},"
            f'"listClientOrderId":"{order_list.client_order_id}",'
            f'"transactionTime":{order_list.update_time_ns // self._unit_ns},"symbol":"{symbol}",'
            f'"orders":[{",".join(names)}]{more}}}'
        )

    def order(self, order: Order) -> str:
        good_till = f',"goodTillDate":{order.expire_time_ns // self._unit_ns}' if order.expire_time_ns else ""
        no_stop = "" if order.stop_ticks else f',"stopPrice":"{ZERO}"'
        no_iceberg = "" if order.display_lots else f',"icebergQty":"{ZERO}"'
        is_working = order.is_open and not order.waits
        return (
            f'{{"symbol":"{order.market.symbol}","orderId":{order.order_id},"orderListId":{order.list_id},'
            f'"clientOrderId":"{order.client_order_id}",{self._body(order)}{no_stop}{no_iceberg},'
            f'"time":{order.time_ns // self._unit_ns},"updateTime":{order.update_time_ns // self._unit_ns},'
            f'"isWorking":{"true" if is_working else "false"},"workingTime":{self._working(order)}{good_till}}}'
        )

    def trade(self, fill: Fill, account: int, *, is_maker: bool) -> str:
        """One side of a fill, with how its settlement stands (ours, not Binance's: the last fields)."""
        market = fill.market
        is_buyer = (fill.taker_side == 0) != is_maker
        order_id = fill.maker_order_id if is_maker else fill.taker_order_id
        list_id = fill.maker_list_id if is_maker else fill.taker_list_id
        fee = fill.maker_fee_usdc_micros if is_maker else fill.taker_fee_usdc_micros
        reason = f',"settlementReason":"{fill.reason}"' if fill.reason else ""
        transaction = f',"transaction":"{fill.transaction}"' if fill.transaction else ""
        return (
            f'{{"symbol":"{market.symbol}","id":{fill.trade_id},"orderId":{order_id},"orderListId":{list_id},'
            f'"price":"{market.price[fill.price_ticks]}","qty":"{market.qty[fill.qty_lots]}",'
            f'"quoteQty":"{self._usdc[fill.notional_usdc_micros]}","commission":"{self._usdc[fee]}",'
            f'"commissionAsset":"{QUOTE}","time":{fill.time_ns // self._unit_ns},'
            f'"isBuyer":{"true" if is_buyer else "false"},"isMaker":{"true" if is_maker else "false"},'
            f'"isBestMatch":true,"settlement":"{fill.settlement}"{reason}{transaction}}}'
        )

    def amendment(self, order: Order, each: Amendment) -> str:
        market, client_id = order.market, order.client_order_id
        return (
            f'{{"symbol":"{market.symbol}","orderId":{order.order_id},"executionId":{each.execution_id},'
            f'"origClientOrderId":"{client_id}","newClientOrderId":"{client_id}",'
            f'"origQty":"{market.qty[each.qty_lots + each.removed_lots]}","newQty":"{market.qty[each.qty_lots]}",'
            f'"time":{each.time_ns // self._unit_ns}}}'
        )

    def prevention(self, each: Prevention) -> str:
        """A prevented match as Binance tells it; the group is the match itself."""
        market = each.market
        return (
            f'{{"symbol":"{market.symbol}","preventedMatchId":{each.prevented_id},'
            f'"takerOrderId":{each.taker_order_id},"makerSymbol":"{market.symbol}",'
            f'"makerOrderId":{each.maker_order_id},"tradeGroupId":{each.prevented_id},'
            f'"selfTradePreventionMode":"{SELF_TRADES[each.mode]}","price":"{market.price[each.price_ticks]}",'
            f'"takerPreventedQuantity":"{market.qty[each.lots]}","makerPreventedQuantity":"{market.qty[each.lots]}",'
            f'"transactTime":{each.time_ns // self._unit_ns}}}'
        )

    def trade_public(self, fill: Fill) -> str:
        """A fill as the public sees it."""
        market = fill.market
        return (
            f'{{"id":{fill.trade_id},"price":"{market.price[fill.price_ticks]}","qty":"{market.qty[fill.qty_lots]}",'
            f'"quoteQty":"{self._usdc[fill.notional_usdc_micros]}","time":{fill.time_ns // self._unit_ns},'
            f'"isBuyerMaker":{"true" if fill.taker_side else "false"},"isBestMatch":true}}'
        )

    # -- user-data events

    def execution(
        self,
        order: Order,
        execution: str,
        execution_id: int,
        time_ns: int,
        *,
        cancel_id: str = "",
        fill: Fill | None = None,
        is_maker: bool = False,
        reason: int = 0,
        prevention: Prevention | None = None,
    ) -> str:
        """An executionReport: `execution` is NEW, TRADE, CANCELED, REPLACED, EXPIRED or TRADE_PREVENTION."""
        market, usdc, time = order.market, self._usdc, time_ns // self._unit_ns
        price, qty = market.price, market.qty
        if fill is not None:
            fee = fill.maker_fee_usdc_micros if is_maker else fill.taker_fee_usdc_micros
            last = (
                f'"l":"{qty[fill.qty_lots]}","L":"{price[fill.price_ticks]}","n":"{usdc[fee]}","N":"{QUOTE}",'
                f'"t":{fill.trade_id},"Y":"{usdc[fill.notional_usdc_micros]}",'
            )
        else:
            last = f'"l":"{qty[0]}","L":"{price[0]}","n":"0","N":null,"t":-1,"Y":"{usdc[0]}",'
        client_id, original_id = (cancel_id, order.client_order_id) if cancel_id else (order.client_order_id, "")
        stop_price = price[order.stop_ticks] if order.stop_ticks else ZERO
        iceberg_qty = qty[order.display_lots] if order.display_lots else ZERO
        is_working = order.is_open and not order.waits
        expired = reason in EXPIRY_REASONS and not order.is_open
        ended = f',"eR":"{EXPIRY_REASONS[Reason(reason)]}"' if expired else ""
        why = f',"reason":"{Reason(reason).name}"' if reason else ""
        prevented = self._prevented(order, prevention) if order.prevented_lots else ""
        return (
            f'{{"e":"executionReport","E":{time},"s":"{market.symbol}","c":"{client_id}","S":"{SIDES[order.side]}",'
            f'"o":"{TYPES[order.order_type]}","f":"{TIMES_IN_FORCE[order.time_in_force]}","q":"{qty[order.qty_lots]}",'
            f'"p":"{price[order.price_ticks]}","P":"{stop_price}","F":"{iceberg_qty}","g":{order.list_id},"C":"{original_id}",'
            f'"x":"{execution}","X":"{order.status}","r":"NONE","i":{order.order_id},{last}'
            f'"z":"{qty[order.executed_lots]}","T":{time},"I":{execution_id},'
            f'"w":{"true" if is_working else "false"},"m":{"true" if is_maker else "false"},"M":false,'
            f'"O":{order.time_ns // self._unit_ns},"Z":"{usdc[order.executed_usdc_micros]}",'
            f'"Q":"{usdc[order.quote_usdc_micros]}","W":{self._working(order)},'
            f'"V":"{SELF_TRADES[order.self_trade]}"{prevented}{ended}{why}}}'
        )

    def _prevented(self, order: Order, prevention: Prevention | None) -> str:
        """The part of an executionReport of an order that got smaller, and where it just did, by which match."""
        qty = order.market.qty
        total = f',"A":"{qty[order.prevented_lots]}"'
        if prevention is None:
            return total
        other = prevention.maker_order_id + prevention.taker_order_id - order.order_id
        return (
            f',"v":{prevention.prevented_id}{total},"B":"{qty[prevention.lots]}","u":{prevention.prevented_id},'
            f'"U":{other},"Cs":"{order.market.symbol}","pl":"{qty[0]}","pL":"{order.market.price[0]}",'
            f'"pY":"{self._usdc[0]}"'
        )

    def list_status(self, order_list: OrderList, time_ns: int) -> str:
        """listStatus: it was placed, or it is done."""
        time, symbol = time_ns // self._unit_ns, order_list.market.symbol
        names = [f'{{"s":"{symbol}","i":{order_id},"c":"{client_id}"}}' for order_id, client_id in order_list.members]
        return (
            f'{{"e":"listStatus","E":{time},"s":"{symbol}","g":{order_list.list_id},'
            f'"c":"{CONTINGENCIES[order_list.kind]}",{_list_status(order_list, "l", "L")},"r":"NONE",'
            f'"C":"{order_list.client_order_id}","T":{time},"O":[{",".join(names)}]}}'
        )

    def position(self, balances: dict[int, tuple[int, int]], time_ns: int) -> str:
        """outboundAccountPosition: the assets that changed, free and locked."""
        time, assets = time_ns // self._unit_ns, self._markets.assets
        rows = []
        for asset, (free, locked) in balances.items():
            name, amounts = assets[asset]
            rows.append(f'{{"a":"{name}","f":"{amounts[free]}","l":"{amounts[locked]}"}}')
        return f'{{"e":"outboundAccountPosition","E":{time},"u":{time},"B":[{",".join(rows)}]}}'

    def balance_change(self, asset: int, delta: int, time_ns: int) -> str:
        """balanceUpdate: a deposit, a withdrawal, what a failed trade gave back."""
        time, (name, amounts) = time_ns // self._unit_ns, self._markets.assets[asset]
        return f'{{"e":"balanceUpdate","E":{time},"a":"{name}","d":"{amounts[delta]}","T":{time}}}'

    def settlement(
        self, instrument: int, trade_id: int, state: str, reason: str, transaction: str, time_ns: int
    ) -> str:
        """tradeSettlement (ours): how a trade of this account ended on chain."""
        time = time_ns // self._unit_ns
        return (
            f'{{"e":"tradeSettlement","E":{time},"s":"{self._markets.by_number[instrument].symbol}","t":{trade_id},'
            f'"X":"{state}","r":"{reason}","h":"{transaction}","T":{time}}}'
        )


def _list_status(order_list: OrderList, of_list: str, of_orders: str) -> str:
    stands = ("EXEC_STARTED", "EXECUTING") if order_list.is_open else ("ALL_DONE", "ALL_DONE")
    return f'"{of_list}":"{stands[0]}","{of_orders}":"{stands[1]}"'


def reports_by_unit(markets: Markets) -> dict[int, Reports]:
    """By the nanoseconds of the time unit that a client may ask for."""
    return {unit_ns: Reports(markets, unit_ns) for unit_ns in (MS, US)}
