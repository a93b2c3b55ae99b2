// From a number that is not 0 to a number: open addressing, nothing is ever removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace deedbook {

class FlatMap {
public:
    static constexpr std::uint32_t NONE = UINT32_MAX;

    FlatMap() : slots_(64) {}

    std::uint32_t find(std::uint64_t key) const noexcept {
        for (std::size_t at = place(key);; at = (at + 1) & (slots_.size() - 1)) {
            if (slots_[at].key == key) return slots_[at].value;
            if (slots_[at].key == 0) return NONE;
        }
    }

    /// `key` must be new.
    void insert(std::uint64_t key, std::uint32_t value) {
        if (++count_ * 2 > slots_.size()) grow();
        put(key, value);
    }

private:
    struct Slot {
        std::uint64_t key = 0;
        std::uint32_t value = 0;
    };

    std::size_t place(std::uint64_t key) const noexcept {
        const std::uint64_t mixed = key * 0x9E3779B97F4A7C15ULL;
        return static_cast<std::size_t>(mixed ^ (mixed >> 32)) & (slots_.size() - 1);
    }

    void put(std::uint64_t key, std::uint32_t value) noexcept {
        std::size_t at = place(key);
        while (slots_[at].key != 0) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = {key, value};
    }

    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        std::swap(old, slots_);
        for (const Slot& slot : old)
            if (slot.key != 0) put(slot.key, slot.value);
    }

    std::vector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace deedbook
