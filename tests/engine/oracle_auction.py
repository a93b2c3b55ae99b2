"""Phases and call auctions in their plainest form: every tick is tried as the price of an uncross."""

from __future__ import annotations

from engine import types as t
from engine.types import Phase, Reason, Side, TimeInForce
from tests.engine.facts import Listing
from tests.engine.oracle_chain import ChainRules
from tests.engine.oracle_closing import CALLS

TIMED = (Phase.OPENING_CALL, Phase.VOLATILITY_CALL, Phase.CLOSING_CALL)
TRADING = (Phase.CONTINUOUS, Phase.LIMIT_ONLY)
DAY_NS = 24 * 3600 * 10**9


class AuctionRules(ChainRules):
    # -- the auction

    def lots_at(self, instrument: int, price_ticks: int) -> tuple[int, int]:
        """What would be bought and sold at a price."""
        bids = [order.open_lots for order in self.book(instrument, Side.BUY) if order.limit_ticks >= price_ticks]
        asks = [order.open_lots for order in self.book(instrument, Side.SELL) if order.limit_ticks <= price_ticks]
        return sum(bids), sum(asks)

    def crossing(self, listing: Listing) -> tuple[int, int, int]:
        """Price, volume and imbalance of an uncross now; zeros where nothing would trade."""
        found, best = (0, 0, 0), (0, 0, 0, 0)
        prices = {order.limit_ticks for side in Side for order in self.book(listing.terms.instrument, side)}
        for price_ticks in range(min(prices, default=1), max(prices, default=0) + 1):
            demand, supply = self.lots_at(listing.terms.instrument, price_ticks)
            volume, imbalance = min(demand, supply), demand - supply
            key = (volume, -abs(imbalance), -abs(price_ticks - listing.market_price_ticks), -price_ticks)
            if volume and key > best:
                found, best = (price_ticks, volume, imbalance), key
        return found

    def uncross(self, listing: Listing) -> None:
        instrument = listing.terms.instrument
        price_ticks, volume_lots, imbalance = self.crossing(listing)
        self.events.append(t.Auction(instrument, price_ticks, volume_lots, imbalance, listing.phase))
        if volume_lots:
            listing.reference_ticks = price_ticks
        while volume_lots:
            buy, sell = self.book(instrument, Side.BUY)[0], self.book(instrument, Side.SELL)[0]
            lots = min(volume_lots, buy.open_lots, sell.open_lots)
            maker, taker = sorted((buy, sell), key=lambda order: order.rank)
            self.trade(taker, maker, lots, price_ticks, taker.maker_fee_bps, in_auction=True)
            volume_lots -= lots
        for side in Side:
            for order in self.book(instrument, side):
                self.replenish(order)

    def is_crossed(self, listing: Listing) -> bool:
        return self.crossing(listing)[1] > 0

    # -- phases

    def set_phase(self, command: t.SetPhase) -> None:
        listing = self.listing(command.instrument)
        if command.instrument != t.VENUE and listing is None:
            self.reject(0, command.instrument, Reason.UNKNOWN_INSTRUMENT)
        elif not self.is_phase(command):
            self.reject(0, command.instrument, Reason.VALUE_OUT_OF_RANGE)
        elif listing is None:
            self.venue_phase = command.phase
            self.events.append(t.PhaseChanged(t.VENUE, command.phase))
            for each in self.listings:
                self.end_phase(each)
            self.end_day(command)
        elif command.phase not in TRADING:
            self.enter(listing, command.phase, command.until_ns, command.then)
            self.end_day(command)
        elif self.is_crossed(listing) and self.venue_phase != Phase.CONTINUOUS:
            halted = self.venue_phase == Phase.HALT
            self.reject(0, command.instrument, Reason.INSTRUMENT_HALTED if halted else Reason.CANCEL_ONLY)
        else:
            if self.is_crossed(listing) or listing.phase in (*CALLS, Phase.PRE_OPEN):
                self.uncross(listing)
            self.enter(listing, command.phase, 0, 0)
            self.end_day(command)

    def end_day(self, command: t.SetPhase) -> None:
        orders = self.open_orders(instrument=command.instrument or None)
        ending = [order for order in orders if command.ends_day and order.terms.time_in_force == TimeInForce.DAY]
        self.close_all(ending, Reason.EXPIRED)

    def is_phase(self, command: t.SetPhase) -> bool:
        if (
            command.ends_day not in (0, 1)
            or command.phase not in list(Phase)
            or command.then not in list(Phase)
            or command.then in TIMED
        ):
            return False
        if command.instrument == t.VENUE and command.phase > Phase.HALT:
            return False
        is_timed = command.instrument != t.VENUE and command.phase in TIMED and command.until_ns != 0
        return command.until_ns > self.time_ns if is_timed else (command.until_ns, command.then) == (0, 0)

    def enter(self, listing: Listing, phase: int, ends_ns: int, then: int) -> None:
        if phase == Phase.PERIODIC_CALL and listing.period_ns:
            multiples = self.time_ns // listing.period_ns
            ends_ns, then = (multiples + 1) * listing.period_ns, phase
        super().enter(listing, phase, ends_ns, then)

    def end_phase(self, listing: Listing) -> None:
        if 0 < listing.phase_ends_ns <= self.time_ns and self.venue_phase == Phase.CONTINUOUS:
            self.uncross(listing)
            self.enter(listing, listing.phase_then, 0, 0)

    def tell_indicative(self, listing: Listing) -> None:
        listing.indicative_due_ns = 0
        where, until_ns = listing.terms.instrument, listing.phase_ends_ns
        self.events.append(t.Indicative(where, *self.crossing(listing), listing.phase, until_ns))

    def set_bands(self, command: t.SetBands) -> None:
        listing = self.listing(command.instrument)
        if listing is None:
            self.reject(0, command.instrument, Reason.UNKNOWN_INSTRUMENT)
            return
        shares = (command.static_bps, command.dynamic_bps)
        numbers = (command.reference_ticks, command.volatility_call_ns)
        is_odd = min(*shares, *numbers) < 0 or max(shares) >= t.BASIS_POINTS or command.volatility_call_ns > DAY_NS
        is_endless = command.dynamic_bps > 0 and command.volatility_call_ns == 0
        if is_odd or is_endless or command.reference_ticks > listing.terms.price_ticks_max:
            self.reject(0, command.instrument, Reason.VALUE_OUT_OF_RANGE)
            return
        if command.reference_ticks:
            listing.reference_ticks = command.reference_ticks
        listing.static_bps, listing.dynamic_bps = shares
        listing.volatility_call_ns = command.volatility_call_ns
        self.events.append(t.Applied(0, command.instrument))

    def set_auctions(self, command: t.SetAuctions) -> None:
        listing = self.listing(command.instrument)
        if listing is None:
            self.reject(0, command.instrument, Reason.UNKNOWN_INSTRUMENT)
        elif not 0 <= command.period_ns <= DAY_NS:
            self.reject(0, command.instrument, Reason.VALUE_OUT_OF_RANGE)
        else:
            listing.period_ns = command.period_ns
            self.events.append(t.Applied(0, command.instrument))
