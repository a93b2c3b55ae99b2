// May this order enter? Each check answers with the first reason that applies, in the order of Reason.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "bands.hpp"
#include "limits.hpp"
#include "venue.hpp"

namespace deedbook {

inline bool rests(std::uint8_t time_in_force) noexcept {
    return time_in_force == GTC || time_in_force == GTD || time_in_force == DAY;
}

/// Whether side, type, time in force and self-trade prevention have a meaning together.
inline bool is_form(const Command& command) noexcept {
    if (command.side > SELL || command.self_trade > DECREMENT) return false;
    const std::uint8_t tif = command.time_in_force;
    switch (command.order_type) {
        case LIMIT:
        case STOP_LOSS_LIMIT:
        case TAKE_PROFIT_LIMIT: return tif >= GTC && tif <= DAY;
        case LIMIT_MAKER: return rests(tif);
        case MARKET:
        case STOP_LOSS:
        case TAKE_PROFIT: return tif == IOC;
        default: return false;
    }
}

/// Whether only a stop has a stop price, and only what may be an iceberg a display quantity.
inline bool has_its_extra(const Command& command) noexcept {
    if ((command.f | command.g) == 0) return true;
    const bool may_hide = (command.order_type == LIMIT || command.order_type == LIMIT_MAKER) && rests(command.time_in_force);
    return (command.f == 0 || is_stop(command.order_type)) && (command.g == 0 || may_hide);
}

/// Whether an order's slots have a meaning together.
inline bool is_well_formed(const Command& command) noexcept {
    if (!is_form(command) || (command.d != 0) != (command.time_in_force == GTD) || !has_its_extra(command)) return false;
    if (command.order_type == MARKET) return command.a == 0 && command.c >= 0 && (command.c == 0 || command.b == 0);
    return command.c == 0 && (command.a == 0 || !is_at_collar(command.order_type));
}

/// Whether an iceberg hides something, and is not shown in too many parts. Its quantity is within limits.
inline bool is_display(std::int64_t display_lots, std::int64_t qty_lots) noexcept {
    return display_lots > 0 && display_lots < qty_lots && (qty_lots - 1) / display_lots < ICEBERG_PARTS_MAX;
}

inline bool halted(const Venue& venue, const Instrument& instrument) noexcept {
    return instrument.phase == HALT || venue.phase == HALT;
}

inline Reason phase_refusal(std::uint8_t phase, const Command& command) noexcept {
    switch (phase) {
        case CONTINUOUS: return Reason::NONE;
        case HALT: return Reason::INSTRUMENT_HALTED;
        case CANCEL_ONLY_PHASE: return Reason::CANCEL_ONLY;
        case LIMIT_ONLY: return command.order_type == MARKET ? Reason::TYPE_NOT_IN_PHASE : Reason::NONE;
        default:
            return command.order_type == LIMIT && rests(command.time_in_force) ? Reason::NONE : Reason::TYPE_NOT_IN_PHASE;
    }
}

inline Reason permission_refusal(const Venue& venue, const Seat& seat, std::uint8_t side) noexcept {
    const Permission& permission = seat.permission;
    if (!permission.is_set || !(side == BUY ? permission.may_buy : permission.may_sell) ||
        permission.valid_until_ns <= venue.time_ns)
        return Reason::NOT_PERMITTED;
    return Reason::NONE;
}

/// Client id, phase and permission: what does not depend on the price.
inline Reason standing_refusal(Venue& venue, const Seat& seat, const Command& command) {
    const std::uint8_t side = command.side;
    if (!is_no_id(command.text) && venue.order_id_of(*seat.account, command.text) != 0)
        return Reason::CLIENT_ORDER_ID_IN_USE;
    const Reason reason = phase_refusal(phase_in_force(venue.phase, seat.instrument->phase), command);
    if (reason != Reason::NONE) return reason;
    if (!venue.killed.empty() && is_killed(venue, seat.account->number, seat.instrument->number)) return Reason::KILLED;
    return permission_refusal(venue, seat, side);
}

/// Whether the tokens of one who may trade would do but for those that are locked up.
inline bool is_locked_up(const Seat& seat, std::uint8_t side, Wide hold) noexcept {
    if (side == BUY) return false;
    const Wide free = seat.tokens->free;
    return free - seat.permission.locked_lots < hold && hold <= free;
}

/// Caps by owner, then funds.
inline Reason cover_refusal(const Seat& seat, std::uint8_t side, std::int64_t qty_lots, Wide hold) noexcept {
    if (side != BUY) return seat.tokens->free >= hold ? Reason::NONE : Reason::INSUFFICIENT_TOKENS;
    const Terms& terms = seat.instrument->terms;
    if (terms.ownership_cap_lots != 0 && seat.exposure->lots + qty_lots > terms.ownership_cap_lots)
        return Reason::OWNERSHIP_CAP;
    if (terms.holder_cap != 0 && seat.exposure->lots == 0 && seat.instrument->holders >= terms.holder_cap)
        return Reason::HOLDER_CAP;
    return seat.cash->free >= hold ? Reason::NONE : Reason::INSUFFICIENT_CASH;
}

/// What a limit order must have free: micros with the fee rounded up, or lots. For a quantity and price within limits.
inline std::int64_t hold_of(const Instrument& instrument, std::uint8_t side, std::int64_t price_ticks,
                            std::int64_t qty_lots) noexcept {
    if (side != BUY) return qty_lots;
    const std::int64_t notional = price_ticks * instrument.terms.tick_value_usdc_micros * qty_lots;
    return notional + fee_ceil(notional, std::max(instrument.maker_fee_bps, instrument.taker_fee_bps));
}

/// The worst price of an order that names none, from where it meets the market.
inline std::int64_t collar_ticks(const Instrument& instrument, std::uint8_t side, std::int64_t price_ticks) noexcept {
    const Terms& terms = instrument.terms;
    if (side == BUY) {
        const Wide collar = per_basis_point(Wide{price_ticks} * (BASIS_POINTS + terms.market_collar_bps));
        return static_cast<std::int64_t>(std::min(Wide{terms.price_ticks_max}, collar));
    }
    const Wide floor = per_basis_point(Wide{price_ticks} * (BASIS_POINTS - terms.market_collar_bps) + BASIS_POINTS - 1);
    return static_cast<std::int64_t>(std::max(Wide{1}, floor));
}

/// The worst price of a limit order or of a stop. For any stop price: it may be one that will be refused.
inline std::int64_t limit_ticks(const Instrument& instrument, const Command& command) noexcept {
    if (!is_at_collar(command.order_type)) return command.a;
    return command.f > 0 ? collar_ticks(instrument, command.side, command.f) : 0;
}

/// What lies in a well-formed order and its instrument's limits.
inline Reason terms_refusal(const Venue& venue, const Seat& seat, const Command& command, std::int64_t price_ticks) noexcept {
    const Terms& terms = seat.instrument->terms;
    const std::int64_t qty_lots = command.b, stop_ticks = command.f;
    if (qty_lots <= 0) return Reason::QTY_NOT_POSITIVE;
    if (qty_lots > terms.qty_lots_max) return Reason::QTY_TOO_LARGE;
    if (price_ticks <= 0 || (is_stop(command.order_type) && stop_ticks <= 0)) return Reason::PRICE_NOT_POSITIVE;
    if (price_ticks > terms.price_ticks_max || stop_ticks > terms.price_ticks_max) return Reason::PRICE_TOO_HIGH;
    if (command.time_in_force == GTD && command.d <= venue.time_ns) return Reason::EXPIRE_TIME_PASSED;
    if (price_ticks * qty_lots * terms.tick_value_usdc_micros < terms.notional_usdc_micros_min)
        return Reason::NOTIONAL_TOO_SMALL;
    if (command.g != 0 && !is_display(command.g, qty_lots)) return Reason::DISPLAY_OUT_OF_RANGE;
    return Reason::NONE;
}

/// Why a well-formed order with this limit is refused.
inline Reason limit_refusal(Venue& venue, const Seat& seat, const Command& command, std::int64_t price_ticks) {
    Instrument& instrument = *seat.instrument;
    const Terms& terms = instrument.terms;
    const std::int64_t qty_lots = command.b, stop_ticks = command.f;
    const bool stops = is_stop(command.order_type);
    if (const Reason reason = terms_refusal(venue, seat, command, price_ticks); reason != Reason::NONE) return reason;
    if (const Reason reason = standing_refusal(venue, seat, command); reason != Reason::NONE)
        return reason;
    const std::int64_t hold = hold_of(instrument, command.side, price_ticks, qty_lots);
    if (is_locked_up(seat, command.side, hold)) return Reason::LOCKED_UP;
    if (is_outside(instrument, price_ticks) && !is_at_collar(command.order_type)) return Reason::PRICE_OUTSIDE_BAND;
    if (command.order_type == LIMIT_MAKER && instrument.opposite(command.side).reaches(price_ticks))
        return Reason::POST_ONLY_WOULD_TAKE;
    if (stops && has_reached(instrument.last_price_ticks, command.side, command.order_type, stop_ticks))
        return Reason::STOP_WOULD_TRIGGER;
    if ((rests(command.time_in_force) || stops) && seat.open_orders >= open_orders_max(venue, seat)) return Reason::TOO_MANY_ORDERS;
    if (!venue.limits.empty()) {
        const std::int64_t notional = price_ticks * qty_lots * terms.tick_value_usdc_micros;
        const Reason reason = limit_reached(venue, seat, command.side, qty_lots, notional);
        if (reason != Reason::NONE) return reason;
    }
    return cover_refusal(seat, command.side, qty_lots, hold);
}

/// Why a leg that is placed later is refused; what depends on the market or on cover is looked at then.
inline Reason pending_refusal(const Venue& venue, const Seat& seat, const Command& command) noexcept {
    if (!is_well_formed(command)) return Reason::ORDER_MALFORMED;
    const std::int64_t price_ticks = limit_ticks(*seat.instrument, command);
    if (command.order_type != MARKET) {
        const Reason reason = terms_refusal(venue, seat, command, price_ticks);
        if (reason != Reason::NONE) return reason;
    } else if (command.b <= 0) {
        return Reason::QTY_NOT_POSITIVE;
    } else if (command.b > seat.instrument->terms.qty_lots_max) {
        return Reason::QTY_TOO_LARGE;
    }
    const Reason reason = permission_refusal(venue, seat, command.side);
    const bool names_limit = command.order_type != MARKET && !is_at_collar(command.order_type);
    if (reason == Reason::NONE && names_limit && is_outside(*seat.instrument, price_ticks)) return Reason::PRICE_OUTSIDE_BAND;
    return reason;
}

/// What a market order comes to against the book as it stands: its collar, most lots, and what it must have free.
struct MarketTerms {
    std::int64_t limit_ticks = 0, lots_max;
    Wide notional = 0, hold = 0;

    /// For a quantity or a quote within limits, and a book with orders on the other side.
    MarketTerms(Instrument& instrument, std::uint8_t side, std::int64_t qty_lots, std::int64_t quote_usdc_micros) noexcept
        : lots_max(qty_lots) {
        const Terms& terms = instrument.terms;
        const std::int64_t best = instrument.opposite(side).best();
        limit_ticks = collar_ticks(instrument, side, best);
        notional = Wide{qty_lots} * limit_ticks * terms.tick_value_usdc_micros;
        if (quote_usdc_micros != 0) {
            const Wide dearest_lot = Wide{side == BUY ? best : limit_ticks} * terms.tick_value_usdc_micros;
            lots_max = static_cast<std::int64_t>(std::min(Wide{terms.qty_lots_max}, quote_usdc_micros / dearest_lot));
            notional = quote_usdc_micros;
        }
        const std::int64_t fee_bps = std::max(instrument.maker_fee_bps, instrument.taker_fee_bps);
        hold = side == BUY ? notional + per_basis_point(notional * fee_bps + BASIS_POINTS - 1) : Wide{lots_max};
    }
};

/// Nothing where nobody stands opposite. For a quantity or a quote within limits.
inline std::optional<MarketTerms> market_terms(Instrument& instrument, std::uint8_t side, std::int64_t qty_lots,
                                               std::int64_t quote_usdc_micros) noexcept {
    if (instrument.opposite(side).best() == 0) return std::nullopt;
    return MarketTerms(instrument, side, qty_lots, quote_usdc_micros);
}

}  // namespace deedbook
