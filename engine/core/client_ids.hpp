// Client order ids of all accounts: of open orders, and of those closed within a day. One table, keyed by account and id.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "broken_rule.hpp"
#include "wire.hpp"

namespace deedbook {

class ClientIds {
public:
    ClientIds() : slots_(1024), seed_(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32) {}

    /// The order that has this id, or 0.
    std::uint64_t find(std::uint32_t account, const Text& id) const noexcept {
        for (std::size_t at = place(account, id);; at = next(at)) {
            const Slot& slot = slots_[at];
            if (slot.order_id == 0) return 0;
            if (slot.account == account && slot.id == id) return slot.order_id;
        }
    }

    /// `id` must be new to the account.
    void insert(std::uint32_t account, const Text& id, std::uint64_t order_id) {
        if (++count_ * 2 > slots_.size()) grow();
        put({order_id, account, id});
    }

    void erase(std::uint32_t account, const Text& id) {
        std::size_t at = place(account, id);
        while (slots_[at].account != account || slots_[at].id != id) {
            require(slots_[at].order_id != 0, "a client order id is forgotten that is not known");
            at = next(at);
        }
        --count_;
        for (std::size_t hole = at, after = next(at);; after = next(after)) {  // close the gap behind it
            if (slots_[after].order_id == 0) {
                slots_[hole].order_id = 0;
                return;
            }
            const std::size_t home = place(slots_[after].account, slots_[after].id);
            if (((after - home) & mask()) >= ((after - hole) & mask())) {
                slots_[hole] = slots_[after];
                hole = after;
            }
        }
    }

private:
    struct Slot {
        std::uint64_t order_id = 0;  // 0: nothing here
        std::uint32_t account = 0;
        Text id{};
    };

    std::size_t mask() const noexcept { return slots_.size() - 1; }
    std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }

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

    void put(const Slot& slot) noexcept {
        std::size_t at = place(slot.account, slot.id);
        while (slots_[at].order_id != 0) at = next(at);
        slots_[at] = slot;
    }

    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        std::swap(old, slots_);
        for (const Slot& slot : old)
            if (slot.order_id != 0) put(slot);
    }

    std::vector<Slot> slots_;
    std::size_t count_ = 0;
    std::uint64_t seed_;
};

}  // namespace deedbook
