// Trades on their way to the chain, and the batches in which they go.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "accounts.hpp"
#include "wire.hpp"

namespace deedbook {

struct UnsettledTrade {
    Seat* buyer;
    Seat* seller;
    std::int64_t lots, notional, buyer_fee, seller_fee;
    std::uint8_t resale;
};

using Ejected = std::map<std::int64_t, std::uint8_t>;  // reason by trade

/// One batch on its way: its range, and the trades that each of its attempts leaves out, in order of attempt.
struct Composition {
    std::int64_t trade_after, trade_last, attempt = 0;
    std::vector<std::pair<Hash, Ejected>> attempts{};

    const Ejected* of(const Hash& payload_hash) const noexcept {
        for (const auto& [hash, ejected] : attempts)
            if (hash == payload_hash) return &ejected;
        return nullptr;
    }
};

}  // namespace deedbook
