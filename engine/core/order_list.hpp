// An open list of orders.
#pragma once

#include <array>
#include <cstdint>

#include "accounts.hpp"
#include "pool.hpp"
#include "wire.hpp"

namespace deedbook {

/// How many legs a kind of list has; 0: there is no such kind.
inline std::uint8_t legs_of(std::uint8_t kind) noexcept { return kind == OCO || kind == OTO ? 2 : kind == OTOCO ? 3 : 0; }

/// Its legs' order ids follow one another, from its own id on.
struct OrderList {
    std::uint64_t list_id;
    Seat* seat;
    std::int64_t time_ns;
    std::uint32_t client_id;  // its number in ClientIds; NIL: it has none
    std::uint8_t kind;
    std::uint8_t legs_left = 0;
    std::uint8_t pending_count = 0;
    std::array<std::uint32_t, 2> pending{NIL, NIL};  // places of legs that are not placed yet

    /// The order id of a pair's first leg; 0: there is no pair.
    std::uint64_t pair_id() const noexcept { return kind == OCO ? list_id : kind == OTOCO ? list_id + 1 : 0; }

    void add_pending(std::uint32_t place) noexcept { pending[pending_count++] = place; }

    void remove_pending(std::uint32_t place) noexcept {
        if (pending[0] == place) pending[0] = pending[1];
        --pending_count;
    }
};

}  // namespace deedbook
