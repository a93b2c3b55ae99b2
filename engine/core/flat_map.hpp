// From a number that is not 0 to an object at an address that stays: open addressing, nothing is ever removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "prefetch.hpp"

namespace deedbook {

template <typename T>
class FlatMap {
public:
    FlatMap() : slots_(64) {}

    T* find(std::uint64_t key) const noexcept {
        for (std::size_t at = place(key);; at = (at + 1) & (slots_.size() - 1)) {
            if (slots_[at].key == key) return slots_[at].value;
            if (slots_[at].key == 0) return nullptr;
        }
    }

    /// `key` must be new.
    void insert(std::uint64_t key, T* value) {
        if (++count_ * 2 > slots_.size()) grow();
        put({key, value});
    }

    /// It will be looked for soon.
    void prefetch(std::uint64_t key) const noexcept { deedbook::prefetch(&slots_[place(key)]); }

private:
    struct Slot {
        std::uint64_t key = 0;
        T* value = nullptr;
    };

    std::size_t place(std::uint64_t key) const noexcept {
        const std::uint64_t mixed = key * 0x9E3779B97F4A7C15ULL;
        return static_cast<std::size_t>(mixed ^ (mixed >> 32)) & (slots_.size() - 1);
    }

    void put(const Slot& slot) noexcept {
        std::size_t at = place(slot.key);
        while (slots_[at].key != 0) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = slot;
    }

    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        std::swap(old, slots_);
        for (const Slot& slot : old)
            if (slot.key != 0) put(slot);
    }

    std::vector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace deedbook
