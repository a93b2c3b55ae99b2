"""What traders may do, in its plainest form: orders come, trade, are changed and leave the book."""

from __future__ import annotations

from collections.abc import Iterator

from engine import types as t
from engine.types import OrderType, Phase, Reason, SelfTrade, Side, TimeInForce, TradeFlag
from tests.engine.facts import Fill, Listing, Order, with_fee
from tests.engine.oracle_closing import CALLS, INDICATIVE_DELAY_NS, ClosingRules, closed
from tests.engine.oracle_terms import AT_COLLAR, collar, terms_refusals

RESTING = (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY)


class OrderRules(ClosingRules):
    # -- an order comes

    def place(self, terms: t.Place) -> None:
        reason = next(self.refusals(terms), Reason.NONE)
        if reason is not Reason.NONE:
            first = self.first_with_client_id(terms.account, terms.client_order_id)
            in_use = reason is Reason.CLIENT_ORDER_ID_IN_USE
            self.reject(terms.account, terms.instrument, reason, first if in_use else 0)
            return
        self.come(self.new_order(terms, self.next_number()))

    def new_order(self, terms: t.Place, number: int) -> Order:
        listing = self.listing(terms.instrument)
        assert listing is not None
        limit, bound_lots = self.limit_and_bound(terms)
        rates = (listing.maker_fee_bps, listing.taker_fee_bps)
        return Order(number, terms, limit, bound_lots, *rates, time_ns=self.time_ns, rank=number)

    def come(self, taker: Order) -> None:
        at = len(self.events)
        stopped = Reason.NONE if taker.waits else self.meet_book(taker)
        self.orders.append(taker)
        self.finish(taker, stopped, at)

    def next_number(self) -> int:
        self.last_order_id += 1
        return self.last_order_id

    # -- a stop comes to the market

    def has_reached(self, listing: Listing, terms: t.Place) -> bool:
        """Whether the last trade was at a stop's price or beyond."""
        last = listing.last_price_ticks
        if not terms.stop_ticks or not last:
            return False
        return last >= terms.stop_ticks if rises(terms) else last <= terms.stop_ticks

    def place_filled(self) -> None:
        """The legs of lists whose working one is filled; `oracle_lists` says how."""
        raise NotImplementedError

    def trigger_stops(self) -> None:
        self.place_filled()
        for listing in self.listings:
            where = listing.terms.instrument
            while self.phase(where) in (Phase.CONTINUOUS, Phase.LIMIT_ONLY):
                waiting = [each for each in self.open_orders(instrument=where) if each.waits]
                reached = [each for each in waiting if self.has_reached(listing, each.terms)]
                rising = sorted((o for o in reached if rises(o.terms)), key=lambda o: (o.terms.stop_ticks, o.order_id))
                falling = sorted(
                    (o for o in reached if not rises(o.terms)), key=lambda o: (-o.terms.stop_ticks, o.order_id)
                )
                if not reached:
                    break
                self.trigger((rising + falling)[0], listing)
                self.place_filled()

    def trigger(self, order: Order, listing: Listing) -> None:
        """It meets the book as a new order would, at the rates that hold now, if it can pay for them."""
        terms = order.terms
        self.prevail(order)
        self.touch(terms.account, terms.instrument, terms.side)
        self.orders.remove(order)
        order.rank, order.triggered = self.next_number(), True
        order.maker_fee_bps, order.taker_fee_bps = listing.maker_fee_bps, listing.taker_fee_bps
        at = len(self.events)
        asset = t.USDC if terms.side == Side.BUY else terms.instrument
        is_covered = self.balance(terms.account, asset).free >= self.held_by(order)
        stopped = self.meet_book(order) if is_covered else Reason.COVER_LOST
        self.orders.append(order)
        self.finish(order, stopped, at)

    def limit_and_bound(self, terms: t.Place) -> tuple[int, int]:
        """The worst price it may trade at, and the most lots; (0, its lots) for a market order without a market."""
        listing = self.listing(terms.instrument)
        assert listing is not None
        if terms.order_type in AT_COLLAR:
            return collar(listing.terms, terms.side, terms.stop_ticks), terms.qty_lots
        if terms.order_type != OrderType.MARKET:
            return terms.price_ticks, terms.qty_lots
        opposite = self.book(terms.instrument, 1 - terms.side)
        if not opposite:
            return 0, terms.qty_lots
        best = opposite[0].limit_ticks
        limit = collar(listing.terms, terms.side, best)
        if terms.quote_usdc_micros == 0:
            return limit, terms.qty_lots
        cheapest = best if terms.side == Side.BUY else limit
        affordable = terms.quote_usdc_micros // self.notional(terms.instrument, cheapest, 1)
        return limit, min(affordable, listing.terms.qty_lots_max)

    def refusals(self, terms: t.Place) -> Iterator[Reason]:
        """Every reason to refuse it, in order of precedence; only the first is ever asked for."""
        listing = self.listing(terms.instrument)
        if listing is None:
            yield Reason.UNKNOWN_INSTRUMENT
            return
        if not self.is_account(terms.account):
            yield Reason.UNKNOWN_ACCOUNT
        yield from terms_refusals(terms, listing.terms, self.time_ns)
        limit, bound_lots = self.limit_and_bound(terms)
        if terms.quote_usdc_micros and limit and bound_lots == 0:
            yield Reason.NOTIONAL_TOO_SMALL
        if self.first_with_client_id(terms.account, terms.client_order_id):
            yield Reason.CLIENT_ORDER_ID_IN_USE
        match self.phase(terms.instrument):
            case Phase.CONTINUOUS:
                pass
            case Phase.HALT:
                yield Reason.INSTRUMENT_HALTED
            case Phase.CANCEL_ONLY:
                yield Reason.CANCEL_ONLY
            case Phase.LIMIT_ONLY:
                if terms.order_type == OrderType.MARKET:
                    yield Reason.TYPE_NOT_IN_PHASE
            case _:
                may_rest = terms.time_in_force in RESTING
                if terms.order_type != OrderType.LIMIT or not may_rest:
                    yield Reason.TYPE_NOT_IN_PHASE
        scopes = {(account, instrument) for account in (0, terms.account) for instrument in (0, terms.instrument)}
        if self.killed & scopes:
            yield Reason.KILLED
        if not self.is_permitted(terms.account, terms.instrument, terms.side):
            yield Reason.NOT_PERMITTED
        if limit and self.is_locked_up(terms, bound_lots):
            yield Reason.LOCKED_UP
        if terms.price_ticks and self.is_outside_band(listing, terms.price_ticks):
            yield Reason.PRICE_OUTSIDE_BAND
        if terms.order_type == OrderType.LIMIT_MAKER and self.acceptable(terms, limit):
            yield Reason.POST_ONLY_WOULD_TAKE
        if self.has_reached(listing, terms):
            yield Reason.STOP_WOULD_TRIGGER
        mine = self.open_orders(terms.account, terms.instrument)
        may_rest = terms.time_in_force in RESTING or terms.stop_ticks > 0
        orders_max = self.orders_max(terms.account, listing)
        if may_rest and self.orders_of(terms.account, terms.instrument) >= orders_max:
            yield Reason.TOO_MANY_ORDERS
        if limit:
            yield from self.limit_refusals(terms, mine, limit, bound_lots)
            yield from self.cover_refusals(terms, listing, limit, bound_lots)

    def is_locked_up(self, terms: t.Place, lots: int) -> bool:
        free = self.balance(terms.account, terms.instrument).free
        locked_lots = self.locked_lots(terms.account, terms.instrument)
        return terms.side == Side.SELL and free - locked_lots < lots <= free

    def orders_max(self, account: int, listing: Listing) -> int:
        return self.limit(account, listing.terms.instrument, "open_orders_max") or listing.terms.open_orders_max

    def orders_of(self, account: int, instrument: int) -> int:
        """How many are open or pending."""
        pending = [leg for each in self.open_lists() for leg in each.pending]
        here = [leg for leg in pending if (leg.terms.account, leg.terms.instrument) == (account, instrument)]
        return len(self.open_orders(account, instrument)) + len(here)

    def is_outside_band(self, listing: Listing, price_ticks: int) -> bool:
        if not listing.static_bps or not listing.reference_ticks:
            return False
        return (
            abs(price_ticks - listing.reference_ticks) * t.BASIS_POINTS > listing.reference_ticks * listing.static_bps
        )

    def limit_refusals(self, terms: t.Place, mine: list[Order], limit: int, bound_lots: int) -> Iterator[Reason]:
        where = (terms.account, terms.instrument)
        notional = terms.quote_usdc_micros or self.notional(terms.instrument, limit, bound_lots)
        order_max = self.limit(*where, "notional_usdc_micros_max")
        if order_max and notional > order_max:
            yield Reason.ORDER_LIMIT
        balance = self.balance(*where)
        buying = sum(order.open_lots for order in mine if order.terms.side == Side.BUY and self.is_counted(order))
        position_max = self.limit(*where, "position_lots_max")
        comes_to = balance.position_lots + balance.owed_in + buying + bound_lots
        if terms.side == Side.BUY and position_max and comes_to > position_max:
            yield Reason.POSITION_LIMIT

    def cover_refusals(self, terms: t.Place, listing: Listing, limit: int, bound_lots: int) -> Iterator[Reason]:
        if terms.side == Side.BUY:
            exposure = self.exposure(self.owner(terms.account), terms.instrument)
            cap_lots, holder_cap = listing.terms.ownership_cap_lots, listing.terms.holder_cap
            if cap_lots and exposure + bound_lots > cap_lots:
                yield Reason.OWNERSHIP_CAP
            if holder_cap and exposure == 0 and self.holders(terms.instrument) >= holder_cap:
                yield Reason.HOLDER_CAP
        fee_bps = max(listing.maker_fee_bps, listing.taker_fee_bps)
        if terms.side == Side.SELL:
            if self.balance(terms.account, terms.instrument).free < bound_lots:
                yield Reason.INSUFFICIENT_TOKENS
            return
        by_quote = with_fee(terms.quote_usdc_micros, fee_bps)
        by_lots = self.hold(terms.instrument, Side.BUY, limit, bound_lots, fee_bps)
        if self.balance(terms.account, t.USDC).free < (by_quote if terms.quote_usdc_micros else by_lots):
            yield Reason.INSUFFICIENT_CASH

    # -- it meets the book

    def acceptable(self, terms: t.Place, limit: int) -> list[Order]:
        opposite = self.book(terms.instrument, 1 - terms.side)
        if terms.side == Side.BUY:
            return [maker for maker in opposite if maker.limit_ticks <= limit]
        return [maker for maker in opposite if maker.limit_ticks >= limit]

    def is_own(self, taker: t.Place, maker: Order) -> bool:
        same = self.owner(taker.account) == self.owner(maker.terms.account)
        return same and taker.self_trade != SelfTrade.NONE

    def is_unfillable(self, taker: Order) -> bool:
        if taker.terms.time_in_force != TimeInForce.FOK:
            return False
        makers = self.acceptable(taker.terms, taker.limit_ticks)
        queue = [(maker, maker.open_lots - maker.hidden_lots, maker.hidden_lots) for maker in makers]
        lots = 0
        while queue and not self.is_past_band(taker, queue[0][0], self.market_price(taker)):
            maker, shown_lots, hidden_lots = queue.pop(0)
            if not self.is_own(taker.terms, maker):
                lots += shown_lots
                if hidden_lots:
                    behind = sum(each.limit_ticks == maker.limit_ticks for each, _, _ in queue)
                    shown_lots = min(maker.terms.display_lots, hidden_lots)
                    queue.insert(behind, (maker, shown_lots, hidden_lots - shown_lots))
            elif taker.terms.self_trade != SelfTrade.EXPIRE_MAKER:
                break
        return lots < taker.qty_lots

    def meet_book(self, taker: Order) -> Reason:
        if self.phase(taker.terms.instrument) in (*CALLS, Phase.PRE_OPEN):
            return self.come_into_call(taker)
        return Reason.FOK_UNFILLED if self.is_unfillable(taker) else self.meet(taker)

    def come_into_call(self, taker: Order) -> Reason:
        """Nothing trades yet; but none that must not meet may stay side by side."""
        mode = taker.terms.self_trade
        own = [maker for maker in self.acceptable(taker.terms, taker.limit_ticks) if self.is_own(taker.terms, maker)]
        if mode in (SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH):
            self.close_all(sorted(own, key=lambda maker: maker.rank), Reason.SELF_TRADE)
        if mode == SelfTrade.DECREMENT:
            for maker in sorted(own, key=lambda maker: maker.rank):
                if taker.open_lots:
                    self.decrement(taker, maker, min(taker.open_lots, maker.open_lots))
            return Reason.NONE if taker.open_lots else Reason.SELF_TRADE
        return Reason.SELF_TRADE if own and mode in (SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH) else Reason.NONE

    def market_price(self, order: Order) -> int:
        listing = self.listing(order.terms.instrument)
        assert listing is not None
        return listing.market_price_ticks

    def is_past_band(self, taker: Order, maker: Order, price_ticks: int) -> bool:
        """Whether a trade of the two would go through the dynamic band around that price."""
        listing = self.listing(taker.terms.instrument)
        assert listing is not None
        if not listing.dynamic_bps or not price_ticks:
            return False
        away = maker.limit_ticks - price_ticks if taker.terms.side == Side.BUY else price_ticks - maker.limit_ticks
        return away * t.BASIS_POINTS > price_ticks * listing.dynamic_bps

    def meet(self, taker: Order) -> Reason:
        """Trade until nothing is left or acceptable, or until the band or self-trade prevention stops it."""
        terms, before_ticks = taker.terms, self.market_price(taker)
        while taker.open_lots > 0 and (makers := self.acceptable(terms, taker.limit_ticks)):
            maker = makers[0]
            lots = min(taker.open_lots, maker.open_lots - maker.hidden_lots)
            if terms.quote_usdc_micros:
                left_usdc_micros = terms.quote_usdc_micros - taker.executed_usdc_micros - taker.prevented_usdc_micros
                lots = min(lots, left_usdc_micros // self.notional(terms.instrument, maker.limit_ticks, 1))
            if lots == 0:
                break
            if self.is_past_band(taker, maker, before_ticks):
                return Reason.BAND_REACHED
            if self.is_own(terms, maker) and terms.self_trade == SelfTrade.DECREMENT:
                self.decrement(taker, maker, lots)
                if taker.open_lots == 0:
                    return Reason.SELF_TRADE
                continue
            if self.is_own(terms, maker):
                if terms.self_trade != SelfTrade.EXPIRE_TAKER:
                    self.close(maker, Reason.SELF_TRADE)
                if terms.self_trade != SelfTrade.EXPIRE_MAKER:
                    return Reason.SELF_TRADE
                continue
            self.trade(taker, maker, lots, maker.limit_ticks, taker.taker_fee_bps)
        return Reason.NONE

    def decrement(self, taker: Order, maker: Order, lots: int) -> None:
        """Each is smaller by what they would have traded; a maker of which nothing is left closes as it was."""
        self.prevail(maker)
        taker.qty_lots -= lots
        taker.prevented_usdc_micros += self.notional(taker.terms.instrument, maker.limit_ticks, lots)
        self.preventions += 1
        closes, update_id = maker.open_lots == lots, 0
        if not closes:
            maker.qty_lots -= lots
            self.touch(maker.terms.account, maker.terms.instrument, maker.terms.side)
            update_id = self.book_change(maker.terms.instrument)
        who = (taker.terms.account, maker.terms.account, taker.terms.instrument, taker.terms.side, self.preventions)
        ids = (maker.order_id, taker.order_id, maker.limit_ticks, lots)
        self.events.append(t.Prevented(*who, *ids, update_id, maker.qty_lots, maker.open_lots, int(closes)))
        maker.shown_lots = max(0, maker.shown_lots - lots)
        if closes:
            self.close(maker, Reason.SELF_TRADE)
        self.replenish(maker)

    def replenish(self, order: Order) -> None:
        """An iceberg of which nothing is shown any more shows more, behind the others at its price."""
        terms = order.terms
        if order.closed_ns is not None or not terms.display_lots or order.shown_lots:
            return
        order.rank = self.next_number()
        order.shown_lots = min(terms.display_lots, order.open_lots)
        who = (terms.account, terms.instrument, terms.side, order.order_id, order.limit_ticks, order.rank)
        self.events.append(t.Replenished(*who, order.shown_lots, self.book_change(terms.instrument)))

    def trade(
        self, taker: Order, maker: Order, lots: int, price_ticks: int, taker_fee_bps: int, in_auction: bool = False
    ) -> None:
        terms, instrument = taker.terms, taker.terms.instrument
        listing = self.listing(instrument)
        assert listing is not None
        notional = self.notional(instrument, price_ticks, lots)
        self.prevail(taker)
        self.prevail(maker)
        for order in (taker, maker):
            order.executed_lots += lots
            order.executed_usdc_micros += notional
            order.shown_lots = max(0, order.shown_lots - lots)
        maker_fee = notional * maker.maker_fee_bps // t.BASIS_POINTS
        taker_fee = notional * taker_fee_bps // t.BASIS_POINTS
        fill = self.record_fill(taker, maker, listing.terms, lots, notional, (maker_fee, taker_fee))
        listing.last_price_ticks = price_ticks
        flags = TradeFlag.MAKER_FILLED if maker.open_lots == 0 else TradeFlag(0)
        if maker.open_lots == 0:
            self.end(maker)
        if in_auction:
            flags |= TradeFlag.IN_AUCTION
            if taker.open_lots == 0:
                flags |= TradeFlag.TAKER_FILLED
                self.end(taker)
        self.touched |= {(account, asset) for account in (fill.buyer, fill.seller) for asset in (t.USDC, instrument)}
        self.touched.add((fill.fee_account, t.USDC))
        who = (terms.account, maker.terms.account, instrument, terms.side, fill.trade_id)
        ids = (maker.order_id, taker.order_id, price_ticks, lots, self.book_change(instrument))
        self.events.append(t.Trade(*who, *ids, maker_fee, taker_fee, flags))
        if maker.open_lots == 0:
            self.leg_ended(maker, Reason.NONE)
        if in_auction and taker.open_lots == 0:
            self.leg_ended(taker, Reason.NONE)
        if not in_auction:
            self.replenish(maker)

    def record_fill(
        self, taker: Order, maker: Order, listed: t.SetInstrument, lots: int, notional: int, fees: tuple[int, int]
    ) -> Fill:
        """`fees` are the maker's and the taker's."""
        buyer, seller = (taker, maker) if taker.terms.side == Side.BUY else (maker, taker)
        fee_of = {id(maker): fees[0], id(taker): fees[1]}
        fill = Fill(
            trade_id=len(self.fills) + 1,
            instrument=listed.instrument,
            buyer=buyer.terms.account,
            seller=seller.terms.account,
            fee_account=listed.fee_account,
            qty_lots=lots,
            notional_usdc_micros=notional,
            buyer_fee_usdc_micros=fee_of[id(buyer)],
            seller_fee_usdc_micros=fee_of[id(seller)],
            resale=bool(listed.resale),
        )
        self.fills.append(fill)
        return fill

    def finish(self, taker: Order, stopped: Reason, at: int) -> None:
        """Rest or close what is left, and put Accepted before what happened since `at`."""
        terms, by_quote = taker.terms, taker.terms.quote_usdc_micros > 0
        if by_quote:
            taker.qty_lots = taker.executed_lots
        if taker.executed_lots:
            self.touch(terms.account, terms.instrument, terms.side)
        open_lots = update_id = held = 0
        reason = Reason.NONE
        may_rest, is_banded = terms.time_in_force in RESTING, stopped is Reason.BAND_REACHED
        if is_banded and may_rest:
            stopped = self.come_into_call(taker)
        if taker.waits:
            held = self.held_by(taker)
            self.touch(terms.account, terms.instrument, terms.side)
        elif stopped is Reason.NONE and taker.open_lots and may_rest:
            open_lots, update_id, held = taker.open_lots, self.book_change(terms.instrument), self.held_by(taker)
            taker.shown_lots = min(terms.display_lots, open_lots)
            self.touch(terms.account, terms.instrument, terms.side)
        else:
            self.end(taker)
            if taker.open_lots or by_quote or stopped is not Reason.NONE:
                reason = why_closed(taker, stopped)
                self.events.append(closed(taker, reason, 0, rested=0))
        who = (terms.account, terms.instrument, terms.side, taker.order_id, taker.limit_ticks)
        rest = (taker.executed_lots, open_lots, update_id, held, taker.executed_usdc_micros)
        if taker.rank == taker.order_id or taker.waits:
            self.events.insert(at, t.Accepted(*who, taker.qty_lots, *rest))
        else:
            self.events.insert(at, t.Triggered(*who, taker.rank, *rest))
        if taker.closed_ns is not None:
            self.leg_ended(taker, reason)
        if is_banded:
            listing = self.listing(terms.instrument)
            assert listing is not None
            ends_ns = self.time_ns + listing.volatility_call_ns
            self.enter(listing, Phase.VOLATILITY_CALL, ends_ns, listing.phase)

    def enter(self, listing: Listing, phase: int, ends_ns: int, then: int) -> None:
        listing.phase, listing.phase_ends_ns, listing.phase_then = phase, ends_ns, then
        listing.indicative_due_ns = self.time_ns + INDICATIVE_DELAY_NS if phase in CALLS else 0
        self.events.append(t.PhaseChanged(listing.terms.instrument, phase, ends_ns))


def why_closed(order: Order, stopped: Reason) -> Reason:
    if stopped is not Reason.NONE:
        return stopped
    if order.terms.order_type in (OrderType.MARKET, *AT_COLLAR) and order.executed_lots == 0:
        return Reason.NO_LIQUIDITY
    return Reason.IOC_REMAINDER


def rises(stop: t.Place) -> bool:
    """Whether a stop's price is one that the market must rise to."""
    is_loss = stop.order_type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
    return is_loss if stop.side == Side.BUY else not is_loss
