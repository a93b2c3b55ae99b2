"""The match: an incoming order against the other side of the book, and what one trade does to both accounts."""

from __future__ import annotations

from typing import Final

from engine.book import BUY, Order
from engine.types import BASIS_POINTS, EventKind, Reason, SelfTrade
from engine.venue import Instrument, Venue
from engine.wire import EVENT

TRADE: Final = int(EventKind.TRADE)
EXPIRE_TAKER: Final = int(SelfTrade.EXPIRE_TAKER)
EXPIRE_MAKER: Final = int(SelfTrade.EXPIRE_MAKER)


def match(venue: Venue, taker: Order, quote_usdc_micros: int) -> int:
    """Fill against the opposite side, best price first, in order of arrival; returns why it stopped early, or 0.

    quote_usdc_micros  what a market order may still spend or raise; negative: no such bound.
    """
    instrument = taker.seat.instrument
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
        if taker.self_trade and maker.seat.account.owner == taker.seat.account.owner:
            if taker.self_trade != EXPIRE_TAKER:
                venue.close(maker, Reason.SELF_TRADE)
            if taker.self_trade != EXPIRE_MAKER:
                return Reason.SELF_TRADE
            continue
        if quote_usdc_micros >= 0:
            quote_usdc_micros -= lots * usdc_micros_per_lot
        _fill(venue, taker, maker, instrument, lots, lots * usdc_micros_per_lot)
    return 0


def _fill(venue: Venue, taker: Order, maker: Order, instrument: Instrument, lots: int, notional: int) -> None:
    """One trade at the maker's price: what each side gives is owed out, what it gets owed in, fees floored."""
    venue.last_trade_id = trade_id = venue.last_trade_id + 1
    maker_fee = notional * maker.maker_fee_bps // BASIS_POINTS
    taker_fee = notional * instrument.taker_fee_bps // BASIS_POINTS
    resale = instrument.terms.resale
    maker_lots = maker.open_lots
    maker.open_lots = maker_lots - lots
    taker.open_lots -= lots
    maker.executed_usdc_micros += notional
    taker.executed_usdc_micros += notional
    if taker.side == BUY:
        buyer, seller, buyer_fee, seller_fee = taker.seat, maker.seat, taker_fee, maker_fee
        buyer.cash.free -= notional + buyer_fee
        seller.tokens.held -= lots
    else:
        buyer, seller, buyer_fee, seller_fee = maker.seat, taker.seat, maker_fee, taker_fee
        freed = maker.hold_for(maker_lots) - maker.hold_for(maker_lots - lots)
        buyer.cash.held -= freed
        buyer.cash.free += freed - notional - buyer_fee
        seller.tokens.free -= lots
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
    instrument.last_price_ticks = maker.price_ticks
    maker_filled = maker.open_lots == 0
    if maker_filled:
        venue.unrest(maker)
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
            maker.price_ticks,
            lots,
            instrument.update_id,
            maker_fee,
            taker_fee,
            maker.seat.account.number,
            taker.side,
            maker_filled,
            0,
        )
    )
