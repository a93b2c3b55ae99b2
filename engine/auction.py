"""The call auction: at which one price most of what rests would trade, and that it does."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.book import EXPIRE_MAKER, BookSide, Order
from engine.matching import DECREMENT, EXPIRE_TAKER, decrement, fill_in_auction
from engine.types import EventKind, Reason
from engine.venue import Instrument, Venue

AUCTION: Final = int(EventKind.AUCTION)
INDICATIVE: Final = int(EventKind.INDICATIVE)


class Crossing(NamedTuple):
    """Zeros where nothing crosses."""

    price_ticks: int = 0
    volume_lots: int = 0
    imbalance_lots: int = 0  # of the orders that would trade at the price: buys less sells


def crossing(bids: BookSide, asks: BookSide, reference_ticks: int) -> Crossing:
    """The price of the largest volume, then least imbalance, then nearest the reference, then the lower.

    One walk upwards over the levels between the best ask and the best bid. Between two prices at which supply or demand
    changes all ticks trade the same, so of each such stretch only the tick nearest the reference counts.
    """
    if not asks.best or not bids.reaches(asks.best):
        return Crossing()
    demand_levels = list(bids.depth(asks.best))  # the lowest is last
    supply_levels = list(asks.depth(bids.best))[::-1]
    demand_lots, supply_lots = sum(lots for _, lots in demand_levels), 0
    low, highest, found, found_key = asks.best, bids.best, Crossing(), (0, 0, 0)
    while low <= highest:
        if supply_levels and supply_levels[-1][0] == low:
            supply_lots += supply_levels.pop()[1]
        high = demand_levels[-1][0]
        if supply_levels and supply_levels[-1][0] <= high:
            high = supply_levels[-1][0] - 1
        price_ticks = min(max(reference_ticks, low), high)
        volume_lots, imbalance_lots = min(demand_lots, supply_lots), demand_lots - supply_lots
        key = (volume_lots, -abs(imbalance_lots), -abs(price_ticks - reference_ticks))
        if key > found_key:  # a later one that is as good is dearer
            found, found_key = Crossing(price_ticks, volume_lots, imbalance_lots), key
        if imbalance_lots <= 0:
            break  # further up there is only less to buy and more to sell
        if high == demand_levels[-1][0]:
            demand_lots -= demand_levels.pop()[1]
        low = high + 1
    return found


def uncross(venue: Venue, instrument: Instrument) -> None:
    """All that can trade at one price does, each side by price and time; the book is not crossed after it."""
    bids, asks = instrument.bids, instrument.asks
    found = crossing(bids, asks, instrument.market_price_ticks)
    venue.emit(AUCTION, 0, instrument.number, 0, *found, flags=instrument.phase)
    open_lots = found.volume_lots
    while open_lots:
        buy, sell = bids.first(), asks.first()
        lots = min(open_lots, buy.open_lots, sell.open_lots)
        fill_in_auction(venue, buy, sell, found.price_ticks, lots)
        open_lots -= lots
    if found.volume_lots:
        instrument.reference_ticks = found.price_ticks
        for side in (bids, asks):
            if side.best:
                venue.replenish(side.first())  # the only one that may have traded in part
    assert not instrument.is_crossed()


def tell_indicative(venue: Venue, instrument: Instrument) -> None:
    found = crossing(instrument.bids, instrument.asks, instrument.market_price_ticks)
    venue.emit(INDICATIVE, 0, instrument.number, 0, *found, instrument.phase_ends_ns, flags=instrument.phase)


def prevent_self_trade(venue: Venue, order: Order) -> int:
    """An order that crosses the book comes into a call. Its mode is carried out on all own orders that it crosses.

    So that no two of one owner meet in the uncross whose younger one forbids it, and the price counts on no such pair.
    Returns why the order may not stay, or 0.
    """
    mode, seat = order.self_trade, order.seat
    if not mode:
        return 0
    crossed = [
        own
        for own_seat in seat.exposure.seats
        if own_seat.open_orders
        for own in own_seat.account.orders.values()
        if own.seat is own_seat and own.crosses(order)
    ]
    crossed.sort(key=lambda own: own.rank)
    if mode == DECREMENT:
        return next(
            (why for own in crossed if (why := decrement(venue, order, own, min(order.open_lots, own.open_lots)))), 0
        )
    if mode != EXPIRE_TAKER:
        venue.close_all(crossed, Reason.SELF_TRADE)
    return Reason.SELF_TRADE if crossed and mode != EXPIRE_MAKER else 0
