// A listed instrument: what it is, its book and its stops, and what its phases mean.
#pragma once

#include <cstdint>
#include <string>

#include "accounts.hpp"
#include "book.hpp"
#include "stops.hpp"
#include "wire.hpp"

namespace deedbook {

/// An instrument's terms as SetInstrument gives them (engine/types.py).
struct Terms {
    std::uint32_t fee_account = 0;
    std::int64_t tick_value_usdc_micros = 0, price_ticks_max = 0, qty_lots_max = 0, notional_usdc_micros_min = 0;
    std::int64_t market_collar_bps = 0, open_orders_max = 0, ownership_cap_lots = 0;
    std::uint32_t holder_cap = 0;
    std::uint8_t resale = 0, lot_decimals = 0;
    std::string symbol;
    Wallet token{};
};

/// A listed instrument: its terms, fees, phase and book.
struct Instrument {
    std::uint16_t number;
    Terms terms;
    Balance* fees;  // the fee account's cash
    std::int64_t maker_fee_bps = 0, taker_fee_bps = 0;
    std::uint8_t phase = CONTINUOUS;
    std::int64_t update_id = 0, last_price_ticks = 0;
    std::int64_t phase_ends_ns = 0;  // 0: by a command
    std::uint8_t phase_then = CONTINUOUS;
    std::int64_t indicative_due_ns = 0;  // 0: nothing to tell
    std::int64_t period_ns = 0, holders = 0;
    std::int64_t reference_ticks = 0;  // 0: none
    std::int64_t static_bps = 0, dynamic_bps = 0, volatility_call_ns = 0;
    BookSide bids{BUY}, asks{SELL};
    WaitingStops stops{};

    BookSide& side(std::uint8_t side) noexcept { return side == BUY ? bids : asks; }
    const BookSide& side(std::uint8_t side) const noexcept { return side == BUY ? bids : asks; }
    BookSide& opposite(std::uint8_t side) noexcept { return side == BUY ? asks : bids; }

    /// The last trade's, or where there was none the reference; 0: neither.
    std::int64_t market_price_ticks() const noexcept { return last_price_ticks != 0 ? last_price_ticks : reference_ticks; }

    bool is_crossed() const noexcept { return asks.best() != 0 && bids.reaches(asks.best()); }
};

inline bool is_call(std::uint8_t phase) noexcept { return OPENING_CALL <= phase && phase <= PERIODIC_CALL; }

/// Whether orders trade as they come.
inline bool is_trading(std::uint8_t phase) noexcept { return phase == CONTINUOUS || phase == LIMIT_ONLY; }

/// Whether orders rest, also across one another.
inline bool is_collecting(std::uint8_t phase) noexcept { return phase == PRE_OPEN || is_call(phase); }

/// The stricter of the two: a halt, else cancel-only, else the instrument's.
inline std::uint8_t phase_in_force(std::uint8_t venue, std::uint8_t instrument) noexcept {
    if (venue == HALT || instrument == HALT) return HALT;
    return venue == CANCEL_ONLY_PHASE ? venue : instrument;
}

}  // namespace deedbook
