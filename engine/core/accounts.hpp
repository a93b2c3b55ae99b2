// Who holds what: accounts with their balances and permissions, and what an owner's accounts add up to.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "broken_rule.hpp"
#include "pool.hpp"
#include "queue.hpp"
#include "wire.hpp"

namespace deedbook {

struct Instrument;
struct Seat;

/// A balance's number that leaves its record is a mistake of ours, as it is in the Python engine.
inline void add(std::int64_t& amount, std::int64_t more) {
    require(!__builtin_add_overflow(amount, more, &amount), "an amount leaves the records");
}

/// An owner's lots in one instrument: positions, what is owed in, and open buys. The caps count these.
struct Exposure {
    Wide lots = 0;               // of several wallets, each up to 2^62
    std::int64_t* holders;       // owners with an exposure in this instrument
    std::vector<Seat*> seats{};  // of the owner's accounts, in this instrument

    void add(std::int64_t more_lots) {
        const Wide before = lots;
        lots += more_lots;
        require(lots >= 0, "an exposure below zero");
        if (before == 0) {
            if (more_lots != 0) ++*holders;
        } else if (lots == 0) {
            --*holders;
        }
    }
};

/// One account's asset, in USDC micros or lots: level + advanced = free + held + requested + owed_out.
struct alignas(64) Balance {
    std::uint32_t account = 0;
    std::uint16_t instrument = 0;
    Exposure* exposure = nullptr;  // of tokens
    std::uint64_t touched_seq = 0;
    std::int64_t free = 0, held = 0, owed_in = 0, owed_out = 0, requested = 0;
    std::int64_t level = 0, advanced = 0, position_lots = 0;
    std::int64_t asked = 0;      // what the chain says it asked to take out; `requested` is the part set aside
    std::int64_t announced = 0;  // the last amount told to the releaser

    std::uint64_t key() const noexcept { return std::uint64_t{account} << 16 | instrument; }

    bool is_empty() const noexcept {
        return (free | held | owed_in | owed_out | requested | level | advanced | position_lots | asked | announced) == 0;
    }
};

/// What an account may do in an instrument, until when, and from which rules and facts that follows.
struct Permission {
    bool is_set = false, ended = false;
    std::uint8_t may_buy = 0, may_sell = 0;
    std::int64_t valid_until_ns = 0, locked_lots = 0, rules_version = 0;
    Hash facts_hash{};
};

struct Account;

/// An account's place in one instrument: all that its orders there need, found once.
struct Seat {
    Account* account;
    Instrument* instrument;
    Balance* cash;
    Balance* tokens;
    Exposure* exposure;
    std::int64_t tick_value_usdc_micros;  // of the instrument
    std::int64_t open_orders = 0;
    Permission permission{};
};

/// A client id whose order has closed: it stays refused for a day.
struct ClosedId {
    std::int64_t time_ns;
    std::uint32_t client_id;  // its number in ClientIds
};

/// One linked wallet, or the one that took its place. Orders are open ones, oldest first.
struct Account {
    std::uint32_t number, owner;
    Wallet wallet;
    std::map<std::uint16_t, Wallet> left_behind{};  // assets that are still at an earlier wallet
    std::uint32_t orders_first = NIL, orders_last = NIL;
    Queue<ClosedId, 6> closed_ids{};
    std::vector<Balance*> balances{};  // in the order in which they came
    std::vector<Seat*> seats{};

    const Wallet& wallet_of(std::uint16_t asset) const noexcept {
        const auto found = left_behind.find(asset);
        return found == left_behind.end() ? wallet : found->second;
    }
};

}  // namespace deedbook
