// An ex-date: from its seq on a buyer does not get a dividend, and orders are lowered by what the price loses with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lists.hpp"

namespace deedbook {

/// 0: there is no price.
inline std::int64_t lowered(std::int64_t price_ticks, std::int64_t ticks) noexcept {
    return price_ticks == 0 ? 0 : std::max<std::int64_t>(1, price_ticks - ticks);
}

/// Whether a pending leg would be among those, were it placed.
inline bool is_lowered(const Venue& venue, const Order& leg) noexcept {
    if (venue.extras[leg.extra].stop_ticks != 0) return !must_rise(leg.side, leg.order_type);
    return leg.side == BUY && leg.price_ticks != 0;
}

/// A bid, or a stop that waits for a fall, or a pending leg that will be one.
inline void lower(Venue& venue, Instrument& instrument, std::uint32_t place, std::int64_t ticks) {
    Order& order = venue.orders[place];
    Seat& seat = *order.seat;
    Extra* const extra = order.extra == NIL ? nullptr : &venue.extras[order.extra];
    const bool is_pending = venue.rank_of(order) == 0, rests = !is_pending && !venue.waits(order);
    const bool stops = extra != nullptr && extra->stop_ticks != 0 && !rests;
    if (order.price_ticks <= ticks || (stops && extra->stop_ticks <= ticks)) return venue.close(place, Reason::EX_DATE);
    const std::int64_t held = venue.held_for(order);
    if (rests) {
        instrument.bids.remove(venue.orders, place);
    } else if (!is_pending) {
        instrument.stops.remove(order, extra->stop_ticks);
    }
    if (stops) extra->stop_ticks -= ticks;
    order.price_ticks -= ticks;
    if (rests) {
        instrument.bids.add(venue.orders, place);
        venue.book_changed(instrument);
    } else if (!is_pending) {
        instrument.stops.add(order, extra->stop_ticks);
    }
    if (order.side == BUY && !is_pending) {
        const std::int64_t freed = held - venue.held_for(order);
        venue.touch(*seat.cash);
        seat.cash->held -= freed;
        seat.cash->free += freed;
    }
    Event& event = venue.tell(EventKind::REPRICED, instrument.number, seat.account->number);
    event.a = static_cast<std::int64_t>(order.order_id);
    event.b = order.price_ticks;
    event.c = extra == nullptr ? 0 : extra->stop_ticks;
    event.d = order.open_lots;
    event.e = ticks;
    event.f = rests ? instrument.update_id : 0;
    event.side = order.side;
}

/// Bids and stops that wait for a fall: those are what a price that is lower for the dividend alone would reach.
inline void ex_date(Venue& venue, const Command& command) {
    Instrument* instrument = venue.instrument(command.instrument);
    if (instrument == nullptr) return venue.reject(Reason::UNKNOWN_INSTRUMENT, command.instrument);
    Dividend dividend;
    std::memcpy(dividend.data(), command.text.data(), dividend.size());
    for (const auto& [seq, done] : venue.ex_dates)
        if (done == dividend)
            return venue.reject(Reason::EX_DATE_DONE, command.instrument, 0, static_cast<std::int64_t>(seq));
    if (command.a <= 0) return venue.reject(Reason::VALUE_OUT_OF_RANGE, command.instrument);
    venue.ex_dates[venue.seq] = dividend;
    if (venue.ex_dates.size() > EX_DATES_KEPT_MAX) venue.ex_dates.erase(venue.ex_dates.begin());
    const std::int64_t tick_value = instrument->terms.tick_value_usdc_micros;
    const std::int64_t ticks = command.a / tick_value + (command.a % tick_value != 0);
    instrument->last_price_ticks = lowered(instrument->last_price_ticks, ticks);
    instrument->reference_ticks = lowered(instrument->reference_ticks, ticks);
    Event& event = venue.tell(EventKind::WENT_EX, command.instrument, 0);
    event.a = ticks;
    event.b = instrument->last_price_ticks;
    event.c = instrument->reference_ticks;
    std::vector<std::uint32_t> places;
    instrument->bids.each(venue.orders, [&](std::uint32_t place) { places.push_back(place); });
    instrument->stops.each_falling([&](std::uint64_t order_id) { places.push_back(venue.index.find(order_id)); });
    for (const std::uint32_t place : places) lower(venue, *instrument, place, ticks);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> legs;  // pending ones by list, which one may end
    for (const auto& [list_id, list] : venue.lists)
        if (list.seat->instrument == instrument)
            for (std::uint8_t leg = 0; leg < list.pending_count; ++leg) legs.emplace_back(list_id, list.pending[leg]);
    for (const auto& [list_id, place] : legs)
        if (venue.lists.contains(list_id) && is_lowered(venue, venue.orders[place]))
            lower(venue, *instrument, place, ticks);
}

}  // namespace deedbook
