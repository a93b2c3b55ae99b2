"""The match: an incoming order against the other side of the book, and what one trade does to both accounts."""

from __future__ import annotations

from typing import Final

from engine.bands import limit_within
from engine.book import BUY, Order
from engine.lists import FILLED, leg_ended, prevail
from engine.types import BASIS_POINTS, EventKind, Reason, SelfTrade, TradeFlag
from engine.venue import Venue
from engine.wire import EVENT

TRADE: Final = int(EventKind.TRADE)
PREVENTED: Final = int(EventKind.PREVENTED)
DECREMENT: Final = int(SelfTrade.DECREMENT)
EXPIRE_TAKER: Final = int(SelfTrade.EXPIRE_TAKER)
EXPIRE_MAKER: Final = int(SelfTrade.EXPIRE_MAKER)
MAKER_FILLED: Final = int(TradeFlag.MAKER_FILLED)
IN_AUCTION: Final = int(TradeFlag.IN_AUCTION)
TAKER_FILLED: Final = int(TradeFlag.TAKER_FILLED)


def match(venue: Venue, taker: Order, quote_usdc_micros: int) -> int:
    """Fill against the opposite side, best price first, in order of arrival; returns why it stopped early, or 0.

    quote_usdc_micros  what a market order may still spend or raise; negative: no such bound.
    """
    instrument = taker.seat.instrument
    opposite = instrument.asks if taker.side == BUY else instrument.bids
    tick_value = instrument.terms.tick_value_usdc_micros
    limit_ticks = limit_within(instrument, taker.side, taker.price_ticks)
    while taker.open_lots and opposite.reaches(taker.price_ticks):
        price_ticks = opposite.best
        usdc_micros_per_lot = price_ticks * tick_value
        maker = opposite.first()
        lots = maker.open_lots - maker.hidden_lots
        if taker.open_lots < lots:
            lots = taker.open_lots
        if quote_usdc_micros >= 0:
            lots = min(lots, quote_usdc_micros // usdc_micros_per_lot)
            if lots == 0:
                return 0
        if not opposite.reaches(limit_ticks):
            return Reason.BAND_REACHED
        if taker.self_trade and maker.seat.account.owner == taker.seat.account.owner:
            open_lots = taker.open_lots
            stopped = _prevent(venue, taker, maker, lots)
            if stopped:
                return stopped
            lots = open_lots - taker.open_lots
            if quote_usdc_micros >= 0:
                quote_usdc_micros -= lots * usdc_micros_per_lot
            continue
        if quote_usdc_micros >= 0:
            quote_usdc_micros -= lots * usdc_micros_per_lot
        _fill(venue, taker, maker, lots, lots * usdc_micros_per_lot)
    return 0


def _prevent(venue: Venue, taker: Order, maker: Order, lots: int) -> int:
    """Of a meeting that is prevented the maker, the taker or both go, or both get smaller; why the taker ends, or 0."""
    if taker.self_trade == DECREMENT:
        return decrement(venue, taker, maker, lots)
    if taker.self_trade != EXPIRE_TAKER:
        venue.close(maker, Reason.SELF_TRADE)
    return Reason.SELF_TRADE if taker.self_trade != EXPIRE_MAKER else 0


def decrement(venue: Venue, taker: Order, maker: Order, lots: int) -> int:
    """Both are smaller by what they would have traded; why the taker ends, or 0."""
    instrument = taker.seat.instrument
    prevail(venue, maker)
    taker.qty_lots -= lots
    taker.open_lots -= lots
    closes = lots == maker.open_lots
    if not closes:
        venue.reduce(maker, lots)
    venue.last_prevented_id += 1
    venue.emit(
        PREVENTED,
        0,
        instrument.number,
        taker.seat.account.number,
        venue.last_prevented_id,
        maker.order_id,
        taker.order_id,
        maker.price_ticks,
        lots,
        0 if closes else instrument.update_id,
        maker.qty_lots,
        maker.open_lots,
        peer=maker.seat.account.number,
        side=taker.side,
        flags=closes,
    )
    if closes:
        venue.close(maker, Reason.SELF_TRADE)
    else:
        venue.replenish(maker)
    return 0 if taker.open_lots else Reason.SELF_TRADE


def _fill(venue: Venue, taker: Order, maker: Order, lots: int, notional: int) -> None:
    """One trade at the maker's price: the taker pays from what is free, at today's taker rate."""
    if maker.list_id:
        prevail(venue, maker)
    instrument = taker.seat.instrument
    maker_fee = notional * maker.maker_fee_bps // BASIS_POINTS
    taker_fee = notional * instrument.taker_fee_bps // BASIS_POINTS
    if taker.side == BUY:
        taker.seat.cash.free -= notional + taker_fee
    else:
        taker.seat.tokens.free -= lots
    taker.open_lots -= lots
    _take_from_book(maker, lots, notional + maker_fee)
    _trade(venue, taker, maker, maker.price_ticks, lots, notional, taker_fee, maker_fee, 0)
    if maker.hidden_lots:
        venue.replenish(maker)


def fill_in_auction(venue: Venue, buy: Order, sell: Order, price_ticks: int, lots: int) -> None:
    """One trade of two that rest: the younger counts as the taker, both pay the maker rate that they came with."""
    taker, maker = (buy, sell) if buy.rank > sell.rank else (sell, buy)
    prevail(venue, taker)
    prevail(venue, maker)
    notional = price_ticks * lots * buy.seat.instrument.terms.tick_value_usdc_micros
    maker_fee = notional * maker.maker_fee_bps // BASIS_POINTS
    taker_fee = notional * taker.maker_fee_bps // BASIS_POINTS
    _take_from_book(taker, lots, notional + taker_fee)
    _take_from_book(maker, lots, notional + maker_fee)
    _trade(venue, taker, maker, price_ticks, lots, notional, taker_fee, maker_fee, IN_AUCTION)
    if not taker.open_lots:
        venue.unrest(taker)
        if taker.list_id:
            leg_ended(venue, taker, FILLED)


def _take_from_book(order: Order, lots: int, cost: int) -> None:
    """Lots of a resting order trade: what was held for them is given; a buy's hold above its `cost` is free again."""
    seat, open_lots = order.seat, order.open_lots
    if order.side == BUY:
        freed = order.hold_for(open_lots) - order.hold_for(open_lots - lots)
        seat.cash.held -= freed
        seat.cash.free += freed - cost
        seat.instrument.bids.reduce(order.price_ticks, lots)
    else:
        seat.tokens.held -= lots
        seat.instrument.asks.reduce(order.price_ticks, lots)
    order.open_lots = open_lots - lots


def _trade(
    venue: Venue,
    taker: Order,
    maker: Order,
    price_ticks: int,
    lots: int,
    notional: int,
    taker_fee: int,
    maker_fee: int,
    flags: int,
) -> None:
    """What each side has given is owed out, what it gets owed in, fees floored; and the trade is told."""
    instrument = taker.seat.instrument
    venue.last_trade_id = trade_id = venue.last_trade_id + 1
    resale = instrument.terms.resale
    maker.executed_usdc_micros += notional
    taker.executed_usdc_micros += notional
    if taker.side == BUY:
        buyer, seller, buyer_fee, seller_fee = taker.seat, maker.seat, taker_fee, maker_fee
    else:
        buyer, seller, buyer_fee, seller_fee = maker.seat, taker.seat, maker_fee, taker_fee
    buyer_cash, buyer_tokens, seller_cash, seller_tokens = buyer.cash, buyer.tokens, seller.cash, seller.tokens
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
    fees = instrument.fees
    fees.owed_in += buyer_fee + seller_fee
    seq, touched = venue.seq, venue.touched
    for balance in (buyer_cash, seller_tokens, buyer_tokens, seller_cash, fees):
        if balance.touched_seq != seq:
            balance.touched_seq = seq
            touched.append(balance)
    venue.unsettled[trade_id] = (buyer, seller, lots, notional, buyer_fee, seller_fee, resale)
    instrument.update_id += 1
    instrument.last_price_ticks = price_ticks
    venue.stir(instrument)
    if not maker.open_lots:
        flags |= MAKER_FILLED
        venue.unrest(maker)
    if flags & IN_AUCTION and not taker.open_lots:
        flags |= TAKER_FILLED
    venue.events.append(
        EVENT.pack(
            seq,
            TRADE,
            0,
            instrument.number,
            taker.seat.account.number,
            trade_id,
            maker.order_id,
            taker.order_id,
            price_ticks,
            lots,
            instrument.update_id,
            maker_fee,
            taker_fee,
            maker.seat.account.number,
            taker.side,
            flags,
            0,
        )
    )
    if maker.list_id and not maker.open_lots:
        leg_ended(venue, maker, FILLED)
