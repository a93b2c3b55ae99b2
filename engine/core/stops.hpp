// Orders that wait for the last trade's price, and which of them it has reached.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "book.hpp"
#include "wire.hpp"

namespace deedbook {

inline bool is_stop(std::uint8_t order_type) noexcept { return order_type >= STOP_LOSS && order_type <= TAKE_PROFIT_LIMIT; }

/// Whether it names no limit, and so trades within the collar of its price.
inline bool is_at_collar(std::uint8_t order_type) noexcept { return order_type == STOP_LOSS || order_type == TAKE_PROFIT; }

/// Whether the price must rise to a stop, or else fall.
inline bool must_rise(std::uint8_t side, std::uint8_t order_type) noexcept {
    return (side == BUY) == (order_type < TAKE_PROFIT);
}

/// Whether the last trade's price, 0 for none, is where a stop is triggered.
inline bool has_reached(std::int64_t last_price_ticks, std::uint8_t side, std::uint8_t order_type,
                        std::int64_t stop_ticks) noexcept {
    if (must_rise(side, order_type)) return last_price_ticks >= stop_ticks;
    return 0 < last_price_ticks && last_price_ticks <= stop_ticks;
}

/// Those of one instrument that wait. The first is the one that a moving price reaches first, and of one price the oldest.
class WaitingStops {
public:
    bool empty() const noexcept { return rising_.empty() && falling_.empty(); }
    void add(const Order& order, std::int64_t stop_ticks) { of(order).insert(key(order, stop_ticks)); }
    void remove(const Order& order, std::int64_t stop_ticks) { of(order).erase(key(order, stop_ticks)); }

    /// Calls `visit(order_id)` for those that wait for a fall, in the order in which one would reach them.
    template <typename Visit>
    void each_falling(Visit visit) const {
        for (const auto& [price, order_id] : falling_) visit(order_id);
    }

    /// The order id of the next one at this price of the last trade, or 0; those that it rises to come first.
    std::uint64_t reached(std::int64_t price_ticks) const noexcept {
        if (price_ticks == 0) return 0;
        if (!rising_.empty() && rising_.begin()->first <= price_ticks) return rising_.begin()->second;
        if (!falling_.empty() && falling_.begin()->first <= -price_ticks) return falling_.begin()->second;
        return 0;
    }

private:
    using Key = std::pair<std::int64_t, std::uint64_t>;  // price, negative where it must fall, and order id

    std::set<Key>& of(const Order& order) noexcept { return must_rise(order.side, order.order_type) ? rising_ : falling_; }

    static Key key(const Order& order, std::int64_t stop_ticks) noexcept {
        return {must_rise(order.side, order.order_type) ? stop_ticks : -stop_ticks, order.order_id};
    }

    std::set<Key> rising_, falling_;
};

}  // namespace deedbook
