// How far prices may go: the static band around a reference, and the dynamic one around the last trade.
#pragma once

#include <algorithm>
#include <cstdint>

#include "book.hpp"
#include "venue.hpp"

namespace deedbook {

/// How far `bps` of a price are, in whole ticks.
inline std::int64_t band_ticks(std::int64_t reference_ticks, std::int64_t bps) noexcept {
    return static_cast<std::int64_t>(per_basis_point(Wide{reference_ticks} * bps));
}

/// Whether a limit lies outside the static band.
inline bool is_outside(const Instrument& instrument, std::int64_t price_ticks) noexcept {
    if (instrument.static_bps == 0 || instrument.reference_ticks == 0) return false;
    const std::int64_t away = band_ticks(instrument.reference_ticks, instrument.static_bps);
    return price_ticks < instrument.reference_ticks - away || price_ticks > instrument.reference_ticks + away;
}

/// How far an order may trade, as the last trade stands now.
inline std::int64_t limit_within(const Venue&, const Order& order) noexcept {
    const Instrument& instrument = *order.seat->instrument;
    const std::int64_t price_ticks = instrument.market_price_ticks();
    if (instrument.dynamic_bps == 0 || price_ticks == 0) return order.price_ticks;
    const std::int64_t away = band_ticks(price_ticks, instrument.dynamic_bps);
    return order.side == BUY ? std::min(order.price_ticks, price_ticks + away)
                             : std::max(order.price_ticks, price_ticks - away);
}

/// An order has reached the dynamic band: all meet at one price a little later, and then it goes on as before.
inline void start_volatility_call(Venue& venue, Instrument& instrument) {
    venue.enter(instrument, VOLATILITY_CALL, venue.time_ns + instrument.volatility_call_ns, instrument.phase);
}

inline void set_bands(Venue& venue, const Command& command) {
    constexpr std::int64_t BAND_BPS_MAX = 9'999, VOLATILITY_CALL_NS_MAX = 24LL * 3600 * 1'000'000'000;
    const auto is_within = [](std::int64_t value, std::int64_t low, std::int64_t high) { return low <= value && value <= high; };
    Instrument* instrument = venue.instrument(command.instrument);
    if (instrument == nullptr) return venue.reject(Reason::UNKNOWN_INSTRUMENT, command.instrument);
    if (!is_within(command.a, 0, instrument->terms.price_ticks_max) || !is_within(command.b, 0, BAND_BPS_MAX) ||
        !is_within(command.c, 0, BAND_BPS_MAX) || !is_within(command.d, command.c > 0 ? 1 : 0, VOLATILITY_CALL_NS_MAX))
        return venue.reject(Reason::VALUE_OUT_OF_RANGE, command.instrument);
    if (command.a != 0) instrument->reference_ticks = command.a;
    instrument->static_bps = command.b;
    instrument->dynamic_bps = command.c;
    instrument->volatility_call_ns = command.d;
    venue.applied(0, command.instrument);
}

}  // namespace deedbook
