// Client order ids of all accounts: of open orders, and of those closed within a day. One table, keyed by account and id.
// It grows a few places with each insert: to move a million ids at once would hold up the market for tens of milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "broken_rule.hpp"
#include "pool.hpp"
#include "wire.hpp"

namespace deedbook {

class ClientIds {
public:
    ClientIds() : slots_(1024, NIL), seed_(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32) {}

    /// The order that has this id, or 0.
    std::uint64_t find(std::uint32_t account, const Text& id) const noexcept {
        const std::size_t hash = mix(account, id);
        for (const Slots* slots : {&slots_, &old_}) {
            if (slots->empty()) continue;
            for (std::size_t at = hash & mask(*slots); (*slots)[at] != NIL; at = (at + 1) & mask(*slots)) {
                if ((*slots)[at] == MOVED) continue;
                const Entry& entry = entries_[(*slots)[at]];
                if (entry.account == account && entry.id == id) return entry.order_id;
            }
        }
        return 0;
    }

    /// `id` must be new to the account. Returns the number by which it is kept.
    std::uint32_t insert(std::uint32_t account, const Text& id, std::uint64_t order_id) {
        if (++count_ * 2 > slots_.size()) grow();
        move_some();
        const std::uint32_t number = entries_.take();
        entries_[number] = {order_id, account, id};
        put(number);
        return number;
    }

    const Text& text(std::uint32_t number) const noexcept { return entries_[number].id; }
    std::uint64_t order_id(std::uint32_t number) const noexcept { return entries_[number].order_id; }

    void erase(std::uint32_t number) {
        if (const std::size_t at = place(slots_, number); slots_[at] == number) {
            close_gap(at);
        } else {
            require(!old_.empty(), "a client order id is forgotten that is not known");
            const std::size_t before = place(old_, number);
            require(old_[before] == number, "a client order id is forgotten that is not known");
            old_[before] = MOVED;
        }
        --count_;
        entries_.give_back(number);
    }

private:
    struct Entry {
        std::uint64_t order_id;
        std::uint32_t account;
        Text id;
    };

    using Slots = std::vector<std::uint32_t>;  // numbers by hash, with open addressing

    static constexpr std::uint32_t MOVED = NIL - 1;  // in the old table: nothing here any more, look on
    static constexpr std::size_t STEPS = 8;          // of the old table with each insert; it is done long before the next

    static std::size_t mask(const Slots& slots) noexcept { return slots.size() - 1; }
    std::size_t hash(std::uint32_t number) const noexcept { return mix(entries_[number].account, entries_[number].id); }

    /// Where the number stands, or else the free slot that ends the search for it.
    std::size_t place(const Slots& slots, std::uint32_t number) const noexcept {
        std::size_t at = hash(number) & mask(slots);
        while (slots[at] != NIL && slots[at] != number) at = (at + 1) & mask(slots);
        return at;
    }

    /// Traders choose the ids, so where one lands must not be theirs to choose: nothing that is told depends on it.
    std::size_t mix(std::uint32_t account, const Text& id) const noexcept {
        std::uint64_t words[5] = {0, 0, 0, 0, account};
        std::memcpy(words, id.data(), 32);
        std::uint32_t rest;
        std::memcpy(&rest, id.data() + 32, 4);
        words[4] |= std::uint64_t{rest} << 32;
        std::uint64_t mixed = seed_;
        for (const std::uint64_t word : words) {
            __extension__ using Product = unsigned __int128;
            const Product product = static_cast<Product>(mixed ^ word) * (seed_ | 0xA0761D6478BD642FULL);
            mixed = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^ 0x9E3779B97F4A7C15ULL;
        }
        return static_cast<std::size_t>(mixed);
    }

    void put(std::uint32_t number) noexcept { slots_[place(slots_, number)] = number; }

    void close_gap(std::size_t hole) noexcept {
        for (std::size_t after = (hole + 1) & mask(slots_); slots_[after] != NIL; after = (after + 1) & mask(slots_)) {
            const std::size_t home = hash(slots_[after]);
            if (((after - home) & mask(slots_)) < ((after - hole) & mask(slots_))) continue;
            slots_[hole] = slots_[after];
            hole = after;
        }
        slots_[hole] = NIL;
    }

    void grow() {
        require(old_.empty(), "the table of client order ids grows while it grows");
        old_ = std::exchange(slots_, Slots(slots_.size() * 2, NIL));
        moved_ = 0;
    }

    void move_some() noexcept {
        const std::size_t end = std::min(moved_ + STEPS, old_.size());
        for (; moved_ < end; ++moved_) {
            if (old_[moved_] == NIL || old_[moved_] == MOVED) continue;
            put(std::exchange(old_[moved_], MOVED));
        }
        if (moved_ == old_.size()) old_ = Slots();
    }

    Pool<Entry> entries_;
    Slots slots_;
    Slots old_;  // while it grows: the table of half the size, moved up to `moved_`
    std::size_t moved_ = 0;
    std::size_t count_ = 0;
    std::uint64_t seed_;
};

}  // namespace deedbook
