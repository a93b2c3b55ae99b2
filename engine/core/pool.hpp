// Objects by number, at addresses that stay: chunks that are never given back, and a list of the free ones.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace deedbook {

constexpr std::uint32_t NIL = UINT32_MAX;

template <typename T>
class Pool {
public:
    T& operator[](std::uint32_t number) noexcept { return chunks_[number >> BITS][number & MASK]; }
    const T& operator[](std::uint32_t number) const noexcept { return chunks_[number >> BITS][number & MASK]; }

    std::uint32_t take() {
        if (!free_.empty()) {
            const std::uint32_t number = free_.back();
            free_.pop_back();
            return number;
        }
        if ((size_ & MASK) == 0) {
            chunks_.push_back(std::make_unique_for_overwrite<T[]>(MASK + 1));
            free_.reserve(size_ + MASK + 1);  // so that giving back never allocates
        }
        return size_++;
    }

    void give_back(std::uint32_t number) noexcept { free_.push_back(number); }

private:
    static constexpr unsigned BITS = 12;
    static constexpr std::uint32_t MASK = (1U << BITS) - 1;

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<std::uint32_t> free_;
    std::uint32_t size_ = 0;
};

}  // namespace deedbook
