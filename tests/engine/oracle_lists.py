"""Lists of orders in their plainest form: all of the legs are taken or none, and pending ones come when they may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise

from engine import types as t
from engine.types import ListKind, OrderType, Phase, Reason, Side, TimeInForce
from tests.engine.facts import Listing, Order, OrderList
from tests.engine.oracle_orders import RESTING, OrderRules
from tests.engine.oracle_terms import terms_refusals

LEGS = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3}
PROFITS = {OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
LOSSES = {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT}
ENDINGS = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


class ListRules(OrderRules):
    def unknown(self, account: int, instrument: int) -> Reason:
        if self.listing(instrument) is None:
            return Reason.UNKNOWN_INSTRUMENT
        return Reason.NONE if self.is_account(account) else Reason.UNKNOWN_ACCOUNT

    def list_leg(self, command: t.ListLeg) -> None:
        where = (command.account, command.instrument)
        reason = self.unknown(*where)
        if reason is Reason.NONE and command.leg not in (1, 2, 3):
            reason = Reason.LIST_MALFORMED
        if reason is Reason.NONE:
            self.staged[command.account, command.leg] = command
            self.events.append(t.Applied(*where))
        else:
            self.reject(*where, reason)

    def place_list(self, command: t.PlaceList) -> None:
        staged = {leg: self.staged.pop((command.account, leg), None) for leg in (1, 2, 3)}
        legs = [as_order(leg) for leg in staged.values() if leg is not None]
        where = (command.account, command.instrument)
        reason, in_use = self.unknown(*where), 0
        if reason is Reason.NONE:
            is_whole = None not in list(staged.values())[: len(legs)]
            refusals = self.list_refusals(command, legs) if is_whole else iter([(Reason.LIST_MALFORMED, 0)])
            reason, in_use = next(refusals, (Reason.NONE, 0))
        if reason is not Reason.NONE:
            self.reject(*where, reason, in_use)
            return
        orders = [self.new_order(terms, self.next_number()) for terms in legs]
        made = OrderList(orders[0].order_id, command, orders, self.time_ns)
        self.lists.append(made)
        self.events.append(t.Listed(*where, command.list_kind, made.list_id, len(orders)))
        for leg, order in enumerate(orders, 1):
            order.list_id = made.list_id
            if leg > 1 and command.list_kind != ListKind.OCO:
                order.pending = True
                if order.terms.order_type == OrderType.MARKET:
                    order.limit_ticks = 0  # until it comes
                self.orders.append(order)
                prices = (order.limit_ticks, order.qty_lots, order.terms.stop_ticks)
                self.events.append(t.Pending(*where, order.terms.side, order.order_id, made.list_id, leg, *prices))
        for order in [order for order in orders if not order.pending]:
            self.come(order)

    def list_refusals(self, command: t.PlaceList, legs: list[t.Place]) -> Iterator[tuple[Reason, int]]:
        """What concerns all of it, then leg by leg; with the order or list that has a client id already."""
        listing = self.listing(command.instrument)
        assert listing is not None
        if not is_list(command, legs):
            yield Reason.LIST_MALFORMED, 0
            return
        for name in (command.list_client_order_id, *[leg.client_order_id for leg in legs]):
            if first := self.first_with_client_id(command.account, name):
                yield Reason.CLIENT_ORDER_ID_IN_USE, first
        is_oco = command.list_kind == ListKind.OCO
        if command.list_kind != ListKind.OTO and not is_in_order(legs[-2:], listing.last_price_ticks if is_oco else 0):
            yield Reason.LIST_PRICES, 0
        where = (command.account, command.instrument)
        if self.orders_of(*where) + len(legs) > self.orders_max(command.account, listing):
            yield Reason.TOO_MANY_ORDERS, 0
        for leg in legs:
            comes_now = is_oco or leg is legs[0]
            for reason in self.refusals(leg) if comes_now else self.pending_refusals(leg, listing):
                yield reason, 0

    def pending_refusals(self, terms: t.Place, listing: Listing) -> Iterator[Reason]:
        yield from terms_refusals(terms, listing.terms, self.time_ns)
        if not self.is_permitted(terms.account, terms.instrument, terms.side):
            yield Reason.NOT_PERMITTED
        if terms.price_ticks and self.is_outside_band(listing, terms.price_ticks):
            yield Reason.PRICE_OUTSIDE_BAND

    # -- pending legs come

    def place_filled(self) -> None:
        while self.filled_lists:
            order_list = self.filled_lists.pop(0)
            legs = order_list.pending
            reason = next((reason for leg in legs for reason in self.why_not(leg)), Reason.NONE)
            if reason is not Reason.NONE:
                self.end_list(order_list, reason)
                continue
            for leg in legs:
                self.place_leg(leg)

    def is_trading(self, instrument: int) -> bool:
        return self.phase(instrument) in (Phase.CONTINUOUS, Phase.LIMIT_ONLY)

    def limit_now(self, leg: Order) -> tuple[int, int]:
        """(0, its lots) for a market order that meets nobody."""
        if leg.terms.order_type != OrderType.MARKET:
            return leg.limit_ticks, leg.qty_lots
        return self.limit_and_bound(leg.terms) if self.is_trading(leg.terms.instrument) else (0, leg.qty_lots)

    def why_not(self, leg: Order) -> Iterator[Reason]:
        terms = leg.terms
        listing = self.listing(terms.instrument)
        assert listing is not None
        if not self.is_permitted(terms.account, terms.instrument, terms.side):
            yield Reason.PERMISSION_LOST
        if terms.order_type == OrderType.LIMIT_MAKER and self.acceptable(terms, leg.limit_ticks):
            yield Reason.LIST_ENDED
        limit, lots = self.limit_now(leg)
        if limit:
            mine = self.open_orders(terms.account, terms.instrument)
            lacks = [*self.limit_refusals(terms, mine, limit, lots), *self.cover_refusals(terms, listing, limit, lots)]
            if lacks or self.is_locked_up(terms, lots):
                yield Reason.COVER_LOST

    def place_leg(self, leg: Order) -> None:
        """At today's rates and behind all others, also where nothing trades: there it rests, waits or ends."""
        instrument = leg.terms.instrument
        listing = self.listing(instrument)
        assert listing is not None
        self.orders.remove(leg)
        leg.pending, leg.rank = False, self.next_number()
        leg.maker_fee_bps, leg.taker_fee_bps = listing.maker_fee_bps, listing.taker_fee_bps
        leg.limit_ticks, _ = self.limit_now(leg)
        at, stopped = len(self.events), Reason.NONE
        if self.is_trading(instrument):
            if not leg.waits and leg.limit_ticks:
                stopped = self.meet_book(leg)
        elif leg.terms.time_in_force in RESTING and not leg.waits:
            stopped = self.come_into_call(leg)
        elif leg.terms.time_in_force == TimeInForce.FOK and not leg.waits:
            stopped = Reason.FOK_UNFILLED
        self.orders.append(leg)
        self.finish(leg, stopped, at)


def as_order(leg: t.ListLeg) -> t.Place:
    return t.Place(**{field.name: getattr(leg, field.name) for field in fields(t.Place)})


def is_list(command: t.PlaceList, legs: list[t.Place]) -> bool:
    if command.list_kind not in list(ListKind) or len(legs) != LEGS[ListKind(command.list_kind)]:
        return False
    names = [name for name in (command.list_client_order_id, *[leg.client_order_id for leg in legs]) if name]
    if len(names) != len(set(names)):
        return False
    for leg in legs:
        if leg.instrument != command.instrument or leg.time_in_force not in ENDINGS or leg.quote_usdc_micros:
            return False
    if command.list_kind != ListKind.OCO and legs[0].order_type not in (OrderType.LIMIT, OrderType.LIMIT_MAKER):
        return False
    if command.list_kind == ListKind.OTO:
        return True
    one, other = legs[-2:]
    types = [{one.order_type} & PROFITS and {other.order_type} & LOSSES]
    types += [{other.order_type} & PROFITS and {one.order_type} & LOSSES]
    return any(types) and (one.side, one.qty_lots) == (other.side, other.qty_lots)


def is_in_order(pair: list[t.Place], last_price_ticks: int) -> bool:
    """Sells profit above and lose below the price, buys the other way round."""
    loss, profit = sorted(pair, key=lambda leg: leg.order_type not in LOSSES)
    prices = [loss.stop_ticks, profit.price_ticks if profit.order_type == OrderType.LIMIT_MAKER else profit.stop_ticks]
    if last_price_ticks:
        prices.insert(1, last_price_ticks)
    upwards = prices if profit.side != Side.BUY else prices[::-1]
    return all(low < high for low, high in pairwise(upwards))
