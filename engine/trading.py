"""What traders send: place, cancel, amend, replace, cancel-all; and the match itself."""

from __future__ import annotations

from typing import Any, Final

from engine import admission
from engine.accounts import Account
from engine.book import BUY, Order
from engine.types import BASIS_POINTS, USDC, VENUE, EventKind, OrderType, Reason, SelfTrade, TimeInForce
from engine.venue import CLOSED, ZERO_ID, Instrument, Venue
from engine.wire import EVENT

Row = tuple[Any, ...]  # a command's slots in the order of wire.COMMAND_SLOTS

ACCEPTED: Final = int(EventKind.ACCEPTED)
TRADE: Final = int(EventKind.TRADE)
AMENDED: Final = int(EventKind.AMENDED)
MARKET: Final = int(OrderType.MARKET)
GTC: Final = int(TimeInForce.GTC)
GTD: Final = int(TimeInForce.GTD)
FOK: Final = int(TimeInForce.FOK)
EXPIRE_TAKER: Final = int(SelfTrade.EXPIRE_TAKER)
EXPIRE_MAKER: Final = int(SelfTrade.EXPIRE_MAKER)
EXPIRE_BOTH: Final = int(SelfTrade.EXPIRE_BOTH)


class Trading:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._events = venue.events

    # -- placing

    def place(self, row: Row) -> None:
        (_, _, _, side, order_type, time_in_force, number, self_trade, _, account_number, _) = row[:11]
        price_ticks, qty_lots, quote_usdc_micros, expire_time_ns = row[11:15]
        client_order_id = row[18]
        venue = self._venue
        instrument = venue.instruments[number] if 0 < number < len(venue.instruments) else None
        if instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        account = venue.accounts[account_number] if 0 < account_number < len(venue.accounts) else None
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        if (side, order_type, time_in_force, self_trade) not in admission.FORMS or (expire_time_ns != 0) != (
            time_in_force == GTD
        ):
            return venue.reject(Reason.ORDER_MALFORMED, number, account_number)
        if order_type == MARKET:
            return self._place_market(row, instrument, account)
        if quote_usdc_micros:
            return venue.reject(Reason.ORDER_MALFORMED, number, account_number)
        usdc_micros_per_lot = price_ticks * instrument.terms.tick_value_usdc_micros
        fee_bps = instrument.maker_fee_bps
        if instrument.taker_fee_bps > fee_bps:
            fee_bps = instrument.taker_fee_bps
        if side == BUY:
            notional = usdc_micros_per_lot * qty_lots
            hold = notional - (-notional * fee_bps // BASIS_POINTS)
        else:
            hold = qty_lots
        reason = admission.limit_refusal(
            venue,
            instrument,
            account,
            side,
            order_type,
            time_in_force,
            price_ticks,
            qty_lots,
            expire_time_ns,
            client_order_id,
            hold,
        )
        if reason:
            return self._refuse(reason, instrument, account, client_order_id)
        # From here on the order is ours; nothing below may refuse it.
        venue.last_order_id = order_id = venue.last_order_id + 1
        order = Order(
            order_id,
            account,
            number,
            side,
            order_type,
            time_in_force,
            self_trade,
            price_ticks,
            qty_lots,
            expire_time_ns,
            venue.time_ns,
            usdc_micros_per_lot,
            instrument.maker_fee_bps,
            fee_bps,
            client_order_id,
        )
        if client_order_id != ZERO_ID:
            account.client_order_ids[client_order_id] = order_id
        slot = len(self._events)
        self._events.append(b"")  # Accepted tells how the order ended, and stands before its trades
        stopped = 0
        opposite = instrument.asks if side == BUY else instrument.bids
        if opposite.reaches(price_ticks):
            stopped = self._match_limit(order, instrument, opposite)
        self._finish(order, instrument, slot, stopped)

    def _refuse(self, reason: int, instrument: Instrument, account: Account, client_order_id: bytes) -> None:
        first = account.client_order_ids[client_order_id] if reason == Reason.CLIENT_ORDER_ID_IN_USE else 0
        self._venue.reject(reason, instrument.number, account.number, first)

    def _match_limit(self, order: Order, instrument: Instrument, opposite: Any) -> int:
        if order.time_in_force == FOK:
            owner = order.account.owner
            if opposite.fillable_lots(order.price_ticks, owner, order.self_trade, order.qty_lots) < order.qty_lots:
                return Reason.FOK_UNFILLED
        if order.side == BUY:
            self._venue.exposure(order.account.owner, instrument.number).add(order.qty_lots)
        stopped = self._match(order, instrument, -1)
        if order.side == BUY and order.open_lots:
            self._venue.exposures[order.account.owner, instrument.number].add(-order.open_lots)
        return stopped

    def _finish(self, order: Order, instrument: Instrument, slot: int, stopped: int) -> None:
        """Rest what is left of a limit order or close it, and fill in its Accepted."""
        venue = self._venue
        account = order.account
        open_lots = order.open_lots
        resting_lots = held = update_id = 0
        if open_lots and not stopped and (order.time_in_force == GTC or order.time_in_force == GTD):
            asset = USDC if order.side == BUY else instrument.number
            venue.touch(account.balances[asset])
            if order.side == BUY:
                venue.exposure(account.owner, instrument.number).add(open_lots)
            resting_lots = open_lots
            held = venue.rest(order, instrument)
            update_id = instrument.update_id
        else:
            if open_lots:
                if not stopped:
                    stopped = Reason.FOK_UNFILLED if order.time_in_force == FOK else Reason.IOC_REMAINDER
                self._close_taker(order, instrument, stopped, open_lots)
            if order.client_order_id != ZERO_ID:
                account.keep_closed_id(order.client_order_id, order.order_id, venue.time_ns)
        self._events[slot] = EVENT.pack(
            venue.seq,
            ACCEPTED,
            0,
            instrument.number,
            account.number,
            order.order_id,
            order.price_ticks,
            order.qty_lots,
            order.qty_lots - open_lots,
            resting_lots,
            update_id,
            held,
            order.executed_usdc_micros,
            0,
            order.side,
            0,
            0,
        )

    def _close_taker(self, order: Order, instrument: Instrument, reason: int, unfilled_lots: int) -> None:
        self._venue.emit(
            CLOSED,
            reason,
            instrument.number,
            order.account.number,
            order.order_id,
            unfilled_lots,
            order.qty_lots - order.open_lots,
            order.executed_usdc_micros,
            order.price_ticks,
            side=order.side,
        )

    def _place_market(self, row: Row, instrument: Instrument, account: Account) -> None:
        venue = self._venue
        side, client_order_id = row[3], row[18]
        price_ticks, qty_lots, quote_usdc_micros = row[11:14]
        if price_ticks or quote_usdc_micros < 0 or (quote_usdc_micros != 0 and qty_lots != 0):
            return venue.reject(Reason.ORDER_MALFORMED, instrument.number, account.number)
        terms = (
            admission.MarketTerms(instrument, side, qty_lots, quote_usdc_micros)
            if self._meets(instrument, side)
            else None
        )
        reason = self._market_refusal(instrument, account, row, terms)
        if reason:
            return self._refuse(reason, instrument, account, client_order_id)
        venue.last_order_id = order_id = venue.last_order_id + 1
        limit_ticks = terms.limit_ticks if terms else 0
        lots_max = terms.lots_max if terms else qty_lots
        order = Order(
            order_id,
            account,
            instrument.number,
            side,
            MARKET,
            row[5],
            row[7],
            limit_ticks,
            lots_max,
            0,
            venue.time_ns,
            0,
            instrument.maker_fee_bps,
            0,
            client_order_id,
        )
        if client_order_id != ZERO_ID:
            account.client_order_ids[client_order_id] = order_id
        slot = len(self._events)
        self._events.append(b"")
        stopped = self._match_market(order, instrument, quote_usdc_micros) if terms else 0
        self._finish_market(order, instrument, slot, stopped, bool(quote_usdc_micros))

    def _meets(self, instrument: Instrument, side: int) -> bool:
        return bool((instrument.asks if side == BUY else instrument.bids).best)

    def _market_refusal(
        self, instrument: Instrument, account: Account, row: Row, terms: admission.MarketTerms | None
    ) -> int:
        side, qty_lots, quote_usdc_micros, client_order_id = row[3], row[12], row[13], row[18]
        if quote_usdc_micros:
            if quote_usdc_micros > admission.QUOTE_USDC_MICROS_MAX:
                return Reason.QTY_TOO_LARGE
            if quote_usdc_micros < instrument.terms.notional_usdc_micros_min or (terms and terms.lots_max == 0):
                return Reason.NOTIONAL_TOO_SMALL
        elif qty_lots <= 0:
            return Reason.QTY_NOT_POSITIVE
        elif qty_lots > instrument.terms.qty_lots_max:
            return Reason.QTY_TOO_LARGE
        reason = admission.standing_refusal(self._venue, instrument, account, side, client_order_id)
        if reason or terms is None:
            return reason
        return admission.cover_refusal(self._venue, instrument, account, side, terms.lots_max, terms.hold)

    def _match_market(self, order: Order, instrument: Instrument, quote_usdc_micros: int) -> int:
        exposure = self._venue.exposure(order.account.owner, instrument.number) if order.side == BUY else None
        if exposure:
            exposure.add(order.qty_lots)
        stopped = self._match(order, instrument, quote_usdc_micros or -1)
        if exposure and order.open_lots:
            exposure.add(-order.open_lots)
        return stopped

    def _finish_market(self, order: Order, instrument: Instrument, slot: int, stopped: int, by_quote: bool) -> None:
        venue = self._venue
        executed_lots = order.qty_lots - order.open_lots
        if by_quote:
            order.qty_lots, order.open_lots = executed_lots, 0
        unfilled_lots = order.open_lots
        if unfilled_lots or by_quote:
            if not stopped:
                stopped = Reason.IOC_REMAINDER if executed_lots else Reason.NO_LIQUIDITY
            self._close_taker(order, instrument, stopped, unfilled_lots)
        if order.client_order_id != ZERO_ID:
            order.account.keep_closed_id(order.client_order_id, order.order_id, venue.time_ns)
        self._events[slot] = EVENT.pack(
            venue.seq,
            ACCEPTED,
            0,
            instrument.number,
            order.account.number,
            order.order_id,
            order.price_ticks,
            order.qty_lots,
            executed_lots,
            0,
            0,
            0,
            order.executed_usdc_micros,
            0,
            order.side,
            0,
            0,
        )

    # -- matching

    def _match(self, taker: Order, instrument: Instrument, quote_usdc_micros: int) -> int:
        """Fill against the opposite side, best price first, in order of arrival; returns why it stopped early, or 0.

        quote_usdc_micros  what a market order may still spend or raise; negative: no such bound.
        """
        opposite = instrument.asks if taker.side == BUY else instrument.bids
        tick_value = instrument.terms.tick_value_usdc_micros
        while taker.open_lots and opposite.reaches(taker.price_ticks):
            price_ticks = opposite.best
            usdc_micros_per_lot = price_ticks * tick_value
            maker = next(iter(opposite.levels[price_ticks].values()))
            lots = taker.open_lots if taker.open_lots < maker.open_lots else maker.open_lots
            if quote_usdc_micros >= 0:
                lots = min(lots, quote_usdc_micros // usdc_micros_per_lot)
                if lots == 0:
                    return 0
            if taker.self_trade and maker.account.owner == taker.account.owner:
                if taker.self_trade != EXPIRE_TAKER:
                    self._venue.close(maker, Reason.SELF_TRADE)
                if taker.self_trade != EXPIRE_MAKER:
                    return Reason.SELF_TRADE
                continue
            if quote_usdc_micros >= 0:
                quote_usdc_micros -= lots * usdc_micros_per_lot
            self._fill(taker, maker, instrument, lots, lots * usdc_micros_per_lot)
        return 0

    def _fill(self, taker: Order, maker: Order, instrument: Instrument, lots: int, notional: int) -> None:
        venue = self._venue
        number = instrument.number
        venue.last_trade_id = trade_id = venue.last_trade_id + 1
        maker_fee = notional * maker.maker_fee_bps // BASIS_POINTS
        taker_fee = notional * instrument.taker_fee_bps // BASIS_POINTS
        resale = instrument.terms.resale
        maker_held = maker.hold_for(maker.open_lots)
        maker.open_lots -= lots
        maker_freed = maker_held - maker.hold_for(maker.open_lots)
        taker.open_lots -= lots
        maker.executed_usdc_micros += notional
        taker.executed_usdc_micros += notional
        if taker.side == BUY:
            buyer, seller, buyer_fee, seller_fee = taker.account, maker.account, taker_fee, maker_fee
            maker_gives = seller_tokens = venue.balance(seller, number)
            buyer_cash = venue.balance(buyer, USDC)
            buyer_cash.free -= notional + buyer_fee
            seller_tokens.held -= lots
        else:
            buyer, seller, buyer_fee, seller_fee = maker.account, taker.account, maker_fee, taker_fee
            maker_gives = buyer_cash = venue.balance(buyer, USDC)
            seller_tokens = venue.balance(seller, number)
            buyer_cash.held -= maker_freed
            buyer_cash.free += maker_freed - notional - buyer_fee
            seller_tokens.free -= lots
        assert maker_gives.held >= 0
        buyer_tokens = venue.balance(buyer, number)
        seller_cash = venue.balance(seller, USDC)
        proceeds = notional - seller_fee
        buyer_cash.owed_out += notional + buyer_fee
        seller_tokens.owed_out += lots
        buyer_tokens.owed_in += lots
        seller_cash.owed_in += proceeds
        if resale:
            buyer_tokens.free += lots
            buyer_tokens.advanced += lots
            seller_cash.free += proceeds
            seller_cash.advanced += proceeds
        fees = venue.balance(venue.accounts[instrument.terms.fee_account], USDC)
        fees.owed_in += buyer_fee + seller_fee
        seq = venue.seq
        for balance in (buyer_cash, seller_tokens, buyer_tokens, seller_cash, fees):
            if balance.touched_seq != seq:
                venue.touch(balance)
        venue.unsettled[trade_id] = (
            number,
            buyer.number,
            seller.number,
            lots,
            notional,
            buyer_fee,
            seller_fee,
            resale,
        )
        instrument.update_id += 1
        instrument.last_price_ticks = maker.price_ticks
        maker_filled = maker.open_lots == 0
        if maker_filled:
            venue.unrest(maker, instrument)
        self._events.append(
            EVENT.pack(
                seq,
                TRADE,
                0,
                number,
                taker.account.number,
                trade_id,
                maker.order_id,
                taker.order_id,
                maker.price_ticks,
                lots,
                instrument.update_id,
                maker_fee,
                taker_fee,
                maker.account.number,
                taker.side,
                maker_filled,
                0,
            )
        )

    # -- cancelling and changing

    def cancel(self, row: Row) -> None:
        order, reason = self._find_to_cancel(row)
        if order is None:
            return self._venue.reject(reason, row[6], row[9])
        self._venue.close(order, Reason.CANCELLED)

    def _find(
        self, number: int, account_number: int, order_id: int, client_order_id: bytes
    ) -> tuple[Order | None, int]:
        """The account's open order by either id, or why it may not be touched."""
        venue = self._venue
        instrument = venue.instrument(number)
        if instrument is None:
            return None, Reason.UNKNOWN_INSTRUMENT
        account = venue.account(account_number)
        if account is None:
            return None, Reason.UNKNOWN_ACCOUNT
        if order_id <= 0 and client_order_id != ZERO_ID:
            order_id = account.client_order_ids.get(client_order_id, 0)
        order = account.orders.get(order_id)
        if order is None or order.instrument != number:
            return None, Reason.ORDER_NOT_FOUND
        return order, 0

    def _find_to_cancel(self, row: Row) -> tuple[Order | None, int]:
        number, account_number, order_id, client_order_id = row[6], row[9], row[15], row[19]
        order, reason = self._find(number, account_number, order_id, client_order_id)
        if order is not None and admission.halted(self._venue, self._venue.instruments[number]):
            return None, Reason.INSTRUMENT_HALTED
        return order, reason

    def amend(self, row: Row) -> None:
        """Less quantity, same place in the queue."""
        venue = self._venue
        number, account_number, qty_lots, order_id, client_order_id = row[6], row[9], row[12], row[15], row[19]
        order, reason = self._find(number, account_number, order_id, client_order_id)
        if qty_lots <= 0 and reason not in (Reason.UNKNOWN_INSTRUMENT, Reason.UNKNOWN_ACCOUNT):
            reason = Reason.QTY_NOT_POSITIVE
        elif order is not None and not order.qty_lots - order.open_lots < qty_lots < order.qty_lots:
            reason = Reason.QTY_NOT_REDUCED
        elif order is not None and admission.halted(venue, venue.instruments[number]):
            reason = Reason.INSTRUMENT_HALTED
        if reason or order is None:
            return venue.reject(reason, number, account_number)
        removed_lots = order.qty_lots - qty_lots
        instrument = venue.instruments[number]
        account = order.account
        held = order.hold_for(order.open_lots)
        order.qty_lots = qty_lots
        order.open_lots -= removed_lots
        freed = held - order.hold_for(order.open_lots)
        balance = account.balances[USDC if order.side == BUY else number]
        venue.touch(balance)
        balance.held -= freed
        balance.free += freed
        if order.side == BUY:
            venue.exposures[account.owner, number].add(-removed_lots)
        instrument.update_id += 1
        venue.emit(
            AMENDED,
            0,
            number,
            account.number,
            order.order_id,
            qty_lots,
            order.open_lots,
            removed_lots,
            order.price_ticks,
            instrument.update_id,
            side=order.side,
        )

    def replace(self, row: Row) -> None:
        order, reason = self._find_to_cancel(row)
        if order is None:
            self._venue.reject(reason, row[6], row[9])
            if not row[8]:
                return
        else:
            self._venue.close(order, Reason.CANCELLED_REPLACED)
        self.place(row)

    def cancel_all(self, row: Row) -> None:
        venue = self._venue
        number, account_number = row[6], row[9]
        instrument = venue.instrument(number)
        if number != VENUE and instrument is None:
            return venue.reject(Reason.UNKNOWN_INSTRUMENT, number, account_number)
        account = venue.account(account_number)
        if account is None:
            return venue.reject(Reason.UNKNOWN_ACCOUNT, number, account_number)
        if instrument is not None and admission.halted(venue, instrument):
            return venue.reject(Reason.INSTRUMENT_HALTED, number, account_number)
        for order in list(account.orders.values()):
            if number in (VENUE, order.instrument) and not admission.halted(venue, venue.instruments[order.instrument]):
                venue.close(order, Reason.CANCELLED)
        venue.applied(account_number, number)
