// The match: an incoming order against the other side of the book, and what one trade does to both accounts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bands.hpp"
#include "lists.hpp"
#include "outlook.hpp"
#include "prefetch.hpp"
#include "venue.hpp"

namespace deedbook {

/// What a side gives is owed out at once; the hold it frees comes back first.
inline void give(Balance& balance, std::int64_t from_held, std::int64_t amount) {
    balance.held -= from_held;
    add(balance.free, from_held - amount);
    add(balance.owed_out, amount);
}

/// What a side gets is owed in; with resale it can be used at once.
inline void get(Balance& balance, std::int64_t amount, bool resale) {
    add(balance.owed_in, amount);
    if (!resale) return;
    add(balance.free, amount);
    add(balance.advanced, amount);
}

/// Lots of a resting order trade: what was held for them is given; a buy's hold above its `cost` is free again.
inline void take_from_book(Order& order, std::int64_t lots, std::int64_t cost) {
    const std::int64_t held = order.hold_for(order.open_lots) - order.hold_for(order.open_lots - lots);
    if (order.side == BUY) {
        give(*order.seat->cash, held, cost);
    } else {
        give(*order.seat->tokens, held, lots);
    }
    order.seat->instrument->side(order.side).reduce(order.price_ticks, lots);
    order.open_lots -= lots;
}

/// Two orders as they meet: what they trade, at what price, and the fees of each.
struct Meeting {
    Order& taker;
    std::uint32_t maker_place;
    std::int64_t price_ticks, lots, notional, taker_fee, maker_fee;
};

/// Both sides have given; what each gets is owed in, and the trade is told. The maker leaves the book when it is filled.
inline void trade(Venue& venue, const Meeting& meeting, std::uint8_t flags) {
    Order& taker = meeting.taker;
    Order& maker = venue.orders[meeting.maker_place];
    Instrument& instrument = *taker.seat->instrument;
    const std::int64_t trade_id = ++venue.last_trade_id, lots = meeting.lots, notional = meeting.notional;
    const bool resale = instrument.terms.resale != 0, taker_buys = taker.side == BUY;
    Seat& buyer = taker_buys ? *taker.seat : *maker.seat;
    Seat& seller = taker_buys ? *maker.seat : *taker.seat;
    const std::int64_t buyer_fee = taker_buys ? meeting.taker_fee : meeting.maker_fee;
    const std::int64_t seller_fee = taker_buys ? meeting.maker_fee : meeting.taker_fee;
    get(*buyer.tokens, lots, resale);
    get(*seller.cash, notional - seller_fee, resale);
    add(instrument.fees->owed_in, buyer_fee + seller_fee);
    for (Balance* balance : {buyer.cash, seller.tokens, buyer.tokens, seller.cash, instrument.fees})
        venue.touch(*balance);
    venue.unsettled.push_back(
        {&buyer, &seller, lots, notional, buyer_fee, seller_fee, static_cast<std::uint8_t>(instrument.terms.resale)});
    maker.executed_usdc_micros += notional;
    taker.executed_usdc_micros += notional;
    ++instrument.update_id;
    instrument.last_price_ticks = meeting.price_ticks;
    venue.stir(instrument);
    Event& event = venue.tell(EventKind::TRADE, instrument.number, taker.seat->account->number);
    event.a = trade_id;
    event.b = static_cast<std::int64_t>(maker.order_id);
    event.c = static_cast<std::int64_t>(taker.order_id);
    event.d = meeting.price_ticks;
    event.e = lots;
    event.f = instrument.update_id;
    event.g = meeting.maker_fee;
    event.h = meeting.taker_fee;
    event.peer = maker.seat->account->number;
    event.side = taker.side;
    event.flags = static_cast<std::uint8_t>(flags | (maker.open_lots == 0 ? MAKER_FILLED : 0));
    if ((flags & IN_AUCTION) != 0 && taker.open_lots == 0) event.flags |= TAKER_FILLED;
    if (maker.open_lots == 0) {
        const std::uint64_t list_id = venue.list_id_of(maker);
        venue.unrest(meeting.maker_place);
        if (list_id != 0) [[unlikely]] venue.leg_ended(list_id, Reason::NONE);
    } else if (maker.extra != NIL && (flags & IN_AUCTION) == 0) {
        venue.replenish(meeting.maker_place);
    }
}

/// One trade at the maker's price: the taker pays from what is free, at today's taker rate.
inline void fill(Venue& venue, Order& taker, std::uint32_t maker_place, std::int64_t lots, std::int64_t notional) {
    Order& maker = venue.orders[maker_place];
    if (maker.extra != NIL) venue.prevail(maker);
    const std::int64_t maker_fee = fee_floor(notional, maker.maker_fee_bps);
    const std::int64_t taker_fee = fee_floor(notional, taker.seat->instrument->taker_fee_bps);
    if (taker.side == BUY) {
        give(*taker.seat->cash, 0, notional + taker_fee);
    } else {
        give(*taker.seat->tokens, 0, lots);
    }
    taker.open_lots -= lots;
    take_from_book(maker, lots, notional + maker_fee);
    trade(venue, {taker, maker_place, maker.price_ticks, lots, notional, taker_fee, maker_fee}, 0);
}

/// One trade of two that rest: the younger counts as the taker, both pay the maker rate that they came with.
inline void fill_in_auction(Venue& venue, std::uint32_t buy, std::uint32_t sell, std::int64_t price_ticks,
                            std::int64_t lots) {
    const bool buy_is_younger = venue.rank_of(venue.orders[buy]) > venue.rank_of(venue.orders[sell]);
    const std::uint32_t taker_place = buy_is_younger ? buy : sell, maker_place = buy_is_younger ? sell : buy;
    Order& taker = venue.orders[taker_place];
    Order& maker = venue.orders[maker_place];
    venue.prevail(taker);
    venue.prevail(maker);
    const std::int64_t notional = price_ticks * lots * taker.seat->instrument->terms.tick_value_usdc_micros;
    const std::int64_t maker_fee = fee_floor(notional, maker.maker_fee_bps);
    const std::int64_t taker_fee = fee_floor(notional, taker.maker_fee_bps);
    take_from_book(taker, lots, notional + taker_fee);
    take_from_book(maker, lots, notional + maker_fee);
    trade(venue, {taker, maker_place, price_ticks, lots, notional, taker_fee, maker_fee}, IN_AUCTION);
    if (taker.open_lots != 0) return;
    const std::uint64_t list_id = venue.list_id_of(taker);
    venue.unrest(taker_place);
    if (list_id != 0) venue.leg_ended(list_id, Reason::NONE);
}

inline BookSide& opposite_of(Venue&, const Order& taker) noexcept {
    return taker.seat->instrument->opposite(taker.side);
}

inline std::int64_t tick_value_of(const Venue&, const Order& taker) noexcept {
    return taker.seat->instrument->terms.tick_value_usdc_micros;
}

/// What a taker meets of it at a time.
inline std::int64_t shown_lots(const Venue& venue, const Order& maker) noexcept {
    return maker.open_lots - venue.hidden_lots(maker);
}

/// Whether two orders may not meet, both being of one owner.
inline bool is_prevented(const Order& taker, const Order& maker) noexcept {
    return taker.self_trade != NO_PREVENTION && maker.seat->account->owner == taker.seat->account->owner;
}

/// Both are smaller by what they would have traded; returns why the taker ends.
inline Reason decrement(Venue& venue, Order& taker, std::uint32_t maker_place, std::int64_t lots) {
    Order& maker = venue.orders[maker_place];
    const Instrument& instrument = *taker.seat->instrument;
    venue.prevail(maker);
    taker.qty_lots -= lots;
    taker.open_lots -= lots;
    const bool closes = lots == maker.open_lots;
    if (!closes) venue.reduce(maker, lots);
    Event& event = venue.tell(EventKind::PREVENTED, instrument.number, taker.seat->account->number);
    event.a = ++venue.last_prevented_id;
    event.b = static_cast<std::int64_t>(maker.order_id);
    event.c = static_cast<std::int64_t>(taker.order_id);
    event.d = maker.price_ticks;
    event.e = lots;
    event.f = closes ? 0 : instrument.update_id;
    event.g = maker.qty_lots;
    event.h = maker.open_lots;
    event.peer = maker.seat->account->number;
    event.side = taker.side;
    event.flags = closes;
    if (closes) {
        venue.close(maker_place, Reason::SELF_TRADE);
    } else {
        venue.replenish(maker_place);
    }
    return taker.open_lots == 0 ? Reason::SELF_TRADE : Reason::NONE;
}

/// Of a meeting that is prevented the maker, the taker or both go, or both get smaller; returns why the taker ends.
inline Reason prevent(Venue& venue, Order& taker, std::uint32_t maker_place, std::int64_t lots) {
    if (taker.self_trade == DECREMENT) return decrement(venue, taker, maker_place, lots);
    if (taker.self_trade != EXPIRE_TAKER) venue.close(maker_place, Reason::SELF_TRADE);
    return taker.self_trade != EXPIRE_MAKER ? Reason::SELF_TRADE : Reason::NONE;
}

/// A maker that is likely met after the next: what taking it out of the book touches.
inline void expect(const Venue& venue, const Order& maker) noexcept {
    venue.index.prefetch(maker.order_id);
    for (const std::uint32_t near : {maker.account_before, maker.account_after})
        if (near != NIL) prefetch(&venue.orders[near].account_before);
}

/// Fill against the opposite side, best price first, in order of arrival; returns why it stopped early.
///
/// Market             the venue, or a bare book (bare_book.hpp): orders, and the steps above for its orders.
/// quote_usdc_micros  what a market order may still spend or raise; negative: no such bound.
template <typename Market, typename Taker>
Reason match(Market& market, Taker& taker, std::int64_t quote_usdc_micros) {
    BookSide& opposite = opposite_of(market, taker);
    const std::int64_t tick_value = tick_value_of(market, taker);
    const std::int64_t limit_ticks = limit_within(market, taker);
    Outlook<Market, Taker> outlook(market, opposite);
    while (taker.open_lots != 0 && opposite.reaches(taker.price_ticks)) {
        const std::int64_t price_ticks = opposite.best();
        const std::int64_t usdc_micros_per_lot = price_ticks * tick_value;
        const std::uint32_t maker_place = opposite.first_at(price_ticks);
        const Taker& maker = market.orders[maker_place];
        std::int64_t lots = std::min(taker.open_lots, shown_lots(market, maker));
        if (quote_usdc_micros >= 0) {
            lots = std::min(lots, quote_usdc_micros / usdc_micros_per_lot);
            if (lots == 0) return Reason::NONE;
        }
        if (!opposite.reaches(limit_ticks)) return Reason::BAND_REACHED;
        if (is_prevented(taker, maker)) {
            const std::int64_t open_lots = taker.open_lots;
            if (const Reason reason = prevent(market, taker, maker_place, lots); reason != Reason::NONE) return reason;
            if (quote_usdc_micros >= 0) quote_usdc_micros -= (open_lots - taker.open_lots) * usdc_micros_per_lot;
            continue;
        }
        if (quote_usdc_micros >= 0) quote_usdc_micros -= lots * usdc_micros_per_lot;
        if (taker.open_lots > lots) outlook.meet(maker);
        fill(market, taker, maker_place, lots, lots * usdc_micros_per_lot);
    }
    return Reason::NONE;
}

}  // namespace deedbook
