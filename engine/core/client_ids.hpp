// Client order ids of all accounts: of open orders, and of those closed within a day. One table, keyed by account and id.
#pragma once

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
        for (std::size_t at = place(account, id); slots_[at] != NIL; at = next(at)) {
            const Entry& entry = entries_[slots_[at]];
            if (entry.account == account && entry.id == id) return entry.order_id;
        }
        return 0;
    }

    /// `id` must be new to the account. Returns the number by which it is kept.
    std::uint32_t insert(std::uint32_t account, const Text& id, std::uint64_t order_id) {
        if (++count_ * 2 > slots_.size()) grow();
        const std::uint32_t number = entries_.take();
        entries_[number] = {order_id, account, id};
        put(number);
        return number;
    }

    const Text& text(std::uint32_t number) const noexcept { return entries_[number].id; }
    std::uint64_t order_id(std::uint32_t number) const noexcept { return entries_[number].order_id; }

    void erase(std::uint32_t number) {
        std::size_t at = home(number);
        while (slots_[at] != number) {
            require(slots_[at] != NIL, "a client order id is forgotten that is not known");
            at = next(at);
        }
        --count_;
        entries_.give_back(number);
        for (std::size_t hole = at, after = next(at);; after = next(after)) {  // close the gap behind it
            if (slots_[after] == NIL) {
                slots_[hole] = NIL;
                return;
            }
            if (((after - home(slots_[after])) & mask()) >= ((after - hole) & mask())) {
                slots_[hole] = slots_[after];
                hole = after;
            }
        }
    }

private:
    struct Entry {
        std::uint64_t order_id;
        std::uint32_t account;
        Text id;
    };

    std::size_t mask() const noexcept { return slots_.size() - 1; }
    std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }
    std::size_t home(std::uint32_t number) const noexcept { return place(entries_[number].account, entries_[number].id); }

    /// Traders choose the ids, so where one lands must not be theirs to choose: nothing that is told depends on it.
    std::size_t place(std::uint32_t account, const Text& id) const noexcept {
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
        return static_cast<std::size_t>(mixed) & mask();
    }

    void put(std::uint32_t number) noexcept {
        std::size_t at = home(number);
        while (slots_[at] != NIL) at = next(at);
        slots_[at] = number;
    }

    void grow() {
        std::vector<std::uint32_t> old(slots_.size() * 2, NIL);
        std::swap(old, slots_);
        for (const std::uint32_t number : old)
            if (number != NIL) put(number);
    }

    Pool<Entry> entries_;
    std::vector<std::uint32_t> slots_;
    std::size_t count_ = 0;
    std::uint64_t seed_;
};

}  // namespace deedbook
