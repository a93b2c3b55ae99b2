// What operators set against mistakes and runaway programs: kill switches, and limits of orders and positions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lists.hpp"

namespace deedbook {

inline bool is_killed(const Venue& venue, std::uint32_t account, std::uint16_t instrument) {
    return venue.killed.contains({0, VENUE}) || venue.killed.contains({0, instrument}) ||
           venue.killed.contains({account, VENUE}) || venue.killed.contains({account, instrument});
}

/// The account's own, and the instrument's where it has none.
inline Limits limits_of(const Venue& venue, const Seat& seat) {
    Limits limits;
    for (const std::uint32_t account : {seat.account->number, std::uint32_t{0}}) {
        const auto found = venue.limits.find({account, seat.instrument->number});
        if (found == venue.limits.end()) continue;
        const Limits& theirs = found->second;
        if (limits.notional_usdc_micros == 0) limits.notional_usdc_micros = theirs.notional_usdc_micros;
        if (limits.position_lots == 0) limits.position_lots = theirs.position_lots;
        if (limits.open_orders == 0) limits.open_orders = theirs.open_orders;
    }
    return limits;
}

inline std::int64_t open_orders_max(const Venue& venue, const Seat& seat) {
    const std::int64_t limit = venue.limits.empty() ? 0 : limits_of(venue, seat).open_orders;
    return limit != 0 ? limit : seat.instrument->terms.open_orders_max;
}

/// The reason to refuse an order for the size of it or of what it leads to.
inline Reason limit_reached(const Venue& venue, const Seat& seat, std::uint8_t side, std::int64_t qty_lots, Wide notional) {
    const Limits limits = limits_of(venue, seat);
    if (limits.notional_usdc_micros != 0 && notional > limits.notional_usdc_micros) return Reason::ORDER_LIMIT;
    if (side != BUY || limits.position_lots == 0) return Reason::NONE;
    Wide lots = Wide{seat.tokens->position_lots} + seat.tokens->owed_in + qty_lots;
    for (std::uint32_t at = seat.account->orders_first; at != NIL; at = venue.orders[at].account_after) {
        const Order& order = venue.orders[at];
        if (order.seat == &seat && order.side == BUY && venue.is_counted(order)) lots += order.open_lots;
    }
    return lots > limits.position_lots ? Reason::POSITION_LIMIT : Reason::NONE;
}

class Guard {
public:
    explicit Guard(Venue& venue) noexcept : venue_(venue) {}

    void kill_switch(const Command& command) {
        if (!is_scope(command)) return;
        if (command.flags > 1) return refuse(Reason::VALUE_OUT_OF_RANGE, command);
        const Scope scope{command.account, command.instrument};
        venue_.tell(EventKind::KILL_SWITCHED, command.instrument, command.account).flags = command.flags;
        if (command.flags == 0) {
            venue_.killed.erase(scope);
            return;
        }
        venue_.killed.insert(scope);
        if (command.account != 0) {
            for (std::uint32_t at = venue_.accounts[command.account].orders_first; at != NIL;) {
                const std::uint32_t after = venue_.next_if_closed(at, false);
                close(at, command.instrument);
                at = after;
            }
        } else {
            std::vector<std::uint64_t> order_ids;  // not places: one of a list takes others along
            order_ids.reserve(venue_.index.count());
            venue_.each_order([&](std::uint32_t place) { order_ids.push_back(venue_.orders[place].order_id); });
            for (const std::uint64_t order_id : order_ids)
                if (const std::uint32_t place = venue_.index.find(order_id); place != NIL) close(place, command.instrument);
        }
    }

    void set_limits(const Command& command) {
        if (command.instrument == VENUE) return refuse(Reason::UNKNOWN_INSTRUMENT, command);
        if (!is_scope(command)) return;
        if (std::min({command.a, command.b, command.c}) < 0) return refuse(Reason::VALUE_OUT_OF_RANGE, command);
        const Limits limits{command.a, command.b, command.c};
        const Scope scope{command.account, command.instrument};
        if (limits == Limits{}) {
            venue_.limits.erase(scope);
        } else {
            venue_.limits[scope] = limits;
        }
        venue_.applied(command.account, command.instrument);
    }

private:
    void refuse(Reason reason, const Command& command) { venue_.reject(reason, command.instrument, command.account); }

    bool is_scope(const Command& command) {
        if (command.instrument != VENUE && venue_.instrument(command.instrument) == nullptr) {
            refuse(Reason::UNKNOWN_INSTRUMENT, command);
        } else if (command.account != 0 && venue_.account(command.account) == nullptr) {
            refuse(Reason::UNKNOWN_ACCOUNT, command);
        } else {
            return true;
        }
        return false;
    }

    void close(std::uint32_t place, std::uint16_t instrument) {
        if (instrument == VENUE || venue_.orders[place].seat->instrument->number == instrument)
            venue_.close(place, Reason::KILL_SWITCH);
    }

    Venue& venue_;
};

}  // namespace deedbook
